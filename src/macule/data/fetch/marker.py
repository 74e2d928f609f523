"""`macule-fetch.json`: what was got, from where, under which licence, and whether all of it is there.

It is written after every step, so that a fetch that is cut off by Ctrl-C, a full disk or a power cut goes on where it
was. Only a folder whose marker says `"complete": true` was counted and read from end to end.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from macule.errors import DatasetError

NAME = "macule-fetch.json"
FORMAT = 1

#: How far a file has come. MOVING: being renamed; whichever of the two names is there tells what is left to do.
STAGED, MOVING, DONE = "staged", "moving", "done"


@dataclass
class Entry:
    """One file. url: where it came from at last. sha256: as found. checked: the checksum that fitted, or `length`.

    target: what stands in the data set's folder, relative to it. at: when it arrived, ISO 8601.
    """

    url: str
    bytes: int
    sha256: str
    checked: str
    target: str
    at: str
    state: str = STAGED


@dataclass
class Marker:
    """One data set's folder. Times are ISO 8601.

    edition: empty where there is but one. pictures: how many were counted; None before.
    """

    dataset: str
    edition: str
    title: str
    licence: str
    citation: str
    home: str
    licence_accepted: str | None = None
    complete: bool = False
    completed: str | None = None
    pictures: int | None = None
    collection: int | None = None
    files: dict[str, Entry] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    def save(self, folder: Path) -> None:
        """Replace the marker in one step: it is the old or the new one, never half of it."""
        partial = folder / f".{NAME}.part"
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(self.to_dict(), stream, indent=2, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(folder / NAME)


def load(folder: Path) -> Marker | None:
    """None if nothing was fetched into this folder.

    Raises: DatasetError for a marker that is damaged or of a later macule.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format")
        if version == FORMAT:
            files = {name: Entry(**entry) for name, entry in content.pop("files").items()}
            return Marker(**content, files=files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} is damaged ({error}): remove it, and what is beside it if you have no use for it, "
                           "then fetch again.") from error
    raise DatasetError(f"{path} has format {version!r}; this macule writes {FORMAT}: use the macule that wrote it.")
