"""Keys and pictures at rest: sealed, whole, and back once what was away is back."""

from __future__ import annotations

import base64
import hashlib
import stat
import threading
from pathlib import Path

import pytest

from macule.errors import KeyMissing, MissingExtra, NoSuchRecord, PictureDamaged, StoreAway, UsageError
from macule.records.store.keys import HEADER, KeyRing, key_of
from macule.records.store.pictures import PictureStore


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys")


@pytest.fixture
def store(tmp_path: Path, ring: KeyRing) -> PictureStore:
    return PictureStore(str(tmp_path / "pictures"), seals=ring)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and len(path.name) == 64]


def test_a_fresh_key_file_is_the_owners_alone_and_stays(tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "deep" / "keys")
    assert stat.S_IMODE((tmp_path / "deep" / "keys").stat().st_mode) == 0o600
    assert KeyRing.create(tmp_path / "deep" / "keys").ids() == ring.ids()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["keys"]


def test_what_is_sealed_tells_nothing_and_opens_only_where_it_belongs(ring: KeyRing) -> None:
    sealed = ring.seal(b"a spot" * 10, context=b"picture:1")
    assert b"a spot" not in sealed and key_of(sealed[:HEADER]) == ring.ids()[0]
    assert sealed != ring.seal(b"a spot" * 10, context=b"picture:1")
    assert ring.unseal(sealed, context=b"picture:1") == b"a spot" * 10
    with pytest.raises(PictureDamaged):
        ring.unseal(sealed, context=b"picture:2")


@pytest.mark.parametrize("at", [0, 3, 9, 30, -1])
def test_one_changed_bit_is_noticed(ring: KeyRing, at: int) -> None:
    sealed = bytearray(ring.seal(b"a spot", context=b""))
    sealed[at] ^= 1
    with pytest.raises(PictureDamaged):
        ring.unseal(bytes(sealed), context=b"")


@pytest.mark.parametrize("length", [0, 4, 8, 12, 20, 30])
def test_what_is_cut_off_is_noticed(ring: KeyRing, length: int) -> None:
    with pytest.raises(PictureDamaged):
        ring.unseal(ring.seal(b"a spot", context=b"")[:length], context=b"")


def test_the_newest_key_seals_and_every_key_opens(ring: KeyRing) -> None:
    old = ring.seal(b"a spot", context=b"")
    ring.add()
    new = ring.seal(b"a spot", context=b"")
    assert [key_of(old), key_of(new)] == list(ring.ids())
    assert ring.unseal(old, context=b"") == ring.unseal(new, context=b"") == b"a spot"
    ring.drop(ring.ids())
    assert ring.ids() == (key_of(new),)
    with pytest.raises(KeyMissing, match=key_of(old)):
        ring.unseal(old, context=b"")


def test_another_process_sees_a_new_key(ring: KeyRing) -> None:
    other = KeyRing(ring.path)
    assert other.ids() == ring.ids()
    ring.add()
    assert other.unseal(ring.seal(b"a spot", context=b""), context=b"") == b"a spot"


def test_a_key_that_is_away_is_missed_until_it_is_back(ring: KeyRing, tmp_path: Path) -> None:
    sealed = ring.seal(b"a spot", context=b"")
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    with pytest.raises(KeyMissing, match="put it back"):
        ring.unseal(sealed, context=b"")
    (tmp_path / "elsewhere").rename(tmp_path / "keys")
    assert ring.unseal(sealed, context=b"") == b"a spot"


