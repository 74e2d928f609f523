"""Scores that could tell a picture without a lesion, compared at the same share of real lesions refused.

    python benchmarks/gate.py --data DATA [--bundle default] [--views 4] [--links PAIRS] [--work DIR]
        [--out docs/results/gate.md]

DATA holds the data sets as `macule data list` names their folders. Embeddings are made once and kept in `work`. Every
score is fitted to the bundle's own training part and to drawn pictures of the learnable kinds; its limit is a quantile
of the bundle's calibration part. The two exams and all locked pictures are only scored, these without kin of what the
bundle was fitted on. Needs the training extra.
"""

from __future__ import annotations

import argparse
import json
import textwrap
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import kept
import numpy as np
import parted
from heads_embeddings import head
from numpy.typing import NDArray
from rich.progress import track

from macule.analysis import bundle as bundles
from macule.analysis import image
from macule.analysis.batch import cores, in_order
from macule.analysis.bundle import Bundle
from macule.analysis.gate import Hidden, Presence
from macule.analysis.patient import Modality
from macule.analysis.pipeline import Analyzer
from macule.analysis.quality import assess
from macule.data import links, membership, sources
from macule.data.record import Record
from macule.errors import MaculeError
from macule.evaluation import metrics, not_lesions
from macule.evaluation.not_lesions import frames
from macule.evaluation.service import without_kin
from macule.training import fit, presence

#: Of calibration lesions: what every score lets pass.
QUANTILE = 0.999
PER_KIND, SCREENS, NEIGHBOURS, SEED = 20, 200, 6000, 0
#: What the gate of before was shown.
FORMER = ("noise", "gradients", "stripes", "paper", "shapes", "screenshots", "scenes", "leaves")
Rows = NDArray[np.float32]
Score = Callable[[Rows], NDArray[np.float64]]


@dataclass(frozen=True)
class Seen:
    """embeddings: (N, D). usable: bool, (N,): what the quality checks let pass."""

    embeddings: Rows
    usable: NDArray[np.bool_]

    @property
    def judged(self) -> Rows:
        return self.embeddings[self.usable]


@dataclass(frozen=True)
class Pictures:
    """real: training, calibration and locked parts by name. kinds: drawn ones. corners: of training pictures."""

    real: Mapping[str, Seen]
    learnt: Mapping[str, Rows]
    exams: Mapping[str, Mapping[str, Seen]]
    corners: Rows
    screens: Seen

    @property
    def locked(self) -> dict[str, Seen]:
        return {name: seen for name, seen in self.real.items() if name not in ("train", "calibration")}


# -- pictures ---------------------------------------------------------------------------------------------------------


class Keeper:
    """Embeddings of pictures, from `work` where they have been made before."""

    def __init__(self, analyzer: Analyzer, work: Path) -> None:
        model = json.loads((analyzer.bundle.folder / "bundle.json").read_text(encoding="utf-8"))["model"]["sha256"]
        self.analyzer, self.folder = analyzer, work / f"gate-{model[:12]}-{analyzer.views}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def seen(self, name: str, names: Sequence[str], pictures: Iterable[bytes]) -> Seen:
        path = self.folder / f"{name}-{zlib.crc32(repr(list(names)).encode()):08x}.npz"
        if not path.exists():
            found = in_order(self._look, iter(pictures), workers=cores())
            rows = [row for _, row in track(found, description=name, total=len(names))]
            for row in rows:
                if isinstance(row, MaculeError):
                    raise row
            with path.with_suffix(".part").open("wb") as stream:
                np.savez(stream, embeddings=np.array([row[0] for row in rows]), usable=np.array([r[1] for r in rows]))
            path.with_suffix(".part").rename(path)
        with np.load(path) as file:
            return Seen(file["embeddings"], file["usable"])

    def _look(self, content: bytes) -> tuple[Rows, bool]:
        return self.analyzer.embedding(content), assess(image.decode(content, short_side=512)).usable

    def records(self, name: str, records: Sequence[Record]) -> Seen:
        return self.seen(name, kept.names(records), (r.read() for r in records))

    def kind(self, kind: str, count: int, seed: int) -> Seen:
        return self.seen(f"{kind}-{seed}", [str(n) for n in range(count)], _drawn(kind, count, seed))


