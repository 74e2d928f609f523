"""More miniature data sets in their publishers' exact layouts: those that are not in the shared data folder."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from miniature import Paint, flat, one_hot, table

ISIC2019_CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
ISIC2020_COLUMNS = ("image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis",
                    "benign_malignant", "target")
IDDX = ("iddx_full", "iddx_1", "iddx_2", "iddx_3", "iddx_4", "iddx_5")
SLICE_COLUMNS = ("isic_id", "patient_id", "age_approx", "sex", "anatom_site_general", "image_type", "tbp_tile_type",
                 "attribution", "copyright_license")
ARCHIVE_COLUMNS = ("isic_id", "attribution", "copyright_license", "age_approx", "anatom_site_general", "diagnosis_1",
                   "diagnosis_2", "diagnosis_3", "diagnosis_4", "diagnosis_5", "diagnosis_confirm_type", "image_type",
                   "lesion_id", "sex")
BCN_COLUMNS = ("bcn_filename", "age_approx", "anatom_site_general", "diagnosis", "lesion_id", "capture_date", "sex",
               "split")
PAD_COLUMNS = ("patient_id", "lesion_id", "smoke", "age", "gender", "fitspatrick", "region", "diameter_1", "diagnostic",
               "img_id", "biopsed")
DERM7PT_COLUMNS = ("case_num", "diagnosis", "seven_point_score", "pigment_network", "location", "sex", "management",
                   "clinic", "derm", "case_id", "notes")
FITZPATRICK_COLUMNS = ("md5hash", "fitzpatrick_scale", "fitzpatrick_centaur", "label", "nine_partition_label",
                       "three_partition_label", "qc", "url", "url_alphanum")
PH2_HEADER = ("||   Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Pigment Network | "
              "Dots/Globules | Streaks | Regression Areas | Blue-Whitish Veil ||           Colors ||")
PH2_LEGEND = "\n\nLegends:\n  Clinical Diagnosis:\n\t0 - Common Nevus;\n\t1 - Atypical Nevus;\n\t2 - Melanoma.\n"
PH2_KINDS = ("Common Nevus", "Atypical Nevus", "Melanoma")


def isic2016(root: Path, subset: str, labels: Mapping[str, str]) -> Path:
    """labels: as the publisher writes them, benign or malignant for Training, 0.0 or 1.0 for Test."""
    (first, word), *rows = labels.items()
    table(root / f"ISBI2016_ISIC_Part3_{subset}_GroundTruth.csv", (first, word), rows)  # no header
    for name in labels:
        flat(root / f"ISBI2016_ISIC_Part3_{subset}_Data" / f"{name}.jpg")
        flat(root / f"ISBI2016_ISIC_Part1_{subset}_GroundTruth" / f"{name}_Segmentation.png")
    return root


def isic2018_task1(root: Path, subset: str, names: Iterable[str]) -> Path:
    for name in names:
        flat(root / f"ISIC2018_Task1-2_{subset}_Input" / f"{name}.jpg")
        flat(root / f"ISIC2018_Task1_{subset}_GroundTruth" / f"{name}_segmentation.png")
    (root / f"ISIC2018_Task1-2_{subset}_Input" / "LICENSE.txt").write_text("CC0")
    return root


def isic2019(root: Path, subset: str, labels: Mapping[str, str], *, about: Mapping[str, Sequence[object]]) -> Path:
    """about: picture -> age_approx, anatom_site_general, lesion_id, sex; the test table has no lesion_id."""
    stem, test = f"ISIC_2019_{subset}", subset == "Test"
    weights = ("score_weight", "validation_weight") if test else ()
    table(root / f"{stem}_GroundTruth.csv", ("image", *ISIC2019_CLASSES, *weights),
          [(name, *one_hot(label, ISIC2019_CLASSES), *([1.0, 0.0] if test else ())) for name, label in labels.items()])
    columns = ("age_approx", "anatom_site_general", *(() if test else ("lesion_id",)), "sex")
    table(root / f"{stem}_Metadata.csv", ("image", *columns), [(name, *about[name]) for name in labels])
    for name in labels:
        flat(root / f"{stem}_Input" / f"{name}.jpg")
    return root


def isic2020(root: Path, rows: Sequence[Sequence[object]], *, lesions: Mapping[str, str] | None = None,
             duplicates: Iterable[tuple[str, str]] = ()) -> Path:
    """rows: in the order of ISIC2020_COLUMNS. lesions: makes it the second edition, which carries lesion ids."""
    if lesions is None:
        table(root / "ISIC_2020_Training_GroundTruth.csv", ISIC2020_COLUMNS, rows)
    else:
        table(root / "ISIC_2020_Training_GroundTruth_v2.csv",
              (*ISIC2020_COLUMNS[:2], "lesion_id", *ISIC2020_COLUMNS[2:]),
              [(*row[:2], lesions[str(row[0])], *row[2:]) for row in rows])
    table(root / "ISIC_2020_Training_Duplicates.csv", ("image_name_1", "image_name_2"), list(duplicates))
    for row in rows:
        flat(root / "train" / f"{row[0]}.jpg")
    return root


def slice_row(name: str, *, patient: str = "IP_1", licence: str = "CC-BY") -> tuple[object, ...]:
    return (f"ISIC_{name}", patient, 60.0, "male", "posterior torso", "TBP tile: close-up", "3D: white",
            "Memorial Sloan Kettering Cancer Center", licence)


def iddx(*levels: str) -> tuple[str, ...]:
    return ("::".join(levels), *levels, *[""] * (5 - len(levels)))


def isic2024_kaggle(root: Path, rows: Mapping[tuple[object, ...], tuple[int, str, tuple[str, ...]]], *,
                    packed: bool = False) -> Path:
    """rows: a slice_row -> (target, lesion_id, iddx). packed: the pictures as one HDF5 file."""
    table(root / "train-metadata.csv", ("isic_id", "target", *SLICE_COLUMNS[1:], "lesion_id", *IDDX),
          [(row[0], target, *row[1:], lesion, *path) for row, (target, lesion, path) in rows.items()])
    for row in rows:
        flat(root / "train-image" / "image" / f"{row[0]}.jpg")
    return pack(root) if packed else root


def pack(root: Path) -> Path:
    import h5py

    folder = root / "train-image" / "image"
    with h5py.File(root / "train-image.hdf5", "w") as file:
        for path in sorted(folder.iterdir()):
            file[path.stem] = np.void(path.read_bytes())
            path.unlink()
    return root


def isic2024_challenge(root: Path, rows: Mapping[tuple[object, ...], tuple[int, str, tuple[str, ...]]],
                       stem: str = "ISIC_2024_Training") -> Path:
    table(root / f"{stem}_Input" / "metadata.csv", SLICE_COLUMNS, list(rows))
    table(root / f"{stem}_GroundTruth.csv", ("isic_id", "malignant"),
          [(row[0], float(target)) for row, (target, _, _) in rows.items()])
    table(root / f"{stem}_Supplement.csv", ("isic_id", "lesion_id", *IDDX),
          [(row[0], lesion, *path) for row, (_, lesion, path) in rows.items()])
    for row in rows:
        flat(root / f"{stem}_Input" / f"{row[0]}.jpg")
    return root


def bcn20000(root: Path, train: Sequence[Sequence[object]], test: Sequence[Sequence[object]] = ()) -> Path:
    """Rows in the order of BCN_COLUMNS; the test table is without diagnosis, as figshare ships it."""
    table(root / "bcn_20k_train.csv", BCN_COLUMNS, train)
    table(root / "bcn_20k_test.csv", (*BCN_COLUMNS[:3], *BCN_COLUMNS[4:]), [(*row[:3], *row[4:]) for row in test])
    for subset, rows in (("train", train), ("test", test)):
        for row in rows:
            flat(root / f"BCN_20k_{subset}" / f"bcn_20k_{subset}" / str(row[0]))
    return root


def archive(root: Path, rows: Sequence[Sequence[object]]) -> Path:
    """What the ISIC archive's client downloads. rows: in the order of ARCHIVE_COLUMNS."""
    table(root / "metadata.csv", ARCHIVE_COLUMNS, rows)
    for row in rows:
        flat(root / f"{row[0]}.jpg")
    (root / "attribution.txt").write_text("attribution")
    return root


