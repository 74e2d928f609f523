"""What a plan names, step by step into place. Each step is written down, so that none is done twice.

A file has come (STAGED), is being renamed (MOVING), is in its place (DONE). Whatever ends a fetch, the next one finds
in the marker, and on the disk, which of these it was.
"""

from __future__ import annotations

from pathlib import Path

from macule.data.fetch import archive
from macule.data.fetch.disk import check_space, digest, disk_fault
from macule.data.fetch.download import download
from macule.data.fetch.job import Job
from macule.data.fetch.marker import DONE, MOVING, STAGED, Entry, Marker
from macule.data.fetch.plan import Download, space
from macule.data.fetch.unpack import Damaged, unpack
from macule.errors import DownloadFailed, UsageError


def get(job: Job, state: Marker) -> None:
    """Get what is not in its place yet.

    Raises: UsageError if something foreign is in its place; DownloadFailed; EnvironmentFault.
    """
    wanted = [each for each in job.plan.downloads if not _settle(job, state, each)]
    for item in wanted:
        _refuse_foreign(job, item.target, state.files.get(item.name))
    here = sum(path.stat().st_size for path in job.work.iterdir() if path.is_file())
    check_space(job.folder, space(wanted, keep_archives=job.keep_archives) - here, f"{job.source.id} takes about",
                job.settings)
    for item in wanted:
        _get(job, state, item)
    if job.plan.collection is not None:
        _collect(job, state, job.plan.collection)


def in_place(job: Job, state: Marker) -> bool:
    """Whether everything that the plan names is where the last fetch put it."""
    targets = {each.target for each in job.plan.downloads}
    if job.plan.collection is not None:
        targets.add(archive.TABLE)
    return targets <= {entry.target for entry in state.files.values() if _is_done(job, entry)}


def _is_done(job: Job, entry: Entry) -> bool:
    target = job.folder / entry.target
    return entry.state == DONE and (target.is_dir() or (target.is_file() and target.stat().st_size == entry.bytes))


def _settle(job: Job, state: Marker, item: Download) -> bool:
    """Whether a file is in its place; a move that was interrupted is ended first."""
    entry = state.files.get(item.name)
    if entry is None:
        return False
    if entry.state == MOVING:
        _move(job, state, item, entry)
    return _is_done(job, entry)


def _refuse_foreign(job: Job, target: str, entry: Entry | None) -> None:
    """Raises: UsageError if a file's place is taken, and not by what a fetch left there."""
    if (job.folder / target).exists() and (entry is None or entry.state != MOVING):
        raise UsageError(f"{job.folder / target} is already there, and is not as a fetch would leave it: move it away, "
                         "or check the folder as it is with --verify.")


def _get(job: Job, state: Marker, item: Download) -> None:
    path, entry = _path(job, item), state.files.get(item.name)
    if entry is None or entry.state != STAGED or not path.is_file() or path.stat().st_size != entry.bytes:
        got = download(item, path, settings=job.settings, progress=job.progress)
        entry = Entry(got.url, got.bytes, got.sha256, got.checked, item.target, job.now())
        state.files[item.name] = entry
        state.save(job.folder)
    if item.unpack is not None:
        _unpack(job, item, path, item.unpack)
    entry.state = MOVING
    state.save(job.folder)
    _move(job, state, item, entry)
    if item.unpack is not None and job.keep_archives:
        _rename(path, job.folder / item.name)
    path.unlink(missing_ok=True)


def _unpack(job: Job, item: Download, path: Path, name: str) -> None:
    try:
        unpack(path, _staged(job, item), name=name, settings=job.settings, progress=job.progress)
    except Damaged as damage:
        path.unlink()
        raise DownloadFailed(f"{damage}: it was removed; call again to get it anew.") from damage


def _path(job: Job, item: Download) -> Path:
    return job.work / item.name.replace("/", "__")


def _staged(job: Job, item: Download) -> Path:
    """What is moved into place when it is whole."""
    path = _path(job, item)
    return path if item.unpack is None else path.with_name(f"{path.name}.unpacked")


def _move(job: Job, state: Marker, item: Download, entry: Entry) -> None:
    if (staged := _staged(job, item)).exists():
        _rename(staged, job.folder / item.target)
    entry.state = DONE
    state.save(job.folder)


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        raise disk_fault(error, str(target)) from error


def _collect(job: Job, state: Marker, collection: int) -> None:
    """A collection, its table last: without that, the folder is no data set."""
    staging, entry = job.work / f"collection-{collection}", state.files.get(archive.TABLE)
    if entry is not None and _is_done(job, entry):
        return
    if entry is None or entry.state != MOVING:
        _refuse_foreign(job, archive.TABLE, entry)
        archive.collect(collection, staging)
        table = staging / archive.TABLE
        found = digest(table, {"sha256"}, lambda _done: None)["sha256"]
        entry = Entry(f"isic-cli, collection {collection}", table.stat().st_size, found, "count", archive.TABLE,
                      job.now(), MOVING)
        state.files[archive.TABLE] = entry
        state.save(job.folder)
    for name in _table_last(staging):
        _rename(staging / name, job.folder / name)
    entry.state = DONE
    state.save(job.folder)


def _table_last(folder: Path) -> list[str]:
    """What the client left, without what it left half-done."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return sorted(names, key=lambda name: (name == archive.TABLE, name))
