"""The parts of a multipart form, gathered in memory as a parser finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from python_multipart.multipart import parse_options_header

from macule.errors import ImageTooLarge
from macule.web.faults import MalformedRequest, PictureMissing

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

PICTURE = "picture"
MAX_PARTS = 16
MAX_FIELD_BYTES = 4096


@dataclass
class Submission:
    """What the form held. `oversize`: the picture was over the limit and was dropped, the fields were kept."""

    picture: bytes = b""
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    oversize: bool = False
    limit: int = 0

    def checked_picture(self) -> bytes:
        """Raises: PictureMissing, ImageTooLarge."""
        if self.oversize:
            raise too_large(self.limit, self.name)
        if not self.name and not self.picture:
            raise PictureMissing("no picture was sent; choose one and send the form again.")
        return self.picture


def too_large(limit: int, name: str = "") -> ImageTooLarge:
    return ImageTooLarge(f"{name or 'the upload'} is over {limit / 1e6:.0f} MB; send a smaller picture.")


class PartHeaders:
    """What the parser says of a part before its content: `_options` of its Content-Disposition, name and file name."""

    def _new_part(self) -> None:
        self._header, self._value = b"", b""
        self._options: dict[bytes, bytes] = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._options = parse_options_header(self._value)[1]
        self._header, self._value = b"", b""


class Parts(PartHeaders):
    """Gathers the parser's callbacks into a Submission.

    limit: bytes of a picture; what lies above is not kept, but the rest of the form is.
    """

    def __init__(self, limit: int) -> None:
        self._form = Submission(limit=limit)
        self._seen = 0
        self._pictures = 0
        self._ended = False
        self._begin()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin, "on_header_field": self._header_field, "on_header_value": self._header_value,
            "on_header_end": self._header_end, "on_part_data": self._data, "on_part_end": self._end,
            "on_end": self._finish,
        }

    def done(self) -> Submission:
        if not self._ended:
            raise MalformedRequest("the form was cut short; send it again.")
        return self._form

    def _begin(self) -> None:
        self._new_part()
        self._kept, self._oversize = bytearray(), False

    def _data(self, data: bytes, start: int, end: int) -> None:
        room = self._form.limit if b"filename" in self._options else MAX_FIELD_BYTES
        self._oversize = self._oversize or len(self._kept) + end - start > room
        if self._oversize:
            self._kept.clear()
        else:
            self._kept += data[start:end]

    def _end(self) -> None:
        self._seen += 1
        name = self._options.get(b"name", b"").decode("utf-8", "replace")
        if not name or self._seen > MAX_PARTS:
            raise MalformedRequest(f"part {self._seen} has no name, or is one of over {MAX_PARTS}; send only the form.")
        if b"filename" in self._options:
            self._keep_picture(name)
        elif name == PICTURE:
            raise MalformedRequest("the picture was sent as text; send it as a file part.")
        else:
            self._keep_field(name)

    def _keep_picture(self, name: str) -> None:
        filename = _base_name(self._options[b"filename"].decode("utf-8", "replace"))
        if not filename and not self._kept:
            return  # a file input that was left empty
        self._pictures += 1
        if name != PICTURE or self._pictures > 1:
            raise MalformedRequest(f"file {name!r} is not expected; send one file, as {PICTURE!r}.")
        self._form.picture, self._form.name = bytes(self._kept), filename
        self._form.oversize = self._oversize

    def _keep_field(self, name: str) -> None:
        if self._oversize or name in self._form.fields:
            raise MalformedRequest(f"field {name!r} is over {MAX_FIELD_BYTES} bytes or was sent twice; correct it.")
        self._form.fields[name] = bytes(self._kept).decode("utf-8", "replace")

    def _finish(self) -> None:
        self._ended = True


def _base_name(filename: str) -> str:
    """The last part of a path in either spelling: a folder's name is nobody's business here."""
    return PureWindowsPath(PurePosixPath(filename).name).name[:255]
