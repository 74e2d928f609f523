"""A clinic behind a real server, with accounts that sign in by password, for browser tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clinic_testing import make_app, make_clinic
from fastapi import FastAPI
from live import serve
from PIL import Image, ImageFilter

from macule import examples
from macule.analysis import bundle
from macule.analysis.pipeline import Analyzer
from macule.examples import Kind
from macule.records import accounts
from macule.records.clinic import Clinic, utc_now
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.passwords import Hasher
from macule.records.tickets import Purpose

PASSWORD = "lantern-orchard-velvet-93"  # noqa: S105


def jpeg(kind: Kind = Kind.NAEVUS, *, seed: int = 7, blur: float = 0) -> bytes:
    """A drawn spot as a camera would have it. blur: standard deviation, px; at 9 it is refused."""
    drawn = Image.fromarray(examples.draw(replace(examples.preset(kind), tone=2), seed=seed))
    buffer = io.BytesIO()
    (drawn.filter(ImageFilter.GaussianBlur(blur)) if blur else drawn).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@dataclass(frozen=True)
class ClinicPlace:
    """staff: one account a role; each signs in with `address_of(role)` and PASSWORD."""

    clinic: Clinic
    app: FastAPI
    root: str
    staff: dict[Role, Actor]


def address_of(role: Role) -> str:
    return f"{role.value}@clinic.example"


@contextmanager
def opened(folder: Path) -> Iterator[ClinicPlace]:
    """The embedded model, SQLite, the real time."""
    clinic = make_clinic(folder, Analyzer(bundle.load()), clock=utc_now)  # type: ignore[arg-type]
    staff = {role: _account(clinic, role) for role in (Role.NURSE, Role.DERMATOLOGIST, Role.ADMIN)}
    app = make_app(clinic)
    with serve(app) as port:
        yield ClinicPlace(clinic, app, f"http://127.0.0.1:{port}", staff)


def _account(clinic: Clinic, role: Role) -> Actor:
    with clinic.work(SYSTEM) as work:
        _, secret = accounts.invite(work, email=address_of(role), name=f"The {role.value}", role=role.value)
    return accounts.choose_password(
        clinic, secret=secret, purpose=Purpose.INVITE, password=PASSWORD, hasher=Hasher()
    )
