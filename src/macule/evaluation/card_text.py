"""A bundle's card as Markdown, after Mitchell et al. 2019, "Model cards for model reporting".

What it is, what it is for and not for, what was measured on whom, and what that does not show. What was not measured
is said to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macule.analysis.bundle import Bundle
from macule.analysis.result import DISCLAIMER
from macule.data import guard
from macule.taxonomy import Diagnosis

MISSING = "not measured"
#: Sections that are quoted: key -> what the card calls it.
PARTS = {"baselines": "Against baselines", "decision": "Net benefit", "uncertainty": "Conformal sets and selection",
         "fairness": "Fairness", "robustness": "Robustness", "outliers": "Out of distribution",
         "explanations": "Explanations"}


def render(bundle: Bundle, content: Mapping[str, Any]) -> str:
    """content: of bundle.json, with the exams. Every figure has its n and 95 % interval."""
    made, exams = content["provenance"], content["metrics"]["exams"]
    parts = (
        [f"# Model card: {bundle.id}" + (f" ({guard.MARK})" if made.get("leaky") else ""), "", f"> {DISCLAIMER}"],
        ["## Model details", "", *_facts(bundle, made)],
        _intended(), _factors(exams), _metrics(content, made, exams),
        ["## Evaluation data", "", *_exams(exams)],
        ["## Training data", "", *_training(made)],
        ["## Quantitative analyses", "", *_overall_table(exams)],
        _melanoma_table(exams), _points_table(exams), _calibration_table(exams),
        _class_table(exams[0]) if exams else [],
        _risk_table(exams), _found(exams), _ethics(), _limits(content), _again(exams),
    )
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _resamples(exams: Sequence[Mapping[str, Any]]) -> str:
    return f", {exams[0]['resamples']} resamples" if exams else ""


def _intended() -> list[str]:
    return [
        "## Intended use",
        "",
        "- **For**: research on second opinions about single skin lesions, from one dermoscopic or close-up picture, "
        "with age, sex and site where they are known; teaching; a baseline for other networks.",
        "- **Users**: people who can read a probability and who examine the patient themselves.",
        "- **Out of scope**: diagnosis without a clinician, screening of the whole body, mucosa, nails and rashes, "
        "pictures that are not of a skin lesion, and any decision that nobody checks.",
    ]


def _factors(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    kinds = sorted({str(exam.get("modality", "any")) for exam in exams})
    hidden = any(not exam.get("patient_data", True) for exam in exams)
    return [
        "## Factors",
        "",
        f"- **Measured apart**: data set, modality ({', '.join(kinds)}), diagnosis"
        f"{', with and without age, sex and site' if hidden else ''}. Groups of people: see Fairness below.",
        "- **Known to matter, and in no exam**: camera and dermatoscope, light, operator, country, prevalence.",
    ]


def _metrics(content: Mapping[str, Any], made: Mapping[str, Any], exams: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        "## Metrics",
        "",
        f"Intervals: 95 %, bootstrap of whole lesions{_resamples(exams)}. "
        "Balanced accuracy, accuracy and macro AUC are over the classes that the set labels. "
        f"AUC of malignant: malignant and indeterminate classes against benign ones. {_apart(made, exams)}",
        "",
        *_thresholds(content),
    ]


def _exams(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(exam["title"], f"{exam['pictures']:,}", f"{exam['lesions']:,}", str(exam["refused"]),
             str(exam.get("dropped_leaks", 0)), f"`{exam['exam_sha256'][:12]}`" if exam.get("exam_sha256") else
             "not recorded") for exam in exams]
    return [*_table(("Exam", "pictures", "lesions", "refused", "left out as leaks", "exam hash"), rows), "",
            "The hash is over the sorted ids and labels of the pictures: the same pictures have the same one. Commands "
            "stand at the end."]


def _training(made: Mapping[str, Any]) -> list[str]:
    recipe, pictures, lesions = made["recipe"], made["pictures"], made["lesions"]
    return [
        f"- **Trained on**: {', '.join(recipe['datasets'])}: "
        f"{pictures['train']} pictures of {lesions['train']} lesions; "
        f"calibrated on {pictures['calibration']} pictures of {lesions['calibration']} other lesions; "
        f"{pictures['test']} pictures of {lesions['test']} lesions locked for the exams.",
        f"- **Kept out**: {made['left_out_for_exams']} pictures whose lesion stands in an exam too.",
        *_parts(made.get("split", {})),
    ]


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
    recipe, spec = made["recipe"], bundle.preprocessing
    return [
        f"- **Made**: {bundle.created}, `macule train {bundle.id}`, seed {recipe['seed']}, "
        f"macule {made['versions']['macule']}, torch {made['versions']['torch']}.",
        f"- **Network**: {_network(made)}; {spec.size} x {spec.size} px, {spec.views} view(s)"
        f"{', prepared by ' + ', '.join(spec.arms) if spec.arms else ''}.",
        f"- **torch against ONNX**: logits differ by at most {made['torch_onnx_difference']:.1e}.",
        f"- **Licence of the weights**: {bundle.licence}, because the training pictures are.",
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
    if not rows:
        return [f"{header[0]}: {MISSING}."]
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header),
            *("| " + " | ".join(row) + " |" for row in rows)]


def _overall_table(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = ("accuracy", "macro_auc", "malignant_auc", "calibration_error")
    header = ("Exam", "pictures / lesions (refused)", "balanced accuracy", "the same, by the first of all 11 classes",
              "accuracy", "macro AUC", "malignant AUC", "calibration error")
    return _table(header, [
        (exam["title"], f"{exam['pictures']} / {exam['lesions']} ({exam['refused']})",
         *_marked(exam, _cell(exam["balanced_accuracy"]), _served(exam),
                  *(_cell(exam[column]) for column in columns)))
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


def _points_table(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    """At the bundle's own thresholds, fitted before."""
    names = ("medium_sensitivity", "medium_specificity", "high_sensitivity", "high_specificity")
    return _table(("Malignant, at the bundle's thresholds", "positives", "medium: sensitivity", "medium: specificity",
                   "high: sensitivity", "high: specificity"),
                  [(exam["title"], _positives(exam), *_marked(exam, *(_chosen(exam, name) for name in names)))
                   for exam in exams])


