"""What an attacker who knows the weights achieves, and what is noticed, as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import Axis, Block, Cell, Note, Plot, Prose, Section, Series, Table, Value, not_measured

TITLE = "Adversarial attacks"
#: Below this many pictures a figure is shown, but nothing is said by it.
ENOUGH = 30
NAMES = {"noise": "random signs (control)", "fgsm": "FGSM", "pgd": "PGD"}
_STYLES = {"noise": -1, "fgsm": 0, "pgd": 1}
_GOALS = {"false_alarm": ("Benign called malignant", "benign pictures that were called low risk before"),
          "missed": ("Malignant called low risk", "malignant pictures that were called before")}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.training.adversarial.measure` gives it."""
    if not found["measured"]:
        return not_measured("adversarial", TITLE, found["why"])
    blocks: list[Block] = [Prose(_how(found)), *(_plot(found, goal) for goal in _GOALS), _auc(found), _table(found),
                           Prose(_limits(found))]
    if found["pictures"] < ENOUGH:
        blocks.insert(1, Note(f"Only {found['pictures']} pictures were attacked: too few to rely on."))
    return Section("adversarial", TITLE, _lead(found), tuple(blocks))


def _lead(found: Mapping[str, Any]) -> str:
    """The strongest method at the smallest change that turns at least half of either side, else at the largest."""
    attacks = [attack for attack in found["attacks"] if attack["method"] == "pgd"]
    known = [attack for attack in attacks
             if all(attack[goal]["value"] is not None and attack[goal]["n"] >= ENOUGH for goal in _GOALS)]
    if not known:
        return f"{found['pictures']} pictures were attacked, too few on either side to say how often it succeeds."
    chosen = next((attack for attack in known if max(attack[goal]["value"] for goal in _GOALS) >= 0.5), known[-1])
    parts = [f"{100 * chosen[goal]['value']:.0f} % of {chosen[goal]['n']} {words}"
             for goal, words in (("missed", "malignant pictures to low risk"),
                                 ("false_alarm", "benign pictures to an alarm"))]
    caught = chosen["caught_share"]
    noticed = "" if caught["value"] is None else (
        f" The quality checks and the gate notice {chosen['caught']} of the {chosen['turned']} that turn the network.")
    return (f"Changes of {_levels(chosen['eps'])} of 255, made with knowledge of the weights (PGD), bring {parts[0]} "
            f"and {parts[1]}.{noticed}")


def _levels(eps: int) -> str:
    return "1 grey level" if eps == 1 else f"{eps} grey levels"


def _how(found: Mapping[str, Any]) -> str:
    return (f"{found['pictures']} pictures, one a lesion ({found['malignant']} malignant, {found['benign']} benign), "
            "each changed by at most so many grey levels a pixel and channel: by random signs, by one step along the "
            f"gradient's sign (FGSM) and by {found['steps']} such steps (PGD). The result was saved with 8 bits and "
            "sent through all of serving. Success is counted among the pictures that were right before.")


def _limits(found: Mapping[str, Any]) -> str:
    arms = (f" The steps before the network ({', '.join(found['arms'])}) were taken for no change in the gradient, "
            "which makes the attack weaker than it could be." if found["arms"] else "")
    return ("The attacker knows the weights and the preprocessing. One who only sees answers (black box: transfer from "
            "another network, or many queries) was not measured. The attacker does not try to pass the gate: one who "
            f"does will be noticed less often than here.{arms}")


def _plot(found: Mapping[str, Any], goal: str) -> Plot:
    title, words = _GOALS[goal]
    return Plot(title, f"Share of the {words}, and that the attack turned without being refused or flagged.",
                Axis("largest change, grey levels of 255", 0), Axis("turned", 0, 1, percent=True),
                tuple(series for method in NAMES if (series := _series(found, method, goal)).x))


def _series(found: Mapping[str, Any], method: str, figure: str) -> Series:
    known = [attack for attack in found["attacks"] if attack["method"] == method
             and attack[figure]["value"] is not None]
    band = tuple((attack[figure]["low"], attack[figure]["high"]) for attack in known)
    return Series(NAMES[method], tuple(float(attack["eps"]) for attack in known),
                  tuple(attack[figure]["value"] for attack in known), kind="line" if len(known) > 1 else "dots",
                  band=() if any(low is None for low, _ in band) else band, style=_STYLES[method])


def _auc(found: Mapping[str, Any]) -> Plot:
    clean = found["clean"]["malignant_auc"]["value"]
    sizes = tuple(float(eps) for eps in found["eps"])
    reference = () if clean is None else (Series("untouched", sizes, (clean,) * len(sizes), style=2),)
    return Plot("Malignant AUC under attack", "Malignant AUC of the pictures that are still judged, by size of change.",
                Axis("largest change, grey levels of 255", 0), Axis("malignant AUC", 0, 1),
                (*reference, *(series for method in NAMES if (series := _series(found, method, "auc")).x)))


def _table(found: Mapping[str, Any]) -> Table:
    rows = tuple(_row(attack) for attack in found["attacks"])
    few = tuple(place for place, attack in enumerate(found["attacks"])
                if min(attack["false_alarm"]["n"], attack["missed"]["n"]) < ENOUGH)
    return Table("Success and what is noticed",
                 ("attack", "grey levels", "benign called", "malignant missed", "malignant AUC", "refused", "flagged",
                  "noticed, of those that turn the network"), rows,
                 f"95 % intervals over lesions or patients. Refused and flagged: of {found['pictures']} pictures; "
                 f"untouched, {found['clean']['refused']} were refused and {found['clean']['flagged']} flagged.", few)


def _row(attack: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (NAMES[attack["method"]], attack["eps"], _value(attack["false_alarm"]), _value(attack["missed"]),
            _value(attack["auc"], percent=False), attack["refused"], attack["flagged"], _value(attack["caught_share"]))


def _value(figure: Mapping[str, Any], *, percent: bool = True) -> Value:
    return Value(figure["value"], figure["low"], figure["high"], figure["n"], figure.get("positives"), percent=percent)
