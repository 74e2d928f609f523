"""The manifest: what is written is what is read, and whatever was altered in between is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import miniature
import pytest

pa = pytest.importorskip("pyarrow", reason="needs the data extra")
import pyarrow.parquet as pq  # noqa: E402
from pydantic import ValidationError  # noqa: E402

from macule.analysis.patient import Modality, Patient, Sex, Site  # noqa: E402
from macule.data import manifest, sources  # noqa: E402
from macule.data.manifest import Row  # noqa: E402
from macule.data.record import Record  # noqa: E402
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale  # noqa: E402
from macule.errors import DatasetError, UnreadableImage  # noqa: E402
from macule.taxonomy import Diagnosis  # noqa: E402

COLUMNS = ["dataset", "picture_id", "picture", "sha256", "dx", "dx_original", "labels", "malignant", "lesion_id",
           "patient_id", "group", "age", "sex", "site", "site_original", "modality", "skin_tone_scale", "skin_tone",
           "skin_tone_upper", "confirmation", "centre", "licence", "part", "mask", "reason"]


@pytest.fixture
def ham(tmp_path):
    rows = [miniature.ham_row(str(n // 2), str(n), dx) for n, dx in enumerate(("nv", "nv", "mel", "df"))]
    root = miniature.ham10000(tmp_path / "HAM10000", rows)
    return root, sources.load("ham10000", root)


@pytest.fixture
def made(ham, tmp_path):
    root, records = ham
    return manifest.write(tmp_path / "ham.parquet", records, roots={"ham10000": root})


def full(root, **changes):
    """A record in which nothing is unknown."""
    path = root / "a" / "1.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture one")
    record = Record(
        picture=path, dataset="ddi", picture_id="1", labels=frozenset({Diagnosis.MEL}), group="ddi:1",
        patient=Patient(54.0, Sex.FEMALE, Site.FOOT, Modality.CLINICAL), dx_original="melanoma in situ", malignant=True,
        lesion_id="L1", patient_id="P1", site_original="sole", skin_tone=SkinTone(ToneScale.FITZPATRICK, 1.0, 2.0),
        confirmation=Confirmation.HISTOPATHOLOGY, centre="Ünïversity; \"A\"", licence="CC0 1.0", part="val",
        mask=root / "m" / "1.png",
    )
    return replace(record, **changes)


def alter(path, column, value, row=0, **metadata):
    """Change one cell and leave the file's own words as they were."""
    table = pq.read_table(path)
    kept = pq.read_metadata(path).metadata
    values = table.column(column).to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    table = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
    kept = {**{k: v for k, v in kept.items() if k.startswith(b"macule.")}, **metadata}
    pq.write_table(table.replace_schema_metadata(kept), path)


def test_the_columns_and_their_types(made):
    schema = pq.read_schema(made.path)
    assert schema.names == COLUMNS
    others = {"labels": "list<element: string>", "malignant": "bool", "age": "float", "skin_tone": "float",
              "skin_tone_upper": "float"}
    assert {field.name: str(field.type) for field in schema if str(field.type) != "string"} == others
    assert [field.name for field in schema if not field.nullable] == ["dataset", "picture_id"]


def test_what_is_written_is_what_is_read(ham, made):
    root, records = ham
    read = manifest.read(made.path)
    assert read == made and read.rows == 4 and read.roots == {"ham10000": root}
    assert list(read.records()) == records
    expected = hashlib.sha256(records[0].picture.read_bytes()).hexdigest()
    assert read.table(["sha256"])["sha256"][0].as_py() == expected


def test_nothing_is_lost_of_a_full_record(tmp_path):
    record = full(tmp_path / "DDI")
    made = manifest.write(tmp_path / "ddi.parquet", [record], roots={"ddi": tmp_path / "DDI"})
    assert list(manifest.read(made.path).records()) == [record]


