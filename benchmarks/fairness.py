"""How far the individual typology angle follows labelled skin tone, and what group weights change.

    python benchmarks/fairness.py --data DATA [--bundle default] [--work DIR] [--out docs/results/fairness.md]

DATA holds MILK10k and HAM10000 as `macule data list` names their folders. The bundle's answers are made once and kept
in `work`. Group weights are tried on the bundle's frozen embedding: a logistic probe is fitted on the bundle's own
training part with and without them and scored on its locked part. No network is trained. Needs the training extra.
"""

from __future__ import annotations

import argparse
import pickle
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from macule.analysis import bundle as bundles
from macule.analysis import image, preprocess
from macule.analysis.arms import lesion
from macule.analysis.bundle import Bundle, Threshold
from macule.analysis.patient import Modality
from macule.analysis.pipeline import Analyzer, thumbnail
from macule.data import membership, sources
from macule.data.record import Record
from macule.evaluation import ita, metrics, predictions
from macule.evaluation.exam import Exam
from macule.evaluation.fairness import figures, gaps, groups, proxy
from macule.evaluation.fairness.figures import Facts, Group
from macule.evaluation.predictions import CODES, NO_CLASS, Predictions
from macule.training import groups as weighing
from macule.training import labels
from macule.training.recipe import Sampling, Targets

SETS = ("milk10k", "ham10000")
#: Attribute of the weights, and the locked part by whose groups it is judged.
TRIED = (("skin_tone", "milk10k"), ("sex", "milk10k"), ("sex", "ham10000"), ("age", "milk10k"), ("age", "ham10000"),
         ("modality", "milk10k"), ("centre", "ham10000"))
POWERS = (0.0, 1.0)
COMPONENTS, PENALTIES = 128, (0.00001, 0.0001, 0.001, 0.01, 0.1)
SEED, RESAMPLES = 0, 2000
TIMED = 300


@dataclass(frozen=True)
class Answers:
    """All sets together. embeddings: (N, D). parts: train, calibration, test or empty, as the bundle was made."""

    predictions: Predictions
    parts: NDArray[np.str_]

    def of(self, part: str, dataset: str | None = None) -> NDArray[np.bool_]:
        named = np.array([dataset in {None, record.dataset} for record in self.predictions.records])
        return np.asarray((self.parts == part) & named)


def answers(bundle: Bundle, data: Path, work: Path) -> Answers:
    """The bundle's answers to all pictures; a file a set in `work`."""
    found = [_answered(bundle, name, data, work / f"{name}.pkl") for name in SETS]
    joined = Predictions(
        [record for each in found for record in each["predictions"].records],
        np.concatenate([each["predictions"].shares for each in found]),
        embeddings=np.concatenate([each["predictions"].embeddings for each in found]))
    return Answers(joined, np.array([part for each in found for part in each["parts"]]))


