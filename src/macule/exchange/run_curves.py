"""The curves of one run, or of several laid over each other, as charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from macule.evaluation.curve import FIGURES, Curve, Look, Step
from macule.evaluation.runs import Run
from macule.exchange import chart
from macule.exchange.chart import Band, Chart, Dot, Frame, Key, Line, Point, Scale

NAMES = {"loss": "loss", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "auc": "AUC"}
NEVER = "The validation part was not looked at."
YET = "No step has been written yet."


def best(run: Run) -> tuple[str, Look | None]:
    """The figure that the recipe stops by, and the best look by it."""
    stopping = run.recipe.get("stopping") or {}
    figure = str(stopping.get("figure", "loss"))
    figure = figure if figure in FIGURES else "loss"
    return figure, run.curve.best(figure)


@dataclass(frozen=True)
class _Ground:
    """What all charts of a run share. mark: place of the best look."""

    curve: Curve
    x: Scale
    bands: tuple[Band, ...]
    mark: float | None

    def chart(self, anchor: str, title: str, frame: Frame, words: str, *, lines: Sequence[Line],
              keys: Sequence[Key], dots: Sequence[Dot] = (), unit: str = "") -> Chart:
        return Chart(anchor, title, unit, words, frame.x_ticks(), frame.y_ticks(), tuple(lines), tuple(dots),
                     self.bands, tuple(keys), self.mark)


def of(run: Run) -> list[Chart]:
    """Loss, learning rate, accuracies and AUC of one run, on one and the same axis of epochs."""
    curve = run.curve
    x = _epochs([curve])
    look = best(run)[1]
    ground = _Ground(curve, x, _bands(curve, x), None if look is None else round(x.at(look.epoch), 2))
    return [
        _loss(ground),
        _looks(ground, "accuracy", "Accuracy", ("balanced_accuracy", "accuracy")),
        _looks(ground, "auc", "AUC", ("auc",)),
        _rate(ground),
    ]


def overlaid(runs: Sequence[Run]) -> list[Chart]:
    """The same, with a line for each run; runs are told apart by number, colour and dashes."""
    curves = [run.curve for run in runs]
    x = _epochs(curves)
    charts = [
        _over("train-loss", "Training loss, smoothed", x, [_smooth(curve.steps) for curve in curves], YET),
        *(_over(f"validation-{figure.replace('_', '-')}", f"Validation {NAMES[figure]}", x,
                [[_points(curve.looks, figure)] for curve in curves], NEVER, bounded=figure != "loss")
          for figure in FIGURES),
        _over("rate", "Learning rate", x, [_rates(curve.steps) for curve in curves], YET, log=True),
    ]
    order = ("validation-loss", "train-loss", "validation-balanced-accuracy", "validation-auc", "validation-accuracy",
             "rate")
    return sorted(charts, key=lambda each: order.index(each.anchor))


def _loss(ground: _Ground) -> Chart:
    curve, smooth = ground.curve, _smooth(ground.curve.steps)
    seen = _points(curve.looks, "loss")
    raw = sorted(row.loss for row in curve.steps if math.isfinite(row.loss))
    # A few outliers of single batches would press all the rest flat: they leave the chart at its top.
    usual = raw[: math.ceil(0.99 * len(raw))]
    if not usual and not seen:
        return _nothing("loss", "Loss", YET)
    values = [*usual, *(min(y, *usual[-1:]) for part in smooth for _, y in part), *(y for _, y in seen)]
    frame = Frame(ground.x, Scale.round_(values, least=0.0))
    keys = [Key("training, smoothed", "train"), Key("as logged", "raw")] if usual else []
    keys += [Key(_key(curve, "loss"), "look")] if seen else []
    lines = [*(frame.line(part, "raw") for part in _raw(curve.steps)),
             *(frame.line(part, "train") for part in smooth), frame.line(seen, "look")]
    return ground.chart("loss", "Loss", frame, _loss_words(smooth, curve), lines=lines, keys=keys,
                        dots=_dots(frame, curve.looks, "loss", "look"))


def _rate(ground: _Ground) -> Chart:
    parts = _rates(ground.curve.steps)
    values = [y for part in parts for _, y in part]
    if not values:
        return _nothing("rate", "Learning rate", YET)
    frame = Frame(ground.x, Scale.decades(values))
    words = f"The learning rate is at most {max(values):.2g} and ends at {values[-1]:.2g}."
    return ground.chart("rate", "Learning rate", frame, words, lines=[frame.line(part, "train") for part in parts],
                        keys=[Key(f"of the pretrained weights, at most {chart.power(max(values))}", "train")],
                        unit="logarithmic")


def _looks(ground: _Ground, anchor: str, title: str, figures: tuple[str, ...]) -> Chart:
    curve = ground.curve
    drawn = {figure: points for figure in figures if (points := _points(curve.looks, figure))}
    if not drawn:
        return _nothing(anchor, title, f"{title} was undefined at every look." if curve.looks else NEVER)
    frame = Frame(ground.x, Scale.round_([y for points in drawn.values() for _, y in points], least=0.0, most=1.0))
    styles = dict(zip(figures, ("look", "second"), strict=False))
    return ground.chart(
        anchor, title, frame, " ".join(_look_words(curve, figure) for figure in drawn),
        lines=[frame.line(points, styles[figure]) for figure, points in drawn.items()],
        keys=[Key(_key(curve, figure), styles[figure]) for figure in drawn],
        dots=[dot for figure in drawn for dot in _dots(frame, curve.looks, figure, styles[figure])],
    )


def _over(anchor: str, title: str, x: Scale, runs: Sequence[Sequence[Sequence[Point]]], empty: str, *,
          bounded: bool = False, log: bool = False) -> Chart:
    """runs: for each, its line in parts."""
    values = [y for parts in runs for part in parts for _, y in part]
    if not values:
        return _nothing(anchor, title, empty)
    y = Scale.decades(values) if log else Scale.round_(values, least=0.0, most=1.0 if bounded else None)
    frame = Frame(x, y)
    lines = [frame.line(part, f"run run-{number}") for number, parts in enumerate(runs, 1) for part in parts]
    dots = [frame.dot(part[-1], f"run {number}: {part[-1][1]:.4g}", f"run-{number}")
            for number, parts in enumerate(runs, 1) for part in parts[-1:] if part]
    ends = "; ".join(f"run {number} ends at {part[-1][1]:.3g}" for number, parts in enumerate(runs, 1)
                     for part in parts[-1:] if part)
    return Chart(anchor, title, "logarithmic" if log else "", f"{title}: {ends}.", frame.x_ticks(), frame.y_ticks(),
                 tuple(line for line in lines if line.path), tuple(dots))


def _nothing(anchor: str, title: str, why: str) -> Chart:
    return Chart(anchor, title, "", why, (), (), empty=why)


def _epochs(curves: Sequence[Curve]) -> Scale:
    """From the start to the last row; the axis ends there and not at the next tick."""
    last = max((rows[-1].epoch for curve in curves for rows in (curve.steps, curve.looks) if rows), default=1.0)
    return Scale(0.0, last if last > 0 else 1.0)


def _bands(curve: Curve, x: Scale) -> tuple[Band, ...]:
    """The phases; none where there is but one. A phase ends where the next begins."""
    starts = [(phase, next(rows).epoch) for phase, rows in groupby(curve.steps, key=lambda row: row.phase)]
    if len(starts) < 2:
        return ()
    sizes = {row.phase: row.size for row in reversed(curve.steps)}
    edges = [0.0, *(x.at(epoch) for _, epoch in starts[1:]), 100.0]
    return tuple(_band(phase, sizes.get(phase), left, right)
                 for (phase, _), (left, right) in zip(starts, pairwise(edges), strict=True))


def _band(phase: int, size: int | None, left: float, right: float) -> Band:
    width = right - left
    label = f"phase {phase + 1}" if width >= 20 else str(phase + 1) if width >= 5 else ""
    return Band(round(left, 2), round(width, 2), f"{label} · {size} px" if size and width >= 40 else label)


def _raw(steps: Sequence[Step]) -> Iterator[list[Point]]:
    for _, rows in groupby(steps, key=lambda row: row.phase):
        yield [(row.epoch, row.loss) for row in rows if math.isfinite(row.loss)]


def _smooth(steps: Sequence[Step]) -> list[list[Point]]:
    """Begun anew with every phase: the loss jumps there, for good reason."""
    span = max(5.0, len(steps) / 30)
    parts = [part for part in _raw(steps) if part]
    return [list(zip([x for x, _ in part], chart.smoothed([y for _, y in part], span=span), strict=True))
            for part in parts]


def _rates(steps: Sequence[Step]) -> list[list[Point]]:
    """In one part, so that a step from one phase to the next is drawn; a rate of 0 has no place on the axis."""
    points = [(row.epoch, row.rate) for row in steps if row.rate > 0]
    return [points] if points else []


def _points(looks: Sequence[Look], figure: str) -> list[Point]:
    return [(look.epoch, value) for look in looks if (value := look.value(figure)) is not None]


def _dots(frame: Frame, looks: Sequence[Look], figure: str, style: str) -> tuple[Dot, ...]:
    return tuple(frame.dot((look.epoch, value), f"{NAMES[figure]} {value:.4g}, epoch {look.epoch:.2f}, "
                           f"step {look.step:,}", style)
                 for look in looks if (value := look.value(figure)) is not None)


def _key(curve: Curve, figure: str) -> str:
    look = curve.best(figure)
    name = "validation" if figure in ("loss", "auc") else NAMES[figure]
    return name if look is None else f"{name}, at best {look.value(figure):.3f}"


def _loss_words(smooth: Sequence[Sequence[Point]], curve: Curve) -> str:
    trained = (f"The training loss goes from {smooth[0][0][1]:.3g} to {smooth[-1][-1][1]:.3g}." if smooth else "")
    return f"{trained} {_look_words(curve, 'loss')}".strip()


def _look_words(curve: Curve, figure: str) -> str:
    look = curve.best(figure)
    if look is None:
        return ""
    return (f"The best validation {NAMES[figure]} is {look.value(figure):.3f}, at epoch {look.epoch:.1f}; the last is "
            f"{_points(curve.looks, figure)[-1][1]:.3f}.")


