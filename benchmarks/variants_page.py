"""The tables of the bundle variants, from what `benchmarks/variants.py` measured, and their place in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from macule.evaluation import marks

BEGIN, END = "<!-- variants -->", "<!-- /variants -->"
#: Everything by name is in the file of figures: variant -> figure -> value.
Figures = Mapping[str, Mapping[str, Any]]

#: Row -> (start of the exam's title in a card, figure). `mel` and the like: of that class.
SCORES = {
    "HAM10000, locked lesions: balanced accuracy": ("HAM10000, locked lesions", "balanced_accuracy"),
    "the same: macro AUC": ("HAM10000, locked lesions", "macro_auc"),
    "the same: melanoma AUC": ("HAM10000, locked lesions", "mel auc"),
    "ISIC 2018 validation: balanced accuracy": ("ISIC 2018 task 3 validation", "balanced_accuracy"),
    "the same: accuracy": ("ISIC 2018 task 3 validation", "accuracy"),
    "ISIC 2017 test: melanoma AUC": ("ISIC 2017 test", "mel auc"),
    **{f"MILK10k, {which}: malignant AUC, {kind}": (f"MILK10k, {which}, {kind}", "malignant_auc")
       for which in ("locked lesions", "locked lesions not in HAM10000")
       for kind in ("dermoscopic", "clinical", "both pictures together")},
}

#: (what, figure, our nearest row, why the two cannot be compared one to one, where it stands)
YARDSTICKS = (
    ("ResNet-50, 224 px, trained on HAM10000", "macro AUC 0.907, accuracy 0.684", "the same: accuracy",
     "another exam: the 1,511 official ISIC 2018 test pictures, not the 193 for validation; ours was trained on "
     "MILK10k too and knows the patient's data",
     "DermaMNIST-E: Abhishek et al., Scientific Data 12:196 (2025)"),
    ("winner of the ISIC 2018 challenge", "balanced accuracy 0.885", "ISIC 2018 validation: balanced accuracy",
     "another exam: the official test pictures, not those for validation, of which few are dermatofibroma or "
     "vascular, so that balanced accuracy rests on a handful; trained on private pictures too",
     "leaderboard of ISIC 2018 task 3"),
    ("linear probe on frozen PanDerm", "balanced accuracy 0.78", "HAM10000, locked lesions: balanced accuracy",
     "another part of HAM10000; a far larger network, which learnt from other pictures of skin first; whether "
     "its split was by lesion is not known to us",
     "figure from our survey, not repeated by us"),
    ("PAD-UFES-20 with the patient's data", "balanced accuracy 0.78", None,
     "another data set (phones, six classes), trained on itself, patients apart; ours has not sat it",
     "figure from our survey, not repeated by us"),
    ("single expert raters, ISIC 2018 test pictures", "accuracy about 0.68",
     "the same: accuracy", "another exam: the official test pictures; people at a screen, not in a clinic; none of "
     "them saw our 190 pictures, so it does not say who is better",
     "figure from our survey, not repeated by us"),
)


def render(measured: Mapping[str, Any]) -> str:
    """Both tables, with a line on how they came about."""
    variants: Figures = measured["variants"]
    rows = [*_costs(variants), *_scores(variants)]
    about = (
        "Scores: 95 % intervals over lesions, from each bundle's card (`make card`, `make reports`). Times: one core "
        f"of an {measured['machine']}, medians of {measured['rounds']} rounds in which the bundles took turns in one "
        "process, with the ratio to `default` and its least and largest round (`make variants`). Machines differ: read "
        "the ratios. -: not measured.")
    return "\n\n".join((
        _table(["", *(f"`{name}`" for name in variants)], [[title, *cells] for title, cells in rows]), about,
        _table(["yardstick", "it reaches", "the nearest of `default`", "why not one to one", "source"],
               [_yardstick(each, variants) for each in YARDSTICKS]),
    )) + "\n"


def put(path: Path, tables: str) -> None:
    """Write the tables between the markers. Raises: ValueError if the file has not one pair of them."""
    marks.fill(path, BEGIN, END, tables)


def found(path: Path) -> str:
    """What stands between the markers, as `render` writes it. Raises: ValueError."""
    return marks.read(path, BEGIN, END).removeprefix("\n")


def _costs(variants: Figures) -> list[tuple[str, list[str]]]:
    now = variants.get("default", {}).get("sha256")

    def timed(kind: str) -> list[str]:
        return [_time(each[kind], stale=each["beside"] != now)
                for each in variants.values()]

    return [
        ("network", [f"{each['network']}, {each['px']} px, {each['views']} views" for each in variants.values()]),
        ("in the package", ["yes" if each["embedded"] else "no" for each in variants.values()]),
        ("size on disk", [f"{each['bytes'] / 1e6:.1f} MB" for each in variants.values()]),
        ("network alone, one view", timed("graph")),
        ("picture to answer, one view", timed("one_view")),
        ("picture to answer, its own views", timed("own_views")),
        ("peak memory of a process", [f"{each['memory_mb']:.0f} MB" for each in variants.values()]),
    ]


def _scores(variants: Figures) -> list[tuple[str, list[str]]]:
    rows = [(title, [_score(each["scores"].get(title)) for each in variants.values()]) for title in SCORES]
    return [(title, cells) for title, cells in rows if set(cells) != {"-"}]


def _time(entry: Mapping[str, float], *, stale: bool) -> str:
    if stale:  # `default` has changed since: the ratio is to another network
        return f"{entry['ms']:.1f} ms"
    return f"{entry['ms']:.1f} ms ({entry['ratio']:.2f}; {entry['low']:.2f}-{entry['high']:.2f})"


def _score(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    mark = "LEAKY " if figure["leaky"] else ""
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f}-{figure['high']:.3f})"
    return f"{mark}{figure['value']:.3f}{interval}, n = {figure['n']}"


def _yardstick(entry: tuple[str, str, str | None, str, str], variants: Figures) -> list[str]:
    what, figure, row, caveat, source = entry
    scores = variants.get("default", {}).get("scores", {})
    exam = "" if row is None else f"{SCORES[row][0]}, {SCORES[row][1].replace('_', ' ')}: "
    return [what, figure, "-" if row is None else exam + _score(scores.get(row)), caveat, source]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