def _drawn(kind: str, count: int, seed: int) -> Iterator[bytes]:
    """Nothing is drawn before the first is asked for: what is kept is not drawn again."""
    yield from map(not_lesions.encoded, not_lesions.generate(kind, count, seed))


def parts(bundle: Bundle, data: Path, most: int, pairs: links.Links) -> dict[str, list[Record]]:
    """What was fitted on, and what is scored: without kin of the former, as in every exam."""
    known = membership.load(bundle.folder / membership.FILE)
    every = {name: sources.load(name, data / sources.find(name).folder)
             for name in ("ham10000", "milk10k", "isic2018", "isic2017")}
    own = [record for name in ("ham10000", "milk10k") for record in every[name]]
    train = [record for record in own if known.part_of(record) == "train"]
    locked = {name: parted.of_part(bundle, every[name], "test", pairs) for name in ("ham10000", "milk10k")}
    milk = {kind: [r for r in locked["milk10k"] if r.patient.modality == kind] for kind in Modality}
    return {
        "train": [train[i] for i in np.random.default_rng(SEED).permutation(len(train))[:most]],
        "calibration": [record for record in own if known.part_of(record) == "calibration"],
        "HAM10000": locked["ham10000"], "MILK10k, dermoscopic": milk[Modality.DERMOSCOPIC],
        "MILK10k, clinical": milk[Modality.CLINICAL],
        "ISIC 2018 val": without_kin(bundle, every["isic2018"], pairs=pairs),
        "ISIC 2017 test": without_kin(bundle, [r for r in every["isic2017"] if r.part == "test"], pairs=pairs),
    }


