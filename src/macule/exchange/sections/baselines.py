"""What the model has to beat, as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.evaluation.baselines import AHEAD, FIGURES
from macule.exchange.blocks import Axis, Block, Forest, Note, Prose, Section, Table, Value, not_measured

TITLE = "Against simple baselines"
#: One plot each; the table has them all.
PLOTTED = ("balanced_accuracy", "malignant_auc")
FEW = 30
#: Of the tables, in the order of FIGURES.
_HEADS = ("Balanced accuracy", "Accuracy", "AUC, mean of the classes", "AUC, malignant", "AUC, melanoma",
          "Sensitivity at 90 % specificity")
_WHAT = {
    "random": "Draws one of the classes by lot; what that is expected to reach.",
    "majority": "Always answers the commonest class of the training pictures.",
    "metadata": "Gradient boosting on age, sex, site and modality. It sees no picture.",
    "colours": "Logistic regression on the picture's colour histogram: no shape, no place.",
    "probe": "Logistic regression on the bundle's own embedding (a linear probe). No rival, since that has learnt from "
             "the same labels: it shows what the model's last layer adds.",
    "imagenet": "Logistic regression on the features of a network that has learnt everyday things and no lesion.",
}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.baselines.measure` gives it."""
    if not found["measured"]:
        return not_measured("baselines", TITLE, found["why"])
    systems = found["systems"]
    blocks: list[Block] = [_forest(systems, key) for key in PLOTTED]
    blocks += _warnings(systems)
    blocks += [_table(systems), _ahead(systems), *_explained(found)]
    return Section("baselines", TITLE, _lead(systems), tuple(blocks))


def _lead(systems: Mapping[str, Any]) -> str:
    """By balanced accuracy, against the best of those that do not share the model's network."""
    key = "balanced_accuracy"
    model = _value(systems["model"][key])
    rivals = {name: system[key]["value"] for name, system in systems.items()
              if name not in ("model", "probe") and system[key]["value"] is not None}
    if model.value is None or not rivals:
        return "No picture here has a single diagnosis, so balanced accuracy cannot be compared."
    if _few(systems["model"][key]):
        return f"Only {model.n} pictures have a single diagnosis: too few to say that the model beats a baseline."
    best = max(rivals, key=lambda name: rivals[name])
    words = (f"The model's balanced accuracy is {model.value:.3f}; the best simple baseline, "
             f"{_lower(systems[best]['title'])}, reaches {rivals[best]:.3f}, {_difference(systems[best][AHEAD][key])}.")
    if "probe" in systems:
        words += (f" A linear probe on the model's own embedding reaches {systems['probe'][key]['value']:.3f}, "
                  f"{_difference(systems['probe'][AHEAD][key])}.")
    return words


def _difference(figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    words = f"{abs(value):.3f} {'less' if value >= 0 else 'more'}"
    return words if figure["low"] is None else f"{words} (95 % interval of the lead: {_span(figure)})"


def _span(figure: Mapping[str, Any]) -> str:
    return " to ".join(f"{figure[end]:+.3f}".replace("-", "−") for end in ("low", "high"))


def _warnings(systems: Mapping[str, Any]) -> list[Block]:
    """Where a baseline is level with the model or ahead of it, said aloud."""
    notes: list[Block] = []
    for name, system in systems.items():
        leads = {key: figure for key, figure in system.get(AHEAD, {}).items()
                 if figure["low"] is not None and not _few(figure)}
        ahead = [_lower(FIGURES[key]) for key, figure in leads.items() if figure["high"] < 0]
        level = [_lower(FIGURES[key]) for key, figure in leads.items() if figure["low"] <= 0 <= figure["high"]]
        said = [f"ahead of the model in {', '.join(ahead)}"] * bool(ahead)
        said += [f"not clearly behind the model in {', '.join(level)}"] * bool(level)
        if said:
            notes.append(Note(f"{system['title']}: {'; '.join(said)}.", "plain" if name == "probe" else "warning"))
    return notes


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]


def _few(figure: Mapping[str, Any]) -> bool:
    """Too few pictures, or too few of the positives or negatives, to say anything."""
    positives = figure.get("positives")
    counts = [figure["n"]] if positives is None else [positives, figure["n"] - positives]
    return bool(min(counts) < FEW)


def _value(figure: Mapping[str, Any], note: str = "") -> Value:
    return Value(figure["value"], figure["low"], figure["high"], figure["n"], figure.get("positives"), note)


def _bare(figure: Mapping[str, Any]) -> Value:
    """Without its counts, which are the same down a column: the note below the table says them."""
    return Value(figure["value"], figure["low"], figure["high"])


def _forest(systems: Mapping[str, Any], key: str) -> Forest:
    model = systems["model"][key]
    return Forest(
        f"{FIGURES[key]}, the model and each baseline",
        f"{FIGURES[key]} with 95 % intervals: " + "; ".join(
            f"{system['title']} {_words(system[key]['value'])}" for system in systems.values()) + ".",
        Axis(FIGURES[key], 0.0 if key == "balanced_accuracy" else 0.4, 1.0),
        tuple((system["title"], _value(system[key]), _few(system[key])) for system in systems.values()),
        reference=model["value"],
    )


def _words(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _table(systems: Mapping[str, Any]) -> Table:
    rows = tuple((system["title"], *(_bare(system[key]) for key in FIGURES)) for system in systems.values())
    return Table("Figures of the model and of each baseline", ("", *_HEADS), rows, note=_counts(systems))


def _counts(systems: Mapping[str, Any]) -> str:
    single, known = systems["model"]["melanoma_auc"], systems["model"]["malignant_auc"]
    return (f"{single['n']:,} pictures with a single diagnosis, {single['positives']:,} of them melanoma; "
            f"{known['n']:,} known malignant or benign, {known['positives']:,} of them malignant or indeterminate.")


def _ahead(systems: Mapping[str, Any]) -> Table:
    rows = tuple((system["title"], *(_bare(system[AHEAD][key]) for key in FIGURES))
                 for name, system in systems.items() if name != "model")
    return Table("How far the model is ahead (model minus baseline)", ("", *_HEADS), rows,
                 note="Paired: both are measured on the same resamples. An interval above 0 is a clear lead.")


def _explained(found: Mapping[str, Any]) -> list[Block]:
    rows = tuple((system["title"], _WHAT[name]) for name, system in found["systems"].items() if name in _WHAT)
    absent = [] if "imagenet" in found["systems"] else [Note(
        "Not measured: a probe on ImageNet features, which never saw a lesion. It needs the training pictures: "
        "--imagenet DATA.", "plain")]
    return [Table("What the baselines are", ("Baseline", "What it does"), rows), *absent,
            Prose(f"All were fitted on {found['fitted_on']:,} of the pictures that the model learnt from. A baseline "
                  "answers as suits the figure: the most probable class for accuracy, the class most above its share "
                  "of training for balanced accuracy. The model answers one way only.")]
