"""The reporting checklists as blocks, one table a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import Prose, Section, Table

TITLES = {
    "STARD 2015": "STARD 2015, which STARD-AI carries on",
    "STARD-AI": "What STARD-AI (2025) adds",
    "CLEAR Derm": "CLEAR Derm (2022), for pictures of skin",
}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.checklist.answers` gives it."""
    items = found["items"]
    partly = f" and {found['partly']} partly" if found.get("partly") else ""
    lead = (f"{found['answered']} of {len(items)} items are answered from the records of this run{partly}; "
            f"{found['not_measured']} were not measured and {found['not_reported']} are not reported.")
    return Section("checklist", "Reporting checklist", lead, (
        Prose("STARD 2015: Bossuyt et al., BMJ 2015;351:h5527. STARD-AI: Sounderajah et al., Nature Medicine 2025. "
              "CLEAR Derm: Daneshjou et al., JAMA Dermatology 2022;158:90-96. The wording is ours, and short; the "
              "numbers of STARD 2015 are its own. Nothing is filled in by hand: what no record answers is left blank."),
        *(_table(source, [item for item in items if item["source"] == source]) for source in TITLES),
    ))


def _table(source: str, items: list[Mapping[str, str]]) -> Table:
    blank = tuple(place for place, item in enumerate(items) if item["state"] not in ("answered", "partly"))
    numbered = any(item["number"] for item in items)
    head = (("item",) if numbered else ()) + ("asks for", "answer", "where")
    rows = tuple(((item["number"],) if numbered else ()) + (item["topic"], item["answer"], item["where"])
                 for item in items)
    return Table(TITLES[source], head, rows, muted=blank)
