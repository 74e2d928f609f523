"""Addresses to go on to, as somebody else gave them."""

from __future__ import annotations

from urllib.parse import urlsplit

LONGEST = 500


def local(address: str | None) -> str:
    """The address if it is a path of this site, else `/`: a link to our login must not lead on to another site.

    Browsers read a backslash as a slash and leave out tabs and line ends, so `/\\evil.example` and `/<tab>/evil` are
    other sites too.
    """
    if not address or len(address) > LONGEST or not address.isascii() or not address.isprintable() or "\\" in address:
        return "/"
    if not address.startswith("/") or address.startswith("//"):
        return "/"
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or parts.path.startswith(("//", "/login", "/logout", "/oidc/")):
        return "/"
    return address
