"""What an evaluation's page and its PDF share: its title, headline figures, warnings, contents and small print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from macule import __version__
from macule.analysis.result import DISCLAIMER
from macule.data import guard, sources
from macule.errors import DatasetError, UsageError
from macule.exchange import shown
from macule.exchange.blocks import Note, Section, Value
from macule.exchange.shown import Shown

#: The figures that one wants first: where they stand in the report, what they are called, what they mean ({classes}:
#: the number of those of the set).
HEADLINES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("balanced_accuracy",), "Balanced accuracy", "mean sensitivity over the {classes} of this set"),
    (("malignant_auc",), "AUC, malignant", "malignant or indeterminate against benign"),
    (("classes", "mel", "sensitivity"), "Melanoma sensitivity", "melanoma ranked first of the {classes} of this set"),
    (("malignant_sensitivity_at_90%_specificity",), "Sensitivity at 90 % specificity",
     "of malignant, threshold chosen here"),
    (("macro_auc",), "AUC, mean of the classes", "each of the {classes} of this set against the rest"),
    (("calibration_error",), "Calibration error", "bins of equal count; 0 is best"),
)
#: The same by the first of all classes, where the set has fewer.
_SERVED = {"balanced_accuracy": ("balanced_accuracy",), "classes": ("sensitivity", "mel")}
_PARTS = {"test": "test part", "val": "validation part", "train": "training part", "all": "all pictures"}


@dataclass(frozen=True)
class Headline:
    """figure: with its place on a rail from 0 to 1. hint: what it means, in a few words."""

    name: str
    hint: str
    figure: Shown


@dataclass(frozen=True)
class Frame:
    """bundle: its id. sha256: of the bundle, empty if not recorded. mark: stands before every figure. leaky: None where
    the bundle does not say what it saw. blank: the sections that were not measured, each with how to."""

    bundle: str
    sha256: str
    title: str
    mark: str
    leaky: bool | None
    headlines: tuple[Headline, ...]
    glance: tuple[tuple[str, str], ...]
    warnings: tuple[Note, ...]
    sections: tuple[Section, ...]
    blank: tuple[tuple[str, str], ...]
    now: datetime
    version: str = __version__
    disclaimer: str = DISCLAIMER

    @property
    def written(self) -> str:
        return self.now.strftime("%Y-%m-%d %H:%M %Z").strip()


def of(report: Mapping[str, Any], sections: Sequence[Section], now: datetime) -> Frame:
    """report: of `macule evaluate`; what it lacks is left out or called not measured."""
    leaky = report.get("leaky", False)
    mark, bundle = guard.mark(leaky), report.get("bundle", {})
    return Frame(
        bundle=str(bundle.get("id", "unnamed bundle")), sha256=str(bundle.get("sha256", "")), title=_title(report),
        mark=mark, leaky=leaky, headlines=tuple(_headlines(report, mark)), glance=tuple(_glance(report)),
        warnings=tuple(_warnings(report)), sections=tuple(section for section in sections if section.measured),
        blank=tuple((section.title, section.lead.removeprefix("Not measured. "))
                    for section in sections if not section.measured),
        now=now,
    )


def value(found: Any) -> Value:
    """A figure of the report's JSON; one that is absent has no value."""
    if not isinstance(found, Mapping):
        return Value(None)
    return Value(found.get("value"), found.get("low"), found.get("high"), found.get("n"), found.get("positives"))


