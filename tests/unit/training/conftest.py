"""Torch on one thread, drawn pictures, and one bundle built end to end for every test that needs one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before torch: idle threads that spin would starve the others on a small machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import miniature
import numpy as np
import pytest

from macule.analysis.patient import Modality, Patient, Sex
from macule.data.record import Record
from macule.examples import draw, preset
from macule.taxonomy import Diagnosis

#: Every key of a recipe, at a size that a test can afford.
RECIPE: dict[str, Any] = {
    "name": "mini", "backbone": "lite0", "datasets": ["ham10000", "milk10k"], "serve_size": 64, "views": 2, "batch": 4,
    "learning_rate": 1e-3, "head_learning_rate": 3e-3, "weight_decay": 0.02, "warmup_share": 0.1,
    "label_smoothing": 0.05, "dropout": 0.2, "ema_decay": 0.9, "frozen_blocks": 2, "sampling_exponent": 0.5,
    "logit_adjustment": 0.25,
    "field_dropout": 0.3, "all_dropout": 0.3, "seed": 5,
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    try:
        import torch
    except ImportError:
        return  # each file says so itself
    torch.set_num_threads(1)


@pytest.fixture
def table():
    """A recipe as TOML is read; each test may change its own."""
    return {**RECIPE, "stages": [{"samples": 8, "size": 48}, {"samples": 8, "size": 64}]}


@pytest.fixture
def recipe(table):
    from macule.training import recipe as recipes

    return recipes.parse(table, where="test")


@pytest.fixture(scope="session")
def backbone():
    """EfficientNet-Lite0 with its ImageNet weights; copy it before changing it."""
    from macule.training import weights

    return weights.imagenet("lite0").eval()


@pytest.fixture(scope="session")
def dozen():
    """Twelve drawn pictures, uint8 (12, 96, 96, 3), and their records."""
    from macule.training.loop import TrainingSet

    kinds = ("naevus", "irregular-pigmented", "stuck-on-keratosis", "arborising-vessels")
    labels = (Diagnosis.NV, Diagnosis.MEL, Diagnosis.BKL, Diagnosis.BCC)
    about = Patient(age=50.0, sex=Sex.MALE, modality=Modality.DERMOSCOPIC)
    records = [Record(Path(f"{n}.jpg"), "drawn", str(n), frozenset({labels[n % 4]}), f"drawn:{n}", about)
               for n in range(12)]
    pictures = [cv2.resize(draw(preset(kinds[n % 4]), size=(96, 96), seed=n), (96, 96)) for n in range(12)]
    return TrainingSet(np.stack(pictures), records)


@dataclass(frozen=True)
class Built:
    """A bundle made by `macule train` from miniature data sets. recipe: what was asked for. parts: what it was given.

    network: the torch network as it was exported.
    """

    root: Path
    out: Path
    work: Path
    log: list[str]
    recipe: Any
    parts: Any
    network: Any


HAM = ("nv",) * 24 + ("mel",) * 20 + ("bcc",) * 12
MILK = ("NV", "MEL", "SCCKA", "BCC") * 3


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Planted: a HAM10000 lesion that is an ISIC 2018 picture, and a MILK10k one that is a HAM10000 picture."""
    from macule.training import build, export, fit, prepare
    from macule.training import recipe as recipes

    root, place = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("made")
    _draw_sets(root)
    made = recipes.parse({**RECIPE, "stages": [{"samples": 8, "size": 64}]}, where="test")
    (place / "out").mkdir()
    (place / "out" / "card.md").write_text("of the network that stood here before")
    log: list[str] = []
    exported: list[Any] = []

    def to_onnx(network, path, *, size, original=export.to_onnx):
        exported.append(network)
        original(network, path, size=size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "MIN_POSITIVES", 2)
        patch.setattr(fit, "GATE_DIRECTIONS", 8)
        patch.setattr(prepare, "SHARES", {"train": 0.6, "calibration": 0.25, "test": 0.15})
        patch.setattr(export, "to_onnx", to_onnx)
        build.build(made, root, place / "out", place / "work", log=log.append)
        parts = prepare.read(made, root, place / "work")
    (network,) = exported
    return Built(root, place / "out", place / "work", log, made, parts, network)


def _draw_sets(root: Path) -> None:
    paint = miniature.drawn()
    rows = [miniature.ham_row(f"{n:04}", f"1{n:04}", dx, age=40 + n) for n, dx in enumerate(HAM)]
    ham = miniature.ham10000(root / "HAM10000", rows, paint=paint)
    milk = miniature.milk10k(root / "MILK10k", {f"IL_{n}": label for n, label in enumerate(MILK)}, paint=paint)
    isic = miniature.isic2018(root / "ISIC2018", "Validation", {f"ISIC_2{n}": "NV" for n in range(4)}, paint=paint)
    miniature.isic2017(root / "ISIC2017", "Test_v2", {f"ISIC_3{n}": (n % 2, 0) for n in range(4)}, paint=paint)
    shared = draw(preset("globular-naevus"), size=(240, 180), seed=900)
    miniature.save(ham / "HAM10000_images_part_1" / "ISIC_10000.jpg", shared)
    darker = np.asarray(shared[9:-9, 12:-12] * 0.9, np.uint8)
    miniature.save(isic / "ISIC2018_Task3_Validation_Input" / "ISIC_20.jpg", darker)
    twin = draw(preset("irregular-pigmented"), size=(240, 180), seed=901)
    miniature.save(ham / "HAM10000_images_part_2" / "ISIC_10025.jpg", twin)
    # The second of a MILK10k lesion's two pictures is the dermoscopic one; IL_1 is a melanoma, as is HAM_0025.
    miniature.save(milk / "MILK10k_Training_Input" / "IL_1" / "ISIC_9000003.jpg", twin[6:-6, 8:-8])
