"""How well the answers name the diagnosis, as blocks: the table of confusion, each class, the malignant probability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from macule.exchange.blocks import (
    Axis,
    Block,
    Cell,
    Forest,
    Matrix,
    Note,
    Plot,
    Prose,
    Section,
    Series,
    Table,
    not_measured,
)
from macule.exchange.sections.figures import ENOUGH, curve, number, share, value

TITLE = "Diagnosis"
FEW = 5
OF_ENOUGH = f"balanced_accuracy_of_classes_with_{FEW}_lesions"
TRUTHS = {"suspicious": "malignant or indeterminate", "benign": "benign", "unknown": "not said"}
WHY = {"refused": "refused by quality or gate", "unreadable": "unreadable"}
CURVES = {"malignant": "malignant or indeterminate", "mel": "melanoma"}
OVERALL = {
    "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_f1": "Macro F1",
    "macro_auc": "AUC, mean of the classes", "macro_average_precision": "Average precision, mean of the classes",
    "kappa": "Cohen's kappa", "matthews": "Matthews correlation",
}
AREAS = {
    "auc": "AUC", "average_precision": "Average precision", "pauc_above_80%_sensitivity": "pAUC above 80 % sensitivity",
}
FIXED = {
    "sensitivity_at_90%_specificity": "Sensitivity at 90 % specificity",
    "sensitivity_at_95%_specificity": "Sensitivity at 95 % specificity",
    "specificity_at_90%_sensitivity": "Specificity at 90 % sensitivity",
    "specificity_at_95%_sensitivity": "Specificity at 95 % sensitivity",
}
ANSWERS = {"sensitivity": "Sensitivity", "specificity": "Specificity", "precision": "Precision (PPV)", "npv": "NPV",
           "f1": "F1"}
POINTS = ANSWERS | {"accuracy": "Accuracy", "kappa": "Cohen's kappa", "matthews": "Matthews correlation"}
#: Of AREAS, what does not run from 0 to 1.
UNRULED = ("pauc_above_80%_sensitivity",)
#: Below this share of resamples that hold every class, the intervals of means over classes are said to be of a part.
MOST = 0.9
FREE = ("These thresholds were chosen on this exam, anew in each resample: they say what the order of the "
        "probabilities allows. The table of operating points says what the bundle's own thresholds do.")
FITTED = ("By the risk as it is served: what the gate flags is never low. The thresholds were fitted on the bundle's "
          "calibration part, to the sensitivity that is named, and on nothing of this exam. "
          "Precision and NPV are of this exam's share of malignant pictures; they do not carry over to a "
          "clinic with another share.")


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.diagnosis.measure` gives it."""
    if not found["pictures"]:
        return not_measured("diagnosis", TITLE, f"No picture of this exam was answered{_unanswered(found)}.")
    if not found["single_class"] and not found["malignancy_known"]:
        return not_measured("diagnosis", TITLE, "No answered picture has a label that can be held against the answer.")
    blocks = [Prose(_how(found)), *_cautions(found)]
    if found["single_class"]:
        blocks += [_overall(found), *_served(found), _matrix(found["confusion"]), _forest(found["classes"]),
                   _table("Each class against the rest, by the class ranked first", found["classes"], ANSWERS),
                   _table("Each class against the rest, by the order of its probability", found["classes"], AREAS,
                          "pAUC runs from 0 to 0.2 (ISIC 2024)."),
                   _table("Each class against the rest, at fixed points", found["classes"], FIXED, FREE)]
    if found["malignancy_known"]:
        blocks += [*_malignant(found["malignant"]), _points(found["malignant"])]
    blocks += [*_refusals(found), *_plots(found)]
    return Section("diagnosis", TITLE, _lead(found), tuple(blocks))


def _lead(found: Mapping[str, Any]) -> str:
    said, rank, point = [], found["malignant"]["auc"], found["malignant"]["operating_points"]["medium"]
    served = found["served"]
    if found["single_class"] >= ENOUGH:
        present = sum(row["pictures"] > 0 for row in found["classes"].values())
        said.append(f"Over the {present} classes that are there, balanced accuracy is "
                    f"{share(found['overall']['balanced_accuracy'])} on {found['single_class']} pictures"
                    + (f"; by the first of all {served['classes']} classes, which is what is served, it is "
                       f"{share(served['balanced_accuracy'])}." if served else "."))
    if found["malignancy_known"] >= ENOUGH and rank["value"] is not None:
        said.append(f"The malignant probability has an AUC of {number(rank)}; by the bundle's own threshold for medium "
                    f"risk, as served, {share(point['sensitivity'])} of {rank['positives']} malignant pictures are "
                    f"found and {share(point['specificity'])} of {rank['n'] - rank['positives']} benign ones are "
                    "cleared.")
    if _silent(found) and found["with_refusals"]["n"] >= ENOUGH:
        counted = found["with_refusals"]["medium"]
        said.append(f"{_silent(found)} pictures were refused or could not be read; where these count as not found and "
                    f"not cleared, it is {share(counted['sensitivity'])} and {share(counted['specificity'])}.")
    return " ".join(said) or (f"{found['pictures']} pictures, {found['malignant']['positives']} of them malignant, are "
                              "too few to say how good the answers are.")