def _answered(bundle: Bundle, name: str, data: Path, path: Path) -> dict[str, Any]:
    if not path.exists():
        known = membership.load(bundle.folder / membership.FILE)
        said = predictions.predict(Analyzer(bundle), sources.load(name, data / sources.find(name).folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps({"predictions": said, "parts": [known.part_of(r) or "" for r in said.records]}))
    found: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301 (our own file)
    return found


# -- the angle as a proxy -------------------------------------------------------------------------------------------


def angles(records: Sequence[Record], bundle: Bundle) -> NDArray[np.float64]:
    """As scoring reads them: off the decoded picture's thumbnail."""
    side = preprocess.decoding_side(bundle.preprocessing.size)

    def one(record: Record) -> float:
        return ita.estimate(thumbnail(image.decode(record.read(), short_side=side)))

    with ThreadPoolExecutor() as pool:
        return np.array(list(pool.map(one, records)))


def proxy_tables(records: Sequence[Record], bundle: Bundle) -> Iterator[str]:
    tones = np.array([record.skin_tone.value if record.skin_tone else np.nan for record in records])
    kinds = np.array([record.patient.modality for record in records])
    found = angles(records, bundle)
    yield "| pictures | n | no skin found | Spearman's correlation with the label |"
    yield "|---|---|---|---|"
    for kind in Modality:
        chosen = (kinds == kind) & np.isfinite(tones)
        seen = chosen & np.isfinite(found)
        yield (f"| {kind} | {seen.sum():,} | {(chosen & ~seen).sum():,} | "
               f"{_spearman(found[seen], tones[seen], [records[i].group for i in np.flatnonzero(seen)])} |")
    yield from ("", _pairs(records, found), "", "Median angle, degrees, by label:", "")
    values = sorted(set(tones[np.isfinite(tones)].tolist()))
    yield "| pictures | " + " | ".join(f"{value:g}" for value in values) + " |"
    yield "|---|" + "---|" * len(values)
    for kind in Modality:
        cells = [found[(kinds == kind) & (tones == value) & np.isfinite(found)] for value in values]
        shown = [f"{np.median(each):.0f} (n = {len(each):,})" if len(each) else "-" for each in cells]
        yield f"| {kind} | " + " | ".join(shown) + " |"
    yield from ("", *_finder(records, tones, kinds))


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64], units: Sequence[str]) -> str:
    weights = metrics.resample(units, resamples=RESAMPLES, seed=SEED)
    return str(metrics.figure(lambda w: proxy.spearman(one, other, w), weights))


def _pairs(records: Sequence[Record], found: NDArray[np.float64]) -> str:
    by_lesion: dict[str, dict[str, float]] = {}
    for record, angle in zip(records, found, strict=True):
        if np.isfinite(angle) and record.patient.modality:
            by_lesion.setdefault(record.group, {})[record.patient.modality] = float(angle)
    both = [(name, of[Modality.CLINICAL], of[Modality.DERMOSCOPIC]) for name, of in by_lesion.items() if len(of) == 2]
    names, clinical, dermoscopic = zip(*both, strict=True)
    return (f"The angle of a lesion's clinical against its dermoscopic picture: Spearman "
            f"{_spearman(np.array(clinical), np.array(dermoscopic), names)}, n = {len(both):,} lesions.")


def _finder(records: Sequence[Record], tones: NDArray[np.float64], kinds: NDArray[np.str_]) -> Iterator[str]:
    """The same with the lesion as macule.analysis.arms.lesion finds it, on some of the clinical pictures."""
    chosen = np.random.default_rng(SEED).permutation(np.flatnonzero((kinds == Modality.CLINICAL) & np.isfinite(tones)))
    pictures = [image.decode(records[i].read(), short_side=480).rgb for i in chosen[:TIMED]]
    pictures = [cv2.resize(rgb, (640, 480), interpolation=cv2.INTER_LINEAR) for rgb in pictures]
    yield f"On {len(pictures)} clinical pictures enlarged to 640 x 480 px, one core:"
    yield from ("", "| how the lesion is left out | Spearman's correlation | ms a picture (median, processor time) |",
                "|---|---|---|")
    for name, estimate in (("unlike the rim's colour (used)", ita.estimate), ("the lesion finder", _with_finder)):
        spent, found = [], []
        for rgb in pictures:
            start = time.thread_time()
            found.append(estimate(rgb))
            spent.append(time.thread_time() - start)
        values, label = np.array(found), tones[chosen[:TIMED]]
        seen = np.isfinite(values)
        names = [records[i].group for i in chosen[:TIMED][seen]]
        yield f"| {name} | {_spearman(values[seen], label[seen], names)} | {1000 * float(np.median(spent)):.1f} |"


def _with_finder(rgb: NDArray[np.uint8]) -> float:
    small = ita._small(rgb)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)
    skin = ita._candidates(small, lab)
    found = lesion.mask(small)
    if found is not None:
        height, width = skin.shape
        grown = cv2.dilate(cv2.resize(found.astype(np.uint8), (width, height)), np.ones((7, 7), np.uint8))
        skin &= grown == 0
    if skin.mean() < ita.LEAST:
        return float("nan")
    return float(np.degrees(np.arctan2(np.median(lab[..., 0][skin]) - 50, np.median(lab[..., 2][skin]))))