@pytest.mark.parametrize("labels", [frozenset(), frozenset({Diagnosis.NV, Diagnosis.BKL})])
def test_an_unknown_or_lumped_class_stays_so(tmp_path, labels):
    record = full(tmp_path, labels=labels, malignant=None)
    made = manifest.write(tmp_path / "x.parquet", [record], roots={"ddi": tmp_path})
    (row,) = made.each()
    assert row.dx is None and row.labels == tuple(sorted(labels)) and next(made.records()) == record


def test_tables_alone_have_no_hash_and_no_picture(tmp_path):
    record = full(tmp_path, picture=None)
    made = manifest.write(tmp_path / "x.parquet", [record], roots={"ddi": tmp_path})
    (row,) = manifest.read(made.path).each()
    assert row.picture is None and row.sha256 is None
    with pytest.raises(DatasetError, match="has no picture here"):
        next(made.records()).read()


def test_the_hash_is_equal_wherever_the_data_lie_and_differs_with_the_data(tmp_path):
    def written(name, **changes):
        root = tmp_path / name / "root"
        return manifest.write(tmp_path / f"{name}.parquet", [full(root, **changes)], roots={"ddi": root}).hash

    assert written("here") == written("elsewhere")
    assert written("aged", patient=Patient(55.0)) != written("here")


def test_the_hash_does_not_depend_on_how_rows_are_cut(tmp_path, monkeypatch):
    rows = [full(tmp_path, picture=None, picture_id=str(n)) for n in range(300)]
    whole = manifest.write(tmp_path / "whole.parquet", rows, roots={"ddi": tmp_path}).hash
    monkeypatch.setattr("macule.data.manifest.writing.BATCH", 7)
    assert manifest.write(tmp_path / "cut.parquet", rows, roots={"ddi": tmp_path}).hash == whole
    monkeypatch.setattr("macule.data.manifest.reading.BATCH", 11)
    assert manifest.read(tmp_path / "cut.parquet").hash == whole


def test_another_root_can_be_given(ham, made, tmp_path):
    moved = ham[0].rename(tmp_path / "moved")
    first = next(manifest.read(made.path).records(roots={"ham10000": moved}))
    assert first.read() and first.picture.is_relative_to(moved)


def test_a_member_of_a_file_is_named_by_a_path_below_it(tmp_path):
    h5py = pytest.importorskip("h5py")
    np = pytest.importorskip("numpy")
    with h5py.File(tmp_path / "train-image.hdf5", "w") as file:
        file["ISIC_1"] = np.void(b"bytes of one")
    record = full(tmp_path, picture=tmp_path / "train-image.hdf5" / "ISIC_1", mask=None)
    # The root of a set that is one file is that file.
    made = manifest.write(tmp_path / "x.parquet", [record], roots={"ddi": tmp_path / "train-image.hdf5"})
    (row,) = made.each()
    assert row.picture == "train-image.hdf5/ISIC_1" and row.sha256 == hashlib.sha256(b"bytes of one").hexdigest()
    assert next(manifest.read(made.path).records()).read() == b"bytes of one"


def test_a_picture_that_cannot_be_read_ends_it_and_leaves_no_file(ham, tmp_path):
    root, records = ham
    records[2].picture.unlink()
    with pytest.raises(UnreadableImage, match="ISIC_2"):
        manifest.write(tmp_path / "x.parquet", records, roots={"ham10000": root})
    assert not list(tmp_path.glob("x.parquet*"))


def test_or_is_told_of_and_left_out(ham, tmp_path):
    root, records = ham
    records[2].picture.unlink()
    told, done = [], []
    made = manifest.write(tmp_path / "x.parquet", records, roots={"ham10000": root}, tick=done.append,
                          refuse=lambda record, error: told.append((record.picture_id, error.code)))
    assert told == [("ISIC_2", "unreadable_image")] and made.rows == 3 and sum(done) == 4
    assert manifest.read(made.path) == made


def test_a_failure_keeps_the_old_file(made, ham, tmp_path):
    root, records = ham
    before = made.path.read_bytes()
    with pytest.raises(DatasetError):
        manifest.write(made.path, [*records, records[0]], roots={"ham10000": root})
    assert made.path.read_bytes() == before and not list(tmp_path.glob("*.partial"))