def _how(found: Mapping[str, Any]) -> str:
    return (f"{found['pictures']} answered pictures of {found['groups']} lesions (patients, where the publisher names "
            f"them). Intervals: 95 %, bootstrap of whole lesions or patients, {found['resamples']} resamples; a figure "
            "that rests on one lesion has none. Figures of classes take probabilities over the classes that the set's "
            "labels can take.")


def _silent(found: Mapping[str, Any]) -> int:
    """How many pictures got no answer."""
    return sum(count for kind in found["refused"].values() for count in kind.values())


def _unanswered(found: Mapping[str, Any]) -> str:
    """How many were not, and of what kind."""
    if not _silent(found):
        return ""
    words = [f"{sum(kind[name] for kind in found['refused'].values())} {title}" for name, title in TRUTHS.items()]
    return f"; {_silent(found)} were refused or could not be read ({', '.join(words)})"


def _cautions(found: Mapping[str, Any]) -> Iterator[Block]:
    few, complete = found["classes_of_few_lesions"], found["resamples_with_every_class"]
    if few:
        enough = found["overall"].get(OF_ENOUGH)
        without = (f" Without {'it' if len(few) == 1 else 'them'} balanced accuracy is {share(enough)}."
                   if enough and enough["value"] is not None else "")
        yield Note(f"Few lesions, and a large part of every mean over classes: {_few(found)}.{without}")
    if found["single_class"] and complete < MOST * found["resamples"]:
        yield Note(f"Only {complete:,} of {found['resamples']:,} resamples hold every class that is there: the "
                   "intervals of means over classes are of these alone.")
    if found["without_single_class"]:
        yield Note(f"{found['without_single_class']} pictures have no single class in their label. They are left out "
                   "of the figures of classes, and count in the malignant figures where the label says which.", "plain")
    if found["malignancy_unknown"]:
        yield Note(f"Of {found['malignancy_unknown']} pictures the label does not say whether they are malignant; they "
                   "are left out of the malignant figures.", "plain")


def _few(found: Mapping[str, Any]) -> str:
    counts = {code: found["classes"][code]["groups"] for code in found["classes_of_few_lesions"]}
    return ", ".join(f"{code} ({count} lesion{'' if count == 1 else 's'})" for code, count in counts.items())


def _overall(found: Mapping[str, Any]) -> Table:
    overall = found["overall"]
    names = {"accuracy": OVERALL["accuracy"], "balanced_accuracy": OVERALL["balanced_accuracy"],
             OF_ENOUGH: f"Balanced accuracy of the classes with {FEW} lesions or more", **OVERALL}
    return Table("All classes together", ("Figure", "Value", "n"), tuple(
        (name, value(overall[key]), overall[key]["n"]) for key, name in names.items() if key in overall))


def _served(found: Mapping[str, Any]) -> Iterator[Table]:
    """What a clinic gets, beside the closed set that papers report."""
    served, classes = found["served"], found["classes"]
    if not served:
        return
    pairs = [(OVERALL[key], found["overall"][key], served[key]) for key in ("accuracy", "balanced_accuracy")]
    pairs += [(f"Sensitivity, {code}", classes[code]["sensitivity"], figure)
              for code, figure in served["sensitivity"].items()]
    counts = [found["single_class"]] * 2 + [classes[code]["pictures"] for code in served["sensitivity"]]
    yield Table(
        "What is served, beside the closed set",
        ("Figure", "Pictures", f"Over the {len(classes)} classes of this set", f"First of all {served['classes']}, as "
         "served"),
        tuple((name, count, value(closed), value(open_)) for (name, closed, open_), count in
              zip(pairs, counts, strict=True)),
        f"Challenges and papers score over the classes of a set; a clinic gets all {served['classes']}. "
        f"{served['of_other_classes']} of {found['single_class']} answers name a class that no label of this set can "
        f"be. Faint: fewer than {ENOUGH} pictures.",
        tuple(place for place, count in enumerate(counts) if count < ENOUGH))


def _refusals(found: Mapping[str, Any]) -> Iterator[Block]:
    if not _silent(found):
        return
    counted, points = found["with_refusals"], found["malignant"]["operating_points"]
    yield Table("Pictures that got no answer, by their label",
                ("Why", *(name.capitalize() for name in TRUTHS.values())),
                tuple((WHY[why], *(kinds[name] for name in TRUTHS)) for why, kinds in found["refused"].items()))
    if not counted["n"]:
        return
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{ANSWERS[key]}, {level} risk", value(points[level][key], counted=False),
         value(counted[level][key], counted=False)) for level in points for key in ("sensitivity", "specificity"))
    yield Table(f"With those that got no answer, {_of(counted)}", ("Malignant or indeterminate", "Of answered pictures",
                "Of all pictures"), rows,
                "Of all: a picture without an answer counts as not found if it is malignant, and as not cleared if it "
                "is benign. All other figures of this report are of answered pictures.",
                tuple(range(len(rows))) if counted["n"] < ENOUGH else ())


