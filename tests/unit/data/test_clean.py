"""Cleaning: each kind of fault is found and written down, nothing is deleted, and a person has the last word."""

from __future__ import annotations

import csv
from dataclasses import replace

import cv2
import miniature
import numpy as np
import pytest
from macule_testing import draw

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.data import clean, manifest, review, sources
from macule.data.clean import Rules
from macule.data.review import Decision, Flag, Review
from macule.errors import DatasetError, UsageError

NAMES = ("good", "blurred", "dark", "white", "small", "flat", "torn", "gone", "changed")
FAULTS = {"blurred": "sharpness", "dark": "darkness", "white": "brightness", "small": "size", "flat": "lesion",
          "torn": "unreadable", "gone": "missing", "changed": "changed"}


def paint(path):
    rgb = draw(seed=sum(path.stem.encode()))
    name = path.stem.removeprefix("ISIC_")
    if name == "blurred":
        rgb = cv2.GaussianBlur(rgb, (0, 0), 4)
    elif name == "dark":
        rgb = (rgb * 0.15).astype(np.uint8)
    elif name == "white":
        rgb = np.clip(rgb.astype(np.float32) * 0.1 + 235, 0, 255).astype(np.uint8)
    elif name == "small":
        rgb = cv2.resize(rgb, (200, 150), interpolation=cv2.INTER_AREA)
    elif name == "flat":
        noise = np.random.default_rng(0).normal(0, 4, rgb.shape)
        rgb = np.clip(noise + np.array((215, 170, 145)), 0, 255).astype(np.uint8)
    miniature.save(path, rgb)


@pytest.fixture
def made(tmp_path):
    rows = [miniature.ham_row(name, name, "nv") for name in NAMES]
    root = miniature.ham10000(tmp_path / "HAM10000", rows, paint=paint)
    torn = next(root.rglob("ISIC_torn.jpg"))
    torn.write_bytes(torn.read_bytes()[:300])
    made = manifest.write(tmp_path / "ham.parquet", sources.load("ham10000", root), roots={"ham10000": root})
    next(root.rglob("ISIC_gone.jpg")).unlink()
    miniature.save(next(root.rglob("ISIC_changed.jpg")), draw(seed=99))
    return made


def found(made, **options):
    """Picture -> its failed checks."""
    return {each.row.picture_id.removeprefix("ISIC_"): [finding.check for finding in each.findings]
            for each in clean.look(made, rules=Rules.of(**options), workers=2)}


def flags(made):
    gathered = Review()
    for each in clean.look(made, rules=Rules.of()):
        gathered.add(each)
    return gathered.flags


def reasons(made):
    return {row.picture_id.removeprefix("ISIC_"): row.reason for row in made.each() if row.reason}


def test_each_fault_is_found(made):
    faults = found(made)
    assert faults["good"] == [] and list(faults) == sorted(NAMES)
    for name, check in FAULTS.items():
        assert check in faults[name], name
    assert [faults[name] for name in ("small", "torn", "gone", "changed")] == [["size"], ["unreadable"], ["missing"],
                                                                               ["changed"]]


def test_a_limit_can_be_set(made):
    assert "size" not in found(made, limits={"size": 150})["small"]
    assert "size" in found(made, limits={"size": 301})["good"]
    assert "sharpness" not in found(made, limits={"sharpness": 0})["blurred"]
    assert "brightness" in found(made, limits={"brightness": 50})["good"]


def test_checks_can_be_accepted(made):
    faults = found(made, accept={"quality", "missing"})
    assert {name for name, checks in faults.items() if checks} == {"small", "torn", "changed"}
    assert "size" not in found(made, accept={"size"})["small"]
    assert found(made, accept={"damage"})["torn"] == []


def test_an_unknown_check_or_limit_is_refused():
    with pytest.raises(UsageError, match="no check 'colour'; known: missing"):
        Rules.of(accept={"colour"})
    with pytest.raises(UsageError, match="no limit for 'missing'; there is one for: size"):
        Rules.of(limits={"missing": 1})


def test_the_model_tells_what_is_unlike_the_pictures_it_knows(made, analyzer):
    threshold = analyzer.bundle.gate.threshold

    def checks(limit):
        looked = clean.look(made, rules=Rules.of(limits={"distribution": limit}), analyzer=analyzer)
        return {each.row.picture_id: each.findings for each in looked}["ISIC_good"]

    assert checks(1e9) == ()
    (finding,) = checks(-1.0)
    assert finding.check == "distribution" and finding.limit == -1.0 and finding.value >= 0 and threshold > 0


