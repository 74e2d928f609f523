"""Pictures that show no lesion: how many get a diagnosis, and what the gate costs real lesions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from macule.analysis.batch import cores, in_order
from macule.analysis.gate import Gate
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Result
from macule.errors import MaculeError
from macule.evaluation import metrics, not_lesions
from macule.evaluation.exam import Exam
from macule.evaluation.metrics import Figure, Floats

PER_KIND = 20
#: What can become of a picture, in the order in which it is stopped.
OUTCOMES = ("quality", "refused", "flagged", "answered")
GROUPS = {"held_out": not_lesions.HELD_OUT, "sent": not_lesions.SENT, "learnable": not_lesions.LEARNABLE}
#: Kinds that a gate may learn from are drawn this many times more seldom: they say little.
LEARNT_SHARE = 4
#: Kinds that no gate learns from as they are drawn here, though it is shown their like: corners of photographs and
#: drawn hides for skin, the lines of drawn screenshots for text and screens, strokes for fur and hair.
LIKE = {"skin": "photographs and hides", "text": "screenshots", "bare": "photographs and hides", "tattoos": "hides",
        "chats": "screenshots", "documents": "screenshots", "pets": "strokes", "hair": "strokes and stripes",
        "static": "noise", "walls": "paper"}


@dataclass(frozen=True)
class _Seen:
    """outcome: of OUTCOMES. strangeness: as the gate finds it; NaN where quality stopped the picture before."""

    outcome: str
    strangeness: float


def measure(analyzer: Analyzer, exam: Exam, *, per_kind: int = PER_KIND, seed: int = 0,
            workers: int | None = None) -> dict[str, Any]:
    """Draw `per_kind` pictures of every kind that can be made here and ask for a diagnosis, as a clinic would.

    quality: refused as too poor. refused: by the gate. flagged: answered, with the warning that it is unlike what the
    model knows, and never at low risk. answered: as if it were a lesion. Kinds whose generator a gate may have learnt
    from are counted apart (`learnable`, a quarter as many of each) from those of other generators: the first exam,
    which does not change (`held_out`), and the second (`sent`). Of some the gate may have seen the like, see LIKE.
    """
    kinds = _drawn(analyzer, per_kind, seed, workers)
    real = _refused(analyzer, exam, workers)
    rows = [_row(kind, seen) for kind, seen in kinds.items()]
    parted = {name: {kind: seen for kind, seen in kinds.items() if kind in of} for name, of in GROUPS.items()}
    parted = {name: seen for name, seen in parted.items() if seen}
    scores = np.concatenate([_strangeness(analyzer.bundle.gate, exam), [each.strangeness for each in real]])
    return {
        "per_kind": per_kind, "seed": seed, "refuses": analyzer.bundle.gate.presence is not None,
        "without": [kind for kind in not_lesions.KINDS if kind not in kinds],
        "kinds": rows,
        "groups": {name: _summary(seen) for name, seen in parted.items()},
        "auroc": {name: _auroc(scores, exam, seen).to_dict() for name, seen in parted.items()},
        "exam": _alarms(exam, real),
    }


def _drawn(analyzer: Analyzer, per_kind: int, seed: int, workers: int | None) -> Mapping[str, Sequence[_Seen]]:
    """What becomes of the drawn pictures, by kind: the same for every exam of a bundle, so kept for the next one."""
    key = analyzer.bundle.sha256, analyzer.views, per_kind, seed
    if key not in _known:
        _known.clear()  # of one bundle at a time
        _known[key] = {kind: _seen(analyzer, _files(kind, per_kind, seed), workers) for kind in not_lesions.kinds()}
    return _known[key]


def _files(kind: str, per_kind: int, seed: int) -> Iterable[bytes]:
    count = -(-per_kind // LEARNT_SHARE) if kind in not_lesions.LEARNABLE else per_kind
    return map(not_lesions.encoded, not_lesions.generate(kind, count, seed))


_known: dict[tuple[str, int, int, int], Mapping[str, Sequence[_Seen]]] = {}


def _seen(analyzer: Analyzer, pictures: Iterable[bytes], workers: int | None) -> list[_Seen]:
    found = []
    for _, answer in in_order(analyzer.analyze, pictures, workers=workers or cores()):
        if isinstance(answer, MaculeError):
            raise answer
        found.append(_judged(answer, analyzer.bundle.gate))
    return found


def _judged(result: Result, gate: Gate) -> _Seen:
    if result.assessment is not None:
        known = result.assessment.in_distribution
        return _Seen("answered" if known else "flagged", gate.strangeness(result.assessment.embedding))
    check = next((check for check in result.quality.checks if check.name == "familiar"), None)
    return _Seen("quality", np.nan) if check is None else _Seen("refused", check.value)


def _refused(analyzer: Analyzer, exam: Exam, workers: int | None) -> list[_Seen]:
    """The exam's pictures that were not answered, asked again for the reason."""
    return _seen(analyzer, (record.read() for record in exam.predictions.refused), workers)


