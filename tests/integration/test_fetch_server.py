"""Fetching from a server that does everything that servers do: cut, refuse, change, mistake and dawdle."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import miniature
import pytest
import typer
from file_server import Site, pack, serve
from typer.testing import CliRunner

from macule.cli.data.fetch import fetch as verb
from macule.cli.exit import ENVIRONMENT, WRONG_USAGE, status_of
from macule.data import sources
from macule.data.fetch import lock, marker, plans, service
from macule.data.fetch.download import download
from macule.data.fetch.job import Job, quiet
from macule.data.fetch.plan import Checksum, Download, Plan
from macule.data.fetch.settings import Meter, Settings
from macule.data.sources import SOURCES
from macule.errors import (
    DatasetError,
    DownloadFailed,
    EnvironmentFault,
    MaculeError,
    MissingExtra,
    UsageError,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTENT = bytes(range(256)) * 1_200
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
TABLE, PART_1, PART_2 = "HAM10000_metadata.csv", "HAM10000_images_part_1", "HAM10000_images_part_2"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site({"/file.bin": CONTENT})) as site:
        yield site


class Waits(list[float]):
    """Stands for sleep; holds how long it was asked to."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def settings(waits: Waits | None = None, **changes: Any) -> Settings:
    return Settings(chunk=16_384, sleep=Waits() if waits is None else waits, **{"timeout": 5.0, **changes})


def get(site: Site, folder: Path, *, to: Settings | None = None, path: str = "/file.bin", **changes: Any) -> Path:
    """Download /file.bin as folder/file.bin."""
    item = Download("file.bin", site.url + path, len(CONTENT), **changes)
    download(item, folder / "file.bin", settings=to or settings(), progress=quiet)
    return folder / "file.bin"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# One file.


def test_a_file_comes_whole_and_says_what_it_is(site: Site, tmp_path: Path) -> None:
    item = Download("file.bin", f"{site.url}/file.bin", 1, len(CONTENT), SHA256)
    got = download(item, tmp_path / "file.bin", settings=settings(), progress=quiet)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert (got.bytes, got.sha256, got.checked) == (len(CONTENT), SHA256.value, str(SHA256))
    assert names(tmp_path) == {"file.bin"}


