"""Pictures sorted into benign/ and malignant/, and read back by the source `folder`."""

from __future__ import annotations

from dataclasses import replace

import miniature
import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.data import export as exports
from macule.data import manifest, sources
from macule.data.export import Link, export
from macule.data.manifest import Writer
from macule.errors import DatasetError, UnreadableImage, UsageError


@pytest.fixture
def records(tmp_path):
    classes = ("nv", "nv", "mel", "df", "bcc")
    rows = [miniature.ham_row(str(n), str(n), dx) for n, dx in enumerate(classes)]
    root = miniature.ham10000(tmp_path / "HAM10000", rows)
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        path.write_bytes(path.read_bytes() + bytes([number]))
    return sources.load("ham10000", root)


@pytest.fixture
def written(records, tmp_path):
    def call(chosen=None, name="m"):
        return manifest.write(tmp_path / f"{name}.parquet", chosen or records,
                              roots={"ham10000": tmp_path / "HAM10000"})

    return call


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")
            if path.is_file() and path.name != exports.MARKER}


def times(folder):
    return {name: (folder / name).lstat().st_mtime_ns for name in files(folder)}


def test_two_folders(written, tmp_path):
    done = export(written(), tmp_path / "out")
    assert done == exports.Exported({"benign": 3, "malignant": 2}, 0, {})
    assert files(tmp_path / "out") == {f"benign/ham10000__ISIC_{n}.jpg" for n in (0, 1, 3)} | {
        f"malignant/ham10000__ISIC_{n}.jpg" for n in (2, 4)}


def test_the_folder_source_reads_it_back(written, records, tmp_path):
    parts = {f"ham10000:ISIC_{n}": part for n, part in enumerate(("train", "val", "train", "test", "test"))}
    done = export(written(), tmp_path / "out", parts=parts)
    assert done.folders == {"test/benign": 1, "test/malignant": 1, "train/benign": 1, "train/malignant": 1,
                            "val/benign": 1}
    back = {record.picture.stem: record for record in sources.load("folder", tmp_path / "out")}
    for record in records:
        read = back[f"ham10000__{record.picture_id}"]
        assert read.malignant == record.malignant and read.read() == record.read()
        assert read.part == parts[f"ham10000:{record.picture_id}"]


def test_what_is_unknown_or_set_aside_is_left_out_and_counted(written, records, tmp_path):
    records[0] = replace(records[0], malignant=None)
    records[3] = replace(records[3], picture=None)
    made = written(records)
    import pyarrow

    with Writer(tmp_path / "flagged.parquet", roots=made.roots) as writer:
        (batch,) = made.batches()
        column = pyarrow.array([None, "blurred", None, None, None], pyarrow.string())
        writer.add(batch.set_column(24, batch.schema.field(24), column))
    done = export(writer.manifest, tmp_path / "out", parts={"ham10000:ISIC_2": "test"})
    assert done.folders == {"test/malignant": 1}
    assert done.left_out == {"not known whether malignant": 1, "set aside, with a reason": 1, "no picture here": 1,
                             "in no part of the split": 1}


@pytest.mark.parametrize("link", list(Link))
def test_a_second_run_changes_nothing(written, tmp_path, link):
    made = written()
    export(made, tmp_path / "out", link=link)
    before = times(tmp_path / "out")
    done = export(made, tmp_path / "out", link=link)
    assert done.already == 5 and done.folders == {"benign": 3, "malignant": 2}
    assert times(tmp_path / "out") == before and len(before) == 5


def test_it_goes_on_where_it_was_cut_off(written, tmp_path):
    made = written()
    export(made, tmp_path / "out")
    (tmp_path / "out" / "benign" / "ham10000__ISIC_0.jpg").unlink()
    assert export(made, tmp_path / "out").already == 4
    assert len(files(tmp_path / "out")) == 5


def test_links(written, records, tmp_path):
    made = written()
    export(made, tmp_path / "hard", link=Link.HARD)
    export(made, tmp_path / "sym", link=Link.SYMLINK)
    export(made, tmp_path / "copy")
    name = "benign/ham10000__ISIC_0.jpg"
    assert (tmp_path / "hard" / name).samefile(records[0].picture)
    assert (tmp_path / "sym" / name).is_symlink() and (tmp_path / "sym" / name).read_bytes() == records[0].read()
    assert not (tmp_path / "copy" / name).samefile(records[0].picture)


def test_nothing_is_overwritten(written, tmp_path):
    made = written()
    export(made, tmp_path / "out")
    target = tmp_path / "out" / "benign" / "ham10000__ISIC_0.jpg"
    target.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is another picture: nothing is overwritten"):
        export(made, tmp_path / "out")
    assert target.read_bytes() == b"mine"


def test_another_split_is_not_mixed_in(written, tmp_path):
    made = written()
    export(made, tmp_path / "out", parts={"ham10000:ISIC_0": "train"})
    with pytest.raises(UsageError, match="another manifest or split"):
        export(made, tmp_path / "out", parts={"ham10000:ISIC_0": "test"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="nothing is mixed in"):
        export(made, tmp_path / "full")


def test_a_changed_or_missing_picture_ends_it(written, records, tmp_path):
    made = written()
    records[1].picture.write_bytes(b"another")
    with pytest.raises(DatasetError, match="ISIC_1 is not the picture that the manifest was made with"):
        export(made, tmp_path / "out")
    records[1].picture.unlink()
    with pytest.raises(UnreadableImage, match="ISIC_1"):
        export(made, tmp_path / "out2")


def test_names_never_collide_nor_lead_out(written, records, tmp_path):
    ids = ("a/b", "a%2Fb", "A/B", "../../up", "..")
    made = written([replace(record, picture_id=name) for record, name in zip(records, ids, strict=True)])
    done = export(made, tmp_path / "out")
    found = files(tmp_path / "out")
    assert len({name.casefold() for name in found}) == 5 == sum(done.folders.values())
    assert all(name.split("/")[0] in ("benign", "malignant") and name.count("/") == 1 for name in found)
    assert not (tmp_path / "up.jpg").exists()


def test_members_of_a_file_are_written_out(records, tmp_path):
    h5py = pytest.importorskip("h5py")
    content = records[0].read()
    with h5py.File(tmp_path / "HAM10000" / "x.hdf5", "w") as file:
        file["one"] = np.void(content)
    record = replace(records[0], picture=tmp_path / "HAM10000" / "x.hdf5" / "one")
    made = manifest.write(tmp_path / "m.parquet", [record], roots={"ham10000": tmp_path / "HAM10000"})
    export(made, tmp_path / "out", link=Link.SYMLINK)
    target = tmp_path / "out" / "benign" / "ham10000__ISIC_0.jpg"
    assert target.read_bytes() == content and not target.is_symlink()
