"""`macule refit --calibration`: how a bundle's logits become answers, fitted anew; all else of it stays.

The calibration, the thresholds and the conformal limits, from answers of the path that serves, to the pictures that the
bundle itself calls its calibration part. Quick, since the training part is not looked at.
"""

from __future__ import annotations

import datetime
import json
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
from macule.training import fit, labels, refit, rewriting
from macule.training.recipe.sections import Targets
from macule.training.refit import Refit


def recalibrate(bundle: Bundle, data: Path, out: Path, *, now: datetime.datetime, how: Refit) -> Path:
    """As `refit.refit` takes it: `out` may be the bundle's own folder, and an interruption leaves what was there.

    Pictures that cannot be judged do not count; those that the gate refuses do, as in training.
    Returns: `out`.
    Raises: as `refit.refit`; UsageError for a bundle of two classes; TooFewPictures for thresholds that cannot be had.
    """
    content = json.loads((bundle.folder / MANIFEST).read_text(encoding="utf-8"))
    if content.get("provenance", {}).get("recipe", {}).get("targets", Targets.DIAGNOSIS) != Targets.DIAGNOSIS:
        raise UsageError(f"bundle {bundle.id} tells two classes apart, and its network holds their calibration: train "
                         "it again.")
    rewriting.check(bundle, out)
    part = refit.parted(bundle, data)["calibration"]
    held = refit.answers(Analyzer(refit.opened(bundle)), part, "calibration part", how)
    entries = fitted(held, bundle, how)
    told = content.get("provenance", {})
    if told.get("leaky"):
        entries = {key: entry | {"fitted_on": f"{guard.MARK} {entry['fitted_on']}"} for key, entry in entries.items()}
    told |= {"recalibrated": {"at": now.replace(microsecond=0).isoformat(), "macule": __version__, "of": bundle.sha256,
                              "pictures": len(held.records)}}
    kept = {key: value for key, value in content.items() if key != "conformal"}
    with rewriting.copy(bundle, out) as made:
        (made / CARD).unlink(missing_ok=True)  # of the answers as they were
        with writing(made / MANIFEST) as stream:
            stream.write(json.dumps(kept | entries | {"metrics": {}, "provenance": told}, indent=2) + "\n")
        bundles.load(made)
    return out


def fitted(held: Predictions, bundle: Bundle, how: Refit) -> dict[str, dict[str, Any]]:
    """Entries of bundle.json. held: the bundle's answers to its calibration part. Raises: TooFewPictures."""
    logits = bundle.calibration.logits(held.shares)
    allowed = labels.rows(held.records, Targets.DIAGNOSIS)
    found = fit.calibrated(logits, allowed)
    again = replace(held, shares=found.shares(logits))
    entries = {"calibration": fit.entry(found, fitted_on="calibration part", count=len(allowed)),
               "thresholds": fit.thresholds(again.shares, allowed, fit.strata(held.records))}
    try:
        return entries | {"conformal": refit.conformal(again)}
    except TooFewPictures as error:
        how.log(f"conformal left out: {error}")
        return entries
