"""derm7pt, the seven-point checklist set: Kawahara et al., IEEE J. Biomed. Health Inform. 23:538 (2019).

Each case has a dermoscopic and a clinical picture; nine clinical ones serve two cases, so the publisher ships 2,013
files for 1,011 cases. Cases that share a picture are one group, and the picture is one record, under its first case.

Two labels stay lumped: "lentigo" (keratosis or naevus) and "melanosis" (of no named kind: a rest-class growth,
keratosis or naevus); "miscellaneous" says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.gallery import Gallery
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.data.splits import components
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis as D

PARTS = {"train": "train", "val": "valid", "test": "test"}
NEEDED = {"case_num", "diagnosis", "location", "sex", "clinic", "derm"}
VIEWS = (("derm", Modality.DERMOSCOPIC), ("clinic", Modality.CLINICAL))
DISEASES: dict[str, frozenset[D]] = {
    "basal cell carcinoma": frozenset({D.BCC}),
    **dict.fromkeys(("blue nevus", "clark nevus", "combined nevus", "congenital nevus", "dermal nevus",
                     "recurrent nevus", "reed or spitz nevus"), frozenset({D.NV})),
    **dict.fromkeys(("melanoma", "melanoma (in situ)", "melanoma (less than 0.76 mm)", "melanoma (0.76 to 1.5 mm)",
                     "melanoma (more than 1.5 mm)", "melanoma metastasis"), frozenset({D.MEL})),
    "dermatofibroma": frozenset({D.DF}),
    "seborrheic keratosis": frozenset({D.BKL}),
    "vascular lesion": frozenset({D.VASC}),
    "lentigo": frozenset({D.BKL, D.NV}),
    "melanosis": frozenset({D.BEN_OTH, D.BKL, D.NV}),
    "miscellaneous": frozenset(),
}


def read(reading: Reading) -> Iterator[Record]:
    home = reading.home("meta/meta.csv", "release_v0")
    rows = list(reading.table(home / "meta" / "meta.csv", NEEDED))
    parts = {place: part for part, subset in PARTS.items()
             for place in reading.lookup(home / "meta" / f"{subset}_indexes.csv", "indexes", set(), required=True)}
    pictures = reading.empty_gallery()
    pictures.add_tree(home / "images")
    groups = _groups(rows)
    done: set[str] = set()
    for row in rows:
        # The index tables count from 0, the header left out; row 2 is the first.
        part = parts.get(str((row.number or 0) - 2))
        for view, modality in VIEWS:
            name = _name(row, view)
            key = name.casefold()  # the table spells some names with other capitals than the files have
            pictures.claim(key)
            again = view == "clinic" and (not key or key in done)
            done.add(key)
            if again or reading.part not in ("all", part):
                continue
            with reading.record(row, name):
                yield _record(row, name, modality=modality, part=part, pictures=pictures, groups=groups)


def _record(row: Row, name: str, *, modality: Modality, part: str | None, pictures: Gallery,
            groups: Mapping[str, str]) -> Record:
    labels = cells.choice(row, "diagnosis", DISEASES)
    if part is None:
        raise DatasetError("the case stands in none of meta/{train,valid,test}_indexes.csv: get them again.")
    return Record(
        picture=pictures.find(name.casefold()),
        dataset="derm7pt",
        picture_id=name,
        labels=labels,
        group=f"derm7pt:{groups[row.get('case_num')]}",
        patient=cells.patient(sex=row.get("sex"), site=row.get("location"), modality=modality),
        dx_original=row.get("diagnosis"),
        malignant=cells.malignant(labels),
        lesion_id=row.get("case_num"),
        site_original=cells.known(row.get("location")),
        part=part,
    )


def _name(row: Row, view: str) -> str:
    """A picture's path without ending."""
    return row.get(view).rpartition(".")[0]


def _groups(rows: list[Row]) -> dict[str, str]:
    """Case -> the first of the cases that share its clinical picture, however indirectly."""
    first: dict[str, str] = {}
    links = [(first.setdefault(name, row.get("case_num")), row.get("case_num"))
             for row in rows if (name := _name(row, "clinic").casefold())]
    return components([row.get("case_num") for row in rows], links)


DERM7PT = Source(
    id="derm7pt",
    title="derm7pt: the seven-point checklist",
    read=read,
    pictures=2_013,
    classes=(D.BCC, D.BEN_OTH, D.BKL, D.DF, D.MEL, D.NV, D.VASC),
    licence="research only",
    home="https://derm.cs.sfu.ca",
    how="register on the home page for release_v0.zip",
    folder="derm7pt",
    citation="Kawahara et al., IEEE J. Biomed. Health Inform. 23:538 (2019)",
    lesions=True,
    parts=PARTS,
)
