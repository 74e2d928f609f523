"""The rules that a `bundle.json` must keep, each refused with its own sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from macule.taxonomy import Diagnosis

FORMAT = 1
_KEYS = frozenset({
    "calibration", "classes", "created", "format", "gate", "id", "licence", "metrics", "model", "preprocessing",
    "thresholds",
})
_OPTIONAL = frozenset({"conformal", "provenance"})


def check(content: Any) -> None:
    """Check everything but the files' own contents and the preprocessing, which checks itself.

    Raises: ValueError, KeyError or TypeError saying what is wrong.
    """
    _object("bundle.json", content)
    _keys("bundle.json", content, _KEYS, _OPTIONAL)
    if content["format"] != FORMAT:
        raise ValueError(f"format is {content['format']!r}; this macule reads {FORMAT}: update one of the two")
    for key in ("id", "created", "licence"):
        _text(key, content[key])
    for key in ("preprocessing", "metrics"):
        _object(key, content[key])
    _check_files(content)
    _check_classes(content["classes"])
    _check_calibration(content["calibration"])
    _check_thresholds(content["thresholds"])
    if "conformal" in content:
        _check_conformal(content["conformal"])


def _check_files(content: dict[str, Any]) -> None:
    _keys("model", content["model"], ("file", "sha256"))
    _keys("gate", content["gate"], ("file", "threshold", "quantile"), ("presence",))
    for value in (content["model"]["file"], content["model"]["sha256"], content["gate"]["file"]):
        _text("file and sha256", value)
    _number("gate threshold", content["gate"]["threshold"], above=0)
    _number("gate quantile", content["gate"]["quantile"], above=0, at_most=1)


def _check_classes(classes: Any) -> None:
    expected = [code.value for code in Diagnosis]
    if classes != expected:
        raise ValueError(f"classes are {classes!r}; the taxonomy's, in its order, are {expected!r}")


def _check_calibration(calibration: Any) -> None:
    _keys("calibration", calibration, ("temperature",), ("fitted_on", "n", "malignant"))
    _number("temperature", calibration["temperature"], above=0)
    if "malignant" in calibration:
        _keys("calibration malignant", calibration["malignant"], ("scale", "shift"))
        _number("calibration malignant scale", calibration["malignant"]["scale"], above=0)
        _keys("calibration malignant shift", calibration["malignant"]["shift"], [code.value for code in Diagnosis])
        for code, shift in calibration["malignant"]["shift"].items():
            _number(f"calibration malignant shift {code}", shift)


def _check_thresholds(thresholds: Any) -> None:
    _keys("thresholds", thresholds, ("medium", "high", "cannot_exclude"), ("fitted_on", "n", "within"))
    medium, high = (_check_threshold(name, thresholds[name]) for name in ("medium", "high"))
    if high < medium:
        raise ValueError(f"the high threshold, {high}, is below the medium one, {medium}")
    _object("cannot_exclude", thresholds["cannot_exclude"])
    for code, entry in thresholds["cannot_exclude"].items():
        if not Diagnosis(code).suspicious:
            raise ValueError(f"cannot_exclude names {code}, which the taxonomy calls benign")
        _check_threshold(f"cannot_exclude {code}", entry)


def _check_conformal(conformal: Any) -> None:
    _keys("conformal", conformal, ("coverage", "n", "classes"), ("fitted_on", "score"))
    _number("conformal coverage", conformal["coverage"], above=0, at_most=1)
    _number("conformal n", conformal["n"], at_least=0)
    _keys("conformal classes", conformal["classes"], [code.value for code in Diagnosis])
    for code, entry in conformal["classes"].items():
        _keys(f"conformal {code}", entry, ("probability", "n", "lesions", "guaranteed"))
        _number(f"conformal {code} probability", entry["probability"], at_least=0, at_most=1)
        for name in ("n", "lesions"):
            _number(f"conformal {code} {name}", entry[name], at_least=0)
        if not isinstance(entry["guaranteed"], bool):
            raise TypeError(f"conformal {code} guaranteed is {entry['guaranteed']!r}; true or false is needed")


def _check_threshold(name: str, entry: Any) -> float:
    _keys(name, entry, ("probability", "sensitivity"), ("fitted_on", "n"))
    _number(f"{name} sensitivity", entry["sensitivity"], above=0, at_most=1)
    return _number(f"{name} probability", entry["probability"], at_least=0, at_most=1)


def _number(
    name: str, value: Any, *, above: float = -math.inf, at_least: float = -math.inf, at_most: float = math.inf
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, which is not a number")
    # Written so that NaN fails.
    if not (math.isfinite(value) and above < value and at_least <= value <= at_most):
        raise ValueError(f"{name} is {value}, out of its range")
    return float(value)


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is {value!r}; some text is needed")


def _object(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {type(value).__name__}; an object is needed")


def _keys(name: str, value: Any, needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    _object(name, value)
    missing, unknown = set(needed) - set(value), set(value) - set(needed) - set(optional)
    if missing or unknown:
        raise ValueError(f"{name}: keys missing {sorted(missing)}, unknown {sorted(unknown)}")
