"""A report and sections that use every block with awkward content: `REPORT` and `sections()`."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from macule.exchange.blocks import (
    Axis,
    Forest,
    Gallery,
    Matrix,
    Note,
    Plot,
    Prose,
    Section,
    Series,
    Shot,
    Table,
    Value,
    not_measured,
)

NAN = math.nan
HOSTILE = "<script>alert('x')</script> & \"quoted\" \ud800"
LONG = "Actinic keratosis or intraepidermal carcinoma of the head and neck, " + "seen once more " * 6
CODES = ("akiec", "bcc", "ben_oth", "bkl", "df", "inf", "mal_oth", "mel", "nv", "sccka", "vasc")


def figure(value: float | None, spread: float = 0.04, *, n: int = 595, positives: int | None = None) -> dict:
    low, high = (None, None) if value is None else (round(value - spread, 4), round(min(value + spread, 1), 4))
    return {"value": value, "low": low, "high": high, "n": n} | ({} if positives is None else {"positives": positives})


REPORT = {
    "bundle": {"id": "lite", "sha256": "3fa9c1d2" * 8}, "dataset": "isic2017", "split": "test", "modality": "any",
    "patient_data": True, "leaky": False, "pictures": 595, "lesions": 592, "refused": 3, "failed": 1, "resamples": 2000,
    "dropped_leaks": 5,
    "accuracy": figure(0.713), "balanced_accuracy": figure(0.669), "macro_auc": figure(0.825),
    "malignant_auc": figure(0.735, positives=117), "calibration_error": figure(0.056, 0.02), "brier": figure(0.4),
    "malignant_sensitivity_at_90%_specificity": figure(0.171, 0.1, positives=117),
    "classes": {"mel": {"auc": figure(0.692, positives=117), "sensitivity": figure(0.52, 0.09, positives=117)},
                "df": {"auc": figure(None, n=595, positives=0), "sensitivity": figure(None, positives=0)}},
    "risk": {risk: {"suspicious": 1, "benign": 2} for risk in ("low", "medium", "high")},
}


def picture(colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (48, 48), colour).save(stream, "JPEG")
    return stream.getvalue()


def roc(bend: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    x = np.linspace(0, 1, 60)
    return tuple(x.tolist()), tuple((x ** bend).tolist())


def plots() -> tuple[Plot, ...]:
    x, y = roc(0.25)
    band = tuple((max(v - 0.05, 0), min(v + 0.05, 1)) for v in y)
    share = Axis("1 - specificity", 0, 1, percent=True), Axis("sensitivity", 0, 1, percent=True)
    return (
        Plot("ROC, malignant", "Above the diagonal throughout.", *share, (
            Series("model, AUC 0.80", x, y, band=band), Series("frozen probe", *roc(0.5), style=1),
            Series("readers", (0.1, 0.2, NAN), (0.7, 0.8, 0.9), kind="dots", style=2),
            Series("colours alone", *roc(0.8), style=-1)), diagonal=True, note="Band: 95 % interval."),
        Plot("Many lines", "Seven lines.", Axis("threshold", 0, 1), Axis("net benefit"), tuple(
            Series(f"series {k}", (0, 0.5, 1), (0.1 * k, -0.02 * k, 0.3), style=k) for k in range(7))),
        Plot("Logarithmic, with nothing at 0", "Falls.", Axis("budget", log=True), Axis("rate", log=True),
             (Series("falls", (0.0, 0.01, 0.1, 1, 10), (0.5, 0.4, 0.02, 0.001, 0.0)),)),
        Plot("Steps with a gap", "Two parts.", Axis("coverage", percent=True), Axis("risk"),
             (Series("steps", (0, 0.2, 0.4, 0.5, 0.8, 1), (0.1, 0.2, NAN, 0.3, 0.2, 0.5), kind="steps",
                     band=((0, 0.2), (0.1, 0.3), (NAN, NAN), (0.2, 0.4), (0.1, 0.3), (0.4, 0.6))),)),
        Plot("One point", "A single point.", Axis("x"), Axis("y"), (Series(HOSTILE, (0.5,), (0.5,)),)),
        Plot("No point", "Nothing.", Axis("x"), Axis("y", log=True), (Series("none", (1, 2), (NAN, -1)),)),
        Plot("No series", "Nothing.", Axis("x"), Axis("y"), ()),
        Plot(LONG, HOSTILE, Axis(LONG), Axis(LONG), (Series(LONG, (0, 1e6), (-3.5, 12000)),)),
    )


def forests() -> tuple[Forest, ...]:
    return (
        Forest("Sensitivity for melanoma, by group", "Lower on the head and neck.", Axis("sensitivity", 0, 1), (
            ("all", Value(0.61, 0.5, 0.71, 1157, 137), False),
            ("age under 40", Value(0.75, 0.3, 1.0, 90, 8, "n < 30"), True),
            (LONG, Value(0.2, 0.1, 0.4, 300, 40), False), ("tone VI", Value(NAN, NAN, NAN, 0), True),
            (HOSTILE, Value(1.0, None, None, 1), True)), reference=0.61, note="Grey: fewer than 30 pictures."),
        Forest("Difference, in points", "Around nothing.", Axis("points", percent=True),
               (("clahe", Value(-0.021, -0.05, 0.01, 500, percent=True), False),
                ("hair", Value(0.0, -0.01, 0.02, 500, percent=True), False)),
               reference=0.0),
        Forest("Empty", "No group.", Axis("x"), ()),
        Forest("Nothing defined", "No figure.", Axis("x", log=True), (("none", Value(None, n=0), False),)),
    )


def matrices() -> tuple[Matrix, ...]:
    rng = np.random.default_rng(1)
    counts = rng.poisson(4, (11, 11)) + np.diag(rng.poisson(90, 11))
    counts[2] = 0
    return (
        Matrix("Confusion", "Mostly on the diagonal.", "label", "answer", CODES, CODES,
               tuple(tuple(float(cell) for cell in row) for row in counts), by_row=True,
               note="Counts, and shares of the row."),
        Matrix("Trained on, tested on", "Falls off the diagonal.", "trained on", "tested on",
               ("HAM10000", "MILK10k"), ("HAM10000", "MILK10k", "ISIC 2017 test"),
               ((0.78, 0.5, NAN), (None, 0.56, 0.61)), decimals=3),
        Matrix("Nothing", "Empty.", "row", "column", (), (), ()),
        Matrix("Zeros", HOSTILE, "row", "column", (LONG,), (LONG, HOSTILE), ((0.0, 0.0),)),
    )


def tables() -> tuple[Table, ...]:
    figures = Value(0.8176, 0.7911, 0.8456, 1157)
    return (
        Table("Class by class", ("Diagnosis", "positives", "AUC", "sensitivity"), (
            ("Melanoma", 137, Value(0.9124, 0.8857, 0.9379, 1157, 137), Value(0.6058, 0.5, 0.7094, 1157, 137)),
            ("Dermatofibroma", 16, Value(0.9918, 0.9718, 1.0, 1157, 16, "n < 30"), Value(0.875, 0.5788, 1, 1157, 16)),
            ("Vascular lesion", 0, Value(NAN, NAN, NAN, 1157, 0), None),
            (LONG, 3, Value(0.5), Value(0.333, 0.0, 1.0, 3, 1))), "Rails from 0 to 1.", muted=(1, 2, 3)),
        Table("Wide", tuple(f"column {k}" for k in range(9)), tuple(("row",) + (figures,) * 8 for _ in range(3))),
        Table("Words and hostility", ("What", "Value"), (
            (HOSTILE, "κ ≥ 0.8 — naïve “quotes” … 10⁻⁴ × 2 → ∞ 例"), ("SHA-256", "ab12" * 16),
            ("temperature", Value(1.2345)), ("many", Value(123456.7)), ("minus", Value(-0.00001)),
            ("share", Value(0.4567, 0.4, 0.5, 20, percent=True)))),
        Table("Long", ("row", "n", "figure"), tuple((f"row {k}", k, figures) for k in range(70))),
        Table("Empty", ("a", "b"), ()),
    )


def sections() -> tuple[Section, ...]:
    shots = (Shot(picture((150, 90, 60)), HOSTILE, ("said nv at 0.98", "labelled mel"), "bad"),
             Shot(picture((60, 90, 160)), "a blue square"),
             Shot(picture((60, 150, 90)), "a green square", (LONG,), "good"))
    return (
        Section("diagnosis", "Diagnosis", "Melanoma is found in 61 % of 137 pictures (50 % to 71 %).", (
            Prose("Over the seven classes that the set labels."), *plots()[:2], matrices()[0], *tables()[:2])),
        Section("fairness", "Fairness", f"Lower on the head. {HOSTILE}", (
            Note("The labels of skin tone are of one archive."), Note("It held.", "good"), Note("It broke.", "bad"),
            Note("So it is.", "plain"), *forests())),
        not_measured("robustness", "Robustness", "Add --robustness to the command."),
        Section("odds", "Odds and ends", "", (*plots()[2:], *matrices()[1:], *tables()[2:],
                                          Gallery("Mistakes", shots, "Yours."), Gallery("None", ()))),
        Section("bare", "A bare section", "Nothing below."),
        not_measured("readers", "Reader study", "macule readers compares with people."),
    )
