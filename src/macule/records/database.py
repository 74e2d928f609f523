"""The engine and its transactions. SQLite by default, PostgreSQL by its URL; the same statements run on both."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from macule.errors import Conflict, DatabaseAway, UsageError

MIGRATIONS = Path(__file__).parent / "migrations"
#: Seconds that a writer waits for another before it gives up.
PATIENCE_S = 15
#: One number for the whole application: PostgreSQL's advisory locks know no names.
MIGRATION_LOCK = 0x6D6163

log = logging.getLogger(__name__)


class Database:
    """One for each process. Nothing is connected before the first transaction."""

    def __init__(self, url: str, *, pool: int = 10) -> None:
        """url: SQLAlchemy's, with `postgresql://` read as psycopg 3. pool: connections kept to PostgreSQL.

        Raises: UsageError for a URL that names neither SQLite nor PostgreSQL.
        """
        self.url = _checked(url)
        self._engine = _engine(self.url, pool)
        self._upgraded = False
        self._upgrading = threading.Lock()

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits at the end of the block and leaves nothing behind if the block fails.

        Raises: DatabaseAway, and Conflict where another writer was first.
        """
        with self._session(write=True) as session, _translated():
            yield session
            session.commit()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A view of the records that never waits for a writer. Nothing is committed. Raises: DatabaseAway."""
        with self._session(write=False) as session, _translated():
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """One moment of all tables, however long it is read. Nothing is committed. Raises: DatabaseAway."""
        # SQLite's readers see one moment anyway; PostgreSQL's default is a new one for each statement.
        options = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._session(write=False, **options) as session, _translated():
            yield session

    def upgrade(self) -> None:
        """Bring the tables to this version of macule; safe from several processes. Raises: DatabaseAway."""
        from alembic import command
        from alembic.config import Config

        with _translated(), self._engine.connect() as connection, self._alone(connection):
            configuration = Config()
            configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
            connection.commit()
        self._upgraded = True

    @contextmanager
    def _alone(self, connection: Connection) -> Iterator[None]:
        """PostgreSQL: no other process upgrades meanwhile. SQLite's own lock is enough."""
        if self.sqlite:
            yield
            return
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            yield
            # The lock is the connection's, not the transaction's: one that goes back to the pool would keep it.
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()
        except BaseException:
            connection.invalidate()
            raise

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether this process alone works on `name` until the block ends; one that dies lets go of it.

        For work that is longer than a transaction. SQLite, which has no such lock, says yes to everybody: who asks must
        come to the same end when two do it, only with the work done twice. Raises: DatabaseAway.
        """
        if self.sqlite:
            yield True
            return
        self._ready()
        with _translated(), self._engine.connect() as connection:
            yield bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _number(name)}))

    def tend(self) -> None:
        """Let SQLite count what is in its tables, which it plans joins by and never does unasked; 10 ms.

        Over 100,000 exams the dashboard's joins take 4 times as long without. PostgreSQL does this by itself.
        """
        if self.sqlite:
            with _translated(), self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA analysis_limit = 400")
                connection.exec_driver_sql("ANALYZE")
                connection.commit()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _session(self, *, write: bool, **options: str) -> Iterator[Session]:
        self._ready()
        with Session(self._engine, expire_on_commit=False) as session:
            with _translated():
                session.connection(execution_options={"macule_write": write, **options})
            yield session

    def _ready(self) -> None:
        # Not at start: a server that starts before its database must recover by itself.
        if not self._upgraded:
            with self._upgrading:
                if not self._upgraded:
                    self.upgrade()


def alone(session: Session, name: str, *, shared: bool = False) -> None:
    """Wait until no other transaction holds `name`, and hold it until this one ends.

    shared: together with others that say so too. On SQLite a writing transaction is alone from its start.
    """
    if session.get_bind().dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        session.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:key)"), {"key": _number(name)})


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # Without the URL itself: it may hold a password.
        message = "the database's URL cannot be read: give sqlite:///FILE or postgresql://USER@HOST/NAME."
        raise UsageError(message) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"database is {parsed.drivername!r}; use sqlite:///FILE or postgresql://USER@HOST/NAME.")
    return parsed


def _engine(url: URL, pool: int) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=pool, max_overflow=pool, pool_pre_ping=True, pool_timeout=PATIENCE_S,
                             hide_parameters=True, connect_args={"connect_timeout": 5})
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # hide_parameters: an error's text, which may be logged, must not hold what a patient's row holds.
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": PATIENCE_S, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver's own BEGIN comes too late and is always deferred; `_begin_sqlite` gives the right one.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: in WAL mode NORMAL may lose the last acknowledged exams in a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # An erased person's rows are overwritten, not left in free pages.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    # A writer takes its lock at once: one that had read first could not be upgraded once another had written.
    write = connection.get_execution_options().get("macule_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StaleDataError as error:
        raise Conflict("somebody else changed this meanwhile: load the page again and repeat your change.") from error
    except OperationalError as error:
        # The driver's words name the host, the account or a file: not for whoever opened a page.
        log.warning("the database does not answer: %s", type(error.orig).__name__)
        raise DatabaseAway("the database does not answer: try again in a moment.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseAway("the connection to the database broke: try again in a moment.") from error
        raise
    except SQLAlchemyError as error:
        if type(error).__name__ == "TimeoutError":
            raise DatabaseAway("every connection to the database is taken: try again in a moment.") from error
        raise
