"""What the heatmap is worth, as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from macule.exchange.blocks import Axis, Block, Cell, Note, Plot, Prose, Section, Series, Table, Value, not_measured

TITLE = "Heatmaps"
FEW = 30
_NAMES = {"heatmap": "heatmap", "centre": "spot in the middle", "random": "random cells"}
_WHAT = {
    "explained": ("of the class that the map explains", "Probability of the explained class"),
    "malignant": ("of malignant, where the map explains a malignant or indeterminate class", "Malignant probability"),
}
_KINDS = {
    "deletion": ("Deletion", "Share of the picture that is blurred, hottest first", "lower is better"),
    "insertion": ("Insertion", "Share of the picture that is given back, hottest first", "higher is better"),
}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.explanations.measure` gives it."""
    if not found.get("measured"):
        return not_measured("explanations", TITLE, found.get("why") or "Ask for it with --also explanations.")
    blocks: list[Block] = []
    for what in _WHAT:
        blocks += _of_curves(found, what)
    blocks += [*_of_masks(found["mask"]), *_of_randomisation(found.get("randomisation") or {}), _how(found)]
    return Section("explanations", TITLE, _lead(found), tuple(blocks))


def _lead(found: Mapping[str, Any]) -> str:
    curves = found["curves"]["explained"]
    if curves["n"] < FEW:
        return f"Only {curves['n']} heatmaps were looked at: too few to say what they are worth."
    middle, random = (curves["deletion_area"][f"gain_over_{name}"] for name in ("centre", "random"))
    words = [f"When the hottest parts are blurred first, the answer {_against(random, 'random parts')}, and "
             f"{_against(middle, 'parts taken from the middle')}."]
    mask = found["mask"]
    if mask["n"] >= FEW:
        words.append(f"{_percent(mask['heatmap']['share'])} of the heat lies on the lesion, which covers "
                     f"{_percent(mask['area'])} of the picture; a spot in the middle reaches "
                     f"{_percent(mask['centre']['share'])}. Its maximum is on the lesion in "
                     f"{_percent(mask['heatmap']['pointing'])} of the pictures; that of a spot in the middle in "
                     f"{_percent(mask['centre']['pointing'])}.")
    return " ".join(words)


def _against(gain: Mapping[str, Any], what: str) -> str:
    if gain["low"] is None or gain["low"] <= 0 <= gain["high"]:
        return f"fades no faster than with {what} (difference of areas {_signed(gain)})"
    return f"fades {'faster' if gain['low'] > 0 else 'more slowly'} than with {what} ({_signed(gain)})"


def _signed(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "not measured"
    interval = "" if figure["low"] is None else f", 95 % interval {figure['low']:+.3f} to {figure['high']:+.3f}"
    return f"{figure['value']:+.3f}{interval}".replace("-", "−")


def _percent(figure: Mapping[str, Any]) -> str:
    return "not measured" if figure["value"] is None else f"{100 * figure['value']:.0f} %"


def _of_curves(found: Mapping[str, Any], what: str) -> Iterator[Block]:
    table = found["curves"][what]
    if not table["n"]:
        return
    of, label = _WHAT[what]
    steps = tuple(step / found["steps"] for step in range(found["steps"] + 1))
    for kind, (title, axis, better) in _KINDS.items():
        rows = table[kind]
        yield Plot(
            f"{title}: probability {of}",
            f"Mean {label.lower()} while parts are {'blurred' if kind == 'deletion' else 'given back'}, with 95 % "
            f"bands; the controls in grey. Area under the heatmap's curve {_words(table[kind + '_area']['heatmap'])}, "
            f"of a spot in the middle {_words(table[kind + '_area']['centre'])}, of random cells "
            f"{_words(table[kind + '_area']['random'])}.",
            Axis(axis, 0, 1, percent=True), Axis(label, 0, None), tuple(_series(name, rows, steps) for name in _NAMES),
            note=f"{better.capitalize()}. n = {table['n']}{': too few to rely on' if table['n'] < FEW else ''}.",
        )
    yield _areas(table, of)


def _words(figure: Mapping[str, Any]) -> str:
    return "not measured" if figure["value"] is None else f"{figure['value']:.3f}"


def _series(name: str, rows: Mapping[str, Any], steps: tuple[float, ...]) -> Series:
    row = rows[name]
    band = tuple(zip(row["low"], row["high"], strict=True)) if name == "heatmap" else ()
    # Both controls are grey; what tells them apart is that one is dotted.
    return Series(_NAMES[name], steps, tuple(row["mean"]), kind="dots" if name == "random" else "line", band=band,
                  style=0 if name == "heatmap" else -1)


def _areas(table: Mapping[str, Any], of: str) -> Table:
    names = (*_NAMES, "gain_over_centre", "gain_over_random")
    shown = {**_NAMES, "gain_over_centre": "heatmap's lead over the middle", "gain_over_random": "over random cells"}
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (shown[name], *(_value(table[f"{kind}_area"][name]) for kind in _KINDS)) for name in names)
    return Table(f"Areas under these curves, {of}", ("map", "deletion", "insertion"), rows,
                 "Deletion: the lower the better; insertion: the higher. A lead above 0 is the heatmap's, in both.",
                 tuple(range(len(rows))) if table["n"] < FEW else ())


