"""The model that answers here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field

from macule.analysis.bundle import Threshold
from macule.records.bundles import fingerprints
from macule.records.policy import Permission
from macule.taxonomy import Diagnosis
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import Digest, Reply, failures
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of

router = make_router("model")


class Limit(Reply):
    """A probability from which a statement holds, and the sensitivity at which it was fitted."""

    probability: float
    sensitivity: float

    @classmethod
    def of(cls, threshold: Threshold) -> Limit:
        return cls(probability=threshold.probability, sensitivity=threshold.sensitivity)


class Thresholds(Reply):
    """From where an answer is called medium or high, and a diagnosis cannot be excluded."""

    medium: Limit
    high: Limit
    cannot_exclude: dict[Diagnosis, Limit]


class Model(Reply):
    id: str
    sha256: Digest
    preprocessing_sha256: Digest
    thresholds_sha256: Digest
    created: str
    licence: str
    diagnoses: list[Diagnosis] = Field(description="In the order of the network's outputs.")
    thresholds: Thresholds


@router.get("/model", response_model=Model, responses=failures())
def read_model(request: Request, visit: Annotated[Visit, allow(Permission.READ_ANSWER)]) -> Any:  # noqa: ARG001
    bundle = clinic_of(request).models.current().bundle
    prints, limits = fingerprints(bundle), bundle.thresholds
    return Model(
        id=bundle.id, sha256=prints.bundle, preprocessing_sha256=prints.preprocessing,
        thresholds_sha256=prints.thresholds, created=bundle.created, licence=bundle.licence, diagnoses=list(Diagnosis),
        thresholds=Thresholds(medium=Limit.of(limits.medium), high=Limit.of(limits.high),
                              cannot_exclude={code: Limit.of(limit) for code, limit in limits.cannot_exclude.items()}),
    )