def _calibration_table(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    names = ("malignant_calibration_error", "calibration_slope", "calibration_intercept")
    return _table(("Calibration of the malignant probability", "n", "error", "slope (1 is best)",
                   "intercept (0 is best)"),
                  [(exam["title"], f"{exam['malignant_auc'].get('n', exam['pictures'])}",
                    *_marked(exam, *(_chosen(exam, name) for name in names))) for exam in exams])


def _found(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the other sections of the reports found, in their own words."""
    lines: list[str] = []
    for key, name in PARTS.items():
        said = [f"- {exam['title']}: {guard.mark(exam.get('leaky', False))}{exam['said'][key]}" for exam in exams
                if exam.get("said", {}).get(key)]
        lines += [f"**{name}**" + ("" if said else f": {MISSING}."), *([""] if said else []), *said, ""]
    return lines[:-1]


def _served(exam: Mapping[str, Any]) -> str:
    """Balanced accuracy by the first of all classes; an exam that labels them all has no other."""
    whole = len(exam["classes"]) == len(Diagnosis)
    return "the same" if whole else _chosen(exam, "served_balanced_accuracy")


def _chosen(exam: Mapping[str, Any], name: str) -> str:
    figure = exam.get("chosen", {}).get(name)
    return _cell(figure) if figure else MISSING


def _positives(exam: Mapping[str, Any]) -> str:
    return str(exam["malignant_auc"].get("positives", MISSING))


def _thresholds(content: Mapping[str, Any]) -> list[str]:
    thresholds, mark = content["thresholds"], guard.mark(bool(content["provenance"].get("leaky")))
    return [
        f"{mark}Medium risk starts at a malignant probability of {thresholds['medium']['probability']:.3f} and high "
        f"risk at {thresholds['high']['probability']:.3f}: sensitivity {thresholds['medium']['sensitivity']:.0%} and "
        f"{thresholds['high']['sensitivity']:.0%} on the calibration part ({thresholds['n']} pictures). "
        "They shift with the clinic.",
    ]


def _ethics() -> list[str]:
    return [
        "## Ethical considerations",
        "",
        "- A missed melanoma costs more than a benign lesion that is cut out, and a wrong answer misleads experts too: "
        "commit to an opinion before looking at this one.",
        "- The training pictures were published for research, by their publishers' accounts without names. Consent was "
        "theirs to ask; it is not recorded here.",
        "- Who is missing from the training pictures is served worse, and the figures above may not show it.",
    ]


def _limits(content: Mapping[str, Any]) -> list[str]:
    exams = content["metrics"]["exams"]
    return [
        "## Caveats and recommendations",
        "",
        "- The training pictures come from one archive, mostly of fair skin: of the 3,146 MILK10k lesions at hand, "
        "4 are of the darkest of its six tones and 85 of the next. Accuracy on dark skin is not measured here.",
        "- Lesions were chosen for biopsy or follow-up. Predictive values do not carry over to people who were not.",
        "- Not every benign lesion was biopsied: naevi were also labelled by follow-up or consensus.",
        "- HAM10000, MILK10k and the official ISIC 2018 test set come out of one archive. Near-duplicates between this "
        "model's training pictures and that test set could not be searched, since the test pictures were not at hand.",
        "- Not measured: agreement with clinicians, change of their decisions, other cameras, children.",
        *([] if all("chosen" in exam for exam in exams) else
          ["- Written from headline figures alone where a table says not measured: a full report measures the rest."]),
    ]


def _again(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["## Reproduce", "", "Each row (DATA is the folder that holds the data sets as unzipped):", "", "```",
            *(exam["command"] for exam in exams), "```"]
