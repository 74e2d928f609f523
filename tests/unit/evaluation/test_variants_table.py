"""The table of the variants: what it takes from the bundles, how it is kept up to date, and when that is noticed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import small_disk
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import shelf

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def variants() -> Iterator[ModuleType]:
    """benchmarks/variants.py, which is no part of the package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import variants

    yield variants
    sys.path.remove(str(ROOT / "benchmarks"))


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 100, "positives": 20}


def exams(value: float) -> dict[str, Any]:
    whole = {name: figure(value) for name in ("accuracy", "balanced_accuracy", "macro_auc", "malignant_auc")}
    rows = [{"title": title, "leaky": False, "classes": {"mel": {"auc": figure(value / 2)}}, **whole} for title in (
        "HAM10000, locked lesions", "HAM10000, locked lesions, picture alone", "ISIC 2017 test (set not trained on)",
        "MILK10k, locked lesions, dermoscopic")]
    return {"exams": rows}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A README, a page and embedded bundles of a test's own."""
    monkeypatch.setenv(shelf.HOME, str(tmp_path / "home"))
    monkeypatch.setattr(shelf, "embedded", lambda: tmp_path / "bundles")
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "index.toml").write_text("")
    for name, value in (("default", 0.8), ("lite", 0.7)):
        write_bundle(tmp_path / "bundles" / name, id=name, metrics=exams(value))
    (tmp_path / "docs" / "results").mkdir(parents=True)
    for page in ("README.md", "docs/variants.md"):
        (tmp_path / page).write_text("before\n<!-- variants -->\nold\n<!-- /variants -->\nafter\n")
    return tmp_path


def run(variants: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["variants.py", *map(str, arguments)])
    variants.main()


def measure(variants: ModuleType, monkeypatch: pytest.MonkeyPatch, place: Path, *arguments: object) -> None:
    monkeypatch.setattr(variants, "memory", lambda *_: 123.4)  # a second a bundle
    run(variants, monkeypatch, "--root", place, "--rounds", 2, "--repeats", 1, *arguments)


def test_the_tables_are_written_and_checked(variants: ModuleType, place: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    measure(variants, monkeypatch, place)
    text = (place / "README.md").read_text()
    assert text.startswith("before\n<!-- variants -->\n|  | `lite` | `default` |\n")
    assert text.endswith("<!-- /variants -->\nafter\n") and "old" not in text
    row = "HAM10000, locked lesions: balanced accuracy"
    assert f"| {row} | 0.700 (0.650-0.750), n = 100 | 0.800 (0.750-0.850), n = 100 |" in text
    assert "| ISIC 2017 test: melanoma AUC | 0.350 (0.300-0.400), n = 100 | 0.400 (0.350-0.450), n = 100 |" in text
    assert "MILK10k, locked lesions: malignant AUC, clinical" not in text  # nobody sat it
    assert "(1.00; 1.00-1.00) |" in text and "123 MB" in text
    assert "winner of the ISIC 2018 challenge" in text
    assert (place / "docs" / "variants.md").read_text() == text
    run(variants, monkeypatch, "--check", "--root", place)


@pytest.mark.parametrize("change", ["a score", "the network", "a page", "the figures", "a new bundle"])
def test_what_is_out_of_date_is_noticed(change: str, variants: ModuleType, place: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    measure(variants, monkeypatch, place)
    if change == "a score":
        write_bundle(place / "bundles" / "default", id="default", metrics=exams(0.81))
    elif change == "the network":
        write_bundle(place / "bundles" / "default", id="default", metrics=exams(0.8), created="2027-01-01")
    elif change == "a page":
        (place / "README.md").write_text((place / "README.md").read_text().replace("0.800", "0.900"))
    elif change == "the figures":
        (place / variants.FIGURES).write_text((place / variants.FIGURES).read_text().replace("0.8,", "0.9,"))
    else:
        write_bundle(place / "bundles" / "tiny", id="tiny")
    with pytest.raises(SystemExit, match="make variants"):
        run(variants, monkeypatch, "--check", "--root", place)


def test_a_page_without_its_place_is_told_before_anything_is_timed(variants: ModuleType, place: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "README.md").write_text("no place here")
    monkeypatch.setattr(variants, "by_turns", lambda *_: pytest.fail("timed all the same"))
    with pytest.raises(SystemExit, match=r"README\.md needs one <!-- variants -->"):
        run(variants, monkeypatch, "--root", place)


def test_what_is_not_here_today_stays(variants: ModuleType, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = write_bundle(place / "elsewhere", id="accurate", metrics=exams(0.9))
    measure(variants, monkeypatch, place, "--bundle", f"accurate={other}")
    measure(variants, monkeypatch, place)
    text = (place / "README.md").read_text()
    assert "|  | `lite` | `default` | `accurate` |" in text and "| yes | yes | no |" in text
    row = next(line for line in text.splitlines() if line.startswith("| network alone"))
    assert row.count(";") == 3
    write_bundle(place / "bundles" / "default", id="default", metrics=exams(0.8), created="2027-01-01")
    measure(variants, monkeypatch, place)
    row = next(line for line in (place / "README.md").read_text().splitlines() if line.startswith("| network alone"))
    assert row.count(";") == 2 and row.endswith(" ms |")  # its ratio was to another default


def test_the_speed_is_put_into_the_bundle_without_changing_it(variants: ModuleType, place: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    before = bundles.load("lite")
    measure(variants, monkeypatch, place, "--record")
    after = bundles.load("lite")
    assert after.sha256 == before.sha256 and after.metrics["exams"] == before.metrics["exams"]
    assert after.metrics["speed"]["one_view_ms"] > 0 and after.metrics["speed"]["cores"] == 1


def test_a_full_disk_does_not_cost_the_bundle_its_figures(variants: ModuleType, place: Path) -> None:
    lite, times = bundles.load("lite"), {"graph": {"ms": 1.0, "ratio": 2.0}, "own_views": {"ms": 3.0}}
    with small_disk.full_after(100), pytest.raises(OSError, match="File too large"):
        variants.record(lite, times, "a processor", "2026-11-21")
    assert bundles.load("lite").metrics == lite.metrics


def test_ratios_are_taken_round_by_round(variants: ModuleType) -> None:
    assert variants.timing([2.0, 30.0, 3.0], [1.0, 10.0, 2.0]) == {"ms": 3.0, "ratio": 2.0, "low": 1.5, "high": 3.0}


def test_a_leaky_score_is_marked(variants: ModuleType, place: Path) -> None:
    metrics = exams(0.8)
    metrics["exams"][0]["leaky"] = True
    found = variants.scores(bundles.load(write_bundle(place / "leaky", metrics=metrics)))
    (row, *_) = found
    assert found[row]["leaky"] and variants.page._score(found[row]).startswith("LEAKY 0.800")


def test_every_row_can_be_filled_by_the_card(variants: ModuleType) -> None:
    from macule.evaluation.card import EXAMS

    titles = {exam.title.split(" (")[0] for exam in EXAMS}
    assert {title for title, _ in variants.page.SCORES.values()} <= titles


def test_the_readme_and_the_page_have_a_place_for_the_tables(variants: ModuleType) -> None:
    for page in variants.PAGES:
        variants.page.found(ROOT / page)
    assert json.loads(json.dumps(variants.read(ROOT)))["variants"] is not None
