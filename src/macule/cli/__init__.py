"""The command line: one file a verb. Nothing heavy is imported until a verb runs."""

from __future__ import annotations

from macule.cli.app import main

__all__ = ["main"]
