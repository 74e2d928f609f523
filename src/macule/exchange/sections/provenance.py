"""How a report was made, as blocks: every hash, version and setting that its numbers hang on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from macule.exchange.blocks import Prose, Section, Table

MISSING = "not recorded"
_Row = tuple[str, str]


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.provenance.of` gives it."""
    bundle, exam, run = found["bundle"], found["exam"], found["run"]
    lead = (f"Every number here was computed by macule {run['macule']} from the bundle {bundle['id']} "
            f"({bundle['sha256'][:12]}) on {exam['pictures']:,} pictures of {exam['lesions']:,} lesions "
            f"(exam {exam['sha256'][:12]}).")
    return Section("made", "How this was made", lead, (
        _table("This run", _run(run)),
        _table("The bundle", _bundle(bundle)),
        _table("Its training", _training(found["training"])),
        _table("Its thresholds: fitted before, never on what is scored here", _thresholds(found["thresholds"])),
        _table("The exam", [*_exam(exam), *_left_out(found["left_out"])]),
        Prose("The exam's hash is the SHA-256 over the sorted lines `dataset:picture_id label`, so that anybody with "
              "the same pictures and labels comes to the same one."),
    ))


def _table(title: str, rows: Iterator[_Row] | list[_Row]) -> Table:
    return Table(title, ("What", "Recorded"), tuple(rows))


def _run(run: Mapping[str, Any]) -> Iterator[_Row]:
    yield "command", run["command"]
    yield "date", run["date"]
    yield "intervals", f"95 %, percentile bootstrap of {run['resampled']}, {run['resamples']:,} resamples"
    yield "seed", str(run["seed"])
    yield "age, sex and site", {True: "given to the network", False: "hidden from the network"}.get(
        run["patient_data"], MISSING)
    yield "modality", run["modality"]
    if run.get("views") is not None:
        yield "views of a picture", f"{run['views']:,}"
    if run.get("by", "picture") != "picture":
        yield "one answer a", run["by"]
    yield "macule, Python", f"{run['macule']}, {run['python']}"
    yield "libraries", ", ".join(f"{name} {version or 'not installed'}" for name, version in run["libraries"].items())


def _bundle(bundle: Mapping[str, Any]) -> Iterator[_Row]:
    yield "id", bundle["id"]
    yield "SHA-256 of all its files", bundle["sha256"]
    yield "SHA-256 of the network", said(bundle["model_sha256"])
    yield "SHA-256 of the list of what it saw", said(bundle["split_sha256"])
    yield "made", said(bundle["created"])
    yield "licence", said(bundle["licence"])
    yield "preprocessing", said(bundle["preprocessing"])


def _training(made: Mapping[str, Any]) -> Iterator[_Row]:
    yield "run", said(made["run"])
    yield "recipe", said(made["recipe"])
    yield "SHA-256 of the run's recipe", said(made["run_recipe_sha256"])
    yield "SHA-256 of the recipe as the bundle holds it", said(made["recipe_sha256"])
    yield "manifest", said(made["manifest"])
    yield "split", said(made["split"])
    yield "data sets", said(made["datasets"])
    yield "pictures", said(made["pictures"])
    yield "lesions", said(made["lesions"])
    yield "pictures kept out for exams", said(made["left_out_for_exams"])
    yield "leaky split", said(made["leaky"])
    yield "network", said(made["backbone"])
    yield "weights at the start", said(made["weights"])
    yield "seed", MISSING if made["seed"] is None else str(made["seed"])
    yield "versions", said(made["versions"])


def _thresholds(limits: Mapping[str, Any]) -> Iterator[_Row]:
    yield "medium risk from", said(limits["medium"])
    yield "high risk from", said(limits["high"])
    yield "thresholds fitted on", f"{said(limits['fitted_on'])}, n = {said(limits['n'])}"
    yield "temperature", said(limits["temperature"])
    if limits.get("malignant_scale") is not None:
        shifts = ", ".join(f"{code} {shift:+.2f}" for code, shift in limits["malignant_shift"].items())
        yield "malignant sum apart", f"factor {said(limits['malignant_scale'])}; shifts {shifts}"
    yield "calibration fitted on", f"{said(limits['temperature_fitted_on'])}, n = {said(limits['temperature_n'])}"
    yield "gate", f"quantile {said(limits['gate_quantile'])} of the distance"


def _exam(exam: Mapping[str, Any]) -> Iterator[_Row]:
    yield "data set", "; ".join(f"{each['title']} ({each['home']})" for each in exam["sources"]) or exam["dataset"]
    yield "source", "; ".join(each["citation"] for each in exam["sources"] if each["citation"]) or MISSING
    yield "part", exam["part"]
    yield "SHA-256 of the exam", exam["sha256"]
    yield "pictures, lesions, patients", (f"{exam['pictures']:,}, {exam['lesions']:,}, "
                                          f"{said(exam['patients']) if exam['patients'] else 'not named'}")
    for key, name in (("labels", "labels"), ("confirmation", "confirmed by"), ("modality", "modality of the pictures"),
                      ("sex", "sex"), ("site", "body site"), ("skin_tone", "skin tone"), ("centre", "centre")):
        yield name, said(exam[key])
    quartiles = exam["age"]["quartiles"]
    yield "age", MISSING if quartiles is None else (
        f"median {quartiles[1]:g}, quartiles {quartiles[0]:g} to {quartiles[2]:g}, known of {exam['age']['known']:,}")


def _left_out(counts: Mapping[str, int]) -> Iterator[_Row]:
    yield "left out: linked to training", said(counts["leaks"])
    yield "refused by quality or gate", said(counts["refused"])
    yield "unreadable", said(counts["unreadable"])


def said(value: Any) -> str:
    """Any recorded value in words; None is "not recorded"."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {said(each)}" for key, each in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(said(each) for each in value) or "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
