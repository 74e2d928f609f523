"""The tables. Times are UTC; ids are `domain.new_id`; a `version` column is the optimistic lock of its row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

ID = String(32)
CODE = String(32)
NAME = String(200)
HASH = String(64)


class Moment(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite has no zones and gives naive ones back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: give an aware datetime.")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


class Versioned:
    """Two writers of one row: the second gets StaleDataError, which `work` turns into Conflict."""

    version: Mapped[int] = mapped_column(Integer, nullable=False, default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class Site(Versioned, Base):
    """One row: how this clinic works. Fields of `settings` are those of `site.SiteSettings`."""

    __tablename__ = "site"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    settings: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]


class User(Versioned, Base):
    """password_hash: argon2id, None for who signs in through OIDC. totp_secret: sealed by the key ring.

    totp_last_step: of the last code, which is not taken twice. recovery_codes: SHA-256 of each that is unused.
    """

    __tablename__ = "user_account"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(NAME)
    role: Mapped[str] = mapped_column(CODE)
    password_hash: Mapped[str | None] = mapped_column(String(300))
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_last_step: Mapped[int | None] = mapped_column(Integer)
    recovery_codes: Mapped[list[str] | None]
    oidc_subject: Mapped[str | None] = mapped_column(String(300), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]


class LoginSession(Base):
    """id: SHA-256 of the cookie's token. What it opens is either a user or, by a patient's link, one patient."""

    __tablename__ = "login_session"
    id: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    ticket_id: Mapped[str | None] = mapped_column(ForeignKey("ticket.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(HASH)
    second_factor_due: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)


class Ticket(Base):
    """A link with a secret: set-up, an invitation, a new password, a patient's access. id: SHA-256 of the secret."""

    __tablename__ = "ticket"
    id: Mapped[str] = mapped_column(HASH, primary_key=True)
    purpose: Mapped[str] = mapped_column(CODE)
    role: Mapped[str | None] = mapped_column(CODE)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    patient_id: Mapped[str | None] = mapped_column(ForeignKey("patient.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ApiKey(Base):
    """prefix: the key's first characters, shown in lists. key_hash: SHA-256 of the whole."""

    __tablename__ = "api_key"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(HASH, unique=True)
    scopes: Mapped[list[str]]
    created_by: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Attempt(Base):
    """One failed or costly request, counted against its key (an address or an account) by the rate limits."""

    __tablename__ = "attempt"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    bucket: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime]
    __table_args__ = (Index("ix_attempt_bucket_at", "bucket", "at"),)


class Patient(Versioned, Base):
    """pseudonym: the clinic's own number; never a name. erased_at: only a tombstone is left."""

    __tablename__ = "patient"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    pseudonym: Mapped[str] = mapped_column(String(64), unique=True)
    birth_year: Mapped[int | None] = mapped_column(Integer)
    sex: Mapped[str | None] = mapped_column(CODE)
    skin_type: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str] = mapped_column(ID)
    erased_at: Mapped[datetime | None]
    lesions: Mapped[list[Lesion]] = relationship(back_populates="patient", order_by="Lesion.created_at")