def at(report: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands under keys within keys; None where one is missing."""
    found: Any = report
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _headlines(report: Mapping[str, Any], mark: str) -> Iterator[Headline]:
    if "headlines" in report:  # a report of another kind names its own
        for each in report["headlines"]:
            yield Headline(each["name"], each["hint"], shown.figure(value(each["figure"]), mark))
        return
    known = [each for each in report.get("classes", {}).values() if value(each.get("auc")).positives]
    classes = f"{len(known)} class{'' if len(known) == 1 else 'es'}" if known else "classes"
    for path, name, hint in HEADLINES:
        yield Headline(name, hint.format(classes=classes) + _served(report, path, mark),
                       shown.figure(value(at(report, path)), mark))


def _served(report: Mapping[str, Any], path: tuple[str, ...], mark: str) -> str:
    """What a clinic gets, which is the first of all classes; empty if the set has all of them."""
    found = value(at(report, ("diagnosis", "served", *_SERVED[path[0]]))) if path[0] in _SERVED else Value(None)
    total = at(report, ("diagnosis", "served", "classes"))
    return f"; as served, over all {total}: {shown.figure(found, mark).text}" if shown.given(found.value) else ""


def _title(report: Mapping[str, Any]) -> str:
    if report.get("title"):
        return str(report["title"])
    part = str(report.get("split", "all"))
    names = " + ".join(_dataset(each) for each in str(report.get("dataset", "")).split("+"))
    return f"{names}, {_PARTS.get(part, part)}"


def _dataset(name: str) -> str:
    try:
        return sources.find(name).title.split(":")[0]  # without what is in it
    except (DatasetError, UsageError):
        return name or "unnamed set"


def _glance(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("pictures", "lesions"):
        if name in report:
            yield name.capitalize(), f"{report[name]:,}"
    if "together" in report:
        yield "Answered from several pictures", f"{report['together']['several']:,} lesions"
    yield "Refused: quality or gate", f"{report.get('refused', 0):,}"
    if report.get("failed"):
        yield "Unreadable", f"{report['failed']:,}"
    if report.get("without_picture"):
        yield "In the table, not on the disk", f"{report['without_picture']:,}"
    if report.get("duplicates", {}).get("surplus"):
        yield "Same file twice", f"{report['duplicates']['surplus']:,}"
    if report.get("dropped_leaks"):
        yield "Left out as leaks", f"{report['dropped_leaks']:,}"
    if report.get("apart_from"):
        yield f"Left out: also in {', '.join(report['apart_from'])}", f"{report['linked_elsewhere']:,}"
    if report.get("modality", "any") != "any":
        yield "Modality", str(report["modality"])
    if "patient_data" in report:
        yield "Age, sex and site", "given" if report["patient_data"] else "hidden"
    if "views" in report:
        yield "Views of a picture", f"{report['views']:,}"
    if "resamples" in report:
        yield "Intervals", f"95 %, {report['resamples']:,} resamples of lesions or patients"


def _warnings(report: Mapping[str, Any]) -> Iterator[Note]:
    if report.get("leaky", False):
        leaks = report.get("leaks", {})
        which = f" {leaks['leaking']:,} of {leaks['pictures']:,} pictures are concerned." if leaks else ""
        yield Note("Pictures, lesions or patients of this exam, or their kin, were trained or calibrated on."
                   f"{which} No figure here says how well the bundle does on somebody new.", "bad")
    elif report.get("leaky", False) is None:
        yield Note("The bundle does not say what it was trained on, so that a leak cannot be ruled out.", "warning")
    if "together" in report:
        yield Note(_together(report), "plain")
    if report.get("pictures") == 0:
        yield Note("No picture was answered, so that nothing could be measured.", "bad")


def _together(report: Mapping[str, Any]) -> str:
    """What an answer is of, where it is not of one picture."""
    counts = report["together"]
    words = (f"One answer a lesion: {counts['pictures']:,} answered pictures of {counts['lesions']:,} lesions, "
             f"{counts['several']:,} of which have several. Where a section counts pictures, it counts lesions here, "
             "unless it asks the network again.")
    if counts["partly"] or counts["unanswered"]:
        words += (f" {counts['partly']:,} lesions were answered without a picture that was refused or unreadable, and "
                  f"{counts['unanswered']:,} were not answered.")
    if counts["differing"]:
        words += f" The pictures of {counts['differing']:,} lesions have different labels."
    return words
