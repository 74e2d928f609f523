"""What everyday damage does to the answers, as blocks: heat by kind and strength, flips by family, the worst kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macule.exchange.blocks import (
    Axis,
    Block,
    Cell,
    Matrix,
    Note,
    Plot,
    Prose,
    Section,
    Series,
    Table,
    Value,
    not_measured,
)

TITLE = "Robustness to poor pictures"
#: Below this many pictures a figure is shown, but nothing is said by it.
ENOUGH = 30
#: What ink did to a certified network (Winkler et al. 2019): specificity from 84.1 to 45.8 % on 107 naevi.
_INK = ("For comparison: a surgical pen's marks raised the false alarms of a network certified in Europe by about "
        "40 percentage points, on 107 naevi (Winkler et al. 2019).")


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.robustness.measure` gives it."""
    if not found["measured"]:
        return not_measured("robustness", TITLE, found["why"])
    few = found["pictures"] < ENOUGH
    blocks: list[Block] = [Prose(_how(found))]
    if few:
        blocks.append(Note(f"Only {found['pictures']} pictures were examined: too few to rely on the figures below."))
    blocks += [_averages(found), _drops(found), _alarms(found), _refusals(found), *_flips(found), _worst(found)]
    return Section("robustness", TITLE, _lead(found), tuple(blocks))


def _lead(found: Mapping[str, Any]) -> str:
    if found["pictures"] < ENOUGH:
        return f"Only {found['pictures']} pictures were examined, too few to say how robust the answers are."
    drop, clean = found["summary"]["auc_drop"], found["clean"]["malignant_auc"]["value"]
    if drop["value"] is None or clean is None:
        return "The malignant AUC could not be measured on these pictures; the plots show how often answers changed."
    kinds, strengths = len(found["kinds"]), len(found["strengths"])
    said = (f"Over {_count(kinds, 'kind')} of damage at {_count(strengths, 'strength')}, the malignant AUC of "
            f"{clean:.3f} {_moved(drop)} on average ({found['pictures']} pictures){_worst_named(found)}.")
    return f"{said}{_ink(found)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _moved(drop: Mapping[str, Any]) -> str:
    word, sign = ("falls", 1) if drop["value"] >= 0 else ("rises", -1)
    if drop["low"] is None:
        return f"{word} by {abs(drop['value']):.3f} (no interval)"
    ends = sorted((sign * drop["low"], sign * drop["high"]))
    return f"{word} by {abs(drop['value']):.3f} ({ends[0]:.3f} to {ends[1]:.3f})".replace("-", "−")


def _worst_named(found: Mapping[str, Any]) -> str:
    by_name = {kind["kind"]: kind for kind in found["kinds"]}
    worst = [name for name in found["summary"]["worst_by_auc"] if by_name[name]["auc_drop"]["value"] > 0]
    if len(by_name) < 2 or not worst:
        return ""
    return f", most by {_plain(worst[0])} ({by_name[worst[0]]['auc_drop']['value']:.3f})"


def _ink(found: Mapping[str, Any]) -> str:
    """What pen ink does to false alarms, if enough benign pictures were marked."""
    kind = next((kind for kind in found["kinds"] if kind["kind"] == "pen_ink"), None)
    if kind is None or kind["alarm_rise_medium"]["value"] is None or kind["alarm_rise_medium"]["n"] < ENOUGH:
        return ""
    rise = kind["alarm_rise_medium"]
    ends = "no interval" if rise["low"] is None else f"{_points(rise['low'])} to {_points(rise['high'])}"
    return (f" Pen ink changes the false alarms among {rise['n']} benign pictures by {_points(rise['value'])} "
            f"percentage points ({ends}).")


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _how(found: Mapping[str, Any]) -> str:
    clean = found["clean"]
    rates = "; ".join(f"at {at} risk {_share(clean[f'sensitivity_{at}'])} of the malignant and "
                      f"{_share(clean[f'false_alarms_{at}'])} of the benign are called" for at in ("medium", "high"))
    ink = f" {_INK}" if any(kind["kind"] == "pen_ink" for kind in found["kinds"]) else ""
    return (f"{found['pictures']} pictures, one a lesion ({found['malignant']} malignant, {found['benign']} benign: "
            f"richer in malignant ones than the exam), each damaged and sent through all of serving. Untouched: "
            f"{rates}. Strength 1 is met every day; at 5 a person would still just judge the lesion. What the quality "
            "checks refuse counts as refused and in no other figure; where they refuse more than half, the rest is "
            f"too select to say anything, and the cell is blank. docs/robustness.md describes the kinds.{ink}")


def _share(figure: Mapping[str, Any]) -> str:
    return "an unmeasured share" if figure["value"] is None else f"{100 * figure['value']:.0f} %"


