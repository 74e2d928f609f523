"""Bundles that are not embedded: packed, fetched from everywhere that they may lie, refused, replaced and removed."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import file_server
import pytest
from file_server import Site
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import inventory, shelf
from macule.data.fetch import lock, unpack
from macule.data.fetch.bundles import offers, packing, place, service
from macule.data.fetch.bundles.place import Shelf
from macule.data.fetch.settings import Settings
from macule.errors import BundleInvalid, BundleNotFound, DownloadFailed, EnvironmentFault, UsageError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(shelf.HOME, str(tmp_path / "home"))
    monkeypatch.delenv(shelf.MIRROR, raising=False)
    return tmp_path / "home"


@pytest.fixture
def to(home: Path) -> Shelf:
    return Shelf(home, lambda: NOON, Settings(chunk=512, sleep=lambda _: None, timeout=5.0))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("source") / "folder", id="accurate")


@pytest.fixture(scope="module")
def archive(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archives") / "accurate.zip"
    packing.pack(source, out)
    return out


@pytest.fixture
def site(archive: Path) -> Iterator[Site]:
    with file_server.serve(Site({"/b/accurate.zip": archive.read_bytes()})) as site:
        yield site


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def left(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()} if home.exists() else set()


def rewritten(source: Path, out: Path, **files: bytes | None) -> Path:
    """An archive of the bundle with other files in it; None leaves one out. `_` stands for a dot in names."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        changed = {name.replace("_", "."): content for name, content in files.items()}
        for path in sorted(source.iterdir()):
            content = changed.pop(path.name, path.read_bytes())
            if content is not None:
                made.writestr(path.name, content)
        for name, content in changed.items():
            if content is not None:
                made.writestr(name, content)
    return out


# Packing.


def test_the_same_bundle_makes_the_same_archive(source: Path, archive: Path, tmp_path: Path) -> None:
    copy = write_bundle(tmp_path / "elsewhere", id="accurate")  # written later, and in another order
    (copy / ".DS_Store").write_text("not part of it")
    packed = packing.pack(copy, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    assert (packed.sha256, packed.bytes) == (sha256(archive), archive.stat().st_size)
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "again.zip"}


