"""The object that `macule predict --json` prints, described for machines. It is sent as it was stored."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from macule.analysis.result import Risk
from macule.taxonomy import Diagnosis
from macule.web.clinic.api.shapes import Digest, Reply


def _absent(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _may_lack(description: str) -> Any:
    return Field(default=None, description=description, json_schema_extra=_absent)


class _Open(Reply):
    """Absent fields are absent, not null."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


class BundleName(Reply):
    id: str
    sha256: Digest


class QualityCheck(_Open):
    passed: bool
    value: float
    limit: float
    advice: str = _may_lack("What to do; only where the check failed.")


class Quality(Reply):
    usable: bool
    checks: dict[str, QualityCheck]


class Ranked(Reply):
    code: Diagnosis
    name: str
    probability: float = Field(ge=0, le=1)


class Malignant(Reply):
    probability: float = Field(ge=0, le=1)


class Answer(_Open):
    """From `diagnoses` to `plausible` there is nothing for a picture that could not be judged."""

    image: str = Field(description="The name of the file as it was sent.")
    bundle: BundleName
    quality: Quality
    diagnoses: list[Ranked] = _may_lack("The most probable first; the probabilities sum to 1.")
    malignant: Malignant = _may_lack("The malignant and indeterminate classes together.")
    risk: Risk = _may_lack("By the model's own thresholds.")
    cannot_exclude: list[Diagnosis] = _may_lack("Suspicious, and too probable to be ruled out.")
    in_distribution: bool = _may_lack("Whether the picture is of the kind that the model knows.")
    plausible: list[Diagnosis] = _may_lack("A conformal set; only of models that have one.")
    advice: str
    disclaimer: str
