"""What the bundle knows of its own doubt, as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import (
    Axis,
    Block,
    Cell,
    Forest,
    Note,
    Plot,
    Prose,
    Section,
    Series,
    Table,
    Value,
    not_measured,
)
from macule.exchange.sections.figures import ENOUGH, curve, number, share, value

TITLE = "Uncertainty"
RISKS = {"error": ("Wrong first diagnosis", "Share wrong among the pictures kept", "Wrong",
                   "The first diagnosis and its probability are taken over the classes of this exam."),
         "missed_malignant": ("Malignant or indeterminate lesion called low risk", "Share missed among those kept",
                              "Missed", "Malignant and indeterminate lesions count. The risk is the one that is "
                              "served: what the gate flags is never called low risk. How sure the model is, is the "
                              "probability of the first diagnosis over the classes of this exam.")}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.uncertainty.measure` gives it."""
    sets, selective = found["conformal"], found["selective"]
    risks = {key: risk for key, risk in selective.items() if risk["n"]}
    if not risks and (sets is None or not sets["overall"]["coverage"]["n"]):
        return not_measured("uncertainty", TITLE, "No answered picture has a label that says which diagnosis is right.")
    blocks: list[Block] = []
    if sets is None:
        blocks.append(Note("This bundle has no conformal limits: `macule refit` fits them.", "plain"))
    else:
        blocks += _sets(sets)
    for key, risk in risks.items():
        blocks += _deferring(key, risk)
    return Section("uncertainty", TITLE, _lead(sets, risks.get("error")), tuple(blocks))


def _lead(sets: Mapping[str, Any] | None, risk: Mapping[str, Any] | None) -> str:
    count = 0 if risk is None else risk["n"]
    if risk is None or count < ENOUGH:
        return (f"{'1 picture has' if count == 1 else f'{count} pictures have'} a label of one diagnosis: too few to "
                "say how well the bundle knows its own doubt.")
    return f"{_lead_of_sets(sets)} {_lead_of_risk(risk)}"


def _lead_of_sets(sets: Mapping[str, Any] | None) -> str:
    if sets is None:
        return "This bundle gives no sets of plausible diagnoses."
    coverage, size = sets["overall"]["coverage"], sets["overall"]["size"]
    promised = "" if sets["same_population"] else f", which is not promised {_where_not(sets)}"
    return (f"The true diagnosis is among the plausible ones for {share(coverage)} of {coverage['n']} pictures (aim "
            f"{100 * sets['wanted']:.0f} %{promised}), which are {number(size)} on average.")


def _where_not(sets: Mapping[str, Any]) -> str:
    return "for several pictures of a lesion together" if sets.get("of_lesions") else "outside the calibration data"


def _lead_of_risk(risk: Mapping[str, Any]) -> str:
    kept = {row["share"]: row["risk"] for row in risk["kept"]}
    if kept[0.8]["n"] < ENOUGH:
        return f"{risk['n']} pictures are too few to say what leaving the least sure fifth to a person would spare."
    return (f"With the least sure fifth left to a person, {share(kept[0.8])} of the first diagnoses are wrong, in "
            f"place of {share(kept[1.0])}.")


def _sets(sets: Mapping[str, Any]) -> list[Block]:
    rare = [code for code, row in sets["classes"].items() if not row["guaranteed"]]
    blocks: list[Block] = [Prose(
        f"A diagnosis is plausible if its probability reaches what {100 * sets['wanted']:.0f} % of its own lesions "
        f"reach in the bundle's calibration part ({sets['calibration']} pictures): so a set may hold one diagnosis, "
        "several or none. The sets are those that a clinic gets: they may hold any of the 11 diagnoses, also those "
        f"that this exam never has. Its labels are {', '.join(sets['classes_of_the_exam'])}.")]
    if not sets["same_population"]:
        why = ("The limits were fitted on single pictures, and here several of a lesion are answered together"
               if sets.get("of_lesions") else "The calibration part comes from other data sets than this exam")
        blocks.append(Note(f"{why}: coverage is measured here, not guaranteed."))
    if rare:
        blocks.append(Note(f"Too few calibration lesions for a guarantee: {', '.join(rare)}. Their limit is that of "
                           "all classes together."))
    overall = sets["overall"]
    rows: tuple[tuple[Cell, ...], ...] = (
        ("True diagnosis in the set", value(overall["coverage"], percent=True)),
        ("Diagnoses in a set, mean", value(overall["size"])),
        ("One diagnosis alone", value(overall["single"], percent=True)),
        ("and it is right", value(overall["right_when_single"], percent=True)),
        ("Empty set", value(overall["empty"], percent=True)),
        ("Melanoma in the set, of all pictures", value(sets["melanoma_listed"], percent=True)),
    )
    blocks.append(Table("Sets of plausible diagnoses", ("Figure", "Value"), rows, _sizes(sets["sizes"])))
    blocks.append(_of_classes(sets))
    blocks += [_of_groups(attribute, overall["coverage"]["value"]) for attribute in sets["groups"]]
    return blocks


