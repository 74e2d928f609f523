"""Bytes or a path -> an upright 8-bit sRGB `Picture`, refusing what cannot be judged before it costs memory.

The format is told from the content, never from the name. A large JPEG is decoded at 1/2, 1/4 or 1/8 in its DCT
(Pillow `draft`): a 12-megapixel one takes 54 ms instead of 140. OpenCV's reduced decoder is as fast (48 ms), but
it accepts truncated files in silence and knows neither ICC profiles nor CMYK.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from macule.analysis.colour import to_srgb
from macule.analysis.sniff import PICTURE_FORMATS, sniff
from macule.errors import ImageTooLarge, InputNotFound, MaculeError, UnreadableImage, UnsupportedImage

#: Just under the 89.5 million at which Pillow itself warns of a decompression bomb; phones shoot 12 to 50.
MAX_PIXELS = 89_000_000
#: An uncompressed TIFF of MAX_PIXELS holds 267 MB; anything larger is not a photograph.
MAX_BYTES = 300_000_000
#: Short side kept when decoding: at least twice the largest network input (260 px), so that the exact resize decides.
DECODED_SHORT_SIDE = 520

_ORIENTATION_TAG = 0x0112
#: EXIF 2.32, table 6: what turns a picture stored so upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Picture:
    """rgb: uint8, shape (H, W, 3), sRGB, upright; it may hold fewer pixels than the file.
    width, height: of the file, in pixels, after the EXIF turn. format: `JPEG`, `PNG`, `WEBP`, `TIFF`, `BMP` or `HEIF`.
    """

    rgb: NDArray[np.uint8] = field(repr=False, compare=False)
    width: int
    height: int
    format: str


def decode(
    source: Path | str | bytes,
    *,
    short_side: int = DECODED_SHORT_SIDE,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Picture:
    """Decode one still picture.

    short_side: keep at least this many pixels on the short side (if the file has them); more are dropped for speed.

    Raises: InputNotFound, ImageTooLarge (before decoding), UnsupportedImage or UnreadableImage.
    """
    name = "the picture" if isinstance(source, bytes) else Path(source).name
    content = source if isinstance(source, bytes) else _read(Path(source), max_bytes)
    if len(content) > max_bytes:
        raise _too_many_bytes(name, len(content), max_bytes)
    image_format = _known_format(content, name)
    try:
        return _decode(content, image_format, name, short_side, max_pixels)
    except Image.DecompressionBombError as error:
        message = f"{name} has far more than the {max_pixels} pixels that are read: save a smaller copy."
        raise ImageTooLarge(message) from error
    except UnidentifiedImageError as error:
        message = f"{name} starts like a {image_format} file but is damaged: export or send it again."
        raise UnreadableImage(message) from error
    except MaculeError:
        raise
    except Exception as error:  # Pillow's plugins let struct.error, KeyError and others escape
        reason = str(error).strip() or type(error).__name__
        raise UnreadableImage(f"{name} is damaged ({reason}): export or send the picture again.") from error


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if path.is_dir():
            raise InputNotFound(f"{path} is a folder where a picture was expected: name a file in it.")
        size = path.stat().st_size
        if size > max_bytes:
            raise _too_many_bytes(path.name, size, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise InputNotFound(f"{path} cannot be read ({reason}): check the path and its permissions.") from error


def _too_many_bytes(name: str, size: int, limit: int) -> ImageTooLarge:
    return ImageTooLarge(f"{name} holds {size} bytes; at most {limit} are read: save it as a JPEG or a smaller copy.")


def _known_format(content: bytes, name: str) -> str:
    if not content:
        raise UnreadableImage(f"{name} is empty (0 bytes): copy or send it again.")
    found = sniff(content)
    if found is None:
        kinds = "JPEG, PNG, WebP, TIFF, BMP or HEIC"
        raise UnreadableImage(f"{name} is not a picture, whatever its name says: use a {kinds}.")
    if found == "DICOM":
        raise UnsupportedImage(f"{name} is a DICOM file; this version reads none yet: export it as a PNG or JPEG.")
    if found not in PICTURE_FORMATS:
        raise UnsupportedImage(f"{name} is a {found} file, which is not read: save it as a JPEG or PNG.")
    return found


def _decode(content: bytes, image_format: str, name: str, short_side: int, max_pixels: int) -> Picture:
    if image_format == "HEIF":
        _enable_heif()
    with Image.open(io.BytesIO(content), formats=[image_format]) as image:
        _check_size(image, name, max_pixels)
        _check_still(image, name)
        stored = image.size
        image.draft(None, (short_side, short_side))
        image.load()
        # Read after load: Pillow turns TIFFs by itself while loading and then drops the tag.
        turn = _orientation(image)
        upright = _shrink(to_srgb(image), short_side)
    if turn in _TURNS:
        upright = upright.transpose(_TURNS[turn])
    width, height = reversed(stored) if turn in _SIDEWAYS else stored
    return Picture(np.asarray(upright), width, height, image_format)


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ImageTooLarge(
            f"{name} is {image.width} x {image.height} px; at most {max_pixels} pixels are read: save a smaller copy."
        )


def _check_still(image: Image.Image, name: str) -> None:
    frames = getattr(image, "n_frames", 1)
    # Phones append depth and gain maps to a JPEG (MPO) or HEIC: those are not an animation, the first frame counts.
    if frames > 1 and image.format not in ("MPO", "HEIF"):
        raise UnsupportedImage(f"{name} has {frames} frames or pages; one still is needed: save the one you mean.")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block raises anything; the pixels are still good
        return 1


def _shrink(image: Image.Image, short_side: int) -> Image.Image:
    factor = min(image.size) // short_side
    return image.reduce(factor) if factor >= 2 else image


def _enable_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        # Not an EnvironmentFault: the other pictures of a folder can still be read.
        raise UnsupportedImage("HEIC needs the package pillow-heif: pip install pillow-heif, or save a JPEG.") from None
    register_heif_opener(thumbnails=False)