def test_a_cut_connection_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["cut:100000", "cut:50000"]
    waits = Waits()
    assert get(site, tmp_path, to=settings(waits)).read_bytes() == CONTENT
    assert [each.range for each in site.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert site.asked[1].if_range is not None
    assert waits == [1.0, 1.0]  # it got on each time, so it is not more and more patient


def test_a_server_that_ignores_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.faults["/file.bin"] = ["cut:100000"]
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert [each.range for each in site.asked] == [None, "bytes=100000-"]


def test_an_answer_from_another_byte_on_is_not_believed(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["cut:100000", "sideways"]
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert [each.range for each in site.asked] == [None, "bytes=100000-", None]


def test_a_changed_file_starts_over(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["cut:100000", "status:404"]
    with pytest.raises(DownloadFailed):
        get(site, tmp_path)
    site.files["/file.bin"] = CONTENT[::-1] + b"second edition"
    assert get(site, tmp_path).read_bytes() == CONTENT[::-1] + b"second edition"
    assert site.asked[-1].range == "bytes=100000-"  # asked for the rest of the old one, got the whole new one


def test_without_an_etag_only_a_checksum_allows_to_go_on(site: Site, tmp_path: Path) -> None:
    site.etags = False
    site.faults["/file.bin"] = ["cut:100000"]
    get(site, tmp_path)
    assert [each.range for each in site.asked] == [None, None]
    (tmp_path / "file.bin").unlink()
    site.faults["/file.bin"] = ["cut:100000"]
    assert get(site, tmp_path, checksum=SHA256).read_bytes() == CONTENT
    assert site.asked[-1].range == "bytes=100000-"


def test_a_wrong_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    wrong = Checksum("md5", hashlib.md5(b"another", usedforsecurity=False).hexdigest())
    with pytest.raises(DownloadFailed, match=rf"checksum md5:\w+, where {wrong} is expected") as failed:
        get(site, tmp_path, checksum=wrong)
    assert f"{site.url}/file.bin" in str(failed.value)
    assert names(tmp_path) == set()


def test_a_file_of_another_length_is_not_even_begun(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=f"has {len(CONTENT)} bytes, where 99 are expected"):
        get(site, tmp_path, size=99)
    assert names(tmp_path) == set()


def test_a_length_that_the_server_does_not_keep_is_a_cut(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["long"]
    assert get(site, tmp_path, checksum=SHA256).read_bytes() == CONTENT
    assert [each.range for each in site.asked] == [None, f"bytes={len(CONTENT)}-", None]  # 416: from the start


@pytest.mark.parametrize("fault", ["cut:100000", "long"])
def test_a_server_that_never_sends_the_rest_is_given_up(site: Site, tmp_path: Path, fault: str) -> None:
    site.ranges, site.faults["/file.bin"] = False, [fault] * 50
    with pytest.raises(DownloadFailed, match="failed 6 times in a row"):
        get(site, tmp_path)
    assert len(site.asked) == 6  # the same bytes again and again are no progress


def test_a_file_without_length_needs_a_checksum(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["silent", "silent"]
    with pytest.raises(DownloadFailed, match="does not say how long it is"):
        get(site, tmp_path)
    assert get(site, tmp_path, checksum=SHA256).read_bytes() == CONTENT


def test_what_is_not_there_is_said_with_its_address_and_asked_for_once(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=rf"{site.url}/gone\.bin answers 404.*home page.*--mirror"):
        get(site, tmp_path, path="/gone.bin")
    assert len(site.asked) == 1
    assert names(tmp_path) == set()


def test_an_older_address_is_tried_next(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path, path="/moved.bin", others=(f"{site.url}/file.bin",))
    assert [each.path for each in site.asked] == ["/moved.bin", "/file.bin"]


def test_a_busy_server_is_asked_again_when_it_says(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["status:503", "status:503:7", "status:429:9999"]
    waits = Waits()
    assert get(site, tmp_path, to=settings(waits)).read_bytes() == CONTENT
    assert waits == [1.0, 7.0, 300.0]


def test_patience_ends_and_what_came_is_kept(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["cut:100000", *["status:500"] * 9]
    waits = Waits()
    with pytest.raises(DownloadFailed, match=r"failed 3 times in a row .*500.* at byte 100000"):
        get(site, tmp_path, to=settings(waits, attempts=3))
    assert waits == [1.0, 2.0]
    site.faults.clear()
    get(site, tmp_path)
    assert site.asked[-1].range == "bytes=100000-"


def test_a_slow_start_is_waited_for_and_a_stall_is_not(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["slow:0.3", "slow:1.5"]
    assert get(site, tmp_path, to=settings(timeout=1.0)).read_bytes() == CONTENT
    assert len(site.asked) == 1
    (tmp_path / "file.bin").unlink()
    with pytest.raises(DownloadFailed, match="TimeoutError"):
        get(site, tmp_path, to=settings(timeout=0.4, attempts=1))


def test_a_server_that_is_away_is_said_so(tmp_path: Path) -> None:
    item = Download("file.bin", "http://127.0.0.1:9/file.bin", 1)
    with pytest.raises(DownloadFailed, match="refused"):
        download(item, tmp_path / "file.bin", settings=settings(attempts=2), progress=quiet)


def test_a_web_page_is_not_taken_for_the_file(site: Site, tmp_path: Path) -> None:
    site.faults["/file.bin"] = ["page"]
    with pytest.raises(DownloadFailed, match="web page in the file's place"):
        get(site, tmp_path)
    assert names(tmp_path) == set()


def test_a_redirect_is_followed_with_its_range_but_never_to_this_machines_files(site: Site, tmp_path: Path) -> None:
    site.faults["/door"] = [f"to:{site.url}/file.bin"] * 2
    site.faults["/file.bin"] = ["cut:100000"]
    assert get(site, tmp_path, path="/door").read_bytes() == CONTENT
    assert site.requests("/file.bin")[1].range == "bytes=100000-"
    site.faults["/door"] = ["to:file:///etc/passwd"]
    (tmp_path / "file.bin").unlink()
    with pytest.raises(DownloadFailed, match="not allowed"):
        get(site, tmp_path, path="/door")


def test_all_bytes_but_no_name_is_ended_without_asking(site: Site, tmp_path: Path) -> None:
    """A power cut between the last byte and the check."""
    note = {"url": f"{site.url}/file.bin", "validator": None, "total": len(CONTENT)}
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked == []


def test_a_torn_note_starts_over(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"of whatever")
    (tmp_path / "file.bin.part.json").write_text('{"url": ')
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked[0].range is None


def test_no_room_is_noticed_before_and_a_full_disk_while_writing(site: Site, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="make room"):
        get(site, tmp_path, to=settings(free=lambda _: 1_000))
    assert names(tmp_path) == set()
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # the longest file that may be written
    try:
        with pytest.raises(EnvironmentFault, match=r"disk is full.*goes on where it was"):
            get(site, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked[-1].range == "bytes=200000-"


# A data set.


@pytest.fixture
def shop(site: Site, tmp_path: Path) -> Site:
    """HAM10000 in miniature, as its publisher ships it."""
    rows = [miniature.ham_row(f"{place:07}", f"{place:07}", dx) for place, dx in enumerate(("mel", "nv", "bkl", "nv"))]
    root = miniature.ham10000(tmp_path / "publisher", rows)
    site.files = {f"/{TABLE}": (root / TABLE).read_bytes(), f"/{PART_1}.zip": pack(root / PART_1),
                  f"/{PART_2}.zip": pack(root / PART_2, top=PART_2)}
    return site


def plan(shop: Site, **checksums: Checksum) -> Plan:
    def item(name: str, unpack: str | None) -> Download:
        return Download(name, f"{shop.url}/{name}", len(shop.files[f"/{name}"]), unpack=unpack,
                        checksum=checksums.get(name.partition(".")[0]))

    return Plan("ham10000", (item(TABLE, None), item(f"{PART_1}.zip", PART_1), item(f"{PART_2}.zip", PART_2)))


def job(shop: Site, folder: Path, **changes: Any) -> Job:
    changes.setdefault("source", replace(SOURCES["ham10000"], pictures=4))
    changes.setdefault("plan", None)
    changes["plan"] = changes["plan"] or plan(shop)
    return Job(folder=folder, clock=lambda: NOON, **{"settings": settings(), **changes})


def fetch(shop: Site, folder: Path, **changes: Any) -> marker.Marker:
    return service.fetch(job(shop, folder, **changes), licence_accepted=True)


def written(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / marker.NAME).read_text())
    return content


def test_a_data_set_comes_whole_and_is_counted(shop: Site, tmp_path: Path) -> None:
    state = fetch(shop, tmp_path / "ham")
    assert names(tmp_path / "ham") == {TABLE, PART_1, PART_2, marker.NAME}
    assert [len(list((tmp_path / "ham" / part).iterdir())) for part in (PART_1, PART_2)] == [2, 2]
    assert (state.complete, state.pictures) == (True, 4)
    content = written(tmp_path / "ham")
    assert content == state.to_dict()
    assert content["licence"] == "CC BY-NC 4.0"
    assert content["licence_accepted"] == content["completed"] == "2026-11-21T12:00:00+00:00"
    table = shop.files[f"/{TABLE}"]
    assert content["files"][TABLE] == {
        "url": f"{shop.url}/{TABLE}", "bytes": len(table), "sha256": hashlib.sha256(table).hexdigest(),
        "checked": "length", "target": TABLE, "at": "2026-11-21T12:00:00+00:00", "state": "done"}


def test_the_second_call_asks_for_nothing(shop: Site, tmp_path: Path) -> None:
    first = fetch(shop, tmp_path / "ham")
    shop.asked.clear()
    assert service.fetch(job(shop, tmp_path / "ham"), licence_accepted=False) == first  # accepted once is enough
    assert shop.asked == []


def test_without_the_licence_nothing_is_asked_for_or_written(shop: Site, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"CC BY-NC 4\.0.*not accepted.*--accept-licence"):
        service.fetch(job(shop, tmp_path / "ham"), licence_accepted=False)
    assert shop.asked == []
    assert not (tmp_path / "ham").exists()


def test_a_licence_that_changed_has_to_be_accepted_anew(shop: Site, tmp_path: Path) -> None:
    fetch(shop, tmp_path / "ham")
    card = replace(SOURCES["ham10000"], pictures=4, licence="CC BY 4.0")
    with pytest.raises(UsageError, match=r"CC BY 4\.0"):
        service.fetch(job(shop, tmp_path / "ham", source=card), licence_accepted=False)


def test_archives_are_kept_only_if_wanted(shop: Site, tmp_path: Path) -> None:
    fetch(shop, tmp_path / "ham", keep_archives=True)
    assert names(tmp_path / "ham") == {TABLE, PART_1, PART_2, marker.NAME, f"{PART_1}.zip", f"{PART_2}.zip"}
    assert (tmp_path / "ham" / f"{PART_1}.zip").read_bytes() == shop.files[f"/{PART_1}.zip"]


class Cut(KeyboardInterrupt):
    """Ctrl-C, or the power."""


@pytest.mark.parametrize("when", [f"{PART_1}.zip", f"checking {PART_1}.zip", f"unpacking {PART_1}.zip", "reading"])
def test_a_fetch_that_was_cut_off_goes_on_where_it_was(shop: Site, tmp_path: Path, when: str) -> None:
    def cut(what: str, _total: int, _unit: str = "bytes", /) -> Meter:
        def meter(done: int) -> None:
            if what.startswith(when) and done:
                raise Cut

        return meter

    with pytest.raises(Cut):
        fetch(shop, tmp_path / "ham", progress=cut, settings=settings())
    assert written(tmp_path / "ham")["complete"] is False
    assert (tmp_path / "ham" / PART_1).exists() == (when == "reading")
    assert fetch(shop, tmp_path / "ham").complete
    assert names(tmp_path / "ham") == {TABLE, PART_1, PART_2, marker.NAME}
    asked = {path: len(shop.requests(path)) for path in shop.files}
    assert asked[f"/{TABLE}"] == asked[f"/{PART_2}.zip"] == 1
    assert all(each.range for each in shop.requests(f"/{PART_1}.zip")[1:])  # never again from the start


@pytest.mark.parametrize("name", [TABLE, f"{PART_1}.zip"])
@pytest.mark.parametrize("renamed", [False, True])
def test_a_power_cut_beside_the_rename_loses_nothing(shop: Site, tmp_path: Path, name: str, renamed: bool) -> None:
    """The marker says MOVING; the file has its old name, or the new one."""
    folder = tmp_path / "ham"
    fetch(shop, folder)
    state = marker.load(folder)
    assert state is not None
    state.files[name].state, state.complete = marker.MOVING, False
    state.save(folder)
    if not renamed:
        (folder / ".macule-fetch").mkdir()
        staged = name if name == TABLE else f"{name}.unpacked"
        (folder / state.files[name].target).rename(folder / ".macule-fetch" / staged)
    shop.asked.clear()
    assert fetch(shop, folder).complete
    assert shop.asked == []


def test_a_file_that_got_lost_is_got_again(shop: Site, tmp_path: Path) -> None:
    fetch(shop, tmp_path / "ham")
    shop.asked.clear()
    (tmp_path / "ham" / TABLE).unlink()
    assert fetch(shop, tmp_path / "ham").complete
    assert [each.path for each in shop.asked] == [f"/{TABLE}"]


def test_a_missing_file_leaves_the_set_incomplete_and_says_so(shop: Site, tmp_path: Path) -> None:
    chosen = plan(shop)
    kept = shop.files.pop(f"/{PART_2}.zip")
    with pytest.raises(DownloadFailed, match=rf"{PART_2}\.zip: .*answers 404"):
        fetch(shop, tmp_path / "ham", plan=chosen)
    assert written(tmp_path / "ham")["complete"] is False
    assert PART_2 not in names(tmp_path / "ham")
    shop.files[f"/{PART_2}.zip"] = kept
    assert fetch(shop, tmp_path / "ham", plan=chosen).pictures == 4
    assert len(shop.requests(f"/{PART_1}.zip")) == 1


def test_a_wrong_checksum_has_no_name_in_the_folder(shop: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="is expected"):
        fetch(shop, tmp_path / "ham", plan=plan(shop, HAM10000_images_part_1=SHA256))
    assert names(tmp_path / "ham") == {TABLE, marker.NAME}


def test_a_truncated_archive_is_removed_and_got_anew(shop: Site, tmp_path: Path) -> None:
    whole = shop.files[f"/{PART_1}.zip"]
    shop.files[f"/{PART_1}.zip"] = whole[:-200]
    with pytest.raises(DownloadFailed, match=r"no whole zip file.*call again"):
        fetch(shop, tmp_path / "ham")
    assert PART_1 not in names(tmp_path / "ham")
    shop.files[f"/{PART_1}.zip"] = whole
    assert fetch(shop, tmp_path / "ham").complete


@pytest.mark.parametrize(("pictures", "says"), [
    (5, "holds 4 pictures of ham10000; its publisher ships 5"), (3, "ships 3")])
def test_too_few_or_too_many_pictures_are_never_complete(shop: Site, tmp_path: Path, pictures: int, says: str) -> None:
    card = replace(SOURCES["ham10000"], pictures=pictures)
    with pytest.raises(DownloadFailed, match=f"not marked complete: .*{says}"):
        fetch(shop, tmp_path / "ham", source=card)
    assert written(tmp_path / "ham")["complete"] is False


def test_tables_and_pictures_that_disagree_are_never_complete(shop: Site, tmp_path: Path) -> None:
    shop.files[f"/{PART_2}.zip"] = shop.files[f"/{PART_1}.zip"]
    with pytest.raises(DownloadFailed, match="together they are not the data set"):
        fetch(shop, tmp_path / "ham")
    assert written(tmp_path / "ham")["complete"] is False


def test_room_for_all_is_looked_for_before_the_first_byte(shop: Site, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="ham10000 takes about"):
        fetch(shop, tmp_path / "ham", settings=settings(free=lambda _: 100))
    assert shop.asked == []


def test_two_fetches_of_one_folder_exclude_each_other(shop: Site, tmp_path: Path) -> None:
    folder = tmp_path / "ham"
    with (lock.hold(folder / ".macule-fetch" / "lock", folder),
          pytest.raises(EnvironmentFault, match=f"another fetch is at work in {folder}")):
        fetch(shop, folder)
    assert shop.asked == []
    assert fetch(shop, folder).complete


def test_what_others_put_there_is_left_alone(shop: Site, tmp_path: Path) -> None:
    (tmp_path / "ham" / PART_1).mkdir(parents=True)
    (tmp_path / "ham" / PART_1 / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match=f"{PART_1} is already there.*--verify"):
        fetch(shop, tmp_path / "ham")
    assert shop.asked == []
    assert (tmp_path / "ham" / PART_1 / "mine.jpg").read_bytes() == b"mine"


def test_another_data_set_or_a_damaged_marker_is_refused(shop: Site, tmp_path: Path) -> None:
    fetch(shop, tmp_path / "ham")
    with pytest.raises(UsageError, match="holds ham10000, not milk10k"):
        fetch(shop, tmp_path / "ham", source=SOURCES["milk10k"])
    (tmp_path / "ham" / marker.NAME).write_text('{"format": 1')
    with pytest.raises(DatasetError, match="is damaged"):
        fetch(shop, tmp_path / "ham")
    (tmp_path / "ham" / marker.NAME).write_text('{"format": 2, "parts": []}')
    with pytest.raises(DatasetError, match="has format 2"):
        fetch(shop, tmp_path / "ham")


# A folder that a person filled.


def test_verify_counts_what_a_person_put_there(shop: Site, tmp_path: Path) -> None:
    by_hand = job(shop, tmp_path / "publisher", plan=Plan("ham10000", by_hand=("Ask the authors.",)))
    state = service.verify(by_hand)
    assert (state.complete, state.pictures, state.licence_accepted, state.files) == (True, 4, None, {})
    assert written(tmp_path / "publisher")["complete"] is True
    (tmp_path / "publisher" / PART_1 / "ISIC_0000000.jpg").unlink()
    with pytest.raises(DatasetError, match="ISIC_0000000 is listed but is not"):
        service.verify(by_hand)
    with pytest.raises(DatasetError, match="is not a folder"):
        service.verify(job(shop, tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_verify_notices_a_table_that_was_changed(shop: Site, tmp_path: Path) -> None:
    fetch(shop, tmp_path / "ham")
    table = tmp_path / "ham" / TABLE
    table.write_text(table.read_text().replace(",mel,", ",bcc,"))
    with pytest.raises(DatasetError, match="no longer the file that was fetched"):
        service.verify(job(shop, tmp_path / "ham"))


# The ISIC archive's own client.

CLIENT = """#!{python}
import json, pathlib, sys
here = pathlib.Path({state!r})
calls = json.loads(here.read_text())
calls.append(sys.argv[1:])
here.write_text(json.dumps(calls))
into = pathlib.Path(sys.argv[-1])
{body}
"""
WHOLE = """
(into / "licenses").mkdir(exist_ok=True)
(into / "licenses" / "CC-BY-NC.txt").write_text("the licence")
(into / "attribution.txt").write_text("Hospital Clinic")
ids = ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
(into / "metadata.csv").write_text("isic_id,diagnosis_1,diagnosis_2,diagnosis_3,diagnosis_4,diagnosis_5,image_type\\n"
    + "".join(name + ",Benign,Benign melanocytic proliferations,Nevus,,,dermoscopic\\n" for name in ids))
for name in ids:
    if not (name == "ISIC_0000002" and len(calls) <= MISSING):
        (into / (name + ".jpg")).write_bytes(b"picture")
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a client onto the PATH. Returns: its calls."""
    if os.name == "nt":
        pytest.skip("the client is a script with a first line that Windows does not read")
    programs, state = tmp_path / "programs", tmp_path / "calls.json"
    programs.mkdir()

    def install(body: str) -> Any:
        state.write_text("[]")
        program = programs / "isic"
        program.write_text(CLIENT.format(python=sys.executable, state=str(state), body=body))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        return lambda: json.loads(state.read_text())

    return install


def collection(folder: Path) -> Job:
    return Job(replace(SOURCES["bcn20000"], pictures=3), Plan("bcn20000", collection=249), folder, clock=lambda: NOON,
               settings=settings())


def test_a_collection_comes_through_the_archives_client(client: Any, tmp_path: Path) -> None:
    calls, folder = client(WHOLE.replace("MISSING", "0")), tmp_path / "bcn"
    state = service.fetch(collection(folder), licence_accepted=True)
    assert (state.complete, state.pictures, state.collection) == (True, 3, 249)
    assert calls() == [["image", "download", "--collections", "249", str(folder / ".macule-fetch" / "collection-249")]]
    assert names(folder) == {"ISIC_0000001.jpg", "ISIC_0000002.jpg", "ISIC_0000003.jpg", "metadata.csv", "licenses",
                             "attribution.txt", marker.NAME}
    assert state.files["metadata.csv"].url == "isic-cli, collection 249"
    service.fetch(collection(folder), licence_accepted=True)
    assert len(calls()) == 1


def test_pictures_that_the_client_left_out_in_silence_are_asked_for_again(client: Any, tmp_path: Path) -> None:
    calls = client(WHOLE.replace("MISSING", "2"))
    assert service.fetch(collection(tmp_path / "bcn"), licence_accepted=True).pictures == 3
    assert len(calls()) == 3


def test_a_collection_that_stays_in_part_is_not_marked_complete(client: Any, tmp_path: Path) -> None:
    calls, folder = client(WHOLE.replace("MISSING", "3")), tmp_path / "bcn"
    with pytest.raises(DownloadFailed, match="left out 1 of 3 pictures of collection 249, ISIC_0000002 among them"):
        service.fetch(collection(folder), licence_accepted=True)
    assert written(folder)["complete"] is False
    assert names(folder) == {marker.NAME, ".macule-fetch"}
    assert service.fetch(collection(folder), licence_accepted=True).complete
    assert len(calls()) == 4


def test_a_client_that_fails_is_quoted(client: Any, tmp_path: Path) -> None:
    client('(into / "ISIC_0000001.jpg").write_bytes(b"picture")\nsys.exit("the archive is closed")')
    with pytest.raises(DownloadFailed, match=r"status 1.*the archive is closed"):
        service.fetch(collection(tmp_path / "bcn"), licence_accepted=True)
    assert written(tmp_path / "bcn")["complete"] is False
    assert names(tmp_path / "bcn") == {marker.NAME, ".macule-fetch"}
    client("pass")
    with pytest.raises(DownloadFailed, match=r"no whole metadata\.csv"):
        service.fetch(collection(tmp_path / "bcn"), licence_accepted=True)


def test_a_move_of_a_collection_that_was_cut_off_is_ended(client: Any, tmp_path: Path) -> None:
    calls, folder = client(WHOLE.replace("MISSING", "0")), tmp_path / "bcn"
    service.fetch(collection(folder), licence_accepted=True)
    state = marker.load(folder)
    assert state is not None
    state.files["metadata.csv"].state, state.complete = marker.MOVING, False
    state.save(folder)
    staging = folder / ".macule-fetch" / "collection-249"
    staging.mkdir(parents=True)
    for name in ("ISIC_0000003.jpg", "metadata.csv"):
        (folder / name).rename(staging / name)
    assert service.fetch(collection(folder), licence_accepted=True).pictures == 3
    assert len(calls()) == 1


def test_without_the_client_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(MissingExtra, match=r"pip install 'macule\[data\]'"):
        service.fetch(collection(tmp_path / "bcn"), licence_accepted=True)


# The command.


def typed(answer: str, *arguments: object) -> str:
    """Run the command in a terminal, typing `answer`. Returns: all that it wrote there."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    code = "import typer; from macule.cli.data.fetch import fetch; typer.run(fetch)"
    with subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                          env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}) as process:
        os.close(slave)
        os.write(master, answer.encode())
        said = b""
        while True:
            try:
                said += os.read(master, 65_536)
            except OSError:  # the other end was closed
                break
        os.close(master)
        process.wait(30)
    return said.decode()


def test_in_a_terminal_the_licence_is_asked_and_a_bar_is_drawn(site: Site, tmp_path: Path) -> None:
    """milk10k has no checksums: its first table comes, the second is not there."""
    table = "/challenges/milk10k/MILK10k_Training_GroundTruth.csv"
    site.files[table] = CONTENT
    arguments = ("milk10k", "--to", tmp_path / "milk", "--mirror", site.url)
    said = typed("n\n", *arguments)
    assert "Do you accept this licence?" in said
    assert "was not" in said
    assert site.asked == []
    said = typed("y\n", *arguments)
    assert "MILK10k_Training_GroundTruth.csv" in said
    assert "0.3/0.3 MB" in said
    assert site.asked[0].path == table
    assert written(tmp_path / "milk")["licence_accepted"]


def run(*arguments: object, answer: str = "") -> tuple[int, str, str]:
    """Returns: (exit status, standard output, standard error)."""
    app = typer.Typer()
    app.command()(verb)
    result = CliRunner().invoke(app, [str(each) for each in arguments], input=answer)
    if isinstance(result.exception, MaculeError):
        return status_of(result.exception), result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def small(shop: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The data set ham10000 of the command line is the miniature, at its publisher's address."""
    elsewhere = replace(shop, url="https://publisher.invalid")
    monkeypatch.setitem(plans.PLANS, "ham10000", plan(elsewhere))
    monkeypatch.setitem(sources.SOURCES, "ham10000", replace(SOURCES["ham10000"], pictures=4))
    return shop


def test_the_command_gets_a_set_from_a_mirror_and_writes_what_it_got(small: Site, tmp_path: Path) -> None:
    record = tmp_path / "fetched.json"
    status, out, _ = run("ham10000", "--to", tmp_path / "ham", "--mirror", small.url, "--accept-licence", "--json",
                         record)
    assert status == 0
    assert "CC BY-NC 4.0" in out
    assert "not for a product" in out
    assert "is complete: 4 pictures" in out
    assert json.loads(record.read_text()) == written(tmp_path / "ham")
    assert written(tmp_path / "ham")["files"][TABLE]["url"] == f"{small.url}/{TABLE}"


def test_the_command_without_a_terminal_wants_the_licence_accepted(small: Site, tmp_path: Path) -> None:
    status, out, error = run("ham10000", "--to", tmp_path / "ham", "--mirror", small.url, answer="y\n")
    assert status == WRONG_USAGE
    assert "Licence: CC BY-NC 4.0" in out
    assert "--accept-licence" in error
    assert small.asked == []


def test_a_set_behind_a_form_is_explained_and_then_verified(tmp_path: Path) -> None:
    status, out, error = run("derm7pt", "--to", tmp_path / "derm7pt", "--accept-licence")
    assert status == ENVIRONMENT
    assert "research only" in out
    assert "https://derm.cs.sfu.ca/Download.html" in error
    assert f"macule data fetch derm7pt --to {tmp_path / 'derm7pt'} --verify" in error
    assert not (tmp_path / "derm7pt").exists()
    (tmp_path / "derm7pt").mkdir()
    status, _, error = run("derm7pt", "--to", tmp_path / "derm7pt", "--verify")
    assert status == 1
    assert "meta.csv is missing" in error


def test_a_set_that_is_half_by_hand_gets_its_half_and_is_not_complete(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = plans.PLANS["fitzpatrick17k"]
    item = replace(real.downloads[0], url=f"{site.url}/file.bin", size=len(CONTENT), checksum=SHA256)
    monkeypatch.setitem(plans.PLANS, "fitzpatrick17k", replace(real, downloads=(item,)))
    status, _, error = run("fitzpatrick17k", "--to", tmp_path / "fitz", "--accept-licence")
    assert status == ENVIRONMENT
    assert (tmp_path / "fitz" / "fitzpatrick17k.csv").read_bytes() == CONTENT
    assert written(tmp_path / "fitz")["complete"] is False
    assert "https://forms.gle/" in error
    assert "MD5HASH.jpg" in error


def test_a_failed_download_is_a_fault_of_the_environment(small: Site, tmp_path: Path) -> None:
    small.files.clear()
    status, _, error = run("ham10000", "--to", tmp_path / "ham", "--mirror", small.url, "--accept-licence")
    assert status == ENVIRONMENT
    assert f"{small.url}/{TABLE} answers 404" in error


def test_an_unknown_set_and_a_set_of_ones_own_are_refused(tmp_path: Path) -> None:
    assert run("ham1000", "--to", tmp_path)[0] == 1
    status, _, error = run("folder", "--to", tmp_path)
    assert status == 1
    assert "no public data set 'folder'" in error
