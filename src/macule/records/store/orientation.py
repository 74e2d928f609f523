"""The one thing that is kept of a picture's EXIF block: which way is up."""

from __future__ import annotations

import io
import struct

from PIL import Image

from macule.analysis.image import MAX_PIXELS

TAG = 0x0112
SHORT = 3


class OddLayout(Exception):
    """A file that decoders may read but that is not laid out by the book. Never leaves `scrub`."""


def of(content: bytes, image_format: str) -> int:
    """1 to 8, as `image.decode` understands it (EXIF, else XMP). Reads no pixels of a JPEG or WebP.

    Raises: OddLayout for what does not open, is too large, or has several frames that are not a phone's depth maps.
    """
    try:
        with Image.open(io.BytesIO(content), formats=[image_format]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise OddLayout
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise OddLayout
            return _read(image)
    except OddLayout:
        raise
    except Exception as error:  # Pillow's plugins let struct.error, KeyError and others escape
        raise OddLayout from error


def _read(image: Image.Image) -> int:
    try:
        value = int(image.getexif().get(TAG, 1))
    except Exception:  # a damaged EXIF block raises anything; decode takes it for upright
        return 1
    return value if 1 <= value <= 8 else 1


def exif(orientation: int) -> bytes:
    """A TIFF block of one entry (EXIF 2.32, 4.6.2), little-endian."""
    return b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHIHH", TAG, SHORT, 1, orientation, 0) + bytes(4)
