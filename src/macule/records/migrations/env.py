"""Alembic's entry: it is handed a connection by `database.upgrade` and writes no file."""

from __future__ import annotations

from alembic import context

from macule.records.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True,
    compare_type=True, transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
