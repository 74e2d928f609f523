"""Every picture of a manifest looked at once: is it there, unaltered, readable, large and sharp enough, a lesion?

Nothing is deleted: what is found becomes the row's reason, and a person may overrule it (macule.data.review).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from macule.analysis import quality
from macule.analysis.batch import cores, in_order
from macule.analysis.explain import to_jpeg
from macule.analysis.image import Picture, decode
from macule.analysis.pipeline import Analyzer, thumbnail
from macule.data import pictures
from macule.data.manifest import Manifest, Row
from macule.errors import DatasetError, MaculeError, UnreadableImage, UsageError

#: Long side of the pictures on the review page.
THUMBNAIL = 224


@dataclass(frozen=True)
class Kind:
    """What a check finds. words: the reason. meaning: for a person who reviews it. at_least: the side of the limit
    on which a picture passes; None where nothing is measured."""

    words: str
    meaning: str
    at_least: bool | None = None


#: Check -> what it finds, in the order of the review: damage first.
KINDS: dict[str, Kind] = {
    "missing": Kind("missing", "The file is not where the manifest says."),
    "unreadable": Kind("unreadable", "The file is there but is no picture, or is torn."),
    "changed": Kind("changed", "The file is not the one that the manifest was made with (SHA-256)."),
    "size": Kind("too small", "Short side in pixels.", at_least=True),
    "sharpness": Kind("blurred", "Fine over middle detail: independent of contrast and exposure.", at_least=True),
    "grain": Kind("noisy", "Fine over middle detail, the other way: sensor noise or sharpening.", at_least=False),
    "darkness": Kind("dark", "Grey level that the brightest twentieth of the middle exceeds.", at_least=True),
    "brightness": Kind("over-exposed", "Median grey level of the middle.", at_least=False),
    "glare": Kind("glare", "Share of the middle that is burnt out to white.", at_least=False),
    "lesion": Kind("no lesion seen", "How far the most different hundredth stands out from the skin.", at_least=True),
    "distribution": Kind("unlike the model's pictures", "Distance from the pictures that the model was trained on. "
                         "A rare lesion is far from them, too.", at_least=False),
}
DAMAGE = frozenset({"missing", "unreadable", "changed"})
MEASURED = tuple(name for name, kind in KINDS.items() if name not in DAMAGE and name != "distribution")
#: What one word stands for, when a person accepts several checks at once.
GROUPS = {"quality": frozenset(MEASURED) - {"size"}, "damage": DAMAGE}


@dataclass(frozen=True)
class Finding:
    """One check that a picture did not pass. value, limit: what was measured; None for damage."""

    check: str
    value: float | None = None
    limit: float | None = None

    @property
    def reason(self) -> str:
        words = KINDS[self.check].words
        return words if self.value is None else f"{words} ({self.check} {self.value:.3g}, limit {self.limit:g})"

    @property
    def doubt(self) -> float:
        """1 at the limit, towards 0 beyond it: the first that a person should look at."""
        if self.value is None or self.limit is None:
            return 0.0
        low, high = sorted((abs(self.value), abs(self.limit)))
        return low / high if high else 1.0


@dataclass(frozen=True)
class Looked:
    """One picture. thumbnail: a JPEG file; only of pictures that were found at fault and could be read."""

    row: Row
    findings: tuple[Finding, ...]
    thumbnail: bytes | None = None


@dataclass(frozen=True)
class Rules:
    """limits: check -> its limit. accept: checks that are passed whatever was measured."""

    limits: Mapping[str, float]
    accept: Set[str]

    @classmethod
    def of(cls, *, limits: Mapping[str, float] | None = None, accept: Set[str] = frozenset()) -> Rules:
        """Limits that are not given are those of macule.analysis.quality and of the model's gate.

        Raises: UsageError for a check that there is not, or that measures nothing.
        """
        settable = (*MEASURED, "distribution")
        for name in limits or {}:
            if name not in settable:
                raise UsageError(f"there is no limit for {name!r}; there is one for: {', '.join(settable)}.")
        for name in accept:
            if name not in KINDS and name not in GROUPS:
                raise UsageError(f"there is no check {name!r}; known: {', '.join((*KINDS, *GROUPS))}.")
        whole = {check for name in accept for check in GROUPS.get(name, {name})}
        return cls(dict(limits or {}), frozenset(whole))

    def fails(self, check: str, value: float, limit: float) -> Finding | None:
        """limit: the one that holds if no other was given."""
        limit = self.limits.get(check, limit)
        passed = value >= limit if KINDS[check].at_least else value <= limit
        return None if passed or check in self.accept else Finding(check, value, limit)


def look(manifest: Manifest, *, rules: Rules, analyzer: Analyzer | None = None, workers: int | None = None,
         tick: Callable[[int], None] | None = None) -> Iterator[Looked]:
    """Look at every picture, in the order of the rows; a row without one is passed over.

    analyzer: a model whose gate tells what is like the pictures it knows; None leaves that out.

    Raises: DatasetError if the manifest does not say where a data set lies; EnvironmentFault.
    """
    def rows() -> Iterator[Row]:
        for row in manifest.each():
            if row.picture is not None:
                yield row
            elif tick is not None:
                tick(1)

    for _, looked in in_order(lambda row: _look(manifest, row, rules, analyzer), rows(), workers=workers or cores()):
        if isinstance(looked, MaculeError):
            raise looked
        yield looked
        if tick is not None:
            tick(1)


def _look(manifest: Manifest, row: Row, rules: Rules, analyzer: Analyzer | None) -> Looked:
    if row.dataset not in manifest.roots:
        raise DatasetError(f"the manifest names no folder of {row.dataset}: make it anew where the pictures are.")
    path = manifest.roots[row.dataset] / str(row.picture)
    try:
        content = pictures.read(path)
    except UnreadableImage:
        return Looked(row, _kept(rules, Finding("unreadable" if _is_there(path) else "missing")))
    changed = () if hashlib.sha256(content).hexdigest() == row.sha256 else _kept(rules, Finding("changed"))
    try:
        picture = decode(content)
    except MaculeError:
        return Looked(row, (*changed, *_kept(rules, Finding("unreadable"))))
    findings = (*changed, *_measure(picture, rules))
    if analyzer is not None and not findings:
        findings = _gate(content, row, rules, analyzer)
    small = to_jpeg(thumbnail(picture, THUMBNAIL), 80) if findings else None
    return Looked(row, findings, small)


def _is_there(path: Path) -> bool:
    """Of a member: whether its file is there; a member that is not in it makes it unreadable."""
    return (pictures.container(path) or path).exists()


def _kept(rules: Rules, finding: Finding) -> tuple[Finding, ...]:
    return () if finding.check in rules.accept else (finding,)


def _measure(picture: Picture, rules: Rules) -> Iterator[Finding]:
    smallest = 0.0 if "size" in rules.accept else rules.limits.get("size", quality.MIN_SHORT_SIDE)
    for check in quality.assess(picture, min_short_side=smallest).checks:
        if found := rules.fails(check.name, check.value, check.limit):
            yield found


def _gate(content: bytes, row: Row, rules: Rules, analyzer: Analyzer) -> tuple[Finding, ...]:
    """Of a picture that passed the rest: a blurred one is unlike the known ones anyway."""
    result = analyzer.analyze(content, patient=row.record(None).patient)
    refused = next((check for check in result.quality.checks if check.name == "familiar" and not check.passed), None)
    if refused is not None:
        return _kept(rules, Finding("distribution", refused.value, refused.limit))
    answer = result.assessment
    if answer is None:  # smaller than the model's own limit
        return ()
    gate = analyzer.bundle.gate
    found = rules.fails("distribution", gate.score(answer.embedding), gate.threshold)
    return () if found is None else (found,)