def test_a_picture_comes_once(ham, tmp_path):
    root, records = ham
    with pytest.raises(DatasetError, match="ISIC_0 of ham10000 stands in two rows"):
        manifest.write(tmp_path / "x.parquet", [*records, records[0]], roots={"ham10000": root})


@pytest.mark.parametrize(("changes", "said"), [
    ({"part": "training"}, "column part is 'training'"),
    ({"dataset": "../../etc"}, "has no root"),
    ({"group": ""}, "column group is ''"),
    ({"centre": "\udcff"}, "column centre"),
])
def test_a_record_that_breaks_a_rule_is_named(tmp_path, changes, said):
    with pytest.raises(DatasetError, match=said):
        manifest.write(tmp_path / "x.parquet", [full(tmp_path, **changes)], roots={"ddi": tmp_path})


def test_a_picture_outside_the_root_is_refused(tmp_path):
    for picture in (tmp_path / "elsewhere.jpg", tmp_path / "root" / ".." / "elsewhere.jpg"):
        (tmp_path / "elsewhere.jpg").write_bytes(b"x")
        (tmp_path / "root").mkdir(exist_ok=True)
        with pytest.raises(DatasetError, match=r"lies outside|below the data set's root"):
            manifest.write(tmp_path / "x.parquet", [full(tmp_path / "root", picture=picture)],
                           roots={"ddi": tmp_path / "root"})


@pytest.mark.parametrize(("column", "value", "expected"), [
    ("dx", "melanoma", "one of akiec"), ("sex", "F", "one of female, male"), ("site", "elbow", "one of head_neck"),
    ("modality", "photo", "one of dermoscopic"), ("confirmation", "sure", "one of histopathology"),
    ("part", "dev", "one of train, val, test"), ("age", 121.0, "from 0 to 120"), ("age", float("nan"), "from 0 to 120"),
    ("sha256", "00", "64 hexadecimal"), ("sha256", None, "a value where there is a picture"),
    ("picture", "../../secret.jpg", "below the root"), ("picture", "/etc/passwd", "below the root"),
    ("picture", "a/./b", "below the root"), ("mask", "C:/x.png", "below the root"), ("labels", ["nv", "mel"], "sorted"),
    ("labels", ["melanoma"], "sorted list"), ("labels", None, "sorted list"), ("labels", [], "the only one of labels"),
    ("dx", None, "the only one of labels"), ("dataset", "..", "letters"), ("group", None, "some text"),
    ("skin_tone", 3.0, "a scale where there is a skin tone"), ("skin_tone_upper", 3.0, "null where there is no"),
    ("reason", "", "some text or null"),
])
def test_a_bad_cell_is_named_with_its_row_and_what_is_expected(made, column, value, expected):
    alter(made.path, column, value, row=2)
    with pytest.raises(DatasetError, match=r"row 3.*ISIC_2") as error:
        manifest.read(made.path)
    assert expected in str(error.value)


@pytest.mark.parametrize(("scale", "value"), [("fitzpatrick", 0.0), ("milk", 6.0), ("monk", 11.0), ("ita", -91.0)])
def test_a_skin_tone_lies_on_its_scale(tmp_path, scale, value):
    made = manifest.write(tmp_path / "x.parquet", [full(tmp_path)], roots={"ddi": tmp_path})
    alter(made.path, "skin_tone_upper", None)
    alter(made.path, "skin_tone", value)
    alter(made.path, "skin_tone_scale", scale)
    with pytest.raises(DatasetError, match=f"on the scale {scale}"):
        manifest.read(made.path)


def test_an_altered_row_does_not_fit_the_hash(made):
    alter(made.path, "age", 46.0)
    with pytest.raises(DatasetError, match="was altered: its rows have the hash"):
        manifest.read(made.path)


def test_a_row_that_stands_twice_is_found(made):
    alter(made.path, "picture_id", "ISIC_0", row=1)
    with pytest.raises(DatasetError, match="ISIC_0 of ham10000 stands in 2 rows"):
        manifest.read(made.path)


