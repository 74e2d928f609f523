"""Checklists for reports of diagnostic accuracy, answered from the records of a run and from nothing else.

STARD: the items of STARD 2015 (Bossuyt et al., BMJ 2015;351:h5527) by their numbers, which STARD-AI (Sounderajah et
al., Nature Medicine 2025) carries on; what STARD-AI adds is named by topic, without numbers. CLEAR Derm: the topics of
Daneshjou et al., JAMA Dermatology 2022;158:90-96, without numbers. All wording is ours, and short.

An item that a score cannot answer is "not reported"; one that a section would have answered is "not measured"; one of
which a record lacks a part is answered "partly".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from macule.analysis.result import DISCLAIMER
from macule.data import guard
from macule.taxonomy import Diagnosis

NOT_REPORTED, NOT_MEASURED = "not reported", "not measured"
NOT_RECORDED, PARTLY = "not recorded", "partly"
STARD, STARD_AI, CLEAR = "STARD 2015", "STARD-AI", "CLEAR Derm"

#: Sets of the same pictures or centres: one is no external exam of what was trained on another. ISIC 2018's task 3 is
#: HAM10000's own exam (Codella et al. 2019), DermaMNIST a copy of it; ISIC 2019 is HAM10000, BCN20000 and the MSK
#: pictures of ISIC 2017, which carries on ISIC 2016.
KIN: Mapping[str, frozenset[str]] = {
    "ham10000": frozenset({"isic2018", "dermamnist", "isic2019"}),
    "isic2018": frozenset({"ham10000", "dermamnist", "isic2019"}),
    "dermamnist": frozenset({"ham10000", "isic2018", "isic2019"}),
    "bcn20000": frozenset({"isic2019"}),
    "isic2016": frozenset({"isic2017"}),
    "isic2017": frozenset({"isic2016", "isic2019"}),
    "isic2019": frozenset({"ham10000", "isic2018", "dermamnist", "bcn20000", "isic2017"}),
}
#: Sets that come out of the ISIC archive, of several centres each.
ARCHIVE = frozenset({*KIN, "isic2020", "isic2024", "milk10k"})


@dataclass(frozen=True)
class Facts:
    """report: of `macule evaluate`, with its provenance. An absent fact is None."""

    report: Mapping[str, Any]

    @property
    def made(self) -> Mapping[str, Any]:
        return self.report.get("provenance") or {}

    def get(self, *path: str) -> Any:
        """What stands under keys within keys of the provenance."""
        return _within(self.made, path)

    def figure(self, *path: str) -> str | None:
        """A figure of the report in words, marked if the exam leaks; None where it is undefined or absent."""
        found = _within(self.report, path)
        if not isinstance(found, Mapping) or found.get("value") is None:
            return None
        interval = "" if found.get("low") is None else f" ({found['low']:.3f} to {found['high']:.3f})"
        count = f", n = {found.get('n')}"
        if "positives" in found:
            count = f", {found['positives']:,} positive of {found['n']:,}"
        return f"{guard.mark(self.report.get('leaky', False))}{found['value']:.3f}{interval}{count}"

    def figures(self, named: Mapping[str, tuple[str, ...]]) -> str | None:
        """Several in one sentence; those that are absent are left out."""
        said = [f"{name} {words}" for name, path in named.items() if (words := self.figure(*path))]
        return "; ".join(said) or None

    def counts(self, *path: str, most: int = 8) -> str | None:
        """A table of counts in words; None where all are unknown."""
        found = self.get(*path)
        if not isinstance(found, Mapping) or not set(found) - {"unknown"}:
            return None
        said = [f"{name} {count:,}" for name, count in found.items()]
        return ", ".join(said[:most]) + (f" and {len(said) - most} more" if len(said) > most else "")

    def measured(self, section: str) -> str | None:
        """That a section answers it; None where it was not measured, or could not be."""
        found = self.report.get(section)
        if not found or (isinstance(found, Mapping) and found.get("measured") is False):
            return None
        return f"measured: section {section!r} of report.json"


Answer = Callable[[Facts], str | None]


@dataclass(frozen=True)
class Item:
    """number: the source's, empty where it is not named. where: what of the report answers it. section: the part of the
    report without which it is "not measured"; empty if it is a fact that is recorded or not."""

    source: str
    number: str
    topic: str
    answer: Answer
    where: str
    section: str = ""


def answers(report: Mapping[str, Any]) -> dict[str, Any]:
    """Every item with its answer, as plain data, for the report's JSON under `checklist`."""
    facts = Facts(report)
    items = [_answered(item, facts) for item in ITEMS]
    states = [item["state"] for item in items]
    return {"items": items, "answered": states.count("answered"), "partly": states.count(PARTLY),
            "not_reported": states.count(NOT_REPORTED), "not_measured": states.count(NOT_MEASURED)}


