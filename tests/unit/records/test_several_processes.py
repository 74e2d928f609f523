"""Several servers share one database: each brings its tables up to date at its start and waits for no other to end."""

from __future__ import annotations

import threading

from macule.records.database import Database


def test_a_second_server_starts_while_the_first_one_runs(database_url: str) -> None:
    first, second = Database(database_url), Database(database_url)
    first.upgrade()
    starting = threading.Thread(target=second.upgrade, daemon=True)
    starting.start()
    starting.join(timeout=20)
    assert not starting.is_alive()
    first.close()
    second.close()
