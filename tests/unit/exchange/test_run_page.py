"""The page of a run and the page of several: what they say, what they draw, and that nothing leaves them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import miniature_runs as drawn
import pytest
from miniature_runs import BEGAN, RECIPE

from macule.analysis.result import DISCLAIMER
from macule.errors import UsageError
from macule.evaluation import runs
from macule.evaluation.runs import Start
from macule.exchange import chart, compare_page, run_curves, run_page
from macule.exchange.chart import Scale
from macule.training import record

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
EVIL = '"><script>alert("x")</script>'
SCRATCH = Start("vgg16", "scratch: no weights of vgg16 here", False)


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<body"):]).split())


@pytest.fixture
def make(tmp_path):
    return lambda name="run", **changes: drawn.make(tmp_path / name, **changes)


@pytest.fixture
def page(make):
    """The text of a run's page, and the page."""
    def call(folder=None, **changes):
        run = runs.read(folder or make(**changes))
        path = run_page.write(run, now=NOW)
        assert path == run.folder / "index.html" and not list(run.folder.glob("*.partial"))
        html = path.read_text(encoding="utf-8")
        return text_of(html), html

    return call


def put_rows(folder, *rows):
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_the_head_says_what_it_is(page):
    text, _ = page()
    for words in ("two-phase A drawn recipe in two phases. Finished", "Started 2026-11-21 08:30 UTC; took 3 h 12 min",
                  "7,811 pictures of 5,830 lesions", "ImageNet, timm hub efficientnet_b3.ra2_in1k", "Seed 20261121",
                  DISCLAIMER):
        assert words in text
    assert "LEAKY" not in text and "FROM SCRATCH" not in text


def test_the_figures_with_their_intervals_and_n(page):
    text, html = page(skill=0.8)
    assert "ham10000, test part: 1,202 pictures, 893 lesions, none of them trained on" in text
    for words in ("Balanced accuracy 0.800 (0.770 to 0.830) 0 1 n = 1,202",
                  "Malignant AUC 0.900 (0.882 to 0.918) 0 1 235 of 1,202", "Melanoma 0.950 (0.940 to 0.960)",
                  "Squamous cell carcinoma / keratoacanthoma undefined undefined undefined 0 of 1,202",
                  "Malignant sensitivity at 90 % specificity 0.760 (0.710 to 0.810)"):
        assert words in text
    assert "--at: 80.0%; --low: 77.0%; --width: 6.0%" in html


def test_what_it_was_made_of(page):
    text, _ = page()
    for words in ("manifest " + "ab12" * 16, "scheme 78/10/12", "CPU Drawn Processor 9000 cores 16 memory, GB 128.4",
                  "accelerate not installed", "commit 8e218f2f", "recipe, SHA-256 " + record.digest(RECIPE),
                  "phases 2 size 208", "trainable all learning rate 0.0001", "convs.0.channels 128",
                  "channels last yes", "cut none", "datasets ham10000, milk10k"):
        assert words in text


def test_a_leak_is_said_before_every_figure(page):
    text, html = page(leaky=True)
    assert "LEAKY Pictures, lesions or patients of the test part were trained on" in text
    assert "LEAKY 0.820 (0.790 to 0.850)" in text and "none of them trained on" not in text
    for value in re.findall(r"<b>(.*?)</b> <span class=\"interval\">", html):
        assert "LEAKY" in value
    assert "<title>LEAKY two-phase" in html


def test_scratch_is_loud(page):
    text, _ = page(start=SCRATCH)
    assert "Started from random weights" in text
    assert "FROM SCRATCH The network began with random weights, not with ImageNet's: scratch: no weights" in text


