"""What is known of a public data set: the row that `macule data list` prints, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from macule.data.record import Record
from macule.data.sources.reading import Reading
from macule.data.vocabulary import ToneScale
from macule.taxonomy import Diagnosis

#: Yields the records of one folder. A bad row goes through `Reading.at`.
Read = Callable[[Reading], Iterator[Record]]


@dataclass(frozen=True)
class Source:
    """id: what the command line calls it. folder: its usual name under a common data root.

    pictures: how many the publisher ships; None for a folder or CSV of one's own. classes: what its labels can be, in
    the order of the publisher's vocabulary: the classes that a score on it is taken over.
    licence: empty if it is not ours to say. lesions, patients: whether ids of them are published.
    tone: the scale of its skin tones. parts: our word for an official part -> the publisher's, empty if the publisher
    does not part it. how: how to get it, one line for a person. options: name -> meaning of each of `Reading.options`.
    """

    id: str
    title: str
    read: Read
    pictures: int | None
    classes: tuple[Diagnosis, ...]
    licence: str
    home: str
    how: str
    folder: str
    citation: str = ""
    lesions: bool = False
    patients: bool = False
    tone: ToneScale | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
