"""`macule evaluate`: read a data set, refuse what the bundle has seen, score the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
from macule.evaluation import duplicates, lesions, metrics, scoring
from macule.evaluation import predictions as answers
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES, Memory, Predictions

#: Told how many pictures there are; gives what to call after each.
Start = Callable[[int], Callable[[], None]]
PARTS = ("train", "val", "test", "all")
#: What an answer is of.
PICTURE, LESION = "picture", "lesion"
BY = (PICTURE, LESION)
_OURS = {"train": "train", "val": "calibration", "test": "test"}


def select(bundle: Bundle, dataset: str, root: Path, *, part: str, modality: Modality | None = None) -> list[Record]:
    """The records of a part: the publisher's where there is one, else the bundle's own split.

    modality: only pictures of this kind.
    Returns: also the rows whose picture is not at hand (`record.picture` is None): they are counted, not scored.

    Raises: UsageError for an unknown part; DatasetError if the part is empty, if the bundle does not say what is in it,
    if none of its pictures is at hand, or if no label says anything that can be scored.
    """
    if part not in PARTS:
        raise UsageError(f"the part is {part!r}; one of {', '.join(PARTS)} is needed.")
    if sources.find(dataset).parts or part == "all":
        records = _rows(dataset, root, part=part)
    else:
        known = membership.load(bundle.folder / membership.FILE)
        if not known.parts:
            raise DatasetError(f"bundle {bundle.id} has no {membership.FILE} that says what is in {part!r}: score all.")
        records = [r for r in _rows(dataset, root) if known.part_of(r) == _OURS[part]]
    records = [record for record in records if modality in (None, record.patient.modality)]
    if not records:
        kind = f"{modality} picture" if modality else "picture"
        raise DatasetError(
            f"{dataset} under {root} has no {kind} in the part {part!r} of bundle {bundle.id}: try --split all."
        )
    _need_something(dataset, root, records)
    return records


def _rows(dataset: str, root: Path, *, part: str = "all") -> list[Record]:
    """As `sources.load`, with those rows of the ground truth whose picture is not here."""
    reading = sources.Reading(dataset, root, part, tables_only=True)
    return sorted(sources.read(reading, strict=False), key=lambda record: record.picture_id)


def _need_something(dataset: str, root: Path, records: list[Record]) -> None:
    """Raises: DatasetError if no picture is at hand, or no label names a class or says benign or malignant."""
    if all(record.picture is None for record in records):
        raise DatasetError(f"none of the {len(records)} pictures that {dataset} lists is under {root}: "
                           f"unzip the pictures there, unchanged (the first is {records[0].picture_id}).")
    blank = answers.Predictions(records, np.zeros((len(records), len(answers.CODES))))
    if np.isnan(blank.suspicious).all() and (blank.targets == answers.NO_CLASS).all():
        raise DatasetError(
            f"none of the {len(records)} pictures of {dataset} has a diagnosis, or is said to be benign or malignant "
            f"({records[0].picture_id} says {records[0].dx_original or 'nothing'!r}): choose another set or part."
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
    for record in (each for each in records if known.fine and each.picture is not None):
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


@dataclass(frozen=True)
class Asked:
    """What is to be scored, and how.

    drop_leaks: score what is left without the pictures that leak; how many is in `dropped_leaks`.
    pairs: pictures that are known to show one photograph, from `macule data audit`.
    with_patient: whether age, sex, site and modality are given to the network.
    views: how many turned and mirrored copies of a picture are averaged; None is the bundle's own number.
    by: of BY; one answer a lesion is made of all its pictures that are asked for.
    apart: other data sets; pictures that `pairs` link to one of theirs are left out; how many is in `linked_elsewhere`.

    Raises: UsageError for what cannot be asked.
    """

    dataset: str
    root: Path
    part: str
    modality: Modality | None = None
    with_patient: bool = True
    allow_leak: bool = False
    drop_leaks: bool = False
    pairs: Links = links.NONE
    views: int | None = None
    by: str = PICTURE
    apart: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise UsageError(f"--by is {self.by!r}; one of {', '.join(BY)} is needed.")
        if unknown := [name for name in self.apart if name not in sources.SOURCES]:
            raise UsageError(f"--apart-from is {unknown[0]!r}; one of {', '.join(sources.SOURCES)} is needed.")
        if self.dataset in self.apart:
            raise UsageError(f"--apart-from is {self.dataset}, the very set that is scored: name another one.")
        if self.apart and not self.pairs.pairs:
            raise UsageError(f"--apart-from {', '.join(self.apart)} needs --links, which say what stands in two sets: "
                             "make them with macule data audit.")


@dataclass(frozen=True)
class Evaluation:
    """report: the figures, as `evaluate` returns them. exam: what they were measured on, for further sections.

    pictures: the same by picture, for what is asked of single pictures; `exam` itself unless asked by lesion.
    """

    asked: Asked
    report: dict[str, Any]
    exam: Exam
    pictures: Exam


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
    start: Start = lambda _: lambda: None,
) -> dict[str, Any]:
    """Score a bundle on a data set: the report of `examine`."""
    asked = Asked(dataset, root, part, modality, with_patient, allow_leak, drop_leaks, pairs)
    return examine(bundle, asked, engine=engine, threads=threads, resamples=resamples, start=start).report


def examine(
    bundle: Bundle,
    asked: Asked,
    *,
    engine: Engine | None = None,
    threads: int | None = None,
    resamples: int = metrics.RESAMPLES,
    memory: Memory | None = None,
    start: Start = lambda _: lambda: None,
) -> Evaluation:
    """Score a bundle on a data set.

    memory: answers that are known already, of the same bundle and views; it learns the others.
    engine: where pictures are judged; None is this machine, with `threads` at once (None is one a core).
    start: told how many pictures there are; returns what to call after each, for a progress bar.
    Returns: the figures. `leaky`: True if a lesion, patient or photograph was fitted on or the bundle itself was made
    from a leaking split; None if the bundle does not say what it saw. `leaks`: the counts, where there are any.
    Raises: LeakingSplit if something was fitted on, unless allow_leak.
    """
    found = select(bundle, asked.dataset, asked.root, part=asked.part, modality=asked.modality)
    clean = without_kin(bundle, found, pairs=asked.pairs) if asked.drop_leaks else found
    records = _apart(clean, asked)
    leak = leaked(bundle, records, pairs=asked.pairs)
    if leak.leaking and not asked.allow_leak:
        raise LeakingSplit(
            f"bundle {bundle.id} was fitted on {leak.lesions} of these lesions: {leak.sentence()}: "
            "score --split test, leave them out with --drop-leaks, or mark the figures LEAKY with --allow-leak."
        )
    present = _at_hand(records)
    tick = start(len(present))
    # A cluster's processes load the bundle themselves: a network at work cannot be sent.
    analyzer = bundle.folder if engine else Analyzer(bundle, views=asked.views)
    said = answers.predict(analyzer, present, with_patient=asked.with_patient, engine=engine, workers=threads,
                           views=asked.views, memory=memory, tick=tick)
    exam = pictures = _exam(bundle, asked, said, resamples)
    if asked.by == LESION:
        exam = _exam(bundle, asked, lesions.together(said, bundle), resamples)
    report = {
        "bundle": scoring.describe(bundle),
        "dataset": asked.dataset,
        "split": asked.part,
        "modality": asked.modality.value if asked.modality else "any",
        "patient_data": asked.with_patient,
        "views": asked.views or bundle.preprocessing.views,
        "by": asked.by,
        "leaky": _verdict(bundle, leak),
        **({"leaks": leak.to_dict()} if leak.leaking else {}),
        **({"dropped_leaks": len(found) - len(clean)} if asked.drop_leaks else {}),
        **({"apart_from": list(asked.apart), "linked_elsewhere": len(clean) - len(records)} if asked.apart else {}),
        "without_picture": len(records) - len(present),
        "duplicates": duplicates.duplicates(present),
        **scoring.score(exam.predictions, asked.dataset, resamples=resamples, weights=exam.weights),
        **_counts(said, exam.predictions),
    }
    return Evaluation(asked, report, exam, pictures)


def _exam(bundle: Bundle, asked: Asked, said: Predictions, resamples: int) -> Exam:
    classes = tuple(sorted(CODES.index(code) for code in sources.find(asked.dataset).classes))
    return Exam.of(bundle, said, dataset=asked.dataset, part=asked.part, classes=classes, resamples=resamples,
                   with_patient=asked.with_patient, views=asked.views)


def _counts(said: Predictions, exam: Predictions) -> dict[str, Any]:
    """Pictures are counted as pictures, also where an answer is of a lesion; `together` says what became of them."""
    if exam is said:
        return {}
    return {"pictures": len(said.records), "refused": len(said.refused), "failed": len(said.failed),
            "together": asdict(lesions.Counts.of(said, exam))}


def _apart(records: list[Record], asked: Asked) -> list[Record]:
    """The records without those that are linked to a picture of another set. Raises: DatasetError if none is left."""
    if not asked.apart:
        return records
    component = asked.pairs.component
    elsewhere = {of for name, of in component.items() if name.partition(":")[0] in asked.apart}
    kept = [record for record in records
            if asked.pairs.of(f"{record.dataset}:{record.picture_id}", record.group) not in elsewhere]
    if not kept:
        raise DatasetError(f"all {len(records)} pictures stand in {', '.join(asked.apart)} too: score another part.")
    return kept


def _at_hand(records: list[Record]) -> list[Record]:
    """Those whose picture is on the disk. Raises: DatasetError if none is."""
    present = [record for record in records if record.picture is not None]
    if not present:
        raise DatasetError(f"of none of the {len(records)} pictures that are left the file is at hand: get the "
                           "pictures of the set (macule data fetch).")
    return present


def _verdict(bundle: Bundle, leak: Leak) -> bool | None:
    if leak.leaking or made_leaky(bundle):
        return True
    return False if (bundle.folder / membership.FILE).is_file() else None
