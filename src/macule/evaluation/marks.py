"""Text that a command keeps up to date between two marks of a page; the rest of the page stays."""

from __future__ import annotations

from pathlib import Path

from macule.data.atomic import writing


def read(path: Path, begin: str, end: str) -> str:
    """What stands between the marks of a file. Raises: ValueError if it has not one pair of them, in this order."""
    return _parts(path.read_text(encoding="utf-8"), begin, end, path)[1]


def fill(path: Path, begin: str, end: str, text: str) -> None:
    """Put the text between the marks of a file, on lines of its own. Raises: ValueError, with the file as it was."""
    page = _replaced(path.read_text(encoding="utf-8"), begin, end, f"\n{text.strip()}\n", path)
    with writing(path) as stream:
        stream.write(page)


def replaced(page: str, begin: str, end: str, text: str) -> str:
    """The page with the text between its marks. text: with the line ends around it. Raises: ValueError."""
    return _replaced(page, begin, end, text, "the page")


def _replaced(page: str, begin: str, end: str, text: str, name: Path | str) -> str:
    before, _, after = _parts(page, begin, end, name)
    return f"{before}{begin}{text}{end}{after}"


def _parts(page: str, begin: str, end: str, name: Path | str) -> tuple[str, str, str]:
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"{name} needs one {begin} and after it one {end}, each on a line of its own; it has "
                         f"{page.count(begin)} and {page.count(end)}")
    before, _, rest = page.partition(begin)
    between, _, after = rest.partition(end)
    return before, between, after
