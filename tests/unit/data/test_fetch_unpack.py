"""Unpacking: into the folder or not at all, whatever an archive holds."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from file_server import pack_members

from macule.data.fetch.job import quiet
from macule.data.fetch.settings import Settings
from macule.data.fetch.unpack import Damaged, unpack
from macule.errors import DownloadFailed, EnvironmentFault

PICTURE = bytes(range(256)) * 40


def run(tmp_path: Path, content: bytes, *, name: str = "Data", settings: Settings | None = None) -> Path:
    archive, into = tmp_path / "set.zip", tmp_path / "staged"
    archive.write_bytes(content)
    unpack(archive, into, name=name, settings=settings or Settings(), progress=quiet)
    return into


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_flat_and_nested_archives_end_up_alike(tmp_path: Path) -> None:
    flat = run(tmp_path, pack_members({"a.jpg": b"a", "sub/b.jpg": b"b"}))
    assert tree(flat) == {"a.jpg": b"a", "sub/b.jpg": b"b"}
    nested = run(tmp_path, pack_members({"Data/a.jpg": b"a", "Data/sub/b.jpg": b"b"}))
    assert tree(nested) == {"a.jpg": b"a", "sub/b.jpg": b"b"}
    other = run(tmp_path, pack_members({"train/a.jpg": b"a"}))
    assert tree(other) == {"train/a.jpg": b"a"}


def test_what_an_earlier_call_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "half.jpg").write_bytes(b"ha")
    assert tree(run(tmp_path, pack_members({"a.jpg": b"a"}))) == {"a.jpg": b"a"}


def test_the_litter_of_macos_and_windows_is_left_out(tmp_path: Path) -> None:
    members = {"Data/a.png": b"a", "__MACOSX/Data/._a.png": b"x", "Data/.DS_Store": b"x", "Data/Thumbs.db": b"x",
               "Data/._b.png": b"x"}
    assert tree(run(tmp_path, pack_members(members))) == {"a.png": b"a"}


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:/evil.jpg",
                                  "ok.jpg\x00.exe"])
def test_a_member_that_leads_outside_stops_everything(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good.jpg", b"good")
        member = zipfile.ZipInfo("placeholder")
        member.filename = name
        archive.writestr(member, b"evil")
    content = buffer.getvalue()
    if "\x00" in name:
        # zipfile itself writes no NUL: it is put in afterwards, in both places where the name stands.
        content = pack_members({"good.jpg": b"good", "ok.jpg#.exe": b"evil"}).replace(b"ok.jpg#.exe", b"ok.jpg\x00.exe")
    with pytest.raises(DownloadFailed, match="leads out of its folder: nothing was unpacked"):
        run(tmp_path, content)
    assert [path.name for path in tmp_path.rglob("*")] == ["set.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    member = zipfile.ZipInfo("link.jpg")
    member.external_attr = (kind | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, b"/etc/passwd")
    with pytest.raises(DownloadFailed, match="is a link"):
        run(tmp_path, buffer.getvalue())


def test_a_bomb_is_refused_before_a_byte_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="would unpack to 60000000"):
        run(tmp_path, pack_members({"zeros.jpg": bytes(60_000_000)}))
    assert not (tmp_path / "staged").exists()


def test_a_name_that_comes_twice_and_an_empty_archive_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jpg", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.jpg", b"2")
    with pytest.raises(DownloadFailed, match=r"holds a\.jpg twice"):
        run(tmp_path, buffer.getvalue())
    with pytest.raises(DownloadFailed, match="is empty"):
        run(tmp_path, pack_members({}))


def test_a_locked_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(pack_members({"a.jpg": b"a"}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1  # the flag that says: encrypted
    with pytest.raises(DownloadFailed, match="password"):
        run(tmp_path, bytes(content))


def test_a_truncated_archive_is_damaged(tmp_path: Path) -> None:
    whole = pack_members({"a.jpg": PICTURE, "b.jpg": PICTURE})
    for content in (whole[: len(whole) // 2], b"", b"<html>not found</html>"):
        with pytest.raises(Damaged, match="no whole zip"):
            run(tmp_path, content)


def test_a_flipped_byte_is_damage(tmp_path: Path) -> None:
    whole = bytearray(pack_members({"a.jpg": PICTURE}))
    whole[60] ^= 0xFF
    with pytest.raises(Damaged, match="no whole zip"):
        run(tmp_path, bytes(whole))


def test_room_is_looked_for_first(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="make room"):
        run(tmp_path, pack_members({"a.jpg": PICTURE}), settings=Settings(free=lambda _: 100))
    assert not (tmp_path / "staged").exists()
