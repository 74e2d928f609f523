"""The tables of a bundle's card, from the figures that travel in its bundle.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macule.evaluation import out_of_fold
from macule.evaluation.aims import ENOUGH
from macule.evaluation.markdown import MISSING, cell, marked, table
from macule.taxonomy import Diagnosis


def overall(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = ("accuracy", "macro_auc", "malignant_auc", "calibration_error")
    header = ("Exam", "pictures / lesions (refused)", "balanced accuracy", "the same, by the first of all 11 classes",
              "accuracy", "macro AUC", "malignant AUC", "calibration error")
    return table(header, [
        (exam["title"], f"{exam['pictures']} / {exam['lesions']} ({exam['refused']})",
         *marked(exam, cell(exam["balanced_accuracy"]), _served(exam),
                  *(cell(exam[column]) for column in columns)))
        for exam in exams
    ])


def melanoma(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    header = ("Melanoma", "n", "AUC", "sensitivity at 90 % specificity", "malignant: sensitivity at 90 % specificity")
    return table(header, [
        (exam["title"], str(mel["auc"]["positives"]), *marked(
            exam, cell(mel["auc"]), cell(mel["sensitivity_at_90%_specificity"]),
            cell(exam["malignant_sensitivity_at_90%_specificity"])))
        for exam in exams
        if (mel := exam["classes"].get("mel"))
    ])


def summary(metrics: Mapping[str, Any]) -> list[str]:
    """Every exam in one table, for a page about the bundle: lines of Markdown, from bundle.json's metrics alone."""
    columns = ("malignant_auc", "calibration_error")
    told = (*metrics.get("exams", ()), *metrics.get("out_of_fold", ()))
    clean = all(exam.get("leaky") is False for exam in told)
    header = ("Exam (no lesion of it was trained or calibrated on)" if clean else "Exam",
              "pictures / lesions (refused)", "balanced accuracy", "by the first of all 11 classes", "accuracy",
              "macro AUC", "melanoma AUC", "melanoma sensitivity at 90 % specificity", "malignant AUC",
              "calibration error")
    return table(header, [
        (out_of_fold.titled(exam), f"{exam['pictures']} / {exam['lesions']} ({exam['refused']})",
         *marked(exam, cell(exam["balanced_accuracy"]), _served(exam), cell(exam["accuracy"]), cell(exam["macro_auc"]),
                 *_of_melanoma(exam), *(cell(exam[column]) for column in columns)))
        for exam in told
    ])


def _of_melanoma(exam: Mapping[str, Any]) -> tuple[str, str]:
    melanoma = exam["classes"].get("mel", {})
    return cell(melanoma.get("auc")), cell(melanoma.get("sensitivity_at_90%_specificity"))


def coverage(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of the classes that some exam has enough pictures of."""
    told = [exam for exam in exams if exam.get("coverage")]
    codes = [code.value for code in Diagnosis
             if any(_enough(exam["coverage"].get(code.value)) for exam in told)]
    lines = table((f"Conformal coverage by class, aim 90 % (n >= {ENOUGH})", *codes),
                  [(exam["title"], *(_covered(exam, code) for code in codes)) for exam in told] if codes else [])
    return [*lines, "", "The share of a class's pictures whose set of plausible diagnoses holds it, with Wilson's "
            "95 % interval over lesions or patients; n pictures, or lesions where they are answered "
            "together."] if codes else lines


def _enough(figure: Mapping[str, Any] | None) -> bool:
    return figure is not None and figure["n"] >= ENOUGH


def _covered(exam: Mapping[str, Any], code: str) -> str:
    figure = exam["coverage"].get(code)
    if not _enough(figure):
        return f"n {figure['n'] if figure else 0}"
    return f"{marked(exam, cell(figure))[0]}, n {figure['n']}"


def folds(folds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of a cross-validation of a recipe, if there was one."""
    columns = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "calibration_error")
    header = ("Out of fold", "pictures / lesions", *(name.replace("_", " ") for name in columns), "melanoma AUC",
              "melanoma sensitivity at 90 % specificity")
    lines = table(header, [
        (out_of_fold.titled(each), f"{each['pictures']} / {each['lesions']}",
         *marked(each, *(cell(each[column]) for column in columns), *_of_melanoma(each))) for each in folds])
    if not folds:
        return lines
    return [*lines, "", f"Each picture answered by one of {folds[0]['folds']} networks of the recipe "
            f"`{folds[0]['recipe']}` that saw no lesion of its fold; they are not this bundle's weights"
            + ("" if folds[0].get("own", True) else ", nor made by its recipe") + ". No gate, no refusals."]


def classes(exam: Mapping[str, Any]) -> list[str]:
    rows = [(code, str(f["auc"]["positives"]),
             *marked(exam, cell(f["auc"]), cell(f["sensitivity"]), cell(f["specificity"])))
            for code, f in exam["classes"].items()]
    return table((f"{exam['title']}: class", "n", "AUC", "sensitivity", "specificity"), rows)


def risks(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(exam["title"], *marked(exam, *(f"{exam['risk'][risk]['suspicious']} / {exam['risk'][risk]['benign']}"
                                             for risk in ("low", "medium", "high")))) for exam in exams]
    return table(("Suspicious / benign answers called", "low", "medium", "high"), rows)


def operating_points(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    """At the bundle's own thresholds, fitted before."""
    names = ("medium_sensitivity", "medium_specificity", "high_sensitivity", "high_specificity")
    return table(("Malignant, at the bundle's thresholds", "positives", "medium: sensitivity", "medium: specificity",
                   "high: sensitivity", "high: specificity"),
                  [(exam["title"], _positives(exam), *marked(exam, *(_chosen(exam, name) for name in names)))
                   for exam in exams])


def calibration(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    names = ("malignant_calibration_error", "calibration_slope", "calibration_intercept")
    return table(("Calibration of the malignant probability", "n", "error", "slope (1 is best)",
                   "intercept (0 is best)"),
                  [(exam["title"], f"{exam['malignant_auc'].get('n', exam['pictures'])}",
                    *marked(exam, *(_chosen(exam, name) for name in names))) for exam in exams])


def _served(exam: Mapping[str, Any]) -> str:
    """Balanced accuracy by the first of all classes; an exam that labels them all has no other."""
    whole = len(exam["classes"]) == len(Diagnosis)
    return "the same" if whole else _chosen(exam, "served_balanced_accuracy")


def _chosen(exam: Mapping[str, Any], name: str) -> str:
    figure = exam.get("chosen", {}).get(name)
    return cell(figure) if figure else MISSING


def _positives(exam: Mapping[str, Any]) -> str:
    return str(exam["malignant_auc"].get("positives", MISSING))
