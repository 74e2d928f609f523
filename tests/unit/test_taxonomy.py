from __future__ import annotations

import pytest

from macule.taxonomy import PROJECTIONS, TABLE, Diagnosis, Malignancy, resolve

ALIASES = [(alias, code) for code, entry in TABLE.items() for alias in entry.aliases]


@pytest.mark.parametrize(("alias", "code"), ALIASES)
@pytest.mark.parametrize("spell", [str, str.upper, lambda text: f"  {text.title()} "], ids=["plain", "upper", "padded"])
def test_every_alias_resolves(alias, code, spell):
    assert resolve(spell(alias)) is code


def test_no_alias_is_claimed_by_two_classes():
    assert len({alias for alias, _ in ALIASES}) == len(ALIASES)


def test_aliases_are_stored_as_they_are_compared():
    assert [alias for alias, _ in ALIASES if alias != alias.strip().lower()] == []


def test_every_class_resolves_from_its_own_code():
    assert [resolve(code.value) for code in Diagnosis] == list(Diagnosis)


@pytest.mark.parametrize("label", ["", "unk", "melanom", "nv,mel"])
def test_an_unknown_label_is_refused(label):
    with pytest.raises(KeyError):
        resolve(label)


def test_the_order_that_bundles_rely_on():
    assert [code.value for code in Diagnosis] == [
        "akiec", "bcc", "ben_oth", "bkl", "df", "inf", "mal_oth", "mel", "nv", "sccka", "vasc",
    ]
    assert list(TABLE) == list(Diagnosis)


def test_malignancy():
    by_kind = {kind: {code.value for code in Diagnosis if code.malignancy is kind} for kind in Malignancy}
    assert by_kind == {
        Malignancy.MALIGNANT: {"bcc", "mal_oth", "mel", "sccka"},
        Malignancy.INDETERMINATE: {"akiec"},
        Malignancy.BENIGN: {"ben_oth", "bkl", "df", "inf", "nv", "vasc"},
    }


def test_what_counts_towards_the_malignant_probability():
    assert {code.value for code in Diagnosis if code.suspicious} == {"akiec", "bcc", "mal_oth", "mel", "sccka"}


@pytest.mark.parametrize("code", Diagnosis)
def test_an_entry_can_be_shown(code):
    entry = code.entry
    assert entry.name == entry.name.strip() != ""
    assert entry.plain[0].isupper() and entry.plain.endswith(".")
    assert entry.snomed is None or entry.snomed.isdigit()


@pytest.mark.parametrize("vocabulary", PROJECTIONS)
def test_a_projection_names_known_classes_once(vocabulary):
    named = [code for codes in PROJECTIONS[vocabulary].values() for code in codes]
    assert set(named) <= set(Diagnosis)
    assert len(named) == len(set(named))


@pytest.mark.parametrize("vocabulary", ["ham7", "isic8", "pad6", "milk11"])
def test_a_projection_agrees_with_the_aliases(vocabulary):
    assert all((resolve(label),) == codes for label, codes in PROJECTIONS[vocabulary].items())


@pytest.mark.parametrize(("vocabulary", "size"), [("milk11", 11), ("ham7", 7), ("isic8", 8), ("pad6", 6)])
def test_the_size_of_a_vocabulary(vocabulary, size):
    assert len(PROJECTIONS[vocabulary]) == size


def test_the_binary_vocabulary_covers_every_class():
    binary = PROJECTIONS["binary"]
    assert set(binary["malignant"]) | set(binary["benign"]) == set(Diagnosis)
    assert set(binary["malignant"]) == {code for code in Diagnosis if code.suspicious}
