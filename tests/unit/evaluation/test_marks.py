"""Text between two marks of a page."""

from __future__ import annotations

import pytest

from macule.evaluation import marks

BEGIN, END = "<!-- x -->", "<!-- /x -->"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    return path


def test_what_stands_around_the_marks_stays(page):
    for _ in range(2):
        marks.fill(page, BEGIN, END, "\nnew\n\n")
        assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert marks.read(page, BEGIN, END) == "\nnew\n"


@pytest.mark.parametrize("wrong", ["none", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}{END}\n{BEGIN}{END}"])
def test_a_page_without_one_pair_of_marks_is_left_as_it_is(page, wrong):
    page.write_text(wrong)
    with pytest.raises(ValueError, match=r"page\.md needs one <!-- x --> and after it one <!-- /x -->,"):
        marks.fill(page, BEGIN, END, "new")
    assert page.read_text() == wrong
