from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kin_rows import about, kin, write_pairs

from macule.analysis.patient import Patient
from macule.data import guard, kinship, links
from macule.data.kinship import Kind
from macule.data.record import Record
from macule.errors import DatasetError, LeakingSplit
from macule.taxonomy import Diagnosis


def leak(train, test, **options):
    (found,) = guard.check({"train": kin(*train, **options), "test": kin(*test, **options)}).leaks
    return found


def kinds(found):
    return {kind for kind, count in found.by_kind.items() if count}


# What makes two pictures kin


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (about("1", sha256="a" * 64), about("2", sha256="a" * 64), {Kind.PICTURE}),
        (about("1", sha256="a" * 64), about("2", sha256="b" * 64), set()),
        (about("1"), about("2"), set()),
        (about("1", "L"), about("2", "L"), {Kind.LESION}),
        (about("1", "L", dataset="ph2"), about("2", "L", dataset="ddi"), set()),
        (about("1", "L", "P"), about("2", "M", "P"), {Kind.PATIENT}),
        (about("1", None, "P", dataset="ph2"), about("2", None, "P", dataset="ddi"), set()),
        # The publisher's list of duplicates is a group that is no lesion.
        (about("1", group="made:dup_7"), about("2", group="made:dup_7"), {Kind.LINK, Kind.LESION}),
        # The archive's ids mean the same in every data set.
        (about("ISIC_0024306", dataset="ham10000"), about("ISIC_0024306", dataset="isic2018"), {Kind.PICTURE}),
        (about("ISIC_0000001", dataset="isic2017"), about("ISIC_0000001_downsampled", dataset="isic2019"),
         {Kind.PICTURE}),
        (about("1", "HAM_0000140", dataset="ham10000"), about("2", "HAM_0000140", dataset="isic2019"), {Kind.LESION}),
        (about("1", "MSK4_0011169", dataset="isic2017"), about("2", "MSK4_0011169", dataset="isic2019"), {Kind.LESION}),
        (about("1", "IL_4576519", dataset="milk10k"), about("2", "IL_4576519", dataset="isic2018"), {Kind.LESION}),
        (about("1", None, "IP_7279968", dataset="isic2020"), about("2", None, "IP_7279968", dataset="isic2024"),
         {Kind.PATIENT}),
        # Anybody's folder may hold a picture `1`: only its bytes tell.
        (about("1", dataset="folder", sha256="a" * 64), about("1", dataset="folder", sha256="b" * 64), set()),
        (about("1", dataset="folder"), about("1", dataset="folder"), {Kind.LESION}),
    ],
)
def test_kin(one, other, expected):
    assert kinds(leak([one], [other])) == expected
    assert leak([one], [other]).leaking == bool(expected)


def test_records_and_rows_of_a_manifest_are_told_apart_in_one_way():
    record = Record(Path("1.jpg"), "ham10000", "ISIC_0024306", frozenset({Diagnosis.MEL}), "ham10000:HAM_0000118",
                    Patient(), lesion_id="HAM_0000118", patient_id="P")
    pa = pytest.importorskip("pyarrow")
    row = {"dataset": "ham10000", "picture_id": "ISIC_0024306", "sha256": "a" * 64, "labels": ["mel"],
           "lesion_id": "HAM_0000118", "patient_id": "P", "group": "ham10000:HAM_0000118"}
    of_table = kinship.of_table(pa.Table.from_pylist([row]))
    assert kinship.of_records([record], sha256={"ham10000:ISIC_0024306": "a" * 64}) == of_table


# Links


def test_links_join_lesions_however_indirectly(tmp_path):
    """A photograph under two ids makes one lesion of both, so the other pictures of these are kin, too."""
    a, b, c, other = about("1", "A"), about("2", "B"), about("3", "C"), about("9", "Z")
    pairs = links.read(write_pairs(tmp_path / "pairs.csv", [(a, b), (b, c)]))
    assert (pairs.pairs, len(pairs.sha256)) == (2, 64)
    sibling = about("4", "A")
    found = leak([sibling, other], [c], pairs=pairs)
    assert kinds(found) == {Kind.LINK} and found.example.sibling == "made:4"
    assert leak([other], [c], pairs=pairs).leaking == 0


def test_no_links_are_no_file():
    assert links.read(None) == links.NONE and links.NONE.sha256 is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("first_dataset,first_picture\n", r"pairs.csv row 1 lacks the column\(s\) first_group, second_dataset"),
        ("", r"row 1 lacks the column\(s\) first_dataset"),
        ("first_dataset,first_picture,first_group,second_dataset,second_picture,second_group\na,1,a:L,a,,a:M\n",
         "pairs.csv row 2: column second_picture is empty"),
        ("first_dataset,first_picture,first_group,second_dataset,second_picture,second_group\na,1,a:L\n",
         "pairs.csv row 2: column second_dataset is empty"),
    ],
)
def test_links_that_are_none(tmp_path, text, message):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        links.read(path)


