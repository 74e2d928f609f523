from __future__ import annotations

from pathlib import Path

import pytest
from scripted_analyzer import FakeAnalyzer

from macule.analysis.patient import Modality, Patient
from macule.data.record import Record
from macule.taxonomy import Diagnosis


@pytest.fixture
def fake() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def make_record():
    def make(stem: str, *, group: str | None = None) -> Record:
        label = Diagnosis(stem.split("-", maxsplit=1)[0])
        about = Patient(age=0.0, modality=Modality.DERMOSCOPIC)
        return Record(Path(f"{stem}.jpg"), "ham10000", stem, frozenset({label}), group or f"ham10000:{stem}", about)

    return make
