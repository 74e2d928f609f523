"""Getting a data set: its licence first, then every file, then a count. It is never silently in part."""

from __future__ import annotations

import shutil

from macule.data.fetch import lock, steps
from macule.data.fetch.disk import digest
from macule.data.fetch.job import Job
from macule.data.fetch.marker import Entry, Marker
from macule.data.sources import read
from macule.errors import DatasetError, DownloadFailed, UsageError


def fetch(job: Job, *, licence_accepted: bool) -> Marker:
    """Get what is not here yet, and count all of it.

    licence_accepted: now; an earlier acceptance, written into the folder, counts as well.

    Returns: what was written into the folder; complete unless `plan.by_hand` is still to be done.

    Raises: UsageError before anything is asked for, if the licence is not accepted or the folder holds another data
    set; DownloadFailed; EnvironmentFault for a full disk or a folder in use; DatasetError for a damaged marker.
    """
    state = job.state()
    if not job.plan.automatic:
        return state
    if not licence_accepted and state.licence_accepted is None:
        raise UsageError(f"nothing was fetched: the licence of {job.source.id} ({job.source.licence}) was not "
                         "accepted. Read it, then call again with --accept-licence.")
    with lock.hold(job.work / "lock", job.folder):
        state = job.state()  # another fetch may just have ended
        state.licence_accepted = state.licence_accepted or job.now()
        if not (state.complete and steps.in_place(job, state)):
            _get_and_count(job, state)
    return state


def verify(job: Job) -> Marker:
    """Read a folder from end to end, however its files came there, and write down that it is complete.

    Raises: DatasetError if it is not.
    """
    if not job.folder.is_dir():
        raise DatasetError(f"{job.folder} is not a folder: give the one that {job.source.id} was unzipped in.")
    with lock.hold(job.work / "lock", job.folder):
        state = job.state()
        state.complete, state.completed, state.pictures = False, None, None
        for entry in state.files.values():
            _compare(job, entry)
        _complete(job, state, count(job))
    return state


def count(job: Job) -> int:
    """Pictures of the data set, read strictly.

    Raises: DatasetError if the tables and pictures disagree, or are not as many as the publisher ships.
    """
    expected = job.source.pictures
    meter, found = job.progress(f"reading {job.source.id}", expected or 0, "pictures"), 0
    for record in read(job.reading()):
        found += record.picture is not None
        meter(found)
    if expected is not None and found != expected:
        raise DatasetError(f"{job.folder} holds {found} pictures of {job.source.id}; its publisher ships {expected}.")
    return found


def _get_and_count(job: Job, state: Marker) -> None:
    state.complete, state.completed, state.pictures = False, None, None
    state.save(job.folder)
    steps.get(job, state)
    if job.plan.by_hand:
        return
    try:
        found = count(job)
    except DatasetError as error:
        raise DownloadFailed(f"every file of {job.source.id} came, but together they are not the data set, and it is "
                             f"not marked complete: {error}") from error
    _complete(job, state, found)
    shutil.rmtree(job.work, ignore_errors=True)


def _complete(job: Job, state: Marker, pictures: int) -> None:
    state.complete, state.completed, state.pictures = True, job.now(), pictures
    state.save(job.folder)


def _compare(job: Job, entry: Entry) -> None:
    """Raises: DatasetError for a plain file that is no longer what was fetched."""
    path = job.folder / entry.target
    if path.is_file():
        meter = job.progress(f"checking {entry.target}", path.stat().st_size)
        if digest(path, {"sha256"}, meter)["sha256"] != entry.sha256:
            raise DatasetError(f"{path} is no longer the file that was fetched (its checksum is another): remove it "
                               "and fetch again.")