def test_the_file_is_read_once_and_not_for_each_picture(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    ring.seal(b"a spot", context=b"")
    monkeypatch.setattr("macule.records.store.keyfile.read", lambda _: pytest.fail("read again"))
    ring.unseal(ring.seal(b"a spot", context=b""), context=b"")


@pytest.mark.parametrize("content", ["", "# nothing\n", "not base64!\n", base64.b64encode(b"short").decode()])
def test_a_file_without_a_key_is_refused_without_being_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(KeyMissing) as caught:
        KeyRing(tmp_path / "keys").ids()
    assert not content.strip() or content.strip() not in str(caught.value)


def test_a_file_that_others_may_read_is_warned_of(
    ring: KeyRing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring.ids()
    assert not caplog.records
    (tmp_path / "keys").chmod(0o640)
    KeyRing(tmp_path / "keys").ids()
    assert "chmod 600" in caplog.text


def test_keys_from_the_environment(tmp_path: Path) -> None:
    old, new = (base64.b64encode(bytes([n]) * 32).decode() for n in range(2))
    sealed = KeyRing.from_secret(old).seal(b"a spot", context=b"")
    ring = KeyRing.from_secret(f"{old},{new}")
    assert ring.unseal(sealed, context=b"") == b"a spot" and key_of(sealed) == ring.ids()[0]
    with pytest.raises(UsageError, match="MACULE_KEY"):
        ring.add()
    for wrong in ("", "x", base64.b64encode(b"short").decode()):
        with pytest.raises(KeyMissing):
            KeyRing.from_secret(wrong)


def test_a_picture_is_found_by_its_content(store: PictureStore, tmp_path: Path) -> None:
    address = store.put(b"a spot")
    assert address == hashlib.sha256(b"a spot").hexdigest() == store.put(b"a spot")
    assert store.get(address) == b"a spot" and list(store.addresses()) == [address]
    (path,) = files(tmp_path / "pictures")
    assert path.relative_to(tmp_path / "pictures").as_posix() == f"{address[:2]}/{address[2:4]}/{address}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and b"a spot" not in path.read_bytes()


def test_a_picture_that_is_gone_is_no_record(store: PictureStore) -> None:
    address = store.put(b"a spot")
    store.delete(address)
    store.delete(address)
    for unknown in (address, "../keys", "", "A" * 64):
        with pytest.raises(NoSuchRecord):
            store.get(unknown)


def test_a_picture_in_the_place_of_another_is_noticed_and_mended(store: PictureStore, tmp_path: Path) -> None:
    address, other = store.put(b"a spot"), store.put(b"another")
    path = next(path for path in files(tmp_path / "pictures") if path.name == address)
    for wrong in (store.sealed(other), path.read_bytes()[:-3], b""):
        path.write_bytes(wrong)
        with pytest.raises(PictureDamaged):
            store.get(address)
    store.put(b"a spot")
    assert store.get(address) == b"a spot"


def test_many_writers_of_one_picture_leave_one(store: PictureStore, tmp_path: Path) -> None:
    threads = [threading.Thread(target=store.put, args=(bytes([n % 3]) * 9999,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.addresses())) == 3 == len(files(tmp_path / "pictures"))
    assert list((tmp_path / "pictures" / "incoming").iterdir()) == []


def test_a_store_that_is_gone_is_away_until_it_is_back(store: PictureStore, tmp_path: Path) -> None:
    address = store.put(b"a spot")
    (tmp_path / "pictures").rename(tmp_path / "unmounted")
    (tmp_path / "pictures").mkdir()  # an empty mount point
    for attempt in (lambda: store.get(address), lambda: store.put(b"new"), lambda: list(store.addresses())):
        with pytest.raises(StoreAway, match="not there"):
            attempt()
    (tmp_path / "pictures").rmdir()
    with pytest.raises(StoreAway):
        store.put(b"new")
    (tmp_path / "unmounted").rename(tmp_path / "pictures")
    assert store.get(address) == b"a spot" and store.put(b"new")


def test_sealed_pictures_travel_between_stores(store: PictureStore, ring: KeyRing, tmp_path: Path) -> None:
    address, other = store.put(b"a spot"), PictureStore(str(tmp_path / "copy"), seals=ring)
    other.put_sealed(address, store.sealed(address))
    assert other.get(address) == b"a spot" and other.key_of(address) == ring.ids()[0]
    with pytest.raises(PictureDamaged):
        other.put_sealed("0" * 64, store.sealed(address))


def test_the_trash_still_gives_what_lies_in_it(store: PictureStore) -> None:
    address = store.put(b"a spot")
    store.discard(address)
    assert list(store.addresses()) == [] and store.get(address) == b"a spot"
    assert [found for found, _ in store.discarded()] == [address]
    store.bring_back(address)
    assert list(store.addresses()) == [address] and list(store.discarded()) == []
    store.discard(address)
    store.delete(address)
    with pytest.raises(NoSuchRecord):
        store.get(address)


def test_a_bucket_without_its_driver_names_the_extra(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MissingExtra, match="clinic"):
        PictureStore("s3://bucket/pictures", seals=ring)