def markdown(report: Mapping[str, Any]) -> str:
    """The checklist as a Markdown table."""
    rows = [[f"{item['source']} {item['number']}".strip(), item["topic"], item["answer"], item["where"]]
            for item in answers(report)["items"]]
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(["| item | asks for | answer | where |", "| --- | --- | --- | --- |", *lines, ""])


def _answered(item: Item, facts: Facts) -> dict[str, str]:
    found = item.answer(facts)
    if found and NOT_RECORDED in found:
        found = f"{PARTLY}: {found}"
    state = NOT_MEASURED if item.section else NOT_REPORTED
    if found:
        state = PARTLY if found.startswith(PARTLY) else "answered"
    return {"source": item.source, "number": item.number, "topic": item.topic, "answer": found or state,
            "where": item.where if found else "", "state": state}


def _within(found: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _nobody(_: Facts) -> None:
    """Of what a score does not know and must not invent."""
    return


def _exam(facts: Facts) -> str | None:
    sets = facts.get("exam", "sources") or []
    names = ", ".join(f"{each['title']} ({each['home']})" for each in sets)
    return f"{names or facts.get('exam', 'dataset')}, part {facts.get('exam', 'part')}" if facts.get("exam") else None


def _selection(facts: Facts) -> str | None:
    out = facts.get("left_out")
    if not out:
        return None
    modality = facts.get("run", "modality")
    return (f"part {facts.get('exam', 'part')!r}, modality {modality}; left out as linked to training "
            f"{out['leaks']:,}, refused {out['refused']:,}, unreadable {out['unreadable']:,}")


def _flow(facts: Facts) -> str | None:
    out = facts.get("left_out")
    if not out:
        return None
    asked = facts.get("exam", "pictures")
    return (f"{asked + out['leaks']:,} chosen, {out['leaks']:,} left out as leaks, {out['refused']:,} refused, "
            f"{out['unreadable']:,} unreadable, {facts.report.get('pictures', 0):,} answered")


def _index_test(facts: Facts) -> str | None:
    bundle = facts.get("bundle")
    if not bundle:
        return None
    views = facts.get("run", "views") or bundle["preprocessing"].get("views")
    return (f"bundle {bundle['id']}, SHA-256 {bundle['sha256'][:12]}, run by macule {facts.get('run', 'macule')}; "
            f"network {facts.get('training', 'backbone') or NOT_RECORDED}, "
            f"{bundle['preprocessing'].get('size')} px, {views} views")


def _cut_offs(facts: Facts) -> str | None:
    limits = facts.get("thresholds")
    if not limits or not limits.get("medium") or not limits.get("high"):
        return None
    return (f"set before: medium from {limits['medium']['probability']:.3f}, high from "
            f"{limits['high']['probability']:.3f}, fitted on {limits['fitted_on']} (n = {limits['n']}); "
            "sensitivity at a fixed specificity is read off this exam's own curve")


def _methods(facts: Facts) -> str | None:
    run = facts.get("run")
    return run and (f"95 % intervals, bootstrap of {run['resampled']}, {run['resamples']:,} resamples, "
                    f"seed {run['seed']}")


def _hidden(facts: Facts) -> str | None:
    given = facts.get("run", "patient_data")
    return None if given is None else (f"age, sex, site and modality {'given' if given else 'hidden'}; the label never")


def _missing(facts: Facts) -> str | None:
    exam = facts.get("exam")
    if not exam:
        return None
    unknown = {name: exam[name].get("unknown", 0) for name in ("sex", "site", "modality")}
    unknown["age"] = exam["pictures"] - exam["age"]["known"]
    return ("unknown: " + ", ".join(f"{name} {count:,}" for name, count in unknown.items())
            + f"; unreadable pictures {facts.get('left_out', 'unreadable'):,}, not scored{_as_missed(facts)}")


def _people(facts: Facts) -> str | None:
    said = [f"{name}: {words}" for name in ("sex", "site") if (words := facts.counts("exam", name))]
    quartiles = facts.get("exam", "age", "quartiles")
    if quartiles:
        said.append(f"age: median {quartiles[1]:g} (quartiles {quartiles[0]:g} to {quartiles[2]:g})")
    return "; ".join(said) or None


def _labels(facts: Facts, *, suspicious: bool) -> str | None:
    """The counts of the malignant or indeterminate labels, or of the benign ones; lumped labels are left out."""
    known = {code.value: code.suspicious for code in Diagnosis}
    found = facts.get("exam", "labels") or {}
    return ", ".join(f"{name} {count:,}" for name, count in found.items() if known.get(name) is suspicious) or None


def _training(facts: Facts) -> str | None:
    made = facts.get("training")
    if not made or not made.get("pictures"):
        return None
    parts = ", ".join(f"{name} {count:,}" for name, count in made["pictures"].items())
    return f"{', '.join(made.get('datasets') or [])}: pictures by part: {parts}"


def _partition(facts: Facts) -> str | None:
    leaky = facts.report.get("leaky", False)
    if leaky is None:
        return "the bundle does not say what it saw: a leak cannot be ruled out"
    if leaky:
        return f"{guard.MARK}: pictures, lesions or patients of the exam, or their kin, were trained on"
    return f"nothing linked to training is scored; {facts.get('left_out', 'leaks') or 0:,} linked pictures left out"


def _external(facts: Facts) -> str | None:
    """Whether the set, or one of the same pictures or centres, was trained on, by their ids."""
    trained, dataset = facts.get("training", "datasets"), facts.get("exam", "dataset")
    if not trained or not dataset:
        return None
    asked, names = set(dataset.split("+")), ", ".join(trained)
    if shared := sorted(asked & set(trained)):
        return f"no: others of {', '.join(shared)} were trained on"
    if kin := sorted({each for name in asked for each in KIN.get(name, ())} & set(trained)):
        return f"no: {dataset} shares pictures or centres with {', '.join(kin)}, which was trained on"
    if asked & ARCHIVE and set(trained) & ARCHIVE:
        elsewhere = ", its test part of other institutions than HAM10000" if asked == {"isic2017"} else ""
        return (f"{PARTLY}: {dataset} is not among the training sets ({names}), but comes out of the ISIC archive as "
                f"{' and '.join(sorted(set(trained) & ARCHIVE))} did{elsewhere}")
    return f"{dataset} is not among the training sets ({names}) and not known to share an archive with them"


def _refused(facts: Facts) -> str | None:
    """Pictures that got no answer, and what they would cost if they counted as missed."""
    out = facts.get("left_out")
    return out and f"{out['refused']:,} pictures refused by quality or gate: not scored{_as_missed(facts)}"


def _as_missed(facts: Facts) -> str:
    out, at = facts.get("left_out") or {}, ("diagnosis", "with_refusals", "medium")
    if not out.get("refused") and not out.get("unreadable"):
        return ""
    said = facts.figures({name: (*at, name) for name in ("sensitivity", "specificity")})
    return f"; with refused and unreadable ones as not found and not cleared, at medium risk: {said}" if said else ""


def _preprocessing(facts: Facts) -> str | None:
    spec = facts.get("bundle", "preprocessing")
    return spec and ", ".join(f"{name} {value}" for name, value in spec.items())


def _manifest(facts: Facts) -> str | None:
    made = facts.get("training")
    if not made:
        return None
    return (f"recipe {made['recipe'] or NOT_RECORDED} (SHA-256 {(made['recipe_sha256'] or NOT_RECORDED)[:12]}), "
            f"seed {NOT_RECORDED if made['seed'] is None else made['seed']}, "
            f"run {made['run'] or NOT_RECORDED}, manifest {(made['manifest'] or NOT_RECORDED)[:12]}")


def _benchmark(facts: Facts) -> str | None:
    return facts.measured("baselines")


_ACCURACY = {"balanced accuracy": ("balanced_accuracy",), "malignant AUC": ("malignant_auc",),
             "melanoma sensitivity": ("classes", "mel", "sensitivity"),
             "melanoma specificity": ("classes", "mel", "specificity"),
             "sensitivity at 90 % specificity": ("malignant_sensitivity_at_90%_specificity",)}
_HERE, _MADE, _CARD = "At a glance", "How this was made", "the bundle's card.md"


def _section(name: str) -> Answer:
    return lambda facts: facts.measured(name)


ITEMS: tuple[Item, ...] = (
    Item(STARD, "1", "named as a study of diagnostic accuracy, with a measure",
         lambda f: f.figures({"malignant AUC": ("malignant_auc",)}), _HERE),
    Item(STARD, "2", "structured summary", _nobody, ""),
    Item(STARD, "3", "intended use and clinical role", lambda _: DISCLAIMER, "every page"),
    Item(STARD, "4", "objectives and hypotheses", _nobody, ""),
    Item(STARD, "5", "data collected before or after the tests",
         lambda f: "retrospective: the labels were there before the bundle answered" if f.get("exam") else None, _MADE),
    Item(STARD, "6", "who and what was eligible", _selection, _MADE),
    Item(STARD, "7", "how candidates were found", _nobody, ""),
    Item(STARD, "8", "where and when", lambda f: f.counts("exam", "centre"), _MADE),
    Item(STARD, "9", "consecutive, random or convenience series", _nobody, ""),
    Item(STARD, "10a", "index test, so that it can be repeated", _index_test, _MADE),
    Item(STARD, "10b", "reference standard", lambda f: f.counts("exam", "confirmation"), _MADE),
    Item(STARD, "11", "why this reference standard", _nobody, ""),
    Item(STARD, "12a", "cut-offs of the index test, set before or found here", _cut_offs, _MADE),
    Item(STARD, "12b", "cut-offs of the reference standard", lambda f: (
        "malignant or indeterminate classes of macule.taxonomy against benign ones" if f.get("exam") else None),
        "docs/taxonomy.md"),
    Item(STARD, "13a", "what the index test knew", _hidden, _MADE),
    Item(STARD, "13b", "what the assessors of the reference knew", _nobody, ""),
    Item(STARD, "14", "methods of estimation", _methods, _MADE),
    Item(STARD, "15", "indeterminate results", _refused, _MADE),
    Item(STARD, "16", "missing data", _missing, _MADE),
    Item(STARD, "17", "variability between groups", _section("fairness"), "Fairness", "fairness"),
    Item(STARD, "18", "sample size, and how it was chosen", lambda f: (
        f"{f.report['pictures']:,} pictures: all of the part that could be answered; no calculation is recorded"
        if "pictures" in f.report else None), _HERE),
    Item(STARD, "19", "flow of participants", _flow, _MADE),
    Item(STARD, "20", "age, sex, site", _people, _MADE),
    Item(STARD, "21a", "spread of disease", lambda f: _labels(f, suspicious=True), _MADE),
    Item(STARD, "21b", "other diagnoses of those without it", lambda f: _labels(f, suspicious=False), _MADE),
    Item(STARD, "22", "time between test and reference, and treatment", _nobody, ""),
    Item(STARD, "23", "cross tabulation", _section("diagnosis"), "Diagnosis", "diagnosis"),
    Item(STARD, "24", "accuracy with its precision", lambda f: f.figures(_ACCURACY), _HERE),
    Item(STARD, "25", "adverse events", _nobody, ""),
    Item(STARD, "26", "limits: bias, uncertainty, other settings",
         lambda f: "named in the card" if f.get("bundle") else None, _CARD),
    Item(STARD, "27", "implications for practice", lambda _: DISCLAIMER, "every page"),
    Item(STARD, "28", "registration", _nobody, ""),
    Item(STARD, "29", "protocol", _nobody, ""),
    Item(STARD, "30", "funding", _nobody, ""),
    Item(STARD_AI, "", "origin of the pictures that were scored", _exam, _MADE),
    Item(STARD_AI, "", "ethical approval and consent for the data", _nobody, ""),
    Item(STARD_AI, "", "partition of the data, and leaks between parts", _partition, _MADE),
    Item(STARD_AI, "", "preparation of the pictures", _preprocessing, _MADE),
    Item(STARD_AI, "", "data that the model was made from", _training, _MADE),
    Item(STARD_AI, "", "version of the model and how it can be traced", _manifest, _MADE),
    Item(STARD_AI, "", "external data", _external, _MADE),
    Item(STARD_AI, "", "algorithmic bias and fairness", _section("fairness"), "Fairness", "fairness"),
    Item(STARD_AI, "", "analysis of errors", _section("mistakes"), "Mistakes", "mistakes"),
    Item(STARD_AI, "", "what a person does with the answer", _nobody, ""),
    Item(STARD_AI, "", "availability of code, model and data", lambda f: (
        f"command and hashes recorded; licence of the bundle {f.get('bundle', 'licence')}; of the pictures "
        f"{f.counts('exam', 'licence') or NOT_REPORTED}" if f.get("bundle") else None), _MADE),
    Item(STARD_AI, "", "commercial interests", _nobody, ""),
    Item(CLEAR, "", "kinds of pictures", lambda f: f.counts("exam", "modality"), _MADE),
    Item(CLEAR, "", "artefacts: ink, rulers, hair", _section("robustness"), "Robustness", "robustness"),
    Item(CLEAR, "", "devices and how pictures were taken", _nobody, ""),
    Item(CLEAR, "", "preparation of the pictures", _preprocessing, _MADE),
    Item(CLEAR, "", "synthetic pictures, made public if used", _nobody, ""),
    Item(CLEAR, "", "public pictures referenced", _exam, _MADE),
    Item(CLEAR, "", "data of the patients", _people, _MADE),
    Item(CLEAR, "", "skin tone and how it was determined", lambda f: f.counts("exam", "skin_tone"), _MADE),
    Item(CLEAR, "", "bias that patient data may bring", _section("fairness"), "Fairness", "fairness"),
    Item(CLEAR, "", "partition of the data", _partition, _MADE),
    Item(CLEAR, "", "sizes of training, validation and test parts", _training, _MADE),
    Item(CLEAR, "", "external test set", _external, _MADE),
    Item(CLEAR, "", "pictures of several makers' devices", _nobody, ""),
    Item(CLEAR, "", "classes and their balance", lambda f: f.counts("exam", "labels", most=11), _MADE),
    Item(CLEAR, "", "pictures of another kind than trained on", _section("outliers"), "Out of distribution",
         "outliers"),
    Item(CLEAR, "", "how pictures were labelled", lambda f: f.counts("exam", "confirmation"), _MADE),
    Item(CLEAR, "", "accepted names of diagnoses", lambda f: (
        "the codes of macule.taxonomy, each with SNOMED CT and the publishers' names" if f.get("exam") else None),
        "docs/taxonomy.md"),
    Item(CLEAR, "", "histopathology of malignant lesions",
         lambda f: f.counts("exam", "confirmation_of_suspicious"), _MADE),
    Item(CLEAR, "", "how the algorithm was made", _manifest, _MADE),
    Item(CLEAR, "", "how others can test it", lambda f: f.get("run", "command"), _MADE),
    Item(CLEAR, "", "measures of performance", lambda f: f.figures(_ACCURACY), _HERE),
    Item(CLEAR, "", "comparison with other methods", _benchmark, "Baselines", "baselines"),
    Item(CLEAR, "", "assessment of bias", _section("fairness"), "Fairness", "fairness"),
    Item(CLEAR, "", "use and conditions it is meant for", lambda _: DISCLAIMER, "every page"),
    Item(CLEAR, "", "effect on patients and those who treat them", _nobody, ""),
)