class Lesion(Versioned, Base):
    """body_site: analysis.patient.Site. map_x, map_y: 0 to 1 from the upper left of the body drawn in `map_view`."""

    __tablename__ = "lesion"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    patient_id: Mapped[str] = mapped_column(ForeignKey("patient.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(NAME)
    body_site: Mapped[str | None] = mapped_column(CODE)
    map_view: Mapped[str | None] = mapped_column(CODE)
    map_x: Mapped[float | None] = mapped_column(Float)
    map_y: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ID)
    patient: Mapped[Patient] = relationship(back_populates="lesions")
    exams: Mapped[list[Exam]] = relationship(back_populates="lesion", order_by="Exam.created_at")
    __table_args__ = (
        CheckConstraint("map_x IS NULL OR (map_x >= 0 AND map_x <= 1)", name="ck_lesion_map_x"),
        CheckConstraint("map_y IS NULL OR (map_y >= 0 AND map_y <= 1)", name="ck_lesion_map_y"),
    )


class Consent(Base):
    """What a person agreed to: scope, and the very wording by version and hash. Withdrawn, never deleted."""

    __tablename__ = "consent"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    patient_id: Mapped[str] = mapped_column(ForeignKey("patient.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str] = mapped_column(CODE)
    text_version: Mapped[str] = mapped_column(CODE)
    text_sha256: Mapped[str] = mapped_column(HASH)
    language: Mapped[str] = mapped_column(CODE)
    given_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(ID)
    withdrawn_at: Mapped[datetime | None]


class Erasure(Base):
    """A patient whose rows are gone. pictures: addresses that are still to be deleted from the store; see `privacy`."""

    __tablename__ = "erasure"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    patient_id: Mapped[str] = mapped_column(ForeignKey("patient.id"), index=True)
    reason: Mapped[str] = mapped_column(CODE)
    asked_at: Mapped[datetime] = mapped_column(index=True)
    asked_by: Mapped[str] = mapped_column(ID)
    exams: Mapped[int] = mapped_column(Integer)
    pictures: Mapped[list[str]]
    deleted: Mapped[int] = mapped_column(Integer, default=0)
    finished_at: Mapped[datetime | None] = mapped_column(index=True)


class BundleRecord(Base):
    """A model that answered here. archive: address in the store of its files as a zip, for replays."""

    __tablename__ = "bundle"
    sha256: Mapped[str] = mapped_column(HASH, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    archive: Mapped[str | None] = mapped_column(HASH)
    first_used_at: Mapped[datetime]


class Exam(Versioned, Base):
    """One picture of one lesion and what the machine made of it.

    picture, thumbnail, heatmap: addresses in the store. heatmap: a PNG, 8 bit grey, coarse.
    unanswered_for: why there is no answer: the first quality check that failed, or the error's code.
    age, sex, body_site, modality: what the network was told, frozen when the picture came.
    result: `Result.to_dict()`. malignant, risk, top_code, in_distribution: copies of its headline, for lists.
    embedding: float32, little-endian. review_state, final_code, decided_at: copies of the readers' last word.
    """

    __tablename__ = "exam"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    patient_id: Mapped[str] = mapped_column(ForeignKey("patient.id", ondelete="CASCADE"), index=True)
    lesion_id: Mapped[str] = mapped_column(ForeignKey("lesion.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(CODE)
    unanswered_for: Mapped[str | None] = mapped_column(CODE)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ID)
    answered_at: Mapped[datetime | None]
    retake_of: Mapped[str | None] = mapped_column(ForeignKey("exam.id", ondelete="SET NULL"), index=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(120), unique=True)
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batch.id", ondelete="SET NULL"), index=True)
    file_name: Mapped[str] = mapped_column(NAME)
    picture: Mapped[str] = mapped_column(HASH, index=True)
    thumbnail: Mapped[str | None] = mapped_column(HASH)
    heatmap: Mapped[str | None] = mapped_column(HASH)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    age: Mapped[float | None] = mapped_column(Float)
    sex: Mapped[str | None] = mapped_column(CODE)
    body_site: Mapped[str | None] = mapped_column(CODE)
    modality: Mapped[str | None] = mapped_column(CODE)
    bundle_sha256: Mapped[str | None] = mapped_column(ForeignKey("bundle.sha256"))
    preprocessing_sha256: Mapped[str | None] = mapped_column(HASH)
    thresholds_sha256: Mapped[str | None] = mapped_column(HASH)
    malignant: Mapped[float | None] = mapped_column(Float)
    risk: Mapped[str | None] = mapped_column(CODE)
    top_code: Mapped[str | None] = mapped_column(CODE)
    in_distribution: Mapped[bool | None]
    review_state: Mapped[str | None] = mapped_column(CODE)
    final_code: Mapped[str | None] = mapped_column(CODE)
    decided_at: Mapped[datetime | None]
    # The long ones last: SQLite walks through what stands before a column to reach it.
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary)
    lesion: Mapped[Lesion] = relationship(back_populates="exams")
    reviews: Mapped[list[Review]] = relationship(back_populates="exam", order_by="Review.created_at")
    __table_args__ = (
        # What the worklist filters by stands in its index: SQLite then reads no row but those of the page.
        Index("ix_exam_worklist", "review_state", "risk", "created_at", "id", "modality", "body_site",
              "in_distribution", "patient_id"),
        Index("ix_exam_created", "created_at"),
        # The worker asks for these every few seconds, and there are nearly none.
        Index("ix_exam_waiting", "created_at", sqlite_where=text("state = 'waiting'"),
              postgresql_where=text("state = 'waiting'")),
        Index("ix_exam_bundle", "bundle_sha256", "created_at"),
        # What the dashboard counts, in the order that it groups by: read without a sort and without the wide rows.
        Index("ix_exam_figures", "bundle_sha256", "state", "unanswered_for", "risk", "review_state", "top_code",
              "final_code", "created_at", "answered_at", "decided_at"),
    )


class Review(Versioned, Base):
    """One reader's word on one exam.

    own_code, own_at: the reader's diagnosis, stored before the machine's was shown (commit-first mode; else None).
    seen_at: when the machine's answer was first shown to this reader.
    top_code, bundle_sha256: copies of the exam's: what the reader's word is compared with, and whose answer it was.
    decision and the rest: None until decided.
    """

    __tablename__ = "review"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    exam_id: Mapped[str] = mapped_column(ForeignKey("exam.id", ondelete="CASCADE"), index=True)
    reader_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    second: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    top_code: Mapped[str | None] = mapped_column(CODE)
    bundle_sha256: Mapped[str | None] = mapped_column(HASH)
    own_code: Mapped[str | None] = mapped_column(CODE)
    own_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    decision: Mapped[str | None] = mapped_column(CODE)
    final_code: Mapped[str | None] = mapped_column(CODE)
    reason: Mapped[str | None] = mapped_column(CODE)
    management: Mapped[str | None] = mapped_column(CODE)
    note: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(index=True)
    exam: Mapped[Exam] = relationship(back_populates="reviews")
    reader: Mapped[User] = relationship()
    __table_args__ = (
        UniqueConstraint("exam_id", "reader_id", name="uq_review_reader"),
        # What the dashboard counts, in the order that it groups by: read without a sort and without the table.
        Index("ix_review_figures", "reader_id", "own_code", "top_code", "final_code", "decision", "reason",
              "decided_at", "created_at", "bundle_sha256"),
    )


class Biopsy(Versioned, Base):
    """What the laboratory found. It belongs to the lesion, and to the exam that led to it."""

    __tablename__ = "biopsy"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    exam_id: Mapped[str] = mapped_column(ForeignKey("exam.id", ondelete="CASCADE"), unique=True)
    lesion_id: Mapped[str] = mapped_column(ForeignKey("lesion.id", ondelete="CASCADE"), index=True)
    code: Mapped[str] = mapped_column(CODE)
    note: Mapped[str | None] = mapped_column(Text)
    reported_on: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(index=True)
    recorded_by: Mapped[str] = mapped_column(ID)


class Comment(Base):
    __tablename__ = "comment"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    exam_id: Mapped[str] = mapped_column(ForeignKey("exam.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    author: Mapped[User] = relationship()


class Batch(Versioned, Base):
    """Many pictures sent at once. consent_language: in which their patients agreed, as the sender confirmed."""

    __tablename__ = "batch"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str] = mapped_column(ID)
    consent_language: Mapped[str] = mapped_column(CODE)
    items: Mapped[list[BatchItem]] = relationship(order_by="BatchItem.position")


class BatchItem(Base):
    """One file of a batch. exam_id is set as soon as the exam is safe; error is set where there is none.

    state: `batches.ItemState`. file: address in the store of the file as it came, until its exam is safe.
    subject: whose it is, as the table or the form says; None once the exam is safe.
    """

    __tablename__ = "batch_item"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(NAME)
    state: Mapped[str] = mapped_column(CODE, index=True)
    file: Mapped[str | None] = mapped_column(HASH, index=True)
    subject: Mapped[dict[str, Any] | None]
    patient_id: Mapped[str | None] = mapped_column(ForeignKey("patient.id", ondelete="SET NULL"), index=True)
    exam_id: Mapped[str | None] = mapped_column(ForeignKey("exam.id", ondelete="SET NULL"), index=True)
    error: Mapped[dict[str, Any] | None]


class Webhook(Base):
    """secret: sealed by the key ring; signs each delivery."""

    __tablename__ = "webhook"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    events: Mapped[list[str]]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(ID)
    disabled_at: Mapped[datetime | None]


class Delivery(Base):
    """One event on its way to one webhook. next_at: None once delivered or given up. last_error: why it failed last."""

    __tablename__ = "webhook_delivery"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"), index=True)
    event: Mapped[str] = mapped_column(CODE)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(CODE)
    delivered_at: Mapped[datetime | None]


class AuditRow(Base):
    """Append-only. hash: SHA-256 over the row and the hash before it (`audit.digest`)."""

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(CODE)
    actor_id: Mapped[str] = mapped_column(ID)
    actor_name: Mapped[str] = mapped_column(NAME)
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject_kind: Mapped[str] = mapped_column(CODE)
    subject_id: Mapped[str] = mapped_column(String(64))
    patient_id: Mapped[str | None] = mapped_column(ID, index=True)
    details: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(HASH)
    hash: Mapped[str] = mapped_column(HASH)
    __table_args__ = (Index("ix_audit_subject", "subject_kind", "subject_id"),)