def _sizes(counts: list[int]) -> str:
    return "Pictures by number of diagnoses: " + ", ".join(
        f"{size}: {count}" for size, count in enumerate(counts) if count) + "."


def _of_classes(sets: Mapping[str, Any]) -> Table:
    rows = tuple((code, value(row["coverage"], percent=True), _wilson(row), value(row["size"]),
                  Value(row["probability"]), f"{row['calibration']} of {row['calibration_lesions']} lesions",
                  "yes" if row["guaranteed"] and sets["same_population"] else "no")
                 for code, row in sets["classes"].items())
    muted = tuple(place for place, row in enumerate(sets["classes"].values()) if row["coverage"]["n"] < ENOUGH)
    head = ("Class", "In the set", "Wilson", "Set size", "Limit", "Calibration pictures", "Guaranteed")
    return Table("By true diagnosis", head, rows, "Grey: under 30 pictures. Wilson: the 95 % interval of the share "
                 "over lesions or patients; beside the share stands the bootstrap's.", muted)


def _wilson(row: Mapping[str, Any]) -> str:
    found = row.get("wilson") or {}
    return "" if found.get("low") is None else f"{100 * found['low']:.1f} to {100 * found['high']:.1f}\u00a0%"


def _of_groups(attribute: Mapping[str, Any], overall: float | None) -> Forest:
    rows = tuple((group["name"], value(group["coverage"], percent=True), bool(group["muted"]))
                 for group in attribute["groups"])
    sizes = "; ".join(f"{group['name']} {number(group['size'])}" for group in attribute["groups"]
                      if not group["muted"])
    return Forest(f"Coverage by {attribute['title'][0].lower()}{attribute['title'][1:]}",
                  "Share of pictures whose true diagnosis is in the set, by group; the line is all pictures.",
                  Axis("In the set", None, 1, percent=True), rows, overall,
                  f"Mean set size: {sizes}." if sizes else "Grey: under 30 pictures.")


def _deferring(key: str, risk: Mapping[str, Any]) -> list[Block]:
    title, label, bad, how = RISKS[key]
    known = risk["random"]["value"]
    flat = () if known is None else (Series("deferred at random", (0.0, 1.0), (known, known), "line", (), -1),)
    rows = tuple((f"{100 * row['share']:.0f} %", row["pictures"], Value(sure), f"{row['bad']} of {row['risk']['n']}",
                  value(row["risk"], percent=True, counted=False))
                 for row, sure in zip(risk["kept"], risk["confidence"], strict=True))
    few = tuple(place for place, row in enumerate(risk["kept"]) if row["risk"]["n"] < ENOUGH)
    table = Table(title, ("Kept", "Pictures", "Confidence from", bad, "Share"), rows, f"{how} Grey: of under 30.", few)
    if not risk["curve"]["x"]:
        return [table]
    return [
        Plot(f"{title}, by share of pictures kept",
             f"{title}: share among the pictures that the model is surest of, against how many are kept. The grey "
             "line is deferring at random.",
             Axis("Pictures kept, surest first", 0, 1, percent=True), Axis(label, 0, None, percent=True),
             (*flat, curve("surest first", risk["curve"])),
             note=f"{risk['n']} pictures, {risk['counted']} of them count; the curve starts where ten are "
                  f"kept. Area under the curve {number(risk['aurc'])}; at random {number(risk['random'])}; gain "
                  f"{number(risk['gain'])}."),
        table,
    ]
