"""Words that a manifest uses for what every publisher spells in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from macule.analysis.patient import SITE_ALIASES, Site


class Confirmation(StrEnum):
    """How a diagnosis was established, best evidence first."""

    HISTOPATHOLOGY = "histopathology"
    CONFOCAL = "confocal_microscopy"
    FOLLOW_UP = "follow_up"
    CONSENSUS = "expert_consensus"
    CLINICAL = "clinical"


class ToneScale(StrEnum):
    """Which scale a skin tone is given on. Values of two scales are never compared or converted."""

    FITZPATRICK = "fitzpatrick"  # 1 (always burns) to 6 (never burns); Fitzpatrick 1988
    MILK = "milk"  # 0 (very dark) to 5 (very light); MILK study team 2025
    MONK = "monk"  # 1 (lightest) to 10 (darkest); Monk 2019
    ITA = "ita"  # degrees, estimated from the picture; Chardon et al. 1991


#: Lowest and highest value of each scale.
TONE_RANGE = {
    ToneScale.FITZPATRICK: (1.0, 6.0),
    ToneScale.MILK: (0.0, 5.0),
    ToneScale.MONK: (1.0, 10.0),
    ToneScale.ITA: (-90.0, 90.0),
}


@dataclass(frozen=True)
class SkinTone:
    """value: on `scale`. upper: the end of the range where a publisher lumps neighbours (DDI's "12" is 1 to 2)."""

    scale: ToneScale
    value: float
    upper: float | None = None

    def __post_init__(self) -> None:
        low, high = TONE_RANGE[self.scale]
        for value in (self.value, self.value if self.upper is None else self.upper):
            if not low <= value <= high:
                raise ValueError(f"skin tone {value:g} lies outside the {self.scale} scale, {low:g} to {high:g}")


CONFIRMATION_ALIASES: dict[str, Confirmation] = {
    **dict.fromkeys(("histo", "histopathology", "histology", "biopsy"), Confirmation.HISTOPATHOLOGY),
    **dict.fromkeys(("confocal", "confocal microscopy with consensus dermoscopy"), Confirmation.CONFOCAL),
    **dict.fromkeys(("follow up", "serial imaging showing no change"), Confirmation.FOLLOW_UP),
    **dict.fromkeys(("consensus", "single image expert consensus"), Confirmation.CONSENSUS),
    **dict.fromkeys(("clinical", "single contributor clinical assessment"), Confirmation.CLINICAL),
}

#: What a source names, and no site of ours stands for: these do not say hand or foot, or name no place at all.
UNMAPPED_SITES = frozenset({"acral", "acral nos", "palms soles", "palms/soles", "other"})


def folded(text: str) -> str:
    """Lower case, with `-`, `_` and `/` as single blanks."""
    return " ".join(text.lower().replace("-", " ").replace("_", " ").replace("/", " ").split())


def site(text: str) -> Site | None:
    """A publisher's body site in ours; None for one that says less than ours do.

    Raises: KeyError for a word that was never met, so that a new spelling is not lost in silence.
    """
    key = folded(text)
    return None if key in UNMAPPED_SITES else SITE_ALIASES[key]
