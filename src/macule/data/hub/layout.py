"""The names in a pushed folder, and what its `macule.json` says."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from macule.errors import DatasetError, MissingExtra

CARD, DATA, INFO = "README.md", "data", "macule.json"
#: What the hub is told instead of `train`: a manifest may hold the publishers' test pictures as well.
SPLIT = "rows"
#: The column that holds the encoded pictures, where they were pushed.
IMAGE = "image"


@dataclass(frozen=True)
class Info:
    """hash: of the manifest's rows, without pictures. pictures: whether they were pushed as well."""

    format: str
    hash: str
    rows: int
    pictures: bool

    def write(self, folder: Path) -> None:
        (folder / INFO).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, source: str) -> Info:
        """Raises: DatasetError if the folder was not pushed by macule, or not whole."""
        try:
            return cls(**json.loads((folder / INFO).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(f"{source} holds no readable {INFO} ({error}): only what macule data push wrote can be "
                               "pulled.") from error


def library() -> Any:
    """The package datasets.

    Raises: MissingExtra
    """
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtra("datasets is not installed: pip install 'macule[hub]'.") from error
    return datasets
