"""What every source has in common; each family of sources has a test file of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import miniature
import pytest

from macule.data import sources
from macule.data.sources import SOURCES, Reading
from macule.errors import DatasetError, UsageError
from macule.taxonomy import Diagnosis

IDS = ["ham10000", "isic2016", "isic2017", "isic2018", "isic2019", "isic2020", "isic2024", "bcn20000", "milk10k",
       "pad-ufes-20", "derm7pt", "ph2", "ddi", "fitzpatrick17k", "dermamnist", "folder", "csv"]


@pytest.fixture
def ham(tmp_path):
    rows = [miniature.ham_row("1", "1", "nv"), miniature.ham_row("2", "2", "df")]
    return miniature.ham10000(tmp_path / "HAM10000", rows)


def test_the_ids_and_their_order():
    assert list(SOURCES) == IDS


@pytest.mark.parametrize("dataset", IDS)
def test_every_card_is_whole(dataset):
    source = sources.find(dataset)
    own = dataset in ("folder", "csv")
    assert source.id == dataset and source.title and source.how and source.folder
    assert own or (source.licence and source.home.startswith("https://") and source.pictures and source.citation)
    assert source.classes and set(source.classes) <= set(Diagnosis) and len(set(source.classes)) == len(source.classes)
    assert set(source.parts) <= {"train", "val", "test"}


def test_the_documentation_tells_of_every_set():
    text = (Path(__file__).resolve().parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert [name for name in rows if name in IDS] == IDS
    for source in SOURCES.values():
        assert source.pictures is None or f"{source.pictures:,}" in rows[source.id]
        if source.licence.startswith("CC") and source.id != "isic2024":  # each of its crops has a licence of its own
            assert source.licence in rows[source.id]


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(DatasetError, match=r"no data set 'ham'; known: ham10000, isic2016, .*, csv"):
        sources.load("ham", tmp_path)


@pytest.mark.parametrize("dataset", IDS)
def test_a_root_that_is_not_there(tmp_path, dataset):
    with pytest.raises(DatasetError, match="nowhere is not a folder: give the folder"):
        sources.load(dataset, tmp_path / "nowhere")


@pytest.mark.parametrize("dataset", IDS)
def test_an_empty_root(tmp_path, dataset):
    with pytest.raises(DatasetError, match=r"unzip|correct the folder"):
        sources.load(dataset, tmp_path)


@pytest.mark.parametrize(("dataset", "part"), [("ham10000", "train"), ("isic2017", "Test_v2"), ("isic2020", "test")])
def test_a_part_that_the_publisher_does_not_have(tmp_path, dataset, part):
    with pytest.raises(DatasetError, match=f"{dataset} has no part '{part}'; it has: .*all"):
        sources.load(dataset, tmp_path, part=part)


def test_an_option_that_a_source_does_not_have(ham):
    with pytest.raises(UsageError, match="ham10000 has no option 'task'; it has: none"):
        list(sources.read(Reading("ham10000", ham, options={"task": "1"})))
    with pytest.raises(UsageError, match="isic2018 has no option 'size'; it has: task"):
        list(sources.read(Reading("isic2018", ham, options={"size": "28"})))


def test_a_lumped_label_has_no_single_diagnosis(ham):
    record = sources.load("ham10000", ham)[0]
    with pytest.raises(ValueError, match="too many values"):
        _ = replace(record, labels=frozenset({Diagnosis.NV, Diagnosis.BKL})).diagnosis


def test_a_record_takes_the_licence_of_its_source_unless_its_row_has_one(ham, tmp_path):
    assert {record.licence for record in sources.load("ham10000", ham)} == {"CC BY-NC 4.0"}
    sorted_pictures = tmp_path / "sorted"
    miniature.flat(sorted_pictures / "benign" / "a.jpg")
    assert sources.load("folder", sorted_pictures)[0].licence is None


def test_a_record_reads_its_picture(ham):
    record = sources.load("ham10000", ham)[0]
    assert record.read() == record.picture.read_bytes()


def test_tables_alone(ham):
    for folder in ham.glob("HAM10000_images_part_*"):
        folder.rename(folder.with_name("elsewhere" + folder.name[-1]))
    with pytest.raises(DatasetError, match=r"row 2: the picture ISIC_1 is listed but is absent, as is every other"):
        list(sources.read(Reading("ham10000", ham)))
    first, _ = sources.read(Reading("ham10000", ham, tables_allowed=True))
    assert first.picture is None and first.picture_id == "ISIC_1"
    with pytest.raises(DatasetError, match="ham10000 ISIC_1 has no picture here"):
        first.read()


def test_tables_alone_is_not_for_a_set_with_some_pictures(ham):
    next(ham.glob("HAM10000_images_part_2/*")).unlink()
    with pytest.raises(DatasetError, match=r"row 3: the picture ISIC_2 is listed but is not under"):
        list(sources.read(Reading("ham10000", ham, tables_allowed=True)))


def test_importing_the_readers_loads_nothing_heavy():
    script = "import sys, macule.data.sources; print({'h5py', 'pyarrow', 'torch', 'openpyxl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
