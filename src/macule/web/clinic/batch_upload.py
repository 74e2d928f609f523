"""The form of a batch, read as it streams: fields first, then files, each encrypted in the store before the next one.

Memory is bounded by one picture and one piece of an archive, however large the batch; the disk sees nothing in the
clear. What was stored is deleted again if the batch is not taken in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from macule.errors import ImageTooLarge, MaculeError, RecordInvalid
from macule.records import archives, batch_table, holdings
from macule.records.archives import Limits, plain
from macule.records.batch_table import Table
from macule.records.batches import Arrived
from macule.records.clinic import Clinic
from macule.records.spool import Spool
from macule.web.faults import MalformedRequest, UploadTooSlow
from macule.web.parts import MAX_FIELD_BYTES, PartHeaders

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

#: Bytes of one request, and seconds that may pass without a byte of it.
MOST_BYTES = 2_000_000_000
STALL_S = 60.0
Fields = dict[str, str]
#: Called once the fields are there, before the first file is kept; raises MaculeError to refuse them.
Check = Callable[[Fields], None]


class Upload(PartHeaders):
    """What the form held. `fault`: why it is refused; the rest of the body was read and not kept."""

    def __init__(self, clinic: Clinic, check: Check, limits: Limits) -> None:
        self._clinic, self._check, self._limits = clinic, check, limits
        self.fields: Fields = {}
        self.files: list[Arrived] = []
        self.table: Table | None = None
        self.fault: MaculeError | None = None
        self._checked = self._ended = False
        self._spool: Spool | None = None
        self._begin()

    # ---- what the parser says, in order

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin, "on_header_field": self._header_field, "on_header_value": self._header_value,
            "on_header_end": self._header_end, "on_headers_finished": self._headers, "on_part_data": self._data,
            "on_part_end": self._end, "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._new_part()
        self._kept, self._oversize, self._name = bytearray(), False, ""

    def _headers(self) -> None:
        if b"filename" not in self._options:
            return
        self._name = plain(self._options[b"filename"].decode("utf-8", "replace"))
        self._guarded(self._ask)
        if self.fault is None and archives.kind(self._name) == "archive":
            self._spool = Spool(self._clinic.store)

    def _ask(self) -> None:
        if not self._checked:
            self._checked = True
            self._check(self.fields)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.fault is not None:
            return
        if self._spool is not None:
            spool = self._spool
            self._guarded(lambda: spool.write(data[start:end]))
            return
        room = self._limits.member if b"filename" in self._options else MAX_FIELD_BYTES
        self._oversize = self._oversize or len(self._kept) + end - start > room
        if not self._oversize:
            self._kept += data[start:end]

    def _end(self) -> None:
        name = self._options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in self._options:
            self._guarded(self._keep_file)
            self._drop_spool()
        elif self._oversize or not name or len(self.fields) > 20:
            wrong = MalformedRequest(f"field {name[:40]!r} is too long, or one too many: correct it.")
            self.fault = self.fault or wrong
        elif not self._checked:
            self.fields[name] = bytes(self._kept).decode("utf-8", "replace").replace("\0", "").strip()
        self._begin()

    def _finish(self) -> None:
        self._ended = True

    def _guarded(self, act: Callable[[], None]) -> None:
        """The first thing that goes wrong decides; the body is then read to its end, because browsers insist."""
        if self.fault is not None:
            return
        try:
            act()
        except MaculeError as fault:
            self.fault = fault

    # ---- files

    def _keep_file(self) -> None:
        spool, name = self._spool, self._name
        if spool is not None:
            self._unpack(spool)
        elif self._options[b"filename"] and not archives.hidden(name):
            content = None if self._oversize else bytes(self._kept)
            if content or self._oversize:
                self._arrive(name, content)

    def _drop_spool(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.discard()

    def _unpack(self, spool: Spool) -> None:
        with spool.finish() as file:
            for member in archives.members(file, self._limits):
                if member.fault is not None:
                    self._add(Arrived(member.name, fault=member.fault))
                else:
                    self._arrive(member.name, member.content)

    def _arrive(self, name: str, content: bytes | None) -> None:
        kind = archives.kind(name)
        if content is None:
            too_large = ImageTooLarge(f"{name} is over {self._limits.member / 1e6:.0f} MB: send a smaller picture.")
            self._add(Arrived(name, fault=too_large))
        elif kind == "table":
            self._read_table(content)
        elif kind == "picture":
            self._add(Arrived(name, self._clinic.store.put(content)))
        else:
            self._add(Arrived(name))

    def _read_table(self, content: bytes) -> None:
        if self.table is not None:
            message = "There is more than one table among the files: send one."
            raise RecordInvalid(message, fields={"files": message})
        if len(content) > batch_table.MAX_BYTES:
            message = f"The table is over {batch_table.MAX_BYTES / 1e6:.0f} MB: split the batch."
            raise RecordInvalid(message, fields={"files": message})
        self.table = batch_table.read(content)

    def _add(self, file: Arrived) -> None:
        self.files.append(file)
        if len(self.files) > self._limits.members:
            message = f"There are over {self._limits.members} files: send them in several batches."
            raise RecordInvalid(message, fields={"files": message})

    # ---- the end

    def done(self) -> Upload:
        """Raises: whatever refused it, or MalformedRequest."""
        if self.fault is not None:
            raise self.fault
        if not self._ended:
            raise MalformedRequest("the form was cut short; send it again.")
        self._guarded(self._ask)  # no file came
        if self.fault is not None:
            raise self.fault
        return self

    def discard(self) -> None:
        """Delete what was stored. Raises: StoreAway, DatabaseAway."""
        self._drop_spool()
        holdings.release(self._clinic, [each.address for each in self.files if each.address])


async def read(request: Request, *, clinic: Clinic, check: Check, limits: Limits) -> Upload:
    """The form in `request`; call `discard` if the batch is not taken after all.

    Raises: what `check` raises, MalformedRequest, UploadTooSlow, ImageTooLarge, UnreadableImage (an archive),
    RecordInvalid, StoreAway, KeyMissing; then nothing is kept.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise MalformedRequest(f"content type is {kind.decode('latin-1')!r}; send the form as multipart/form-data.")
    upload = Upload(clinic, check, limits)
    parser = MultipartParser(options[b"boundary"], upload.callbacks())
    received, stream = 0, aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout(STALL_S):
                chunk = await anext(stream, None)
            if chunk is None:
                break
            received += len(chunk)
            if received > MOST_BYTES:
                raise ImageTooLarge(f"the batch is over {MOST_BYTES / 1e9:.0f} GB: send it in parts.")
            # In a thread: encrypting and writing a picture must not keep other requests waiting.
            await run_in_threadpool(parser.write, chunk)
        await run_in_threadpool(parser.finalize)
        return await run_in_threadpool(upload.done)
    except BaseException as error:
        await run_in_threadpool(upload.discard)
        if isinstance(error, TimeoutError):
            message = f"nothing came for {STALL_S:.0f} seconds; try again on a better connection."
            raise UploadTooSlow(message) from None
        if isinstance(error, FormParserError | ClientDisconnect):
            raise MalformedRequest(f"the form is not valid multipart/form-data: {error}") from None
        raise
