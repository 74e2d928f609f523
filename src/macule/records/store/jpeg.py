"""A JPEG's segments without what tells tales (ITU T.81, annex B). The entropy-coded data are copied as they are."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from macule.records.store import orientation
from macule.records.store.orientation import OddLayout

SOI, EOI, SOS, DNL = 0xD8, 0xD9, 0xDA, 0xDC
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
#: Frames, tables and restart intervals: what the decoder needs.
_CODING = frozenset((*range(0xC0, 0xC8), *range(0xC9, 0xD0), 0xDB, DNL, 0xDD, 0xDE, 0xDF))
#: Application data and comments: what it does not.
_TALES = frozenset((*range(0xE0, 0xF0), 0xFE))
#: The next marker in entropy-coded data: stuffed zeros and restarts belong to the data.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def stripped(content: bytes) -> bytes:
    """From the first picture's start to its end. Raises: OddLayout."""
    turn = orientation.of(content, "JPEG")
    kept = [piece for marker, segment in _segments(content) if (piece := _kept(marker, segment)) is not None]
    if turn != 1:
        # After JFIF's own segment, which has to come first.
        at = 1 if kept and kept[0][1] == APP0 else 0
        kept.insert(at, _segment(APP1, b"Exif\0\0" + orientation.exif(turn)))
    return b"\xff\xd8" + b"".join(kept) + b"\xff\xd9"


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, segment from its FF on); of a scan, with its data. Ends at EOI. Raises: OddLayout."""
    at, scanned = 2, False
    while True:
        at = _marker_at(content, at)
        marker = content[at + 1]
        if marker == EOI:
            if not scanned:
                raise OddLayout
            return
        if marker not in _CODING and marker not in _TALES and marker != SOS:
            raise OddLayout
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(content):
            raise OddLayout
        if marker == SOS:
            scanned, found = True, _MARKER.search(content, end)
            if found is None:
                raise OddLayout
            end = found.start()
        yield marker, content[at:end]
        at = end


def _marker_at(content: bytes, at: int) -> int:
    """Where the marker is that starts here; any number of FF may precede it (B.1.1.2). Raises: OddLayout."""
    while content[at : at + 2] == b"\xff\xff":
        at += 1
    if content[at : at + 1] != b"\xff" or at + 1 >= len(content):
        raise OddLayout
    return at


def _kept(marker: int, segment: bytes) -> bytes | None:
    if marker in _CODING or marker == SOS:
        return segment
    data = segment[4:]
    if marker == APP0 and data.startswith(b"JFIF\0") and len(data) >= 14:
        return _segment(APP0, data[:12] + bytes(2))  # without the thumbnail
    if marker == APP2 and data.startswith(b"ICC_PROFILE\0"):
        return segment
    if marker == APP14 and data.startswith(b"Adobe") and len(data) >= 12:
        return _segment(APP14, data[:12])
    return None


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
