"""A Result as the answer template needs it: pictures as data addresses, and where the heat lies."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from macule.analysis.explain import overlay, to_jpeg
from macule.analysis.result import Result
from macule.web.place import Place, find


@dataclass(frozen=True)
class Sheet:
    """picture, heat: `data:` addresses. heat, place: None for a picture that could not be judged."""

    result: Result
    picture: str | None
    heat: str | None = None
    place: Place | None = None


def lay_out(result: Result) -> Sheet:
    rgb, answer = result.thumbnail, result.assessment
    if rgb is None:
        return Sheet(result, picture=None)
    if answer is None:
        return Sheet(result, picture=_data_address(rgb))
    heat = _data_address(overlay(rgb, answer.heatmap))
    return Sheet(result, picture=_data_address(rgb), heat=heat, place=find(answer.heatmap))


def _data_address(rgb: NDArray[np.uint8]) -> str:
    # JPEG: of a photograph a tenth of a PNG; the copy is for looking at, never for analysis.
    return "data:image/jpeg;base64," + base64.b64encode(to_jpeg(rgb)).decode("ascii")
