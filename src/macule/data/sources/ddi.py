"""DDI, Diverse Dermatology Images: Daneshjou et al., Science Advances 8:eabq6147 (2022). All proven by histology.

Skin tones come in pairs of Fitzpatrick types: 12, 34, 56. Of the 78 diseases, those that no single class of ours
plainly holds keep only the publisher's word benign or malignant: inverted follicular keratosis, lymphocytic
infiltrations, reactive lymphoid hyperplasia, acral melanotic macule, hyperpigmentation, focal acral hyperkeratosis,
and injuries.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis as D

TONES = {f"{low}{low + 1}": SkinTone(ToneScale.FITZPATRICK, low, low + 1) for low in (1, 3, 5)}

DISEASES: dict[str, D | None] = {
    **dict.fromkeys(("melanoma", "melanoma in situ", "melanoma acral lentiginous", "nodular melanoma (nm)"), D.MEL),
    **dict.fromkeys(("basal cell carcinoma", "basal cell carcinoma superficial", "basal cell carcinoma nodular"),
                    D.BCC),
    **dict.fromkeys(("squamous cell carcinoma", "squamous cell carcinoma keratoacanthoma"), D.SCCKA),
    **dict.fromkeys(("squamous cell carcinoma in situ", "actinic keratosis"), D.AKIEC),
    **dict.fromkeys(("mycosis fungoides", "subcutaneous t cell lymphoma", "kaposi sarcoma", "metastatic carcinoma",
                     "leukemia cutis", "sebaceous carcinoma", "blastic plasmacytoid dendritic cell neoplasm"),
                    D.MAL_OTH),
    **dict.fromkeys(("melanocytic nevi", "blue nevus", "dysplastic nevus", "atypical spindle cell nevus of reed",
                     "pigmented spindle cell nevus of reed"), D.NV),
    # MILK10k counts clear cell acanthoma among the benign keratoses.
    **dict.fromkeys(("seborrheic keratosis", "seborrheic keratosis irritated", "benign keratosis",
                     "lichenoid keratosis", "solar lentigo", "clear cell acanthoma"), D.BKL),
    "dermatofibroma": D.DF,
    # HAM10000 and MILK10k count haemorrhage among the vascular lesions; a glomangioma is a vascular malformation.
    **dict.fromkeys(("pyogenic granuloma", "angioma", "arteriovenous hemangioma", "glomangioma", "hematoma"), D.VASC),
    **dict.fromkeys(("verruca vulgaris", "wart", "condyloma accuminatum", "molluscum contagiosum", "onychomycosis",
                     "tinea pedis", "coccidioidomycosis", "abscess", "folliculitis", "acne cystic",
                     "eczema spongiotic dermatitis", "prurigo nodularis", "morphea", "dermatomyositis",
                     "graft vs host disease"), D.INF),
    **dict.fromkeys(("lipoma", "acrochordon", "epidermal nevus", "epidermal cyst", "acquired digital fibrokeratoma",
                     "trichilemmoma", "neurofibroma", "syringocystadenoma papilliferum",
                     "nevus lipomatosus superficialis", "trichofolliculoma", "scar", "eccrine poroma", "angioleiomyoma",
                     "keloid", "xanthogranuloma", "verruciform xanthoma", "neuroma", "cellular neurothekeoma",
                     "fibrous papule", "chondroid syringoma", "foreign body granuloma"), D.BEN_OTH),
    **dict.fromkeys(("inverted follicular keratosis", "lymphocytic infiltrations", "reactive lymphoid hyperplasia",
                     "acral melanotic macule", "hyperpigmentation", "focal acral hyperkeratosis",
                     "abrasions ulcerations and physical injuries"), None),
}


def read(reading: Reading) -> Iterator[Record]:
    rows = reading.table(reading.root / "ddi_metadata.csv", {"DDI_file", "skin_tone", "malignant", "disease"})
    pictures = reading.gallery([reading.root, reading.root / "images"])
    for row in rows:
        name = row.get("DDI_file").rpartition(".")[0] or row.get("DDI_file")
        with reading.record(row, name):
            malignant = cells.yes(row, "malignant")
            if malignant is None:
                raise DatasetError(f"column malignant is {row.get('malignant')!r}; True or False is expected.")
            yield Record(
                picture=pictures.find(name),
                dataset="ddi",
                picture_id=name,
                labels=cells.disease(row.get("disease"), DISEASES, cells.MALIGNANT if malignant else cells.BENIGN),
                group=f"ddi:{name}",
                patient=cells.patient(modality=Modality.CLINICAL),
                dx_original=row.get("disease"),
                malignant=malignant,
                skin_tone=cells.choice(row, "skin_tone", TONES),
                confirmation=Confirmation.HISTOPATHOLOGY,
                centre="Stanford",
            )


DDI = Source(
    id="ddi",
    title="DDI: biopsied lesions across skin tones, 78 diseases",
    read=read,
    pictures=656,
    classes=tuple(D),
    licence="Stanford Research Use Agreement",
    home="https://ddi-dataset.github.io",
    how="accept the agreement at Stanford AIMI",
    folder="DDI",
    citation="Daneshjou et al., Science Advances 8:eabq6147 (2022)",
    tone=ToneScale.FITZPATRICK,
)