# -- group weights, before and after -------------------------------------------------------------------------------


class Probe:
    """A logistic regression on the embedding of one data set, and thresholds fitted on its calibration part.

    Of one set, since of the others another's skin tone or centre is "not stated", and the weights would part the sets.
    """

    def __init__(self, found: Answers, bundle: Bundle, dataset: str) -> None:
        self.found, self.bundle, self.dataset = found, bundle, dataset
        self.known = found.predictions.targets != NO_CLASS
        train = found.of("train", dataset) & self.known
        self.pca = PCA(COMPONENTS, whiten=True, random_state=SEED).fit(found.predictions.embeddings[train])
        self.rows = self.pca.transform(found.predictions.embeddings)
        self.train = np.flatnonzero(train)
        self.penalty = self._penalty()

    def shares(self, factors: NDArray[np.float64] | None, penalty: float | None = None) -> NDArray[np.float64]:
        """Class probabilities of all pictures, (N, 11), by a probe with these weights of its training pictures."""
        model = LogisticRegression(C=penalty or self.penalty, max_iter=400)
        model.fit(self.rows[self.train], self.found.predictions.targets[self.train], sample_weight=factors)
        found = np.zeros((len(self.rows), len(CODES)))
        found[:, model.classes_] = model.predict_proba(self.rows)
        return found

    def factors(self, attribute: str, power: float) -> NDArray[np.float64]:
        settings = Sampling(groups=attribute, group_power=power)
        records = [self.found.predictions.records[i] for i in self.train]
        people = [str(weighing.STATED[attribute](record)) for record in records]
        return weighing.factors(labels.allowed(records, Targets.DIAGNOSIS), people, settings)

    def exam(self, shares: NDArray[np.float64]) -> Exam:
        """The locked part, by thresholds that reach the bundle's sensitivity on the calibration part."""
        said = replace(self.found.predictions, shares=shares)
        looking = self.found.of("calibration", self.dataset) & (said.suspicious == 1)
        aim = self.bundle.thresholds.medium.sensitivity
        medium = Threshold(float(np.quantile(said.malignant[looking], 1 - aim)), aim)
        bundle = replace(self.bundle, thresholds=replace(self.bundle.thresholds, medium=medium))
        classes = tuple(sorted(CODES.index(code) for code in sources.find(self.dataset).classes))
        return Exam.of(bundle, said.only(self.found.of("test", self.dataset)), dataset=self.dataset, part="test",
                       classes=classes, resamples=RESAMPLES, seed=SEED)

    def _penalty(self) -> float:
        """By the malignant AUC on the calibration part, without weights."""
        looking = self.found.of("calibration", self.dataset) & self.known
        positive = self.found.predictions.suspicious[looking] == 1

        def worth(penalty: float) -> float:
            said = replace(self.found.predictions, shares=self.shares(None, penalty))
            return float(metrics.auc(said.malignant[looking], positive, np.ones((1, int(looking.sum()))))[0])

        return max(PENALTIES, key=worth)


@dataclass(frozen=True)
class Arm:
    """everybody: all pictures of the locked part. groups: those that are stated and large enough."""

    everybody: Group
    groups: list[Group]

    def summary(self) -> dict[str, tuple[float, NDArray[np.float64]]]:
        """Each figure with its resamples."""
        auc, hit = self.everybody, [group for group in self.groups if group.counts("sensitivity_medium")
                                    and group.counts("specificity_medium")]
        ranked = [group for group in self.groups if group.counts("malignant_auc")]
        odds = [gaps._odds(np.array([[g.whole["sensitivity_medium"] for g in hit]]),
                           np.array([[g.whole["specificity_medium"] for g in hit]]))[0],
                gaps._odds(np.stack([g.spread["sensitivity_medium"] for g in hit], axis=1),
                           np.stack([g.spread["specificity_medium"] for g in hit], axis=1))[0]]
        return {
            "malignant AUC": (auc.whole["malignant_auc"], auc.spread["malignant_auc"]),
            "sensitivity": (auc.whole["sensitivity_medium"], auc.spread["sensitivity_medium"]),
            "specificity": (auc.whole["specificity_medium"], auc.spread["specificity_medium"]),
            "equalised odds difference": (float(odds[0][0]), odds[1]),
            "lowest AUC of a group": (min(g.whole["malignant_auc"] for g in ranked),
                                      np.min([g.spread["malignant_auc"] for g in ranked], axis=0)),
        }


