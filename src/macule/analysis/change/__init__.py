"""How a lesion changed between two pictures of it: laid over each other, then measured.

    earlier, later -> outlines -> alignment (or a refusal with its reason) -> the same light -> Change

Everything is relative: areas are compared in the pixels of the later picture. No millimetres: pictures carry no scale.
"""

from macule.analysis.change.colours import delta_e
from macule.analysis.change.comparison import Change, Comparison, compare
from macule.analysis.change.figures import Figures, measure
from macule.analysis.change.registration import Alignment, Refusal, align
from macule.analysis.change.segment import outline

__all__ = ["Alignment", "Change", "Comparison", "Figures", "Refusal", "align", "compare", "delta_e", "measure",
           "outline"]
