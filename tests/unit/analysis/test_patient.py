from __future__ import annotations

import pytest

from macule.analysis.patient import VECTOR_LENGTH, Modality, Patient, Sex, Site, encode
from macule.errors import InvalidMetadata


@pytest.mark.parametrize("age", [-3, 400, 120.5, float("nan"), float("inf"), "NaN", "-3", "old", "1e9"])
def test_impossible_ages(age: float | str) -> None:
    with pytest.raises(InvalidMetadata, match="age"):
        Patient.parse(age=age)


@pytest.mark.parametrize("field", ["sex", "site", "modality"])
def test_unknown_words_are_answered_with_the_known_ones(field: str) -> None:
    with pytest.raises(InvalidMetadata, match=rf"{field} is 'moon'; it must be one of"):
        Patient.parse(**{field: "moon"})


def test_what_people_type() -> None:
    patient = Patient.parse(age=" 54 ", sex="F", site="Upper-Extremity", modality="Dermoscopy")
    assert patient == Patient(54.0, Sex.FEMALE, Site.UPPER_EXTREMITY, Modality.DERMOSCOPIC)


def test_blank_is_unknown_and_zero_is_not() -> None:
    assert Patient.parse(age="", sex=" ", site=None) == Patient()
    assert Patient.parse(age=0).age == 0
    assert not encode(Patient()).any()
    assert encode(Patient(age=0)).tolist()[:2] == [1.0, -2.0]


@pytest.mark.parametrize("value", [*Sex, *Site, *Modality])
def test_every_value_has_its_own_place(value: Sex | Site | Modality) -> None:
    field = {Sex: "sex", Site: "site", Modality: "modality"}[type(value)]
    vector = encode(Patient.parse(**{field: value.value}))
    assert vector.shape == (VECTOR_LENGTH,) == (13,)
    assert vector.sum() == 1
