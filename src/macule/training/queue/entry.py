"""What may stand in a queue file: every key is checked, and a complaint names the entry and the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from macule.training.queue import expectation
from macule.training.recipe.sections import Section

NAME = r"[a-z0-9][a-z0-9._-]*"


class Entry(Section):
    """One experiment.

    recipe: a name, or a .toml file beside the queue's; the queue's by default. set: changes of it, as `--set` takes
    them; `network.start` and `distillation.teachers` may name earlier entries as {name}. folds: cross-validate. only:
    the data sets to use, after all of the recipe's were parted together. combine, members: in place of training, makes
    one bundle of earlier entries. needs: further entries that must have ended.
    expect: what was expected, as far as a machine can judge it (see `expectation`). baseline: the entry that it is
    compared with, or none. hours: what it is planned to take. verdict, reason: what a person made of it; none is open.
    """

    name: str = Field(pattern=rf"^{NAME}$")
    recipe: str | None = None
    settings: tuple[str, ...] = Field(default=(), alias="set")
    folds: int | None = Field(default=None, ge=3, le=100)
    only: tuple[str, ...] | None = Field(default=None, min_length=1)
    combine: Literal["ensemble", "average"] | None = None
    members: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    hypothesis: str = Field(min_length=1)
    expected: str = Field(min_length=1)
    expect: tuple[str, ...] = ()
    baseline: str | None = None
    hours: float | None = Field(default=None, gt=0)
    verdict: Literal["kept", "not kept"] | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _combines_or_trains(self) -> Entry:
        if self.combine and (self.recipe or self.settings or self.folds or self.only):
            raise ValueError("combine makes one bundle of runs as they are: leave recipe, set, folds and only out")
        if bool(self.combine) != bool(self.members) or len(self.members) == 1:
            raise ValueError("combine and members belong together: name two or more earlier entries")
        return self

    @model_validator(mode="after")
    def _says_why(self) -> Entry:
        if bool(self.verdict) != bool(self.reason):
            raise ValueError("verdict and reason belong together: say what was decided, and why")
        return self

    @model_validator(mode="after")
    def _expects_what_can_be_measured(self) -> Entry:
        for written in self.expect:
            expectation.parse(written)
        return self


class File(Section):
    """summary: one line. recipe, set, baseline: of all entries that do not say otherwise."""

    summary: str = ""
    recipe: str | None = None
    settings: tuple[str, ...] = Field(default=(), alias="set")
    baseline: str | None = None
    entries: tuple[Entry, ...] = Field(min_length=1, alias="entry")


def sentences(error: ValidationError, table: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong, one sentence a fault. table: the file as TOML reads it."""
    for fault in error.errors():
        place = list(fault["loc"])
        where = ""
        if place[:1] == ["entry"] and len(place) > 1 and isinstance(place[1], int):
            its = table["entry"][place[1]]
            where = f"entry {its.get('name', place[1] + 1) if isinstance(its, dict) else place[1] + 1}: "
            place = place[2:]
        key = ".".join(str(step) for step in place)
        if fault["type"] == "extra_forbidden":
            known = sorted(field.alias or name for name, field in (Entry if where else File).model_fields.items())
            yield f"{where}unknown key {key}; known: {', '.join(known)}"
        elif fault["type"] == "missing":
            yield f"{where}missing key {key}"
        else:
            said = fault["msg"].removeprefix("Value error, ")
            shown = f"{key} is {fault['input']!r}: " if key else ""
            yield f"{where}{shown}{said[0].lower()}{said[1:]}"
