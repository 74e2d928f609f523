"""The page of an audit: what it says, the pictures side by side, that nothing leaves it, and what does not break it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from miniature import save

from macule.analysis.patient import Patient
from macule.analysis.result import DISCLAIMER
from macule.data.audit import Audit, Twins
from macule.data.duplicates import Pair
from macule.data.duplicates.confirm import Agreement
from macule.data.guard import Example, Leak, LeakReport
from macule.data.kinship import Kind
from macule.data.manifest.row import Row
from macule.data.record import Record
from macule.examples import draw, preset
from macule.exchange import audit as pages
from macule.taxonomy import Diagnosis

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
EVIL = '"><script>alert("x")</script>'


def row(name, dataset="ham10000", lesion=None, *, dx="nv", labels=None, original=None, picture=None):
    labels = ((dx,) if dx else ()) if labels is None else labels
    return Row(dataset=dataset, picture_id=name, lesion_id=lesion, group=f"{dataset}:{lesion or name}", dx=dx,
               labels=labels, dx_original=original, picture=picture or f"{name.encode().hex()}.jpg", sha256="0" * 64)


def agreement(correlation=0.5, *, inliers=6, rotation=0.0, scale=1.0, mirrored=False):
    return Agreement(inliers, correlation, rotation, scale, mirrored)


def twins(first, second, how=None):
    return Twins(first, second, Pair(0, 1, how), known=first.group == second.group)


def near(name, correlation=0.5, *, dx="nv", **changes):
    """A pair that the two sets share."""
    return twins(row(f"H{name}", dx=dx), row(f"M{name}", "milk10k"), agreement(correlation, **changes))


def leak(leaking):
    return Leak("train", "test", pictures=50, leaking=leaking, lesions=leaking, melanomas=8, leaking_melanomas=leaking,
                by_kind={Kind.LINK: leaking},
                example=Example("ham10000:H1", "milk10k:M1", Kind.LINK) if leaking else None)


@pytest.fixture
def render(tmp_path):
    """The text of the page and the page itself. Pictures are drawn for every row but those in `gone`."""
    def call(*pairs, shared=None, unreadable=None, splits=None, gone=(), pictures=None, samples=24):
        roots = {name: tmp_path / name for name in ("ham10000", "milk10k")}
        for each in (row for pair in pairs for row in (pair.first, pair.second) if row.picture_id not in gone):
            save(roots[each.dataset] / each.picture, np.full((90, 120, 3), (200, 160, 140), np.uint8))
        found = Audit("abc" * 20, pictures or {"ham10000": 10_015, "milk10k": 6_292}, 1234, pairs, shared or {},
                      unreadable or {}, splits or {})
        out = tmp_path / "page"
        out.mkdir()
        pages.write(out, found, roots=roots, now=NOW, samples=samples)
        assert [path.name for path in out.iterdir()] == ["index.html"]
        page = (out / "index.html").read_text(encoding="utf-8")
        return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<body"):]).split()), page

    return call


def test_the_head_says_what_was_compared(render):
    known = twins(row("H1", lesion="HAM_1"), row("H2", lesion="HAM_1"), agreement(0.9))
    text, page = render(near("1"), near("2"), known)
    assert "2 pairs of pictures each show one lesion under two names" in text
    for words in ("16,307 pictures compared", "ham10000 10,015", "milk10k 6,292", "1,234 candidate pairs",
                  "3 pairs found", "1 of these stand in the tables too", "abcabcabcabc", "2026-11-21 09:30 UTC",
                  DISCLAIMER):
        assert words in text
    assert "abc" * 20 in page


def test_which_sets_share_lesions_and_the_check_from_outside(render):
    text, _ = render(
        twins(row("H1", lesion="A"), row("M1", "milk10k", "X"), agreement(mirrored=True)),
        twins(row("H2", lesion="A"), row("M2", "milk10k", "Y"), None),
        twins(row("H3", lesion="B", dx="mel"), row("M3", "milk10k", "Y"), agreement()),
        twins(row("H4", lesion="C", dx=None), row("M4", "milk10k", "Z"), agreement()),
        twins(row("H5", lesion="D"), row("H6", lesion="E"), agreement()),
    )
    assert "ham10000 and milk10k 4 3 of ham10000, 3 of milk10k 1 1 2 of 3" in text
    assert "within ham10000 1 2 of ham10000 0 0 1 of 1" in text
    assert "of 4 pairs whose two diagnoses are known, 3 agree" in text


def test_pictures_known_from_ids(render):
    shared = {("isic2018", "milk10k"): {Kind.LESION: 7}, ("milk10k", "isic2018"): {Kind.LESION: 9, Kind.PICTURE: 2}}
    text, _ = render(shared=shared)
    assert "isic2018 that milk10k has too 0 7 0" in text and "milk10k that isic2018 has too 2 9 0" in text


def test_a_verdict_for_each_split(render):
    text, page = render(splits={"random.parquet": LeakReport((leak(4),)), "ours.parquet": LeakReport((leak(0),))})
    assert "Leaky random.parquet 4 of 50 pictures of test (8.0 %, 50.0 % of its melanomas) have a sibling" in text
    assert "Clean ours.parquet No two parts share a photograph, lesion or patient" in text
    assert page.count('class="leaky"') == 1


def test_the_weakest_pairs_are_shown_and_the_rest_are_counted(render):
    found = [near(str(n), 0.9 - n / 20) for n in range(5)]
    text, page = render(*found, samples=2)
    assert text.index("H4") < text.index("H3") and "H2" not in text
    assert "3 more are in pairs.csv" in text and page.count("data:image/jpeg;base64,") == 4
    # The drawing of all five: two of the steps are dark, three pale.
    assert (page.count('class="dark"'), page.count('class="pale"')) == (2, 3)
    assert "--value: 70.0%" in page


def test_no_pair_need_be_shown(render):
    text, page = render(near("1"), samples=0)
    assert "1 more is in pairs.csv" in text and "<ol" not in page


def test_no_drawing_where_every_pair_is_shown(render):
    assert "<figure" not in render(near("1"), near("2"))[1]


def test_each_set_keeps_its_side_and_the_words_say_how_the_right_differs(render):
    how = agreement(0.52, rotation=12.3, scale=1.8)
    text, page = render(twins(row("M1", "milk10k"), row("H1"), how), twins(row("H2"), row("M2", "milk10k"), how))
    assert re.findall(r'alt="(\w+ \w+), Melanocytic naevus"', page) == [
        "ham10000 H1", "milk10k M1", "ham10000 H2", "milk10k M2"]
    assert "6 features agree, details correlate 0.52, turned 12 degrees clockwise, 1.8 times smaller" in text
    assert "6 features agree, details correlate 0.52, turned 12 degrees anticlockwise, 1.8 times larger" in text


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (agreement(), "not turned, same size"),
        (agreement(rotation=-0.4, scale=0.97), "not turned, same size"),
        (agreement(rotation=-1.2, scale=0.5), "turned 1 degree clockwise, 2.0 times smaller"),
        (agreement(rotation=179.9, mirrored=True), "turned 180 degrees, same size, mirrored"),
    ],
)
def test_how_two_pictures_agree_in_words(render, how, words):
    text, _ = render(twins(row("H1"), row("M1", "milk10k"), how))
    assert f"6 features agree, details correlate 0.50, {words} H1" in text


def test_equal_files(render):
    text, page = render(twins(row("H1"), row("M1", "milk10k"), None))
    assert "Equal byte by byte" in text and "features agree" not in text and 'class="rail"' not in page


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_agreement_read_backwards_undoes_itself(mirrored):
    def matrix(how):
        turn = np.radians(how.rotation)
        turned = how.scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        return turned @ np.diag([-1 if how.mirrored else 1, 1])

    how = agreement(rotation=35.0, scale=1.6, mirrored=mirrored)
    assert np.allclose(matrix(pages.inverse(how)) @ matrix(how), np.eye(2))


def test_diagnoses_that_differ_are_marked_in_words(render):
    text, _ = render(
        near("1", 0.4, dx="mel"), near("2", 0.5),
        twins(row("H3", dx=None, labels=("bkl", "nv")), row("M3", "milk10k"), agreement(0.6)),
        twins(row("H4", dx=None, original="odd"), row("M4", "milk10k", dx=None), agreement(0.7)),
    )
    assert "Melanoma M1 no lesion id Melanocytic naevus ≠ diagnoses differ" in text
    assert text.count("diagnoses differ") == 1 and text.count("same diagnosis") == 1
    assert "Benign keratosis or Melanocytic naevus M3" in text and text.count("? diagnoses cannot be compared") == 2
    assert "H4 no lesion id odd M4 no lesion id diagnosis not known" in text


def test_a_picture_that_is_gone_or_damaged_leaves_an_empty_frame(render, tmp_path):
    (tmp_path / "ham10000").mkdir()
    (tmp_path / "ham10000" / "broken.jpg").write_bytes(b"no picture")
    broken = twins(row("H3", picture="broken.jpg"), row("M3", "milk10k"), agreement())
    nowhere = twins(row("D1", "ddi"), row("D2", "ddi"), agreement())  # no root is known
    text, page = render(near("1"), broken, nowhere, gone=("H1", "H3", "D1", "D2"))
    assert text.count("no picture to show") == 4 and page.count("data:image") == 2


def test_members_of_an_archive_are_shown(render, tmp_path):
    rgb = draw(preset("naevus"), size=(64, 64), seed=1)
    (tmp_path / "ham10000").mkdir()
    np.savez(tmp_path / "ham10000" / "a.npz", train_images=np.stack([rgb, rgb]))
    pair = twins(row("1", picture="a.npz/train/0"), row("2", picture="a.npz/train/1"), agreement())
    assert render(pair, gone=("1", "2"))[1].count("data:image") == 2


def test_unreadable_pictures_are_counted_and_the_first_are_named(render, tmp_path):
    reasons = {f"ham10000:H{n}": f"{tmp_path}/ham10000/part/H{n}.jpg is damaged" for n in range(10)}
    text, page = render(unreadable=reasons)
    assert "10 pictures could not be read" in text and "ham10000:H7 : part/H7.jpg is damaged" in text
    assert "H8" not in text and "And 2 more." in text and str(tmp_path) not in page


def test_nothing_was_found(render):
    text, page = render()
    assert "No lesion was found under two names" in text and "0 pairs found" in text
    assert "<table" not in page and "<ol" not in page


class Tags(HTMLParser):
    """A page's tags and what it links to."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.ids = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.ids += [value for name, value in attrs if name == "id"]