def pad_ufes_20(root: Path, rows: Sequence[Sequence[object]], *, ending: str = ".png") -> Path:
    """rows: in the order of PAD_COLUMNS; the pictures lie in the three part folders by turns."""
    table(root / "metadata.csv", PAD_COLUMNS, rows)
    for place, row in enumerate(rows):
        name = Path(str(row[9])).stem + ending
        flat(root / "images" / f"imgs_part_{place % 3 + 1}" / name)
    return root


def derm7pt(root: Path, cases: Sequence[tuple[str, str, str, str, str]], parts: Mapping[str, Sequence[int]]) -> Path:
    """cases: diagnosis, location, sex, clinic, derm. parts: the publisher's word -> positions from 0."""
    home = root / "release_v0"
    table(home / "meta" / "meta.csv", DERM7PT_COLUMNS,
          [(number, diagnosis, 0, "absent", location, sex, "excision", clinic, derm, "", "")
           for number, (diagnosis, location, sex, clinic, derm) in enumerate(cases, 1)])
    for part in ("train", "valid", "test"):
        table(home / "meta" / f"{part}_indexes.csv", ("indexes",), [(place,) for place in parts.get(part, ())])
    for *_, clinic, derm in cases:
        for name in (clinic, derm):
            flat(home / "images" / name.lower())
    return root


