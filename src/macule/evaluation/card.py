"""The bundle's card: what it is, what was measured on whom, and what it must not be used for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.patient import Modality
from macule.analysis.result import DISCLAIMER
from macule.data import guard, sources
from macule.data.links import read as read_links
from macule.evaluation import service
from macule.taxonomy import Diagnosis


@dataclass(frozen=True)
class Exam:
    """title: of its row in the card. The rest: what `macule evaluate` is asked for."""

    title: str
    dataset: str
    part: str
    modality: Modality | None = None
    with_patient: bool = True

    def command(self, name: str, *, allow_leak: bool = False, links: Path | None = None) -> str:
        options = f" --modality {self.modality}" if self.modality else ""
        options += "" if self.with_patient else " --no-patient"
        options += " --allow-leak" if allow_leak else ""
        # A folder of somebody's machine has no place in a card.
        options += f" --links {links.name if links.is_absolute() else links.as_posix()} --drop-leaks" if links else ""
        root = f"DATA/{sources.find(self.dataset).folder}"
        return f"macule evaluate --bundle {name} --dataset {self.dataset} --root {root} --split {self.part}{options}"


EXAMS = (
    Exam("HAM10000, locked lesions", "ham10000", "test"),
    Exam("HAM10000, locked lesions, picture alone", "ham10000", "test", with_patient=False),
    Exam("ISIC 2018 task 3 validation", "isic2018", "val"),
    Exam("ISIC 2017 test (set not trained on)", "isic2017", "test"),
    Exam("MILK10k, locked lesions, dermoscopic", "milk10k", "test", Modality.DERMOSCOPIC),
    Exam("MILK10k, locked lesions, clinical", "milk10k", "test", Modality.CLINICAL),
)


def measure(name: str, data: Path, *, allow_leak: bool = False, links: Path | None = None,
            threads: int | None = None,
            start: Callable[[str, int], Callable[[], None]] = lambda _t, _n: lambda: None) -> list[dict[str, Any]]:
    """Sit every exam that is under `data`; each report carries its title and command.

    links: pairs.csv of `macule data audit`; pictures that leak by it are left out and counted.

    Raises: LeakingSplit if an exam shares lesions with what was fitted on, unless allow_leak.
    """
    loaded, pairs = bundles.load(name), read_links(links)
    return [
        {"title": exam.title, "command": exam.command(loaded.id, allow_leak=allow_leak, links=links)}
        | service.evaluate(
            bundle=loaded, dataset=exam.dataset, root=data / sources.find(exam.dataset).folder, part=exam.part,
            modality=exam.modality, with_patient=exam.with_patient, allow_leak=allow_leak,
            drop_leaks=links is not None, pairs=pairs, threads=threads,
            start=lambda count, title=exam.title: start(title, count),  # type: ignore[misc]
        )
        for exam in EXAMS
    ]


#: How far a headline figure of a repeated training may lie from the committed one. The same seeds draw the same
#: batches, but sums over threads are not ordered, and small differences grow over thousands of steps.
TOLERANCE = 0.03
HEADLINES = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc")


@dataclass(frozen=True)
class Change:
    """A headline figure of one exam, here and in the bundle that it is compared with."""

    exam: str
    figure: str
    found: float
    expected: float

    @property
    def within(self) -> bool:
        return abs(self.found - self.expected) <= TOLERANCE


def compare(reports: Sequence[Mapping[str, Any]], committed: Bundle) -> list[Change]:
    """Headline figures beside those of another bundle's card; an exam that only one of them sat is left out."""
    known = {exam["title"]: exam for exam in committed.metrics.get("exams", [])}
    return [
        Change(report["title"], name, report[name]["value"], known[report["title"]][name]["value"])
        for report in reports if report["title"] in known
        for name in HEADLINES if None not in (report[name]["value"], known[report["title"]][name]["value"])
    ]