def test_nothing_is_fetched_and_no_name_is_run(render):
    evil = twins(row(EVIL, lesion=EVIL, dx=None, original=EVIL), row("M1", "milk10k", EVIL), agreement())
    # A split's name is a file's, which need not be text.
    _, page = render(evil, unreadable={EVIL: EVIL}, splits={f"{EVIL}\udcff": LeakReport((leak(1),))},
                     shared={(EVIL, "a"): {}}, pictures={EVIL: 1})
    found = Tags(page)
    assert "alert(" in page and "script" not in found.tags
    assert "default-src 'none'" in page and "url(" not in page and "@import" not in page
    assert all(link.startswith("data:") or link.removeprefix("#") in found.ids for link in found.links)
    assert len(found.ids) == len(set(found.ids))


def test_an_audit_of_real_files(tmp_path):
    """From a manifest as it is read again, whose rows hold plain words."""
    pytest.importorskip("pyarrow", reason="needs the data extra")
    pytest.importorskip("faiss", reason="needs the data extra")
    from macule.data import manifest
    from macule.data.audit import audit
    from macule.data.engine import Local

    kinds = ("naevus", "irregular-pigmented", "stuck-on-keratosis")
    drawn = [draw(preset(kind), size=(320, 240), seed=seed) for seed, kind in enumerate(kinds)]
    drawn.append(cv2.resize(drawn[1][20:-20, 20:-20], None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA))
    for number, rgb in enumerate(drawn):
        save(tmp_path / f"{number}.jpg", rgb)
    records = [Record(picture=tmp_path / f"{number}.jpg", dataset="ph2", picture_id=f"P{number}",
                      labels=frozenset({Diagnosis.MEL}), group=f"ph2:P{number}", patient=Patient())
               for number in range(len(drawn))]
    made = manifest.write(tmp_path / "m.parquet", records, roots={"ph2": tmp_path})
    found = audit(manifest=made, work=tmp_path / "work", engine=Local(1))
    pages.write(tmp_path, found, roots=made.roots, now=NOW)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Within ph2" in page and page.count("same diagnosis") == 1 and page.count("data:image") == 2
    assert 'alt="ph2 P1, Melanoma"' in page and 'alt="ph2 P3, Melanoma"' in page
