"""What the care pages read out of their forms: text to numbers, and the two fields of a body map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.errors import RecordInvalid
from macule.records.body_map import REGIONS


def whole(fields: Mapping[str, str], name: str, message: str) -> int | None:
    """A whole number, or None for an empty field. Raises: RecordInvalid with `message`."""
    value = fields.get(name, "")
    if not value:
        return None
    # isdecimal alone would let other scripts' digits through, which int reads but nobody typed on purpose.
    if not (value.isascii() and value.isdecimal() and len(value) <= 9):
        raise RecordInvalid(message, fields={name: message})
    return int(value)


def version_of(fields: Mapping[str, str]) -> int | None:
    return whole(fields, "version", "the form is damaged: load the page again.")


def patient_facts(fields: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `people.register`. Raises: RecordInvalid."""
    return {
        "pseudonym": fields.get("pseudonym", ""),
        "birth_year": whole(fields, "birth_year", "give the year as four digits, for example 1968."),
        "sex": fields.get("sex") or None,
        "skin_type": whole(fields, "skin_type", "choose a skin type from I to VI, or leave it unknown."),
    }


def place_on_body(fields: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `lesions.add`. A part of the body gives site and view; a tap on the drawing, the exact place.

    Raises: RecordInvalid.
    """
    about: dict[str, Any] = {"label": fields.get("label", "")}
    key = fields.get("region", "")
    if not key:
        return about
    region = REGIONS.get(key)
    if region is None:
        message = "choose a part of the body from the list, or leave it unknown."
        raise RecordInvalid(message, fields={"region": message})
    x, y = _share(fields, "map_x"), _share(fields, "map_y")
    if x is None or y is None or not region.holds(x, y):  # the part was chosen from the list after a tap elsewhere
        x, y = region.centre
    return about | {"body_site": region.site.value, "map_view": region.view.value, "map_x": x, "map_y": y}


def _share(fields: Mapping[str, str], name: str) -> float | None:
    try:
        return float(fields.get(name, ""))
    except ValueError:
        return None
