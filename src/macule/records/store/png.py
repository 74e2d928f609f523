"""A PNG's chunks without what tells tales (PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from macule.analysis.image import MAX_PIXELS
from macule.records.store import orientation
from macule.records.store.orientation import OddLayout

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"))
_COLOUR = frozenset((b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP", b"mDCV", b"cLLI", b"pHYs"))
#: Where an orientation may stand: EXIF, EXIF in hexadecimal, XMP.
_NOTES = frozenset((b"eXIf", b"zTXt", b"tEXt", b"iTXt"))
_ANIMATION = frozenset((b"acTL", b"fcTL", b"fdAT"))


def stripped(content: bytes) -> bytes:
    """From the signature to IEND. Raises: OddLayout."""
    chunks = list(_chunks(content))
    width, height = struct.unpack(">II", chunks[0][1][8:16])
    if width * height > MAX_PIXELS or any(kind in _ANIMATION for kind, _ in chunks):
        raise OddLayout
    turn = _orientation([chunk for kind, chunk in chunks if kind in _NOTES])
    kept = [chunk for kind, chunk in chunks if kind in _PIXELS or kind in _COLOUR]
    if turn != 1:
        kept.insert(1, _chunk(b"eXIf", orientation.exif(turn)))
    return SIGNATURE + b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, whole chunk). Ends at IEND. Raises: OddLayout."""
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content) or (at == len(SIGNATURE)) != (kind == b"IHDR" and length == 13):
            raise OddLayout
        if kind[:1].isupper() and kind not in _PIXELS:  # critical, and unknown: what it does is unknown too
            raise OddLayout
        yield kind, content[at:end]
        at = end


def _orientation(notes: list[bytes]) -> int:
    """What Pillow makes of these chunks. Asked of a picture of one pixel, as it decodes all of them to see the last."""
    if not notes:
        return 1
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = _chunk(b"IHDR", header), *notes, _chunk(b"IDAT", zlib.compress(bytes(2))), _chunk(b"IEND", b"")
    return orientation.of(SIGNATURE + b"".join(pixel), "PNG")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
