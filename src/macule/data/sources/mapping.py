"""Which column of a stranger's CSV is which of ours: the options of the source `csv`, checked once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping as Options
from dataclasses import dataclass

from macule.data import vocabulary
from macule.data.sources import cells
from macule.data.sources.reading import Row
from macule.data.vocabulary import SkinTone, ToneScale
from macule.errors import UsageError
from macule.taxonomy import Diagnosis

COLUMNS = ("picture", "picture_id", "dx", "dx_original", "malignant", "lesion_id", "patient_id", "age", "sex", "site",
           "modality", "skin_tone", "confirmation", "centre", "licence", "part", "mask")
SETTINGS = ("images", "delimiter", "skin_tone_scale")
#: What a label may be mapped to besides a class.
LUMPS = {"malignant": cells.MALIGNANT, "benign": cells.BENIGN, "unknown": frozenset[Diagnosis]()}


@dataclass(frozen=True)
class Mapping:
    """columns: ours -> the CSV's. constants: ours -> the word of every row. labels: folded label -> classes."""

    columns: Options[str, str]
    constants: Options[str, str]
    labels: Options[str, frozenset[Diagnosis]]
    images: str
    delimiter: str
    scale: ToneScale | None

    @classmethod
    def parse(cls, options: Options[str, str]) -> Mapping:
        """Raises: UsageError for an option, a code or a scale that is not known."""
        for name in options:
            if name not in (*COLUMNS, *SETTINGS) and not name.startswith("map:"):
                near = difflib.get_close_matches(name, (*COLUMNS, *SETTINGS), 1, 0.5)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join((*COLUMNS, *SETTINGS))}, map:LABEL."
                raise UsageError(f"the csv set has no option {name!r}: {hint}")
        scale = options.get("skin_tone_scale")
        if scale is not None and scale not in list(ToneScale):
            raise UsageError(f"the option skin_tone_scale is {scale!r}; one of {', '.join(ToneScale)} is needed.")
        if "skin_tone" in options and scale is None:
            raise UsageError("the option skin_tone needs skin_tone_scale beside it: scales are never mixed.")
        given = {name: options[name] for name in COLUMNS if name in options}
        return cls(
            columns={name: column for name, column in given.items() if not column.startswith("=")},
            constants={name: word[1:] for name, word in given.items() if word.startswith("=")},
            labels={vocabulary.folded(name[4:]): _classes(name, code) for name, code in options.items()
                    if name.startswith("map:")},
            images=options.get("images", ""),
            delimiter=options.get("delimiter", ","),
            scale=ToneScale(scale) if scale else None,
        )

    @property
    def needed(self) -> set[str]:
        return {self.columns.get("picture", "picture"), *self.columns.values()}

    def of(self, row: Row) -> Mapped:
        return Mapped(self, row)


@dataclass(frozen=True)
class Mapped:
    """A row of the CSV under our names. A column that was not mapped is the CSV's of the same name, if it has one."""

    mapping: Mapping
    row: Row

    def get(self, name: str) -> str:
        constant = self.mapping.constants.get(name)
        return self.row.get(self.mapping.columns.get(name, name)) if constant is None else constant

    def labels(self) -> tuple[frozenset[Diagnosis], bool | None]:
        """(classes, malignant); the CSV's own word for malignant goes before what the class implies.

        Raises: DatasetError for a label that is in no vocabulary.
        """
        word = self.get("malignant")
        says = cells.yes(Row.of("", None, {"malignant": word}), "malignant")
        labels = self._classes(self.get("dx"))
        if not labels and says is not None:
            labels = LUMPS["malignant" if says else "benign"]
        lumped = {LUMPS["malignant"]: True, LUMPS["benign"]: False}.get(labels)
        return labels, says if says is not None else cells.malignant(labels) if lumped is None else lumped

    def _classes(self, text: str) -> frozenset[Diagnosis]:
        key = vocabulary.folded(text)
        if key in self.mapping.labels:
            return self.mapping.labels[key]
        if cells.known(text) is None:
            return frozenset()
        return LUMPS[key] if key in LUMPS else frozenset({cells.diagnosis(text)})

    def tone(self) -> SkinTone | None:
        return cells.tone(self.get("skin_tone"), self.mapping.scale) if self.mapping.scale else None


def _classes(option: str, code: str) -> frozenset[Diagnosis]:
    if code in LUMPS:
        return LUMPS[code]
    if code not in list(Diagnosis):
        known = ", ".join((*Diagnosis, *LUMPS))
        raise UsageError(f"the option {option} is {code!r}; one of {known} is needed.")
    return frozenset({Diagnosis(code)})
