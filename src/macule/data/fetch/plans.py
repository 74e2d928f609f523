"""Where each public data set is got. Every address and number here was read at its publisher, or is left to a person.

Checksums: Harvard Dataverse, Mendeley Data and MedMNIST publish theirs. The ISIC challenges publish none; one stands
here only if two people who downloaded the file independently report the same. Without one, the length that the server
states is what is compared (and each picture's own checksum in its zip), and the sha256 found is written down.
"""

from __future__ import annotations

from macule.data.fetch.plan import Checksum, Download, Edition, Plan
from macule.errors import DatasetError

_KB, _MB, _GB = 1 << 10, 1 << 20, 1 << 30

# The challenges' own page, https://challenge.isic-archive.com/data/ (its source: github.com/ImageMarkup/stade,
# stade/core/templates/data/*.html), gives the addresses on the first server and rounded sizes; until 2025 it gave the
# second, which many scripts still use.
_ISIC = "https://isic-archive.s3.amazonaws.com/challenges"
_ISIC_BEFORE = "https://isic-challenge-data.s3.amazonaws.com"


def _challenge(year: str, file: str, about: int, *, size: int | None = None, sha256: str | None = None,
               edition: str | None = None) -> Download:
    stem, _, ending = file.rpartition(".")
    # MILK10k came out after the move.
    others = () if year == "milk10k" else (f"{_ISIC_BEFORE}/{year}/{file}",)
    return Download(file, f"{_ISIC}/{year}/{file}", about, size, Checksum("sha256", sha256) if sha256 else None,
                    stem if ending == "zip" else None, edition, others)


def _dataverse(number: str, name: str, size: int, md5: str, *, unpack: str | None = None) -> Download:
    # doi:10.7910/DVN/DBW86T, version 4.0: numbers, sizes and MD5 as its page and API give them.
    url = f"https://dataverse.harvard.edu/api/access/datafile/{number}"
    return Download(name, url, size, size, Checksum("md5", md5), unpack)


def _mendeley(file: str, name: str, size: int, sha256: str, *, unpack: str | None = None) -> Download:
    # doi:10.17632/zr7vgbcyr2.1: numbers, sizes and SHA-256 as its page and API give them.
    url = f"https://data.mendeley.com/public-files/datasets/zr7vgbcyr2/files/{file}/file_downloaded"
    return Download(name, url, size, size, Checksum("sha256", sha256), unpack)


def _medmnist(pixels: int, md5: str) -> Download:
    # Addresses and MD5: medmnist 3.0.2, info.py, INFO["dermamnist"]. The packed file is smaller than its pixels.
    name = "dermamnist.npz" if pixels == 28 else f"dermamnist_{pixels}.npz"
    return Download(name, f"https://zenodo.org/records/10519652/files/{name}?download=1", 10_015 * pixels * pixels * 3,
                    checksum=Checksum("md5", md5), edition=str(pixels))


_HAM10000 = Plan("ham10000", (
    # Without format=original, Dataverse sends a table that it rewrote, and that does not fit the MD5 beside it.
    _dataverse("4338392?format=original", "HAM10000_metadata.csv", 690_218, "8f85fb1aa29d80a2797247e434deb79d"),
    _dataverse("3172585", "HAM10000_images_part_1.zip", 1_366_522_108, "4639bfa73ab251610530a97c898e6e46",
               unpack="HAM10000_images_part_1"),
    _dataverse("3172584", "HAM10000_images_part_2.zip", 1_403_566_547, "da43d6cc50f6613013be07e8986b384b",
               unpack="HAM10000_images_part_2"),
    _dataverse("3838943", "HAM10000_segmentations_lesion_tschandl.zip", 10_808_743, "6e8d252e09cfdb0189199f15985a5b84",
               unpack="HAM10000_segmentations_lesion_tschandl"),
))

_ISIC2016 = Plan("isic2016", (
    _challenge("2016", "ISBI2016_ISIC_Part3_Training_GroundTruth.csv", 19 * _KB),
    _challenge("2016", "ISBI2016_ISIC_Part3_Test_GroundTruth.csv", 7 * _KB),
    _challenge("2016", "ISBI2016_ISIC_Part1_Training_GroundTruth.zip", 6 * _MB),
    _challenge("2016", "ISBI2016_ISIC_Part1_Test_GroundTruth.zip", 2 * _MB),
    _challenge("2016", "ISBI2016_ISIC_Part3_Training_Data.zip", 602 * _MB),
    _challenge("2016", "ISBI2016_ISIC_Part3_Test_Data.zip", 232 * _MB),
))

