"""Nothing but the picture is kept of a picture, and not one pixel of it changes."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from clinic_testing import add_exam
from hypothesis import given, settings
from hypothesis import strategies as st
from macule_testing import draw, encode
from PIL import Image, ImageCms

from macule.analysis.image import decode
from macule.errors import ImageTooLarge, InputError, UnreadableImage, UnsupportedImage
from macule.records.clinic import Clinic
from macule.records.store.scrub import scrub

#: Words that stand in the metadata of `tales` and nowhere in pixels.
SECRETS = (b"Nokia-9", b"secret words", b"Photoshop", b"xpacket", b"GPSLatitude")
XMP = b'<?xpacket begin=""?><x:xmpmeta exif:GPSLatitude="48,8.2N"/>'


def exif(*, turn: int = 1) -> Image.Exif:
    block = Image.Exif()
    block[0x0110], block[0x0112], block[0x010E] = "Nokia-9", turn, "secret words"
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 12.5), 3: "E", 4: (11.0, 34.0, 30.0)})
    return block


def tales(image_format: str, *, turn: int = 1, width: int = 400, height: int = 300, **options: object) -> bytes:
    """A picture with a place, a device, comments, XMP and a colour profile."""
    image = Image.fromarray(draw(width=width, height=height))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    content = encode(image, image_format, exif=exif(turn=turn), xmp=XMP, icc_profile=profile, **options)
    if image_format == "JPEG":
        iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\x0csecret words"
        content = content[:2] + segment(0xED, iptc) + segment(0xFE, b"secret words") + content[2:]
    return content


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def same_pixels(before: bytes, after: bytes) -> None:
    one, other = decode(before), decode(after)
    assert np.array_equal(one.rgb, other.rgb) and (one.width, one.height) == (other.width, other.height)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("turn", [1, 3, 6])
def test_the_pixels_stay_and_the_tales_go(image_format: str, turn: int) -> None:
    before = tales(image_format, turn=turn, **({"lossless": True} if image_format == "WEBP" else {}))
    after = scrub(before)
    same_pixels(before, after)
    assert not any(secret in after for secret in SECRETS)
    with Image.open(io.BytesIO(after)) as image:
        assert set(image.getexif()) <= {0x0112} and image.getexif().get_ifd(0x8825) == {}
        assert ("icc_profile" in image.info) == (image_format != "TIFF")
        assert not ({"xmp", "comment", "photoshop", "XML:com.adobe.xmp"} & set(image.info))


@pytest.mark.parametrize("options", [
    {"progressive": True}, {"quality": 60, "subsampling": 0}, {"restart_marker_rows": 2},
    {"width": 1300, "height": 1050},
])
def test_every_kind_of_jpeg(options: dict[str, int]) -> None:
    before = tales("JPEG", turn=8, **options)
    same_pixels(before, scrub(before))


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr"])
def test_the_colour_of_other_jpegs(mode: str) -> None:
    before = encode(Image.fromarray(draw()).convert(mode), "JPEG", exif=exif())
    same_pixels(before, scrub(before))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1", "LA"])
def test_the_colour_of_other_pngs(mode: str) -> None:
    image = Image.fromarray(draw())
    if mode == "I;16":
        image = image.convert("L").convert("I").point(lambda value: value * 200)
    image = image.convert(mode)
    before = encode(image, "PNG", exif=exif(turn=6))
    after = scrub(before)
    same_pixels(before, after)
    assert not any(secret in after for secret in SECRETS)


def test_a_png_that_the_decoder_makes_smaller() -> None:
    before = tales("PNG", turn=5, width=1060, height=1041, compress_level=1)
    same_pixels(before, scrub(before))


def test_a_lossy_webp() -> None:
    before = tales("WEBP", turn=5)
    same_pixels(before, scrub(before))


def test_an_orientation_in_xmp_alone_is_kept() -> None:
    words = XMP.replace(b"/>", b' tiff:Orientation="6"/>')
    for image_format in ("JPEG", "WEBP"):
        before = encode(Image.fromarray(draw()), image_format, xmp=words)
        assert decode(before).height == 400
        same_pixels(before, scrub(before))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_what_hides_behind_the_end_is_cut(image_format: str) -> None:
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as archive:
        archive.writestr("evil.html", "<script>alert(1)</script>")
    before = encode(draw(), image_format) + b"<html>secret words</html>" + hidden.getvalue()
    after = scrub(before)
    assert b"evil.html" not in after and b"secret words" not in after
    assert not zipfile.is_zipfile(io.BytesIO(after))
    same_pixels(before, after)


def test_the_first_of_several_pictures_is_kept() -> None:
    first, second = Image.fromarray(draw(seed=1)), Image.fromarray(draw(seed=2))
    before = encode(first, "MPO", save_all=True, append_images=[second])
    after = scrub(before)
    same_pixels(before, after)
    with Image.open(io.BytesIO(after)) as image:
        assert image.format == "JPEG"
    assert len(after) < 0.6 * len(before)


def test_the_thumbnail_within_is_gone() -> None:
    small = encode(Image.fromarray(draw(width=40, height=30)), "JPEG")
    jfif = b"JFIF\0\x01\x02\x01\0H\0H" + bytes([4, 4]) + bytes(48)
    before = encode(draw(), "JPEG")
    before = before[:2] + segment(0xE0, jfif) + segment(0xE0, b"JFXX\0\x10" + small) + before[20:]
    after = scrub(before)
    assert small not in after and jfif[14:] not in after[:64]
    same_pixels(before, after)


def test_a_heic_becomes_an_upright_png() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    heif = pillow_heif.from_pillow(Image.fromarray(draw()))
    buffer = io.BytesIO()
    heif.save(buffer, quality=-1, exif=exif(turn=6).tobytes())
    after = scrub(buffer.getvalue())
    assert after.startswith(b"\x89PNG")
    same_pixels(buffer.getvalue(), after)


@pytest.mark.parametrize(("content", "error"), [
    (b"", UnreadableImage), (b"<html>", UnreadableImage), (b"<svg onload=alert(1)>", UnsupportedImage),
    (b"\xff\xd8\xff\xd9", UnreadableImage), (b"\x89PNG\r\n\x1a\n", UnreadableImage),
    (b"RIFF\x04\0\0\0WEBP", UnreadableImage), (b"GIF89a" + bytes(20), UnsupportedImage),
])
def test_what_is_no_picture_is_refused_as_by_the_decoder(content: bytes, error: type[InputError]) -> None:
    with pytest.raises(error):
        decode(content)
    with pytest.raises(error):
        scrub(content)


def test_animations_and_bombs_are_refused() -> None:
    frames = [Image.fromarray(draw(seed=seed)) for seed in range(2)]
    for image_format in ("PNG", "WEBP"):
        with pytest.raises(UnsupportedImage):
            scrub(encode(frames[0], image_format, save_all=True, append_images=frames[1:]))
    bomb = bytearray(encode(Image.new("L", (1, 1))))
    bomb[16:24] = struct.pack(">II", 10_000, 10_000)
    with pytest.raises((ImageTooLarge, UnreadableImage)):
        scrub(bytes(bomb))


SAMPLES = [
    tales("JPEG", turn=6, width=120, height=90), tales("PNG", turn=6, width=60, height=45),
    tales("WEBP", turn=6, width=120, height=90), encode(draw(width=60, height=45), "BMP"),
    encode(draw(width=120, height=90), "JPEG", progressive=True),
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_damaged_bytes_never_crash(data: st.DataObject) -> None:
    """What decodes before decodes to the same afterwards; what does not is an InputError from one of the two."""
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, min(len(content), 3000) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    check_damaged(bytes(content[:cut]))


def check_damaged(content: bytes) -> None:
    try:
        before = decode(content).rgb
    except InputError:
        before = None
    try:
        after = decode(scrub(content)).rgb
    except InputError:
        assert before is None
        return
    assert before is None or np.array_equal(before, after)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_place_is_left_in_the_stored_bytes(clinic: Clinic) -> None:
    before = tales("JPEG", turn=1)
    assert Image.open(io.BytesIO(before)).getexif().get_ifd(0x8825)
    stored = clinic.store.get(add_exam(clinic, picture=before).picture)
    assert not any(secret in stored for secret in SECRETS)
    with Image.open(io.BytesIO(stored)) as image:
        assert dict(image.getexif()) == {}
