from __future__ import annotations

import pytest
from scripted_analyzer import FakeAnalyzer

from macule.analysis.patient import Modality, Patient
from macule.data.record import Record
from macule.taxonomy import Diagnosis


@pytest.fixture
def fake() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def make_record(tmp_path):
    """Records whose picture is its own name, which the scripted analyzer answers by."""
    def make(stem: str, *, group: str | None = None) -> Record:
        label = Diagnosis(stem.split("-", maxsplit=1)[0])
        about = Patient(age=0.0, modality=Modality.DERMOSCOPIC)
        picture = tmp_path / f"{stem}.jpg"
        picture.write_bytes(stem.encode())
        return Record(picture, "ham10000", stem, frozenset({label}), group or f"ham10000:{stem}", about)

    return make
