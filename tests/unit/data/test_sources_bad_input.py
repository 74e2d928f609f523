"""Every mistake that a table or folder can have is named by file and row, and under keep_going loses only its row."""

from __future__ import annotations

import gzip
from pathlib import Path

import miniature
import pytest

from macule.data import sources
from macule.data.sources import Reading
from macule.errors import DatasetError

TABLE = "HAM10000_metadata.csv"


@pytest.fixture
def ham(tmp_path: Path) -> Path:
    return miniature.ham10000(tmp_path / "HAM10000", [
        miniature.ham_row("0000001", "0000001", "nv", age="0.0", sex="female", site="lower extremity"),
        miniature.ham_row("0000001", "0000002", "nv", age="85.0", site="acral"),
        miniature.ham_row("0000002", "0000003", "bkl", age="", sex="unknown", site="unknown"),
    ])


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def refused(root: Path) -> tuple[list[str], list[tuple[str, int | None, str]]]:
    """Ids that are read under keep_going, and (file, row, reason) of the rest; strict must refuse the first of them."""
    reading = Reading("ham10000", root, keep_going=True)
    kept = [record.picture_id for record in sources.read(reading)]
    rejects = [(reject.file, reject.row, reject.reason) for reject in reading.rejects]
    if rejects:
        file, row, reason = rejects[0]
        with pytest.raises(DatasetError) as caught:
            list(sources.read(Reading("ham10000", root)))
        assert str(caught.value) == f"{file}{f' row {row}' if row else ''}: {reason}"
    return kept, rejects


def test_a_good_folder_has_no_rejects(ham):
    assert refused(ham) == (["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"], [])


@pytest.mark.parametrize(
    ("old", "new", "row", "message"),
    [
        (",bkl,", ",mole,", 4, r"the label 'mole' is in no vocabulary of macule.taxonomy"),
        (",85.0,", ",850,", 3, r"age is 850.0; a number from 0 to 120"),
        (",85.0,", ",eighty-five,", 3, r"age is 'eighty-five'; a number from 0 to 120"),
        (",female,", ",diverse,", 2, r"sex is 'diverse'; it must be one of"),
        (",lower extremity,", ",lower extremty,", 2, r"site is 'lower extremty'.*did you mean lower extremity"),
        (",histo,85", ",guess,85", 3, r"the confirmation is 'guess'; one of"),
        ("HAM_0000002,", ",", 4, r"column lesion_id is empty; a value is expected"),
        ("ISIC_0000002,", ",", 3, r"the picture's id is empty; one is expected"),
        ("ISIC_0000002,", "ISIC_0000001,", 3, r"the picture ISIC_0000001 already stands in .*csv row 2"),
        ("acral,vidir_modern", "acral,vidir,modern", 3, r"the row has 9 cells, more than the header's 8"),
        ("acral,vidir_modern", "acral", 3, r"the row ends before the column dataset"),
        ("acral,vidir_modern", '"acral,vidir_modern', 3, r"the row is damaged \(.*\): get the file again"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_is_read(ham, old, new, row, message):
    rewrite(ham / TABLE, old, new)
    kept, rejects = refused(ham)
    assert rejects[0][:2] == (TABLE, row)
    # An open quotation mark takes the rest of the file with it.
    assert len(kept) == (1 if "damaged" in message else 2)
    with pytest.raises(DatasetError, match=rf"HAM10000_metadata\.csv row {row}: .*{message}"):
        list(sources.read(Reading("ham10000", ham)))


def test_one_bad_row_is_one_reject(ham):
    rewrite(ham / TABLE, ",bkl,", ",mole,")
    kept, rejects = refused(ham)
    assert kept == ["ISIC_0000001", "ISIC_0000002"] and len(rejects) == 1
    assert Reading("ham10000", ham).rejects == []


def test_a_reject_says_all(ham):
    rewrite(ham / TABLE, ",85.0,", ",old,")
    reading = Reading("ham10000", ham, keep_going=True)
    list(sources.read(reading))
    (reject,) = reading.rejects
    assert (reject.dataset, reject.file, reject.row, reject.picture_id) == ("ham10000", TABLE, 3, "ISIC_0000002")


def test_a_missing_table(ham):
    (ham / TABLE).unlink()
    with pytest.raises(DatasetError, match=r"HAM10000_metadata\.csv is missing: unzip ham10000 there unchanged"):
        sources.load("ham10000", ham)


def test_a_renamed_table(ham):
    (ham / TABLE).rename(ham / "HAM10000_meta_data.csv")
    with pytest.raises(DatasetError, match=r"csv is missing \(renamed to HAM10000_meta_data\.csv\?\)"):
        sources.load("ham10000", ham)


@pytest.mark.parametrize(("new", "message"), [
    ("local_isation", r"row 1 lacks the column\(s\) localization \(renamed to local_isation\?\); it has lesion_id, .*"),
    ("xyzzy", r"row 1 lacks the column\(s\) localization; it has lesion_id, image_id, dx, .*"),
])
def test_a_renamed_column(ham, new, message):
    rewrite(ham / TABLE, ",localization,", f",{new},")
    with pytest.raises(DatasetError, match=message):
        sources.load("ham10000", ham)


def test_a_needed_column_that_stands_twice(ham):
    rewrite(ham / TABLE, ",sex,", ",age,")
    with pytest.raises(DatasetError, match=r"row 1 has the column\(s\) age twice: keep one of each"):
        sources.load("ham10000", ham)


def test_columns_that_no_one_needs_may_have_no_name_or_the_same(ham):
    path = ham / TABLE
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0] + ",,", *(line + ",x,y" for line in lines[1:])]), encoding="utf-8")
    assert refused(ham)[1] == []


