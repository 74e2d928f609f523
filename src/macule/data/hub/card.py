"""The README of a pushed manifest: its head is what the hub reads, the rest is for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from macule import __version__
from macule.analysis.result import DISCLAIMER
from macule.data.hub.layout import DATA, SPLIT
from macule.data.hub.licences import HUB_NAMES, NON_COMMERCIAL, Share
from macule.data.manifest import Counts

#: The hub's own steps of size.
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(*, name: str, digest: str, counts: Counts, shares: Sequence[Share], with_pictures: bool) -> str:
    """Markdown with a YAML head."""
    return "\n".join((*_head(name, counts, shares), *_body(name, digest, counts, shares, with_pictures))) + "\n"


def _head(name: str, counts: Counts, shares: Sequence[Share]) -> Iterator[str]:
    licences = {HUB_NAMES.get(share.licence or "", "other") for share in shares}
    yield from ("---", f"license: {licences.pop() if len(licences) == 1 else 'other'}")
    # JSON strings are YAML strings.
    yield f"pretty_name: {json.dumps(name)}"
    yield "tags: [macule, dermatology, skin-lesion]"
    yield f"size_categories: [{next((word for limit, word in SIZES if counts.rows < limit), '1M<n<10M')}]"
    yield from ("configs:", "- config_name: default", "  data_files:", f"  - split: {SPLIT}",
                f"    path: {DATA}/*.parquet", "---")


def _body(name: str, digest: str, counts: Counts, shares: Sequence[Share], with_pictures: bool) -> Iterator[str]:
    yield from ("", f"# {name}", "", f"**For research. Not a medical device.** {DISCLAIMER}", "")
    what = "The pictures are in the column `image`." if with_pictures else \
        "The pictures are not here: get them from their publishers."
    yield from (f"A manifest of {counts.rows:,} pictures of skin lesions, made by macule {__version__}. {what} The "
                "publishers' own parts are in the column `part`; lesion masks are named, not held.",
                "", f"- SHA-256 of the rows: `{digest}`", f"- lesions by id: {counts.lesions:,}; patients by id: "
                f"{counts.patients:,}; groups that a split must keep together: {counts.groups:,}", "")
    yield from _sources(shares)
    yield from _table("class", counts.classes)
    yield from _table("nature", counts.malignant)
    yield from _table("official part", counts.parts)


def _sources(shares: Sequence[Share]) -> Iterator[str]:
    from macule.data.sources import SOURCES

    yield from ("## Sources and licences", "", "| data set | rows | licence | cite | home |", "|---|---:|---|---|---|")
    for share in shares:
        source = SOURCES.get(share.dataset)
        cite, home = (source.citation, source.home) if source else ("", "")
        cells = (share.dataset, f"{share.rows:,}", share.licence or "not stated", cite, home)
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
    yield ""
    if any(NON_COMMERCIAL.search(share.licence or "") for share in shares):
        yield from ("Some of it is under a licence that forbids commercial use (NC). It stays under that licence here.",
                    "")


def _table(head: str, counts: dict[str, int]) -> Iterator[str]:
    yield from (f"| {head} | rows |", "|---|---:|", *(f"| {name} | {n:,} |" for name, n in counts.items()), "")
