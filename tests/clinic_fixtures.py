"""A clinic on each database. PostgreSQL is really started, from the machine's own programs; without them it is skipped.

MACULE_TEST_DATABASES=sqlite leaves PostgreSQL out, for a quick look.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from clinic_testing import Clock, behind, make_clinic
from fastapi import FastAPI

from macule.analysis.pipeline import Analyzer
from macule.records.clinic import Clinic
from macule.records.database import Database

BACKENDS = tuple(os.environ.get("MACULE_TEST_DATABASES", "sqlite,postgresql").split(","))


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


def _as_postgres(*command: str) -> None:
    """PostgreSQL refuses to run as root."""
    lead = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*lead, *command], check=True, capture_output=True, cwd="/", timeout=120)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server of this test run's own, without a database name."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None or (os.geteuid() == 0 and shutil.which("runuser") is None):
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    # Short, because a socket's path may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="macule-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    _as_postgres(initdb, "-D", str(folder / "data"), "-U", "macule", "--auth=trust", "-E", "UTF8", "--no-sync")
    flags = f"-k {folder} -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200"
    try:
        _as_postgres(pg_ctl, "-D", str(folder / "data"), "-o", flags, "-w", "-l", str(folder / "log"), "start")
        yield f"postgresql://macule@/{{name}}?host={folder}"
    finally:
        subprocess.run(
            [*(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []), pg_ctl, "-D", str(folder / "data"),
             "-m", "immediate", "stop"], capture_output=True, check=False, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An upgraded, empty database: copying it is quicker than making one."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    _execute(postgres, 'CREATE DATABASE "template_macule"')
    database = Database(postgres.format(name="template_macule"))
    database.upgrade()
    database.close()
    return "template_macule"


def _execute(postgres: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(postgres.format(name="postgres"), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An upgraded, empty database of this test's own."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "macule.db")
        yield f"sqlite:///{tmp_path / 'macule.db'}"
        return
    postgres, template = request.getfixturevalue("postgres"), request.getfixturevalue("postgres_template")
    name = f"t_{secrets.token_hex(6)}"
    _execute(postgres, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield str(postgres.format(name=name))
    # Each is a copy of 8 MB; hundreds of them would take longer to remove at the end than these tests to run.
    _execute(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clinic(tmp_path: Path, analyzer: Analyzer, database_url: str, clock: Clock) -> Iterator[Clinic]:
    clinic = make_clinic(tmp_path, analyzer, url=database_url, clock=clock)
    yield clinic
    clinic.database.close()


@pytest.fixture
def app(clinic: Clinic) -> FastAPI:
    return behind(clinic)
