"""A reader study as blocks: readers on the model's curve, agreement, what the model's advice did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from macule.exchange.blocks import Axis, Block, Forest, Matrix, Note, Plot, Prose, Section, Series
from macule.exchange.sections import readers_tables as tables

TITLE = "Readers"
FEW = tables.FEW
#: Raters above which only their agreement on malignancy is drawn; the class is in the table and the JSON.
_MANY = 12
#: Raters above which no page has room.
_NAMED = 30


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.readers.service.measure` gives it."""
    blocks = [*_warnings(found), _curve(found), tables.standing(found)]
    blocks += [*_gains(found), *tables.comparisons(found), *tables.against_model(found)]
    blocks += [*_agreement(found), *tables.switching(found), *tables.seconds(found), *_words(found)]
    return Section("readers", TITLE, lead(found), tuple(blocks))


def lead(found: Mapping[str, Any]) -> str:
    design = found["design"]
    words = f"{design['readers']} reader{'s' * (design['readers'] > 1)} and {design['pictures']} pictures"
    about = found["mrmc"].get("aided_against_unaided", {})
    figure = about.get("figures", {}).get("auc")
    if design["pictures"] < FEW:
        return f"{words}: too few pictures to say how readers and model compare."
    if figure:
        return f"{words}. With the model's advice the mean area under the readers' curves {_change(figure)}."
    beside: Mapping[str, Any] = next(
        (each for name, each in found["mrmc"].items() if name.endswith("_against_model")), {})
    figure = beside.get("figures", {}).get("auc")
    if figure:
        means = figure["means"]
        return (f"{words}. The readers' mean area under the curve is {means[0]:.3f}, the model's {means[1]:.3f} "
                f"({_test(figure)}).")
    return f"{words}. The readings allow no comparison over readers and pictures; the figures below stand alone."


def _change(figure: Mapping[str, Any]) -> str:
    first, second = figure["means"]
    verb = "rises" if second > first else "falls" if second < first else "stays"
    return f"{verb} from {first:.3f} to {second:.3f} ({_test(figure)})"


def _test(figure: Mapping[str, Any]) -> str:
    """The verdict that holds for other readers, too, where there is one."""
    kind = "random_readers" if figure["random_readers"]["p"] is not None else "fixed_readers"
    verdict = figure[kind]
    if verdict["p"] is None:
        return "whether by chance cannot be told"
    whom = "over readers and lesions" if kind == "random_readers" else "over lesions, for these readers alone"
    return (f"difference {tables.signed(verdict['difference'])}, 95 % interval {tables.signed(verdict['low'])} to "
            f"{tables.signed(verdict['high'])}, {tables.p_value(verdict['p'])}, {whom}")


def _warnings(found: Mapping[str, Any]) -> Iterator[Block]:
    if found["simulated"]:
        yield Note("SIMULATED. These readings were made up by a program, to show what such a study gives. They say "
                   "nothing about people, nor about a model.", "bad")
    model = found["model"]
    if model is None:
        yield Note("No model was given: the readers are compared with the truth and with each other.", "plain")
    elif model["leaky"] is None and not found["simulated"]:
        yield Note("It is not known whether the model was fitted on these lesions: its answers came from a file, or "
                   "the bundle does not say what it saw.")
    if model is not None and model["answered"] < found["design"]["pictures"]:
        yield Note(f"The model answered {model['answered']} of the {found['design']['pictures']} pictures; what is "
                   "compared with it leaves the others out.")
    yield from tables.gaps(found)


def _curve(found: Mapping[str, Any]) -> Plot:
    """Unaided and aided points of each reader, joined by a quiet line."""
    series = []
    model = found["model"]
    if model is not None and model["roc"]:
        series.append(_series(f"{model['name']}, ROC", model["roc"], "steps", 0))
    by_arm = {arm: {each["reader"]: _place(each) for each in found["points"] if each["arm"] == arm}
              for arm in ("unaided", "aided")}
    joined = [point for reader, place in by_arm["unaided"].items() if reader in by_arm["aided"]
              for point in (place, by_arm["aided"][reader], (math.nan, math.nan))]
    if joined:
        series.append(_series("one reader, unaided to aided", joined, "line", -1))
    series += [_series(f"readers, {arm}", list(places.values()), "dots", style)
               for style, (arm, places) in enumerate(by_arm.items(), 1) if places]
    if model is not None:
        places = [_place(point) for point in model["points"]]
        series.append(_series("model, " + " and ".join(point["name"] for point in model["points"]), places, "dots", 0))
    return Plot(
        "Readers on the model's curve",
        f"Sensitivity against 1 - specificity for malignant or indeterminate: {_where(by_arm)}.",
        Axis("1 - specificity", 0.0, 1.0), Axis("sensitivity", 0.0, 1.0), tuple(series), diagonal=True,
        note="A reader above the curve does better than the model at that specificity, one below it worse. Intervals "
             "are in the table.",
    )


