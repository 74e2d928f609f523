"""What a licence allows, in one plain line. The licence itself counts, not the line."""

from __future__ import annotations

from macule.data.sources.source import Source

MEANINGS = {
    "CC0": "free for every use; naming the source is good manners.",
    "CC BY": "free for every use, a product's too, if the authors are named.",
    "CC BY-NC": "free if the authors are named, but not for a product, a paid service or other commercial use.",
    "CC BY-SA": "free for every use if the authors are named; what you make of it carries the same licence.",
    "CC BY-NC-SA": "free if the authors are named, but not for commercial use; "
                   "what you make of it carries the same licence.",
}


def meaning(source: Source) -> str:
    """One line, for the licences of Creative Commons; else where the terms stand."""
    words = source.licence.split()
    family = " ".join(words[:2]) if words[:1] == ["CC"] else "".join(words[:1])
    return MEANINGS.get(family, f"the publisher's own terms: read them at {source.home} before you go on.")


def notice(source: Source) -> str:
    """What a person reads before anything is got."""
    lines = [source.title, f"Licence: {source.licence}", f"  That is: {meaning(source)}"]
    if source.citation:
        lines.append(f"Cite: {source.citation}")
    return "\n".join((*lines, f"Home: {source.home}"))
