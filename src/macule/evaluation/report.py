"""All that is measured of one exam, section by section, as one dict of plain numbers that pages are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from macule.analysis.pipeline import Analyzer, shared_analyzer
from macule.errors import UsageError
from macule.evaluation.exam import Exam, Floats
from macule.evaluation.service import Evaluation

#: Told the name of a section and how many pieces of work it has (0: not known); gives what to call after each.
Start = Callable[[str, int], Callable[[], None]]
#: Measured on the answers that are at hand already, in the order of the page.
ALWAYS = ("diagnosis", "baselines", "calibration", "decision", "uncertainty", "fairness", "mistakes")
#: Each asks the network many times more, seconds to minutes: only on demand.
ON_DEMAND = ("outliers", "robustness", "explanations", "adversarial")
ORDER = ("diagnosis", "baselines", "calibration", "decision", "uncertainty", "fairness", "robustness", "adversarial",
         "outliers", "explanations", "mistakes")
SAMPLE = 200
#: A picture takes ten seconds of a core in the one, two in the other.
MOST_ATTACKED, MOST_EXPLAINED = 80, 100


@dataclass(frozen=True)
class Plan:
    """also: of ON_DEMAND. sample: pictures for each of those. strengths: of the corruptions, 1 to 5.
    threads: None is one a core. imagenet: the folder of the data sets that the bundle was made of, for a probe on
    ImageNet features among the baselines (training extra)."""

    also: tuple[str, ...] = ()
    sample: int = SAMPLE
    strengths: tuple[int, ...] = (1, 2, 3, 4, 5)
    seed: int = 0
    threads: int | None = None
    imagenet: Path | None = None

    def __post_init__(self) -> None:
        for name in self.also:
            if name not in ON_DEMAND:
                raise UsageError(f"--also is {name!r}; one of {', '.join(ON_DEMAND)} is needed.")
        if self.sample < 1:
            raise UsageError(f"--sample is {self.sample}; at least one picture is needed.")


def measure(found: Evaluation, plan: Plan, *, start: Start = lambda _t, _n: lambda: None) -> dict[str, Any]:
    """The report of `service.examine` with every section that is asked for under its key.

    A section that cannot be measured says so in itself; one that is not asked for is absent.
    """
    sections = _Sections(found.exam, found.pictures, plan, start)
    return found.report | {name: getattr(sections, name)() for name in ORDER
                           if name in ALWAYS or name in plan.also}


@dataclass(frozen=True)
class _Sections:
    """pictures: the exam by picture, for what is asked of the network again."""

    exam: Exam
    pictures: Exam
    plan: Plan
    start: Start

    @cached_property
    def analyzer(self) -> Analyzer:
        return shared_analyzer(self.exam.bundle, views=self.exam.views)

    def diagnosis(self) -> dict[str, Any]:
        from macule.evaluation import diagnosis

        return diagnosis.measure(self.exam)

    def baselines(self) -> dict[str, Any]:
        from macule.evaluation import baselines

        return baselines.measure(self.exam, more=self._imagenet())

    def _imagenet(self) -> dict[str, Floats]:
        """Probabilities of a probe on features that never saw a lesion; it cannot travel in the bundle."""
        if self.plan.imagenet is None:
            return {}
        from macule.training import baselines, refit

        train, asked = refit.parted(self.exam.bundle, self.plan.imagenet)["train"], self.exam.predictions.records
        tick = self.start("ImageNet features", baselines.looked_at(train) + len(asked))
        return {"imagenet": baselines.imagenet(train, asked, seed=self.plan.seed, tick=tick)}

    def calibration(self) -> dict[str, Any]:
        from macule.evaluation import calibration

        return calibration.measure(self.exam)

    def decision(self) -> dict[str, Any]:
        from macule.evaluation import decision

        return decision.measure(self.exam)

    def uncertainty(self) -> dict[str, Any]:
        from macule.evaluation import uncertainty

        return uncertainty.measure(self.exam)

    def fairness(self) -> dict[str, Any]:
        from macule.evaluation import fairness

        return fairness.measure(self.exam)

    def outliers(self) -> dict[str, Any]:
        from macule.evaluation import outliers

        return outliers.measure(self.analyzer, self.pictures, seed=self.plan.seed)

    def mistakes(self) -> dict[str, Any]:
        from macule.evaluation import mistakes

        return mistakes.measure(self.exam)

    def robustness(self) -> dict[str, Any]:
        from macule.evaluation import robustness

        return robustness.measure(self.analyzer, self.pictures, sample=self.plan.sample, strengths=self.plan.strengths,
                                  seed=self.plan.seed, with_patient=self.exam.with_patient,
                                  workers=self.plan.threads, start=self._titled("robustness"))

    def explanations(self) -> dict[str, Any]:
        from macule.evaluation import explanations

        return explanations.measure(self.analyzer, self.pictures, sample=min(self.plan.sample, MOST_EXPLAINED),
                                    seed=self.plan.seed,
                                    workers=self.plan.threads, start=self._titled("explanations"))

    def adversarial(self) -> dict[str, Any]:
        from macule.training import adversarial  # the only section that needs gradients

        return adversarial.measure(self.exam.bundle, self.pictures, sample=min(self.plan.sample, MOST_ATTACKED),
                                   seed=self.plan.seed, with_patient=self.exam.with_patient,
                                   start=self._titled("adversarial"))

    def _titled(self, title: str) -> Callable[[int], Callable[[], None]]:
        return lambda count: self.start(title, count)


def rows(found: Evaluation) -> Iterator[dict[str, str]]:
    """One row a picture, answered or not, for a CSV file: what was asked, what is true, what was said.

    By lesion, one row a lesion: `image` holds all its pictures that were answered, joined by `+`.
    """
    from macule.evaluation.predictions import CODES

    said = found.exam.predictions
    for number, record in enumerate(said.records):
        shares = {code.value: f"{share:.6f}" for code, share in zip(CODES, said.shares[number], strict=True)}
        images = {"image": "+".join(each.picture_id for each in said.members[number])} if said.members else {}
        yield _about(record) | images | shares | {
            "malignant": f"{said.malignant[number]:.6f}", "risk": said.risks[number], "usable": "true",
            "in_distribution": str(bool(said.admitted[number])).lower() if len(said.admitted) else "",
            "cannot_exclude": "+".join(code.value for code, held in zip(CODES, said.excluded_not[number], strict=True)
                                       if held) if len(said.excluded_not) else "",
        }
    yield from (_about(record) | {"usable": "false"} for record in said.refused)
    yield from (_about(record) | {"error": "unreadable_image"} for record in said.failed)


def columns() -> Sequence[str]:
    from macule.evaluation.predictions import CODES

    return ("image", "dataset", "group", "truth", *(code.value for code in CODES), "malignant", "risk", "usable",
            "in_distribution", "cannot_exclude", "error")


def _about(record: Any) -> dict[str, str]:
    return {"image": record.picture_id, "dataset": record.dataset, "group": record.group,
            "truth": "+".join(sorted(code.value for code in record.labels))}
