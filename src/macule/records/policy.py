"""Who may do what: one table of roles, one of API scopes, and one rule for objects."""

from __future__ import annotations

from enum import StrEnum

from macule.records.domain import Actor, ActorKind, Role


class Permission(StrEnum):
    OWN_ACCOUNT = "own_account"  # password, second factor, signing out
    OWN_RECORDS = "own_records"  # a patient's own spots and released answers
    READ_PATIENTS = "read_patients"
    WRITE_PATIENTS = "write_patients"  # patients, lesions, consent, links
    CAPTURE = "capture"
    READ_ANSWER = "read_answer"  # the answer in plain words, picture, heatmap, the patient's PDF
    READ_CASE = "read_case"  # everything of a case, with reviews
    REVIEW = "review"  # commit, decide, comment, biopsy, second reader
    BATCH = "batch"
    READ_DASHBOARD = "read_dashboard"
    EXPORT = "export"
    MANAGE_USERS = "manage_users"
    MANAGE_SITE = "manage_site"  # settings, API keys, webhooks
    READ_AUDIT = "read_audit"
    ERASE = "erase"  # export and erase a person, retention


P = Permission
_CARE = frozenset({P.READ_PATIENTS, P.WRITE_PATIENTS, P.CAPTURE, P.READ_ANSWER, P.BATCH, P.OWN_ACCOUNT})

#: An administrator runs the place; no page of theirs shows a picture or an answer, because keeping the keys and reading
#: the records are two people's work. It is a division of work, not a wall: ERASE exports a person with pictures, and
#: MANAGE_USERS can make an account that reads. Both are written into the log.
BY_ROLE: dict[Role, frozenset[Permission]] = {
    Role.PATIENT: frozenset({P.OWN_RECORDS}),
    Role.NURSE: _CARE,
    Role.DERMATOLOGIST: _CARE | {P.READ_CASE, P.REVIEW, P.READ_DASHBOARD, P.EXPORT},
    Role.ADMIN: frozenset({P.OWN_ACCOUNT, P.MANAGE_USERS, P.MANAGE_SITE, P.READ_AUDIT, P.READ_DASHBOARD, P.ERASE}),
    Role.MACHINE: frozenset(),
    Role.SYSTEM: frozenset(Permission),
}

#: What an API key may be allowed.
BY_SCOPE: dict[str, frozenset[Permission]] = {
    "exams:write": frozenset({P.CAPTURE, P.WRITE_PATIENTS, P.READ_PATIENTS}),
    "exams:read": frozenset({P.READ_ANSWER, P.READ_PATIENTS}),
    "reviews:read": frozenset({P.READ_CASE}),
    "reviews:write": frozenset({P.REVIEW, P.READ_CASE}),
    "webhooks:manage": frozenset({P.MANAGE_SITE}),
}


def permissions(actor: Actor) -> frozenset[Permission]:
    if actor.kind is ActorKind.KEY:
        return frozenset().union(*(BY_SCOPE.get(scope, frozenset()) for scope in actor.scopes))
    return BY_ROLE[actor.role]


def may(actor: Actor, permission: Permission, *, patient_id: str | None = None) -> bool:
    """Whether the actor may do this, to this person's records if one is named.

    A patient's link reaches that patient alone. Staff and keys of one installation reach every patient of it.
    """
    if permission not in permissions(actor):
        return False
    return actor.role is not Role.PATIENT or patient_id is None or patient_id == actor.patient_id