def write(folder: Path, reports: Sequence[Mapping[str, Any]]) -> None:
    """Put the figures into the bundle's bundle.json and card.md."""
    manifest = folder / "bundle.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    # The hash of a bundle cannot stand in the bundle itself.
    content["metrics"] = {"exams": [{k: v for k, v in report.items() if k != "bundle"} for report in reports]}
    manifest.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(render(bundles.load(folder), content), encoding="utf-8")


def render(bundle: Bundle, content: Mapping[str, Any]) -> str:
    """The card as Markdown, every figure with its n and 95 % interval."""
    made = content["provenance"]
    exams = content["metrics"]["exams"]
    return "\n".join([
        f"# Model card: {bundle.id}" + (f" ({guard.MARK})" if made.get("leaky") else ""),
        "",
        f"> {DISCLAIMER}",
        "",
        *_facts(bundle, made),
        "",
        "## Measured",
        "",
        f"Intervals: 95 %, bootstrap of whole lesions, {exams[0]['resamples']} resamples. "
        "Balanced accuracy, accuracy and macro AUC are over the classes that the set labels. "
        f"AUC of malignant: malignant and indeterminate classes against benign ones. {_apart(made, exams)}",
        "",
        *_overall_table(exams),
        "",
        *_melanoma_table(exams),
        "",
        *_class_table(exams[0]),
        "",
        *_risk_table(exams),
        "",
        "Reproduce a row (DATA is the folder that holds the data sets as unzipped):",
        "",
        "```",
        *(exam["command"] for exam in exams),
        "```",
        "",
        *_limits(content),
        "",
    ])


def _apart(made: Mapping[str, Any], exams: Sequence[Mapping[str, Any]]) -> str:
    """How far the exams are from what was trained on."""
    if made.get("leaky"):
        return ("The parts that this bundle was made from share photographs, lesions or patients, which --allow-leak "
                f"let pass: every figure is marked {guard.MARK} and says nothing about new patients.")
    if any(exam.get("leaky") for exam in exams):
        return (f"Exams that share lesions with what was trained or calibrated on are marked {guard.MARK}; their "
                "figures say nothing about new patients.")
    if "split" in made:
        return ("No lesion of any exam was trained or calibrated on, as far as the ids, the bytes and the links tell "
                "that its split was made with.")
    dropped = sum(exam.get("dropped_leaks", 0) for exam in exams if exam.get("patient_data", True))
    return ("No lesion of any exam was trained or calibrated on; photographs that stand in two sets under different "
            "ids were found by appearance and kept on one side"
            + (f", and {dropped} exam pictures that only a later audit linked to training were left out." if dropped
               else "."))


def _facts(bundle: Bundle, made: Mapping[str, Any]) -> list[str]:
    recipe, pictures, lesions = made["recipe"], made["pictures"], made["lesions"]
    spec = bundle.preprocessing
    return [
        f"- **Made**: {bundle.created}, `macule train {bundle.id}`, seed {recipe['seed']}, "
        f"macule {made['versions']['macule']}, torch {made['versions']['torch']}.",
        f"- **Network**: {_network(made)}; {spec.size} x {spec.size} px, {spec.views} view(s)"
        f"{', prepared by ' + ', '.join(spec.arms) if spec.arms else ''}.",
        f"- **Trained on**: {', '.join(recipe['datasets'])}: "
        f"{pictures['train']} pictures of {lesions['train']} lesions; "
        f"calibrated on {pictures['calibration']} pictures of {lesions['calibration']} other lesions; "
        f"{pictures['test']} pictures of {lesions['test']} lesions locked for the exams below.",
        f"- **Kept out**: {made['left_out_for_exams']} pictures whose lesion stands in an exam too.",
        f"- **torch against ONNX**: logits differ by at most {made['torch_onnx_difference']:.1e}.",
        f"- **Licence of the weights**: {bundle.licence}, because the training pictures are.",
        *_parts(made.get("split", {})),
        "- **Classes**: " + ", ".join(f"{code.value} ({code.entry.name})" for code in Diagnosis) + ".",
    ]


