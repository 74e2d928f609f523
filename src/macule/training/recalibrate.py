"""`macule refit --calibration`: how a bundle's logits become answers, fitted anew; all else of it stays.

The calibration, the thresholds and the conformal limits, from answers of the path that serves, to the pictures that the
bundle itself calls its calibration part. Quick, since the training part is not looked at.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from macule import __version__
from macule.analysis import bundle as bundles
from macule.analysis.bundle import CARD, MANIFEST, Bundle
from macule.analysis.pipeline import Analyzer
from macule.data import guard
from macule.data.atomic import writing
from macule.errors import TooFewPictures, UsageError
from macule.evaluation.predictions import Predictions
from macule.training import fit, labels, prepare, refit, rewriting
from macule.training.recipe.sections import Targets
from macule.training.refit import Refit

Entries = dict[str, dict[str, Any]]


def recalibrate(bundle: Bundle, data: Path, out: Path, *, now: datetime.datetime, how: Refit) -> Path:
    """As `refit.refit` takes it: `out` may be the bundle's own folder, and an interruption leaves what was there.

    Pictures that cannot be judged, or whose label names no single class, do not count; those that the gate refuses do,
    as in training.
    Returns: `out`.
    Raises: as `refit.refit`; UsageError for a bundle of two classes, or one that was rewritten meanwhile;
    TooFewPictures for thresholds that cannot be had; Diverged.
    """
    told = _read(bundle.folder).get("provenance", {})
    if told.get("recipe", {}).get("targets", Targets.DIAGNOSIS) != Targets.DIAGNOSIS:
        raise UsageError(f"bundle {bundle.id} tells two classes apart, and its network holds their calibration: train "
                         "it again.")
    rewriting.check(bundle, out)
    part = [record for record in refit.parted(bundle, data)["calibration"]
            if prepare.clear(record, Targets.DIAGNOSIS)]
    held = refit.answers(Analyzer(refit.opened(bundle)), part, "calibration part", how)
    entries, left_out = fitted(held, bundle)
    for name, why in left_out.items():
        how.log(f"{name} left out: {why}")
    with rewriting.copy(bundle, out) as made:
        if bundles.fingerprint(made) != bundle.sha256:
            raise UsageError(f"{bundle.folder} was rewritten while its answers were looked at: run the command again.")
        about = {"at": now.replace(microsecond=0).isoformat(), "macule": __version__, "of": bundle.sha256,
                 "pictures": len(held.records), "fitted": sorted(entries), "left_out": left_out}
        content = _rewritten(_read(made), entries, about)
        (made / CARD).unlink(missing_ok=True)  # of the answers as they were
        with writing(made / MANIFEST) as stream:
            stream.write(json.dumps(content, indent=2) + "\n")
        bundles.load(made)
    return out


def fitted(held: Predictions, bundle: Bundle) -> tuple[Entries, dict[str, str]]:
    """Entries of bundle.json, and why one is not there. held: the bundle's answers to its calibration part.

    Raises: TooFewPictures; Diverged.
    """
    logits = bundle.calibration.logits(held.shares)
    allowed = labels.rows(held.records, Targets.DIAGNOSIS)
    found = fit.calibrated(logits, allowed)
    again = replace(held, shares=found.shares(logits))
    entries: Entries = {"calibration": fit.entry(found, fitted_on="calibration part", count=len(allowed)),
                        "thresholds": fit.thresholds(again.shares, allowed, fit.strata(held.records))}
    try:
        return entries | {"conformal": refit.conformal(again)}, {}
    except TooFewPictures as error:
        return entries, {"conformal": str(error)}


def _rewritten(content: Mapping[str, Any], entries: Entries, about: Mapping[str, Any]) -> dict[str, Any]:
    """bundle.json with these entries, and without what was fitted to or measured of the old answers."""
    told = content.get("provenance", {})
    kept = {key: value for key, value in content.items() if key != "conformal"}
    marked = {key: guard.marked(entry, bool(told.get("leaky"))) for key, entry in entries.items()}
    return {**kept, **marked, "metrics": {}, "provenance": told | {"recalibrated": dict(about)}}


def _read(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
