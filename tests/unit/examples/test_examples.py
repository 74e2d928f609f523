"""The drawn example pictures: deterministic, honest about being drawn, and right where they claim to be."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import macule.examples
from macule.errors import UsageError
from macule.examples import Kind, Scene, draw, draw_with_mask, ita, preset, tone_rgb, write_examples
from macule.examples.files import DESCRIPTION, LARGEST_BYTES, PICTURES
from macule.examples.tone import TONES

SMALL = (240, 180)
ITA_GROUPS = {1: (55, 90), 2: (41, 55), 3: (28, 41), 4: (10, 28), 5: (-30, 10), 6: (-90, -30)}
STRUCTURES = [
    *("network", "globules", "streaks", "veil", "nests", "vessels", "milia", "openings"),
    *("lacunae", "white_patch", "scale", "crust"),
]
ARTEFACTS = ["hair", "ruler", "ink", "bubbles", "vignette", "glare"]


def lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIELAB, shape (H, W, 3)."""
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(np.float32)


def detail(rgb: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian, the usual measure of focus."""
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def varied(scene: Scene, name: str, value: float) -> Scene:
    fields: dict[str, Any] = {name: value}
    return replace(scene, **fields)


def read(path: Path) -> NDArray[np.uint8]:
    """sRGB."""
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_examples(tmp_path_factory.mktemp("pictures") / "made", seed=0)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_draws_the_asked_size_with_its_mask(kind: Kind) -> None:
    picture, mask = draw_with_mask(preset(kind), size=SMALL, seed=1)
    assert picture.shape == (180, 240, 3)
    assert picture.dtype == np.uint8
    assert mask.shape == (180, 240)
    assert mask.dtype == np.bool_
    assert mask.any() == (kind is not Kind.PLAIN)


@pytest.mark.parametrize("kind", [Kind.IRREGULAR, Kind.ARBORISING])
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(kind: Kind) -> None:
    scene = replace(preset(kind), hair=0.5, bubbles=0.5, glare=0.4, jpeg=80)
    first = draw(scene, size=SMALL, seed=7)
    assert first.tobytes() == draw(scene, size=SMALL, seed=7).tobytes()
    assert first.tobytes() != draw(scene, size=SMALL, seed=8).tobytes()


def test_drawing_does_not_touch_the_global_random_state() -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    draw(preset(Kind.NAEVUS), size=SMALL, seed=1)
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])


@pytest.mark.parametrize("tone", TONES)
def test_a_tone_lies_in_its_group_of_the_typology_angle(tone: int) -> None:
    low, high = ITA_GROUPS[tone]
    assert low < ita(TONES[tone]) < high
    back = cv2.cvtColor(tone_rgb(tone).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]
    assert back == pytest.approx(TONES[tone], abs=0.5)  # the tone is inside sRGB: nothing was clipped


def test_drawn_skin_darkens_from_tone_1_to_6_and_keeps_to_its_group() -> None:
    medians = [np.median(lab(draw(Scene(radius=0.0, tone=t), size=SMALL, seed=2)), axis=(0, 1)) for t in TONES]
    lightness = [m[0] for m in medians]
    angles = [ita(tuple(m)) for m in medians]
    assert lightness == sorted(lightness, reverse=True)
    assert angles == sorted(angles, reverse=True)
    assert min(-np.diff(lightness)) > 3


@pytest.mark.parametrize("tone", [1, 4, 6])
def test_the_mask_covers_what_is_darker(tone: int) -> None:
    picture, mask = draw_with_mask(replace(preset(Kind.NAEVUS), tone=tone), seed=3)
    lightness = lab(picture)[..., 0]
    assert lightness[mask].mean() < lightness[~mask].mean() - 5
    assert 0.05 < mask.mean() < 0.6


def test_the_mask_follows_the_radius() -> None:
    areas = [draw_with_mask(replace(preset(Kind.NAEVUS), radius=r), seed=3)[1].sum() for r in (0.1, 0.2, 0.3)]
    assert areas == sorted(areas)
    assert areas[2] / areas[0] == pytest.approx(9, rel=0.15)


def test_irregularity_lengthens_the_border() -> None:
    def compactness(irregularity: float) -> float:
        scene = replace(preset(Kind.NAEVUS), irregularity=irregularity)
        ratios = []
        for seed in range(4):
            mask = draw_with_mask(scene, seed=seed)[1].astype(np.uint8)
            border = max(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
            ratios.append(cv2.arcLength(border, True) ** 2 / (4 * np.pi * cv2.contourArea(border)))
        return float(np.mean(ratios))

    assert compactness(0.9) > 1.3 * compactness(0.0)


def test_hair_darkens_thin_lines_and_leaves_the_rest() -> None:
    bare = Scene(radius=0.0, tone=2)
    without, hairy = draw(bare, seed=4).astype(int), draw(replace(bare, hair=0.5), seed=4).astype(int)
    darker = without.sum(2) - hairy.sum(2) > 120
    assert 0.005 < darker.mean() < 0.12
    thickest = cv2.distanceTransform(darker.astype(np.uint8), cv2.DIST_L2, 5)
    assert np.percentile(thickest[darker], 95) < 3  # half the width, px
    assert np.median(np.abs(without - hairy)) <= 1


@pytest.mark.parametrize("name", STRUCTURES)
def test_each_structure_changes_the_lesion_only(name: str) -> None:
    plain = Scene(radius=0.3, pigment=0.8)
    before, mask = draw_with_mask(plain, seed=5)
    after = draw(varied(plain, name, 0.8), seed=5)
    change = np.abs(before.astype(int) - after.astype(int)).sum(2)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((41, 41))) == 1  # streaks point outwards
    far = cv2.dilate(mask.astype(np.uint8), np.ones((91, 91))) == 0
    assert (change[near] > 25).mean() > 0.01
    assert change[far].mean() < 0.5


@pytest.mark.parametrize("name", ARTEFACTS)
def test_each_artefact_changes_the_picture_and_not_the_mask(name: str) -> None:
    before, mask = draw_with_mask(preset(Kind.NAEVUS), seed=6)
    after, same = draw_with_mask(varied(preset(Kind.NAEVUS), name, 0.8), seed=6)
    assert np.array_equal(mask, same)
    assert np.mean(np.abs(before.astype(int) - after.astype(int)).sum(2) > 30) > 0.003


def test_vessels_redden_and_the_veil_turns_blue() -> None:
    plain = Scene(radius=0.3, pigment=0.6)
    before, mask = draw_with_mask(plain, seed=7)
    vessels = lab(draw(replace(plain, vessels=1.0), seed=7))[mask] - lab(before)[mask]
    veil = lab(draw(replace(plain, veil=1.0), seed=7))[mask] - lab(before)[mask]
    assert np.percentile(vessels[:, 1], 95) > 8  # a*: redder
    assert np.percentile(veil[:, 2], 5) < -8  # b*: bluer


def test_the_camera_does_what_its_fields_say() -> None:
    scene = replace(preset(Kind.NAEVUS), hair=0.3)
    sharp = draw(scene, seed=8)
    assert detail(draw(replace(scene, blur=6.0, noise=0.0), seed=8)) < 0.1 * detail(sharp)
    assert draw(replace(scene, exposure=0.06), seed=8).mean() < 0.45 * sharp.mean()
    assert (draw(replace(scene, glare=1.0), seed=8).min(2) > 245).mean() > 0.01
    rim = draw(replace(scene, vignette=0.9), seed=8)
    assert rim[:20, :20].max() < 30
    assert rim[225, 300].mean() > 30
    blue = draw(replace(scene, cast=(0.8, 1.0, 1.3)), seed=8).reshape(-1, 3).mean(0) - sharp.reshape(-1, 3).mean(0)
    assert blue[0] < -3 < 3 < blue[2]
    assert not np.array_equal(draw(replace(scene, jpeg=30), seed=8), sharp)


@pytest.mark.parametrize(
    ("field", "value"),
    [("tone", 0), ("tone", 7), ("hair", -0.1), ("hair", float("nan")), ("radius", 2.0), ("modality", "x-ray")],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field):
        Scene(**{field: value})


def test_wrong_casts_kinds_sizes_and_seeds_are_refused() -> None:
    with pytest.raises(UsageError, match="cast"):
        Scene(cast=(1.0, 0.0, 1.0))
    with pytest.raises(UsageError, match="naevus"):
        preset("mole")
    with pytest.raises(UsageError, match="8 x 8"):
        draw(Scene(), size=(8, 8), seed=0)
    with pytest.raises(UsageError, match="seed"):
        draw(Scene(), seed=-1)


def test_the_written_files_are_small_jpegs_that_say_they_are_synthetic(written: list[Path]) -> None:
    assert [p.stem for p in written] == list(PICTURES)
    for path in written:
        content = path.read_bytes()
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (450, 600, 3)
        assert len(content) <= LARGEST_BYTES
        assert DESCRIPTION.encode() in content[:200]
    assert sum(p.stat().st_size for p in written) <= 900_000


def test_other_software_reads_the_description(written: list[Path]) -> None:
    image = pytest.importorskip("PIL.Image")
    with image.open(written[0]) as picture:
        assert picture.getexif()[0x010E] == DESCRIPTION


def test_the_set_covers_every_tone_and_names_it(written: list[Path]) -> None:
    assert {scene.tone for scene in PICTURES.values()} == set(TONES)
    assert all(f"skin-{PICTURES[p.stem].tone}" in p.stem for p in written)


def test_the_spoilt_pictures_are_spoilt(written: list[Path]) -> None:
    pictures = {p.stem: read(p) for p in written}
    sharpness = {name: detail(picture) for name, picture in pictures.items()}
    brightness = {name: float(np.percentile(picture, 95)) for name, picture in pictures.items()}
    assert min(sharpness, key=sharpness.__getitem__) == "blurred-skin-2"
    assert min(brightness, key=brightness.__getitem__) == "too-dark-skin-4"
    assert not PICTURES["plain-skin-5"].has_lesion


def test_the_committed_pictures_are_those_that_the_code_draws(written: list[Path]) -> None:
    committed = Path(__file__).parents[3] / "examples" / "pictures"
    assert {p.name for p in committed.glob("*.jpg")} == {p.name for p in written}
    for path in written:  # not to the byte: another processor or OpenCV may round differently
        ours, theirs = read(path), read(committed / path.name)
        assert np.abs(ours.astype(int) - theirs.astype(int)).mean() < 1.0, path.name


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    source = str(Path(macule.examples.__file__).parents[2])
    command = [sys.executable, *(["-c", code] if code else ["-m", "macule.examples", *arguments])]
    environment = {**os.environ, "PYTHONPATH": source}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_it_runs_as_a_module(tmp_path: Path) -> None:
    done = run(str(tmp_path / "new" / "folder"))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "new" / "folder").glob("*.jpg"))) == len(PICTURES)
    assert run().returncode == 2
    assert "usage" in run("folder", "not-a-seed").stderr


def test_it_needs_no_torch_and_no_pillow() -> None:
    done = run(code="import sys, macule.examples; sys.exit(len({'torch', 'PIL', 'scipy'} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