def arm(exam: Exam, attribute: str) -> Arm:
    facts = Facts.of(exam)
    (of,) = [each for each in groups.attributes(exam.predictions)
             if each.key == attribute or each.key.startswith(f"{attribute}:")]
    found = [figures.measure(name, facts, exam.weights, np.flatnonzero(of.of == number), None)
             for number, name in enumerate(of.names) if name != groups.NOT_STATED]
    everybody = figures.measure("all", facts, exam.weights, np.arange(len(exam.predictions.records)), None)
    return Arm(everybody, [group for group in found if not group.muted])


@dataclass(frozen=True)
class Trial:
    """One attribute's weights on one data set. after: one an entry of POWERS."""

    attribute: str
    dataset: str
    before: Arm
    after: list[Arm]

    @property
    def title(self) -> str:
        return f"{self.attribute.replace('_', ' ')}, {sources.find(self.dataset).title.split(':', maxsplit=1)[0]}"

    def changes(self, figure: str) -> Iterator[tuple[float, float, float]]:
        """After less before, with its interval, for each of POWERS."""
        value, spread = self.before.summary()[figure]
        for each in self.after:
            other, others = each.summary()[figure]
            yield other - value, *_bounds(others - spread)


def trials(probes: Sequence[Probe]) -> list[Trial]:
    found = []
    for probe in probes:
        plain = probe.exam(probe.shares(None))
        for attribute in (name for name, dataset in TRIED if dataset == probe.dataset):
            weighted = [probe.exam(probe.shares(probe.factors(attribute, power))) for power in POWERS]
            found.append(Trial(attribute, probe.dataset, arm(plain, attribute), [arm(e, attribute) for e in weighted]))
    return found


def verdict(tried: Sequence[Trial]) -> Iterator[str]:
    """What the tables below come to: whose interval excludes 0."""
    for figure in tried[0].before.summary():
        said = [(trial.title, name, change) for trial in tried
                for name, change in zip(("reweighed", "all alike"), trial.changes(figure), strict=True)]
        moved = [f"{title}, {name}: {change[0]:+.3f} ({change[1]:+.3f} to {change[2]:+.3f})"
                 for title, name, change in said if change[1] > 0 or change[2] < 0]
        yield (f"- The {figure} changed in {len(moved)} of {len(said)} comparisons"
               + (": " + "; ".join(moved) if moved else "; in the others the interval holds 0") + ".")


def weights_tables(tried: Sequence[Trial]) -> Iterator[str]:
    for trial in tried:
        before = trial.before
        yield f"### By {trial.title}, locked part"
        yield ""
        yield (f"{before.everybody.n:,} pictures of {before.everybody.lesions:,} lesions, "
               f"{before.everybody.positives:,} malignant. Groups: "
               + ", ".join(f"{g.name} (n = {g.n:,}, {g.positives:,} malignant)" for g in before.groups) + ".")
        yield from ("", "| figure | without weights | reweighed | change | all groups alike | change |",
                    "|---|---|---|---|---|---|")
        yield from _rows(before, trial.after)
        yield ""


