"""The wording that patients and nurses read: a folder of TOML files a language. `en` is complete, others may lack keys.

A new language is a new folder beside `en`; a test holds its keys and placeholders against English.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FALLBACK = "en"


@dataclass(frozen=True)
class Catalogue:
    """texts: {"capture.title": "Take a picture"}: file name, then the keys within it, joined by dots."""

    language: str
    texts: Mapping[str, str]

    def text(self, key: str, **values: Any) -> str:
        """The text with its {placeholders} filled. Raises: KeyError for a key that English lacks too."""
        wording = self.texts.get(key)
        if wording is None and self.language != FALLBACK:
            wording = catalogue(FALLBACK).texts.get(key)
        if wording is None:
            raise KeyError(f"no message {key!r}: add it to messages/{FALLBACK}/{key.partition('.')[0]}.toml")
        return wording.format(**values) if values else wording


@cache
def catalogue(language: str) -> Catalogue:
    """A language that has no folder reads as English."""
    folder = HERE / language
    if not folder.is_dir():
        return catalogue(FALLBACK)
    return Catalogue(language, dict(_flat(folder)))


def languages() -> list[str]:
    return sorted(path.name for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("_"))


def _flat(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.toml")):
        yield from _leaves(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))


def _leaves(prefix: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", str(value)
