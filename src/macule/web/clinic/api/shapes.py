"""The pieces that requests and replies are made of, and how errors are documented."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from macule.errors import RecordInvalid
from macule.records.feeds import MOST


def _writable(text: str) -> str:
    """What a database and a page can hold: no control characters but line breaks and tabs, no half characters."""
    if any(character < " " and character not in "\n\t\r" for character in text) or "\x7f" in text:
        raise ValueError("holds control characters: remove them")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair: send valid Unicode") from None
    return text


Text = Annotated[str, AfterValidator(_writable)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$"), Field(examples=["019d3f0c2a41b2c9d0e1f2a3b4c5d6e7"])]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Limit = Annotated[int, Field(ge=1, le=MOST, description="Rows of a page.")]
Cursor = Annotated[str | None, Field(max_length=64, description="`next_cursor` of the page before.")]


class Ask(BaseModel):
    """A body that comes in. Unknown fields are refused: a misspelt one would be lost in silence."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Reply(BaseModel):
    """A body that goes out; every field is always there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class ErrorDetail(Reply):
    code: str = Field(description="Stable, snake_case.", examples=["no_such_record"])
    message: str = Field(description="What was wrong, the value received, and what to do.")


class ErrorDetailWithFields(ErrorDetail):
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)
    fields: dict[str, str] | None = Field(default=None, description="Of invalid bodies: a message for each field.")


class ErrorReply(Reply):
    error: ErrorDetailWithFields


_TEXTS = {
    400: "The body cannot be parsed.", 401: "No key, or one that is unknown, expired or revoked.",
    403: "The key lacks the scope.", 404: "No such record, or none that this key may know of.",
    408: "The upload was too slow.", 409: "It was done already, or somebody else was first, or consent is missing.",
    412: "`If-Match` names another version than the one that is stored.", 413: "Too many bytes or pixels.",
    415: "A kind of picture that is refused.", 422: "A field outside its vocabulary or bounds; see `fields`.",
    429: "Too many requests; see Retry-After.", 500: "A fault of the installation; nothing was changed.",
    503: "Saturated, or database, store, key or model are away; see Retry-After. Nothing was lost.",
}
_ALWAYS = (401, 403, 422, 429, 500, 503)
_BEARER = {"WWW-Authenticate": {"description": "How to sign in: `Bearer`.", "schema": {"type": "string"}}}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these, and those that every route may answer with."""
    return {
        status: {"model": ErrorReply, "description": _TEXTS[status]} | ({"headers": _BEARER} if status == 401 else {})
        for status in sorted({*statuses, *_ALWAYS})
    }


def etag_header(description: str = "The version, for `If-Match`.") -> dict[str, Any]:
    return {"headers": {"ETag": {"description": description, "schema": {"type": "string"}}}}


def to_cursor(key: str | None) -> str | None:
    """Opaque on purpose: what it holds may change."""
    return None if key is None else base64.urlsafe_b64encode(bytes.fromhex(key)).decode().rstrip("=")


def from_cursor(cursor: str | None) -> str | None:
    """Raises: RecordInvalid."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 16:
        message = "this is no cursor of ours: send `next_cursor` as it came, or leave it out."
        raise RecordInvalid(message, fields={"cursor": message})
    return raw.hex()
