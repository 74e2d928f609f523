"""Which pictures may be put where everyone can get them. What is not known to allow it counts as forbidding it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from macule.data.manifest import Manifest

#: Licences that let pictures be passed on, with or without conditions.
OPEN = re.compile(r"^(CC0|CC[ -]BY(-NC)?(-SA|-ND)?|public domain)\b", re.IGNORECASE)
NON_COMMERCIAL = re.compile(r"-NC\b", re.IGNORECASE)
#: Sets whose licence speaks of the annotations: the pictures belong to others.
NOT_THEIRS = {"fitzpatrick17k": "its licence covers the annotations; the pictures belong to the atlases they are from"}
#: How the hub spells a licence.
HUB_NAMES = {"CC0 1.0": "cc0-1.0", "CC BY 4.0": "cc-by-4.0", "CC BY-NC 4.0": "cc-by-nc-4.0",
             "CC BY-SA 4.0": "cc-by-sa-4.0", "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0"}


@dataclass(frozen=True)
class Share:
    """The rows of one data set under one licence. licence: None where no row says."""

    dataset: str
    licence: str | None
    rows: int
    pictures: int

    @property
    def refusal(self) -> str | None:
        """Why its pictures may not be made public; None if they may."""
        if self.dataset in NOT_THEIRS:
            return NOT_THEIRS[self.dataset]
        if self.licence is None:
            return "its rows name no licence"
        return None if OPEN.match(self.licence) else f"its licence is {self.licence!r}"


def shares(manifest: Manifest) -> list[Share]:
    """In the order of data set and licence."""
    counted = manifest.table(["dataset", "licence", "picture"]).group_by(["dataset", "licence"]).aggregate(
        [([], "count_all"), ("picture", "count")])
    found = [Share(row["dataset"], row["licence"], row["count_all"], row["picture_count"])
             for row in counted.to_pylist()]
    return sorted(found, key=lambda share: (share.dataset, share.licence or ""))


def refusals(manifest: Manifest) -> dict[str, str]:
    """Data set -> why its pictures may not be made public."""
    return {share.dataset: share.refusal for share in shares(manifest) if share.pictures and share.refusal}
