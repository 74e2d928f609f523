"""What must not be kept of a picture: where it was taken, by what device, and whatever is hidden behind its end.

JPEG, PNG and WebP are taken apart and put together again without it; not one pixel is computed anew. Everything
else that `image.decode` reads, and what is laid out oddly, is drawn anew as a PNG of what the decoder sees.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2

from macule.analysis.image import MAX_PIXELS, decode
from macule.analysis.sniff import sniff
from macule.errors import UnreadableImage
from macule.records.store import jpeg, png, webp
from macule.records.store.orientation import OddLayout

_TAKEN_APART: dict[str, Callable[[bytes], bytes]] = {"JPEG": jpeg.stripped, "PNG": png.stripped, "WEBP": webp.stripped}


def scrub(content: bytes) -> bytes:
    """The same pixels, upright by the same turn, without metadata, thumbnails or further pictures.

    Kept: what decoding needs, the colour profile, and of EXIF the orientation alone.
    Raises: what `decode` raises, for what is no picture or an oddly damaged one. Damage within the pixels' data passes.
    """
    strip = _TAKEN_APART.get(sniff(content) or "")
    if strip is None:
        return _redrawn(content)
    try:
        return strip(content)
    except OddLayout:
        return _redrawn(content)


def _redrawn(content: bytes) -> bytes:
    seen = decode(content, short_side=MAX_PIXELS)  # no side is longer: nothing is reduced
    # OpenCV writes a 12-megapixel PNG four times as fast as Pillow does.
    done, encoded = cv2.imencode(".png", cv2.cvtColor(seen.rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise UnreadableImage("the picture cannot be stored as a PNG: send it as a JPEG.")
    return encoded.tobytes()
