"""What the server writes about its own work: one JSON object a line, and nothing that is a patient's.

Only the names in KEPT leave the process; every other value is dropped, its name is kept. Errors are written as their
class and the lines of code that they passed, never as their text: a text holds what somebody typed. Of other packages'
messages the template is written and not what was filled in.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

OURS = "macule"
#: What may stand in a line, if it is a number, a truth value or a short text.
KEPT = frozenset({
    "event", "level", "logger", "timestamp", "request_id", "method", "route", "status", "ms", "actor", "role", "exam",
    "error", "where", "job", "bytes_out",
})
#: What a formatter leaves on a record: the same words again.
_OWN = frozenset({"message", "asctime", "exc_text", "stack_info"})
LONGEST = 300
#: Of the code that an error passed, the innermost so many lines.
FRAMES = 12
#: Loggers that say at INFO which addresses they call; an address may hold a secret.
TALKATIVE = ("httpx", "httpx2", "httpcore", "botocore", "boto3", "aiobotocore", "s3fs", "fsspec", "urllib3",
             "sqlalchemy", "multipart", "python_multipart", "PIL", "fontTools", "fpdf")
_HIDDEN = (
    (re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[^\s@\"'<>]+"), "[e-mail]"),
    (re.compile(r"/(p|setup|invite|reset)/(?!\{secret\})[^\s/?#\"']+"), r"/\1/[secret]"),
    (re.compile(r"\b[A-Za-z0-9_-]{40,}={0,2}"), "[long]"),
    (re.compile(r"\?[^\s\"']+"), "?[query]"),
)

EventDict = MutableMapping[str, Any]


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send every logger of the process to `stream`, the standard error by default; called by whoever starts a server.

    A server that sets up loggers of its own must be told not to (uvicorn: `log_config=None`).
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _template, structlog.stdlib.ExtraAdder(), structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[_fault, _redact, structlog.processors.JSONRenderer()],
    )


def _template(_: Any, __: str, event: EventDict) -> EventDict:
    """Other packages fill addresses, file names and values into their messages."""
    record: logging.LogRecord = event["_record"]
    if record.name.partition(".")[0] != OURS:
        event["event"] = str(record.msg)
    return event


def _fault(_: Any, __: str, event: EventDict) -> EventDict:
    found = event.pop("exc_info", None) or event["_record"].exc_info
    if isinstance(found, tuple) and found[0] is not None:
        event.setdefault("error", found[0].__name__)
        event.setdefault("where", where(found[2]))
    return event


def where(trace: TracebackType | None) -> list[str]:
    """`package/module.py:12 function`, the innermost last; without source lines, which may hold literals."""
    return [f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}"
            for frame in traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False)[-FRAMES:]]


def _redact(_: Any, __: str, event: EventDict) -> EventDict:
    kept = {key: _plain(value) for key, value in event.items() if key in KEPT}
    dropped = sorted(str(key) for key in event if key not in KEPT | _OWN and not str(key).startswith("_"))
    return {**kept, "dropped": dropped} if dropped else kept


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return hidden(value) if isinstance(value, str) else f"[{type(value).__name__}]"


def hidden(text: str) -> str:
    """The text without addresses, secrets in paths, queries, and strings that are too long to be words."""
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
