"""A bundle and its quantised one side by side: `python benchmarks/quantise.py default lite --data DATA`.

Speed on one core, size, logits, and the answers to the locked part of HAM10000, into docs/quantisation.md. With
`--ways`, the ways that were tried, on the calibration part: they were chosen there, so those figures are no result.
Needs the training extra.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import beside
import numpy as np
import onnx

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.preprocess import VIEW_COUNTS
from macule.data.record import Record
from macule.training import quantise, refit
from macule.training.quantise import Settings, graph
from macule.training.quantise import run as quantising

PAGE = Path(__file__).parents[1] / "docs" / "quantisation.md"
#: Every other one differs from the first in one thing. `range by entropy` came out best and ships.
WAYS: Mapping[str, Mapping[str, Any]] = {
    "range by minmax": {"method": "minmax"},
    "range by percentile": {"method": "percentile"},
    "range by entropy": {"method": "entropy"},
    "biases not corrected": {"method": "minmax", "correct": False},
    "weights of seven bits": {"method": "minmax", "seven_bits": True},
    "all convolutions quantised": {"method": "minmax", "keep": ()},
    "numbers between layers signed": {"method": "minmax", "signed": True},
}


def side_by_side(one: Bundle, other: Bundle, given: argparse.Namespace) -> list[str]:
    asked = beside.records(one, given.data, part="test", pairs=given.links, limit=given.limit)
    specs = [each.preprocessing if given.views is None else replace(each.preprocessing, views=given.views)
             for each in (one, other)]
    (first, before), (second, after) = (
        beside.shares(each.model, spec, each.calibration, asked)
        for each, spec in zip((one, other), specs, strict=True))
    pace = beside.pace(one.model, other.model, sizes=(specs[0].size, specs[1].size), rounds=given.rounds)
    sizes = [each.model.stat().st_size / 1e6 for each in (one, other)]
    away = np.abs(first - second)
    agree = float((first.argmax(axis=1) == second.argmax(axis=1)).mean())
    rows = [
        f"| ms a view, one core | {pace.one:.1f} | {pace.other:.1f} | {pace} times as fast |",
        f"| network, MB | {sizes[0]:.1f} | {sizes[1]:.1f} | {sizes[0] / sizes[1]:.1f} times smaller |",
        f"| difference of a logit, mean / largest | | | {away.mean():.3f} / {away.max():.2f} |",
        f"| same first diagnosis | | | {agree:.1%} |",
        *(f"| {name} | {left} | {right} | {beside.signed(less)} points |"
          for name, (left, right, less) in beside.compare(before, after, asked).items()),
    ]
    told = " and ".join(f"{each.id} ({each.sha256[:12]}, {spec.size} px, {views(spec.views)})"
                        for each, spec in zip((one, other), specs, strict=True))
    head = (f"{told}; HAM10000's locked part, {len(asked)} pictures of {beside.lesions(asked)} lesions; {given.rounds} "
            "rounds by turns.")
    return [head, "", f"| | {one.id} | {other.id} | difference |", "| --- | --- | --- | --- |", *rows]


def ways(bundle: Bundle, given: argparse.Namespace) -> Iterator[str]:
    """One row a way, from the bundle that is not quantised."""
    parts = refit.parted(bundle, given.data)
    sample = parts["train"][::max(1, len(parts["train"]) // given.pictures)][:given.pictures]
    asked = beside.records(bundle, given.data, part="calibration", limit=given.limit)
    spec = replace(bundle.preprocessing, views=1)
    first, before = beside.shares(bundle.model, spec, bundle.calibration, asked)
    yield (f"From {bundle.id} ({bundle.sha256[:12]}); ranges of {len(sample)} training pictures; HAM10000's "
           f"calibration part, {len(asked)} pictures of {beside.lesions(asked)} lesions, one view.\n")
    yield "| way | times as fast | MB | logits differ, mean / largest | same first | balanced accuracy, points |"
    yield "| --- | --- | --- | --- | --- | --- |"
    with tempfile.TemporaryDirectory() as folder:
        for name in given.ways or WAYS:
            path = Path(folder) / "model.onnx"
            _make(bundle, path, sample, WAYS[name])
            second, after = beside.shares(path, spec, bundle.calibration, asked)
            pace = beside.pace(bundle.model, path, sizes=(spec.size, spec.size), rounds=given.rounds)
            away = np.abs(first - second)
            agree = float((first.argmax(axis=1) == second.argmax(axis=1)).mean())
            less = beside.compare(before, after, asked)["balanced accuracy"][2]
            yield (f"| {name} | {pace} | {path.stat().st_size / 1e6:.1f} | {away.mean():.3f} / {away.max():.2f} | "
                   f"{agree:.1%} | {beside.signed(less)} |")


def _make(bundle: Bundle, path: Path, sample: Sequence[Record], way: Mapping[str, Any]) -> None:
    made = quantise.in_integers(graph.load(bundle.model), lambda: quantising.inputs(sample, bundle.preprocessing),
                                Settings(**way))
    onnx.save(made, str(path))


def views(count: int) -> str:
    return "1 view" if count == 1 else f"{count} views"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", help="the bundle, and the quantised one (not with --ways)")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--links", type=Path)
    parser.add_argument("--views", type=int, choices=VIEW_COUNTS, help="in place of the bundles' own")
    parser.add_argument("--limit", type=int, help="about so many pictures, for a quick look")
    parser.add_argument("--pictures", type=int, default=64, help="with --ways: that the ranges come from")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--ways", nargs="*", choices=[*WAYS], help="compare these; all without a name")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    needed = 2 if given.ways is None else 1
    if len(given.bundles) != needed:
        parser.error(f"{len(given.bundles)} bundles are named; {needed} {'are' if needed == 2 else 'is'} needed "
                     f"{'without' if needed == 2 else 'with'} --ways: {', '.join(given.bundles)}")
    return given


def main() -> None:
    given = arguments()
    found = [bundles.load(name) for name in given.bundles]
    name = "side by side" if given.ways is None else "ways"
    rows = side_by_side(found[0], found[1], given) if given.ways is None else ways(found[0], given)
    lines = []
    for row in rows:
        print(row, flush=True)
        lines.append(row)
    beside.fill(given.page, name, "\n".join(lines))


if __name__ == "__main__":
    main()
