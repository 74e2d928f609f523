"""Where answers go: lines of JSON, a CSV file, heatmaps. Each takes them one at a time and keeps none."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import typer

from macule.cli.exit import DONE
from macule.errors import MaculeError, UsageError
from macule.spreadsheet import harmless
from macule.taxonomy import Diagnosis

if TYPE_CHECKING:
    from macule.analysis.result import Result

COLUMNS = ("image", *(code.value for code in Diagnosis), "malignant", "risk", "usable", "error")


class Sink(Protocol):
    """A place for answers, open for the length of a command."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def add(self, image: str, answer: Result | MaculeError) -> None: ...


class Quiet:
    """A sink with nothing to open or close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class JsonLines(Quiet):
    """One object a line on standard output, each sent at once."""

    def add(self, image: str, answer: Result | MaculeError) -> None:
        write_line(error_object(image, answer) if isinstance(answer, MaculeError) else answer.to_dict())


def error_object(image: str, error: MaculeError) -> dict[str, Any]:
    return {"image": image, "error": error.to_dict()}


def write_line(content: dict[str, Any]) -> None:
    """Raises: typer.Exit if the reader, say `head`, has gone: that is no failure."""
    try:
        print(json.dumps(content), flush=True)
    except BrokenPipeError:
        # Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(DONE) from None


class CsvFile:
    """A CSV file that appears, complete, when the command ends; until then and after a failure the old one stays."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        except OSError as error:
            raise UsageError(f"--csv {self._path} cannot be written ({error.strerror}): name another file.") from error
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS, restval="", lineterminator="\n")
        self._writer.writeheader()
        return self

    def add(self, image: str, answer: Result | MaculeError) -> None:
        self._writer.writerow({"image": harmless(image)} | csv_cells(answer))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            self._temporary.unlink()
            return
        # mkstemp makes a file that only its owner may read; give it what an ordinary new file would have.
        mask = os.umask(0)
        os.umask(mask)
        self._temporary.chmod(0o666 & ~mask)
        self._temporary.replace(self._path)


def csv_cells(answer: Result | MaculeError) -> dict[str, str]:
    """All columns but `image`; a probability has six decimals, what is not known is blank."""
    if isinstance(answer, MaculeError):
        return {"error": answer.code}
    usable = {"usable": str(answer.quality.usable).lower()}
    if answer.assessment is None:
        return usable
    shares = {ranked.code.value: f"{ranked.probability:.6f}" for ranked in answer.assessment.diagnoses}
    return shares | usable | {"malignant": f"{answer.assessment.malignant:.6f}", "risk": answer.assessment.risk.value}


class Heatmaps(Quiet):
    """`<name>.heatmap.png` in a folder for each judged picture; numbered where two pictures share a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, int] = {}

    def __enter__(self) -> Self:
        make_folder(self._folder, "--heatmaps")
        return self

    def add(self, image: str, answer: Result | MaculeError) -> None:
        if isinstance(answer, MaculeError) or answer.assessment is None or answer.thumbnail is None:
            return
        from macule.analysis.explain import overlay, to_png

        content = to_png(overlay(answer.thumbnail, answer.assessment.heatmap))
        (self._folder / self._unused_name(Path(image).stem)).write_bytes(content)

    def _unused_name(self, stem: str) -> str:
        number = self._written[stem] = self._written.get(stem, 0) + 1
        return f"{stem}.heatmap.png" if number == 1 else f"{stem}.{number}.heatmap.png"


def make_folder(folder: Path, option: str) -> None:
    """Raises: UsageError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {folder} cannot be made ({error.strerror}): name another folder.") from error
