"""One photograph, or one lesion, under two ids: found by appearance, since no table says so.

`exact` compares the files, `search` the pictures: local features vote for candidate pairs through an inverted index
(sub-quadratic), and a pair stands if one similarity transform lays the one picture over the other (see confirm).
"""

from __future__ import annotations

from macule.data.duplicates.pairs import Found, Pair, exact, search

__all__ = ["VERSION", "Found", "Pair", "exact", "search"]

#: Of what is found in the same pictures; raise it when the search changes.
VERSION = 2
