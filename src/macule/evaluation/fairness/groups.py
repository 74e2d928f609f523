"""Which group a picture belongs to, attribute by attribute. What is not stated is a group of its own.

Tones of two scales are never mixed: each scale is its own attribute, on which the other's pictures are not stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.analysis.patient import Modality, Sex, Site
from macule.data.record import Record
from macule.data.vocabulary import ToneScale
from macule.evaluation.predictions import Predictions

NOT_STATED = "not stated"
#: Years at which a band begins.
AGES = (0, 30, 45, 60, 75)
#: Degrees above which a band begins: Chardon, Cretois & Hourseau 1991; brown and dark after Del Bino & Bernerd 2013.
BANDS = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"),
         (-math.inf, "dark"))
SCALES = {
    ToneScale.FITZPATRICK: "Fitzpatrick's scale, 1 burns always to 6 never burns",
    ToneScale.MILK: "MILK10k's scale, 0 very dark to 5 very light",
    ToneScale.MONK: "the Monk scale, 1 lightest to 10 darkest",
    ToneScale.ITA: "bands of the individual typology angle that the publisher gives",
}
#: Of no group: the attribute does not ask about this picture.
OUTSIDE = -1


@dataclass(frozen=True)
class Attribute:
    """names: its groups, in order. of: index of each answered picture's, (N,), OUTSIDE where it is not asked about.

    refused: the same of each refused picture; None where a picture that was refused has no group. scale: of skin tones.
    proxy: read off the picture, not labelled.
    """

    key: str
    title: str
    names: tuple[str, ...]
    of: NDArray[np.intp]
    refused: NDArray[np.intp] | None
    scale: str | None = None
    proxy: bool = False


def age(record: Record) -> str:
    years = record.patient.age
    if years is None:
        return NOT_STATED
    place = sum(years >= start for start in AGES) - 1
    return f"{AGES[place]} or older" if place + 1 == len(AGES) else f"{AGES[place]} to {AGES[place + 1] - 1}"


def band(degrees: float) -> str:
    """Of the individual typology angle."""
    if math.isnan(degrees):
        return NOT_STATED
    return next(name for above, name in BANDS if degrees > above)


def tone(record: Record, scale: ToneScale) -> str:
    found = record.skin_tone
    if found is None or found.scale is not scale:
        return NOT_STATED
    if scale is ToneScale.ITA:
        return band(found.value)
    return f"{found.value:g}" if found.upper is None else f"{found.value:g} to {found.upper:g}"


def any_tone(record: Record) -> str:
    """With its scale, for those who have to keep several apart in one attribute."""
    found = record.skin_tone
    return NOT_STATED if found is None else f"{found.scale} {tone(record, found.scale)}"


def sex(record: Record) -> str:
    return record.patient.sex or NOT_STATED


def site(record: Record) -> str:
    return (record.patient.site or NOT_STATED).replace("_", " ")


def modality(record: Record) -> str:
    return record.patient.modality or NOT_STATED


def centre(record: Record) -> str:
    return record.centre or NOT_STATED


#: Attributes that a record states, by key.
STATED: dict[str, tuple[str, Callable[[Record], str], tuple[str, ...]]] = {
    "sex": ("Sex", sex, tuple(Sex)),
    "age": ("Age (years)", age, ()),
    "site": ("Body site", site, tuple(each.replace("_", " ") for each in Site)),
    "modality": ("Modality", modality, tuple(Modality)),
    "centre": ("Centre", centre, ()),
}


def attributes(answers: Predictions) -> list[Attribute]:
    """All that can be asked of these pictures, skin tone first."""
    return [*_tones(answers), *_proxy(answers),
            *(_stated(answers, key, *about) for key, about in STATED.items())]


def crossed(one: Attribute, other: Attribute) -> Attribute:
    """Groups of both at once; a picture of which one is not stated is outside."""
    pairs = [(i, j) for i, first in enumerate(one.names) for j, second in enumerate(other.names)
             if NOT_STATED not in (first, second)]
    names = tuple(f"{one.names[i]}, {other.names[j]}" for i, j in pairs)

    def both(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
        found = np.full(len(first), OUTSIDE, np.intp)
        for number, (i, j) in enumerate(pairs):
            found[(first == i) & (second == j)] = number
        return found

    refused = None if one.refused is None or other.refused is None else both(one.refused, other.refused)
    return Attribute(f"{one.key}*{other.key}", f"{one.title} and {other.title.lower()}", names, both(one.of, other.of),
                     refused, one.scale, one.proxy or other.proxy)


def _tones(answers: Predictions) -> list[Attribute]:
    """One for each scale that is used; one that says "not stated" where none is."""
    used = {record.skin_tone.scale for record in answers.records if record.skin_tone is not None}
    if not used:
        return [_of("skin_tone", "Skin tone", [NOT_STATED] * len(answers.records), [NOT_STATED] * len(answers.refused))]
    return [_of(f"skin_tone:{scale}", f"Skin tone ({SCALES[scale]})", [tone(r, scale) for r in answers.records],
                [tone(r, scale) for r in answers.refused], scale=scale.value,
                order=tuple(name for _, name in BANDS) if scale is ToneScale.ITA else ())
            for scale in ToneScale if scale in used]


def _proxy(answers: Predictions) -> list[Attribute]:
    """Of the pictures without a label of skin tone, if the angle could be read off any."""
    if not len(answers.tones):
        return []
    bare = np.array([record.skin_tone is None for record in answers.records], dtype=bool)
    if not (bare & np.isfinite(answers.tones)).any():
        return []
    found = _of("ita", "ITA of the skin in the picture (proxy, no label)",
                [band(float(angle)) for angle in answers.tones], None, order=tuple(name for _, name in BANDS),
                scale="ITA, Chardon's bands")
    return [Attribute(found.key, found.title, found.names, np.where(bare, found.of, OUTSIDE), None, found.scale, True)]


def _stated(answers: Predictions, key: str, title: str, read: Callable[[Record], str],
            order: tuple[str, ...]) -> Attribute:
    return _of(key, title, [read(r) for r in answers.records], [read(r) for r in answers.refused], order=order)


def _of(key: str, title: str, said: Sequence[str], refused: Sequence[str] | None, *, order: tuple[str, ...] = (),
        scale: str | None = None) -> Attribute:
    """order: of the names; else by number, then by letter. NOT_STATED is the last."""
    used = {str(name) for name in (*said, *(refused or ()))}
    place = {name: number for number, name in enumerate(order)}
    names = sorted(used, key=lambda name: (name == NOT_STATED, place.get(name, len(place)), _number(name), name))

    def indices(words: Sequence[str]) -> NDArray[np.intp]:
        return np.array([names.index(str(word)) for word in words], dtype=np.intp)

    return Attribute(key, title, tuple(names), indices(said), None if refused is None else indices(refused), scale)


def _number(name: str) -> float:
    first = name.split(maxsplit=1)[0]
    return float(first) if first.replace(".", "", 1).isdigit() else math.inf
