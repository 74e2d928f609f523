"""Every test here runs on SQLite and on PostgreSQL."""

from clinic_fixtures import *  # noqa: F403