def gather(keeper: Keeper, found: Mapping[str, Sequence[Record]]) -> Pictures:
    exams = {name: {kind: keeper.kind(kind, PER_KIND, SEED) for kind in kinds if kind in not_lesions.kinds()}
             for name, kinds in (("first", not_lesions.HELD_OUT), ("second", not_lesions.SENT))}
    learnt = {kind: keeper.kind(kind, presence.PER_KIND, SEED + 1).embeddings for kind in not_lesions.LEARNABLE}
    corners = kept.once(keeper.folder / f"corners-{len(found['train'])}.npz", kept.names(found["train"]),
                        f"{presence.CORNERS} corners, seed {SEED}", lambda: presence.skin(
                            keeper.analyzer, found["train"], most=presence.CORNERS, seed=SEED))
    rng = np.random.default_rng(SEED)
    shown = [r for name in ("HAM10000", "MILK10k, clinical") for r in found[name][:SCREENS // 2]]
    off = (not_lesions.encoded(frames.off_a_screen(image.decode(r.read(), short_side=512).rgb, rng)) for r in shown)
    screens = keeper.seen("screens", [r.picture_id for r in shown], off)
    return Pictures({name: keeper.records(name, records) for name, records in found.items()}, learnt, exams,
                    corners, screens)


# -- scores -----------------------------------------------------------------------------------------------------------


def scores(found: Pictures, bundle: Bundle) -> Iterator[tuple[str, Score]]:
    train, last = found.real["train"].judged, head(bundle)
    drawn, skin = np.concatenate(list(found.learnt.values())), np.vstack([found.corners, found.learnt["hides"]])
    former = np.concatenate([found.learnt[kind] for kind in FORMER])
    yield "energy of the logits", lambda rows: -np.log(np.exp(last.picture(rows)).sum(axis=1))
    distance = fit.gate(train, found.real["calibration"].judged)
    yield "distance of the gate", lambda rows: np.array([distance.score(row) for row in rows])
    yield "10th nearest neighbour, cosine", neighbour(train[:NEIGHBOURS])
    yield "residual outside 256 directions", residual(train)
    lines = {name: presence.linear(train, rows) for name, rows in
             (("former", former), ("corners", found.corners), ("drawn", drawn), ("skin", skin))}
    yield "linear, 8 kinds drawn", flat(lines["former"])
    yield "linear, corners of photographs", flat(lines["corners"])
    yield "linear, both: the former gate", together(found, lines["former"], lines["corners"])
    yield "linear, 13 kinds drawn, and skin", together(found, lines["drawn"], lines["skin"])
    layer = presence.hidden(train, drawn, seed=SEED)
    yield "hidden layer, 8 kinds drawn", presence.hidden(train, former, seed=SEED).odds
    yield "hidden layer, 13 kinds drawn", layer.odds
    yield "**hidden layer, 13 kinds, and skin: the gate**", together(found, layer, lines["skin"])


def own(bundle: Bundle) -> Score:
    judge = bundle.gate.presence
    return lambda rows: np.array([0.0 if judge is None else judge.strangeness(row) for row in rows])


def flat(line: tuple[NDArray[np.float64], float]) -> Score:
    return lambda rows: np.asarray(rows @ line[0] + line[1], np.float64)


def together(found: Pictures, *judges: Hidden | tuple[NDArray[np.float64], float]) -> Score:
    """The largest, each scaled by its own limits as a gate does it."""
    held = found.real["calibration"].judged
    layers = [presence.limited_hidden(each, held) for each in judges if isinstance(each, Hidden)]
    lines = [presence.limited(*each, held) for each in judges if not isinstance(each, Hidden)]
    joined = Presence(np.stack([weights for weights, _ in lines], axis=1), np.array([offset for _, offset in lines]),
                      layers[0] if layers else None)
    return lambda rows: np.array([joined.strangeness(row) for row in rows])


def neighbour(train: Rows) -> Score:
    known = train / np.linalg.norm(train, axis=1, keepdims=True)
    return lambda rows: -np.partition(rows / np.linalg.norm(rows, axis=1, keepdims=True) @ known.T, -10, axis=1)[:, -10]


def residual(train: Rows) -> Score:
    mean = train.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov((train - mean).T.astype(np.float64)))
    basis = directions[:, ::-1][:, :256]
    return lambda rows: ((rows - mean) ** 2).sum(axis=1) - (((rows - mean) @ basis) ** 2).sum(axis=1)


# -- the page ---------------------------------------------------------------------------------------------------------


def share(count: int, n: int) -> str:
    low, high = metrics.wilson(count, n)
    return f"{count} of {n:,} ({100 * low:.1f} to {100 * high:.1f} %)"


def row(name: str, score: Score, found: Pictures, limit: float | None = None) -> tuple[str, str]:
    """Of the tables of exams and of real lesions. limit: above it is refused; by default the calibration part's."""
    if limit is None:
        limit = float(np.quantile(score(found.real["calibration"].judged), QUANTILE))
    cells, by_kind = [], []
    for kinds in found.exams.values():
        counts = {kind: int((score(seen.judged) <= limit).sum()) if seen.usable.any() else 0
                  for kind, seen in kinds.items()}
        cells.append(share(sum(counts.values()), sum(len(seen.usable) for seen in kinds.values())))
        by_kind.append(", ".join(f"{kind} {count}" for kind, count in counts.items() if count) or "none")
    real = [share(int((score(seen.judged) > limit).sum()), len(seen.judged))
            for seen in (*found.locked.values(), found.screens)]
    return (f"| {name} | " + " | ".join((cells[0], by_kind[0], cells[1], by_kind[1])) + " |",
            f"| {name} | " + " | ".join(real) + " |")


def left_out(found: Pictures) -> Iterator[str]:
    """Each learnable kind scored by classifiers that were shown the twelve others."""
    train, held = found.real["train"].judged, found.real["calibration"].judged
    yield from ("| kind left out | linear | hidden layer |", "|---|---:|---:|")
    totals, n = np.zeros(2, int), 0
    for kind, rows in found.learnt.items():
        others = np.concatenate([each for name, each in found.learnt.items() if name != kind])
        judges = (flat(presence.linear(train, others)),
                  presence.hidden(train, others, members=1, seed=SEED).odds)
        passed = [int((judge(rows) <= np.quantile(judge(held), QUANTILE)).sum()) for judge in judges]
        totals, n = totals + passed, n + len(rows)
        yield f"| {kind} | {passed[0]} of {len(rows)} | {passed[1]} of {len(rows)} |"
    yield f"| **all** | **{share(int(totals[0]), n)}** | **{share(int(totals[1]), n)}** |"


def page(found: Pictures, bundle: Bundle, views: int) -> Iterator[str]:
    n = {name: len(seen.judged) for name, seen in found.real.items()}
    network = json.loads((bundle.folder / "bundle.json").read_text(encoding="utf-8"))["model"]["sha256"][:12]
    yield "# Scores of the gate, compared"
    yield from ("", "Made by `python benchmarks/gate.py --data DATA`. What the words mean: "
                "[docs/out-of-distribution.md](../out-of-distribution.md). Intervals: Wilson's, 95 %.", "")
    yield (f"Bundle `{bundle.id}`, network {network}, views: {views}. Fitted to {n['train']:,} training pictures. "
           f"Every limit is the {100 * QUANTILE:g} % quantile of the same {n['calibration']:,} calibration pictures, "
           "so every score refuses the same share of them. The last row is what stands in the bundle, with its own "
           "limits. Quality checks come first: a picture that they stop counts as stopped.")
    tables = [row(name, score, found) for name, score in scores(found, bundle)]
    tables.append(row("the bundle's own gate", own(bundle), found, limit=1.0))
    yield from ("", "## Pictures without a lesion that get past it", "", "Flagged ones count as past it.", "")
    yield from ("| score | first exam | which | second exam | which |", "|---|---:|---|---:|---|")
    yield from (first for first, _ in tables)
    yield from ("", "## Real lesions that are refused", "", "*Off a screen*: locked pictures as a camera takes them "
                "off a screen, with moire (`frames.off_a_screen`). They do show a lesion.", "")
    yield f"| score | {' | '.join(found.locked)} | off a screen |"
    yield "|---|" + "---:|" * (len(found.locked) + 1)
    yield from (second for _, second in tables)
    yield from ("", "## Kinds that were left out", "", "Each learnable kind, scored by classifiers that were shown the "
                "others, the hidden layer with one member: how many get past.", "", *left_out(found))


def wrapped(line: str) -> str:
    return line if line.startswith(("|", "#")) else textwrap.fill(line, 120, break_long_words=False,
                                                                  break_on_hyphens=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--views", type=int, help="by default the bundle's own")
    parser.add_argument("--most", type=int, default=20_000, help="training pictures")
    parser.add_argument("--links", type=Path, default=parted.LINKS, help="near duplicates")
    parser.add_argument("--work", type=Path, default=Path("work/gate"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/gate.md"))
    asked = parser.parse_args()
    bundle = bundles.load(asked.bundle)
    # What an earlier gate refused is looked at too.
    opened = replace(bundle, gate=replace(bundle.gate, presence=None))
    keeper = Keeper(Analyzer(opened, views=asked.views), asked.work)
    found = gather(keeper, parts(bundle, asked.data, asked.most, links.read(asked.links)))
    asked.out.write_text("\n".join(map(wrapped, page(found, bundle, keeper.analyzer.views))).rstrip() + "\n",
                         encoding="utf-8")


if __name__ == "__main__":
    main()
