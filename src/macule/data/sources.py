"""Readers of the data sets that the embedded model is trained and scored on, in their publishers' layouts.

Each reader takes the data set's root folder and returns its records sorted by picture id, so that every run sees the
same order on every file system.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from macule.analysis.patient import Modality, Patient
from macule.data.record import Record
from macule.errors import DatasetError, InvalidMetadata
from macule.taxonomy import Diagnosis, resolve

UNKNOWN = frozenset({"", "unknown", "nan", "n a"})
#: Body sites that a source names but that fall under none of ours: HAM10000 and ISIC 2018 do not say hand or foot.
UNMAPPED_SITES = frozenset({"acral", "acral nos", "palms soles"})


def read_ham10000(root: Path) -> list[Record]:
    """HAM10000 (Tschandl, Rosendahl & Kittler, Sci. Data 2018): two picture folders and one table."""
    pictures = _pictures(root.glob("HAM10000_images_part_*"), root)
    rows = _table(root / "HAM10000_metadata.csv", {"lesion_id", "image_id", "dx", "age", "sex", "localization"})
    return _sorted(
        Record(
            picture=_find(pictures, row["image_id"], root),
            dataset="ham10000",
            picture_id=row["image_id"],
            labels=frozenset({_diagnosis(row["dx"], row["image_id"])}),
            group=f"ham10000:{row['lesion_id']}",
            patient=_patient(row["image_id"], row["age"], row["sex"], row["localization"], Modality.DERMOSCOPIC),
        )
        for row in rows
    )


def read_isic2018(root: Path, *, subset: str = "Validation") -> list[Record]:
    """ISIC 2018 task 3, validation or test. Metadata.csv (lesion, age, sex, site) is used where it is there."""
    stem = f"ISIC2018_Task3_{subset}"
    truth = _table(root / f"{stem}_GroundTruth" / f"{stem}_GroundTruth.csv", {"image", "MEL", "NV"})
    about_file = root / f"{stem}_GroundTruth" / f"{stem}_Metadata.csv"
    about = {row["image"]: row for row in _table(about_file, {"image"})} if about_file.exists() else {}
    pictures = _pictures([root / f"{stem}_Input"], root)
    return _sorted(_isic2018_record(row, about.get(row["image"], {}), pictures, root) for row in truth)


def _isic2018_record(row: dict[str, str], about: dict[str, str], pictures: dict[str, Path], root: Path) -> Record:
    name = row["image"]
    return Record(
        picture=_find(pictures, name, root),
        dataset="isic2018",
        picture_id=name,
        labels=frozenset({_one_hot(row, name)}),
        group=f"isic2018:{about.get('lesion_id') or name}",
        patient=_patient(name, about.get("age_approx", ""), about.get("sex", ""), about.get("anatom_site_general", ""),
                         Modality.DERMOSCOPIC),
    )


def read_isic2017(root: Path, *, subset: str = "Test_v2") -> list[Record]:
    """ISIC 2017 part 3 (Codella et al., arXiv:1710.05006): melanoma, seborrhoeic keratosis, and naevus as the rest."""
    truth = _table(root / f"ISIC-2017_{subset}_Part3_GroundTruth.csv", {"image_id", "melanoma", "seborrheic_keratosis"})
    about = {row["image_id"]: row
             for row in _table(root / f"ISIC-2017_{subset}_Data_metadata.csv", {"image_id", "age_approximate", "sex"})}
    pictures = _pictures([root / f"ISIC-2017_{subset}_Data"], root)
    return _sorted(_isic2017_record(row, about.get(row["image_id"], {}), pictures, root) for row in truth)


def _isic2017_record(row: dict[str, str], about: dict[str, str], pictures: dict[str, Path], root: Path) -> Record:
    name = row["image_id"]
    melanoma, keratosis = _is_one(row["melanoma"], name), _is_one(row["seborrheic_keratosis"], name)
    if melanoma and keratosis:
        raise DatasetError(f"{name} is marked both melanoma and seborrhoeic keratosis; at most one is expected.")
    label = Diagnosis.MEL if melanoma else Diagnosis.BKL if keratosis else Diagnosis.NV
    return Record(
        picture=_find(pictures, name, root),
        dataset="isic2017",
        picture_id=name,
        labels=frozenset({label}),
        group=f"isic2017:{about.get('lesion_id') or about.get('dup_group') or name}",
        patient=_patient(name, about.get("age_approximate", ""), about.get("sex", ""), about.get("anatom_site", ""),
                         Modality.DERMOSCOPIC),
    )


def read_milk10k(root: Path) -> list[Record]:
    """MILK10k: a clinical close-up and a dermoscopic picture of each lesion, one folder a lesion."""
    labels = {row["lesion_id"]: _one_hot(row, row["lesion_id"])
              for row in _table(root / "MILK10k_Training_GroundTruth.csv", {"lesion_id", "MEL", "SCCKA"})}
    about = _table(root / "MILK10k_Training_Metadata.csv",
                   {"lesion_id", "image_type", "isic_id", "age_approx", "sex", "site"})
    return _sorted(
        Record(
            picture=_existing(root / "MILK10k_Training_Input" / row["lesion_id"] / f"{row['isic_id']}.jpg"),
            dataset="milk10k",
            picture_id=row["isic_id"],
            labels=frozenset({labels[row["lesion_id"]]}),
            group=f"milk10k:{row['lesion_id']}",
            patient=_patient(row["isic_id"], row["age_approx"], row["sex"], row["site"],
                             Modality.CLINICAL if row["image_type"].startswith("clinical") else Modality.DERMOSCOPIC),
        )
        for row in about
        if row["lesion_id"] in labels
    )


#: id -> reader. The folder that holds each under a common data root stands in FOLDERS.
READERS: dict[str, Callable[..., list[Record]]] = {
    "ham10000": read_ham10000,
    "isic2017": read_isic2017,
    "isic2018": read_isic2018,
    "milk10k": read_milk10k,
}
FOLDERS = {"ham10000": "HAM10000", "isic2017": "ISIC2017", "isic2018": "ISIC2018", "milk10k": "MILK10k"}


#: Data sets whose publishers part them: our word for a part -> theirs.
OFFICIAL = {
    "isic2017": {"train": "Training", "val": "Validation", "test": "Test_v2"},
    "isic2018": {"val": "Validation", "test": "Test"},
}


def load(dataset: str, root: Path, *, part: str = "all") -> list[Record]:
    """A data set by its id. part: of those that the publisher made; `all` takes every one that is under `root`.

    Raises: DatasetError for an unknown id or part, or if `root` does not hold the data set.
    """
    if dataset not in READERS:
        raise DatasetError(f"there is no data set {dataset!r}; known: {', '.join(sorted(READERS))}.")
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the folder that {dataset} was unzipped in.")
    if dataset not in OFFICIAL:
        return READERS[dataset](root)
    subsets = _subsets(dataset, root, part)
    return [record for subset in subsets for record in READERS[dataset](root, subset=subset)]


def _subsets(dataset: str, root: Path, part: str) -> list[str]:
    known = OFFICIAL[dataset]
    if part != "all":
        if part not in known:
            raise DatasetError(f"{dataset} has no part {part!r}; it has: {', '.join(known)}, all.")
        return [known[part]]
    there = [subset for subset in known.values() if any(root.glob(f"*_{subset}_*"))]
    if not there:
        raise DatasetError(f"{root} holds none of the folders of {dataset}: unzip it there unchanged.")
    return there


def _table(path: Path, needed: set[str]) -> list[dict[str, str]]:
    """All rows of a CSV; a short row is filled with blanks.

    Raises: DatasetError if it is absent, lacks a column or has a row with too many cells.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is missing: unzip the data set there unchanged, or correct the data folder.")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, restval="")
        absent = needed - set(reader.fieldnames or ())
        if absent:
            raise DatasetError(f"{path} lacks the column(s) {', '.join(sorted(absent))}; it has {reader.fieldnames}.")
        rows = list(reader)
    if torn := next((number for number, row in enumerate(rows, 2) if None in row), None):
        raise DatasetError(f"{path}: row {torn} has more cells than the table has columns: get the file again.")
    return rows


