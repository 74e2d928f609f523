"""An analyzer whose answers the test decides."""

from __future__ import annotations

import numpy as np

from macule.analysis.patient import Patient
from macule.analysis.result import Assessment, BundleId, Check, Quality, RankedDiagnosis, Result, Risk
from macule.errors import UnreadableImage
from macule.taxonomy import Diagnosis


def result(code: Diagnosis | None, probability: float = 0.8, risk: Risk = Risk.LOW) -> Result:
    """An answer that gives `code` this probability and the others the rest; a refused picture without `code`."""
    usable = code is not None
    quality = Quality((Check("sharpness", usable, 0.5 if usable else 0.1, 0.3, "Hold still."),))
    answer = None
    if code is not None:
        rest = (1 - probability) / (len(Diagnosis) - 1)
        ranked = [RankedDiagnosis(c, probability if c is code else rest) for c in Diagnosis]
        ranked.sort(key=lambda r: -r.probability)
        malignant = sum(r.probability for r in ranked if r.code.suspicious)
        answer = Assessment(tuple(ranked), malignant, risk, (), True, np.zeros((2, 2), np.float32), code,
                            np.zeros(3, np.float32))
    return Result("picture", BundleId("fake", "ab" * 32), quality, "advice", answer)


class FakeAnalyzer:
    """Answers by the picture's bytes: `nv-mel-3` is a naevus taken for a melanoma, `nv-refused-1`, `nv-broken-1`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Patient]] = []

    def analyze(self, source: bytes, *, patient: Patient) -> Result:
        name = source.decode()
        self.asked.append((name, patient))
        answer = name.split("-")[1]
        if answer == "broken":
            raise UnreadableImage(f"{name} is damaged: send it again.")
        if answer == "refused":
            return result(None)
        code = Diagnosis(answer)
        return result(code, risk=Risk.HIGH if code.suspicious else Risk.LOW)
