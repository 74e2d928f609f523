"""The ISIC archive's own table and diagnoses: what `isic image download` writes, and ISIC 2024's columns.

The archive files every diagnosis in a tree of up to five levels (isic_metadata.diagnosis_hierarchical, version 4.12).
Our eleven classes are MILK10k's, which were drawn from the same tree, so a branch goes where MILK10k put it; on its
3,146 lesions looked at, no label disagrees. A branch that MILK10k does not use goes with its neighbours;
where those differ, or only the upper levels are known, it stays lumped:

- "Benign" alone: every benign class and actinic keratosis, for most such pictures were never biopsied;
- indeterminate melanocytic growths (atypical Spitz tumour, MELTUMP): melanoma or naevus;
- lentigo simplex and lentigo of no named kind: naevus or keratosis;
- baso-squamous carcinoma: basal or squamous cell carcinoma.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading, Row
from macule.data.vocabulary import ToneScale
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis as D

IMAGE_TYPES = {"dermoscopic": Modality.DERMOSCOPIC, "clinical: close-up": Modality.CLINICAL,
               "clinical: overview": Modality.CLINICAL, "TBP tile: close-up": Modality.CLINICAL,
               "TBP tile: overview": Modality.CLINICAL}
LEVELS = "12345"

_LENTIGO = (D.BKL, D.NV)
#: A node's name in lower case -> the classes below it. The deepest node that stands here decides.
TREE: dict[str, tuple[D, ...]] = {
    "benign": tuple(sorted(cells.BENIGN)),
    "malignant": tuple(sorted(cells.MALIGNANT)),
    "indeterminate": (D.AKIEC, D.MEL, D.NV),
    "benign - other": (D.BEN_OTH,),
    "benign adnexal epithelial proliferations - apocrine or eccrine": (D.BEN_OTH,),
    "benign adnexal epithelial proliferations - follicular": (D.BEN_OTH,),
    "benign adnexal epithelial proliferations - sebaceous": (D.BEN_OTH,),
    "benign epidermal proliferations": (D.BEN_OTH, D.BKL, D.INF),
    **dict.fromkeys(("seborrheic keratosis", "solar lentigo", "lichen planus like keratosis", "clear cell acanthoma",
                     "pigmented benign keratosis", "large cell acanthoma", "melanoacanthoma"), (D.BKL,)),
    **dict.fromkeys(("epidermal nevus", "acantholytic acanthoma", "epidermolytic acanthoma"), (D.BEN_OTH,)),
    "porokeratosis": (D.INF,),
    "benign melanocytic proliferations": (D.NV,),
    "lentigo simplex": _LENTIGO,
    "lentiginous melanocytic proliferation": _LENTIGO,
    **dict.fromkeys((f"benign soft tissue proliferations - {kind}" for kind in (
        "adipocytic", "cartilagenous and ossifying", "muscle tissue or myofibroblastic", "myoepithelial", "neural",
    )), (D.BEN_OTH,)),
    # MILK10k keeps a vascular or fibrous growth of no named kind among the rest.
    "benign soft tissue proliferations - fibro-histiocytic": (D.BEN_OTH,),
    "dermatofibroma": (D.DF,),
    "benign soft tissue proliferations - vascular": (D.BEN_OTH, D.VASC),
    "collision - only benign proliferations": (D.BEN_OTH,),
    "cysts": (D.BEN_OTH,),
    "exogenous": (D.BEN_OTH,),
    "flat melanotic pigmentations - not melanocytic nevus": (D.BEN_OTH, D.BKL, D.NV),
    "ink-spot lentigo": (D.BKL,),
    "lentigo nos": _LENTIGO,
    **dict.fromkeys(("mucosal melanotic macule", "cafe au lait macule or patch", "ephelis"), (D.BEN_OTH,)),
    "hemorrhagic lesions": (D.VASC,),
    "inflammatory or infectious diseases": (D.INF,),
    "langerhans cell proliferations": (D.BEN_OTH,),
    "mast cell proliferations": (D.BEN_OTH,),
    "indeterminate epidermal proliferations": (D.AKIEC,),
    "indeterminate melanocytic proliferations": (D.MEL, D.NV),
    "collision - at least one malignant proliferation": (D.MAL_OTH,),
    "lymphocytic proliferations - b-cell": (D.MAL_OTH,),
    "lymphocytic proliferations - t-cell/nk": (D.MAL_OTH,),
    "malignant adnexal epithelial proliferations - apocrine or eccrine": (D.MAL_OTH,),
    "malignant adnexal epithelial proliferations - sebaceous": (D.MAL_OTH,),
    "malignant adnexal epithelial proliferations - follicular": (D.BCC, D.MAL_OTH),
    "basal cell carcinoma": (D.BCC,),
    "baso-squamous carcinoma": (D.BCC, D.SCCKA),
    **dict.fromkeys(("matrical or pilomatrical carcinoma", "proliferating trichilemmal carcinoma"), (D.MAL_OTH,)),
    "malignant epidermal proliferations": (D.AKIEC, D.SCCKA),
    **dict.fromkeys(("squamous cell carcinoma in situ", "bowenoid papulosis"), (D.AKIEC,)),
    **dict.fromkeys(("keratoacanthoma", "squamous cell carcinoma, invasive", "squamous cell carcinoma, nos",
                     "verrucous carcinoma"), (D.SCCKA,)),
    "malignant melanocytic proliferations (melanoma)": (D.MEL,),
    **dict.fromkeys((f"malignant soft tissue proliferations - {kind}" for kind in (
        "adipocytic", "cartilagenous and ossifying", "fibro-histiocytic", "muscle tissue or myofibroblastic",
        "myoepithelial", "neural", "unknown or other histiogenesis", "vascular",
    )), (D.MAL_OTH,)),
    "merkel cell proliferation": (D.MAL_OTH,),
    "skin metastasis of internal solid cancer - non-hematological": (D.MAL_OTH,),
}
#: Below this node the tree names kinds of vessels only.
_VASCULAR = "benign soft tissue proliferations - vascular"


@functools.lru_cache(maxsize=4096)
def classes(path: tuple[str, ...]) -> frozenset[D]:
    """The classes of a diagnosis, given from the trunk outwards; none for an empty one.

    Raises: DatasetError if the trunk is unknown.
    """
    names = [name.strip().lower() for name in path if name.strip()]
    if not names:
        return frozenset()
    if names[0] not in ("benign", "indeterminate", "malignant"):
        raise DatasetError(f"the diagnosis {':'.join(path)!r} starts with none of Benign, Indeterminate, Malignant.")
    if _VASCULAR in names[:-1]:
        return frozenset({D.VASC})
    return frozenset(next(TREE[name] for name in reversed(names) if name in TREE))


def path_of(row: Row, prefix: str) -> tuple[str, ...]:
    """The diagnosis in columns `prefix`1 to `prefix`5, those that are filled."""
    return tuple(name for level in LEVELS if (name := cells.known(row.get(prefix + level))))


def read(reading: Reading, dataset: str) -> Iterator[Record]:
    """`metadata.csv` and the pictures beside it, as the archive's own client downloads a collection."""
    rows = reading.table(reading.root / "metadata.csv", {"isic_id", "diagnosis_1", "image_type"})
    pictures = reading.gallery([reading.root, reading.root / "images"])
    for row in rows:
        name = row.get("isic_id")
        with reading.record(row, name):
            path = path_of(row, "diagnosis_")
            yield record(row, row, dataset=dataset, picture=pictures.find(name), path=path,
                         malignant=cells.malignant(classes(path)))


