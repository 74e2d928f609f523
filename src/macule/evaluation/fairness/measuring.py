"""Every attribute's groups, their gaps, and how many looks that was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.evaluation.exam import Exam
from macule.evaluation.fairness import figures, gaps, groups, proxy, thresholds
from macule.evaluation.fairness.figures import LEAST, LEAST_OF_CLASS, Facts, Group
from macule.evaluation.fairness.gaps import Gap
from macule.evaluation.fairness.groups import NOT_STATED, Attribute

ONE_GROUP = f"not measured: only one group with n >= {LEAST}"
NO_GROUP = f"not measured: no group with n >= {LEAST}"
NOTHING_STATED = "not measured: no picture states it"
MEASURED = "measured"


@dataclass(frozen=True)
class _Found:
    """members: places of each group among the answered pictures."""

    attribute: Attribute
    groups: list[Group]
    members: list[NDArray[np.intp]]

    @property
    def stated(self) -> list[Group]:
        return [group for group in self.groups if group.name != NOT_STATED]

    @property
    def large(self) -> list[Group]:
        return [group for group in self.stated if not group.muted]

    @property
    def status(self) -> str:
        if not self.stated:
            return NOTHING_STATED
        return (NO_GROUP, ONE_GROUP)[len(self.large)] if len(self.large) < 2 else MEASURED


def measure(exam: Exam) -> dict[str, Any]:
    """Figures by group, largest gaps with intervals, the proxy's agreement with labels, thresholds by group.

    Groups are compared only with at least LEAST pictures (and LEAST_OF_CLASS of the class that a figure is about), and
    never with those of which nothing is stated. looks: pairs of groups that were compared, over all figures.
    """
    facts = Facts.of(exam)
    found = [_measured(exam, facts, attribute) for attribute in groups.attributes(exam.predictions)]
    found += [each for each in _crossed(exam, facts, found) if len(each.large) > 1]
    apart = [gaps.find(each.large) for each in found]
    looks = sum(gap.pairs for of_one in apart for gap in of_one)
    limits = exam.bundle.thresholds
    everything = figures.measure("all", facts, exam.weights, np.arange(len(exam.predictions.records)),
                                 len(exam.predictions.refused))
    return {
        "least": LEAST, "least_of_class": LEAST_OF_CLASS, "resamples": len(exam.weights), "looks": looks,
        "thresholds": {"medium": limits.medium.probability, "high": limits.high.probability,
                       "sensitivity_aimed_at": limits.medium.sensitivity},
        "overall": everything.to_dict(),
        "attributes": [_shown(exam, facts, each, of_one, looks) for each, of_one in zip(found, apart, strict=True)],
        "proxy": proxy.agreement(exam),
    }


def _measured(exam: Exam, facts: Facts, attribute: Attribute) -> _Found:
    members = [np.flatnonzero(attribute.of == number) for number in range(len(attribute.names))]
    refused = [None if attribute.refused is None else int((attribute.refused == number).sum())
               for number in range(len(attribute.names))]
    rows = [(name, where, count) for name, where, count in zip(attribute.names, members, refused, strict=True)
            if len(where) or count]
    return _Found(attribute, [figures.measure(name, facts, exam.weights, where, count) for name, where, count in rows],
                  [where for _, where, _ in rows])


def _crossed(exam: Exam, facts: Facts, found: list[_Found]) -> list[_Found]:
    """Labelled skin tone by sex."""
    by_sex = next(each.attribute for each in found if each.attribute.key == "sex")
    return [_measured(exam, facts, groups.crossed(each.attribute, by_sex)) for each in found
            if each.attribute.key.startswith("skin_tone:") and len(each.large) > 1]


def _shown(exam: Exam, facts: Facts, found: _Found, apart: list[Gap], looks: int) -> dict[str, Any]:
    pairs = [(group, where) for group, where in zip(found.groups, found.members, strict=True) if group in found.large]
    own = thresholds.own(facts, exam.weights, pairs, sensitivity=exam.bundle.thresholds.medium.sensitivity,
                         seed=exam.seed)
    attribute = found.attribute
    return {"key": attribute.key, "title": attribute.title, "scale": attribute.scale, "proxy": attribute.proxy,
            "status": found.status, "groups": [group.to_dict() for group in found.groups],
            "gaps": [gap.to_dict(looks) for gap in apart], "equalised_odds": gaps.equalised_odds(found.large),
            "own_thresholds": own}
