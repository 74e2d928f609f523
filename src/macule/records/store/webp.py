"""A WebP's chunks without what tells tales (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from macule.records.store import orientation
from macule.records.store.orientation import OddLayout

_KEPT = (b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L")
#: Bits of VP8X's first byte.
_HAS_EXIF, _HAS_XMP = 0x08, 0x04


def stripped(content: bytes) -> bytes:
    """The RIFF container with its picture alone. Raises: OddLayout."""
    turn = orientation.of(content, "WEBP")
    chunks = [(kind, data) for kind, data in _chunks(content) if kind in _KEPT]
    if not chunks or chunks[-1][0] not in (b"VP8 ", b"VP8L"):
        raise OddLayout
    if chunks[0][0] == b"VP8X":
        chunks[0] = (b"VP8X", _flagged(chunks[0][1], turned=turn != 1))
        if turn != 1:
            chunks.append((b"EXIF", orientation.exif(turn)))
    body = b"WEBP" + b"".join(_chunk(kind, data) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of each chunk within the container's length. Raises: OddLayout."""
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise OddLayout
    at = 12
    while at + 8 <= end:
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > end or kind in (b"ANIM", b"ANMF"):
            raise OddLayout
        yield kind, content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _flagged(data: bytes, *, turned: bool) -> bytes:
    if len(data) != 10:
        raise OddLayout
    return bytes([data[0] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if turned else 0)]) + data[1:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