def ph2(root: Path, cases: Mapping[str, tuple[str, int]], *, sheet: bool = False) -> Path:
    """cases: name -> histological diagnosis, number of the clinical one. sheet: .xlsx instead of .txt."""
    home = root / "PH2Dataset"
    for name in cases:
        flat(home / "PH2 Dataset images" / name / f"{name}_Dermoscopic_Image" / f"{name}.bmp")
        flat(home / "PH2 Dataset images" / name / f"{name}_lesion" / f"{name}_lesion.bmp")
    if sheet:
        title = [["PH2 dataset"], *[[] for _ in range(11)]]
        header = ["Image Name", "Histological Diagnosis", *PH2_KINDS, "Asymmetry\n(0/1/2)"]
        marks = [[name, histology, *["X" if kind == place else "" for place in range(3)], "0"]
                 for name, (histology, kind) in cases.items()]
        spreadsheet(home / "PH2_dataset.xlsx", [*title, header, *marks])
    else:
        lines = [f"|| {name} || {histology:>22} ||                  {kind} ||         0 |               T |"
                 "             A |       A |                A |                 A ||                4 ||"
                 for name, (histology, kind) in cases.items()]
        (home / "PH2_dataset.txt").write_text("\n".join([PH2_HEADER, *lines]) + PH2_LEGEND, encoding="utf-8")
    return root


def spreadsheet(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """A sheet as Excel writes it: texts in a shared table, empty cells and rows left out."""
    shared: dict[str, int] = {}
    body = []
    for number, row in enumerate(rows, 1):
        cells = "".join(f'<c r="{chr(65 + place)}{number}" t="s"><v>{shared.setdefault(text, len(shared))}</v></c>'
                        for place, text in enumerate(row) if text)
        body.append(f'<row r="{number}">{cells}</row>' if cells else "")
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("xl/worksheets/sheet1.xml",
                         f"<worksheet {space}><sheetData>{''.join(body)}</sheetData></worksheet>")
        package.writestr("xl/sharedStrings.xml",
                         f"<sst {space}>{''.join(f'<si><t>{text}</t></si>' for text in shared)}</sst>")
    return path


def ddi(root: Path, rows: Sequence[tuple[str, str, str, str]], *, folder: str = "") -> Path:
    """rows: DDI_file, skin_tone, malignant, disease. The table's first column is pandas' nameless index."""
    table(root / "ddi_metadata.csv", ("", "DDI_ID", "DDI_file", "skin_tone", "malignant", "disease"),
          [(place, place + 1, *row) for place, row in enumerate(rows)])
    for row in rows:
        flat(root / folder / row[0])
    return root


def fitzpatrick17k(root: Path, rows: Sequence[tuple[str, str, str, str, str]], *, folder: str = "images") -> Path:
    """rows: md5hash, fitzpatrick_scale, label, three_partition_label, qc."""
    table(root / "fitzpatrick17k.csv", FITZPATRICK_COLUMNS,
          [(name, tone, -1, label, "", group, qc, f"https://www.dermaamin.com/{name}.jpg", "") for
           name, tone, label, group, qc in rows])
    for row in rows:
        flat(root / folder / f"{row[0]}.jpg")
    return root


def dermamnist(path: Path, labels: Mapping[str, Sequence[int]], *, side: int = 28) -> Path:
    """labels: part -> numbers of classes. Every picture has its own colour: its place in the part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part in ("train", "val", "test"):
        numbers = labels.get(part, ())
        places = np.arange(len(numbers), dtype=np.uint8)
        arrays[f"{part}_images"] = np.broadcast_to(places[:, None, None, None], (len(numbers), side, side, 3))
        arrays[f"{part}_labels"] = np.array(numbers, np.uint8).reshape(-1, 1)
    np.savez_compressed(path, **arrays)
    return path


def sorted_folders(root: Path, names: Iterable[str], *, paint: Paint = flat) -> Path:
    for name in names:
        paint(root / name)
    return root