def _rows(before: Arm, after: Sequence[Arm]) -> Iterator[str]:
    first, others = before.summary(), [each.summary() for each in after]
    for name, (value, spread) in first.items():
        cells = [_shown(value, spread)]
        for other in others:
            cells += [_shown(*other[name]), _shown(other[name][0] - value, other[name][1] - spread, sign=True)]
        yield f"| {name} | " + " | ".join(cells) + " |"
    for number, group in enumerate(before.groups):
        for metric, word in (("sensitivity_medium", "sensitivity"), ("specificity_medium", "specificity")):
            if group.counts(metric):
                cells = [str(group.figure(metric))]
                for each in after:
                    same = each.groups[number]
                    cells += [str(same.figure(metric)), _shown(same.whole[metric] - group.whole[metric],
                                                               same.spread[metric] - group.spread[metric], sign=True)]
                yield f"| {word}, {group.name} | " + " | ".join(cells) + " |"


def _shown(value: float, spread: NDArray[np.float64], *, sign: bool = False) -> str:
    low, high = _bounds(spread)
    plus = "+" if sign else ""
    return f"{value:{plus}.3f} ({low:{plus}.3f} to {high:{plus}.3f})"


def _bounds(spread: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(spread[np.isfinite(spread)], [0.025, 0.975])
    return float(low), float(high)


def page(found: Answers, bundle: Bundle) -> Iterator[str]:
    records = [record for record in found.predictions.records if record.dataset == "milk10k"]
    tones = [record.skin_tone.value for record in records if record.skin_tone]
    by_tone = {value: len({r.group for r in records if r.skin_tone and r.skin_tone.value == value})
               for value in sorted(set(tones))}
    yield "# Fairness: the proxy of skin tone, and group weights"
    yield from ("", "Made by `python benchmarks/fairness.py --data DATA`. What the words mean: "
                "[docs/fairness.md](../fairness.md). Intervals are 95 %, from 2,000 resamples of lesions; nothing is "
                "fitted anew in a resample, and they are not corrected for the number of comparisons.", "")
    yield ("Labelled skin tone, MILK10k's own scale (0 very dark to 5 very light, not Fitzpatrick's), lesions of the "
           "copy that was scored: " + ", ".join(f"{value:g}: {count:,}" for value, count in by_tone.items()) + ".")
    yield from ("", "## Does the individual typology angle follow the label?", "")
    yield from proxy_tables(records, bundle)
    probes = [Probe(found, bundle, name) for name in SETS]
    fitted = "; ".join(f"{probe.dataset}: {len(probe.train):,} pictures, C = {probe.penalty:g}" for probe in probes)
    yield from ("", "## Group weights, before and after", "")
    yield ("No network was trained for this. A logistic probe was fitted on the frozen embedding of the bundle "
           f"`{bundle.id}` ({COMPONENTS} principal components, the penalty by the calibration part) of its own "
           f"training part, one data set at a time ({fitted}), with and without the weights that `sampling.groups` "
           "would give, and scored on the locked part. Thresholds: those that reach a sensitivity of "
           f"{bundle.thresholds.medium.sensitivity:g} on the calibration part, for each arm anew. The embedding has "
           "seen the training part, so weights can change less here than in the training of a whole network: read this "
           "as what they do to the last layer.")
    yield from ("", "*Reweighed*: `group_power = 0`, group and class independent. *All groups alike*: "
                "`group_power = 1`, besides every group as frequent as any other. *Equalised odds difference*: the "
                "larger gap of sensitivity and of false positives between groups. Only groups with n >= 30, and 10 of "
                "the class that counts.", "")
    tried = trials(probes)
    yield from (*verdict(tried), "", *weights_tables(tried))


def wrapped(line: str) -> str:
    """Prose in lines of 120; a table's row is left alone."""
    if line.startswith(("|", "#")):
        return line
    return textwrap.fill(line, 120, subsequent_indent="  " if line.startswith("- ") else "", break_long_words=False,
                         break_on_hyphens=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--work", type=Path, default=Path("work/fairness"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/fairness.md"))
    asked = parser.parse_args()
    bundle = bundles.load(asked.bundle)
    found = answers(bundle, asked.data, asked.work)
    asked.out.write_text("\n".join(map(wrapped, page(found, bundle))).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