def _matrix(found: Mapping[str, Any]) -> Matrix:
    rows, codes = found["rows"], found["classes"]
    return Matrix(
        "Truth against answer", "Counts of pictures: rows are the labels, columns the class that was ranked first.",
        "Label", "Answer", tuple(f"{code} (n\u00a0=\u00a0{sum(row)})" for code, row in zip(codes, rows, strict=True)),
        tuple(codes), tuple(tuple(row) for row in rows), by_row=True,
        note="Each row is shaded by its share, so that rare classes can be read.")


def _forest(classes: Mapping[str, Any]) -> Forest:
    return Forest(
        "Sensitivity of each class", "Share of each class's pictures for which it was ranked first, with intervals.",
        Axis("Sensitivity", 0, 1, percent=True),
        tuple((f"{row['name']} (n\u00a0=\u00a0{row['pictures']})", value(row["sensitivity"], percent=True),
               row["pictures"] < ENOUGH) for row in classes.values()),
        note=f"Faint: fewer than {ENOUGH} pictures.")


def _table(title: str, classes: Mapping[str, Any], columns: Mapping[str, str], note: str = "") -> Table:
    rows = tuple((code, row["pictures"], row["groups"], *(value(row[key], ruled=key not in UNRULED) for key in columns))
                 for code, row in classes.items())
    muted = tuple(place for place, row in enumerate(classes.values()) if row["pictures"] < ENOUGH)
    few = f"Faint: fewer than {ENOUGH} pictures of the class."
    return Table(title, ("Class", "Pictures", "Lesions", *columns.values()), rows, f"{note} {few}".strip(), muted)


def _malignant(found: Mapping[str, Any]) -> Iterator[Block]:
    if found["auc"]["value"] is None:
        kind = "malignant" if found["positives"] else "benign"
        yield Note(f"All {found['n']} pictures whose label says which are {kind}: the malignant probability cannot be "
                   "held against the other kind.", "plain")
        return
    yield Table(f"Malignant or indeterminate against benign, {_of(found)}", ("By the malignant probability", "Value"),
                tuple((name, value(found[key], counted=False, ruled=key not in UNRULED))
                      for key, name in (AREAS | FIXED).items()),
                f"pAUC runs from 0 to 0.2 (ISIC 2024). At a specificity or sensitivity: {FREE[0].lower()}{FREE[1:]}")


def _points(found: Mapping[str, Any]) -> Table:
    points = found["operating_points"]
    heads = (f"{name}: from {point['probability']:.3f}, fitted to {100 * point['fitted_sensitivity']:.0f} %"
             for name, point in points.items())
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (title, *(value(point[key], counted=False) for point in points.values())) for key, title in POINTS.items())
    called: tuple[Cell, ...] = ("Called", *(f"{point['called']} of {found['n']}" for point in points.values()))
    flagged: tuple[Cell, ...] = ("of these by the gate alone", *(
        f"{point['called_by_the_gate_alone']}" for point in points.values()))
    return Table(f"The bundle's own operating points, {_of(found)}", ("Malignant or indeterminate", *heads),
                 (*rows, called, flagged), FITTED)


def _of(found: Mapping[str, Any]) -> str:
    return f"{found['positives']} of {found['n']} pictures malignant"


def _plots(found: Mapping[str, Any]) -> Iterator[Plot]:
    curves = {key: curve for key, curve in found["curves"].items() if curve["roc"]}
    if not curves:
        return
    yield Plot(
        "ROC", "Sensitivity against the share of false alarms; the tint is the 95 % interval at each point.",
        Axis("1 − specificity", 0, 1, percent=True), Axis("Sensitivity", 0, 1, percent=True),
        (*(curve(_label(key, each), each["roc"], style=place) for place, (key, each) in enumerate(curves.items())),
         *_dots(found["malignant"])), diagonal=True)
    yield Plot(
        "Precision and recall", "Precision against sensitivity; the tint is the 95 % interval at each point.",
        Axis("Sensitivity (recall)", 0, 1, percent=True), Axis("Precision (PPV)", 0, 1, percent=True),
        tuple(curve(_label(key, each), each["precision_recall"], style=place)
              for place, (key, each) in enumerate(curves.items())),
        note="Chance is the share of positives: " + ", ".join(
            f"{CURVES[key]} {100 * each['positives'] / each['n']:.1f} %" for key, each in curves.items()) + ".")


def _label(key: str, found: Mapping[str, Any]) -> str:
    return f"{CURVES[key]} ({found['positives']} of {found['n']})"


def _dots(found: Mapping[str, Any]) -> Iterator[Series]:
    for style, (name, point) in enumerate(found["operating_points"].items(), 2):
        if point["sensitivity"]["value"] is not None and point["specificity"]["value"] is not None:
            yield Series(f"{name} risk, as served", (1 - point["specificity"]["value"],),
                         (point["sensitivity"]["value"],), "dots", style=style)
