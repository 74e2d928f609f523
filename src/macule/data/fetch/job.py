"""One data set on its way into one folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from macule.data.fetch import marker
from macule.data.fetch.marker import Marker
from macule.data.fetch.plan import Plan
from macule.data.fetch.settings import Meter, Progress, Settings
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source
from macule.errors import UsageError

#: Below the data set's folder while a fetch is under way. Files leave it when they are whole.
WORK = ".macule-fetch"


def quiet(_what: str, _total: int, _unit: str = "bytes", /) -> Meter:
    """A Progress that shows nothing."""
    return lambda _done: None


@dataclass(frozen=True)
class Job:
    """source: the card of the edition that is got. plan: chosen for that and a mirror.

    clock: the time now, with its zone.
    """

    source: Source
    plan: Plan
    folder: Path
    clock: Callable[[], datetime]
    keep_archives: bool = False
    settings: Settings = field(default_factory=Settings)
    progress: Progress = quiet

    @property
    def work(self) -> Path:
        return self.folder / WORK

    def reading(self) -> Reading:
        return Reading(self.source.id, self.folder, options=dict(self.plan.edition.options))

    def now(self) -> str:
        return self.clock().isoformat(timespec="seconds")

    def state(self) -> Marker:
        """What the folder's marker says; a new one if it has none. A licence that has changed is not accepted yet.

        Raises: UsageError if the folder holds another data set; DatasetError for a damaged marker.
        """
        card = self.source
        new = Marker(card.id, self.plan.edition.name, card.title, card.licence, card.citation, card.home,
                     collection=self.plan.collection)
        if (found := marker.load(self.folder)) is None:
            return new
        if (found.dataset, found.edition) != (new.dataset, new.edition):
            raise UsageError(f"{self.folder} holds {_named(found)}, not {_named(new)}: give another folder with --to.")
        if found.licence == new.licence:
            new.licence_accepted = found.licence_accepted
        new.complete, new.completed, new.pictures, new.files = (
            found.complete, found.completed, found.pictures, found.files)
        return new


def _named(state: Marker) -> str:
    return f"{state.dataset} {state.edition}".rstrip()
