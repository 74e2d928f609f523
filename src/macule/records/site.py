"""How this clinic works: settings that an administrator changes while it runs, kept in the database."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from macule.records.tables import Site
from macule.records.work import Work, expect

ONLY = 1


class SiteSettings(BaseModel):
    """name: shown on every page and report.
    commit_first: readers store their own diagnosis before they see the machine's.
    release: when a patient's link shows the answer.
    second_reader_from: malignant probability from which a second reader is asked for by itself; 1 is never.
    retention_days: patients not seen for so long are erased; None keeps them.
    research_consent: whether the consent page also asks for research.
    urgent_first: in commit-first mode, list high-risk cases first and call them urgent (docs/clinic-reading.md).
    require_totp: staff who sign in with a password must use a second factor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="Skin clinic", min_length=1, max_length=80)
    commit_first: bool = True
    release: str = Field(default="after_review", pattern="^(at_once|after_review)$")
    second_reader_from: float = Field(default=1.0, ge=0, le=1)
    retention_days: int | None = Field(default=None, ge=30, le=36500)
    research_consent: bool = True
    urgent_first: bool = False
    require_totp: bool = False
    language: str = Field(default="en", pattern="^[a-z]{2}$")


def read(session: Session) -> SiteSettings:
    row = session.get(Site, ONLY)
    return SiteSettings.model_validate(row.settings) if row else SiteSettings()


def version(session: Session) -> int:
    row = session.get(Site, ONLY)
    return row.version if row else 0


def change(work: Work, *, settings: SiteSettings, version: int | None) -> None:
    """Raises: Conflict if somebody else changed them meanwhile."""
    row = work.session.get(Site, ONLY)
    before = read(work.session)
    if row is None:
        work.session.add(Site(id=ONLY, settings=settings.model_dump(), changed_at=work.now))
    else:
        expect(row, version)
        row.settings, row.changed_at = settings.model_dump(), work.now
    changed = {key: value for key, value in settings.model_dump().items() if value != before.model_dump()[key]}
    work.record("site.changed", "site", str(ONLY), changed=changed)