def _network(made: Mapping[str, Any]) -> str:
    recipe = made["recipe"]
    if "network" not in recipe:  # macule 0.1, whose recipes had no sections
        return (f"EfficientNet-{recipe['backbone'].capitalize()} (ImageNet start; stem and first "
                f"{recipe['frozen_blocks']} stages frozen), pooled linear head plus an additive patient part")
    network, start = recipe["network"], made["start"]
    learns = ", then ".join(phase["trainable"] for phase in recipe["phases"])
    return f"{network['backbone']} (start: {start['weights']}; trainable: {learns}), patient data: {network['fusion']}"


def _parts(split: Mapping[str, Any]) -> list[str]:
    if "manifest" not in split:
        return []
    return [f"- **Parts**: {split['scheme']} by {split['by']}, seed {split['seed']}, of the manifest "
            f"{split['manifest'][:12]}."]


def _cell(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "not measured"
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def _marked(exam: Mapping[str, Any], *cells: str) -> tuple[str, ...]:
    # Cards of other versions may hold reports that do not say.
    return tuple(guard.mark(exam.get("leaky", False)) + cell for cell in cells)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header),
            *("| " + " | ".join(row) + " |" for row in rows)]


def _overall_table(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = ("balanced_accuracy", "accuracy", "macro_auc", "malignant_auc", "calibration_error")
    header = ("Exam", "pictures / lesions (refused)", "balanced accuracy", "accuracy", "macro AUC", "malignant AUC",
              "calibration error")
    return _table(header, [
        (exam["title"], f"{exam['pictures']} / {exam['lesions']} ({exam['refused']})",
         *_marked(exam, *(_cell(exam[column]) for column in columns)))
        for exam in exams
    ])


def _melanoma_table(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    header = ("Melanoma", "n", "AUC", "sensitivity at 90 % specificity", "malignant: sensitivity at 90 % specificity")
    return _table(header, [
        (exam["title"], str(mel["auc"]["positives"]), *_marked(
            exam, _cell(mel["auc"]), _cell(mel["sensitivity_at_90%_specificity"]),
            _cell(exam["malignant_sensitivity_at_90%_specificity"])))
        for exam in exams
        if (mel := exam["classes"].get("mel"))
    ])


def _class_table(exam: Mapping[str, Any]) -> list[str]:
    rows = [(code, str(f["auc"]["positives"]),
             *_marked(exam, _cell(f["auc"]), _cell(f["sensitivity"]), _cell(f["specificity"])))
            for code, f in exam["classes"].items()]
    return _table((f"{exam['title']}: class", "n", "AUC", "sensitivity", "specificity"), rows)


def _risk_table(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(exam["title"], *_marked(exam, *(f"{exam['risk'][risk]['suspicious']} / {exam['risk'][risk]['benign']}"
                                             for risk in ("low", "medium", "high")))) for exam in exams]
    return _table(("Suspicious / benign pictures called", "low", "medium", "high"), rows)


def _limits(content: Mapping[str, Any]) -> list[str]:
    thresholds, mark = content["thresholds"], guard.mark(bool(content["provenance"].get("leaky")))
    return [
        "## Thresholds and limits",
        "",
        f"- {mark}Medium risk starts at a malignant probability of {thresholds['medium']['probability']:.3f} and high "
        f"risk at {thresholds['high']['probability']:.3f}: sensitivity {thresholds['medium']['sensitivity']:.0%} and "
        f"{thresholds['high']['sensitivity']:.0%} on the calibration part ({thresholds['n']} pictures). "
        "They shift with the clinic.",
        "- The training pictures come from one archive, mostly of fair skin: of the 3,146 MILK10k lesions at hand, "
        "4 are of the darkest of its six tones and 85 of the next. Accuracy on dark skin is not measured here.",
        "- Lesions were chosen for biopsy or follow-up. Predictive values do not carry over to people who were not.",
        "- Not every benign lesion was biopsied: naevi were also labelled by follow-up or consensus.",
        "- HAM10000, MILK10k and the official ISIC 2018 test set come out of one archive. Near-duplicates between this "
        "model's training pictures and that test set could not be searched, since the test pictures were not at hand.",
        "- Not measured: agreement with clinicians, change of their decisions, other cameras, children.",
    ]
