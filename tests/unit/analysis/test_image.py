from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from macule_testing import draw, encode
from PIL import Image, ImageCms

from macule.analysis.image import Picture, decode
from macule.errors import ImageTooLarge, InputNotFound, MaculeError, UnreadableImage, UnsupportedImage

pillow_heif.register_heif_opener()
STILLS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF")


def corner(width: int = 400, height: int = 300) -> Image.Image:
    """White, with a red square at the top left."""
    image = Image.new("RGB", (width, height), "white")
    image.paste((220, 0, 0), (0, 0, 40, 40))
    return image


def red_centre(picture: Picture) -> tuple[float, float]:
    """(y, x) of the red square, as shares of the picture."""
    red = np.argwhere((picture.rgb[..., 0] > 180) & (picture.rgb[..., 1] < 90))
    y, x = red.mean(axis=0) / picture.rgb.shape[:2]
    return float(y), float(x)


@pytest.mark.parametrize("image_format", STILLS)
def test_every_format_is_told_from_its_content(image_format: str, tmp_path: Path) -> None:
    path = tmp_path / "misnamed.gif"
    path.write_bytes(encode(corner(), image_format))
    picture = decode(path)
    assert (picture.width, picture.height, picture.format) == (400, 300, image_format)
    assert picture.rgb.shape == (300, 400, 3) and picture.rgb.dtype == np.uint8


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "at"),
    [
        (1, (0, 0)),
        (2, (0, 1)),
        (3, (1, 1)),
        (4, (1, 0)),
        (5, (0, 0)),
        (6, (0, 1)),
        (7, (1, 1)),
        (8, (1, 0)),
        (99, (0, 0)),
    ],
)
def test_exif_turns_the_picture_upright(image_format: str, orientation: int, at: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encode(corner(), image_format, exif=exif))
    size = (300, 400) if orientation in (5, 6, 7, 8) else (400, 300)
    assert (picture.width, picture.height) == size == picture.rgb.shape[1::-1]
    assert tuple(round(part) for part in red_centre(picture)) == at


def test_a_large_jpeg_is_shrunk_on_load_but_keeps_its_size() -> None:
    picture = decode(encode(corner(4000, 3000), "JPEG"))
    assert (picture.width, picture.height) == (4000, 3000)
    assert picture.rgb.shape == (750, 1000, 3)


@pytest.mark.parametrize("image_format", STILLS)
def test_no_format_is_shrunk_below_the_side_asked_for(image_format: str) -> None:
    picture = decode(encode(corner(1000, 700), image_format), short_side=300)
    assert 300 <= min(picture.rgb.shape[:2]) < 600


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (10, 10), (10, 20, 30, 0))
    assert (decode(encode(clear)).rgb == 255).all()
    palette = Image.new("P", (10, 10), 3)
    palette.putpalette(bytes(range(255)))
    assert (decode(encode(palette, transparency=3)).rgb == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_become_rgb(mode: str) -> None:
    picture = decode(encode(Image.fromarray(draw()).convert(mode)))
    assert picture.rgb.shape == (300, 400, 3)


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_cmyk_keeps_its_colours(image_format: str) -> None:
    picture = decode(encode(Image.new("CMYK", (50, 50), (0, 255, 255, 0)), image_format))
    assert np.abs(picture.rgb.astype(int) - (255, 0, 0)).max() <= 3


def test_sixteen_bits_are_scaled_by_their_range() -> None:
    values = np.full((30, 30), 32768, np.uint16)
    _, png = cv2.imencode(".png", values)
    assert np.abs(decode(png.tobytes()).rgb.astype(int) - 128).max() <= 1
    _, colour = cv2.imencode(".png", np.dstack([values, values, values * 0]))
    assert np.abs(decode(colour.tobytes()).rgb[0, 0].astype(int) - (0, 128, 128)).max() <= 1
    half = Image.fromarray(np.full((30, 30), 0.5, np.float32))
    assert np.abs(decode(encode(half, "TIFF")).rgb.astype(int) - 128).max() <= 1


def test_floats_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(UnreadableImage, match="not numbers"):
        decode(encode(Image.fromarray(np.full((30, 30), np.nan, np.float32)), "TIFF"))


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    # sRGB with its red and green primaries exchanged, under another name.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in (
        (b"rXYZ", b"tmp_"),
        (b"gXYZ", b"rXYZ"),
        (b"tmp_", b"gXYZ"),
        ("sRGB".encode("utf-16-be"), b"\0s\0w\0a\0p"),
    ):
        profile = profile.replace(old, new)
    red = decode(encode(Image.new("RGB", (20, 20), (255, 0, 0)), icc_profile=profile)).rgb
    assert np.abs(red.astype(int) - (0, 255, 0)).max() <= 3


def test_a_profile_that_does_not_apply_is_passed_over() -> None:
    image = Image.new("RGB", (20, 20), (200, 100, 100))
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    assert (decode(encode(image, icc_profile=linear.tobytes())).rgb == (200, 100, 100)).all()
    assert (decode(encode(image, icc_profile=b"damaged")).rgb == (200, 100, 100)).all()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    assert (decode(encode(image, icc_profile=srgb.tobytes())).rgb == (200, 100, 100)).all()


@pytest.mark.parametrize("image_format", STILLS)
def test_truncated_files_are_unreadable(image_format: str) -> None:
    content = encode(draw(), image_format)
    with pytest.raises(UnreadableImage):
        decode(content[: len(content) // 2])
    with pytest.raises(UnreadableImage):
        decode(content[:20])


@pytest.mark.parametrize("content", [b"", b"Just a text.", b"BMI,age\n22,40\n", b"\x00" * 500, b"\xff\xd8\xff"])
def test_what_is_no_picture_is_unreadable(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"text\.jpg"):
        decode(path)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(image_format: str) -> None:
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "blue")]
    with pytest.raises(UnsupportedImage):
        decode(encode(frames[0], image_format, save_all=True, append_images=frames[1:]))


def test_the_second_picture_of_a_phones_jpeg_is_no_animation() -> None:
    content = encode(corner(), "MPO", save_all=True, append_images=[Image.new("L", (100, 75))])
    assert decode(content).width == 400


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"GIF89a" + bytes(20), "GIF"),
        (bytes(128) + b"DICM" + bytes(20), "DICOM"),
        (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif", "AVIF"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", "video"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_other_kinds_are_named(content: bytes, word: str) -> None:
    with pytest.raises(UnsupportedImage, match=word):
        decode(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 20_000])
def test_too_many_pixels_are_refused_before_decoding(side: int) -> None:
    with pytest.raises(ImageTooLarge, match="89000000"):
        decode(encode(Image.new("1", (side, side))))


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(encode(draw()))
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageTooLarge, match="1000"):
            decode(source, max_bytes=1000)


@pytest.mark.parametrize("name", ["missing.jpg", ".", "nul\0.jpg"])
def test_paths_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputNotFound):
        decode(tmp_path / name)


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(encode(draw()))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(InputNotFound, match="Permission denied"):
        decode(path)


def test_one_pixel_is_a_picture() -> None:
    assert decode(encode(np.zeros((1, 1, 3), np.uint8))).rgb.shape == (1, 1, 3)


def test_damaged_files_never_raise_anything_else() -> None:
    rng = np.random.default_rng(3)
    for image_format in STILLS:
        whole = np.frombuffer(encode(draw(width=240, height=230), image_format), np.uint8)
        for _ in range(12):
            broken = whole.copy()
            broken[rng.integers(16, len(broken), 12)] = rng.integers(0, 256, 12)
            with suppress(MaculeError):
                assert isinstance(decode(broken.tobytes()), Picture)
