"""Where answers go: lines of JSON, a CSV file, heatmaps. Each takes them one at a time and keeps none."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import typer

from macule.cli.exit import DONE
from macule.errors import MaculeError, UsageError
from macule.spreadsheet import harmless
from macule.taxonomy import Diagnosis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from macule.analysis.lesion import LesionResult
    from macule.analysis.result import Answer, Result

COLUMNS = ("image", *(code.value for code in Diagnosis), "malignant", "risk", "usable", "error")
#: kind: picture, with its own answer, or lesion, the answer to all of them together.
LESION_COLUMNS = (*COLUMNS, "kind")


class Place(Protocol):
    """Open for the length of a command."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Sink(Place, Protocol):
    """A place for answers to single pictures."""

    def add(self, image: str, answer: Result | MaculeError) -> None: ...


class LesionSink(Place, Protocol):
    """A place for the answer to a lesion."""

    def add_lesion(self, result: LesionResult) -> None: ...


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

    def add_lesion(self, result: LesionResult) -> None:
        write_line(result.to_dict())


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

    def __init__(self, path: Path, columns: Sequence[str] = COLUMNS) -> None:
        self._path, self._columns = path, columns

    def __enter__(self) -> Self:
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        except OSError as error:
            raise UsageError(f"--csv {self._path} cannot be written ({error.strerror}): name another file.") from error
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="")
        self._writer = csv.DictWriter(self._file, self._columns, restval="", lineterminator="\n")
        self._writer.writeheader()
        return self

    def add(self, image: str, answer: Result | MaculeError) -> None:
        self._writer.writerow({"image": harmless(image)} | csv_cells(answer))

    def add_lesion(self, result: LesionResult) -> None:
        """A row a picture, as it is answered alone, and the last one for all of them together."""
        for shot in result.shots:
            told = shot.result or shot.error
            cells = csv_cells(told) if told is not None else {}
            self._writer.writerow({"image": harmless(shot.image), "kind": "picture"} | cells)
        usable = {"usable": str(result.answer is not None).lower()}
        self._writer.writerow({"image": "lesion", "kind": "lesion"} | usable | _answer_cells(result.answer))

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
    return usable | _answer_cells(answer.assessment)


def _answer_cells(answer: Answer | None) -> dict[str, str]:
    if answer is None:
        return {}
    shares = {ranked.code.value: f"{ranked.probability:.6f}" for ranked in answer.diagnoses}
    return shares | {"malignant": f"{answer.malignant:.6f}", "risk": answer.risk.value}


class Heatmaps(Quiet):
    """`<name>.heatmap.png` in a folder for each judged picture; numbered where two pictures share a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, int] = {}

    def __enter__(self) -> Self:
        make_folder(self._folder, "--heatmaps")
        return self

    def add(self, image: str, answer: Result | MaculeError) -> None:
        if not isinstance(answer, MaculeError) and answer.assessment is not None:
            self._write(image, answer.thumbnail, answer.assessment.heatmap)

    def add_lesion(self, result: LesionResult) -> None:
        """Of each picture that counts, for the first diagnosis of all together."""
        for shot in result.shots:
            if shot.result is not None and shot.heatmap is not None:
                self._write(shot.image, shot.result.thumbnail, shot.heatmap)

    def _write(self, image: str, rgb: NDArray[np.uint8] | None, heat: NDArray[np.float32]) -> None:
        if rgb is None:
            return
        from macule.analysis.explain import overlay, to_png

        (self._folder / self._unused_name(Path(image).stem)).write_bytes(to_png(overlay(rgb, heat)))

    def _unused_name(self, stem: str) -> str:
        number = self._written[stem] = self._written.get(stem, 0) + 1
        return f"{stem}.heatmap.png" if number == 1 else f"{stem}.{number}.heatmap.png"


def make_folder(folder: Path, option: str) -> None:
    """Raises: UsageError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {folder} cannot be made ({error.strerror}): name another folder.") from error
