"""The clinic's vocabularies. Everything else in this package is built from these words."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Role(StrEnum):
    """What a person may be here. PATIENT comes by a link, MACHINE by an API key, SYSTEM is macule itself."""

    PATIENT = "patient"
    NURSE = "nurse"
    DERMATOLOGIST = "dermatologist"
    ADMIN = "admin"
    MACHINE = "machine"
    SYSTEM = "system"

    @property
    def staff(self) -> bool:
        return self in (Role.NURSE, Role.DERMATOLOGIST, Role.ADMIN)


class SkinType(IntEnum):
    """Fitzpatrick 1988: reaction to sun, I (always burns) to VI (never burns)."""

    I = 1  # noqa: E741 - the numeral is the field's name for it
    II = 2
    III = 3
    IV = 4
    V = 5
    VI = 6


class ExamState(StrEnum):
    """WAITING: received and safe, not yet analysed. REFUSED: too poor to judge. FAILED: not analysable at all."""

    WAITING = "waiting"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"


class ReviewState(StrEnum):
    """Where an answered exam stands with its readers."""

    OPEN = "open"
    COMMITTED = "committed"  # a reader's own diagnosis is stored, the decision is still to come
    DECIDED = "decided"
    SECOND = "second"  # a second reader was asked for and has not decided


class Decision(StrEnum):
    CONFIRM = "confirm"
    OVERRIDE = "override"


class OverrideReason(StrEnum):
    MORPHOLOGY = "morphology"  # what the reader sees contradicts the answer
    HISTORY = "history"  # change, symptoms, family or earlier cancers
    ARTEFACT = "artefact"  # hair, ink, ruler or light misled the machine
    OUT_OF_SCOPE = "out_of_scope"  # a disease that the machine does not know
    POOR_PICTURE = "poor_picture"
    OTHER = "other"


class Management(StrEnum):
    """What is to be done, in the order of urgency."""

    NOTHING = "nothing"
    FOLLOW_UP = "follow_up"
    REFER = "refer"
    BIOPSY = "biopsy"
    EXCISE = "excise"


class MapView(StrEnum):
    FRONT = "front"
    BACK = "back"


class ConsentScope(StrEnum):
    CARE = "care"  # the picture is taken, analysed and kept for this person's care
    RESEARCH = "research"  # and may be used to improve the model


class ActorKind(StrEnum):
    USER = "user"
    LINK = "link"
    KEY = "key"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who does something. Stands in every audit row.

    patient_id: of a patient's link, the only person whose records it opens.
    scopes: of an API key.
    """

    kind: ActorKind
    id: str
    name: str
    role: Role
    patient_id: str | None = None
    scopes: frozenset[str] = frozenset()


SYSTEM = Actor(ActorKind.SYSTEM, "system", "macule", Role.SYSTEM)


def new_id(now: datetime) -> str:
    """32 hexadecimal digits: milliseconds, so that rows lie in the order of time, then 80 bits that none can guess."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
