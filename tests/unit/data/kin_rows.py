"""Rows for the tests of splits and of the leak guard, written as short as they can be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from macule.data import kinship, links
from macule.data.kinship import About, Kin

PAIRS = "first_dataset,first_picture,first_group,second_dataset,second_picture,second_group,kind,inliers"


def about(picture: str, lesion: str | None = None, patient: str | None = None, *, dataset: str = "made",
          labels: str = "nv", sha256: str | None = None, group: str | None = None) -> About:
    return About(dataset, picture, group or f"{dataset}:{lesion or picture}", lesion, patient, sha256, labels)


def kin(*rows: About, pairs: links.Links = links.NONE) -> Kin:
    return kinship.of(rows, pairs)


def write_pairs(path: Path, pairs: Iterable[tuple[About, About]]) -> Path:
    lines = [",".join((*(cell for each in pair for cell in (each.dataset, each.picture_id, each.group)), "near", "40"))
             for pair in pairs]
    path.write_text("\n".join([PAIRS, *lines]) + "\n", encoding="utf-8")
    return path
