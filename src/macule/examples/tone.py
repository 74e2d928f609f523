"""Skin tones, and the two pigments that colour skin.

Tones are CIELAB (D65) values that lie inside the six groups of the individual typology angle
ITA = atan2(L* - 50, b*): > 55, 41-55, 28-41, 10-28, -30-10, < -30 degrees (Chardon, Cretois & Hourseau, Int. J. Cosmet.
Sci. 13:191, 1991; Del Bino & Bernerd, Br. J. Dermatol. 169 Suppl. 3:33, 2013). The groups are used here as a stand-in
for Fitzpatrick I-VI, which is asked and not measured: the two agree only on average.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from macule.examples.noise import F32

TONES: dict[int, tuple[float, float, float]] = {  # Fitzpatrick: L*, a*, b*
    1: (74.0, 10.0, 14.0),
    2: (69.0, 11.0, 16.5),
    3: (64.0, 12.0, 19.0),
    4: (56.5, 13.0, 20.0),
    5: (45.5, 13.5, 18.5),
    6: (33.5, 11.0, 15.5),
}

# Absorption of R, G, B relative to G. Melanin falls as wavelength ** -3.33 (Jacques, Oregon Medical Laser Center,
# 1998), flattened by a camera's broad channels; oxygenated blood absorbs green and blue and lets red through.
MELANIN = np.array([0.62, 1.0, 1.45], np.float32)
BLOOD = np.array([0.13, 1.0, 0.80], np.float32)


def ita(lab: tuple[float, float, float]) -> float:
    """Individual typology angle in degrees; lab: CIELAB L*, a*, b*."""
    return math.degrees(math.atan2(lab[0] - 50.0, lab[2]))


def to_linear(srgb: F32) -> F32:
    """sRGB in 0-1 to linear light, elementwise (IEC 61966-2-1)."""
    out: F32 = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return out


def to_srgb(linear: F32) -> F32:
    """Linear light to sRGB in 0-1, elementwise; clips."""
    v = np.clip(linear, 0.0, 1.0)
    out: F32 = np.where(v <= 0.0031308, v * 12.92, 1.055 * np.power(v, 1 / 2.4) - 0.055).astype(np.float32)
    return out


def tone_rgb(tone: int) -> F32:
    """sRGB of a Fitzpatrick tone 1-6. Returns: float32, shape (3,), 0-1."""
    lab = np.array([[TONES[tone]]], np.float32)
    out: F32 = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0, 0], 0.0, 1.0).astype(np.float32)
    return out


def tone_linear(tone: int) -> F32:
    """As `tone_rgb`, in linear light."""
    return to_linear(tone_rgb(tone))
