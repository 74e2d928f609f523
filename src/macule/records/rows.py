"""The rows of any table as JSON lines and back: the same on SQLite and PostgreSQL."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Date, Integer, LargeBinary, Table, bindparam, func, insert, select, text, update
from sqlalchemy.orm import Session

from macule.records.tables import Base, Moment

CHUNK = 1000
Row = Mapping[str, Any]


def tables() -> Sequence[Table]:
    """Every table, those that others refer to first."""
    return Base.metadata.sorted_tables


def chunks(session: Session, table: Table) -> Iterator[tuple[int, bytes]]:
    """(how many rows, the rows as JSON lines), in the order of the primary key."""
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=CHUNK)
    for rows in session.execute(query).mappings().partitions():
        lines = (json.dumps(_plain(table, row), ensure_ascii=True, separators=(",", ":")) for row in rows)
        yield len(rows), "\n".join(lines).encode()


def parse(table: Table, lines: bytes) -> list[dict[str, Any]]:
    """Raises: ValueError, KeyError, TypeError for what `chunks` did not write."""
    return [_typed(table, json.loads(line)) for line in lines.decode().split("\n")]


def put(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Insert them as they are, except what refers to the same table: see `link`."""
    own = _own_references(table)
    # A JSON column would keep None as the JSON word null, which no `IS NULL` finds.
    values = {
        column.name: bindparam(column.name, type_=JSON(none_as_null=True) if isinstance(column.type, JSON) else None)
        for column in table.columns
    }
    session.execute(insert(table).values(values), [{**row, **dict.fromkeys(own)} for row in rows])


def link(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Fill in what refers to rows of the same table, now that all of them are there."""
    key = next(iter(table.primary_key.columns))
    for name in _own_references(table):
        linked = [{"row_key": row[key.name], "row_value": row[name]} for row in rows if row[name] is not None]
        if linked:
            statement = update(table).where(key == bindparam("row_key")).values({name: bindparam("row_value")})
            session.connection().execute(statement, linked)


def renumber(session: Session, table: Table) -> None:
    """Let PostgreSQL count on behind the ids that were put."""
    key = next(iter(table.primary_key.columns))
    if session.get_bind().dialect.name != "postgresql" or not isinstance(key.type, Integer):
        return
    sequence = session.scalar(select(func.pg_get_serial_sequence(table.name, key.name)))
    highest = session.scalar(select(func.max(key)))
    if sequence is not None and highest is not None:
        session.execute(text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})


def _own_references(table: Table) -> list[str]:
    return [column.name for column in table.columns if any(key.references(table) for key in column.foreign_keys)]


def _plain(table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    plain = {}
    for column in table.columns:
        value = row[column.name]
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        elif isinstance(value, date):  # a datetime is one, too
            value = value.isoformat()
        plain[column.name] = value
    return plain


def _typed(table: Table, plain: Row) -> dict[str, Any]:
    row = {column.name: plain[column.name] for column in table.columns}
    if set(plain) != set(row):
        raise KeyError(f"columns of {table.name}")
    for column in table.columns:
        value = row[column.name]
        if value is None:
            continue
        if isinstance(column.type, Moment):
            row[column.name] = datetime.fromisoformat(value)
        elif isinstance(column.type, Date):
            row[column.name] = date.fromisoformat(value)
        elif isinstance(column.type, LargeBinary):
            row[column.name] = base64.b64decode(value, validate=True)
    return row
