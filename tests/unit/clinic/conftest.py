"""Pages and API on SQLite; `make test-all` runs them on PostgreSQL too. What they stand on is tested on both."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_fixtures import *  # noqa: F403


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        chosen = getattr(item, "callspec", None)
        if Path(__file__).parent in item.path.parents and chosen and chosen.params.get("database_url") == "postgresql":
            item.add_marker(pytest.mark.slow)
