"""What becomes of pictures that show no lesion, as blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from macule.exchange.blocks import Block, Note, Prose, Section, Table, not_measured
from macule.exchange.sections.figures import number, share, value

TITLE = "Out of distribution"
#: The order of the groups: the first exam stays as it was, so that its figures compare between gates.
WORDS = {"held_out": "by generators that it never learns from", "sent": "by those of the second exam, nor from these",
         "learnable": "by those that it may have learnt from"}


def section(found: Mapping[str, Any]) -> Section:
    """found: as `macule.evaluation.outliers.measure` gives it."""
    if not found["kinds"] or not found["per_kind"]:
        return not_measured("outliers", TITLE, "No picture without a lesion was drawn.")
    blocks: list[Block] = [Prose(
        f"{found['per_kind']} pictures of each kind, fewer of those that the gate may have learnt from, drawn with the "
        f"seed {found['seed']}, went the way of every "
        "picture. Stopped means no diagnosis: by the quality checks, or by the gate, which looks for a lesion in the "
        "network's embedding. Flagged pictures get a diagnosis with a warning, and never low risk.")]
    if not found["refuses"]:
        blocks.append(Note("This bundle's gate only flags and refuses nothing: `macule refit` fits one that does."))
    if found["without"]:
        blocks.append(Note(f"Not among them, since no package here has any: {', '.join(found['without'])}.", "plain"))
    like = [f"{row['kind']} (from {row['like']})" for row in found["kinds"] if row["like"]]
    if like:
        blocks.append(Note("No gate learns from the pictures of these generators, but it may have been shown their "
                           f"like: {', '.join(like)}.", "plain"))
    blocks += [_kinds(found), _groups(found), _alarms(found["exam"])]
    return Section("outliers", TITLE, _lead(found), tuple(blocks))


def _lead(found: Mapping[str, Any]) -> str:
    held, alarms = found["groups"]["held_out"], found["exam"]
    sent = found["groups"].get("sent")
    more = "" if sent is None else (f" Of {sent['n']} of a second exam, {sent['kinds']} kinds of what else a phone "
                                    f"sends, {_answered(found, 'sent')} get one; {share(sent['stopped'])} are stopped.")
    cost = "" if alarms["refused"]["value"] is None else (
        f" Of the {alarms['n']} real lesions of this exam the gate refuses {alarms['refused']['positives']} "
        f"({share(alarms['refused'])}) and flags {alarms['flagged']['positives']}.")
    return (f"Of {held['n']} pictures without a lesion, of {held['kinds']} kinds drawn by generators that the gate "
            f"never learns from, {_answered(found, 'held_out')} get a diagnosis; {share(held['stopped'])} are "
            f"stopped.{more}{cost}")


def _answered(found: Mapping[str, Any], group: str) -> int:
    """With a diagnosis, flagged or not."""
    return sum(row["answered"] + row["flagged"] for row in found["kinds"] if _group(row) == group)


def _group(row: Mapping[str, Any]) -> str:
    return str(row.get("group", "learnable" if row["learnable"] else "held_out"))  # reports of before have one exam


def _kinds(found: Mapping[str, Any]) -> Table:
    rows = tuple((row["kind"], _shown(row), row["n"], row["quality"], row["refused"], row["flagged"], row["answered"],
                  value(row["stopped"], percent=True, counted=False))
                 for row in sorted(found["kinds"], key=lambda row: list(WORDS).index(_group(row))))
    return Table("By kind", ("Kind", "Shown to the gate", "Pictures", "Too poor", "Refused by the gate",
                             "Flagged, answered", "Answered", "Stopped"), rows, "Intervals: Wilson's, by kind.")


def _shown(row: Mapping[str, Any]) -> str:
    if row["learnable"]:
        return "may be"
    return f"its like, from {row['like']}" if row["like"] else "no"


def _groups(found: Mapping[str, Any]) -> Table:
    rows = tuple((WORDS[name], value(group["stopped"], percent=True), value(group["warned"], percent=True),
                  value(found["auroc"][name])) for name, group in found["groups"].items())
    return Table("All kinds together", ("Pictures", "Stopped", "Stopped or flagged", "AUROC against the exam"), rows,
                 "AUROC: how well the gate ranks them above this exam's lesions, among pictures good enough to be "
                 f"judged ({number(found['auroc']['held_out'])} for the other generators). It has no threshold. Of the "
                 "generators that the gate may have learnt from, it may have seen these very pictures. Whole kinds are "
                 "resampled, which are few: the intervals are wide, and tell of other kinds than these.")


def _alarms(exam: Mapping[str, Any]) -> Table:
    rows = (("Refused by the gate", value(exam["refused"], percent=True)),
            ("Flagged, but answered", value(exam["flagged"], percent=True)))
    return Table("Real lesions of this exam", ("False alarm", "Share"), rows,
                 f"{exam['refused_by_quality']} more were too poor to be judged.")
