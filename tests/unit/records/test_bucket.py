"""The same store in a bucket: moto's S3 server, reached through fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from macule.errors import NoSuchRecord, PictureDamaged, StoreAway, UsageError
from macule.records.store.keys import KeyRing
from macule.records.store.pictures import PictureStore

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A client of a server of this file's own, with the bucket `macule`."""
    import boto3

    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                            "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="macule")
        yield client
    running.stop()


@pytest.fixture
def store(bucket: Any, tmp_path: Path) -> PictureStore:
    return PictureStore(f"s3://macule/{tmp_path.name}", seals=KeyRing.create(tmp_path / "keys"))


def test_pictures_in_a_bucket(store: PictureStore, bucket: Any, tmp_path: Path) -> None:
    address = store.put(b"a spot")
    assert store.put(b"a spot") == address and store.get(address) == b"a spot"
    ((found, put),) = store.entries()
    assert found == address and abs(datetime.now(UTC) - put) < timedelta(minutes=5)
    key = f"{tmp_path.name}/{address[:2]}/{address[2:4]}/{address}"
    assert b"a spot" not in bucket.get_object(Bucket="macule", Key=key)["Body"].read()
    assert store.key_of(address)
    bucket.put_object(Bucket="macule", Key=key, Body=b"something else")
    with pytest.raises(PictureDamaged):
        store.get(address)


def test_the_trash_of_a_bucket(store: PictureStore) -> None:
    address = store.put(b"a spot")
    store.discard(address)
    assert list(store.addresses()) == [] and store.get(address) == b"a spot"
    store.bring_back(address)
    store.delete(address)
    store.delete(address)
    with pytest.raises(NoSuchRecord):
        store.get(address)


def test_a_bucket_that_is_gone_is_away(store: PictureStore, bucket: Any, tmp_path: Path) -> None:
    store.put(b"a spot")
    elsewhere = PictureStore("s3://no-such-bucket/pictures", seals=KeyRing(tmp_path / "keys"))
    with pytest.raises(StoreAway):
        elsewhere.put(b"a spot")
    with pytest.raises(StoreAway):
        elsewhere.get("0" * 64)


def test_an_endpoint_that_does_not_answer_is_away(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    import fsspec

    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "cachable", False)
    store = PictureStore("s3://macule/away", seals=KeyRing.create(tmp_path / "keys"))
    with pytest.raises(StoreAway, match="does not answer"):
        store.put(b"a spot")


def test_an_unknown_scheme_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        PictureStore("carrier-pigeon://loft", seals=KeyRing.create(tmp_path / "keys"))
