"""From data folders to the parts that a run trains on, calibrates on and is scored on; no lesion is in two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from macule.analysis.patient import Modality
from macule.data import near_duplicates, sources, splits
from macule.data.record import Record
from macule.training import weights
from macule.training.recipe import Recipe

#: Share of the lesions (components) of each part. `test` is locked: nothing is fitted or chosen on it.
SHARES = {"train": 0.78, "calibration": 0.10, "test": 0.12}
SPLIT_SEED = 20261121
#: Sets that are only ever scored on. A lesion that also stands in one of them is not trained on.
EXAM_PARTS = {"isic2018": "val", "isic2017": "test"}
#: One photograph under two lesion ids of the same set, which a search between sets cannot see.
KNOWN_LINKS = (
    ("ham10000:HAM_0000140", "ham10000:HAM_0004919"),  # ISIC_0030074 is ISIC_0025226
    ("milk10k:IL_2779245", "milk10k:IL_6365837"),
)
#: Its duplicate, IL_6755192, stands in the part of MILK10k that is kept for exams, so it is not trained on.
KEPT_OUT = frozenset({"milk10k:IL_9247349"})
EMBED_BATCH = 64


@dataclass(frozen=True)
class Parts:
    """train, calibration, test: of the recipe's data sets. exams: id -> records. left_out: in an exam too."""

    train: list[Record]
    calibration: list[Record]
    test: list[Record]
    exams: dict[str, list[Record]]
    left_out: list[Record]


def read(recipe: Recipe, root: Path, work: Path) -> Parts:
    """Read every set under `root` and part them. Links between sets are searched once and kept in `work`."""
    by_set = {name: sources.load(name, root / sources.FOLDERS[name], part=EXAM_PARTS.get(name, "all"))
              for name in (*recipe.datasets, *EXAM_PARTS)}
    component = splits.components(
        sorted({record.group for records in by_set.values() for record in records}),
        [*KNOWN_LINKS, *_links(by_set, work)],
    )
    examined = {component[group] for group in KEPT_OUT if group in component}
    examined |= {component[record.group] for name in EXAM_PARTS for record in by_set[name]}
    ours = [record for name in recipe.datasets for record in by_set[name]]
    usable = [record for record in ours if component[record.group] not in examined]
    parts = splits.split(usable, component, shares=SHARES, seed=SPLIT_SEED)
    return Parts(
        **parts,
        exams={name: by_set[name] for name in EXAM_PARTS},
        left_out=[record for record in ours if component[record.group] in examined],
    )


def _links(by_set: dict[str, list[Record]], work: Path) -> list[tuple[str, str]]:
    """Lesions of different sets that show one photograph, as pairs of groups."""
    path = work / f"links-{_key(by_set)}.json"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted(_search(by_set)), indent=0), encoding="utf-8")
    return [(one, other) for one, other in json.loads(path.read_text(encoding="utf-8"))]


def _key(by_set: dict[str, list[Record]]) -> str:
    """Other pictures are another search: kept links of fewer sets would hide a leak."""
    pictures = sorted((name, record.picture_id) for name, records in by_set.items() for record in records)
    return hashlib.sha256(repr(pictures).encode()).hexdigest()[:16]


def _search(by_set: dict[str, list[Record]]) -> set[tuple[str, str]]:
    # Backwards, so that MILK10k asks for its neighbours in HAM10000, as it did for the first bundle.
    names = sorted(by_set, reverse=True)
    # A phone picture and a dermoscopic one are never the same photograph.
    dermoscopic = {name: [r for r in by_set[name] if r.patient.modality is Modality.DERMOSCOPIC] for name in names}
    embed = _Embedder()
    indexed = {name: near_duplicates.index([r.picture for r in dermoscopic[name]], embed=embed)
               for name in track(names, description="indexing pictures")}
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1:]]
    return {
        (dermoscopic[a][match.first].group, dermoscopic[b][match.second].group)
        for a, b in track(pairs, description="comparing sets")
        for match in near_duplicates.between(indexed[a], indexed[b])
    }


class _Embedder:
    """ImageNet features of EfficientNet-Lite0: enough to rank look-alikes, which local features then confirm."""

    def __init__(self) -> None:
        self.network = weights.imagenet("lite0").eval()

    @torch.inference_mode()
    def __call__(self, greys: NDArray[np.uint8]) -> NDArray[np.float32]:
        batches = (torch.from_numpy(greys[i:i + EMBED_BATCH]) for i in range(0, len(greys), EMBED_BATCH))
        return np.concatenate([self._embed(batch) for batch in batches])

    def _embed(self, batch: torch.Tensor) -> NDArray[np.float32]:
        grey = batch.float().div(127.5).sub(1)[:, None].expand(-1, 3, -1, -1)
        features = self.network.forward_features(grey.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        rows: NDArray[np.float32] = features.mean((2, 3)).numpy()
        return rows


def lesions(records: Sequence[Record]) -> int:
    return len({record.group for record in records})


def overlap(one: Iterable[Record], other: Iterable[Record]) -> set[str]:
    """Groups that stand in both."""
    return {record.group for record in one} & {record.group for record in other}