def _averages(found: Mapping[str, Any]) -> Table:
    """Over all kinds and strengths, in the sample and at the exam's own mix."""
    whole, own = found["summary"], found["summary"]["own_mix"]
    words = {"flip_risk": "Risk changed", "flip_diagnosis": "First diagnosis changed", "refused": "Refused"}
    rows: list[tuple[Cell, ...]] = [(said, _value(whole[name], percent=True), _value(own[name], percent=True))
                                    for name, said in words.items()]
    relative = _value(whole["relative_error"], percent=False)
    rows.append(("Error (1 − AUC), over that of the untouched pictures", relative, "the same"))
    half = 100 * found["malignant"] / found["pictures"]
    return Table("On average over all kinds and strengths",
                 ("Figure", f"This sample, {half:.0f} % malignant",
                  f"At the exam's own mix, {100 * own['malignant_share']:.0f} % malignant"), tuple(rows),
                 "The sample is richer in malignant pictures than the exam, and malignant and benign pictures suffer "
                 "differently: on the right both are weighted as the exam has them. An AUC does not depend on the mix.",
                 tuple(range(len(rows))) if found["pictures"] < ENOUGH else ())


def _heat(found: Mapping[str, Any], title: str, words: str, name: str, *, scale: float = 1, decimals: int = 0,
          note: str = "") -> Matrix:
    cells = {(cell["kind"], cell["strength"]): cell for cell in found["cells"]}
    kinds, strengths = [kind["kind"] for kind in found["kinds"]], found["strengths"]
    values = tuple(tuple(_heat_of(cells[kind, strength], name, scale) for strength in strengths) for kind in kinds)
    return Matrix(title, words, "damage", "strength", tuple(_plain(kind) for kind in kinds),
                  tuple(str(strength) for strength in strengths), values, decimals=decimals, note=note)


def _heat_of(cell: Mapping[str, Any], name: str, scale: float) -> float | None:
    if isinstance(cell[name], int):
        return float(cell[name])
    value = cell[name]["value"]
    return scale * value if cell["counted"] and value is not None else None


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("jpeg", "JPEG")


def _drops(found: Mapping[str, Any]) -> Matrix:
    return _heat(found, "Fall of the malignant AUC", "The malignant AUC that each kind of damage costs, by strength.",
                 "auc_drop", decimals=3, note="Against the same pictures untouched. Below 0: the AUC rose.")


def _alarms(found: Mapping[str, Any]) -> Matrix:
    return _heat(found, "Rise of false alarms", "How many more benign pictures are called at medium risk or above.",
                 "alarm_rise_medium", scale=100, decimals=1,
                 note="Percentage points of the benign pictures. The gate's own alarms count: a picture unlike the "
                      "training pictures is never called low risk.")


def _refusals(found: Mapping[str, Any]) -> Matrix:
    return _heat(found, "Refused by the quality checks", "How many pictures the quality checks refused to judge.",
                 "refused", note=f"Of {found['pictures'] - found['clean']['refused']} that were judged untouched.")


def _flips(found: Mapping[str, Any]) -> list[Plot]:
    """One small plot a family."""
    families = dict.fromkeys(kind["family"] for kind in found["kinds"])
    return [_flip(found, family, [kind["kind"] for kind in found["kinds"] if kind["family"] == family])
            for family in families]


def _flip(found: Mapping[str, Any], family: str, kinds: Sequence[str]) -> Plot:
    series = tuple(_line(found, kind, place) for place, kind in enumerate(kinds))
    return Plot(f"Risk changed: {family}",
                "Share of the pictures whose risk (low, medium, high) is another than untouched, by strength.",
                Axis("strength", 0.8, 5.2), Axis("risk changed", 0, 1, percent=True),
                tuple(each for each in series if each.x))


def _line(found: Mapping[str, Any], kind: str, style: int) -> Series:
    known = [(cell["strength"], cell["flip_risk"]["value"]) for cell in found["cells"]
             if cell["kind"] == kind and cell["counted"] and cell["flip_risk"]["value"] is not None]
    return Series(_plain(kind), tuple(float(x) for x, _ in known), tuple(y for _, y in known),
                  kind="line" if len(known) > 1 else "dots", style=style)


def _worst(found: Mapping[str, Any]) -> Table:
    ordered = sorted(found["kinds"], key=lambda kind: -(kind["auc_drop"]["value"] or 0.0))
    columns = {"auc_drop": False, "alarm_rise_medium": True, "alarm_rise_high": True, "flip_risk": True,
               "flip_diagnosis": True, "refused": True}
    rows = tuple(_row(kind, columns) for kind in ordered)
    muted = tuple(range(len(rows))) if found["pictures"] < ENOUGH else ()
    return Table("Every kind of damage, averaged over the strengths, worst first",
                 ("damage", "fall of malignant AUC", "more false alarms, medium", "more false alarms, high",
                  "risk changed", "diagnosis changed", "refused"),
                 rows, "Paired 95 % intervals over lesions or patients. False alarms are in percentage points. A "
                 "strength at which more than half is refused counts in the last column alone.", muted)


def _row(kind: Mapping[str, Any], columns: Mapping[str, bool]) -> tuple[Cell, ...]:
    """columns: the figures' names, and whether they are shares."""
    said = f"{_plain(kind['kind'])}: {kind['words']}"
    return said, *(_value(kind[name], percent=percent) for name, percent in columns.items())


def _value(figure: Mapping[str, Any], *, percent: bool) -> Value:
    return Value(figure["value"], figure["low"], figure["high"], figure["n"], percent=percent)
