"""Patients of whom less is known than is."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator

from macule.analysis.patient import Patient


def forget(patient: Patient, *, field: float, everything: float, rng: Generator) -> Patient:
    """The patient with fields hidden at random, so that the network never needs any of them."""
    if rng.random() < everything:
        return Patient()
    hidden = {name: None for name in ("age", "sex", "site", "modality") if rng.random() < field}
    return replace(patient, **hidden)
