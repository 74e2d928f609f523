"""`macule evaluate`: read a data set, refuse what the bundle has seen, score the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from macule.analysis.bundle import Bundle
from macule.analysis.patient import Modality
from macule.analysis.pipeline import Analyzer
from macule.data import membership, sources
from macule.data.record import Record
from macule.errors import DatasetError, LeakingSplit, UsageError
from macule.evaluation import metrics, scoring

PARTS = ("train", "val", "test", "all")
_OURS = {"train": "train", "val": "calibration", "test": "test"}


def select(bundle: Bundle, dataset: str, root: Path, *, part: str, modality: Modality | None = None) -> list[Record]:
    """The records of a part: the publisher's where there is one, else the bundle's own split.

    modality: only pictures of this kind.

    Raises: UsageError for an unknown part; DatasetError if the part is empty or the bundle does not say what is in it.
    """
    if part not in PARTS:
        raise UsageError(f"the part is {part!r}; one of {', '.join(PARTS)} is needed.")
    if dataset in sources.OFFICIAL or part == "all":
        records = sources.load(dataset, root, part=part)
    else:
        known = membership.read(bundle.folder / membership.FILE)
        if not known:
            raise DatasetError(f"bundle {bundle.id} has no {membership.FILE} that says what is in {part!r}: score all.")
        records = [r for r in sources.load(dataset, root) if known.get(r.group) == _OURS[part]]
    records = [record for record in records if modality in (None, record.patient.modality)]
    if not records:
        kind = f"{modality} picture" if modality else "picture"
        raise DatasetError(
            f"{dataset} under {root} has no {kind} in the part {part!r} of bundle {bundle.id}: try --split all."
        )
    return records


def leaked(bundle: Bundle, records: list[Record]) -> set[str]:
    """Lesions among the records that the bundle was trained or calibrated on."""
    known = membership.read(bundle.folder / membership.FILE)
    return {record.group for record in records if known.get(record.group) in membership.FITTED}


def evaluate(
    *,
    bundle: Bundle,
    dataset: str,
    root: Path,
    part: str,
    modality: Modality | None = None,
    allow_leak: bool = False,
    with_patient: bool = True,
    threads: int | None = None,
    resamples: int = metrics.RESAMPLES,
    start: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> dict[str, Any]:
    """Score a bundle on a data set.

    threads: pictures judged at once; None is one a core.
    start: told how many pictures there are; returns what to call after each, for a progress bar.
    Returns: the figures. `leaky`: True if a lesion was fitted on, None if the bundle does not say what it saw.
    Raises: LeakingSplit if a lesion was fitted on, unless allow_leak.
    """
    records = select(bundle, dataset, root, part=part, modality=modality)
    seen = leaked(bundle, records)
    if seen and not allow_leak:
        raise LeakingSplit(
            f"bundle {bundle.id} was fitted on {len(seen)} of these lesions ({min(seen)}, ...): "
            f"score --split test, or mark the figures LEAKY with --allow-leak."
        )
    tick = start(len(records))
    predictions = scoring.predict(Analyzer(bundle), records, with_patient=with_patient, workers=threads, tick=tick)
    return {
        "bundle": scoring.describe(bundle),
        "dataset": dataset,
        "split": part,
        "modality": modality.value if modality else "any",
        "patient_data": with_patient,
        "leaky": bool(seen) if (bundle.folder / membership.FILE).is_file() else None,
        **scoring.score(predictions, dataset, resamples=resamples),
    }

