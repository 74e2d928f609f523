"""Miniature data sets in their publishers' exact layouts, with pictures that are drawn or flat."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.examples import draw, preset
from macule.taxonomy import Diagnosis

HAM_COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset")
ISIC2018_CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
MILK_CLASSES = tuple(code.name for code in Diagnosis)

#: Writes the picture of an id to a path.
Paint = Callable[[Path], None]


def flat(path: Path) -> None:
    """A picture of one colour: for readers, which do not look at it."""
    save(path, np.full((12, 16, 3), (200, 160, 140), np.uint8))


def save(path: Path, rgb: NDArray[np.uint8], quality: int = 92) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


def drawn(kinds: Sequence[str] = ("naevus", "irregular-pigmented", "stuck-on-keratosis"), *,
          size: tuple[int, int] = (112, 84)) -> Paint:
    """A painter that draws another lesion each time."""
    seeds = iter(range(100_000))

    def paint(path: Path) -> None:
        seed = next(seeds)
        save(path, draw(preset(kinds[seed % len(kinds)]), size=size, seed=seed))

    return paint


def table(path: Path, header: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([tuple(header), *rows])


def one_hot(label: str, classes: Sequence[str]) -> list[float]:
    assert label in classes, label
    return [float(name == label) for name in classes]


def ham10000(root: Path, rows: Iterable[Sequence[object]], *, paint: Paint = flat) -> Path:
    """rows: in the order of HAM_COLUMNS. The pictures lie in the two part folders by turns."""
    rows = list(rows)
    table(root / "HAM10000_metadata.csv", HAM_COLUMNS, rows)
    for place, row in enumerate(rows):
        paint(root / f"HAM10000_images_part_{place % 2 + 1}" / f"{row[1]}.jpg")
    return root


def ham_row(lesion: str, picture: str, dx: str, *, age: object = 45.0, sex: str = "male",
            site: str = "back") -> tuple[object, ...]:
    return (f"HAM_{lesion}", f"ISIC_{picture}", dx, "histo", age, sex, site, "vidir_modern")


def isic2018(root: Path, subset: str, labels: Mapping[str, str], *, about: Iterable[Sequence[object]] | None = None,
             paint: Paint = flat) -> Path:
    """about: image, lesion_id, age_approx, sex, anatom_site_general; None: no Metadata.csv, as officially shipped."""
    stem = f"ISIC2018_Task3_{subset}"
    table(root / f"{stem}_GroundTruth" / f"{stem}_GroundTruth.csv", ("image", *ISIC2018_CLASSES),
          [(name, *one_hot(label, ISIC2018_CLASSES)) for name, label in labels.items()])
    if about is not None:
        table(root / f"{stem}_GroundTruth" / f"{stem}_Metadata.csv",
              ("image", "lesion_id", "age_approx", "sex", "anatom_site_general"), about)
    for name in labels:
        paint(root / f"{stem}_Input" / f"{name}.jpg")
    return root


def isic2017(root: Path, subset: str, marks: Mapping[str, tuple[float, float]], *, paint: Paint = flat,
             extra: Mapping[str, Sequence[object]] | None = None) -> Path:
    """marks: picture -> (melanoma, seborrheic_keratosis). extra: picture -> lesion_id, anatom_site, dup_group."""
    table(root / f"ISIC-2017_{subset}_Part3_GroundTruth.csv", ("image_id", "melanoma", "seborrheic_keratosis"),
          [(name, *values) for name, values in marks.items()])
    columns = ("image_id", "age_approximate", "sex") + (("lesion_id", "anatom_site", "dup_group") if extra else ())
    table(root / f"ISIC-2017_{subset}_Data_metadata.csv", columns,
          [(name, "unknown", "female", *(extra.get(name, ("", "", "")) if extra else ())) for name in marks])
    for name in marks:
        paint(root / f"ISIC-2017_{subset}_Data" / f"{name}.jpg")
        # The publisher's folder holds these too; they are no pictures of lesions.
        (root / f"ISIC-2017_{subset}_Data" / f"{name}_superpixels.png").write_bytes(b"not read")
    return root


def milk10k(root: Path, lesions: Mapping[str, str], *, paint: Paint = flat) -> Path:
    """lesions: lesion id -> class. Each gets a clinical and a dermoscopic picture."""
    table(root / "MILK10k_Training_GroundTruth.csv", ("lesion_id", *MILK_CLASSES),
          [(name, *one_hot(label, MILK_CLASSES)) for name, label in lesions.items()])
    rows = []
    for place, name in enumerate(lesions):
        for offset, kind in enumerate(("clinical: close-up", "dermoscopic")):
            picture = f"ISIC_9{2 * place + offset:06}"
            rows.append((name, kind, picture, "MILK study team", 70, "female", 3, "head_neck_face"))
            paint(root / "MILK10k_Training_Input" / name / f"{picture}.jpg")
    table(root / "MILK10k_Training_Metadata.csv",
          ("lesion_id", "image_type", "isic_id", "attribution", "age_approx", "sex", "skin_tone_class", "site"), rows)
    return root
