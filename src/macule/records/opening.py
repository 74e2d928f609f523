"""Where a clinic lies, and how it is opened: for the server and for every verb that works on its records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from macule.errors import KeyMissing
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.models import LazyModel
from macule.records.store.keys import KeyRing
from macule.records.store.pictures import PictureStore

HOME = Path("macule-clinic")
#: A file that none but its owner may read, and folders likewise.
PRIVATE = 0o700


@dataclass(frozen=True)
class Place:
    """home: folder of everything that is not given its own place.

    database, store: URLs; None is SQLite and a folder, both in `home`. key_file: None is `home`/keys.
    key: the key itself, base64 of 32 bytes; wins over the file.
    """

    home: Path = HOME
    database: str | None = None
    store: str | None = None
    key_file: Path | None = None
    key: str | None = field(default=None, repr=False)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'macule.db'}"

    @property
    def store_url(self) -> str:
        return self.store or str(self.home / "pictures")

    @property
    def keys_at(self) -> Path:
        return self.key_file or self.home / "keys"


def open_clinic(
    place: Place, *, bundle: str | None = None, threads: int | None = None, found: bool = False
) -> Clinic:
    """The clinic at `place`. Nothing is read from the database yet, which may be away.

    bundle, threads: of the model, as for `analysis.bundle.load` and `Analyzer`.
    found: make the home and its first key where there is no clinic yet. A key is never made beside pictures that
    another one sealed.
    Raises: UsageError for a URL that cannot be used. A missing key is no error before a picture needs it.
    """
    if found:
        _found(place)
    seals = KeyRing.from_secret(place.key) if place.key else KeyRing(place.keys_at)
    store = PictureStore(place.store_url, seals=seals)
    return Clinic(Database(place.database_url), store, seals, LazyModel(bundle, threads=threads))


def require_clinic(place: Place) -> None:
    """Raises: KeyMissing where no clinic was ever founded, so that a mistyped folder is not taken for an empty one."""
    if place.key is None and not place.keys_at.exists():
        raise KeyMissing(f"{place.keys_at} does not exist: is --home ({place.home}) the clinic's folder?")


def _found(place: Place) -> None:
    if place.database is None or place.store is None:
        place.home.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    if place.key is not None or place.keys_at.exists():
        return
    # The picture folder is made by the first picture: where it stands, a key stood beside it.
    if place.store is None and any((place.home / "pictures").glob("*")):
        raise KeyMissing(f"{place.keys_at} is gone, and the pictures in {place.home} cannot be read without it: "
                         "put it back from where you keep its copy.")
    KeyRing.create(place.keys_at)
