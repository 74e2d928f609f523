"""Consent: who agreed to which wording, and whether that is the wording of today.

The texts are files, `consents/<scope>-<version>.<language>.txt`: a title, then paragraphs. A change is a new file with
a new version, and everybody is asked again; so they are if a file is altered in place, because its hash is another.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from macule.errors import ConsentMissing, NoSuchRecord, RecordInvalid
from macule.records import people, site
from macule.records.domain import ConsentScope
from macule.records.tables import Consent, User
from macule.records.work import Work

TEXTS = Path(__file__).parent / "consents"
FALLBACK = "en"


@dataclass(frozen=True)
class Wording:
    """A text to agree to. sha256: of its file. paragraphs: without the title."""

    scope: ConsentScope
    version: str
    language: str
    sha256: str
    title: str
    paragraphs: tuple[str, ...]


def wording(scope: ConsentScope, *, language: str = FALLBACK, folder: Path = TEXTS) -> Wording:
    """The text of today. A language that has not got it yet reads in English: nobody agrees to an outdated text."""
    versions = sorted(folder.glob(f"{scope.value}-*.{FALLBACK}.txt"))
    if not versions:
        raise NoSuchRecord(f"there is no consent text {scope.value!r} in {FALLBACK!r}: install macule again.")
    version = versions[-1].name.removeprefix(f"{scope.value}-").removesuffix(f".{FALLBACK}.txt")
    spoken = language if (folder / f"{scope.value}-{version}.{language}.txt").is_file() else FALLBACK
    return _read(folder / f"{scope.value}-{version}.{spoken}.txt", scope, version, spoken)


@cache
def _read(path: Path, scope: ConsentScope, version: str, language: str) -> Wording:
    content = path.read_bytes()
    title, *paragraphs = (part.strip() for part in content.decode("utf-8").strip().split("\n\n"))
    return Wording(scope, version, language, hashlib.sha256(content).hexdigest(), title, tuple(paragraphs))


def languages(folder: Path = TEXTS) -> list[str]:
    """In which the care text can be read."""
    return sorted({path.name.split(".")[-2] for path in folder.glob("care-*.txt")})


@dataclass(frozen=True)
class Standing:
    """Where one scope stands. text: of today, as it would be read now. given: in force. last: the newest, if any."""

    text: Wording
    given: Consent | None
    last: Consent | None

    @property
    def changed(self) -> bool:
        """Whether the patient agreed, and has not taken it back, but to another wording."""
        return self.given is None and self.last is not None and self.last.withdrawn_at is None


def standings(session: Session, *, patient_id: str, language: str) -> list[Standing]:
    """The scopes that this clinic asks for."""
    past, asks_research = history(session, patient_id), site.read(session).research_consent
    scopes = [scope for scope in ConsentScope if scope is ConsentScope.CARE or asks_research]
    return [
        Standing(wording(scope, language=language), in_force(session, patient_id=patient_id, scope=scope),
                 next((row for row in past if row.scope == scope.value), None))
        for scope in scopes
    ]


def recorders(session: Session, consents: list[Consent]) -> dict[str, str]:
    """Who wrote down each: names by id. One that is missing is the patient's own link, or macule itself."""
    keys = {row.recorded_by for row in consents}
    return {user.id: user.name for user in session.scalars(select(User).where(User.id.in_(keys)))}


def give(work: Work, *, patient_id: str, scope: str, language: str = FALLBACK) -> Consent:
    """Record that the patient agreed to the wording of today. Given already, it is left as it is.

    Raises: NoSuchRecord, RecordInvalid.
    """
    chosen = _scope(scope)
    patient = people.join(work, patient_id)
    standing = in_force(work.session, patient_id=patient.id, scope=chosen)
    if standing is not None:
        return standing
    _allowed(work, patient.id, chosen)
    text = wording(chosen, language=language)
    given = Consent(
        id=work.new_id(), patient_id=patient.id, scope=chosen.value, text_version=text.version,
        text_sha256=text.sha256, language=text.language, given_at=work.now, recorded_by=work.actor.id,
    )
    work.session.add(given)
    work.session.flush()
    work.record("consent.given", "consent", given.id, patient_id=patient.id, scope=chosen.value,
                version=text.version, sha256=text.sha256, language=text.language)
    return given


def withdraw(work: Work, *, patient_id: str, scope: str) -> None:
    """Take consent back, whatever wording it was given to. Without care there is no research either.

    Raises: NoSuchRecord, RecordInvalid.
    """
    chosen = _scope(scope)
    patient = people.known(work.session, patient_id)
    scopes = list(ConsentScope) if chosen is ConsentScope.CARE else [chosen]
    for standing in work.session.scalars(_standing(patient.id).where(Consent.scope.in_(scopes))):
        standing.withdrawn_at = work.now
        work.record("consent.withdrawn", "consent", standing.id, patient_id=patient.id, scope=standing.scope)


def in_force(session: Session, *, patient_id: str, scope: str) -> Consent | None:
    """The consent to the wording of today, in the language in which it was given; None if there is none."""
    chosen = _scope(scope)
    newest = _standing(patient_id).where(Consent.scope == chosen.value).order_by(Consent.given_at.desc())
    return next((given for given in session.scalars(newest) if _is_of_today(given, chosen)), None)


def require(session: Session, *, patient_id: str) -> None:
    """Raises: ConsentMissing if no picture may be taken."""
    if in_force(session, patient_id=patient_id, scope=ConsentScope.CARE) is None:
        raise ConsentMissing("the patient has not agreed to the consent text of today: record their consent first.")


def history(session: Session, patient_id: str) -> list[Consent]:
    """Everything that was ever agreed to, the newest first."""
    return list(session.scalars(
        select(Consent).where(Consent.patient_id == patient_id).order_by(Consent.given_at.desc(), Consent.id.desc())
    ))


def _standing(patient_id: str) -> Select[Any]:
    return select(Consent).where(Consent.patient_id == patient_id, Consent.withdrawn_at.is_(None))


def _is_of_today(given: Consent, scope: ConsentScope) -> bool:
    text = wording(scope, language=given.language)
    return (given.text_version, given.text_sha256, given.language) == (text.version, text.sha256, text.language)


def _allowed(work: Work, patient_id: str, scope: ConsentScope) -> None:
    if scope is not ConsentScope.RESEARCH:
        return
    if not site.read(work.session).research_consent:
        raise RecordInvalid("this clinic does not ask for research: see its settings.", fields={"scope": "not asked."})
    if in_force(work.session, patient_id=patient_id, scope=ConsentScope.CARE) is None:
        message = "research needs the consent to pictures as well: record that first."
        raise RecordInvalid(message, fields={"scope": message})


def _scope(scope: str) -> ConsentScope:
    try:
        return ConsentScope(scope)
    except ValueError:
        message = f"{scope!r} is no scope of consent: use care or research."
        raise RecordInvalid(message, fields={"scope": message}) from None
