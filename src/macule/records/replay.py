"""An old answer, computed again: with the very model that gave it, from the very picture, and held against the record.

The model comes out of the store, not from what is installed, so it does not matter which one answers today. What is
macule's own code (the wording of the advice, the reading of pictures) is today's: a difference there is shown as one.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from macule.analysis import bundle as analysis_bundles
from macule.analysis.bundle import Bundle
from macule.analysis.result import Result
from macule.errors import BundleInvalid, BundleNotFound, NoSuchRecord
from macule.records import bundles, intake
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.tables import BundleRecord, Exam


@dataclass(frozen=True)
class Difference:
    """part: `result.risk`, `embedding`, `heatmap`. then, now: as JSON, shortened."""

    part: str
    then: str
    now: str


@dataclass(frozen=True)
class Replay:
    """differences: none means that every byte of the answer is the same. bundle_name, bundle_sha256: what answered."""

    exam_id: str
    bundle_name: str
    bundle_sha256: str
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


def replay(clinic: Clinic, *, exam_id: str, threads: int | None = None) -> Replay:
    """threads: as the server had it (`macule serve --threads`): other sums round otherwise in the last bit.

    Raises: NoSuchRecord for an exam that is not there or has no answer, BundleNotFound, BundleInvalid, and what the
    store raises.
    """
    exam, record = _wanted(clinic, exam_id)
    picture, archive = clinic.store.get(exam.picture), clinic.store.get(record.archive or "")
    with tempfile.TemporaryDirectory(prefix="macule-replay-") as folder:
        bundle = _unpacked(archive, Path(folder), record)
        from macule.analysis.pipeline import Analyzer  # here: the network runtime is slow to import

        result = Analyzer(bundle, threads=threads).analyze(picture, patient=intake.told(exam), name=exam.file_name)
        differences = tuple(_differences(clinic, exam, result, bundles.fingerprints(bundle)))
    with clinic.work(SYSTEM) as work:
        work.record("exam.replayed", "exam", exam.id, patient_id=exam.patient_id, bundle=record.sha256,
                    equal=not differences)
    return Replay(exam.id, record.name, record.sha256, differences)


def _wanted(clinic: Clinic, exam_id: str) -> tuple[Exam, BundleRecord]:
    with clinic.reading() as session:
        exam = session.get(Exam, exam_id)
        if exam is None:
            raise NoSuchRecord(f"there is no exam {exam_id!r}: check the id.")
        if exam.result is None or exam.bundle_sha256 is None:
            raise NoSuchRecord(f"exam {exam_id} is {exam.state}: it has no answer that could be computed again.")
        record = session.get(BundleRecord, exam.bundle_sha256)
    if record is None or record.archive is None:
        raise BundleNotFound(f"the model {exam.bundle_sha256} was not kept: nothing can be computed again with it.")
    return exam, record


def _unpacked(archive: bytes, folder: Path, record: BundleRecord) -> Bundle:
    """Raises: BundleInvalid if it is not the model that its record names."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            for name in files.namelist():
                if Path(name).name != name:
                    raise BundleInvalid(f"the kept model holds {name!r}, which is no plain file name.")
                (folder / name).write_bytes(files.read(name))
    except zipfile.BadZipFile as error:
        raise BundleInvalid("the kept model cannot be unpacked: restore the store from a backup.") from error
    bundle = analysis_bundles.load(folder)
    if bundle.sha256 != record.sha256:
        raise BundleInvalid(f"the kept model is {bundle.sha256}, but the exam was answered by {record.sha256}: "
                            "restore the store from a backup.")
    return bundle


def _differences(clinic: Clinic, exam: Exam, result: Result, prints: bundles.Fingerprints) -> list[Difference]:
    # Through JSON, as the record was: what the database gives back are JSON's numbers and lists.
    now = json.loads(json.dumps(result.to_dict()))
    found = _between("result", exam.result, now)
    answer = result.assessment
    embedding = None if answer is None else np.asarray(answer.embedding, dtype="<f4").tobytes()
    heat = None if answer is None else _digest((answer.heatmap.clip(0, 1) * 255).round().astype(np.uint8))
    pairs = (
        ("preprocessing", exam.preprocessing_sha256, prints.preprocessing),
        ("thresholds", exam.thresholds_sha256, prints.thresholds),
        ("embedding", _hex(exam.embedding), _hex(embedding)),
        ("heatmap", _kept_heat(clinic, exam), heat),
        ("malignant", exam.malignant, None if answer is None else answer.malignant),
    )
    return found + [Difference(part, _short(then), _short(new)) for part, then, new in pairs if then != new]


def _kept_heat(clinic: Clinic, exam: Exam) -> str | None:
    if exam.heatmap is None:
        return None
    with Image.open(io.BytesIO(clinic.store.get(exam.heatmap)), formats=["PNG"]) as image:
        return _digest(np.asarray(image, dtype=np.uint8))


def _digest(pixels: NDArray[np.uint8]) -> str:
    """Of the pixels: another version of a library may pack the same ones otherwise."""
    return f"{pixels.shape} {hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()}"


def _between(path: str, then: Any, now: Any) -> list[Difference]:
    """Down to the single values."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = [*then, *(key for key in now if key not in then)]
        return [each for key in keys for each in _between(f"{path}.{key}", then.get(key), now.get(key))]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [each for number, (old, new) in pairs for each in _between(f"{path}[{number}]", old, new)]
    return [] if then == now and type(then) is type(now) else [Difference(path, _short(then), _short(now))]


def _hex(content: bytes | None) -> str | None:
    return None if content is None else content.hex()


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
