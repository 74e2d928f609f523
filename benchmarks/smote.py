"""Does SMOTE help on embeddings of HAM10000? System B tried and rejected it; this measures it again.

    python benchmarks/smote.py --data ../shared/data    # writes docs/results/smote.md

About 25 minutes of one core, 5 of them for the embeddings, which are kept in the work folder. Needs the training extra
and imbalanced-learn.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import embeddings
import numpy as np
import smote_arms as arms
from smote_arms import Ints, Scored, Task
from smote_figures import BY_PICTURE, FIRST, FIRST_REAL, MOVED, REFERENCE, SMOTE, Outcome, compare
from smote_page import page

from macule.data import kinship, links, sources
from macule.data.record import Record
from macule.taxonomy import Diagnosis

HONEST: dict[str, arms.Balance] = {
    "plain": arms.plain, REFERENCE: arms.class_weights, "random oversampling": arms.oversample, SMOTE: arms.smote,
}


def tasks(records: Sequence[Record], features: arms.Rows, lesion: Ints) -> dict[str, Task]:
    """Malignant against benign as in system B, and HAM10000's seven classes."""
    codes = [code for code in Diagnosis if any(record.diagnosis is code for record in records)]
    classes = np.array([codes.index(record.diagnosis) for record in records])
    suspicious = np.array([code.suspicious for code in codes])
    return {
        "Malignant against benign": Task(features, suspicious[classes].astype(int), np.array([False, True]), lesion),
        "The seven classes": Task(features, classes, suspicious, lesion),
    }


def measure(title: str, task: Task, seeds: int, log: Callable[[str], None]) -> Outcome:
    scored: dict[str, list[Scored]] = {}
    for name, folds in _runs(task, seeds):
        scored.setdefault(name, []).extend(folds)
        log(f"{title}: {name}")
    scored[MOVED] = [arms.without_prior(task, each) for each in scored["plain"]]
    scored[FIRST_REAL] = [each.real() for each in scored[FIRST]]
    order = ("plain", MOVED, *list(HONEST)[1:], BY_PICTURE, FIRST_REAL, FIRST)
    scored = {name: scored[name] for name in order}
    return Outcome(
        title, compare(task, scored, reference=REFERENCE),
        {name: Counter(each.penalty for each in folds) for name, folds in scored.items()},
        {name: sum(len(each.targets) for each in folds) // seeds for name, folds in scored.items()},
    )


def _runs(task: Task, seeds: int) -> Iterator[tuple[str, list[Scored]]]:
    for seed in range(seeds):
        for name, balance in HONEST.items():
            yield name, list(arms.cross_validate(task, balance, by_lesion=True, seed=seed))
        yield BY_PICTURE, list(arms.cross_validate(task, arms.class_weights, by_lesion=False, seed=seed))
        yield FIRST, list(arms.smote_first(task, seed=seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds HAM10000 as unzipped")
    parser.add_argument("--links", type=Path, default=Path("docs/results/pairs.csv"))
    parser.add_argument("--work", type=Path, default=Path("work"), help="where the embeddings are kept")
    parser.add_argument("--seeds", type=int, default=3, help="repeats of the cross-validation")
    parser.add_argument("--out", type=Path, default=Path("docs/results/smote.md"))
    options = parser.parse_args()
    records = sources.load("ham10000", options.data / sources.find("ham10000").folder)
    lesion = kinship.of_records(records, links.read(options.links)).components()
    found = tasks(records, embeddings.load(records, options.work), lesion)
    outcomes = [measure(title, task, options.seeds, print) for title, task in found.items()]
    written = page(outcomes, found["The seven classes"], size=embeddings.SIZE, seeds=options.seeds)
    options.out.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