def _series(label: str, points: Sequence[Sequence[float]], kind: Any, style: int) -> Series:
    return Series(label, tuple(x for x, _ in points), tuple(y for _, y in points), kind, style=style)


def _place(entry: Mapping[str, Any]) -> tuple[float, float]:
    specificity, sensitivity = (entry[name]["value"] for name in ("specificity", "sensitivity"))
    undefined = specificity is None or sensitivity is None
    return (math.nan, math.nan) if undefined else (1 - specificity, sensitivity)


def _where(by_arm: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    said = []
    for arm, places in by_arm.items():
        known = [place for place in places.values() if not math.isnan(place[0])]
        if known:
            x, y = (sum(each) / len(known) for each in zip(*known, strict=True))
            said.append(f"{len(known)} {arm} readers have a mean sensitivity of {y:.3f} and specificity of {1 - x:.3f}")
    return "; ".join(said) or "no reader read both malignant and benign pictures"


def _gains(found: Mapping[str, Any]) -> Iterator[Forest]:
    """By reader, with the mean of all over readers and lesions at the end."""
    about = found["mrmc"].get("aided_against_unaided", {})
    for key in ("auc", "balanced_accuracy"):
        figure = about.get("figures", {}).get(key)
        if figure is None:
            continue
        few = about["pictures"] < FEW
        rows = [(name, tables.difference(verdict, about["pictures"]), few)
                for name, verdict in zip(about["readers"], figure["by_reader"], strict=True)]
        if figure["random_readers"]["p"] is not None:
            rows.append(("all, over readers and lesions", tables.difference(figure["random_readers"]), few))
        name = tables.FIGURES[key]
        yield Forest(
            f"What the advice changed: {name.lower()}, aided less unaided",
            f"Difference in {name.lower()} of each reader with 95 % intervals: " + "; ".join(
                f"{who} {tables.signed(value.value)}" for who, value, _ in rows) + ".",
            Axis("aided − unaided"), tuple(rows), reference=0.0,
            note="Right of the line, the reader did better with the advice. Intervals of single readers are over "
                 "lesions.",
        )


def _agreement(found: Mapping[str, Any]) -> Iterator[Block]:
    names = {"call": "malignant or indeterminate, or benign", "diagnosis": "the class"}
    for arm, levels in found["agreement"].items():
        for level, words in names.items():
            one = levels[level]
            room = _NAMED if level == "call" else _MANY
            if len(one["raters"]) <= room and any(cell and cell["value"] is not None
                                                    for row in one["kappa"] for cell in row):
                yield _kappas(one, f"{arm}: {words}")
    yield tables.agreement(found)


def _kappas(level: Mapping[str, Any], what: str) -> Matrix:
    cells = level["kappa"]
    size = range(len(cells))
    full = tuple(tuple(None if i == j else cells[min(i, j)][max(i, j)]["value"] for j in size) for i in size)
    return Matrix(
        f"Cohen's kappa, {what}",
        f"Agreement of each pair of raters beyond chance, {what}; 1 is complete, 0 is chance.",
        "rater", "rater", tuple(level["raters"]), tuple(level["raters"]), full, decimals=2,
        note="Each pair over the pictures that both rated; intervals are in the JSON.",
    )


def _words(found: Mapping[str, Any]) -> Iterator[Prose]:
    design = found["design"]
    detected = ", found from the numbers" if design["scale_detected"] else ""
    yield Prose(
        f"{design['positives']} of {design['pictures']} pictures ({design['lesions']} lesions or patients) are "
        f"malignant or indeterminate. Confidence is in {design['confidence_of']}, on the scale {design['scale']}"
        f"{detected}. "
        f"Intervals of single figures: 95 %, {found['resamples']:,} resamples of lesions or patients. Comparisons "
        "over readers: Obuchowski and Rockette 1995, degrees of freedom of Hillis 2007, covariances by leaving out one "
        "lesion or patient at a time."
    )

