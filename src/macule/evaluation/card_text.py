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
from macule.evaluation import aims, card_origin, card_tables
from macule.evaluation.markdown import MISSING, table
from macule.taxonomy import Diagnosis

#: Sections that are quoted: key -> what the card calls it.
PARTS = {"baselines": "Against baselines", "decision": "Net benefit", "uncertainty": "Conformal sets and selection",
         "fairness": "Fairness", "robustness": "Robustness", "outliers": "Out of distribution",
         "explanations": "Explanations"}


def render(bundle: Bundle, content: Mapping[str, Any]) -> str:
    """content: of bundle.json, with the exams. Every figure has its n and 95 % interval."""
    made, metrics = content["provenance"], content["metrics"]
    exams, folds = metrics["exams"], metrics.get("out_of_fold", [])
    parts = (
        [f"# Model card: {bundle.id}" + (f" ({guard.MARK})" if made.get("leaky") else ""), "", f"> {DISCLAIMER}"],
        ["## Model details", "", *_facts(bundle, content)],
        _intended(), _factors(exams), _metrics(content, made, exams),
        ["## Evaluation data", "", *_exams(exams)],
        ["## Training data", "", *_training(made)],
        ["## Quantitative analyses", "", *card_tables.overall(exams)],
        card_tables.melanoma(exams), card_tables.operating_points(exams), card_tables.calibration(exams),
        card_tables.classes(exams[0]) if exams else [], card_tables.coverage(exams), card_tables.folds(folds),
        card_tables.risks(exams), _found(exams),
        ["## Aims and what is", "", *_aims(bundle, metrics)],
        _ethics(), _limits(content), _again(exams),
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
        *(["", "Where pictures of a lesion are answered together, it has one answer, of the mean logits of its "
           "pictures at the bundle's own calibration and thresholds, and figures are over lesions. Refused pictures "
           "are left out of their lesion's answer."] if any("together" in exam for exam in exams) else []),
        "",
        *_thresholds(content),
    ]


def _exams(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(exam["title"], f"{exam['pictures']:,}", f"{exam['lesions']:,}", str(exam["refused"]),
             str(exam.get("dropped_leaks", 0)), str(exam.get("linked_elsewhere", 0)),
             f"`{exam['exam_sha256'][:12]}`" if exam.get("exam_sha256") else "not recorded") for exam in exams]
    return [*table(("Exam", "pictures", "lesions", "refused", "left out as leaks", "left out: in another set too",
                    "exam hash"), rows), "",
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
    dropped = sum(exam.get("dropped_leaks", 0) for exam in exams
                  if exam.get("patient_data", True) and not {"together", "apart_from"} & set(exam))
    return ("No lesion of any exam was trained or calibrated on; photographs that stand in two sets under different "
            "ids were found by appearance and kept on one side"
            + (f", and {dropped} exam pictures that only a later audit linked to training were left out." if dropped
               else "."))


def _facts(bundle: Bundle, content: Mapping[str, Any]) -> list[str]:
    return [
        *card_origin.details(bundle, content),
        f"- **Licence of the weights**: {bundle.licence}, because the training pictures are.",
        "- **Classes**: " + ", ".join(f"{code.value} ({code.entry.name})" for code in Diagnosis) + ".",
    ]


def _parts(split: Mapping[str, Any]) -> list[str]:
    if "manifest" not in split:
        return []
    return [f"- **Parts**: {split['scheme']} by {split['by']}, seed {split['seed']}, of the manifest "
            f"{split['manifest'][:12]}."]


def _found(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the other sections of the reports found, in their own words."""
    lines: list[str] = []
    for key, name in PARTS.items():
        said = [f"- {exam['title']}: {guard.mark(exam.get('leaky', False))}{exam['said'][key]}" for exam in exams
                if exam.get("said", {}).get(key)]
        lines += [f"**{name}**" + ("" if said else f": {MISSING}."), *([""] if said else []), *said, ""]
    return lines[:-1]


def _thresholds(content: Mapping[str, Any]) -> list[str]:
    thresholds, mark = content["thresholds"], guard.mark(bool(content["provenance"].get("leaky")))
    within = f", over all and in each {thresholds['within']} with enough of them" if "within" in thresholds else ""
    apart = [] if "malignant" not in content["calibration"] else [
        "How much the malignant classes have together is calibrated apart from how they share it (a factor and a shift "
        "for each class against one temperature)."]
    return [
        f"{mark}Medium risk starts at a malignant probability of {thresholds['medium']['probability']:.3f} and high "
        f"risk at {thresholds['high']['probability']:.3f}: sensitivity at least "
        f"{thresholds['medium']['sensitivity']:.0%} and {thresholds['high']['sensitivity']:.0%} on the calibration "
        f"part ({thresholds['n']} pictures){within}. They shift with the clinic.", *apart,
    ]


def _aims(bundle: Bundle, metrics: Mapping[str, Any]) -> list[str]:
    return [*aims.table(aims.measure(bundle, metrics)), "",
            "Aims are the project's own, set before the training; they are no clinical standard. Met or not is by the "
            "value; the interval says how sure that is. Leaking exams count as not measured."]


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
        *card_origin.looks(content["provenance"]),
        "- Not measured: agreement with clinicians, change of their decisions, other cameras, children.",
        *([] if all("chosen" in exam for exam in exams) else
          ["- Written from headline figures alone where a table says not measured: a full report measures the rest."]),
    ]


def _again(exams: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["## Reproduce", "", "Each row (DATA is the folder that holds the data sets as unzipped):", "", "```",
            *(exam["command"] for exam in exams), "```"]
