from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from macule.analysis.patient import (
    MODALITY_ALIASES,
    SEX_ALIASES,
    SITE_ALIASES,
    VECTOR_LENGTH,
    Modality,
    Patient,
    Sex,
    Site,
    encode,
)
from macule.errors import InvalidMetadata


@pytest.mark.parametrize(
    "age", [float("nan"), float("inf"), -3, -0.5, 120.5, 400, "abc", "4O", "nan", "-3", "400", "5 0"]
)
def test_an_impossible_age_is_refused_with_its_value(age):
    with pytest.raises(InvalidMetadata, match=r"age is .*0 to 120") as caught:
        Patient.parse(age=age)
    assert repr(age) in str(caught.value) or str(float(age)) in str(caught.value)


@pytest.mark.parametrize("age", [float("nan"), -1, 121])
def test_the_constructor_refuses_as_well(age):
    with pytest.raises(InvalidMetadata):
        Patient(age=age)


@pytest.mark.parametrize(("age", "years"), [(0, 0.0), ("0", 0.0), (120, 120.0), (" 54 ", 54.0), ("54.5", 54.5)])
def test_an_age_is_read(age, years):
    assert Patient.parse(age=age).age == years


def test_age_zero_is_not_unknown():
    newborn, unknown = Patient.parse(age=0), Patient.parse()
    assert newborn.age == 0 and unknown.age is None and newborn != unknown
    assert encode(newborn)[:2].tolist() == [1.0, -2.0]
    assert encode(unknown)[:2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("blank", [None, "", "   ", "\t"])
def test_blank_means_unknown(blank):
    assert Patient.parse(age=blank, sex=blank, site=blank, modality=blank) == Patient()


@pytest.mark.parametrize("field", ["sex", "site", "modality"])
def test_an_unknown_word_is_refused_with_what_is_known(field):
    with pytest.raises(InvalidMetadata, match=f"{field} is 'elbow-ish'; it must be one of: ") as caught:
        Patient.parse(**{field: "elbow-ish"})
    known = {"sex": SEX_ALIASES, "site": SITE_ALIASES, "modality": MODALITY_ALIASES}[field]
    assert all(word in str(caught.value) for word in known)


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("Back", Site.TRUNK),
        ("lower-extremity", Site.LOWER_EXTREMITY),
        ("head/neck", Site.HEAD_NECK),
        ("HEAD_NECK_FACE", Site.HEAD_NECK),
        (" upper   extremity ", Site.UPPER_EXTREMITY),
        ("sole", Site.FOOT),
        ("oral/genital", Site.GENITAL),
    ],
)
def test_a_site_is_read(site, expected):
    assert Patient.parse(site=site).site is expected


@pytest.mark.parametrize("site", Site)
def test_our_own_words_for_sites_are_read(site):
    assert Patient.parse(site=site.value).site is site


@pytest.mark.parametrize(("text", "expected"), [("F", Sex.FEMALE), ("Male", Sex.MALE), (" m ", Sex.MALE)])
def test_sex_is_read(text, expected):
    assert Patient.parse(sex=text).sex is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Dermoscopy", Modality.DERMOSCOPIC), ("clinical: close-up", Modality.CLINICAL), ("phone", Modality.CLINICAL)],
)
def test_modality_is_read(text, expected):
    assert Patient.parse(modality=text).modality is expected


def test_the_vector_of_nobody_is_zero():
    vector = encode(Patient())
    assert vector.dtype == np.float32 and vector.shape == (VECTOR_LENGTH,) == (13,)
    assert not vector.any()


def test_the_layout_that_networks_were_trained_with():
    whole = Patient(age=75, sex=Sex.MALE, site=Site.TRUNK, modality=Modality.CLINICAL)
    assert encode(whole).tolist() == [1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(("field", "places"), [("sex", 2), ("site", 4), ("modality", 11)])
def test_each_word_lights_its_own_place(field, places):
    kind = {"sex": Sex, "site": Site, "modality": Modality}[field]
    for offset, word in enumerate(kind):
        vector = encode(Patient(**{field: word}))
        assert np.flatnonzero(vector).tolist() == [places + offset]


def test_a_patient_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Patient().age = 3  # type: ignore[misc]
