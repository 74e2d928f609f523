"""The page of a run: how it learnt, how good it came out, and what it was made of. One file, no script, no request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from macule import __version__
from macule.analysis.result import DISCLAIMER
from macule.data import atomic, guard
from macule.evaluation import runs
from macule.evaluation.comparing import WORDS, written
from macule.evaluation.curve import Look
from macule.evaluation.runs import HEADLINES, Run
from macule.exchange import page, run_curves
from macule.taxonomy import Diagnosis

#: What of a class the page shows: key in its row of the report -> head of the column.
OF_A_CLASS = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity"}
#: Parts of the machine, as they are called on the page.
MACHINE = {"cpu": "CPU", "memory_gb": "memory, GB", "os": "system"}


@dataclass(frozen=True)
class Figure:
    """A measured figure as it is shown. value: None where it is undefined. Places: percent of a rail from 0 to 1.

    mark: stands before every figure of a leaking split. count: of how many, in words.
    """

    name: str
    value: str | None
    interval: str
    count: str
    mark: str
    at: float = 0.0
    low: float = 0.0
    width: float = 0.0

    @property
    def text(self) -> str:
        return f"{self.mark}{self.value} {self.interval}".strip() if self.value else "undefined"


@dataclass(frozen=True)
class Report:
    """What was measured on one part. classes: name of the diagnosis -> its figures, by OF_A_CLASS."""

    title: str
    counts: str
    headlines: tuple[Figure, ...]
    others: tuple[Figure, ...]
    classes: Mapping[str, tuple[Figure, ...]]


@dataclass(frozen=True)
class Group:
    """A section of the recipe, and its settings as TOML writes them."""

    name: str
    settings: tuple[tuple[str, str], ...]


def write(run: Run, *, now: datetime, out: Path | None = None) -> Path:
    """The page of a run. out: `index.html` in the run's folder unless given. Returns: where it is. Raises: OSError."""
    figure, look = run_curves.best(run)
    path = out or run.folder / page.PAGE
    put(
        path, "run.html", run=run, charts=run_curves.of(run), reports=[report(each, run) for each in run.metrics],
        figure=run_curves.NAMES[figure], look=look, groups=list(groups(run.recipe)), facts=list(facts(run)),
        glance=list(_glance(run)), duration=lasted(run.duration), looks=[_look(each) for each in run.curve.looks],
        mark=guard.mark(run.marked), now=now, version=__version__, disclaimer=DISCLAIMER,
    )
    return path


def _glance(run: Run) -> Iterator[tuple[str, str]]:
    """The few facts that one wants first."""
    if "train" in run.pictures:
        yield "Trained on", f"{run.pictures['train']:,} pictures{_lesions(run, 'train')}"
    yield "Backbone", run.start.backbone
    yield "Started from", run.start.weights if run.start.pretrained else "random weights"
    if run.curve.steps:
        last = run.curve.steps[-1]
        yield "Length", f"{last.step:,} steps, {last.epoch:.1f} epochs"
    yield "Seed", str(run.seed)


def put(path: Path, template: str, **values: Any) -> None:
    """Raises: OSError; what stood at `path` is then still there."""
    with atomic.writing(path, errors="backslashreplace") as stream:
        stream.write(page.render(template, **values))


def report(found: Mapping[str, Any], run: Run) -> Report:
    """found: one report of metrics.json."""
    mark = guard.mark(run.leaky or found.get("leaky", False))
    single = {name: value for name, value in found.items() if isinstance(value, Mapping) and "value" in value}
    headlines = tuple(shown(HEADLINES[name], single.get(name), mark) for name in HEADLINES)
    others = tuple(shown(in_words(name), value, mark) for name, value in single.items() if name not in HEADLINES)
    classes = {_diagnosis(code): tuple(shown(words, row.get(name), mark) for name, words in OF_A_CLASS.items())
               for code, row in found.get("classes", {}).items()}
    return Report(_title(found), _counts(found), headlines, others, classes)


def shown(name: str, figure: Mapping[str, Any] | None, mark: str = "") -> Figure:
    """figure: value, low, high, n and perhaps positives; None where it was not measured."""
    value = figure.get("value") if figure else None
    count = _of(figure) if figure else ""
    if figure is None or value is None:
        return Figure(name, None, "", count, mark)
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        return Figure(name, f"{value:.3f}", "", count, mark, at=_share(value))
    return Figure(name, f"{value:.3f}", f"({low:.3f} to {high:.3f})", count, mark, _share(value), _share(low),
                  round(_share(high) - _share(low), 2))


def in_words(name: str) -> str:
    return name.replace("_", " ").replace("%", " %")


def groups(recipe: Mapping[str, Any]) -> Iterator[Group]:
    """The recipe by section: first what stands above all sections."""
    top = {key: value for key, value in recipe.items() if key not in WORDS and not runs.is_section(value)}
    yield Group("recipe", _written(top))
    for name, section in recipe.items():
        if name not in WORDS and runs.is_section(section):
            parts = section if isinstance(section, Sequence) else [section]
            for number, part in enumerate(parts, 1):
                yield Group(f"{name} {number}" if isinstance(section, Sequence) else name,
                            _written(runs.settings(part)))


def _written(table: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, written(value)) for name, value in table.items())


def facts(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What a run was made of, by heading."""
    parts = [(part, f"{count:,} pictures{_lesions(run, part)}") for part, count in run.pictures.items()]
    split = [(in_words(name), written(value)) for name, value in runs.settings(run.split).items()]
    yield "Pictures", [*parts, ("manifest", run.manifest or "none: the recipe's own split")]
    yield "Split", [*split, ("leaky", "yes" if run.leaky else "no")]
    yield "Start", [("backbone", run.start.backbone), ("weights", run.start.weights), ("seed", str(run.seed)),
                    ("recipe, SHA-256", run.recipe_sha256)]
    yield "Machine", [(MACHINE.get(name, in_words(name)), written(value)) for name, value in run.machine.items()]
    yield "Versions", [(name, value or "not installed" if name != "commit" else value or "no checkout")
                       for name, value in run.versions.items()]


def lasted(time: timedelta) -> str:
    """3 days, 3 h 12 min, 4 min, 12 s."""
    seconds = round(time.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if time.days >= 3:
        return f"{time.days} days"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _lesions(run: Run, part: str) -> str:
    return f" of {run.lesions[part]:,} lesions" if part in run.lesions else ""


def _look(look: Look) -> tuple[str, ...]:
    figures = (look.value(name) for name in run_curves.NAMES)
    return (f"{look.step:,}", f"{look.epoch:.2f}", *("" if each is None else f"{each:.3f}" for each in figures))


def _title(found: Mapping[str, Any]) -> str:
    return str(found.get("title") or f"{found['dataset']}, {found.get('split', 'test')} part")


def _counts(found: Mapping[str, Any]) -> str:
    counts = [f"{found[name]:,} {name}" for name in ("pictures", "lesions") if name in found]
    return ", ".join([*counts, *(f"{found[name]:,} {name}" for name in ("refused", "failed") if found.get(name))])


def _of(figure: Mapping[str, Any]) -> str:
    if "positives" in figure:
        return f"{figure['positives']:,} of {figure['n']:,}"
    return f"n = {figure['n']:,}"


def _share(value: float) -> float:
    return round(100 * min(max(value, 0.0), 1.0), 2)


def _diagnosis(code: str) -> str:
    known = {each.value: each.entry.name for each in Diagnosis}
    return known.get(code, code)