def test_links_that_are_not_there(tmp_path):
    with pytest.raises(DatasetError, match=r"pairs\.csv is no file"):
        links.read(tmp_path / "pairs.csv")


# Counts


def test_a_clean_split():
    report = guard.check({"train": kin(about("1", "A", "P")), "test": kin(about("2", "B", "Q"))})
    assert not report.leaky
    assert guard.enforce(report, remedy="") is False
    assert report.leaks[0].example is None and report.leaks[0].leaking == 0


def test_pictures_and_melanomas_are_counted_once():
    train = [about("1", "A", "P", sha256="a" * 64), about("2", "B")]
    test = [about("3", "A", "P", sha256="a" * 64, labels="mel"), about("4", "B"), about("5", "C", labels="mel"),
            about("6", "D", labels="bcc+mel")]
    found = leak(train, test)
    assert (found.pictures, found.leaking, found.lesions) == (4, 2, 2)
    assert (found.melanomas, found.leaking_melanomas) == (2, 1)
    assert found.by_kind == {Kind.PICTURE: 1, Kind.LINK: 0, Kind.LESION: 2, Kind.PATIENT: 1}
    assert (found.example.picture, found.example.sibling, found.example.kind) == ("made:3", "made:1", Kind.PICTURE)
    assert "2 of 4 pictures of test (50.0 %, 50.0 % of its melanomas) have a sibling in train" in found.sentence()


def test_a_chain_through_a_third_picture_is_a_leak():
    """The test picture's patient has a lesion of which another picture, of no patient, was trained on."""
    found = leak([about("1", "A")], [about("2", "A", "P"), about("3", "B", "P")])
    assert found.leaking == 2 and found.by_kind[Kind.LESION] == 1 and found.by_kind[Kind.PATIENT] == 0
    only = leak([about("1", "A"), about("2", "A", "P")], [about("3", "B", "P")])
    assert only.leaking == 1


def test_each_part_is_compared_with_each_before_it():
    report = guard.check({"train": kin(about("1", "A")), "val": kin(about("2", "B")), "test": kin(about("3", "B"))})
    assert [(found.seen, found.part, found.leaking) for found in report.leaks] == [
        ("train", "val", 0), ("train", "test", 0), ("val", "test", 1),
    ]


def test_each_fold_is_compared_with_all_the_others():
    folds = {f"fold{n}": kin(about(str(n), "A" if n in (0, 2) else str(n))) for n in range(3)}
    report = guard.check(folds, rotating=True)
    assert [(found.seen, found.part, found.leaking) for found in report.leaks] == [
        ("the other folds", "fold0", 1), ("the other folds", "fold1", 0), ("the other folds", "fold2", 1),
    ]


def test_an_empty_part_leaks_nothing():
    report = guard.check({"train": kin(about("1")), "test": kin()})
    assert not report.leaky and report.leaks[0].pictures == 0
    assert guard.check({}).leaks == ()


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from(["P", "Q", "R", None]), st.booleans()), max_size=20))
def test_it_leaks_where_a_lesion_or_patient_stands_on_both_sides(rows):
    """Against the definition, without chains: every kind by itself."""
    made = [(about(str(n), lesion, patient), here) for n, (lesion, patient, here) in enumerate(rows)]
    train, test = [row for row, here in made if here], [row for row, here in made if not here]
    found = leak(train, test)
    for kind, name in ((Kind.LESION, "lesion_id"), (Kind.PATIENT, "patient_id")):
        seen = {getattr(row, name) for row in train} - {None}
        assert found.by_kind[kind] == sum(getattr(row, name) in seen for row in test)
    assert found.leaking >= max(found.by_kind.values())
    assert bool(found.leaking) == any(found.by_kind.values())


# Refusal


def test_a_leak_is_refused_with_counts_and_one_example():
    train, test = kin(about("1", "A"), about("2", "B")), kin(about("3", "A"), about("4", "C"))
    report = guard.check({"train": train, "test": test})
    said = (r"1 of 2 pictures of test \(50.0 %\) have a sibling in train: same lesion 1; for example made:3 and made:1 "
            r"\(same lesion\).*Split by patient.*--allow-leak")
    with pytest.raises(LeakingSplit, match=said):
        guard.enforce(report, remedy="Split by patient")
    assert guard.enforce(report, allow_leak=True, remedy="") is True


def test_the_report_as_json():
    report = guard.check({"train": kin(about("1", "A")), "test": kin(about("3", "A"))})
    said = json.loads(json.dumps(report.to_dict()))
    assert said["leaky"] is True
    assert said["parts"][0]["by_kind"] == {"same picture": 0, "near duplicate": 0, "same lesion": 1, "same patient": 0}
    assert said["parts"][0]["example"] == {"picture": "made:3", "sibling": "made:1", "kind": "same lesion"}


def test_marks():
    assert [guard.mark(leaky) for leaky in (True, False, None)] == ["LEAKY ", "", "LEAK UNKNOWN "]
