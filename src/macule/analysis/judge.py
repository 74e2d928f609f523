"""What judges pictures, as those who only hand it pictures see it: no network runtime is needed to name it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from macule.analysis.bundle import Bundle
from macule.analysis.patient import Patient
from macule.analysis.result import Result


class Judge(Protocol):
    """The face of `analysis.pipeline.Analyzer`; safe to call from several threads."""

    @property
    def bundle(self) -> Bundle: ...

    def analyze(self, source: Path | bytes, *, patient: Patient | None = None, name: str | None = None) -> Result: ...
