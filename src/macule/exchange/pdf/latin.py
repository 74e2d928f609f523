"""Text in the letters that the core fonts of PDF have (latin-1)."""

from __future__ import annotations

import unicodedata

_NAMED = {
    "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2018": "'", "\u2019": "'",
    "\u201c": '"', "\u201d": '"', "\u2026": "...", "\u2265": ">=", "\u2264": "<=", "\u2260": "!=", "\u2248": "~",
    "\u2192": "->", "\u2190": "<-", "\u2022": "\u00b7", "\u221e": "infinity", "\u20ac": "EUR", "\u03ba": "kappa",
    "\u03b1": "alpha", "\u03b2": "beta", "\u03b3": "gamma", "\u03b4": "delta", "\u03bb": "lambda", "\u03bc": "\u00b5",
    "\u03c3": "sigma", "\u0394": "Delta", "\u2713": "yes", "\u2717": "no", "\u2009": " ", "\u202f": " ",
}
#: What no core font can show.
UNKNOWN = "?"
_RAISED = "\u2070\u2074\u2075\u2076\u2077\u2078\u2079\u207b\u207a"


def latin(text: str) -> str:
    """The same words in latin-1: signs by their nearest, letters without foreign accents, and `?` for the rest."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_letter(letter) for letter in _flat(text))


def _flat(text: str) -> str:
    """Powers as 10^-4: only 1, 2 and 3 have raised forms in latin-1, and half a raised number reads wrong."""
    found, raised = [], False
    for letter in text:
        power = letter in _RAISED or (raised and letter in "\u00b9\u00b2\u00b3")
        if power and not raised:
            found.append("^")
        raised = power
        found.append(unicodedata.normalize("NFKC", letter) if power else letter)
    return "".join(found)


def _letter(letter: str) -> str:
    if letter in "\t\n\r":
        return " "
    if letter in _NAMED:
        return _NAMED[letter]
    if _fits(letter):
        return letter
    plain = "".join(_NAMED.get(each, each) for each in unicodedata.normalize("NFKD", letter)
                    if not unicodedata.combining(each))
    return plain if plain and _fits(plain) else UNKNOWN


def _fits(text: str) -> bool:
    return all(" " <= letter <= "~" or "\u00a0" <= letter <= "\u00ff" for letter in text)
