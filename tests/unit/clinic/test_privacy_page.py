"""The administrator's page: find, export, erase, and a look at retention."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from clinic_testing import Clock, add_exam, add_lesion, make_clinic, sign_in
from fastapi import FastAPI
from sqlalchemy import select
from typer.testing import CliRunner

from macule.analysis.pipeline import Analyzer
from macule.cli.patient import app as verbs
from macule.errors import StoreAway
from macule.records import privacy, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import Erasure, Exam, Patient


def test_find_export_and_erase(app: FastAPI, clinic: Clinic) -> None:
    exam = add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-42"))
    admin = sign_in(app, clinic, Role.ADMIN)
    assert "Find a patient" in admin.get("/admin/privacy").text
    found = admin.post("/admin/privacy/find", data={"pseudonym": "p-42"})
    here = f"/admin/privacy/{exam.patient_id}"
    assert found.headers["location"] == here and "P-42" in admin.get(here).text
    archive = admin.post(f"{here}/export")
    assert archive.headers["content-disposition"].startswith("attachment")
    assert "record.json" in zipfile.ZipFile(io.BytesIO(archive.content)).namelist()

    refused = admin.post(f"{here}/erase", data={"typed": "P-43", "reason": "request"})
    assert refused.status_code == 422 and "Type P-42 exactly" in refused.text
    assert admin.post(f"{here}/erase", data={"typed": "P-42"}).status_code == 422
    erased = admin.post(f"{here}/erase", data={"typed": "P-42", "reason": "request"})
    assert erased.headers["location"] == "/admin/privacy?done=erased"
    page = admin.get(erased.headers["location"]).text
    assert "Backups made before today" in page and exam.patient_id in page and "P-42" not in page
    assert admin.get(here).status_code == 404


def test_a_wrong_number_is_said(app: FastAPI, clinic: Clinic) -> None:
    admin = sign_in(app, clinic, Role.ADMIN)
    answer = admin.post("/admin/privacy/find", data={"pseudonym": "<b>x</b>"})
    assert answer.status_code == 422 and "There is no patient" in answer.text and "<b>x" not in answer.text


@pytest.mark.parametrize("role", [Role.NURSE, Role.DERMATOLOGIST])
def test_nobody_else_may(app: FastAPI, clinic: Clinic, role: Role) -> None:
    exam, other = add_exam(clinic), sign_in(app, clinic, role)
    here = f"/admin/privacy/{exam.patient_id}"
    for path in ("/admin/privacy", here):
        assert other.get(path).status_code == 403
    for path in ("export", "erase"):
        assert other.post(f"{here}/{path}").status_code == 403


def test_it_needs_the_token(app: FastAPI, clinic: Clinic) -> None:
    exam, admin = add_exam(clinic), sign_in(app, clinic, Role.ADMIN)
    del admin.headers["X-CSRF-Token"]
    for path in ("export", "erase"):
        assert admin.post(f"/admin/privacy/{exam.patient_id}/{path}", data={"typed": "x"}).status_code == 403


def test_with_the_store_away_the_page_says_that_pictures_remain(
    app: FastAPI, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-42"))
    admin = sign_in(app, clinic, Role.ADMIN)

    def away(*_: object) -> None:
        raise StoreAway("the store is read-only")

    with monkeypatch.context() as patch:
        patch.setattr(type(clinic.store), "delete", away)
        answer = admin.post(f"/admin/privacy/{exam.patient_id}/erase", data={"typed": "P-42", "reason": "mistake"})
    assert answer.headers["location"] == "/admin/privacy?done=begun"
    assert "3 to be deleted" in admin.get("/admin/privacy").text
    privacy.finish_erasures(clinic)
    assert "to be deleted" not in admin.get("/admin/privacy").text


def test_retention_is_shown_before_it_happens(app: FastAPI, clinic: Clinic, clock: Clock) -> None:
    add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-OLD"))
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(retention_days=365), version=0)
    clock.turn(days=400)
    admin = sign_in(app, clinic, Role.ADMIN)
    page = admin.get("/admin/privacy").text
    assert "365 days" in page and "P-OLD" in page and "patient is" in page


def test_the_command_line_exports_and_erases(tmp_path: Path, analyzer: Analyzer) -> None:
    clinic = make_clinic(tmp_path, analyzer)
    exam = add_exam(clinic, lesion=add_lesion(clinic, pseudonym="P-42"))
    run, home = CliRunner(), ["--home", str(tmp_path)]
    out = tmp_path / "p.zip"
    done = run.invoke(verbs, ["export", "P-42", "--out", str(out), *home])
    assert done.exit_code == 0 and zipfile.is_zipfile(out) and out.stat().st_mode & 0o077 == 0
    assert run.invoke(verbs, ["overdue", "--days", "30", *home]).exit_code == 0
    assert run.invoke(verbs, ["erase", "P-42", "--reason", "request", *home], input="P-4\n").exit_code != 0
    assert run.invoke(verbs, ["erase", "P-42", "--reason", "request", *home], input="P-42\n").exit_code == 0
    with clinic.reading() as session:
        assert session.get(Exam, exam.id) is None and session.scalars(select(Erasure)).one().finished_at
        assert session.scalars(select(Patient.pseudonym)).one().startswith("erased-")
    clinic.database.close()
