"""Fitzpatrick17k: Groh et al., CVPR Workshops 2021. 114 skin conditions from two atlases, with Fitzpatrick skin types.

The publisher has three groups: malignant, benign, non-neoplastic. A condition that one class of ours plainly holds gets
it (where MILK10k, whose classes they are, places a disease, so do we: porokeratosis is inflammatory, a pyogenic
granuloma vascular, mastocytosis and juvenile xanthogranuloma rest-class growths). The others keep the group: inherited
disorders, deposits (amyloid, calcium, lipid, mucin), changes of pigment and vessels, self-inflicted marks, stasis,
atrophy and malformation, vitiligo and Langerhans cell histiocytosis. "Non-neoplastic" is then the inflammatory class or
the rest class. The publisher's own check found 17 pictures wrongly labelled: those say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.data.vocabulary import ToneScale
from macule.taxonomy import Diagnosis as D

GROUPS = {"malignant": cells.MALIGNANT, "benign": cells.BENIGN, "non-neoplastic": cells.NON_NEOPLASTIC}
WRONG = "3 Wrongly labelled"

CONDITIONS: dict[str, D | None] = {
    "actinic keratosis": D.AKIEC,
    **dict.fromkeys(("basal cell carcinoma", "basal cell carcinoma morpheiform", "solid cystic basal cell carcinoma"),
                    D.BCC),
    "squamous cell carcinoma": D.SCCKA,
    **dict.fromkeys(("lentigo maligna", "malignant melanoma", "melanoma", "superficial spreading melanoma ssm"), D.MEL),
    **dict.fromkeys(("kaposi sarcoma", "mycosis fungoides"), D.MAL_OTH),
    **dict.fromkeys(("congenital nevus", "halo nevus", "nevocytic nevus"), D.NV),
    "dermatofibroma": D.DF,
    "seborrheic keratosis": D.BKL,
    **dict.fromkeys(("granuloma pyogenic", "pyogenic granuloma", "lymphangioma", "port wine stain", "telangiectases"),
                    D.VASC),
    **dict.fromkeys(("becker nevus", "epidermal nevus", "fordyce spots", "juvenile xanthogranuloma", "keloid", "milia",
                     "mucous cyst", "naevus comedonicus", "nevus sebaceous of jadassohn", "pilar cyst", "pilomatricoma",
                     "syringoma", "urticaria pigmentosa"), D.BEN_OTH),
    **dict.fromkeys((
        "acne", "acne vulgaris", "acquired autoimmune bullous diseaseherpes gestationis", "allergic contact dermatitis",
        "behcets disease", "cheilitis", "dermatomyositis", "disseminated actinic porokeratosis", "drug eruption",
        "dyshidrotic eczema", "eczema", "erythema annulare centrifigum", "erythema elevatum diutinum",
        "erythema multiforme", "erythema nodosum", "fixed eruptions", "folliculitis", "granuloma annulare",
        "hidradenitis", "lichen planus", "lichen simplex", "lupus erythematosus", "lupus subacute", "lyme disease",
        "myiasis", "necrobiosis lipoidica", "nematode infection", "neurodermatitis", "neutrophilic dermatoses",
        "paronychia", "pediculosis lids", "perioral dermatitis", "photodermatoses", "pityriasis lichenoides chronica",
        "pityriasis rosea", "pityriasis rubra pilaris", "porokeratosis actinic", "porokeratosis of mibelli",
        "prurigo nodularis", "psoriasis", "pustular psoriasis", "rhinophyma", "rosacea", "sarcoidosis", "scabies",
        "scleroderma", "seborrheic dermatitis", "stevens johnson syndrome", "tick bite", "tungiasis", "urticaria",
    ), D.INF),
    **dict.fromkeys((
        "acanthosis nigricans", "acrodermatitis enteropathica", "aplasia cutis", "calcinosis cutis", "dariers disease",
        "drug induced pigmentary changes", "ehlers danlos syndrome", "epidermolysis bullosa", "factitial dermatitis",
        "hailey hailey disease", "ichthyosis vulgaris", "incontinentia pigmenti", "keratosis pilaris",
        "langerhans cell histiocytosis", "lichen amyloidosis", "livedo reticularis", "mucinosis", "neurofibromatosis",
        "neurotic excoriations", "papilomatosis confluentes and reticulate", "porphyria", "scleromyxedema",
        "stasis edema", "striae", "sun damaged skin", "tuberous sclerosis", "vitiligo", "xanthomas",
        "xeroderma pigmentosum",
    ), None),
}


def read(reading: Reading) -> Iterator[Record]:
    root = reading.root
    rows = reading.table(root / "fitzpatrick17k.csv",
                         {"md5hash", "fitzpatrick_scale", "label", "three_partition_label"})
    pictures = reading.gallery([root / "images", root / "data" / "finalfitz17k", root / "finalfitz17k"])
    for row in rows:
        name = row.get("md5hash")
        with reading.record(row, name):
            labels = _labels(row)
            yield Record(
                picture=pictures.find(name),
                dataset="fitzpatrick17k",
                picture_id=name,
                labels=labels,
                group=f"fitzpatrick17k:{name}",
                patient=cells.patient(modality=Modality.CLINICAL),
                dx_original=row.get("label"),
                malignant=row.get("three_partition_label") == "malignant" if labels else None,
                skin_tone=cells.tone(row.get("fitzpatrick_scale"), ToneScale.FITZPATRICK),
                centre=_atlas(row.get("url")),
            )


def _labels(row: Row) -> frozenset[D]:
    group = cells.choice(row, "three_partition_label", GROUPS)
    labels = cells.disease(row.get("label"), CONDITIONS, group)
    return frozenset() if row.get("qc") == WRONG else labels


def _atlas(url: str) -> str | None:
    return next((name for part, name in (("dermaamin", "DermaAmin"), ("atlasdermatologico", "Atlas Dermatologico"))
                 if part in url), None)


FITZPATRICK17K = Source(
    id="fitzpatrick17k",
    title="Fitzpatrick17k: 114 skin conditions, with skin types",
    read=read,
    pictures=16_577,
    classes=tuple(D),
    licence="CC BY-NC-SA 3.0",
    home="https://github.com/mattgroh/fitzpatrick17k",
    how="the table there; the pictures by the form there",
    folder="fitzpatrick17k",
    citation="Groh et al., CVPR Workshops 2021, arXiv:2104.09957",
    tone=ToneScale.FITZPATRICK,
)
