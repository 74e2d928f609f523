"""Cells of CSV files that a person may open in a spreadsheet."""

from __future__ import annotations

#: A spreadsheet runs a cell that starts so as a formula (OWASP, CSV injection); some trim spaces first.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(cell: str) -> str:
    """The cell with an apostrophe before it if a spreadsheet would run it."""
    # Cells that have such an apostrophe of their own get another one, so that `restored` is exact.
    return f"'{cell}" if _guarded(cell) else cell


def restored(cell: str) -> str:
    """What `harmless` was given."""
    return cell[1:] if cell.startswith("'") and _guarded(cell) else cell


def _guarded(cell: str) -> bool:
    return cell.lstrip("' ").startswith(_FORMULA)