def record(row: Row, more: Row, *, dataset: str, picture: Path | None, path: tuple[str, ...],
           malignant: bool | None) -> Record:
    """A record of a row with the archive's column names. more: the row that names the lesion.

    Raises: DatasetError for a word that is in no vocabulary.
    """
    name, site, lesion = row.get("isic_id"), _site(row), cells.known(more.get("lesion_id"))
    return Record(
        picture=picture,
        dataset=dataset,
        picture_id=name,
        labels=classes(path),
        group=f"{dataset}:{lesion or name}",
        patient=cells.patient(age=row.get("age_approx"), sex=row.get("sex"), site=site, modality=_modality(row)),
        dx_original=":".join(path) or None,
        malignant=malignant,
        lesion_id=lesion,
        patient_id=cells.known(row.get("patient_id")),
        site_original=cells.known(site),
        skin_tone=cells.tone(row.get("fitzpatrick_skin_type"), ToneScale.FITZPATRICK),
        confirmation=cells.confirmation(more.get("diagnosis_confirm_type")),
        centre=cells.known(row.get("attribution")),
        licence=cells.licence(row.get("copyright_license")),
    )


def _site(row: Row) -> str:
    """The newer tree of sites knows hand and foot, on its second level."""
    second = row.get("anatom_site_2")
    return second if second in ("Hand", "Foot") else row.get("anatom_site_general") or row.get("anatom_site_1")


def _modality(row: Row) -> Modality | None:
    return cells.choice(row, "image_type", IMAGE_TYPES) if row.get("image_type") else None
