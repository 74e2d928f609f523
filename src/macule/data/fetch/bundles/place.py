"""The folder of fetched bundles, and what each says of where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from macule.data.fetch.job import quiet
from macule.data.fetch.settings import Progress, Settings

#: Below the folder of fetched bundles; hidden, so that it is no bundle.
WORK = ".macule-fetch"
#: In a fetched bundle; hidden, so that it is no part of what decides answers.
NOTE = ".macule-fetched.json"


@dataclass(frozen=True)
class Note:
    """Where a bundle came from. address: without what may be a key. sha256, bytes: of its archive. at: ISO 8601."""

    address: str
    sha256: str
    bytes: int
    at: str

    @classmethod
    def read(cls, folder: Path) -> Note | None:
        """None if the bundle does not say."""
        try:
            return cls(**json.loads((folder / NOTE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        (folder / NOTE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Shelf:
    """home: the folder of fetched bundles. clock: the time now, with its zone."""

    home: Path
    clock: Callable[[], datetime]
    settings: Settings = field(default_factory=Settings)
    progress: Progress = quiet

    @property
    def lock(self) -> Path:
        return self.work / "lock"

    @property
    def work(self) -> Path:
        return self.home / WORK

    def now(self) -> str:
        return self.clock().isoformat(timespec="seconds")
