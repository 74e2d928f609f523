"""One POST to an address that somebody else chose, without being led into our own network.

The host is resolved once, every address it has is checked, and the connection goes to the checked address, so that a
name that answers differently the second time (DNS rebinding) leads nowhere. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import cast
from urllib.parse import SplitResult, urlsplit

from macule.errors import RecordInvalid

#: Seconds for one step (connecting, one read), and for everything together.
STEP_S, WHOLE_S = 8.0, 20.0
#: 64:ff9b::/96 (RFC 6052) carries an IPv4 address in its last 32 bits.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: All of IPv6 that is given out for the open Internet (IANA's registry): what is not in it leads inside, or nowhere.
UNICAST = ipaddress.IPv6Network("2000::/3")
PORTS = {"https": 443, "http": 80}


class NotDelivered(Exception):
    """Nothing was received. reason: stable, snake_case, at most 32 characters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def checked_url(url: str, *, private: bool) -> str:
    """The address as it is kept.

    private: whether plain http and addresses of our own network are allowed.
    Raises: RecordInvalid, for `url`. Names are resolved only when something is sent.
    """
    try:
        parts = _parts(url)
    except ValueError as error:
        raise _invalid(f"{url!r} is not an address: give one like https://example.org/macule.") from error
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise _invalid(f"the address begins with {parts.scheme or 'nothing'!r}: https is needed.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _invalid("the address holds a user, a password or a fragment: the signature proves who sends.")
    if not private and _literally_inside(cast(str, parts.hostname)):
        raise _invalid(f"{parts.hostname!r} is an address of a local network: give one that is public.")
    return parts.geturl()


def _parts(url: str) -> SplitResult:
    """Raises: ValueError."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > 2000:
        raise ValueError(url)
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:  # reading the port checks it
        raise ValueError(url)
    return parts


def _invalid(message: str) -> RecordInvalid:
    return RecordInvalid(message, fields={"url": message})


def _literally_inside(host: str) -> bool:
    try:
        return not public(host)
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] in ("localhost", "local", "internal")


def public(address: str) -> bool:
    """Whether an IP address is one of the open Internet. Raises: ValueError if it is no IP address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return public(str(inner))
        if ip not in UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


def post(url: str, *, body: bytes, headers: Mapping[str, str], private: bool) -> int:
    """The status of the answer; its body is not read.

    Raises: NotDelivered.
    """
    parts = _parts(url)
    port = parts.port or PORTS[parts.scheme]
    address = _resolved(cast(str, parts.hostname), port, private=private)
    connection = _Pinned(parts, port, address)
    # A receiver that sends a byte now and then would keep within every single timeout.
    watch = threading.Timer(WHOLE_S, connection.cut)
    watch.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=body, headers=dict(headers))
        return connection.getresponse().status
    except ssl.SSLError as error:
        raise NotDelivered("certificate") from error
    except TimeoutError as error:
        raise NotDelivered("timeout") from error
    except OSError as error:
        raise NotDelivered("no_connection") from error
    except (http.client.HTTPException, ValueError) as error:
        raise NotDelivered("no_http") from error
    finally:
        watch.cancel()
        connection.close()


def _resolved(host: str, port: int, *, private: bool) -> str:
    """The first address of the host. One private address among public ones refuses all: that is how rebinding looks."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered("no_such_host") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not private and not all(public(address) for address in addresses):
        raise NotDelivered("private_address")
    return addresses[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to one IP address; Host header, SNI and certificate are those of the URL's name."""

    def __init__(self, parts: SplitResult, port: int, address: str) -> None:
        super().__init__(cast(str, parts.hostname), port, timeout=STEP_S)
        self.default_port = PORTS[parts.scheme]  # keeps `:443` out of the Host header
        self._secure, self._address = parts.scheme == "https", address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), timeout=STEP_S)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End whatever is going on, from another thread."""
        if (held := cast("socket.socket | None", self.sock)) is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
