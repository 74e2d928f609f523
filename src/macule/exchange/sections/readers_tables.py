"""The tables of a reader study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from macule.exchange.blocks import Cell, Note, Table, Value

#: Groups of fewer pictures are shown and not relied on.
FEW = 30
FIGURES = {"auc": "Area under the curve", "balanced_accuracy": "Balanced accuracy", "sensitivity": "Sensitivity",
           "specificity": "Specificity"}
_PAIRS = {"aided_against_unaided": "Aided readers less unaided", "unaided_against_model": "Model less unaided readers",
          "aided_against_model": "Model less aided readers"}
_LEVELS = {"call": "malignant or not", "diagnosis": "class"}
#: Of the rates in the JSON, those that have a column.
_RATES = {"wrong_to_right": "Wrong, turned right", "right_to_wrong": "Right, turned wrong",
          "mended_by_right_advice": "Set right by right advice", "misled_by_wrong_advice": "Led astray by wrong advice"}


def standing(found: Mapping[str, Any]) -> Table:
    """Readers, each unaided before aided, then the model's points."""
    keys = ("sensitivity", "specificity", "auc", "diagnosis_accuracy")
    entries = sorted(found["points"], key=lambda each: str(each["reader"]))
    rows: list[tuple[Cell, ...]] = [(each["reader"], each["arm"], *(value(each[key]) for key in keys))
                                    for each in entries]
    few = [place for place, each in enumerate(entries) if each["balanced_accuracy"]["n"] < FEW]
    model = found["model"] or {"points": []}
    rows += [(model["name"], point["name"], *(value((point | model)[key]) for key in keys))
             for point in model["points"]]
    head = ("", "", "Sensitivity", "Specificity", "AUC", "Class named rightly")
    return Table("Readers and model", head, tuple(rows), muted=tuple(few),
                 note="Malignant or indeterminate against benign; intervals over lesions or patients. A reader's AUC "
                      "is of the confidence.")


def gaps(found: Mapping[str, Any]) -> Iterator[Note]:
    """Why a comparison over readers is missing."""
    for name, about in found["mrmc"].items():
        if about["crossed"]:
            continue
        said = [f"{gap['reader']} {gap['arm']}: {gap['missing']} ({', '.join(gap['pictures'][:3])}"
                f"{', ...' if gap['missing'] > 3 else ''})" for gap in about["missing"][:5]]
        more = f"; and {len(about['missing']) - 5} more" if len(about["missing"]) > 5 else ""
        yield Note(f"{_PAIRS[name]}: not compared over readers, for every reader must have read every picture. "
                   f"Missing: {'; '.join(said)}{more}.")
    if found["design"]["without_confidence"]:
        yield Note(f"{found['design']['without_confidence']} readings have no confidence: a reader's area under the "
                   "curve needs one for every picture.")


def comparisons(found: Mapping[str, Any]) -> Iterator[Table]:
    """Over readers and cases: a table a comparison."""
    for name, about in found["mrmc"].items():
        rows = [_compared(FIGURES[key], figure) for key, figure in about.get("figures", {}).items()]
        for point in about.get("points", ()):
            rows += [_compared(f"{FIGURES[key]}, {point['point']}", figure) for key, figure in point.items()
                     if key != "point"]
        if rows:
            first, second = about["first"], about["second"]
            yield Table(
                f"{_PAIRS[name]}: {len(about['readers'])} readers, {about['cases']} lesions or patients",
                ("", f"Mean, {first}", f"Mean, {second}", "Difference, other readers too", "Test",
                 "Difference, these readers"), tuple(rows),
                note="Obuchowski and Rockette 1995. The first difference holds for readers and lesions like these, the "
                     "second for these readers and lesions like these. The first is undefined with one reader, both "
                     "where readers do not differ at all.")


def _compared(what: str, figure: Mapping[str, Any]) -> tuple[Cell, ...]:
    random, fixed = figure["random_readers"], figure["fixed_readers"]
    # Readers who gain alike leave no interaction, and the degrees of freedom have no end.
    df = "infinite" if random["df"] is None else number(random["df"], 1)
    test = "undefined" if random["p"] is None else (
        f"F = {number(random['f'], 2)}, df 1 and {df}, {p_value(random['p'])}")
    return what, *(Value(mean) for mean in figure["means"]), difference(random), test, difference(fixed)


