"""Is the locked part a lucky one? `python benchmarks/folds.py work/NAME-5folds-1a2b3c4d default --data DATA`.

The answers of a cross-validation (`macule train NAME --folds 5`) to HAM10000, each by a network that saw no kin of the
picture, on the lesions that a bundle keeps locked and on all others, and the bundle's own on the locked ones: how hard
its exam is, and how far the bundle is ahead of the short recipe of the folds. Into docs/results/folds.md. Needs the
training extra.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from pathlib import Path

import beside
import kept
import numpy as np
import parted
from numpy.typing import NDArray

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.data import links, sources
from macule.data.record import Record
from macule.errors import DatasetError
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats

PAGE = Path(__file__).parents[1] / "docs" / "results" / "folds.md"
DATASET = "ham10000"
COLUMNS = ("folds, all", "folds, other lesions", "folds, locked", "locked less other", "bundle, locked",
           "bundle less folds")


def answered(folder: Path, every: list[Record]) -> tuple[list[Record], Floats]:
    """Of the cross-validation: the pictures of a single class that it answered, and what it answered, (N, 11).

    Raises: DatasetError if it answered none of these.
    """
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["image"]: [float(row[code.value]) for code in beside.CODES] for row in csv.DictReader(stream)}
    asked = [record for record, name in zip(every, kept.names(every), strict=True)
             if name in rows and len(record.labels) == 1]
    if not asked:
        raise DatasetError(f"{folder} answers no picture of {DATASET}: give the folder of a cross-validation of it.")
    return asked, np.array([rows[name] for name in kept.names(asked)])


def compare(asked: list[Record], folds: Floats, locked: NDArray[np.bool_],
            own: Floats) -> dict[str, Mapping[str, Figure]]:
    """Each figure by column, over the same resamples of whole lesions.

    folds: of all pictures, (N, 11). locked: bool, (N,). own: the bundle's answers to the locked ones, in order.
    """
    classes = [beside.CODES.index(code) for code in sources.find(DATASET).classes]
    there = [record for record, kept_back in zip(asked, locked, strict=True) if kept_back]
    others = [record for record, kept_back in zip(asked, locked, strict=True) if not kept_back]
    every, other, here, bundle = (beside.figures(found, of, classes) for found, of in (
        (folds, asked), (folds[~locked], others), (folds[locked], there), (own, there)))

    def measure(drawn: Floats) -> dict[tuple[str, str], Floats]:
        whole, out, inside, bundled = (every(drawn), other(drawn[:, ~locked]), here(drawn[:, locked]),
                                       bundle(drawn[:, locked]))
        return {(name, column): value for name in whole for column, value in zip(COLUMNS, (
            whole[name], out[name], inside[name], inside[name] - out[name], bundled[name],
            bundled[name] - inside[name]), strict=True)}

    found = metrics.figures(measure, metrics.resample([record.group for record in asked]))
    names = dict.fromkeys(name for name, _ in found)
    return {name: {column: found[name, column] for column in COLUMNS} for name in names}


def table(bundle: Bundle, folder: Path, data: Path, pairs: Path) -> list[str]:
    every = sources.load(DATASET, data / sources.find(DATASET).folder)
    asked, folds = answered(folder, every)
    kept_back = set(kept.names(parted.of_part(bundle, asked, "test", links.read(pairs))))
    locked = np.array([name in kept_back for name in kept.names(asked)])
    there = [record for record, here in zip(asked, locked, strict=True) if here]
    _, own = beside.shares(bundle.model, bundle.preprocessing, bundle.calibration, there)
    told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    found = compare(asked, folds, locked, own)
    rows = [f"| {name} | " + " | ".join(_cell(column, figure) for column, figure in figures.items()) + " |"
            for name, figures in found.items()]
    head = (f"Recipe {told['recipe']}, {len(told['folds'])} folds, {len(asked)} pictures of {beside.lesions(asked)} "
            f"lesions; locked: {len(there)} pictures of {beside.lesions(there)} lesions that {bundle.id} "
            f"({bundle.sha256[:12]}) has not learnt from. Differences in points of a hundred.")
    return [head, "", "| | " + " | ".join(COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS), *rows]


def _cell(column: str, figure: Figure) -> str:
    return beside.signed(figure) if " less " in column else str(figure)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, help="the folder of macule train NAME --folds 5")
    parser.add_argument("bundle", help="the bundle whose locked part is asked about")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--links", type=Path, default=parted.LINKS)
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    lines = table(bundles.load(given.bundle), given.folds, given.data, given.links)
    print("\n".join(lines))
    beside.fill(given.page, "folds", "\n".join(lines))


if __name__ == "__main__":
    main()
