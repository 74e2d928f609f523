"""A collection of the ISIC archive, through the archive's own client: isic-cli 12, https://github.com/ImageMarkup/isic-cli.

It is run as a program of its own, as its makers document it. Called again it skips what is there (by name and length).
It ends well even if single pictures failed (isic_cli 12.4, cli/image.py, never looks at what its threads return), so
the pictures are counted against the table that it writes, and it is called again for those that are missing.
"""

from __future__ import annotations

import csv
import shutil
import subprocess  # a publisher's own download program, without a shell  # nosec B404
import sys
from pathlib import Path

from macule.errors import DownloadFailed, MissingExtra

#: How often the client is called while pictures are missing. Each call asks only for those.
ROUNDS = 3
TABLE = "metadata.csv"

#: Seconds that the client gets to clean up after itself.
_PATIENCE = 20.0


def collect(collection: int, into: Path) -> int:
    """Get every picture of `collection`, with metadata.csv, attribution.txt and licenses/, into the folder `into`.

    Returns: how many pictures, each of which stands in the table.

    Raises: MissingExtra if the client is not installed; DownloadFailed if it fails or leaves pictures out.
    """
    client = _client()
    into.mkdir(parents=True, exist_ok=True)
    for _ in range(ROUNDS):
        _run([client, "image", "download", "--collections", str(collection), str(into)])
        listed = _listed(into / TABLE)
        if not (missing := listed - _there(into)):
            return len(listed)
    raise DownloadFailed(f"the ISIC archive's client left out {len(missing)} of {len(listed)} pictures of collection "
                         f"{collection}, {min(missing)} among them: call again; it asks only for those.")


def _client() -> str:
    """On the PATH, else beside this Python, where pip puts it."""
    found = shutil.which("isic") or shutil.which("isic", path=str(Path(sys.executable).parent))
    if found is None:
        raise MissingExtra("the ISIC archive's own client is not installed: pip install 'macule[data]'.")
    return found


def _run(command: list[str]) -> None:
    """Its bar and questions go to a terminal only. Without one it cannot ask, and takes "no" for an answer."""
    watched = sys.stderr.isatty()
    # No shell.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,  # noqa: S603  # nosec B603
                          stderr=None if watched else subprocess.PIPE, text=True, errors="replace") as process:
        try:
            _, said = process.communicate()
        except BaseException:  # Ctrl-C: let it remove its unfinished files
            _end(process)
            raise
    if process.returncode != 0:
        last = (said or "").strip().splitlines()[-1:] or ["see above" if watched else "it said nothing"]
        raise DownloadFailed(f"the ISIC archive's client ended with status {process.returncode} ({last[0].strip()}): "
                             "call again; what came so far stays.")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _listed(table: Path) -> set[str]:
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            return {row["isic_id"] for row in csv.DictReader(stream)}
    except (FileNotFoundError, KeyError, UnicodeDecodeError) as error:
        raise DownloadFailed(f"the ISIC archive's client wrote no whole {TABLE} ({error!r}): call again.") from error


def _there(folder: Path) -> set[str]:
    """Ids of pictures; what the client left half-done has another name."""
    return {path.stem for path in folder.iterdir() if path.stem.startswith("ISIC_") and path.stat().st_size > 0}
