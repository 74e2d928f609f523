"""What was wrong, as blocks: for the report without a picture, for the user's own page with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from macule.evaluation.fairness.groups import NOT_STATED
from macule.evaluation.mistake_patterns import FEW, FEW_EVENTS
from macule.evaluation.mistakes import TITLES
from macule.exchange.blocks import (
    Axis,
    Block,
    Forest,
    Gallery,
    Note,
    Prose,
    Section,
    Shot,
    Table,
    Tone,
    Value,
    not_measured,
)
from macule.exchange.mistake_pictures import Pictures
from macule.taxonomy import Diagnosis

__all__ = ["Pictures", "gallery", "section"]

TITLE = "Mistakes"
#: Rows of the report's tables; the page with pictures has all.
MOST_PAIRS, MOST_OF_A_CLASS, MOST_RATIOS = 12, 3, 16
_TONES: dict[str, Tone] = {"missed": "bad", "false_alarms": "warning"}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.mistakes.measure` gives it. No picture is shown, only ids."""
    if not found["measured"]:
        return not_measured("mistakes", TITLE, found["why"])
    blocks: list[Block] = [_pairs(found), *_forests(found), _caution(found)]
    blocks += [_worst(found), *(_listed(found, name) for name in _TONES if found["lists"][name])]
    blocks += [_groups(pattern) for pattern in found["patterns"]]
    return Section("mistakes", TITLE, _lead(found), tuple(blocks))


def gallery(found: Mapping[str, Any], pictures: Pictures) -> Section:
    """The same mistakes with their pictures, for a page that stays on the user's disk."""
    if not found["measured"]:
        return not_measured("mistakes", TITLE, found["why"])
    lists: list[tuple[str, Sequence[str], Tone]] = [
        *((TITLES[name], names, _TONES.get(name, "plain")) for name, names in found["lists"].items()),
        *((f"{_name(code)}: wrong with the most confidence", names, "plain")
          for code, names in found["by_class"].items()),
    ]
    items = found["items"]
    cards = {name: pictures.card(name, [each["picture"] for each in item["nearest"]]) for name, item in items.items()}
    blocks: list[Block] = [Prose(_how(found)), _pairs(found)]
    blocks += [_shots(items, cards, title, names, tone) for title, names, tone in lists if names]
    return Section("mistakes", "Mistakes, picture by picture", _lead(found), tuple(blocks))


def _lead(found: Mapping[str, Any]) -> str:
    if not found["pictures"]:
        return "No picture here has a single diagnosis; only malignant and benign answers can be checked."
    words = f"{found['mistakes']:,} of {found['pictures']:,} pictures have another diagnosis than the one ranked first."
    if found["confusions"]:
        pair = found["confusions"][0]
        words += (f" The commonest confusion is {_name(pair['truth']).lower()} taken for {_name(pair['said']).lower()} "
                  f"({pair['n']:,} of {pair['of']:,}).")
    missed = next((pattern for pattern in found["patterns"] if pattern["kind"] == "missed"), None)
    if missed:
        words += f" {missed['events']:,} of {missed['n']:,} malignant or indeterminate pictures were called low risk."
    return words


def _pairs(found: Mapping[str, Any]) -> Table:
    pairs = found["confusions"][:MOST_PAIRS]
    rows = tuple((_name(pair["truth"]), _name(pair["said"]), pair["n"], pair["of"],
                  Value(pair["n"] / pair["of"], percent=True), "yes" if pair["crosses"] else "") for pair in pairs)
    left = len(found["confusions"]) - len(pairs)
    return Table("Which diagnoses are confused", ("True", "Ranked first", "pictures", "of", "Share", "Crosses"), rows,
                 note="Of: pictures of the true class. Crosses: malignant for benign, or the reverse."
                      + (f" {left} rarer pairs are left out." if left else ""),
                 muted=tuple(i for i, pair in enumerate(pairs) if pair["of"] < FEW))


def _forests(found: Mapping[str, Any]) -> Iterator[Forest]:
    """Of each kind of mistake, the groups whose interval leaves out 1, the furthest first."""
    for pattern in found["patterns"]:
        clear = [row for row in pattern["rows"] if not row["muted"] and _clear(row["ratio"])
                 and not _mirrored(row, pattern["rows"])]
        clear = sorted(clear, key=lambda row: -abs(math.log(row["ratio"]["value"])))[:MOST_RATIOS]
        if clear:
            yield Forest(
                f"{pattern['title']}: where it is more or less common", "; ".join(_told(row) for row in clear) + ".",
                Axis("Risk ratio against the other pictures", log=True),
                tuple((f"{_attribute(row)}: {_group(row)}", _ratio(row), False) for row in clear),
                reference=1.0, note=f"{pattern['events']:,} of {pattern['n']:,} pictures. Only groups whose interval "
                                    "leaves out 1; the tables below have all.")


def _clear(ratio: Mapping[str, Any]) -> bool:
    low, high = ratio["low"], ratio["high"]
    return low is not None and low > 0 and (low > 1 or high < 1)


