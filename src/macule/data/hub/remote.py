"""The hub itself, and how a repository there is told from a folder here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macule.data.hub.layout import CARD, DATA, INFO
from macule.errors import EnvironmentFault, MaculeError, MissingExtra, UsageError

PREFIX = "hf://datasets/"
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Repository:
    """id: OWNER/NAME on the hub. revision: a branch, tag or commit; None is the newest."""

    id: str
    revision: str | None = None


def target(text: str, *, revision: str | None = None) -> Repository | Path:
    """A repository (`hf://datasets/OWNER/NAME`, or OWNER/NAME) or a folder (anything else).

    Raises: UsageError for OWNER/NAME if a folder OWNER is here: nothing is sent away on a guess.
    """
    if text.startswith(PREFIX):
        text = text.removeprefix(PREFIX)
        if not _ID.fullmatch(text):
            raise UsageError(f"{PREFIX}{text} is no repository; {PREFIX}OWNER/NAME is expected.")
        return Repository(text, revision)
    if _ID.fullmatch(text) and not Path(text).exists():
        if Path(text).parent.exists():
            raise UsageError(f"{text} may be a folder or a repository: write ./{text} or {PREFIX}{text}.")
        return Repository(text, revision)
    if revision is not None:
        raise UsageError(f"--revision {revision} belongs to a repository, but {text} is a folder: leave it out.")
    return Path(text)


def is_public(repository: Repository, *, private: bool) -> bool:
    """Make the repository if need be. private: wanted; one that exists stays as it is.

    Raises: EnvironmentFault if the hub does not answer or refuses.
    """
    with _hub(f"the repository {repository.id}") as api:
        api.create_repo(repository.id, repo_type="dataset", private=private, exist_ok=True)
        return not api.repo_info(repository.id, repo_type="dataset").private


def upload(folder: Path, repository: Repository, *, tag: str) -> None:
    """One commit that puts the folder in place of what was pushed before, and a tag.

    Raises: EnvironmentFault
    """
    with _hub(f"the upload to {repository.id}") as api:
        api.upload_folder(repo_id=repository.id, folder_path=folder, repo_type="dataset", revision=repository.revision,
                          commit_message=tag, delete_patterns=[f"{DATA}/*"])
        api.create_tag(repository.id, tag=tag, revision=repository.revision, repo_type="dataset", exist_ok=True)


def download(repository: Repository) -> Path:
    """The repository's files in the hub's own cache; a cut download goes on where it stopped.

    Raises: EnvironmentFault
    """
    with _hub(f"the download of {repository.id}") as api:
        return Path(api.snapshot_download(repository.id, repo_type="dataset", revision=repository.revision,
                                          allow_patterns=[CARD, INFO, f"{DATA}/*.parquet"]))


@contextmanager
def _hub(what: str) -> Iterator[Any]:
    """Yields: huggingface_hub.HfApi. Its errors end as one sentence."""
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        raise MissingExtra("huggingface_hub is not installed: pip install 'macule[hub]'.") from error
    try:
        yield HfApi()
    except (MaculeError, TypeError, AttributeError):
        raise
    except Exception as error:  # each version of the client has another HTTP library, and lets its errors escape
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EnvironmentFault(f"{what} failed ({first}): check its name, the network and your login "
                               "(hf auth login), then repeat.") from error