def test_runs_that_did_not_finish(page, make):
    folder = make("failed", metrics=False)
    record.fail(folder, RuntimeError("the loss is nan"), now=BEGAN + timedelta(minutes=3))
    text, _ = page(folder)
    assert "Failed Started" in text and "It failed the loss is nan RuntimeError" in text and "took 3 min" in text
    assert "The locked test part has not been scored." in text
    record.fail(folder, KeyboardInterrupt(), now=BEGAN + timedelta(seconds=59))
    assert "It was stopped By hand" in page(folder)[0]
    record.start(folder, drawn.facts(warnings=["12 pictures are gone"]), now=BEGAN)
    text, _ = page(folder)
    assert "Running Started 2026-11-21 08:30 UTC, resumed 1 time; last sign at" in text
    assert "has not been scored yet" in text and "12 pictures are gone" in text


def test_the_curves(page):
    text, html = page(epochs=30)
    assert html.count('role="img"') == 4
    for name in ("Loss", "Accuracy", "AUC", "Learning rate"):
        assert f'aria-label="{name} by epoch. ' in html
    assert "The training loss goes from 2." in html and "The best validation AUC is 0." in html
    assert "by balanced accuracy: epoch" in text and html.count('class="best"') == 4
    assert html.count("phase 2 · 208 px") == 4 and html.count('class="border"') == 4
    assert "10⁻³" in text and "10⁻⁵" in text and "All 29 looks" in text
    assert not re.search(r"\bnan\b", html.split("</style>")[1], re.IGNORECASE)


def test_a_run_of_one_phase_has_no_bands(page, make):
    folder = put_rows(make(), *drawn.rows(4, phases=1))
    assert 'class="band' not in page(folder)[1]


def test_a_run_without_a_step_or_a_look_says_so(page, make):
    text, html = page(put_rows(make()))
    assert text.count("No step has been written yet.") == 2
    assert text.count("The validation part was not looked at.") == 2
    assert "<path" not in html
    text, _ = page(put_rows(make(), drawn.training(0)))
    assert text.count("The validation part was not looked at.") == 2


def test_figures_that_were_undefined_at_every_look(page, make):
    row = drawn.look(20)
    row["validation"] |= {"auc": None}
    text, _ = page(put_rows(make(), drawn.training(0), row))
    assert "AUC was undefined at every look." in text


def test_a_single_row_a_constant_loss_and_a_rate_of_nothing_draw(page, make):
    rows = [drawn.training(step, loss=0.0, rate=0.0) for step in (0, 20, 40)]
    assert not re.search(r"\bnan\b", page(put_rows(make(), *rows, drawn.look(40)))[1])
    assert 'aria-label="Loss by epoch' in page(put_rows(make(), drawn.training(0)))[1]


def test_a_wild_batch_does_not_press_the_rest_flat(make):
    rows = drawn.rows(10)
    rows[100]["loss"] = 1e6
    loss = run_curves.of(runs.read(put_rows(make(), *rows)))[0]
    assert 2 < max(float(tick.label.replace(",", "")) for tick in loss.y) < 10


def test_long_runs_keep_their_spikes_and_stay_small(make):
    points = [(float(n), 1.0) for n in range(50_000)]
    points[12_345] = (12_345.0, 7.0)
    kept = chart.thinned(points)
    assert len(kept) <= chart.MOST_POINTS and (12_345.0, 7.0) in kept
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)