def _mirrored(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the only other group of the attribute says the same the other way round, and above 1."""
    groups = [each for each in rows if each["attribute"] == row["attribute"]]
    return len(groups) == 2 and bool(row["ratio"]["value"] < 1)


def _told(row: Mapping[str, Any]) -> str:
    ratio = row["ratio"]
    return f"{_group(row)} {ratio['value']:.2f} times ({ratio['low']:.2f} to {ratio['high']:.2f}), n = {row['n']:,}"


def _group(row: Mapping[str, Any]) -> str:
    return _name(row["name"]) if row["attribute"] == "truth" else str(row["name"])


def _ratio(row: Mapping[str, Any]) -> Value:
    ratio = row["ratio"]
    return Value(ratio["value"], ratio["low"], ratio["high"], row["n"], row["events"])


def _caution(found: Mapping[str, Any]) -> Note:
    looks = sum(not row["muted"] for pattern in found["patterns"] for row in pattern["rows"])
    return Note(f"{looks} ratios were looked at; of as many without any difference about {math.ceil(looks / 20)} would "
                "have a 95 % interval that leaves out 1. A ratio says where mistakes are, not why: sites, ages, "
                "centres and diagnoses come together.", "plain")


def _groups(pattern: Mapping[str, Any]) -> Table:
    rows = tuple((_attribute(row), _group(row), row["n"], row["events"],
                  Value(row["events"] / row["n"], percent=True), _ratio(row), row["refused"] or "")
                 for row in pattern["rows"])
    head = ("Attribute", "Group", "pictures", "mistakes", "Share", "Risk ratio", "refused")
    return Table(f"{pattern['title']}, by group", head, rows,
                 note=f"Faint: fewer than {FEW} pictures in the group or outside it, or fewer than {FEW_EVENTS} "
                      "mistakes in all. Refused pictures of a group got no answer, and so cannot be wrong.",
                 muted=tuple(i for i, row in enumerate(pattern["rows"]) if row["muted"]))


def _attribute(row: Mapping[str, Any]) -> str:
    """Its title without the small print."""
    return str(row["title"]).split(" (", maxsplit=1)[0]


_HEAD = ("Picture", "True", "Answer", "Malignant", "Risk", "Patient", "Nearest in training")


def _worst(found: Mapping[str, Any]) -> Table:
    names = [name for of in found["by_class"].values() for name in of[:MOST_OF_A_CLASS]]
    return _table(found, "The most confident mistakes of each class", names)


def _listed(found: Mapping[str, Any], name: str) -> Table:
    return _table(found, TITLES[name], found["lists"][name])


def _table(found: Mapping[str, Any], title: str, names: Sequence[str]) -> Table:
    rows = tuple(_cells(name, found["items"][name]) for name in names)
    return Table(title, _HEAD, rows, note="The pictures are in mistakes.html beside the report, on your disk.")


def _cells(name: str, item: Mapping[str, Any]) -> tuple[Any, ...]:
    return (name, _truth(item), _answers(item, 2), Value(item["malignant"], percent=True), item["risk"],
            _patient(item), _nearest(item) or "no index")


def _shots(items: Mapping[str, Any], cards: Mapping[str, bytes | None], title: str, names: Sequence[str],
           tone: Tone) -> Gallery:
    """cards: JPEG of each picture; None where it cannot be read, which the note says."""
    shots = [Shot(card, f"{name}: {_truth(items[name])}, answered {_answers(items[name], 1)}",
                  _lines(name, items[name]), tone) for name in names if (card := cards[name]) is not None]
    unread = [name for name in names if cards[name] is None]
    return Gallery(title, tuple(shots), note=f"Cannot be read now: {', '.join(unread)}." if unread else "")


def _lines(name: str, item: Mapping[str, Any]) -> tuple[str, ...]:
    held = ", ".join(item["cannot_exclude"])
    lines = (f"{_truth(item)} ({name})", f"Answer: {_answers(item, 3)}",
             f"Malignant {item['malignant']:.1%}, {item['risk']} risk" + (f"; not excluded: {held}" if held else ""),
             _patient(item), "Unlike the training pictures" if item["admitted"] is False else "",
             f"Nearest in training: {_nearest(item)}" if item["nearest"] else "", _together(item))
    return tuple(line for line in lines if line)


def _together(item: Mapping[str, Any]) -> str:
    """Of an answer to a lesion: which pictures it was made of; the first is shown."""
    of = item.get("pictures", ())
    return f"Answered from {len(of)} pictures: {', '.join(of)}; the first is shown" if len(of) > 1 else ""


def _how(found: Mapping[str, Any]) -> str:
    words = ("Each picture stands beside the heatmap of the diagnosis that was ranked first. A label can be wrong too: "
             "what looks like a mistake of the model may be one of the data.")
    return words + (" Under it, where they can be read, the training pictures that the network finds most like it."
                    if found["nearest"] else "")


def _truth(item: Mapping[str, Any]) -> str:
    return " or ".join(_name(code) for code in item["truth"]) or "not stated"


def _answers(item: Mapping[str, Any], most: int) -> str:
    """The first in words, the others by their codes."""
    first, *others = item["answers"][:most]
    said = [f"{_name(first['code'])} {first['probability']:.0%}"]
    return ", ".join(said + [f"{each['code']} {each['probability']:.0%}" for each in others])


def _patient(item: Mapping[str, Any]) -> str:
    age, site = item["age_band"], (item["site"] or "").replace("_", " ")
    years = "" if age == NOT_STATED else f"{age} years" if "to" in age else age
    return ", ".join(word for word in (years, item["sex"], site, item["modality"], item["centre"]) if word)


def _nearest(item: Mapping[str, Any]) -> str:
    """How many of them are of which diagnosis, and how like the first is."""
    if not item["nearest"]:
        return ""
    counts = Counter(each["truth"] or "not stated" for each in item["nearest"])
    return (", ".join(f"{count} {code}" for code, count in counts.most_common())
            + f" (cosine {item['nearest'][0]['likeness']:.2f})")


def _name(code: str) -> str:
    return Diagnosis(code).entry.name