def test_reasons_are_written_and_nothing_is_deleted(made, tmp_path):
    new = review.flag_rows(made, flags(made), tmp_path / "new.parquet")
    assert manifest.read(new.path) == new and new.rows == made.rows == len(NAMES) and new.hash != made.hash
    written = reasons(new)
    assert set(written) == set(FAULTS) and reasons(made) == {}
    assert written["small"] == "too small (size 150, limit 224)" and written["gone"] == "missing"
    assert written["white"].startswith("over-exposed (brightness 2")


def test_a_second_cleaning_adds_nothing_and_keeps_other_reasons(made, tmp_path):
    once = review.flag_rows(made, [Flag("ham10000", "ISIC_small", "", "leaks")], tmp_path / "a.parquet")
    twice = review.flag_rows(once, flags(made), tmp_path / "b.parquet")
    thrice = review.flag_rows(twice, flags(made), tmp_path / "c.parquet")
    assert reasons(twice)["small"] == "leaks; too small (size 150, limit 224)" and thrice.hash == twice.hash


def test_a_row_without_a_picture_is_passed_over(made, tmp_path):
    blank = [replace(record, picture=None) for record in made.records()]
    tables = manifest.write(tmp_path / "t.parquet", blank, roots=made.roots)
    done = []
    assert list(clean.look(tables, rules=Rules.of(), tick=done.append)) == [] and sum(done) == len(NAMES)


def test_the_most_doubtful_are_shown_first(made):
    gathered = Review(samples=2)
    rules = Rules.of(limits={"size": 400}, accept={"damage"})
    for each in clean.look(made, rules=rules):
        gathered.add(each)
    shown = [each.findings[0].value for each in gathered.doubtful("size")]
    assert gathered.counts["size"] == 7 and shown == [300, 300] and gathered.doubtful("glare") == []


def test_a_person_has_the_last_word(made, tmp_path):
    cleaned = review.flag_rows(made, flags(made), tmp_path / "new.parquet")
    review.write_table(tmp_path / "review.csv", flags(made))
    with (tmp_path / "review.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    words = {"ISIC_small": "Keep", "ISIC_dark": "drop"}
    for row in rows:
        row["decision"] = words.get(row["picture_id"], "")
    good = next(row for row in made.each() if row.picture_id == "ISIC_good")
    rows.append({"dataset": "ham10000", "picture_id": "ISIC_good", "sha256": good.sha256, "reason": "",
                 "decision": "drop"})
    # As a spreadsheet in many countries saves it.
    with (tmp_path / "edited.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, review.COLUMNS, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    for start in (made, cleaned):
        final = review.decide(start, review.read_table(tmp_path / "edited.csv"), tmp_path / "final.parquet")
        expected = {**reasons(cleaned), "good": "dropped in review"}
        del expected["small"]
        assert reasons(final) == expected


def test_a_decision_is_about_the_picture_that_was_seen(made, tmp_path):
    stranger = Decision(Flag("ham10000", "ISIC_none", "", "x"), True)
    with pytest.raises(DatasetError, match="ISIC_none is about no row"):
        review.decide(made, [stranger], tmp_path / "x.parquet")
    other = Decision(Flag("ham10000", "ISIC_good", "0" * 64, "x"), True)
    with pytest.raises(DatasetError, match="is about another picture"):
        review.decide(made, [other], tmp_path / "x.parquet")


@pytest.mark.parametrize(("text", "said"), [
    ("dataset,picture_id\n", "lacks the column"),
    ("dataset,picture_id,sha256,reason,decision\na,1,,x,maybe\n", "row 2: column decision is 'maybe'"),
    ("dataset,picture_id,sha256,reason,decision\na,1,,x,keep\na,1,,x,drop\n", "row 3: 1 already stands in row 2"),
])
def test_a_table_that_is_no_review_is_refused(tmp_path, text, said):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DatasetError, match=said):
        review.read_table(tmp_path / "x.csv")


def test_a_spreadsheet_runs_no_cell(tmp_path):
    flag = Flag("ham10000", "=1+1", "", "@x")
    review.write_table(tmp_path / "x.csv", [flag])
    assert "'=1+1" in (tmp_path / "x.csv").read_text()
    assert review.read_table(tmp_path / "x.csv") == [Decision(flag, None)]
