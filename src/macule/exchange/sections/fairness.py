"""Whether some people are served worse, as blocks: a forest for each figure that counts, and a table of gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from macule.exchange.blocks import Axis, Block, Forest, Note, Prose, Section, Table, Value

FORESTS = {"sensitivity_medium": "Sensitivity at the medium threshold",
           "specificity_medium": "Specificity at the medium threshold", "malignant_auc": "Malignant AUC"}
WORDS = {**FORESTS, "sensitivity_high": "Sensitivity at the high threshold",
         "specificity_high": "Specificity at the high threshold", "balanced_accuracy": "Balanced accuracy",
         "melanoma_sensitivity": "Melanomas called melanoma", "calibration_error": "Calibration error",
         "overestimate": "Predicted less observed malignant share", "flagged": "Flagged by the gate",
         "refused": "Refused by quality or the gate"}
#: An AUC and a difference of shares are no shares.
_NOT_PERCENT = frozenset({"malignant_auc", "calibration_error", "overestimate"})
#: Heads of narrow columns.
_REST = {"sensitivity_high": "sens., high", "specificity_high": "spec., high", "balanced_accuracy": "balanced accuracy",
         "melanoma_sensitivity": "melanomas named", "calibration_error": "calibration error",
         "overestimate": "predicted less observed", "flagged": "flagged", "refused": "refused"}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.fairness.measure` gives it."""
    blocks = (*_reading(found), *_gaps(found), *_proxy(found),
              *(block for attribute in found["attributes"] for block in _attribute(attribute, found)))
    return Section("fairness", "Fairness", _lead(found), blocks, measured=bool(_measured(found)))


