"""The page of `macule predict --lesion`: one answer, and the pictures that it rests on side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from macule import __version__
from macule.analysis.bundle import Bundle
from macule.analysis.explain import overlay
from macule.analysis.lesion import LesionResult, Shot
from macule.analysis.result import Risk
from macule.exchange import page
from macule.exchange.html import make_folder, write_picture

#: With more pictures a column each would not fit on a page; what each says alone stands on its card anyway.
MOST_COLUMNS = 4


@dataclass(frozen=True)
class Card:
    """One picture on the page. name: its file's, or the whole path where two files share one.
    picture, heatmap: paths relative to the page.
    """

    number: int
    name: str
    shot: Shot
    picture: str | None = None
    heatmap: str | None = None

    @property
    def kind(self) -> str:
        if self.shot.result is None:
            return "error"
        return self.shot.alone.risk.value if self.shot.alone else "refused"


@dataclass(frozen=True)
class Mark:
    """A line of the scale on which the pictures and their common answer are compared. at: 0 to 1."""

    name: str
    at: float
    risk: Risk
    together: bool = False


class LesionReport:
    """A folder with the page and its pictures."""

    def __init__(self, folder: Path, *, bundle: Bundle, now: datetime | None = None) -> None:
        """now: what the page calls the time of writing."""
        self._folder, self._bundle, self._now = folder, bundle, now

    def __enter__(self) -> Self:
        """Raises: UsageError if the folder cannot be made."""
        make_folder(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def add_lesion(self, result: LesionResult) -> None:
        cards = [self._lay_out(number, name, shot)
                 for number, (name, shot) in enumerate(zip(names(result.shots), result.shots, strict=True), 1)]
        limits = self._bundle.thresholds
        page.write(
            self._folder, "lesion.html", result=result, cards=cards, marks=marks(result),
            compared=[card for card in cards if card.shot.alone] if 1 < len(result.alone) <= MOST_COLUMNS else [],
            kind=result.answer.risk.value if result.answer else "refused",
            limits=(limits.medium.probability, limits.high.probability), now=self._now or datetime.now(UTC),
            views=result.views or self._bundle.preprocessing.views, version=__version__,
        )

    def _lay_out(self, number: int, name: str, shot: Shot) -> Card:
        rgb = shot.result.thumbnail if shot.result else None
        if rgb is None:
            return Card(number, name, shot)
        picture = write_picture(self._folder, f"{number:05d}.jpg", rgb)
        if shot.heatmap is None:
            return Card(number, name, shot, picture)
        heatmap = write_picture(self._folder, f"{number:05d}-heat.jpg", overlay(rgb, shot.heatmap))
        return Card(number, name, shot, picture, heatmap)


def names(shots: Sequence[Shot]) -> list[str]:
    short = [Path(shot.image).name for shot in shots]
    return short if len(set(short)) == len(short) else [shot.image for shot in shots]


def marks(result: LesionResult) -> list[Mark]:
    """The malignant probability of each counted picture alone and of all together; none of a single picture."""
    if result.answer is None or len(result.alone) < 2:
        return []
    each = [Mark(f"Picture {number}", shot.alone.malignant, shot.alone.risk)
            for number, shot in enumerate(result.shots, 1) if shot.alone]
    return [*each, Mark("Together", result.answer.malignant, result.answer.risk, together=True)]
