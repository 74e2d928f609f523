"""Any mode that Pillow decodes -> 8-bit sRGB: 16-bit, float, grey, palette, alpha, CMYK and embedded ICC profiles."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
#: Modes whose pixels an ICC profile describes directly.
_PROFILED = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}


def to_srgb(image: Image.Image) -> Image.Image:
    """A loaded image as mode RGB in sRGB; transparency is laid on white.

    Raises: ValueError if a floating-point picture holds NaN or infinity.
    """
    profile = image.info.get("icc_profile")
    if image.mode in _WIDE_MODES:
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        image = _on_white(image)
    elif image.mode not in _PROFILED:
        image = image.convert("RGB")
    return _apply_profile(image, profile) if profile else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit or float grey -> mode L, by the range of the type, not of the picture, so that dark stays dark."""
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("pixels that are not numbers")
    top = float(values.max(initial=0.0))
    full = 1.0 if image.mode == "F" and top <= 1.0 else 255.0 if image.mode in "IF" and top <= 255.0 else 65535.0
    return Image.fromarray((values.clip(0, full) * (255.0 / full)).round().astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Phones embed Display P3 and cameras Adobe RGB: read as sRGB, their reds would look paler than they are."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _PROFILED.get(image.mode) or _is_srgb(source):
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image.convert("RGB")  # a damaged profile is no reason to refuse good pixels
    return converted if converted is not None else image.convert("RGB")


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return "srgb" in (profile.profile.profile_description or "").lower()