def test_what_is_no_manifest_is_refused(made, tmp_path):
    with pytest.raises(DatasetError, match="is no file"):
        manifest.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="no Parquet file, or is damaged"):
        manifest.read(tmp_path / "text.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DatasetError, match="has the manifest format None"):
        manifest.read(tmp_path / "other.parquet")
    made.path.write_bytes(made.path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="damaged"):
        manifest.read(made.path)


def test_a_missing_and_a_retyped_column_are_named(made):
    table, kept = pq.read_table(made.path), pq.read_metadata(made.path).metadata
    kept = {key: value for key, value in kept.items() if key.startswith(b"macule.")}
    pq.write_table(table.drop_columns(["sex"]).replace_schema_metadata(kept), made.path)
    with pytest.raises(DatasetError, match="missing: sex"):
        manifest.read(made.path)
    wide = table.set_column(COLUMNS.index("age"), "age", table["age"].cast(pa.float64()))
    pq.write_table(wide.replace_schema_metadata(kept), made.path)
    with pytest.raises(DatasetError, match="column age is of type double; float is expected"):
        manifest.read(made.path)


def test_several_sets_in_one_file(ham, made, tmp_path):
    root = tmp_path / "DDI"
    other = manifest.write(tmp_path / "ddi.parquet", [full(root)], roots={"ddi": root})
    merged = manifest.merge(tmp_path / "all.parquet", [made, other])
    assert manifest.read(merged.path) == merged and merged.rows == 5
    assert [*made.records(), *other.records()] == list(merged.records())
    with pytest.raises(DatasetError, match="stands in two rows"):
        manifest.merge(tmp_path / "twice.parquet", [made, made])


def test_one_set_at_two_places_is_not_merged(made, tmp_path):
    rows = [miniature.ham_row("9", "9", "nv")]
    root = miniature.ham10000(tmp_path / "second", rows)
    other = manifest.write(tmp_path / "b.parquet", sources.load("ham10000", root), roots={"ham10000": root})
    with pytest.raises(DatasetError, match="make both from one root"):
        manifest.merge(tmp_path / "all.parquet", [made, other])


def test_counts(made, tmp_path):
    lumped = full(tmp_path, picture=None, labels=frozenset({Diagnosis.NV, Diagnosis.BKL}), malignant=False, part=None)
    blank = full(tmp_path, picture=None, picture_id="2", labels=frozenset(), malignant=None, lesion_id=None)
    other = manifest.write(tmp_path / "ddi.parquet", [lumped, blank], roots={"ddi": tmp_path})
    counts = manifest.merge(tmp_path / "all.parquet", [made, other]).counts()
    assert (counts.rows, counts.pictures, counts.lesions, counts.patients, counts.groups) == (6, 4, 3, 1, 3)
    assert counts.classes == {"df": 1, "mel": 1, "nv": 2, "one of several": 1, "unknown": 1}
    assert counts.malignant == {"malignant": 1, "benign": 4, "unknown": 1}
    assert counts.parts == {"val": 1, "unknown": 5} and counts.datasets == {"ham10000": 4, "ddi": 2}
    json.dumps(counts.to_dict())


def test_a_row_is_frozen_and_takes_no_more_fields(made):
    row = next(made.each())
    with pytest.raises(ValidationError):
        row.age = 3.0
    with pytest.raises(ValidationError, match="extra"):
        Row(dataset="ddi", picture_id="1", group="ddi:1", colour="red")


@pytest.mark.parametrize("roots", ["[]", "null", '{"ham10000": 5}', '{"ham10000": ""}', "no JSON"])
def test_roots_that_were_edited(made, roots):
    kept = {**pq.read_metadata(made.path).metadata, b"macule.roots": roots.encode()}
    kept.pop(b"ARROW:schema", None)
    pq.write_table(pq.read_table(made.path).replace_schema_metadata(kept), made.path)
    with pytest.raises(DatasetError, match=r"macule\.roots in its metadata is .*make the manifest anew"):
        manifest.read(made.path)
