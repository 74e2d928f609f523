"""One answer a lesion from its several pictures: which mean, against one picture alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from heads_embeddings import Floats
from heads_scoring import Bools, Exam, Metric, balanced, compare, error, malignant, table

from macule.analysis.calibration import SUSPICIOUS, softmax
from macule.analysis.patient import Modality

COLUMNS = ("balanced accuracy", "malignant AUC", "calibration error")


def tables(exam: Exam, logits: Floats, temperature: float) -> Iterator[str]:
    """Of the lesions with two pictures or more. logits: (N, K)."""
    for name, title in (("ham10000", "HAM10000"), ("milk10k", "MILK10k, dermoscopic and clinical")):
        lesions = several(exam, name)
        if len(lesions) < 2:
            continue
        pooled = Exam([exam.records[places[0]] for places in lesions], [exam.lesion[places[0]] for places in lesions],
                      exam.resamples)
        arms = {way: np.stack([pool(logits[places] / temperature) for places in lesions])
                for way, pool in ways(name).items()}
        everything = np.ones(len(lesions), bool)

        def measure(of: Exam, shares: Floats, name: str = name, chosen: Bools = everything) -> Mapping[str, Metric]:
            return {"balanced accuracy": balanced(of, shares, chosen, name),
                    "malignant AUC": malignant(of, shares, chosen), "calibration error": error(of, shares, chosen)}

        yield f"{title}: {len(lesions)} lesions with {sum(map(len, lesions))} pictures.\n"
        yield from table(compare(pooled, arms, measure), COLUMNS, "one answer a lesion")


def several(exam: Exam, name: str) -> list[list[int]]:
    """Places of the pictures of each lesion that has more than one; a dermoscopic picture stands first."""
    found: dict[str, list[int]] = {}
    for place, record in enumerate(exam.records):
        if record.dataset == name:
            found.setdefault(record.group, []).append(place)
    clinical = [record.patient.modality is Modality.CLINICAL for record in exam.records]
    return [sorted(places, key=lambda place: clinical[place]) for places in found.values() if len(places) > 1]


def ways(name: str) -> dict[str, Callable[[Floats], Floats]]:
    """Name -> tempered logits of one lesion's pictures, (P, K) -> probabilities, (K,)."""
    alone = {"the first picture": lambda z: softmax(z)[0]} if name == "ham10000" else {
        "the dermoscopic picture": lambda z: softmax(z)[0], "the clinical picture": lambda z: softmax(z)[-1]}
    return {**alone,
            "mean logits (the same as the mean embedding)": lambda z: softmax(z.mean(axis=0, keepdims=True))[0],
            "mean probability": lambda z: np.asarray(softmax(z).mean(axis=0)),
            "the picture with the largest malignant probability":
                lambda z: softmax(z)[softmax(z)[:, SUSPICIOUS].sum(axis=1).argmax()]}
