"""What the clinic's routes share, hung on the application."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from macule.records.clinic import Clinic
from macule.records.worker import Worker
from macule.web.clinic.settings import ClinicSettings
from macule.web.gate import Gate


@dataclass
class ClinicState:
    """gate: bounds how many pictures are analysed and wait at once."""

    clinic: Clinic
    settings: ClinicSettings
    gate: Gate
    worker: Worker


def state_of(connection: HTTPConnection) -> ClinicState:
    state: ClinicState = connection.app.state.clinic
    return state


def clinic_of(connection: HTTPConnection) -> Clinic:
    return state_of(connection).clinic