def _value(figure: Mapping[str, Any], *, percent: bool = False) -> Value:
    return Value(figure["value"], figure["low"], figure["high"], figure["n"], percent=percent,
                 note="n < 30" if figure["n"] < FEW else "")


def _of_masks(mask: Mapping[str, Any]) -> Iterator[Block]:
    if not mask["n"]:
        yield Note("Whether the heat lies on the lesion: not measured. No picture of this set has an outline here "
                   "(ISIC 2017 train and val have).", "plain")
        return
    rows: list[tuple[Cell, ...]] = []
    muted: list[int] = []
    for title, part in (("all", mask), ("answered rightly", mask["right"]), ("answered wrongly", mask["wrong"])):
        for name in _NAMES if part["n"] else ():
            muted += [len(rows)] if part["n"] < FEW else []
            rows.append((title, _NAMES[name], part["n"], _value(part["area"], percent=True),
                         *(_value(part[name][key], percent=True) for key in ("share", "more_than_area", "pointing"))))
    yield Table(
        "Where the heat lies", ("answers", "map", "n", "lesion's share of the area", "heat on the lesion",
                                "more than the area's share", "maximum on the lesion"), tuple(rows),
        "A spot in the middle knows nothing of the picture. Even heat would have the area's share on the lesion, and "
        "its maximum there as often.", tuple(muted))


def _of_randomisation(found: Mapping[str, Any]) -> Iterator[Block]:
    if not found.get("measured"):
        if found.get("why"):
            yield Note(f"Randomisation test: not measured. {found['why']}", "plain")
        return
    x = (0.0, *(step["layers"] / found["layers"] for step in found["steps"]))
    between = found["between_pictures"]
    lines = tuple(
        Series(label, x, (1.0, *(step[key]["value"] for step in found["steps"])), style=style,
               band=((1.0, 1.0), *((step[key]["low"], step[key]["high"]) for step in found["steps"])))
        for style, (key, label) in enumerate((("absolute_rank_correlation", "rank correlation, sign left aside"),
                                              ("similarity", "structural similarity"))) if _whole(found, key))
    floor = Series("rank correlation of different pictures' maps", (0.0, 1.0),
                   (between["absolute_rank_correlation"]["value"],) * 2, style=-1)
    yield Plot(
        "The map while the network forgets", f"Likeness of the heatmap to the one before, while the weights of more "
        f"and more layers are drawn anew, from the classifier down. {_verdict(found)}",
        Axis("Share of the layers drawn anew", 0, 1, percent=True), Axis("Likeness to the map before", None, 1),
        (*lines, *((floor,) if floor.y[0] is not None else ())),
        note=f"Means of {found['draws']} draws, n = {found['pictures']} pictures; bands over lesions.")
    if found["passed"] is False:
        yield Note(f"{_verdict(found)} It must not be shown as an explanation.", "bad")
    yield Prose(f"{_verdict(found)} The map of a linear head is the classifier's weights times the features: it is "
                "bound to change when the classifier does, so the first step says little; the later ones say that "
                "the features behind it were learnt.")


def _whole(found: Mapping[str, Any], key: str) -> bool:
    return all(step[key]["low"] is not None for step in found["steps"])


def _verdict(found: Mapping[str, Any]) -> str:
    after = found["steps"][-1]["absolute_rank_correlation"]["value"]
    between = found["between_pictures"]["absolute_rank_correlation"]["value"]
    if found["passed"] is None or after is None:
        return "Whether the map depends on the weights is undefined here."
    words = (f"with all {found['layers']} layers drawn anew its rank correlation with the first is {after:.2f} "
             f"(sign left aside), that of different pictures' maps {between:.2f}.")
    return f"The map {'depends' if found['passed'] else 'does not clearly depend'} on what the network learnt: {words}"


def _how(found: Mapping[str, Any]) -> Prose:
    blank = f" {found['blank']} maps were blank: nothing spoke for the class." if found["blank"] else ""
    failed = f" {found['failed']} pictures could not be read again." if found["failed"] else ""
    return Prose(
        f"{found['pictures']} pictures of {found['lesions']} lesions, drawn from the answered ones, those with an "
        f"outline first. The map is the one that is served. What is taken away is blurred over {found['blur']:.0%} of "
        f"the side, in {found['steps']} steps, and each changed picture is asked about in one view. The random cells "
        f"are as coarse as the map.{blank}{failed}")
