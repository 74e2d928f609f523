"""What kind of file some bytes are, by their signature. Standard library only."""

from __future__ import annotations

#: The formats that `image.decode` reads, by Pillow's names.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF")
#: Suffixes that such files usually bear; used to pick files in a folder, never to decide how to decode.
PICTURE_SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".dcm", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg",
    ".mpo", ".png", ".tif", ".tiff", ".webp",
})
#: Bytes that `sniff` needs to see.
HEAD = 132

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"<svg", "SVG"),
)
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))


def sniff(head: bytes) -> str | None:
    """The kind of file that starts so: one of `PICTURE_FORMATS`, another kind's name, or None if it is unknown."""
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    # Two letters alone would take a text that begins with "BMI" for a bitmap; four reserved zeros follow the length.
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "BMP"
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)


def _iso_media(head: bytes) -> str:
    # AVIF also lists mif1 among its brands, so it goes first (ISO/IEC 23000-22, 23008-12).
    length = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else "video"
