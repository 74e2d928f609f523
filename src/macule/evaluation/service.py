"""`macule evaluate`: read a data set, refuse what the bundle has seen, score the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from macule.analysis.bundle import MANIFEST, Bundle
from macule.analysis.patient import Modality
from macule.analysis.pipeline import Analyzer
from macule.data import guard, kinship, links, membership, sources
from macule.data.engine import Engine
from macule.data.guard import Leak
from macule.data.links import Links
from macule.data.membership import Membership
from macule.data.record import Record
from macule.errors import DatasetError, LeakingSplit, UnreadableImage, UsageError
from macule.evaluation import metrics, scoring
from macule.evaluation import predictions as answers

PARTS = ("train", "val", "test", "all")
_OURS = {"train": "train", "val": "calibration", "test": "test"}


def select(bundle: Bundle, dataset: str, root: Path, *, part: str, modality: Modality | None = None) -> list[Record]:
    """The records of a part: the publisher's where there is one, else the bundle's own split.

    modality: only pictures of this kind.

    Raises: UsageError for an unknown part; DatasetError if the part is empty, if the bundle does not say what is in it,
    or if a picture has no single diagnosis.
    """
    if part not in PARTS:
        raise UsageError(f"the part is {part!r}; one of {', '.join(PARTS)} is needed.")
    if sources.find(dataset).parts or part == "all":
        records = sources.load(dataset, root, part=part)
    else:
        known = membership.load(bundle.folder / membership.FILE)
        if not known.parts:
            raise DatasetError(f"bundle {bundle.id} has no {membership.FILE} that says what is in {part!r}: score all.")
        records = [r for r in sources.load(dataset, root) if known.part_of(r) == _OURS[part]]
    records = [record for record in records if modality in (None, record.patient.modality)]
    if not records:
        kind = f"{modality} picture" if modality else "picture"
        raise DatasetError(
            f"{dataset} under {root} has no {kind} in the part {part!r} of bundle {bundle.id}: try --split all."
        )
    _need_one_class(dataset, records)
    return records


def _need_one_class(dataset: str, records: list[Record]) -> None:
    """Raises: DatasetError if a label lumps classes ("benign") or says nothing."""
    vague = [record for record in records if len(record.labels) != 1]
    if vague:
        first = vague[0]
        raise DatasetError(
            f"{len(vague)} of {len(records)} pictures of {dataset} have no single diagnosis ({first.picture_id} says "
            f"{first.dx_original or 'nothing'!r}), and the figures are taken over single classes: choose another set "
            "or part."
        )


def leaked(bundle: Bundle, records: list[Record], *, pairs: Links = links.NONE) -> Leak:
    """What the records share with those that the bundle was trained or calibrated on.

    pairs: pictures that are known to show one photograph.
    """
    known = membership.load(bundle.folder / membership.FILE)
    scored = known.scored(records, pairs, sha256=_hashes(known, records))
    (leak,) = guard.check({f"what {bundle.id} was fitted on": known.fitted(pairs), "the exam": scored}).leaks
    return leak


def without_kin(bundle: Bundle, records: list[Record], *, pairs: Links = links.NONE) -> list[Record]:
    """The records without those that `leaked` counts.

    Raises: DatasetError if none is left.
    """
    known = membership.load(bundle.folder / membership.FILE)
    fitted = known.fitted(pairs)
    component = kinship.join([fitted, known.scored(records, pairs, sha256=_hashes(known, records))]).components()
    seen = set(component[:len(fitted)].tolist())
    kept = [record for record, of in zip(records, component[len(fitted):].tolist(), strict=True) if of not in seen]
    if not kept:
        raise DatasetError(f"bundle {bundle.id} was fitted on kin of all {len(records)} pictures: score another set.")
    return kept


def _hashes(known: Membership, records: list[Record]) -> dict[str, str]:
    """Nothing is read where the bundle does not know its pictures' bytes."""
    found: dict[str, str] = {}
    for record in records if known.fine else ():
        try:
            found[f"{record.dataset}:{record.picture_id}"] = hashlib.sha256(record.read()).hexdigest()
        except UnreadableImage:
            continue  # it will be counted as failed
    return found


def made_leaky(bundle: Bundle) -> bool:
    """Whether the bundle's own parts shared kin, so that none of its figures can be trusted."""
    path = bundle.folder / MANIFEST
    made = json.loads(path.read_text(encoding="utf-8")).get("provenance", {}) if path.is_file() else {}
    return bool(made.get("leaky")) or membership.load(bundle.folder / membership.FILE).leaky


def evaluate(
    *,
    bundle: Bundle,
    dataset: str,
    root: Path,
    part: str,
    modality: Modality | None = None,
    allow_leak: bool = False,
    drop_leaks: bool = False,
    pairs: Links = links.NONE,
    with_patient: bool = True,
    engine: Engine | None = None,
    threads: int | None = None,
    resamples: int = metrics.RESAMPLES,
    start: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> dict[str, Any]:
    """Score a bundle on a data set.

    drop_leaks: score what is left without the pictures that leak; how many is in `dropped_leaks`.
    pairs: pictures that are known to show one photograph, from `macule data audit`.
    engine: where pictures are judged; None is this machine, with `threads` at once (None is one a core).
    start: told how many pictures there are; returns what to call after each, for a progress bar.
    Returns: the figures. `leaky`: True if a lesion, patient or photograph was fitted on or the bundle itself was made
    from a leaking split; None if the bundle does not say what it saw. `leaks`: the counts, where there are any.
    Raises: LeakingSplit if something was fitted on, unless allow_leak.
    """
    asked = select(bundle, dataset, root, part=part, modality=modality)
    records = without_kin(bundle, asked, pairs=pairs) if drop_leaks else asked
    leak = leaked(bundle, records, pairs=pairs)
    if leak.leaking and not allow_leak:
        raise LeakingSplit(
            f"bundle {bundle.id} was fitted on {leak.lesions} of these lesions: {leak.sentence()}: "
            "score --split test, leave them out with --drop-leaks, or mark the figures LEAKY with --allow-leak."
        )
    tick = start(len(records))
    # A cluster's processes load the bundle themselves: a network at work cannot be sent.
    analyzer = bundle.folder if engine else Analyzer(bundle)
    predictions = answers.predict(analyzer, records, with_patient=with_patient, engine=engine, workers=threads,
                                  tick=tick)
    return {
        "bundle": scoring.describe(bundle),
        "dataset": dataset,
        "split": part,
        "modality": modality.value if modality else "any",
        "patient_data": with_patient,
        "leaky": _verdict(bundle, leak),
        **({"leaks": leak.to_dict()} if leak.leaking else {}),
        **({"dropped_leaks": len(asked) - len(records)} if drop_leaks else {}),
        **scoring.score(predictions, dataset, resamples=resamples),
    }


def _verdict(bundle: Bundle, leak: Leak) -> bool | None:
    if leak.leaking or made_leaky(bundle):
        return True
    return False if (bundle.folder / membership.FILE).is_file() else None
