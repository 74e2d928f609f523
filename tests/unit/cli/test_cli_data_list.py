from __future__ import annotations

import json

import pytest
from rich.console import Console

from macule.cli import table
from macule.cli.data.list import list_
from macule.data.sources import SOURCES


@pytest.fixture
def shown(monkeypatch, capsys):
    """The table as a terminal of 120 columns shows it, line by line."""
    monkeypatch.setattr(table, "make_console", lambda: Console(width=120))
    list_()
    return capsys.readouterr().out.splitlines()


def test_every_set_stands_in_the_table_in_order(shown):
    firsts = [line.split()[0] for line in shown[2:] if line and not line.startswith(" ")]
    assert firsts == list(SOURCES)


def test_no_address_and_no_count_is_broken_over_lines(shown):
    text = "\n".join(shown)
    assert max(map(len, shown)) <= 120
    for source in SOURCES.values():
        assert source.home in text
        assert source.pictures is None or f"{source.pictures:,}" in text


def test_what_is_published_of_each(shown):
    lines = {line.split()[0]: line for line in shown if line and not line.startswith((" ", "─"))}
    assert "lesion" in lines["ham10000"] and "CC BY-NC 4.0" in lines["ham10000"]
    assert "fitzpatrick" in lines["pad-ufes-20"] and "milk" in lines["milk10k"].split()
    assert "all 11" in lines["milk10k"] and "bkl mel nv" in lines["isic2017"]
    assert "patient" in "\n".join(shown)
    assert lines["ph2"].split()[1:4] == ["200", "mel", "nv"]


def test_json_says_everything(capsys):
    list_(as_json=True)
    facts = {entry["id"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(facts) == list(SOURCES)
    pad = facts["pad-ufes-20"]
    assert (pad["pictures"], pad["skin_tone"]) == (2_298, "fitzpatrick")
    assert pad["lesion_ids"] and pad["patient_ids"]
    assert facts["isic2017"]["parts"] == ["train", "val", "test"]
    assert facts["isic2018"]["options"]["task"].startswith("3")
    assert facts["csv"]["pictures"] is None and facts["csv"]["licence"] is None
    assert all(entry["how"] and entry["classes"] and entry["folder"] for entry in facts.values())