def _pictures(folders: Iterable[Path], root: Path) -> dict[str, Path]:
    found = {path.stem: path for folder in folders if folder.is_dir() for path in folder.iterdir()
             if path.suffix.lower() in {".jpg", ".jpeg", ".png"}}
    if not found:
        raise DatasetError(f"{root} holds no picture folder of this data set: unzip it there unchanged.")
    return found


def _find(pictures: dict[str, Path], name: str, root: Path) -> Path:
    if name not in pictures:
        raise DatasetError(f"{name} is listed in the table but its picture is not under {root}.")
    return pictures[name]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DatasetError(f"{path} is listed in the table but is not there.")
    return path


def _diagnosis(label: str, where: str) -> Diagnosis:
    try:
        return resolve(label)
    except KeyError:
        raise DatasetError(f"{where} has the label {label!r}, which is in no vocabulary of macule.taxonomy.") from None


def _one_hot(row: dict[str, str], where: str) -> Diagnosis:
    marked = [column for column, value in row.items() if column not in {"image", "lesion_id"} and _is_one(value, where)]
    if len(marked) != 1:
        raise DatasetError(f"{where} has {len(marked)} classes marked; exactly one is expected.")
    return _diagnosis(marked[0], where)


def _is_one(value: str, where: str) -> bool:
    try:
        return value.strip() != "" and float(value) == 1.0
    except ValueError:
        raise DatasetError(f"{where} has {value!r} where a class is marked by 0 or 1.") from None


def _patient(where: str, age: str, sex: str, site: str, modality: Modality) -> Patient:
    try:
        return Patient.parse(age=_known(age), sex=_known(sex), site=_known(site), modality=modality.value)
    except InvalidMetadata as error:
        raise DatasetError(f"{where}: {error}") from error


def _known(text: str) -> str | None:
    """What a cell says, or None if it says nothing that macule has a word for."""
    folded = " ".join(text.lower().replace("_", " ").replace("/", " ").split())
    return None if folded in UNKNOWN | UNMAPPED_SITES else text


def _sorted(records: Iterator[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.picture_id)
