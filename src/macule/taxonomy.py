"""The table of diagnoses. Order, malignancy, plain words and every data set's aliases derive from it.

The eleven classes are those of MILK10k (MILK study team, ISIC archive, 2025); the smaller vocabularies project onto
them: HAM-7 (Tschandl et al. 2018), ISIC-8 (ISIC 2019 challenge) and PAD-6 (Pacheco et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Malignancy(StrEnum):
    MALIGNANT = "malignant"
    # Actinic keratosis and intraepidermal carcinoma share one class in every source; the first is a
    # precursor, the second carcinoma in situ, so the class is neither benign nor plainly malignant.
    INDETERMINATE = "indeterminate"
    BENIGN = "benign"


class Diagnosis(StrEnum):
    """A class code. The order of the members is the order of every probability vector."""

    AKIEC = "akiec"
    BCC = "bcc"
    BEN_OTH = "ben_oth"
    BKL = "bkl"
    DF = "df"
    INF = "inf"
    MAL_OTH = "mal_oth"
    MEL = "mel"
    NV = "nv"
    SCCKA = "sccka"
    VASC = "vasc"

    @property
    def entry(self) -> Entry:
        return TABLE[self]

    @property
    def malignancy(self) -> Malignancy:
        return TABLE[self].malignancy

    @property
    def suspicious(self) -> bool:
        """Malignant or indeterminate: what counts towards the malignant probability."""
        return self.malignancy is not Malignancy.BENIGN


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    plain: one sentence for a layperson.
    aliases: spellings used by data sets, compared case-insensitively.
    snomed: SNOMED CT concept id, only where two independent public sources agree (docs/taxonomy.md); else None.
    """

    name: str
    malignancy: Malignancy
    plain: str
    aliases: tuple[str, ...]
    snomed: str | None = None


_M, _I, _B = Malignancy.MALIGNANT, Malignancy.INDETERMINATE, Malignancy.BENIGN

TABLE: dict[Diagnosis, Entry] = {
    Diagnosis.AKIEC: Entry(
        "Actinic keratosis / intraepidermal carcinoma",
        _I,
        "A rough, sun-damaged patch that is, or can turn into, a superficial skin cancer.",
        ("akiec", "ak", "ack", "actinic keratosis", "bowen's disease", "intraepithelial carcinoma",
         "actinic keratoses", "bowen disease", "intraepidermal carcinoma"),
    ),
    Diagnosis.BCC: Entry(
        "Basal cell carcinoma",
        _M,
        "The most common skin cancer; it grows slowly and rarely spreads, but needs treatment.",
        ("bcc", "basal cell carcinoma"),
    ),
    Diagnosis.BEN_OTH: Entry(
        "Other benign growth",
        _B,
        "A harmless growth that fits none of the other benign groups.",
        ("ben_oth", "other benign proliferation"),
    ),
    Diagnosis.BKL: Entry(
        "Benign keratosis",
        _B,
        "A harmless, often warty or flat brown patch: seborrhoeic keratosis, sun spot or lichen planus-like keratosis.",
        ("bkl", "sek", "sk", "seborrheic keratosis", "seborrheic_keratosis", "solar lentigo",
         "lichen planus-like keratosis", "benign keratosis", "seborrhoeic keratosis", "lichenoid keratosis"),
    ),
    Diagnosis.DF: Entry(
        "Dermatofibroma",
        _B,
        "A harmless firm bump in the skin, often on the leg.",
        ("df", "dermatofibroma"),
    ),
    Diagnosis.INF: Entry(
        "Inflammatory or infectious condition",
        _B,
        "A rash, inflammation or infection rather than a growth.",
        ("inf", "inflammatory and infectious"),
    ),
    Diagnosis.MAL_OTH: Entry(
        "Other malignant growth",
        _M,
        "A rarer skin cancer that fits none of the other groups.",
        ("mal_oth", "other malignant proliferation"),
    ),
    Diagnosis.MEL: Entry(
        "Melanoma",
        _M,
        "A dangerous skin cancer of the pigment cells; found early, it can usually be cured by removing it.",
        ("mel", "melanoma"),
    ),
    Diagnosis.NV: Entry(
        "Melanocytic naevus",
        _B,
        "An ordinary mole.",
        ("nv", "nev", "nevus", "naevus", "melanocytic nevus", "melanocytic naevus"),
    ),
    Diagnosis.SCCKA: Entry(
        "Squamous cell carcinoma / keratoacanthoma",
        _M,
        "A common skin cancer, often crusted or fast-growing, that can spread if it is left.",
        ("sccka", "scc", "squamous cell carcinoma", "keratoacanthoma"),
    ),
    Diagnosis.VASC: Entry(
        "Vascular lesion",
        _B,
        "A harmless growth or bleeding of small blood vessels.",
        ("vasc", "vascular lesion", "angioma", "pyogenic granuloma", "hemangioma", "haemangioma", "angiokeratoma"),
    ),
}

_BY_ALIAS = {alias: code for code, entry in TABLE.items() for alias in entry.aliases}


def resolve(label: str) -> Diagnosis:
    """The class a data set's label stands for.

    Raises: KeyError if the label is in no vocabulary.
    """
    return _BY_ALIAS[label.strip().lower()]


D = Diagnosis

#: Each vocabulary as {its own label: classes of ours that fall under it}. A class that stands in none is lost there.
PROJECTIONS: dict[str, dict[str, tuple[Diagnosis, ...]]] = {
    "milk11": {code.name: (code,) for code in Diagnosis},
    # HAM10000 counts intraepidermal carcinoma under akiec and holds no invasive squamous carcinoma.
    "ham7": {"akiec": (D.AKIEC,), "bcc": (D.BCC,), "bkl": (D.BKL,), "df": (D.DF,), "mel": (D.MEL,), "nv": (D.NV,),
             "vasc": (D.VASC,)},
    "isic8": {"MEL": (D.MEL,), "NV": (D.NV,), "BCC": (D.BCC,), "AK": (D.AKIEC,), "BKL": (D.BKL,), "DF": (D.DF,),
              "VASC": (D.VASC,), "SCC": (D.SCCKA,)},
    "pad6": {"ACK": (D.AKIEC,), "BCC": (D.BCC,), "MEL": (D.MEL,), "NEV": (D.NV,), "SCC": (D.SCCKA,), "SEK": (D.BKL,)},
    "binary": {
        "malignant": tuple(code for code in Diagnosis if TABLE[code].malignancy is not _B),
        "benign": tuple(code for code in Diagnosis if TABLE[code].malignancy is _B),
    },
}
