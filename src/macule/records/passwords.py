"""Passwords: how they are kept, and which are refused.

Kept as argon2id with RFC 9106's second recommended parameters (64 MiB, 3 passes), one lane. Rules: NIST SP 800-63B,
5.1.1.2: a least length, a list of what everybody tries, no rules of composition, no expiry.
"""

from __future__ import annotations

import threading
import unicodedata
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from macule.errors import RecordInvalid
from macule.records.words import sentence

SHORTEST, LONGEST = 12, 256
#: Of one hash: MEMORY_KIB for as long as it takes.
TIME_COST, MEMORY_KIB, LANES = 3, 64 * 1024, 1
#: How many are computed at once: each takes 64 MiB, and a flood of logins must not take the machine's memory.
AT_ONCE = 4


class Hasher:
    """argon2id. Safe to share between threads.

    algorithm: None for the parameters above; a test passes cheap ones.
    """

    def __init__(self, algorithm: PasswordHasher | None = None) -> None:
        self._algorithm = algorithm or PasswordHasher(
            time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID
        )
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        with self._places:
            return self._algorithm.hash(_normal(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Whether it is the password. None, for nobody's hash, costs the same work and is never right."""
        decoy = self._decoy
        with self._places:
            try:
                return self._algorithm.verify(kept or decoy, _normal(password)) and kept is not None
            except (VerificationError, InvalidHashError):
                return False

    def outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._algorithm.check_needs_rehash(kept)

    @cached_property
    def _decoy(self) -> str:
        return self._algorithm.hash("nobody's password")


def _normal(password: str) -> str:
    # Two keyboards may send one letter in two ways (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password)


def require_good(password: str, *, about: tuple[str, ...] = (), field: str = "password") -> None:
    """about: what anybody knows of the person or place: e-mail, name, clinic. Raises: RecordInvalid for `field`."""
    fault = _fault(_normal(password), about)
    if fault:
        raise RecordInvalid(f"the password is refused: {fault}", fields={field: sentence(fault)})


def _fault(password: str, about: tuple[str, ...]) -> str | None:
    if len(password) < SHORTEST:
        return f"it has {len(password)} characters; use at least {SHORTEST}, such as a few unrelated words."
    if len(password) > LONGEST:
        return f"it has {len(password)} characters; use at most {LONGEST}."
    if _common(password.casefold()):
        return "it is among the first that an attacker tries; use a few unrelated words instead."
    if _tells(password.casefold(), about):
        return "it is mostly your e-mail address, your name or the clinic's; use something unconnected."
    return None


def _common(password: str) -> bool:
    stems, whole = _lists()
    bare = password.strip("0123456789!?.,;:-_+*#$&@ ")
    return password in whole or bare in stems or len(set(password)) < 5 or _runs(password)


@cache
def _lists() -> tuple[frozenset[str], frozenset[str]]:
    text = (Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8")
    stems, _, whole = text.partition("[stems]")[2].partition("[whole]")
    return frozenset(stems.split()), frozenset(whole.split())


def _runs(password: str) -> bool:
    """A walk through the alphabet or the digits: every step but a few is to the neighbour."""
    steps = [ord(after) - ord(before) for before, after in pairwise(password)]
    return max(steps.count(1), steps.count(-1), steps.count(0)) >= len(steps) - 2


def _tells(password: str, about: tuple[str, ...]) -> bool:
    words = {word for text in about for word in text.casefold().replace("@", " ").replace(".", " ").split()}
    left = password
    for word in sorted((word for word in words if len(word) >= 4), key=len, reverse=True):
        left = left.replace(word, "")
    return len(left) < 8 and left != password