def _measured(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [attribute for attribute in found["attributes"] if attribute["status"] == "measured"]


def _lead(found: Mapping[str, Any]) -> str:
    measured = _measured(found)
    if not measured:
        return f"Not measured. No attribute has two groups with n >= {found['least']}."
    return f"{_on_skin_tone(found)} {_on_gaps(found)}"


def _on_skin_tone(found: Mapping[str, Any]) -> str:
    """What is asked first, whether or not it can be answered."""
    tones = [each for each in found["attributes"] if each["key"].startswith("skin_tone") and "*" not in each["key"]]
    measured = [each for each in tones if each["status"] == "measured"]
    if not measured:
        return f"Skin tone: {tones[0]['status']}."
    gaps = {gap["metric"]: gap for gap in measured[0]["gaps"]}
    large = sum(not group["muted"] and group["name"] != "not stated" for group in measured[0]["groups"])
    start = f"{measured[0]['title']}, {large} groups with n >= {found['least']}"
    if "sensitivity_medium" not in gaps:
        return f"{start}: too few malignant lesions to compare sensitivities."
    return f"{start}: sensitivities at the medium threshold are at most {_points(gaps['sensitivity_medium'])} apart."


def _on_gaps(found: Mapping[str, Any]) -> str:
    """Named is the gap that is surest, not the widest."""
    held = [(gap, attribute) for attribute in _measured(found) for gap in attribute["gaps"] if gap["holds"]]
    start = f"Of {found['looks']:,} comparisons between groups"
    if not held:
        return f"{start} none shows a difference once their number is allowed for."
    gap, attribute = max(held, key=lambda each: each[0]["adjusted_low"] / max(each[0]["value"], 1e-9))
    many = (f"{len(held)} of the largest gaps hold once their number is allowed for; the surest"
            if len(held) > 1 else "one gap holds once their number is allowed for")
    return (f"{start} {many}: {WORDS[gap['metric']].lower()} by {_short(attribute)}, {gap['highest']} above "
            f"{gap['lowest']} by {_points(gap)}.")


def _short(attribute: Mapping[str, Any]) -> str:
    title = str(attribute["title"])
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _shortest(attribute: Mapping[str, Any]) -> str:
    """For a column: the scale by its id."""
    title = _short(attribute)
    if attribute["proxy"] or not attribute["scale"]:
        return title
    return f"{title[:title.index(' (')]} ({attribute['scale']}){title[title.index(')') + 1:]}"


def _points(gap: Mapping[str, Any]) -> str:
    low, high = (f"{gap[end]:.3f}" if gap[end] is not None else "not measured" for end in ("low", "high"))
    return f"{gap['value']:.3f} ({low} to {high})"


def _reading(found: Mapping[str, Any]) -> Iterator[Block]:
    least, of_class = found["least"], found["least_of_class"]
    yield Prose(f"Groups with fewer than {least} pictures are shown faintly and not compared; sensitivities only where "
                f"a group has {of_class} malignant pictures, specificities where it has {of_class} benign ones. "
                "Calls are those that are served: a picture that the gate flags is never called low risk. A refused "
                "picture counts in no figure but that of refusals. "
                "Intervals are 95 %, over lesions or patients, and of differences paired. Groups differ in their "
                "diagnoses too: a gap says that people are served differently, not why.")
    for attribute in found["attributes"]:
        if attribute["status"] != "measured":
            yield Note(f"{attribute['title']}: {attribute['status']}.", "plain")


def _gaps(found: Mapping[str, Any]) -> Iterator[Block]:
    every = [(gap, attribute) for attribute in _measured(found) for gap in attribute["gaps"]]
    rows = tuple((_shortest(attribute), WORDS[gap["metric"]], gap["highest"], gap["lowest"], _difference(gap),
                  _range(gap["adjusted_low"], gap["adjusted_high"]), "yes" if gap["holds"] else "no")
                 for gap, attribute in sorted(every, key=lambda each: not each[0]["holds"]))
    if rows:
        yield Table("Largest gap of each figure",
                    ("groups by", "figure", "highest", "lowest", "difference", f"for all {found['looks']:,} looks",
                     "holds"), rows,
                    note="A gap holds if the interval that allows for the number of looks (Bonferroni) lies above 0. "
                         "The largest of several differences is too large on average.")
    odds = [(_shortest(each), each["equalised_odds"]) for each in _measured(found) if each["equalised_odds"]]
    if odds:
        yield Table("Equalised odds at the medium threshold", ("groups by", "groups", "n", "difference", "ratio"),
                    tuple((name, of["groups"], of["n"], _bare(of["difference"]), _bare(of["ratio"]))
                          for name, of in odds),
                    note="The larger gap of sensitivity and of false positives, and the smaller ratio of least to most "
                         "(Hardt, Price & Srebro 2016). A largest difference is never below 0, so its interval lies "
                         "too high.")


def _proxy(found: Mapping[str, Any]) -> Iterator[Block]:
    """How far the angle can be trusted, where labels tell."""
    angles = [attribute for attribute in found["attributes"] if attribute["proxy"]]
    if angles:
        yield Note("Pictures without a label of skin tone are grouped by the individual typology angle of the skin "
                   "round the lesion: a proxy that light, camera and gel move as much as skin does. How far it follows "
                   "labelled tones stands in docs/results/fairness.md; on dermoscopic pictures it does not.")
    if found["proxy"]:
        rows = tuple((each["scale"], each["modality"], _value(each["spearman"], percent=False), each["not_estimated"])
                     for each in found["proxy"])
        weak = sorted({each["modality"] for each in found["proxy"]
                       if each["spearman"]["low"] is not None and each["spearman"]["low"] <= 0})
        yield Table("Does the individual typology angle follow the labelled tone?",
                    ("scale", "modality", "Spearman's correlation", "no skin found"), rows,
                    note="1 follows it without fault, 0 not at all. The labels are used above, the angle is not." +
                         (f" On these pictures it does not follow the label: {', '.join(weak)}." if weak else ""))


def _attribute(attribute: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Block]:
    groups = attribute["groups"]
    if len(groups) < 2:
        return
    for metric in FORESTS:
        if any(group["figures"][metric]["value"] is not None for group in groups):
            yield _forest(attribute, metric, found)
    yield Table(f"Further figures by {_short(attribute)}",
                ("group", "n", "lesions", "malignant", *_REST.values()),
                tuple((group["name"], group["n"], group["lesions"], group["positives"],
                       *(_value(group["figures"][name], percent=name not in _NOT_PERCENT) for name in _REST))
                      for group in groups),
                note=f"High: at the high threshold. Faint: n < {found['least']}. Groups hold other classes, so "
                     "balanced accuracies are not compared; a calibration error grows as n falls.",
                muted=_faint(groups))
    yield from _thresholds(attribute, found)


def _forest(attribute: Mapping[str, Any], metric: str, found: Mapping[str, Any]) -> Forest:
    rows = tuple((group["name"], _value(group["figures"][metric], percent=metric not in _NOT_PERCENT,
                                        note="" if metric in group["compared"] else "too few"),
                  metric not in group["compared"]) for group in attribute["groups"])
    said = "; ".join(f"{name} {value.value:.3f}" for name, value, faint in rows
                     if value.value is not None and not faint)
    title = f"{WORDS[metric]} by {_short(attribute)}"
    return Forest(title, f"{title}: {said or 'too few pictures in every group'}.",
                  Axis(WORDS[metric], 0.0, 1.0, percent=metric not in _NOT_PERCENT), rows,
                  found["overall"]["figures"][metric]["value"],
                  note="The line is the figure of all pictures. Faint: too few pictures to compare." +
                       (" A proxy read off the picture, no label." if attribute["proxy"] else ""))


def _thresholds(attribute: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Table]:
    rows = tuple((own["name"], _value(own["sensitivity_now"]), _value(own["specificity_now"]), Value(own["threshold"]),
                  _value(own["sensitivity"]), _value(own["specificity"])) for own in attribute["own_thresholds"])
    if rows:
        aim = found["thresholds"]["sensitivity_aimed_at"]
        yield Table(f"What a threshold of its own would change, by {_short(attribute)}",
                    ("group", f"sensitivity at {found['thresholds']['medium']:.3f}", "specificity", "own threshold",
                     "sensitivity", "specificity"), rows,
                    note=f"Each aims at a sensitivity of {aim:.2f} in its group, found on four fifths of the lesions "
                         "and scored on the rest; what the gate flags is called at any. Not applied: a clinic would "
                         "have to state the group of every patient, small groups get unsure thresholds, and one "
                         "probability would mean two things.")


def _faint(groups: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    return tuple(number for number, group in enumerate(groups) if group["muted"])


def _value(figure: Mapping[str, Any], *, percent: bool = True, note: str = "") -> Value:
    return Value(figure["value"], figure["low"], figure["high"], figure["n"], figure.get("positives"), note=note,
                 percent=percent)


def _bare(figure: Mapping[str, Any]) -> Value:
    return Value(figure["value"], figure["low"], figure["high"])


def _difference(gap: Mapping[str, Any]) -> Value:
    return Value(gap["value"], gap["low"], gap["high"], gap["n"])


def _range(low: float | None, high: float | None) -> str:
    return "not measured" if low is None or high is None else f"{low:.3f} to {high:.3f}"
