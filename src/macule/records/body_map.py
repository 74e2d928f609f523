"""The body map: which part of the body lies where on the drawing, front and back.

The drawing is 200 wide and 420 high (`templates/clinic/care/_body.html`); places are kept as shares of it. The parts
are a little larger than the drawn body, so that a thumb at its edge still finds one.
"""

from __future__ import annotations

from dataclasses import dataclass

from macule.analysis.patient import Site
from macule.records.domain import MapView

WIDTH, HEIGHT = 200, 420
Point = tuple[float, float]


@dataclass(frozen=True)
class Region:
    """key: `front.chest`; its name is the message `capture.region.<key>`. outline: a polygon in the drawing's units."""

    key: str
    view: MapView
    site: Site
    outline: tuple[Point, ...]

    @property
    def centre(self) -> Point:
        """Centre of gravity as shares of the drawing, 0 to 1; where a spot is put that is known by its part only."""
        area = x = y = 0.0
        for (ax, ay), (bx, by) in _edges(self.outline):
            cross = ax * by - bx * ay
            area, x, y = area + cross, x + (ax + bx) * cross, y + (ay + by) * cross
        return x / (3 * area) / WIDTH, y / (3 * area) / HEIGHT

    def holds(self, x: float, y: float) -> bool:
        """Whether a place, in shares, lies within: a ray to the left crosses the outline an odd number of times."""
        px, py = x * WIDTH, y * HEIGHT
        crossings = 0
        for (ax, ay), (bx, by) in _edges(self.outline):
            if (ay > py) != (by > py) and px > ax + (py - ay) * (bx - ax) / (by - ay):
                crossings += 1
        return crossings % 2 == 1


def _edges(outline: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    return list(zip(outline, (*outline[1:], outline[0]), strict=True))


def _mirrored(outline: tuple[Point, ...]) -> tuple[Point, ...]:
    return tuple((WIDTH - x, y) for x, y in outline)


_TRUNK_TOP = ((78.0, 74.0), (122.0, 74.0), (131.0, 84.0), (131.0, 122.0), (69.0, 122.0), (69.0, 84.0))
_NECK = ((80.0, 60.0), (120.0, 60.0), (122.0, 74.0), (78.0, 74.0))
_FRONT: tuple[tuple[str, Site, tuple[Point, ...]], ...] = (
    ("scalp", Site.HEAD_NECK, ((70, 0), (130, 0), (130, 20), (70, 20))),
    ("face", Site.HEAD_NECK, ((70, 20), (130, 20), (130, 46), (120, 60), (80, 60), (70, 46))),
    ("neck", Site.HEAD_NECK, _NECK),
    ("chest", Site.TRUNK, _TRUNK_TOP),
    ("belly", Site.TRUNK, ((69, 122), (131, 122), (134, 200), (66, 200))),
    ("genitals", Site.GENITAL, ((88, 200), (112, 200), (106, 230), (94, 230))),
)
_BACK: tuple[tuple[str, Site, tuple[Point, ...]], ...] = (
    ("head", Site.HEAD_NECK, ((70, 0), (130, 0), (130, 46), (120, 60), (80, 60), (70, 46))),
    ("neck", Site.HEAD_NECK, _NECK),
    ("upper_back", Site.TRUNK, _TRUNK_TOP),
    ("lower_back", Site.TRUNK, ((69, 122), (131, 122), (133, 182), (67, 182))),
    ("buttocks", Site.TRUNK, ((67, 182), (133, 182), (140, 204), (140, 232), (60, 232), (60, 204))),
)
#: On the side where x is over 100.
_LIMBS: tuple[tuple[str, Site, tuple[Point, ...]], ...] = (
    ("upper_arm", Site.UPPER_EXTREMITY, ((122, 74), (152, 74), (166, 150), (135, 150), (131, 122), (131, 84))),
    ("forearm", Site.UPPER_EXTREMITY, ((135, 150), (166, 150), (180, 200), (146, 200))),
    ("hand", Site.HAND, ((146, 200), (180, 200), (186, 248), (148, 248))),
    ("knee", Site.LOWER_EXTREMITY, ((100, 290), (141, 290), (141, 314), (100, 314))),
    ("lower_leg", Site.LOWER_EXTREMITY, ((100, 314), (141, 314), (138, 376), (100, 376))),
    ("foot", Site.FOOT, ((100, 376), (142, 376), (142, 414), (100, 414))),
)
_THIGH: dict[MapView, tuple[Point, ...]] = {
    MapView.FRONT: ((112, 200), (141, 200), (141, 290), (100, 290), (100, 230), (106, 230)),
    MapView.BACK: ((100, 232), (141, 232), (141, 290), (100, 290)),
}


def _regions(view: MapView) -> list[Region]:
    middle = _FRONT if view is MapView.FRONT else _BACK
    found = [Region(f"{view.value}.{name}", view, site, outline) for name, site, outline in middle]
    # Seen from the front, the person's left is on the right.
    here, there = ("left", "right") if view is MapView.FRONT else ("right", "left")
    for name, site, outline in (*_LIMBS, ("thigh", Site.LOWER_EXTREMITY, _THIGH[view])):
        found.append(Region(f"{view.value}.{here}_{name}", view, site, outline))
        found.append(Region(f"{view.value}.{there}_{name}", view, site, _mirrored(outline)))
    return found


#: Every part, by its key.
REGIONS: dict[str, Region] = {region.key: region for view in MapView for region in _regions(view)}


def region_at(view: MapView, x: float, y: float) -> Region | None:
    """The part at a place of the drawing, in shares; None beside the body."""
    return next((region for region in REGIONS.values() if region.view is view and region.holds(x, y)), None)
