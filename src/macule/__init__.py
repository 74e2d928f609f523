"""Macule: a picture of a skin lesion in, a calibrated and explained second opinion out.

>>> import macule
>>> result = macule.analyze("mole.jpg", patient=macule.Patient.parse(age=54, sex="female", site="back"))
>>> result.assessment.risk  # doctest: +SKIP

Decision support for research: not a medical device.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from macule.analysis.bundle import Bundle
    from macule.analysis.lesion import LesionResult
    from macule.analysis.patient import Modality, Patient
    from macule.analysis.result import Result

__version__ = "0.1.0"
__all__ = ["LesionResult", "Modality", "Patient", "Result", "__version__", "analyze", "analyze_lesion"]

_LAZY = {"LesionResult": "macule.analysis.lesion", "Modality": "macule.analysis.patient",
         "Patient": "macule.analysis.patient", "Result": "macule.analysis.result"}


def analyze(
    picture: Path | str | bytes, *, patient: Patient | None = None, bundle: Bundle | Path | str | None = None,
    views: int | None = None,
) -> Result:
    """Judge one picture. The model is loaded once a process and bundle.

    picture: a path, or the bytes of a JPEG, PNG, WebP, TIFF, BMP or HEIC file.
    bundle: a loaded bundle, its name or its folder; `None` is the default one (see `macule.analysis.bundle.load`).
    views: how many turned and mirrored copies are averaged, 1, 2, 4 or 8; `None` is the bundle's own number.

    Raises: InputError if the picture cannot be read, EnvironmentFault if the bundle cannot be used.
    """
    from macule.analysis.pipeline import shared_analyzer

    return shared_analyzer(bundle, views=views).analyze(picture, patient=patient)


def analyze_lesion(
    pictures: Sequence[Path | str | bytes], *, patient: Patient | None = None,
    modalities: Sequence[Modality | None] | None = None, bundle: Bundle | Path | str | None = None,
    views: int | None = None,
) -> LesionResult:
    """One answer to several pictures of one lesion, dermoscopic, clinical or both; see docs/lesions.md.

    modalities: how each picture was taken; `None` is what `patient` says, for all of them. The rest: as in `analyze`.
    A picture that cannot be read or judged is left out, and named in the answer with the reason.

    Raises: InputError if modalities do not fit the pictures, UsageError if there are no pictures, EnvironmentFault.
    """
    from macule.analysis.pipeline import shared_analyzer

    return shared_analyzer(bundle, views=views).analyze_lesion(pictures, patient=patient, modalities=modalities)


def __getattr__(name: str) -> Any:
    # Numpy takes 80 ms to import: `macule --version` should not wait for it.
    if name not in _LAZY:
        raise AttributeError(f"module 'macule' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