def _strangeness(gate: Gate, exam: Exam) -> Floats:
    return np.array([gate.strangeness(row) for row in exam.predictions.embeddings], dtype=np.float64)


def _row(kind: str, seen: Sequence[_Seen]) -> dict[str, Any]:
    """places: which of the kind's pictures were answered, so that they can be drawn again."""
    counts = {outcome: sum(each.outcome == outcome for each in seen) for outcome in OUTCOMES}
    stopped = _share(counts["quality"] + counts["refused"], len(seen))
    group = next(name for name, of in GROUPS.items() if kind in of)
    return {"kind": kind, "group": group, "learnable": group == "learnable", "like": LIKE.get(kind), "n": len(seen),
            **counts, "stopped": stopped.to_dict(),
            "places": [place for place, each in enumerate(seen) if each.outcome == "answered"]}


def _summary(kinds: Mapping[str, Sequence[_Seen]]) -> dict[str, Any]:
    """stopped: without a diagnosis. warned: those, or with a warning.

    Whole kinds are resampled: pictures of one kind share one fate, so the interval tells of other kinds than these.
    """
    outcomes = np.array([each.outcome for seen in kinds.values() for each in seen])
    weights = metrics.resample([kind for kind, seen in kinds.items() for _ in seen])

    def share(wanted: Sequence[str]) -> dict[str, Any]:
        hit = np.isin(outcomes, wanted)
        found = metrics.figure(lambda w: metrics.accuracy(hit, w), weights)
        return metrics.settle(found, len(kinds)).to_dict()

    return {"n": len(outcomes), "kinds": len(kinds), "stopped": share(OUTCOMES[:2]), "warned": share(OUTCOMES[:3]),
            "answered": share(OUTCOMES[3:])}


def _auroc(real: Floats, exam: Exam, kinds: Mapping[str, Sequence[_Seen]]) -> Figure:
    """How well the gate ranks pictures without a lesion above the exam's, among those good enough to be judged."""
    found = [(kind, each.strangeness) for kind, seen in kinds.items() for each in seen if np.isfinite(each.strangeness)]
    strange, real = np.array([value for _, value in found], dtype=np.float64), real[np.isfinite(real)]
    scores, positive = np.concatenate([real, strange]), np.arange(len(real) + len(strange)) >= len(real)
    answered = len(exam.predictions.records)
    rng = np.random.default_rng(exam.seed)
    weights = np.zeros((len(exam.weights), len(scores)), np.float32)
    weights[:, :answered] = exam.weights
    # The few that were refused are resampled one by one: their lesions are not among the exam's weights.
    few = len(real) - answered
    weights[:, answered:len(real)] = rng.multinomial(few, np.full(few, 1 / few), len(weights)) if few else 0
    weights[:, len(real):] = metrics.resample([kind for kind, _ in found], resamples=len(weights), seed=exam.seed)
    return metrics.settle(metrics.figure(lambda w: metrics.auc(scores, positive, w), weights, positives=len(strange)),
                          len({kind for kind, _ in found}), share=False)


def _alarms(exam: Exam, real: Sequence[_Seen]) -> dict[str, Any]:
    """Real lesions that the gate took for something else: of all that were good enough to be judged."""
    refused = sum(each.outcome == "refused" for each in real)
    judged = len(exam.predictions.records) + refused
    flagged = int((~exam.predictions.admitted).sum())
    return {"n": judged, "refused_by_quality": sum(each.outcome == "quality" for each in real),
            "refused": _share(refused, judged).to_dict(), "flagged": _share(flagged, judged).to_dict()}


def _share(count: int, n: int) -> Figure:
    """With Wilson's interval (1927)."""
    return Figure(count / n, *metrics.wilson(count, n), n, count) if n else Figure(np.nan, np.nan, np.nan, 0, count)