def test_smoothing_has_no_pull_of_its_start():
    assert chart.smoothed([2.0] * 5, span=10) == pytest.approx([2.0] * 5)
    assert chart.smoothed([0.0, 1.0], span=1) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale.round_([0.13, 0.87], least=0, most=1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Scale.round_([0.613, 0.631]), [0.61, 0.615, 0.62, 0.625, 0.63, 0.635]),
        (Scale.decades([1e-9, 1e-3]), [1e-6, 1e-5, 1e-4, 1e-3]),
        (Scale.decades([1e-3, 9e-4]), [5e-4, 1e-3]),
        (Scale.decades([1e-3, 1e-3]), [5e-4, 1e-3, 2e-3]),
        (Scale(0, 30), [0, 5, 10, 15, 20, 25, 30]),
        (Scale(0, 0.9), [0, 0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_ticks_are_round(scale, ticks):
    assert scale.ticks() == pytest.approx(ticks)


def test_axes_hold_all_values():
    for values in ([3.0], [0.0, 0.0], [1e-7, 2e-7], [-5.0, 12.0], []):
        scale = Scale.round_(values)
        assert scale.low < scale.high and all(0 <= scale.at(value) <= 100 for value in values)


@pytest.mark.parametrize(("value", "shown"), [(1e-3, "10⁻³"), (3e-4, "3×10⁻⁴"), (1.0, "10⁰"), (9.87e-4, "9.9×10⁻⁴")])
def test_powers_of_ten(value, shown):
    assert chart.power(value) == shown


def test_nothing_leaves_the_page_and_names_are_escaped(page):
    _, html = page(name=EVIL, warnings=[EVIL], recipe=RECIPE | {"summary": EVIL, "source": EVIL})
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "default-src 'none'" in html and not re.search(r"https?://|url\(|@import|src=|href=", html)


def test_the_page_may_be_written_elsewhere(make, tmp_path):
    run = runs.read(make())
    assert run_page.write(run, now=NOW, out=tmp_path / "run.html") == tmp_path / "run.html"
    assert not (run.folder / "index.html").exists()


@pytest.fixture
def compared(make, tmp_path):
    def call(*folders):
        path = tmp_path / "compared.html"
        compare_page.write([runs.read(folder) for folder in folders], path, now=NOW)
        html = path.read_text(encoding="utf-8")
        return text_of(html), html

    return call


def test_runs_side_by_side(compared, make):
    changed = RECIPE | {"engine": RECIPE["engine"] | {"batch": 64}, "seed": 7}
    text, html = compared(make("first"), make("second", skill=0.7, recipe=changed))
    assert "2 runs side by side" in text and "1 first two-phase, finished after 3 h 12 min" in text
    assert "0.820 (0.790 to 0.850)" in text and "0.700 (0.670 to 0.730)" in text
    assert "engine.batch 32 64" in text and "seed 20261121 7" in text and "engine.precision" not in text
    assert html.count('role="img"') == 6 and 'class="line run run-2"' in html and "<li class" not in html
    assert "<script" not in html and not re.search(r"https?://|url\(|@import|src=|href=", html)


def test_what_must_not_be_compared_is_said(compared, make):
    text, _ = compared(make("first"), make("second", manifest="cd34" * 16, leaky=True, start=SCRATCH))
    for words in ("not scored on the same pictures", "Some of the runs are LEAKY",
                  "Some of the runs began from scratch", "LEAKY 0.820", "vgg16 FROM SCRATCH"):
        assert words in text


def test_equal_runs_and_runs_without_figures(compared, make):
    text, _ = compared(make("first"), put_rows(make("second", metrics=False)))
    assert text.count("None: these are the same in all of them.") == 2 and text.count("not scored") == 4


@pytest.mark.parametrize("count", [1, 9])
def test_too_few_or_too_many_to_tell_apart(make, tmp_path, count):
    run = runs.read(make())
    with pytest.raises(UsageError, match=f"{count} runs? given; from 2 to 8"):
        compare_page.write([replace(run, name=str(n)) for n in range(count)], tmp_path / "x.html", now=NOW)


def test_durations_in_words():
    for seconds, words in ((0.4, "0 s"), (59.4, "59 s"), (61, "1 min"), (3599, "1 h 00 min"),
                           (3600 * 30, "30 h 00 min"), (86_400 * 9, "9 days")):
        assert run_page.lasted(timedelta(seconds=seconds)) == words


def test_a_look_is_placed_where_its_value_is(make):
    folder = put_rows(make(), drawn.training(0), drawn.training(244), drawn.look(244))
    auc = run_curves.of(runs.read(folder))[2]
    (dot,) = auc.dots
    value = drawn.look(244)["validation"]["auc"]
    low, high = float(auc.y[0].label), float(auc.y[-1].label)
    span = auc.y[0].at - auc.y[-1].at
    assert dot.left == 100 and math.isclose(dot.top, auc.y[0].at - span * (value - low) / (high - low), abs_tol=0.05)
