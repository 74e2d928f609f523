"""`macule readers`: a reader study, measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from macule.analysis.bundle import Bundle
from macule.analysis.pipeline import Analyzer
from macule.data import links, membership, sources
from macule.data.links import Links
from macule.data.record import Record
from macule.errors import LeakingSplit, UsageError
from macule.evaluation import metrics, predictions
from macule.evaluation import service as evaluations
from macule.evaluation.readers import agreement, comparisons, points, readings, sheet, sides, switching
from macule.evaluation.readers.readings import Readings
from macule.evaluation.readers.sheet import Problems
from macule.evaluation.readers.sides import Model, Truth
from macule.evaluation.readers.study import ARMS, Meaning, Study, assemble

KEY = "readers"


def load(
    *,
    files: Sequence[Path],
    truth: Path | None = None,
    dataset: str | None = None,
    root: Path | None = None,
    bundle: Bundle | None = None,
    answers: Path | None = None,
    scale: str = "auto",
    meaning: Meaning = "diagnosis",
    allow_leak: bool = False,
    pairs: Links = links.NONE,
    threads: int | None = None,
    start: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> Study:
    """The study that the files make. Wrong rows of all of them are told together.

    files: readers' CSVs. truth: a CSV, or else a data set under its root. bundle: judges the pictures that were read.
    answers: a CSV of the model's, in place of a bundle. start: as for `service.evaluate`.

    Raises: UsageError, DatasetError, InputNotFound, LeakingSplit
    """
    _check_sides(truth, dataset, root, bundle, answers)
    problems = Problems()
    given = readings.read(files, scale=scale, problems=problems)
    records = _records(dataset, root, given) if dataset and root else []
    known = sides.truth_of_records(records) if truth is None else sides.read_truth(truth, problems)
    model = sides.read_model(answers, problems) if answers else None
    if bundle is not None:
        assemble(given, known, None, meaning=meaning, problems=problems)  # judging takes minutes: first what is wrong
        model = _judged(bundle, _read(records, known), allow_leak=allow_leak, pairs=pairs, threads=threads, start=start)
    return assemble(given, known, model, meaning=meaning, problems=problems)


def meaning(word: str) -> Meaning:
    """Raises: UsageError"""
    if word not in get_args(Meaning):
        raise UsageError(f"--confidence-of is {word!r}; one of {', '.join(get_args(Meaning))} is needed.")
    return cast(Meaning, word)


def measure(study: Study, *, resamples: int = metrics.RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """All figures as plain numbers with n and 95 % intervals; what is undefined is None.

    Intervals are over lesions or patients, with these readers; those of `mrmc` are over readers and lesions.
    """
    weights = metrics.resample(study.groups, resamples=resamples, seed=seed)
    return {
        "simulated": study.simulated,
        "resamples": resamples,
        "design": _design(study),
        "model": points.of_model(study, weights),
        "points": points.of_readers(study, weights),
        "against_model": points.against_model(study, weights),
        "agreement": agreement.measure(study, weights),
        "mrmc": comparisons.measure(study),
        "switching": switching.measure(study, weights),
    }


def _check_sides(truth: Path | None, dataset: str | None, root: Path | None, bundle: Bundle | None,
                 answers: Path | None) -> None:
    if (truth is None) == (dataset is None):
        raise UsageError("the truth comes from --truth FILE or from --dataset ID --root DIR: give one of the two.")
    if dataset is not None and root is None:
        raise UsageError(f"--dataset {dataset} needs --root, the folder that it was unzipped in.")
    if bundle is not None and answers is not None:
        raise UsageError("--bundle and --predictions are both given, and a study has one model: leave one out.")
    if bundle is not None and dataset is None:
        raise UsageError("--bundle needs the pictures: give --dataset and --root, or the model's answers by "
                         "--predictions.")


def _records(dataset: str, root: Path, given: Readings) -> list[Record]:
    wanted = {reading.picture for reading in given.rows}
    return [record for record in sources.load(dataset, root) if sheet.name_of(record.picture_id) in wanted]


def _read(records: Sequence[Record], known: dict[str, Truth]) -> list[Record]:
    return [record for record in records if sheet.name_of(record.picture_id) in known]


def _judged(bundle: Bundle, records: list[Record], *, allow_leak: bool, pairs: Links, threads: int | None,
            start: Callable[[int], Callable[[], None]]) -> Model:
    leak = evaluations.leaked(bundle, records, pairs=pairs)
    if leak.leaking and not allow_leak:
        raise LeakingSplit(f"bundle {bundle.id} was fitted on {leak.lesions} of the lesions that were read: "
                           f"{leak.sentence()}: have others read, or mark the figures LEAKY with --allow-leak.")
    found = predictions.predict(Analyzer(bundle), records, workers=threads, tick=start(len(records)))
    known = False if (bundle.folder / membership.FILE).is_file() else None
    leaky = True if leak.leaking or evaluations.made_leaky(bundle) else known
    return sides.model_of_predictions(found, name=bundle.id, sha256=bundle.sha256, leaky=leaky)


def _design(study: Study) -> dict[str, Any]:
    read = study.read
    used, everyone = read.any(axis=(0, 1)), np.arange(len(study.readers))
    gaps = [gap for k in range(len(ARMS)) if read[k].any()
            for gap in comparisons.missing(study, k, everyone, np.asarray(used))]
    return {
        "readers": len(study.readers),
        "pictures": len(study.pictures),
        "lesions": len(set(study.groups)),
        "positives": int(study.positive.sum()),
        "readings": {arm: int(read[k].sum()) for k, arm in enumerate(ARMS)},
        "crossed": not gaps,
        "missing": gaps,
        "scale": study.scale.name,
        "scale_detected": study.detected,
        "confidence_of": study.meaning,
        "without_confidence": int((read & np.isnan(study.scores)).sum()),
        "by_reader": [{"reader": name, "experience": study.experience[j] or None,
                       **{arm: int(read[k, j].sum()) for k, arm in enumerate(ARMS)}}
                      for j, name in enumerate(study.readers)],
    }
