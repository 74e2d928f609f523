"""Manifests to and from Hugging Face Datasets, through folders on this disk.

The hub itself is not reached: `FakeHub` stands for huggingface_hub.HfApi and copies folders, so the tests of it prove
which calls are made, in which order and with what, and not that the hub takes them.
"""

from __future__ import annotations

import inspect
import json
import shutil
import types

import miniature
import pytest

pa = pytest.importorskip("pyarrow", reason="needs the data extra")
datasets = pytest.importorskip("datasets", reason="needs the data extra")
import huggingface_hub  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from macule.data import hub, manifest, sources  # noqa: E402
from macule.data.hub import Repository  # noqa: E402
from macule.errors import DatasetError, EnvironmentFault, UsageError  # noqa: E402


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


@pytest.fixture
def made(tmp_path):
    rows = [miniature.ham_row(str(n // 2), str(n), dx) for n, dx in enumerate(("nv", "nv", "mel", "df"))]
    root = miniature.ham10000(tmp_path / "HAM10000", rows)
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        path.write_bytes(path.read_bytes() + bytes([number]))
    return manifest.write(tmp_path / "ham.parquet", sources.load("ham10000", root), roots={"ham10000": root})


def relicensed(made, path, licence, dataset="ham10000"):
    """The same rows under another licence and name."""
    with manifest.Writer(path, roots={dataset: made.roots["ham10000"]}) as writer:
        for batch in made.batches():
            for name, value in (("licence", licence), ("dataset", dataset)):
                place = batch.schema.get_field_index(name)
                column = pa.array([value] * batch.num_rows, pa.string())
                batch = batch.set_column(place, batch.schema.field(place), column)  # noqa: PLW2901
            writer.add(batch)
    return writer.manifest


def contents(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def alter(folder, change):
    """Rewrite the rows of a pushed folder."""
    (path,) = (folder / "data").glob("*.parquet")
    pq.write_table(change(pq.read_table(path)), path)


def with_cell(table, column, value):
    place = table.schema.get_field_index(column)
    values = [value, *table.column(column).to_pylist()[1:]]
    return table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))


def test_rows_alone_there_and_back(made, tmp_path):
    hub.push(made, tmp_path / "pushed")
    back = hub.pull(tmp_path / "pushed", tmp_path / "back")
    assert manifest.read(tmp_path / "back" / "manifest.parquet") == back
    assert back.hash == made.hash and back.roots == {}
    assert [record.picture for record in back.records()] == [None] * 4
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["manifest.parquet"]


def test_the_pictures_of_a_pull_can_lie_elsewhere(made, tmp_path):
    hub.push(made, tmp_path / "pushed")
    back = hub.pull(tmp_path / "pushed", tmp_path / "back", roots=made.roots)
    assert list(back.records()) == list(made.records())


def test_pictures_there_and_back(made, tmp_path):
    done = []
    hub.push(made, tmp_path / "pushed", with_pictures=True, tick=done.append)
    back = hub.pull(tmp_path / "pushed", tmp_path / "back", tick=done.append)
    assert sum(done) == 8 and back.hash == made.hash
    assert back.roots == {"ham10000": tmp_path / "back" / "ham10000"}
    assert [record.read() for record in back.records()] == [record.read() for record in made.records()]


def test_many_shards_and_batches(made, tmp_path, monkeypatch):
    monkeypatch.setattr("macule.data.hub.pushing.SHARD", 1)
    monkeypatch.setattr("macule.data.hub.pushing.GROUP", 1)
    monkeypatch.setattr("macule.data.hub.pulling.BATCH", 3)
    hub.push(made, tmp_path / "pushed", with_pictures=True)
    assert len(list((tmp_path / "pushed" / "data").iterdir())) == 4
    assert hub.pull(tmp_path / "pushed", tmp_path / "back").hash == made.hash


def test_the_library_reads_it_as_it_is(made, tmp_path):
    hub.push(made, tmp_path / "pushed", with_pictures=True)
    rows = datasets.load_dataset(str(tmp_path / "pushed"), split="rows", streaming=True)
    first = next(iter(rows))
    assert first["picture_id"] == "ISIC_0" and first["labels"] == ["nv"] and first["image"].size == (16, 12)


def test_a_member_of_a_file_comes_back_as_a_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    import numpy as np

    miniature.flat(tmp_path / "flat.jpg")
    content = (tmp_path / "flat.jpg").read_bytes()
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["one"] = np.void(content)
    miniature.flat(tmp_path / "set" / "a.jpg")
    miniature.table(tmp_path / "set" / "t.csv", ("picture", "dx"), [("a.jpg", "nv")])
    (record,) = sources.load("csv", tmp_path / "set")
    record = type(record)(**{**vars(record), "picture": tmp_path / "x.hdf5" / "one"})
    made = manifest.write(tmp_path / "m.parquet", [record], roots={"csv": tmp_path})
    hub.push(made, tmp_path / "pushed", with_pictures=True)
    back = hub.pull(tmp_path / "pushed", tmp_path / "back")
    assert (tmp_path / "back" / "csv" / "x.hdf5" / "one").read_bytes() == content
    assert back.hash == made.hash and next(back.records()).read() == content


def test_the_card_says_what_counts(made, tmp_path):
    hub.push(made, tmp_path / "pushed")
    card = (tmp_path / "pushed" / "README.md").read_text()
    for part in ("license: cc-by-nc-4.0", "size_categories: [n<1K]", made.hash, "Not a medical device",
                 "| ham10000 | 4 | CC BY-NC 4.0 | Tschandl", "forbids commercial use (NC)", "| mel | 1 |",
                 "get them from their publishers"):
        assert part in card
    assert json.loads((tmp_path / "pushed" / "macule.json").read_text())["hash"] == made.hash


def test_no_path_of_this_machine_leaves_it(made, tmp_path):
    hub.push(made, tmp_path / "pushed", with_pictures=True)
    assert str(tmp_path).encode() not in contents(tmp_path / "pushed")
    assert b"macule.roots" not in contents(tmp_path / "pushed")


def test_nor_one_that_a_table_holds(made, tmp_path):
    leaky = relicensed(made, tmp_path / "leaky.parquet", f"see {made.roots['ham10000']}/LICENCE")
    with pytest.raises(DatasetError, match="column licence holds the folder"):
        hub.push(leaky, tmp_path / "pushed")
    assert not (tmp_path / "pushed").exists()


def test_an_altered_row_is_found(made, tmp_path):
    hub.push(made, tmp_path / "pushed")
    alter(tmp_path / "pushed", lambda table: with_cell(table, "dx_original", "changed"))
    with pytest.raises(DatasetError, match="was altered or is not whole"):
        hub.pull(tmp_path / "pushed", tmp_path / "back")
    assert not list(tmp_path.glob("*back*"))


def test_a_missing_row_is_found(made, tmp_path):
    hub.push(made, tmp_path / "pushed")
    alter(tmp_path / "pushed", lambda table: table.slice(0, 3))
    with pytest.raises(DatasetError, match=r"its 3 rows .* 4 rows with"):
        hub.pull(tmp_path / "pushed", tmp_path / "back")


@pytest.mark.parametrize("image", [{"bytes": b"other", "path": "x"}, None])
def test_an_altered_or_missing_picture_is_found(made, tmp_path, image):
    hub.push(made, tmp_path / "pushed", with_pictures=True)
    alter(tmp_path / "pushed", lambda table: with_cell(table, "image", image))
    with pytest.raises(DatasetError, match="is missing or was altered"):
        hub.pull(tmp_path / "pushed", tmp_path / "back")
    assert not list(tmp_path.glob("*back*"))


@pytest.mark.parametrize(("column", "value"), [("picture", "../../evil.jpg"), ("picture", "/evil.jpg"),
                                               ("dataset", "../evil")])
def test_no_picture_is_written_outside_the_folder(made, tmp_path, column, value):
    hub.push(made, tmp_path / "pushed", with_pictures=True)
    alter(tmp_path / "pushed", lambda table: with_cell(table, column, value))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match=f"column {column} is"):
        hub.pull(tmp_path / "pushed", tmp_path / "back")
    assert [path for path in sorted(tmp_path.rglob("*")) if "hf" not in path.parts] == before


def test_another_hash_than_the_one_asked_for(made, tmp_path):
    hub.push(made, tmp_path / "pushed")
    with pytest.raises(DatasetError, match="0000 was asked for"):
        hub.pull(tmp_path / "pushed", tmp_path / "back", expected="0000")
    assert hub.pull(tmp_path / "pushed", tmp_path / "back", expected=made.hash).rows == 4


def test_what_was_not_pushed_by_macule(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetError, match=r"holds no readable macule\.json"):
        hub.pull(tmp_path / "other", tmp_path / "back")


def test_nothing_is_overwritten(made, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        hub.push(made, tmp_path / "full")
    hub.push(made, tmp_path / "pushed")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        hub.pull(tmp_path / "pushed", tmp_path / "full")


def test_a_picture_that_changed_since_is_not_pushed(made, tmp_path):
    next(made.records()).picture.write_bytes(b"another")
    with pytest.raises(DatasetError, match="is not the picture that the manifest was made with"):
        hub.push(made, tmp_path / "pushed", with_pictures=True)
    assert not any((tmp_path / "pushed").iterdir())


@pytest.mark.parametrize(("text", "expected"), [
    ("hf://datasets/me/skin", "me/skin"), ("me/skin", "me/skin"), ("./me/skin", None), ("/me", None), ("me", None),
])
def test_a_repository_is_told_from_a_folder(text, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = hub.target(text)
    assert (found.id if isinstance(found, Repository) else None) == expected


def test_nothing_is_sent_away_on_a_guess(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me").mkdir()
    with pytest.raises(UsageError, match=r"write \./me/skin or hf://datasets/me/skin"):
        hub.target("me/skin")
    with pytest.raises(UsageError, match="is no repository"):
        hub.target("hf://datasets/me")
    with pytest.raises(UsageError, match="belongs to a repository"):
        hub.target("./me", revision="v1")


class FakeHub:
    """Repositories as folders. calls: what was asked of it, in order; the real client must know its arguments."""

    def __init__(self, place, real):
        self.place, self.real, self.calls, self.public = place, real, [], set()

    def __getattr__(self, name):
        def call(*arguments, **options):
            given = inspect.signature(getattr(self.real, name)).bind(None, *arguments, **options).arguments
            assert given["repo_type"] == "dataset"
            self.calls.append((name, given["repo_id"]))
            return getattr(self, f"_{name}")(types.SimpleNamespace(**given), self.place / given["repo_id"])

        return call

    def _create_repo(self, given, folder):
        if not given.private and not folder.exists():
            self.public.add(given.repo_id)

    def _repo_info(self, given, _folder):
        return types.SimpleNamespace(private=given.repo_id not in self.public)

    def _upload_folder(self, given, folder):
        assert given.delete_patterns == ["data/*"]
        shutil.rmtree(folder / "data", ignore_errors=True)
        shutil.copytree(given.folder_path, folder, dirs_exist_ok=True)

    def _create_tag(self, given, folder):
        (folder / "tag").write_text(given.tag)

    def _snapshot_download(self, _given, folder):
        if not folder.is_dir():
            raise ConnectionError("404 Client Error")
        return str(folder)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    found = FakeHub(tmp_path / "fake-hub", huggingface_hub.HfApi)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: found)
    return found


def test_the_calls_of_a_push_and_a_pull(made, fake, tmp_path):
    hub.push(made, Repository("me/skin", "dev"), with_pictures=True)
    back = hub.pull(Repository("me/skin", "dev"), tmp_path / "back")
    assert back.hash == made.hash
    assert [name for name, _ in fake.calls] == ["create_repo", "repo_info", "upload_folder", "create_tag",
                                                "snapshot_download"]
    assert (fake.place / "me" / "skin" / "tag").read_text() == f"manifest-{made.hash[:12]}" and not fake.public


def test_a_hub_that_does_not_answer_is_one_sentence(fake, tmp_path):
    with pytest.raises(EnvironmentFault, match=r"the download of me/none failed \(404 Client Error\): check"):
        hub.pull(Repository("me/none"), tmp_path / "back")


@pytest.mark.parametrize("closed", [
    ("derm7pt", "academic use only", "its licence is 'academic use only'"), ("ph2", None, "its rows name no licence"),
    ("fitzpatrick17k", "CC BY-NC-SA 3.0", "belong to the atlases"),
])
def test_pictures_that_may_not_be_passed_on_stay_here(made, fake, tmp_path, closed):
    dataset, licence, why = closed
    closed = relicensed(made, tmp_path / "closed.parquet", licence, dataset)
    with pytest.raises(UsageError, match="may not be passed on") as error:
        hub.push(closed, Repository("me/skin"), with_pictures=True, private=False)
    assert why in str(error.value) and fake.calls == []
    # Nor into a repository that someone made public before.
    fake.public.add("me/public")
    with pytest.raises(UsageError, match="may not be passed on"):
        hub.push(closed, Repository("me/public"), with_pictures=True)
    assert not any(call[0] == "upload_folder" for call in fake.calls)
    hub.push(closed, Repository("me/rows"), private=False)
    hub.push(closed, Repository("me/private"), with_pictures=True)
    assert [call[1] for call in fake.calls if call[0] == "upload_folder"] == ["me/rows", "me/private"]


def test_open_pictures_may_be_public(made, fake):
    hub.push(made, Repository("me/skin"), with_pictures=True, private=False)
    assert fake.public == {"me/skin"} and ("upload_folder", "me/skin") in fake.calls
