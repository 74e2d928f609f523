"""What the clinic's routes share, hung on the application."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from macule.records.changes import Comparer
from macule.records.clinic import Clinic
from macule.records.dashboard import Board
from macule.records.oidc import Provider
from macule.records.passwords import Hasher
from macule.records.similar import Library
from macule.records.worker import Worker
from macule.web.clinic.settings import ClinicSettings
from macule.web.gate import Gate


@dataclass
class ClinicState:
    """gate: bounds how many pictures are analysed and wait at once. comparer, library: what they keep in memory.

    provider: the hospital's own sign-in, if any. board: the dashboard's figures, counted once for everybody."""

    clinic: Clinic
    settings: ClinicSettings
    gate: Gate
    worker: Worker
    hasher: Hasher = field(default_factory=Hasher)
    provider: Provider | None = None
    comparer: Comparer = field(default_factory=Comparer)
    library: Library = field(default_factory=Library)
    board: Board = field(default_factory=Board)


def state_of(connection: HTTPConnection) -> ClinicState:
    state: ClinicState = connection.app.state.clinic
    return state


def address_here(connection: HTTPConnection) -> str:
    """How browsers reach this server, without a slash at the end: for links that are handed on."""
    return (state_of(connection).settings.public_url or str(connection.base_url)).rstrip("/")


def clinic_of(connection: HTTPConnection) -> Clinic:
    return state_of(connection).clinic