def against_model(found: Mapping[str, Any]) -> Iterator[Table]:
    entries = sorted(found["against_model"], key=lambda each: str(each["reader"]))
    rows = tuple((each["reader"], each["arm"],
                  *(value(each["at_the_readers_specificity"][key])
                    for key in ("specificity", "model_sensitivity", "difference")),
                  *(f"{test['reader_only']} / {test['model_only']}, {p_value(test['p'])}" for test in each["mcnemar"]))
                 for each in entries)
    if rows:
        points = (f"Right alone, {test['point']}" for test in entries[0]["mcnemar"])
        yield Table("Each reader beside the model",
                    ("", "", "Reader's specificity", "Model's sensitivity there", "Model less reader", *points), rows,
                    muted=tuple(place for place, each in enumerate(entries) if each["pictures"] < FEW),
                    note="The model's threshold is set anew in each resample, so that it is at least as specific as "
                         "the reader. Right alone: pictures that only the reader / only the model at that risk called "
                         "rightly, and McNemar's exact test, which takes pictures for independent.")


def agreement(found: Mapping[str, Any]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (arm, _LEVELS[level], value(one["fleiss"]), value(one["krippendorff"]),
         *(value(_mean_with(one, rater)) for rater in ("truth", "model")))
        for arm, levels in found["agreement"].items() for level, one in levels.items()]
    head = ("", "", "Fleiss' kappa", "Krippendorff's alpha", "With the truth, mean kappa",
            "With the model, mean kappa")
    return Table("Agreement among readers", head, tuple(rows),
                 note="Fleiss over the pictures that every reader read, Krippendorff over those that two and more "
                      "read.")


def _mean_with(level: Mapping[str, Any], rater: str) -> dict[str, Any]:
    """Mean of the readers' kappas with one rater; no interval is known for it. n: readers."""
    names = level["raters"]
    if rater not in names:
        return {"value": None}
    place = names.index(rater)
    cells = [level["kappa"][min(i, place)][max(i, place)] for i, name in enumerate(names)
             if name not in ("truth", "model")]
    known = [cell["value"] for cell in cells if cell["value"] is not None]
    return {"value": sum(known) / len(known) if known else None}


def switching(found: Mapping[str, Any]) -> Iterator[Table]:
    switched = found["switching"]
    if switched is None:
        return
    for level, words in _LEVELS.items():
        if switched[level]:
            rows = [(each["reader"], *(value(each["rates"][rate]) for rate in _RATES)) for each in switched[level]]
            yield Table(f"What readers did with the advice: {words}", ("", *_RATES.values()), tuple(rows),
                        muted=_few(switched[level]), note=_switching_note(switched, level))


def _switching_note(switched: Mapping[str, Any], level: str) -> str:
    point = switched["advice_point"]
    advice = f"Advice on malignancy is the model's {point}." if level == "call" else (
        "Advice is the model's first diagnosis.")
    if point is None:
        advice = "No model was given, so that advice is unknown."
    return (f"Each share is of the readings that could have turned that way. {advice} People also change their minds "
            "when they look again without advice.")


def _few(rows: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    return tuple(place for place, each in enumerate(rows) if each["pairs"] < FEW)


def seconds(found: Mapping[str, Any]) -> Iterator[Table]:
    timed = found["switching"] and found["switching"]["seconds"]
    if timed:
        keys = ("unaided", "aided", "saved")
        rows = tuple((each["reader"], each["unaided"]["n"], *(value(each[key]) for key in keys)) for each in timed)
        yield Table("Seconds a picture", ("", "Read both ways", "Unaided", "Aided", "Saved"), rows)


def value(figure: Mapping[str, Any]) -> Value:
    return Value(figure["value"], figure.get("low"), figure.get("high"), figure.get("n"), figure.get("positives"))


def difference(verdict: Mapping[str, Any], n: int | None = None) -> Value:
    # A difference without a test is not shown as if it had one.
    return Value(verdict["difference"], verdict["low"], verdict["high"], n, note="" if verdict["p"] is not None
                 else "no interval")


def number(figure: float | None, decimals: int) -> str:
    if figure is None:
        return "undefined"
    return f"{figure:,.{decimals}f}".replace("-", "−")


def signed(figure: float | None) -> str:
    return "not measured" if figure is None else f"{figure:+.3f}".replace("-", "−")


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