def test_what_is_no_part_of_a_bundle_is_not_packed(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "one")
    (folder / "patients.csv").write_text("a name")
    with pytest.raises(UsageError, match=r"patients\.csv is no part of a bundle"):
        packing.pack(folder, tmp_path / "out.zip")
    (folder / "patients.csv").unlink()
    (folder / "model.onnx").write_bytes(b"altered")
    with pytest.raises(BundleInvalid):
        packing.pack(folder, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_an_archive_is_not_put_into_the_bundle_itself(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "one")
    before = left(folder)
    with pytest.raises(UsageError, match="lies in the bundle's own folder"):
        packing.pack(folder, folder / "one.zip")
    assert left(folder) == before
    packing.pack(folder, tmp_path / "one.zip")


def test_every_file_of_the_embedded_bundles_can_be_packed() -> None:
    for name in shelf.names(shelf.embedded()):
        assert {path.name for path in (shelf.embedded() / name).iterdir()} <= packing.FILES


# Fetching.


def test_a_bundle_comes_from_a_server_and_is_found_by_name(site: Site, archive: Path, to: Shelf, home: Path) -> None:
    got = service.fetch(offers.find(f"{site.url}/b/accurate.zip", sha256=sha256(archive)), to)
    assert got.anew and got.bundle.folder == home / "accurate"
    assert bundles.load("accurate").id == "accurate"
    assert got.note == place.Note(f"{site.url}/b/accurate.zip", sha256(archive), archive.stat().st_size,
                                  "2026-11-21T12:00:00+00:00")
    assert place.Note.read(home / "accurate") == got.note
    assert left(home) == {"accurate"}
    assert set(bundles.available()) == {*shelf.names(shelf.embedded()), "accurate"}


def test_the_note_does_not_change_the_bundle(source: Path, to: Shelf) -> None:
    assert service.fetch(offers.find(str(source)), to).bundle.sha256 == bundles.fingerprint(source)


def test_a_key_in_the_address_is_not_written_down(site: Site, archive: Path, to: Shelf) -> None:
    site.files["/b/accurate.zip?key=secret"] = archive.read_bytes()
    got = service.fetch(offers.find(f"{site.url}/b/accurate.zip?key=secret", sha256=sha256(archive)), to)
    assert got.note.address == f"{site.url}/b/accurate.zip"


def test_a_broken_download_goes_on(site: Site, archive: Path, to: Shelf, home: Path) -> None:
    site.faults["/b/accurate.zip"] = ["cut:700", "status:404"]
    offer = offers.find(f"{site.url}/b/accurate.zip", sha256=sha256(archive))
    with pytest.raises(DownloadFailed, match=r"accurate\.zip: .*404"):
        service.fetch(offer, to)
    assert left(home) == {place.WORK} and bundles.available() == shelf.names(shelf.embedded())
    assert service.fetch(offer, to).anew
    assert site.asked[-1].range == "bytes=700-"
    assert left(home) == {"accurate"}


def test_what_is_here_already_is_not_got_again(site: Site, archive: Path, to: Shelf, home: Path) -> None:
    offer = offers.find(f"{site.url}/b/accurate.zip", sha256=sha256(archive))
    service.fetch(offer, to)
    assert not service.fetch(offer, to).anew and len(site.asked) == 1
    (home / "accurate" / "model.onnx").write_bytes(b"altered since")
    assert service.fetch(offer, to).anew and len(site.asked) == 2


@pytest.mark.parametrize("kind", ["archive", "folder", "a folder around it"])
def test_a_bundle_comes_from_this_machine(kind: str, source: Path, archive: Path, to: Shelf, tmp_path: Path) -> None:
    around = tmp_path / "around.zip"
    around.write_bytes(file_server.pack(source, top="accurate-1.2"))
    wanted = {"archive": archive, "folder": source, "a folder around it": around}[kind]
    got = service.fetch(offers.find(str(wanted)), to)
    assert got.bundle.sha256 == bundles.fingerprint(source) and got.note.address == str(wanted)
    assert wanted.exists() and left(to.home) == {"accurate"}


def test_another_archive_than_was_stated_is_refused(archive: Path, site: Site, to: Shelf, source: Path) -> None:
    for wanted in (str(archive), f"{site.url}/b/accurate.zip", str(source)):
        with pytest.raises(DownloadFailed, match="0" * 64):
            service.fetch(offers.find(wanted, sha256="0" * 64), to)
        assert left(to.home) == set()


def test_an_older_bundle_stays_until_the_new_one_is_whole(archive: Path, source: Path, to: Shelf,
                                                          tmp_path: Path) -> None:
    service.fetch(offers.find(str(archive)), to)
    damaged = rewritten(source, tmp_path / "new.zip", model_onnx=b"no network")
    with pytest.raises(DownloadFailed, match="nothing was put in place"):
        service.fetch(offers.find(str(damaged)), to)
    assert bundles.load("accurate").sha256 == bundles.fingerprint(source) and left(to.home) == {"accurate"}
    newer = write_bundle(tmp_path / "newer", id="accurate", created="2027-01-01")
    service.fetch(offers.find(str(newer)), to)
    assert bundles.load("accurate").created == "2027-01-01" and left(to.home) == {"accurate"}


def test_a_new_bundle_that_cannot_be_put_in_place_does_not_cost_the_old(
        archive: Path, to: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service.fetch(offers.find(str(archive)), to)
    newer, whole = write_bundle(tmp_path / "newer", id="accurate", created="2027-01-01"), Path.replace

    def cut_off(path: Path, target: Path) -> Path:
        if path == to.work / "new":
            raise KeyboardInterrupt
        return whole(path, target)

    monkeypatch.setattr(Path, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        service.fetch(offers.find(str(newer)), to)
    assert bundles.load("accurate").created != "2027-01-01"


def test_a_call_cut_off_between_old_and_new_puts_the_old_one_back(archive: Path, source: Path, to: Shelf) -> None:
    service.fetch(offers.find(str(archive)), to)
    (to.work / "old").mkdir(parents=True)
    (to.home / "accurate").rename(to.work / "old" / "accurate")
    with pytest.raises(BundleNotFound):
        bundles.load("accurate")
    with pytest.raises(DownloadFailed):
        service.fetch(offers.find(str(archive), sha256="0" * 64), to)
    assert bundles.load("accurate").id == "accurate" and left(to.home) == {"accurate"}


def test_one_fetch_at_a_time(archive: Path, to: Shelf) -> None:
    with lock.hold(to.lock, to.home), pytest.raises(EnvironmentFault, match="another fetch is at work"):
        service.fetch(offers.find(str(archive)), to)


# Hostile archives.


def hostile(kind: str, source: Path, out: Path) -> Path:
    rewritten(source, out)
    with zipfile.ZipFile(out, "a") as made:
        if kind == "a way out":
            made.writestr("../bundle.json", b"{}")
        elif kind == "an absolute path":
            made.writestr("/tmp/model.onnx", b"")  # noqa: S108
        elif kind == "a link":
            entry = zipfile.ZipInfo("index.npz")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            made.writestr(entry, "/etc/passwd")
        elif kind == "a stranger":
            made.writestr("run.sh", b"#!/bin/sh")
        elif kind == "a folder below":
            made.writestr("a/b/index.npz", b"")
        elif kind == "two folders":
            made.writestr("other/index.npz", b"")
        elif kind == "a bomb":
            made.writestr("index.npz", bytes(1_000_000), zipfile.ZIP_DEFLATED)
    return out


@pytest.mark.parametrize("kind", ["a way out", "an absolute path", "a link", "a stranger", "a folder below",
                                  "two folders", "a bomb"])
def test_a_hostile_archive_is_refused(kind: str, source: Path, to: Shelf, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "a bomb":  # of a size that a test can afford
        monkeypatch.setattr(unpack, "SMALL", 100_000)
    with pytest.raises(DownloadFailed, match="would unpack to" if kind == "a bomb" else None):
        service.fetch(offers.find(str(hostile(kind, source, tmp_path / "evil.zip"))), to)
    assert left(to.home) == set() and left(tmp_path) == {"evil.zip", "home"}


def test_the_same_archive_without_the_trick_is_taken(source: Path, to: Shelf, tmp_path: Path) -> None:
    assert service.fetch(offers.find(str(hostile("none", source, tmp_path / "good.zip"))), to).anew


def test_more_bytes_than_a_bundle_has_are_refused(site: Site, archive: Path, to: Shelf,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 1_500)
    site.faults["/b/accurate.zip"] = ["silent"]  # nobody says how long it is: it must end while it comes
    for wanted in (str(archive), f"{site.url}/b/accurate.zip"):
        with pytest.raises(DownloadFailed, match="more than 1500 bytes"):
            service.fetch(offers.find(wanted, sha256=sha256(archive)), to)
        assert left(to.home) == set()


@pytest.mark.parametrize(("files", "complaint"), [
    ({"bundle_json": None}, r"no bundle\.json"),
    ({"gate_npz": None}, r"gate\.npz"),
    ({"model_onnx": b"altered"}, "SHA-256"),
])
def test_an_unsound_bundle_is_refused(files: dict[str, bytes | None], complaint: str, source: Path, to: Shelf,
                                      tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=complaint):
        service.fetch(offers.find(str(rewritten(source, tmp_path / "bad.zip", **files))), to)
    assert left(to.home) == set()


def test_a_network_that_does_not_load_is_refused(source: Path, to: Shelf, tmp_path: Path) -> None:
    content = json.loads((source / "bundle.json").read_text())
    content["model"]["sha256"] = hashlib.sha256(b"no network").hexdigest()
    bad = rewritten(source, tmp_path / "bad.zip", model_onnx=b"no network", bundle_json=json.dumps(content).encode())
    with pytest.raises(DownloadFailed, match="does not load"):
        service.fetch(offers.find(str(bad)), to)


def test_what_is_no_archive_is_refused(archive: Path, to: Shelf, tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(archive.read_bytes()[:600])
    with pytest.raises(DownloadFailed, match="no whole zip"):
        service.fetch(offers.find(str(tmp_path / "half.zip")), to)


@pytest.mark.parametrize("name", [bundles.bundles.DEFAULT, "../accurate", ".hidden", "a b"])
def test_a_name_that_hides_or_leads_astray_is_refused(name: str, to: Shelf, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="it calls itself"):
        service.fetch(offers.find(str(write_bundle(tmp_path / "one", id=name))), to)
    assert left(to.home) == set() and left(tmp_path) == {"one", "home"}


# Names, the index and mirrors.


def test_a_known_bundle_that_is_not_here_says_how_to_get_it() -> None:
    for failing in (lambda: bundles.load("accurate"), lambda: offers.find("accurate")):
        with pytest.raises(BundleNotFound, match=r"make model VARIANT=accurate.*MACULE_BUNDLES"):
            failing()


def test_a_published_bundle_comes_from_the_index(site: Site, archive: Path, to: Shelf,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    def published(digest: str) -> None:
        known = shelf.Known("accurate", "an ensemble", "CC BY-NC 4.0", "make it", "1", f"{site.url}/b/accurate.zip",
                            digest, archive.stat().st_size)
        monkeypatch.setattr(shelf, "index", lambda: {"accurate": known})

    published("0" * 64)
    with pytest.raises(BundleNotFound, match="macule bundle fetch accurate"):
        bundles.load("accurate")
    with pytest.raises(UsageError, match="leave one out"):
        offers.find("accurate", sha256="1" * 64)
    with pytest.raises(DownloadFailed, match=r"0{64} is expected"):
        service.fetch(offers.find("accurate"), to)
    published(sha256(archive))
    assert service.fetch(offers.find("accurate"), to).anew


@pytest.mark.parametrize("kind", ["a folder of archives", "a folder of bundles", "an address"])
def test_a_mirror_is_asked_first(kind: str, site: Site, archive: Path, to: Shelf, tmp_path: Path) -> None:
    write_bundle(tmp_path / "accurate", id="accurate")
    mirror = {"a folder of archives": archive.parent, "a folder of bundles": tmp_path,
              "an address": f"{site.url}/b/"}[kind]
    digest = sha256(archive) if kind == "an address" else None
    assert service.fetch(offers.find("accurate", mirror=str(mirror), sha256=digest), to).bundle.id == "accurate"


def test_a_file_goes_before_the_mirrors_other_names(archive: Path, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    assert offers.find("accurate.zip", mirror=str(tmp_path)).place == Path("accurate.zip")
    assert offers.find("accurate", mirror=str(archive.parent)).place == archive


def test_a_mirror_must_have_the_bundle_of_that_name(archive: Path, to: Shelf, tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match=r"no other\.zip"):
        offers.find("other", mirror=str(archive.parent))
    (tmp_path / "other.zip").write_bytes(archive.read_bytes())
    with pytest.raises(DownloadFailed, match="it calls itself 'accurate', where 'other' was asked for"):
        service.fetch(offers.find("other", mirror=str(tmp_path)), to)


@pytest.mark.parametrize(("wanted", "sha256", "complaint"), [
    (bundles.bundles.DEFAULT, None, "nothing to fetch"),
    ("http://example.org/accurate.zip", None, "not https"),
    ("https://example.org/accurate.zip", "abc", "64 hexadecimal digits"),
])
def test_a_wrong_request_is_told(wanted: str, sha256: str | None, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        offers.find(wanted, sha256=sha256)


def test_what_is_nowhere_is_told() -> None:
    with pytest.raises(BundleNotFound, match="no bundle that macule knows by name"):
        offers.find("nonesuch.zip")


# Where they stand.


def test_the_folder_of_fetched_bundles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shelf.home() == tmp_path / "home"
    monkeypatch.delenv(shelf.HOME)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert shelf.home() == tmp_path / "macule" / "bundles"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert shelf.home() == tmp_path / "me" / ".local" / "share" / "macule" / "bundles"


def test_no_name_leads_out_of_the_folders(to: Shelf, home: Path, archive: Path) -> None:
    service.fetch(offers.find(str(archive)), to)
    assert shelf.find("accurate") == home / "accurate"
    for name in ("../home/accurate", str(home / "accurate"), "accurate/", "", ".", ".."):
        assert shelf.find(name) is None


def test_the_index_is_sound_and_names_nothing_embedded() -> None:
    index = shelf.index()
    assert "accurate" in index and not set(index) & set(shelf.names(shelf.embedded()))
    for known in index.values():
        assert shelf.is_name(known.name) and known.summary and known.licence and known.build
        assert known.address is None or (known.address.startswith("https://") and known.sha256 and known.bytes)


def test_a_damaged_index_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shelf, "embedded", lambda: tmp_path)
    (tmp_path / "index.toml").write_text("[accurate]\nsurprise = 1\n")
    with pytest.raises(EnvironmentFault, match=r"index\.toml.*surprise"):
        shelf.index()


def test_what_there_is(archive: Path, to: Shelf, home: Path) -> None:
    found = {each.name: each for each in inventory.holdings()}
    assert found["accurate"].where == "not here" and "make model" in (found["accurate"].get or "")
    assert found[bundles.bundles.DEFAULT].where == "embedded"
    service.fetch(offers.find(str(archive)), to)
    (got,) = [each for each in inventory.holdings() if each.name == "accurate"]
    files = (home / "accurate").glob("[!.]*")
    assert (got.where, got.px, got.views, got.bytes) == ("fetched", 32, 1, sum(file.stat().st_size for file in files))
    (home / "accurate" / "gate.npz").unlink()
    assert "gate.npz" in ({each.name: each for each in inventory.holdings()}["accurate"].fault or "")


@pytest.mark.parametrize(("provenance", "told"), [
    ({"start": {"backbone": "lite1"}}, "lite1"),
    ({"start": {"backbone": "lite1"}, "quantised": {}}, "lite1 int8"),
    ({"start": {"backbone": "lite1 + lite1 + lite2"}}, "2 x lite1 + lite2"),
    ({"recipe": {"network": {"backbone": "lite0"}}}, "lite0"),
    ({"recipe": {"backbone": "lite1"}}, "lite1"),
    ({}, None),
])
def test_which_network_is_in_it(provenance: dict[str, object], told: str | None) -> None:
    assert inventory.network({"provenance": provenance}) == told


def test_removing(archive: Path, to: Shelf) -> None:
    service.fetch(offers.find(str(archive)), to)
    service.remove("accurate", to)
    assert left(to.home) == set()
    with pytest.raises(BundleNotFound, match="there is: none"):
        service.remove("accurate", to)
    with pytest.raises(UsageError, match="cannot be removed"):
        service.remove(bundles.bundles.DEFAULT, to)
    with pytest.raises(BundleNotFound):
        service.remove("../home", to)
