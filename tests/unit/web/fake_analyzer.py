"""An analyzer whose answer follows from the file's name: `high.png`, `refused.png`, `unreadable.png` and so on."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from macule import errors
from macule.analysis import advice
from macule.analysis.bundle import Bundle, Threshold, Thresholds
from macule.analysis.calibration import Calibration
from macule.analysis.patient import Patient
from macule.analysis.result import Assessment, BundleId, Check, Quality, RankedDiagnosis, Result, Risk
from macule.taxonomy import Diagnosis as D

BUNDLE = BundleId("fake-1", "ab" * 32)
RANKED = {
    Risk.LOW: {D.NV: 0.93, D.BKL: 0.04, D.MEL: 0.006, D.DF: 0.02},
    Risk.MEDIUM: {D.BKL: 0.58, D.NV: 0.2, D.AKIEC: 0.12, D.MEL: 0.08},
    Risk.HIGH: {D.MEL: 0.71, D.NV: 0.17, D.BCC: 0.06, D.BKL: 0.05},
}
ERRORS = {kind.code: kind for kind in (
    errors.UnreadableImage, errors.UnsupportedImage, errors.ImageTooLarge, errors.MissingExtra, errors.BundleNotFound,
    errors.BundleInvalid, errors.EnvironmentFault, errors.UsageError, errors.DatasetError, errors.InputNotFound,
)}


def make_bundle() -> Bundle:
    """Only what the web reads of a bundle; the rest belongs to the analysis."""
    medium, high = Threshold(0.12, 0.95), Threshold(0.4, 0.8)
    nothing: Any = None
    return Bundle(
        id=BUNDLE.id, sha256=BUNDLE.sha256, folder=Path("/nonexistent"), created="2026-11-21", licence="CC BY-NC 4.0",
        model=Path("/nonexistent"), preprocessing=nothing, calibration=Calibration(1.0), gate=nothing, metrics={},
        thresholds=Thresholds(medium=medium, high=high, cannot_exclude={}),
    )


class FakeAnalyzer:
    """seen: every call's bytes, patient and name. hold: while cleared, an analysis named `slow` waits."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, Patient | None, str]] = []
        self.threads: set[str] = set()
        self.hold = threading.Event()
        self.bundle = make_bundle()

    def analyze(self, source: Path | bytes, *, patient: Patient | None = None, name: str | None = None) -> Result:
        assert isinstance(source, bytes) and name is not None
        self.seen.append((source, patient, name))
        self.threads.add(threading.current_thread().name)
        stem = name.rpartition(".")[0] or name
        if stem == "slow":
            self.hold.wait(20)
        if stem in ERRORS:
            raise ERRORS[stem](f"{name} was made to fail with {stem}: send another.")
        if stem == "bug":
            raise RuntimeError("secret detail of a bug")
        return answer(stem, name, source)


def answer(stem: str, name: str, source: bytes) -> Result:
    usable = stem != "refused"
    quality = Quality((
        Check("size", True, 600, 224, ""),
        Check("sharpness", usable, 0.41 if usable else 0.12, 0.3, "Hold still, tap on the spot to focus."),
        Check("glare", True, 0.0, 0.15, ""),
    ))
    # As the analysis does: a picture unlike the training pictures is never called low risk.
    risk = Risk(stem) if stem in set(Risk) else Risk.MEDIUM if stem == "unlike" else Risk.LOW
    judged = assessment(risk, in_distribution=stem != "unlike") if usable else None
    return Result(
        image=name, bundle=BUNDLE, quality=quality, thumbnail=thumbnail(source),
        advice=advise(quality, judged), assessment=judged,
    )


def advise(quality: Quality, judged: Assessment | None) -> str:
    if judged is None:
        return advice.for_refusal(quality)
    return advice.for_answer(
        risk=judged.risk, cannot_exclude=judged.cannot_exclude, in_distribution=judged.in_distribution
    )


def assessment(risk: Risk, *, in_distribution: bool) -> Assessment:
    known = RANKED[risk]
    rest = (1 - sum(known.values())) / (len(D) - len(known))
    ranked = sorted(((code, known.get(code, rest)) for code in D), key=lambda pair: -pair[1])
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[1:3, 1:3] = 1.0
    return Assessment(
        diagnoses=tuple(RankedDiagnosis(code, probability) for code, probability in ranked),
        malignant=sum(probability for code, probability in ranked if code.suspicious), risk=risk,
        cannot_exclude=() if risk is Risk.LOW else (D.MEL,), in_distribution=in_distribution, heatmap=heat,
        heatmap_of=D.MEL, embedding=np.zeros(4, dtype=np.float32),
    )


def thumbnail(source: bytes) -> np.ndarray:
    """The picture itself if it is one, so that a person who looks at the tests' screenshots sees something."""
    try:
        picture = Image.open(io.BytesIO(source)).convert("RGB")
    except OSError:
        return np.full((48, 64, 3), 128, dtype=np.uint8)
    picture.thumbnail((640, 640))
    return np.asarray(picture)


def png(width: int = 320, height: int = 240) -> bytes:
    """A drawn spot on skin."""
    picture = Image.new("RGB", (width, height), (222, 176, 150))
    box = (width * 0.35, height * 0.3, width * 0.65, height * 0.7)
    ImageDraw.Draw(picture).ellipse(box, fill=(105, 62, 48))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


BOUNDARY = "frontier"
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """One part of a form as a browser writes it; test clients leave an empty file name out."""
    ending = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{ending}\r\n\r\n'
    return head.encode() + content + b"\r\n"
