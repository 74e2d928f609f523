"""Torch on one thread, drawn pictures, and one bundle built end to end for every test that needs one."""

from __future__ import annotations

import copy
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

#: A recipe at a size that a test can afford.
RECIPE: dict[str, Any] = {
    "name": "mini", "summary": "for tests", "datasets": ["ham10000", "milk10k"], "exams": ["isic2018", "isic2017"],
    "seed": 5,
    "split": {"train": 0.6, "calibration": 0.25, "test": 0.15, "seed": 3},
    "network": {"backbone": "lite0"},
    "phases": [{"samples": 8, "size": 48, "learning_rate": 1e-3, "head_learning_rate": 3e-3, "trainable": "after:2"},
               {"samples": 8, "size": 64, "learning_rate": 1e-3, "head_learning_rate": 3e-3, "trainable": "after:2"}],
    "schedule": {"warmup": 0.1, "span": "run"},
    "loss": {"smoothing": 0.05},
    "sampling": {"exponent": 0.5},
    "engine": {"batch": 4, "ema": 0.9, "validate_every": 0},
    "serving": {"size": 64, "views": 2, "logit_adjustment": 0.25},
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
    return copy.deepcopy(RECIPE)


@pytest.fixture
def recipe(table):
    from macule.training import recipe as recipes

    return recipes.parse(table, where="test")


@pytest.fixture(scope="session")
def backbone():
    """EfficientNet-Lite0 with its ImageNet weights; copy it before changing it."""
    from macule.training.networks import pretrained

    return pretrained.load("lite0", "require", {})[0].eval()


@pytest.fixture(scope="session")
def dozen():
    """Twelve drawn pictures, uint8 (12, 96, 96, 3), and their records."""
    from macule.training import labels
    from macule.training.batches import TrainingSet
    from macule.training.recipe import Targets

    kinds = ("naevus", "irregular-pigmented", "stuck-on-keratosis", "arborising-vessels")
    codes = (Diagnosis.NV, Diagnosis.MEL, Diagnosis.BKL, Diagnosis.BCC)
    about = Patient(age=50.0, sex=Sex.MALE, modality=Modality.DERMOSCOPIC)
    records = [Record(Path(f"{n}.jpg"), "drawn", str(n), frozenset({codes[n % 4]}), f"drawn:{n}", about)
               for n in range(12)]
    pictures = [cv2.resize(draw(preset(kinds[n % 4]), size=(96, 96), seed=n), (96, 96)) for n in range(12)]
    return TrainingSet(np.stack(pictures), records, labels.allowed(records, Targets.DIAGNOSIS))


@dataclass(frozen=True)
class Built:
    """A bundle made by `macule train` from miniature data sets. recipe: what was asked for. parts: what it was given.

    network: the torch network as it was exported.
    """

    root: Path
    out: Path
    work: Path
    run: Path
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
    from macule.training.build import Source

    root, place = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("made")
    _draw_sets(root)
    made = recipes.parse({**RECIPE, "phases": RECIPE["phases"][1:]}, where="test")
    (place / "out").mkdir()
    (place / "out" / "card.md").write_text("of the network that stood here before")
    log: list[str] = []
    exported: list[Any] = []

    def to_onnx(network, path, *, size, original=export.to_onnx):
        exported.append(network)
        original(network, path, size=size, exporter="torchscript")  # dynamo takes ten times as long

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "MIN_POSITIVES", 2)
        patch.setattr(fit, "GATE_DIRECTIONS", 8)
        patch.setattr(export, "to_onnx", to_onnx)
        run = build.build(made, Source(root, place / "work"), place / "out", log=log.append)
        parts = prepare.read(made, root, place / "work")
    (network,) = exported
    return Built(root, place / "out", place / "work", run, log, made, parts, network)


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
