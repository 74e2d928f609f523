"""What the API answers with: a row of the records as an object, every field always there."""

from __future__ import annotations

from datetime import date, datetime
from typing import Self

from pydantic import Field

from macule.analysis.patient import Modality, Sex, Site
from macule.analysis.result import Risk
from macule.records.domain import (
    ConsentScope,
    Decision,
    ExamState,
    Management,
    MapView,
    OverrideReason,
    ReviewState,
    SkinType,
)
from macule.records.tables import Biopsy, Consent, Exam, Lesion, Patient, Review
from macule.taxonomy import Diagnosis
from macule.web.clinic.api.shapes import Digest, ErrorDetail, Id, Reply


class PatientReply(Reply):
    id: Id
    pseudonym: str = Field(description="The clinic's own number of this person; never a name.")
    birth_year: int | None
    sex: Sex | None
    skin_type: SkinType | None = Field(description="Fitzpatrick, 1 to 6.")
    created_at: datetime
    version: int

    @classmethod
    def of(cls, row: Patient) -> Self:
        return cls(
            id=row.id, pseudonym=row.pseudonym, birth_year=row.birth_year, sex=Sex(row.sex) if row.sex else None,
            skin_type=SkinType(row.skin_type) if row.skin_type else None, created_at=row.created_at,
            version=row.version,
        )


class LesionReply(Reply):
    id: Id
    patient_id: Id
    label: str
    body_site: Site | None
    map_view: MapView | None
    map_x: float | None = Field(description="0 to 1, from the left of the drawn body.")
    map_y: float | None = Field(description="0 to 1, from its top.")
    created_at: datetime
    version: int

    @classmethod
    def of(cls, row: Lesion) -> Self:
        return cls(
            id=row.id, patient_id=row.patient_id, label=row.label, map_x=row.map_x, map_y=row.map_y,
            body_site=Site(row.body_site) if row.body_site else None, created_at=row.created_at, version=row.version,
            map_view=MapView(row.map_view) if row.map_view else None,
        )


class ConsentReply(Reply):
    id: Id
    patient_id: Id
    scope: ConsentScope
    text_version: str
    text_sha256: Digest
    language: str
    given_at: datetime
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, row: Consent) -> Self:
        return cls(
            id=row.id, patient_id=row.patient_id, scope=ConsentScope(row.scope), text_version=row.text_version,
            text_sha256=row.text_sha256, language=row.language, given_at=row.given_at, withdrawn_at=row.withdrawn_at,
        )


class Headline(Reply):
    """The answer in one line; the whole of it is at `/result`."""

    risk: Risk
    malignant: float = Field(ge=0, le=1, description="Probability of the malignant and indeterminate classes together.")
    top_code: Diagnosis
    in_distribution: bool = Field(description="Whether the picture is of the kind that the model knows.")

    @classmethod
    def of(cls, row: Exam) -> Headline | None:
        if row.risk is None or row.malignant is None or row.top_code is None or row.in_distribution is None:
            return None
        return cls(risk=Risk(row.risk), malignant=row.malignant, top_code=Diagnosis(row.top_code),
                   in_distribution=row.in_distribution)


class ExamReply(Reply):
    id: Id
    patient_id: Id
    lesion_id: Id
    state: ExamState = Field(description="`refused`: too poor to judge. `failed`: not analysable, see `error`.")
    created_at: datetime
    answered_at: datetime | None
    modality: Modality | None
    retake_of: Id | None
    width: int | None
    height: int | None
    headline: Headline | None = Field(description="None without an answer, or if the key lacks `exams:read`.")
    error: ErrorDetail | None
    review_state: ReviewState | None
    final_code: Diagnosis | None = Field(description="The readers' last word.")
    decided_at: datetime | None
    bundle_sha256: Digest | None = Field(description="The model that answered, with its preprocessing and thresholds.")
    preprocessing_sha256: Digest | None
    thresholds_sha256: Digest | None
    version: int

    @classmethod
    def of(cls, row: Exam, *, answers: bool = True) -> Self:
        """answers: whether the reader may see what the machine and the readers said."""
        return cls(
            id=row.id, patient_id=row.patient_id, lesion_id=row.lesion_id, state=ExamState(row.state),
            created_at=row.created_at, answered_at=row.answered_at, retake_of=row.retake_of, width=row.width,
            height=row.height, modality=Modality(row.modality) if row.modality else None,
            headline=Headline.of(row) if answers else None,
            error=ErrorDetail(**row.error) if row.error else None,
            review_state=ReviewState(row.review_state) if row.review_state else None,
            final_code=Diagnosis(row.final_code) if row.final_code and answers else None, decided_at=row.decided_at,
            bundle_sha256=row.bundle_sha256, preprocessing_sha256=row.preprocessing_sha256,
            thresholds_sha256=row.thresholds_sha256, version=row.version,
        )


class ReviewReply(Reply):
    id: Id
    exam_id: Id
    reader: str
    second: bool
    own_code: Diagnosis | None = Field(description="The reader's own diagnosis, from before the machine's was shown.")
    decision: Decision | None
    final_code: Diagnosis | None
    reason: OverrideReason | None
    management: Management | None
    note: str | None
    created_at: datetime
    decided_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: Review, reader: str) -> Self:
        return cls(
            id=row.id, exam_id=row.exam_id, reader=reader, second=row.second,
            own_code=Diagnosis(row.own_code) if row.own_code else None,
            decision=Decision(row.decision) if row.decision else None,
            final_code=Diagnosis(row.final_code) if row.final_code else None,
            reason=OverrideReason(row.reason) if row.reason else None,
            management=Management(row.management) if row.management else None, note=row.note,
            created_at=row.created_at, decided_at=row.decided_at, version=row.version,
        )


class BiopsyReply(Reply):
    id: Id
    exam_id: Id
    lesion_id: Id
    code: Diagnosis
    reported_on: date
    note: str | None
    recorded_at: datetime
    version: int

    @classmethod
    def of(cls, row: Biopsy) -> Self:
        return cls(
            id=row.id, exam_id=row.exam_id, lesion_id=row.lesion_id, code=Diagnosis(row.code), note=row.note,
            reported_on=row.reported_on, recorded_at=row.recorded_at, version=row.version,
        )
