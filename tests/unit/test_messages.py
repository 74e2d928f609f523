"""The wording: every key that is used exists, and every language says the same things as English."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from macule import messages
from macule.analysis import quality
from macule.analysis.patient import Modality, Site
from macule.analysis.result import Risk
from macule.records.body_map import REGIONS
from macule.records.domain import ConsentScope, Management, MapView
from macule.web import templating

TEMPLATES = Path(templating.__file__).parent / "templates" / "clinic" / "care"
ENGLISH = messages.catalogue("en").texts
#: Keys that templates put together from a vocabulary: all of its words must be there.
VOCABULARIES = {
    "answer.risk.{}.title": Risk, "answer.risk.{}.next": Risk, "my.risk.{}.next": Risk, "my.risk.{}.title": Risk,
    "answer.management.{}": Management, "my.management.{}": Management, "capture.modality.{}": Modality,
    "capture.site.{}": Site, "capture.view.{}": MapView, "consent.scope.{}.give": ConsentScope,
    "consent.scope.{}.give_own": ConsentScope, "consent.scope.{}.confirm": ConsentScope,
    "capture.check.{}.name": quality._ADVICE, "capture.check.{}.change": quality._ADVICE, "capture.region.{}": REGIONS,
    "answer.place.{}": ("centre", "spread", "left", "right", "above", "below", "above_left", "above_right",
                        "below_left", "below_right"),
    "my.state.{}": ("waiting", "refused", "failed", "review", "answered", "decided"),
}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def differences(language: str) -> list[str]:
    """What a language says that English does not, or fills in otherwise. Keys that it lacks read as English."""
    told = messages.catalogue(language).texts
    return sorted(
        [f"{key}: not in English" for key in told.keys() - ENGLISH.keys()]
        + [f"{key}: {sorted(placeholders(told[key]))} instead of {sorted(placeholders(ENGLISH[key]))}"
           for key in told.keys() & ENGLISH.keys() if placeholders(told[key]) != placeholders(ENGLISH[key])]
    )


@pytest.mark.parametrize("language", messages.languages())
def test_a_language_says_what_english_says(language: str) -> None:
    assert differences(language) == []


def test_a_made_up_language_is_held_against_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xx").mkdir()
    (tmp_path / "xx" / "capture.toml").write_text(
        'title = "Tapu piku"\nlead = "{spot}: bim"\nnew = "?"\n[button]\nsend = "Senu"\n', encoding="utf-8")
    (tmp_path / "en").mkdir()
    for path in (Path(messages.__file__).parent / "en").glob("*.toml"):
        (tmp_path / "en" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(messages, "HERE", tmp_path)
    messages.catalogue.cache_clear()
    try:
        assert differences("xx") == ["capture.lead: ['spot'] instead of ['lesion']", "capture.new: not in English"]
        made_up = messages.catalogue("xx")
        assert made_up.text("capture.title") == "Tapu piku"
        assert made_up.text("capture.again") == ENGLISH["capture.again"], "what is missing reads as English"
    finally:
        messages.catalogue.cache_clear()


def used() -> tuple[set[str], set[str]]:
    """Keys that templates name whole, and beginnings that they complete."""
    whole: set[str] = set()
    begun: set[str] = set()
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for call in re.findall(r"\bt\(((?:[^()]|\([^()]*\))*)\)", text):
            for key, more in re.findall(r'"((?:answer|capture|consent|my)\.[a-z_.]*)"(\s*~)?', call):
                (begun if more else whole).add(key)
        # Words for the script, and keys kept in a variable.
        whole |= {f"capture.{key}" for key in re.findall(r'"((?:hint|sending|stage|button|fault)\.[a-z_]+)"', text)}
        begun |= set(re.findall(r'set \w+ = "((?:answer|my)\.[a-z_.]+)" ~', text))
    return whole, begun


def test_every_key_in_the_templates_exists() -> None:
    whole, begun = used()
    assert len(whole) > 100
    assert sorted(key for key in whole if key not in ENGLISH) == []
    assert sorted(key for key in begun if not any(known.startswith(key) for known in ENGLISH)) == []


@pytest.mark.parametrize("pattern", sorted(VOCABULARIES))
def test_every_word_of_a_vocabulary_can_be_said(pattern: str) -> None:
    missing = [word for word in VOCABULARIES[pattern] if pattern.format(getattr(word, "value", word)) not in ENGLISH]
    assert missing == []


def test_no_wording_is_left_over() -> None:
    whole, begun = used()
    begun = {key for key in begun if key != "capture."}
    rooms = ("answer.", "capture.", "consent.", "my.")
    script = (Path(templating.STATIC) / "clinic" / "capture.js").read_text(encoding="utf-8")
    begun |= {f"capture.{key}" for key in re.findall(r"`(hint\.\w*|fault\.)\$", script)}
    left = [key for key in ENGLISH if key.startswith(rooms) and key not in whole
            and not any(key.startswith(beginning) for beginning in begun)]
    assert left == []