_ISIC2017 = Plan("isic2017", (
    _challenge("2017", "ISIC-2017_Training_Part3_GroundTruth.csv", 43 * _KB),
    _challenge("2017", "ISIC-2017_Validation_Part3_GroundTruth.csv", 3 * _KB),
    _challenge("2017", "ISIC-2017_Test_v2_Part3_GroundTruth.csv", 13 * _KB),
    _challenge("2017", "ISIC-2017_Training_Part1_GroundTruth.zip", 9 * _MB),
    _challenge("2017", "ISIC-2017_Validation_Part1_GroundTruth.zip", 559 * _KB),
    _challenge("2017", "ISIC-2017_Test_v2_Part1_GroundTruth.zip", 18 * _MB),
    _challenge("2017", "ISIC-2017_Validation_Data.zip", 878 * _MB),
    _challenge("2017", "ISIC-2017_Training_Data.zip", int(5.8 * _GB)),
    _challenge("2017", "ISIC-2017_Test_v2_Data.zip", int(5.4 * _GB)),
))

_ISIC2018 = Plan("isic2018", (
    _challenge("2018", "ISIC2018_Task3_Training_LesionGroupings.csv", 481 * _KB, edition="task3"),
    _challenge("2018", "ISIC2018_Task3_Training_GroundTruth.zip", 36 * _KB, edition="task3"),
    _challenge("2018", "ISIC2018_Task3_Validation_GroundTruth.zip", 7 * _KB, edition="task3"),
    _challenge("2018", "ISIC2018_Task3_Test_GroundTruth.zip", 16 * _KB, edition="task3"),
    _challenge("2018", "ISIC2018_Task3_Validation_Input.zip", 51 * _MB, edition="task3"),
    _challenge("2018", "ISIC2018_Task3_Test_Input.zip", 401 * _MB, edition="task3"),
    _challenge("2018", "ISIC2018_Task3_Training_Input.zip", int(2.6 * _GB), edition="task3"),
    _challenge("2018", "ISIC2018_Task1_Training_GroundTruth.zip", 26 * _MB, edition="task1"),
    _challenge("2018", "ISIC2018_Task1_Validation_GroundTruth.zip", 742 * _KB, edition="task1"),
    _challenge("2018", "ISIC2018_Task1_Test_GroundTruth.zip", 9 * _MB, edition="task1"),
    _challenge("2018", "ISIC2018_Task1-2_Validation_Input.zip", 228 * _MB, edition="task1"),
    _challenge("2018", "ISIC2018_Task1-2_Test_Input.zip", int(2.2 * _GB), edition="task1"),
    _challenge("2018", "ISIC2018_Task1-2_Training_Input.zip", int(10.4 * _GB), edition="task1"),
), editions=(
    Edition("task3"),
    # 2,594 + 100 + 1,000 pictures with an outline each; the page gives this task the other licence.
    Edition("task1", pictures=3_694, licence="CC0 1.0", options={"task": "1"}),
))

_ISIC2019 = Plan("isic2019", (
    # Sizes and SHA-256 of the training files: the same in two published reports of downloads from this address.
    _challenge("2019", "ISIC_2019_Training_GroundTruth.csv", 1 * _MB, size=1_291_479,
               sha256="aa88e9638fe4df9ef330dc4ba22fa4bd475c44af692fffb870c73091ab25cdcd"),
    _challenge("2019", "ISIC_2019_Training_Metadata.csv", 1 * _MB, size=1_214_351,
               sha256="d93994a8ed201d474de9a7af7e17ec30929cbc4a5220659ecbde17cbe83e9316"),
    _challenge("2019", "ISIC_2019_Test_GroundTruth.csv", 454 * _KB),
    _challenge("2019", "ISIC_2019_Test_Metadata.csv", 287 * _KB),
    _challenge("2019", "ISIC_2019_Test_Input.zip", int(3.6 * _GB)),
    _challenge("2019", "ISIC_2019_Training_Input.zip", int(9.1 * _GB), size=9_771_618_190,
               sha256="5075020b720c8f1b9b7f3ff85326c55ce0435e5906c41fbd338994feef886df1"),
))

_ISIC2020 = Plan("isic2020", (
    _challenge("2020", "ISIC_2020_Training_GroundTruth_v2.csv", 2 * _MB),
    _challenge("2020", "ISIC_2020_Training_Duplicates.csv", 2 * _MB),
    _challenge("2020", "ISIC_2020_Training_JPEG.zip", 23 * _GB),
))

# Kaggle, which has the same pictures as one HDF5 file, asks for an account; the challenge's own server does not.
_ISIC2024 = Plan("isic2024", (
    _challenge("2024", "ISIC_2024_Training_GroundTruth.csv", 7 * _MB),
    _challenge("2024", "ISIC_2024_Training_Supplement.csv", 40 * _MB),
    _challenge("2024", "ISIC_2024_Training_Input.zip", int(1.2 * _GB)),
))

# The archive has no single file of the collection; its client gets the pictures one by one, with their metadata.
_BCN20000 = Plan("bcn20000", collection=249)