def test_a_table_that_was_saved_with_semicolons(ham):
    path = ham / TABLE
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"it has lesion_id;image_id.* \(its cells are parted by something else"):
        sources.load("ham10000", ham)


@pytest.mark.parametrize("nothing", ["", "NA", "nan", "unknown", "N/A", "None"])
def test_the_many_ways_to_say_nothing(ham, nothing):
    rewrite(ham / TABLE, ",85.0,male,acral,", f",{nothing},{nothing},{nothing},")
    assert refused(ham)[1] == []
    second = sources.load("ham10000", ham)[1]
    assert (second.patient.age, second.patient.sex, second.patient.site, second.site_original) == (None,) * 4


def test_an_empty_table(ham):
    (ham / TABLE).write_text("", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) age, .*; it has none"):
        sources.load("ham10000", ham)


def test_a_picture_that_is_listed_but_absent(ham):
    (ham / "HAM10000_images_part_2" / "ISIC_0000002.jpg").unlink()
    kept, rejects = refused(ham)
    assert kept == ["ISIC_0000001", "ISIC_0000003"]
    assert rejects == [(TABLE, 3, f"the picture ISIC_0000002 is listed but is not under {ham}: "
                                  "get the data set's pictures again, whole.")]


def test_a_picture_that_is_present_but_unlisted(ham):
    miniature.flat(ham / "HAM10000_images_part_1" / "ISIC_0000009.jpg")
    kept, rejects = refused(ham)
    assert len(kept) == 3
    assert rejects == [("HAM10000_images_part_1/ISIC_0000009.jpg", None,
                        "this picture is in no row of the tables: remove it, or get the tables again.")]
    assert len(sources.load("ham10000", ham)) == 3  # scoring does not mind


def test_what_is_no_picture_of_a_lesion_may_lie_there(ham):
    for name in ("ISIC_0000001_superpixels.png", "ISIC_0000001_segmentation.png", "LICENSE.txt", ".hidden.jpg"):
        (ham / "HAM10000_images_part_1" / name).write_bytes(b"not read")
    assert refused(ham)[1] == []


def test_one_picture_in_two_folders(ham):
    miniature.flat(ham / "HAM10000_images_part_2" / "ISIC_0000001.jpg")
    kept, rejects = refused(ham)
    assert len(kept) == 3
    assert rejects[0][0] == "HAM10000_images_part_2/ISIC_0000001.jpg"
    assert "the same picture id also stands at" in rejects[0][2]


def test_a_byte_order_mark_does_not_hide_a_column(ham):
    path = ham / TABLE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(sources.load("ham10000", ham)) == 3


def test_a_latin_1_byte_in_a_utf_8_table(ham):
    path = ham / TABLE
    path.write_bytes(path.read_bytes().replace(b"acral,vidir", b"acral,vidir\xe9"))
    kept, rejects = refused(ham)
    assert kept == ["ISIC_0000001", "ISIC_0000003"]
    assert rejects == [(TABLE, 3, f"column dataset holds the byte 0xe9, which is not UTF-8: save {TABLE} as UTF-8.")]


def test_a_latin_1_header_can_be_printed(ham):
    path = ham / TABLE
    path.write_bytes(path.read_bytes().replace(b"localization", b"l\xf6calization"))
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) localization .*\\udcf6calization") as caught:
        sources.load("ham10000", ham)
    assert str(caught.value).encode()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_utf_16_table(ham, encoding):
    path = ham / TABLE
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    with pytest.raises(DatasetError, match=r"csv row 1 is not UTF-8 \(it looks like UTF-16\): save the table as UTF-8"):
        sources.load("ham10000", ham)


def test_accents_in_utf_8_are_no_mistake(ham):
    rewrite(ham / TABLE, "vidir_modern", "Hôpital Erasme")
    assert sources.load("ham10000", ham)[0].centre == "Hôpital Erasme"


def test_a_gzipped_table(ham):
    path = ham / TABLE
    (ham / f"{TABLE}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert len(sources.load("ham10000", ham)) == 3


def test_a_gzip_that_breaks_off(ham):
    path = ham / TABLE
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    more = [rows[1].replace("ISIC_0000001", f"ISIC_{n:07}") for n in range(100, 3000)]
    packed = gzip.compress("".join([*rows, *more]).encode(), compresslevel=0)
    path.unlink()
    (ham / f"{TABLE}.gz").write_bytes(packed[:len(packed) * 2 // 3])
    kept, rejects = refused(ham)
    assert kept == ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
    assert rejects[-1][0] == f"{TABLE}.gz" and "the file breaks off here" in rejects[-1][2]


@pytest.mark.parametrize("damage", [b"no gzip at all", b"\x1f\x8b\x08\x00" + b"\x07" * 40])
def test_a_damaged_gzip(ham, damage):
    (ham / TABLE).unlink()
    (ham / f"{TABLE}.gz").write_bytes(damage)
    with pytest.raises(DatasetError, match=r"csv\.gz is damaged \(.*\): get the file again"):
        sources.load("ham10000", ham)


def test_rows_are_counted_as_a_spreadsheet_counts_them(ham):
    path = ham / TABLE
    head, first, *others = path.read_text(encoding="utf-8").splitlines(keepends=True)
    first = first.replace("vidir_modern", '"vidir\nmodern"')
    path.write_text(head + "\n" + first + "".join(others).replace(",85.0,", ",old,"), encoding="utf-8")
    _, rejects = refused(ham)
    # Header 1, blank line 2, a row of two lines 3, the bad row 4.
    assert rejects[0][1] == 4


def test_a_torn_row_does_not_make_its_picture_unlisted(ham):
    rewrite(ham / TABLE, "acral,vidir_modern", "acral")
    _, rejects = refused(ham)
    assert len(rejects) == 1