# The challenge's files, not collection MILK10k: only they give the eleven classes that the reader needs.
_MILK10K = Plan("milk10k", (
    _challenge("milk10k", "MILK10k_Training_GroundTruth.csv", 287 * _KB),
    _challenge("milk10k", "MILK10k_Training_Metadata.csv", 2 * _MB),
    _challenge("milk10k", "MILK10k_Training_Supplement.csv", 549 * _KB),
    _challenge("milk10k", "MILK10k_Training_Input.zip", 314 * _MB),
))

_PAD_UFES_20 = Plan("pad-ufes-20", (
    _mendeley("fa850265-57da-48f0-ba3e-998b3e44b1f6", "metadata.csv", 316_209,
              "14d145235cedb022548257acb0d84dcd949e2c916f65d2baa7c38ed5339e9527"),
    _mendeley("1cc2f71f-20a2-412d-b746-a9b9bc20c966", "images/imgs_part_1.zip", 1_245_184_680,
              "0ab44f60938bf57445e12f518a8878954cc734e6b0aec6d01194e2d26b4b2dca", unpack="images/imgs_part_1"),
    _mendeley("559a60ed-5504-475d-996c-6a8bc253b5e7", "images/imgs_part_2.zip", 1_126_646_990,
              "e2d9a3cbd58e823f5ae33163c48643e7d1b54ae3f9e145f01f8e9f16a363a60b", unpack="images/imgs_part_2"),
    _mendeley("34dcdf8e-e5f1-4b35-aa0b-5135051ff852", "images/imgs_part_3.zip", 1_220_565_093,
              "ecc4ef10143a43e1d01cb736773148607a78b530417eb76f2c38ad24bf5d0d2c", unpack="images/imgs_part_3"),
))

_DERMAMNIST = Plan("dermamnist", (
    _medmnist(28, "0744692d530f8e62ec473284d019b0c7"),
    _medmnist(64, "b70a2f5635c6199aeaa28c31d7202e1f"),
    _medmnist(128, "2defd784463fa5243564e855ed717de1"),
    _medmnist(224, "8974907d8e169bef5f5b96bc506ae45d"),
), editions=tuple(Edition(size, options={"size": size}) for size in ("224", "128", "64", "28")))

_FITZPATRICK17K = Plan("fitzpatrick17k", (
    # Size and SHA-256: the same in three downloads of the repository's table.
    Download("fitzpatrick17k.csv", "https://raw.githubusercontent.com/mattgroh/fitzpatrick17k/main/fitzpatrick17k.csv",
             4_104_341, 4_104_341,
             Checksum("sha256", "851dfaabf1791c2a8b1c2957619f3e0673cf0002f4ce924a5c02d185c7d4a1cd")),
), by_hand=(
    "The pictures belong to two atlases, and many of the addresses in the table's url column are dead: fill in the "
    "authors' form, https://forms.gle/4fS35Kg8x9pkG2Bn9 (from their README), to be sent a link to all of them.",
    "Put them into the folder images, beside fitzpatrick17k.csv, named MD5HASH.jpg as in its md5hash column.",
))

_DERM7PT = Plan("derm7pt", by_hand=(
    "Register at https://derm.cs.sfu.ca/Download.html; the authors send the link to release_v0.zip.",
    "Unzip it here: the folder release_v0 then holds meta/meta.csv and images.",
))

_PH2 = Plan("ph2", by_hand=(
    "Ask for the database at https://www.fc.up.pt/addi/ph2%20database.html; it comes as PH2Dataset.rar.",
    "Unpack it here (unrar, 7-Zip): the folder PH2Dataset then holds PH2_dataset.txt and the folder "
    "'PH2 Dataset images'.",
))

_DDI = Plan("ddi", by_hand=(
    "Read https://ddi-dataset.github.io, then sign in and accept the Research Use Agreement at Stanford AIMI: "
    "https://stanfordaimi.azurewebsites.net/datasets/35866158-8196-48d8-87bf-50dca81df965. It forbids passing the "
    "pictures or the link on.",
    "Unpack ddidiversedermatologyimages.zip here: ddi_metadata.csv lies beside the pictures, or they lie in images.",
))

#: id -> plan. A folder or table of one's own is not got from anywhere.
PLANS: dict[str, Plan] = {plan.dataset: plan for plan in (
    _HAM10000, _ISIC2016, _ISIC2017, _ISIC2018, _ISIC2019, _ISIC2020, _ISIC2024, _BCN20000, _MILK10K, _PAD_UFES_20,
    _DERM7PT, _PH2, _DDI, _FITZPATRICK17K, _DERMAMNIST)}


def find(dataset: str) -> Plan:
    """Raises: DatasetError for an id that has no plan."""
    if dataset not in PLANS:
        raise DatasetError(f"there is no public data set {dataset!r} to fetch; known: {', '.join(PLANS)}.")
    return PLANS[dataset]
