"""What an answer means and what to do next, in plain words. Never a diagnosis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from macule.analysis.result import Quality, Risk
from macule.taxonomy import Diagnosis

_ANYWAY = "If the spot changes, grows, bleeds, itches or worries you, see a doctor whatever is shown here."

_BY_RISK = {
    Risk.HIGH: (
        "The model sees signs that are common in skin cancer. This is not a diagnosis. "
        "Have the spot examined by a doctor, best a dermatologist, within the next two weeks."
    ),
    Risk.MEDIUM: (
        "The model cannot rule out a skin cancer or an early form of one. This is not a diagnosis. "
        f"Have a doctor look at the spot in the coming weeks. {_ANYWAY}"
    ),
    Risk.LOW: (
        "The model sees nothing that is typical of skin cancer. That does not rule one out. "
        f"Look at the spot again every month and compare it with this picture. {_ANYWAY}"
    ),
}
_UNFAMILIAR = (
    "This picture does not look like those that the model knows, close-ups of one spot on the skin: do not rely on "
    "its numbers. Take another picture, or have a doctor look at the spot."
)


def for_refusal(quality: Quality) -> str:
    """What to do about a picture that could not be judged: each failed check's own advice."""
    return f"This picture cannot be judged. {remedies(quality)} {_ANYWAY}"


def remedies(quality: Quality) -> str:
    """Each failed check's own advice."""
    return " ".join(check.advice for check in quality.checks if not check.passed)


def for_answer(*, risk: Risk, cannot_exclude: tuple[Diagnosis, ...], in_distribution: bool) -> str:
    """What a judged picture's answer means and what to do next."""
    sentences = [] if in_distribution else [_UNFAMILIAR]
    return " ".join([*sentences, _BY_RISK[risk], *_open(cannot_exclude)])


def for_lesion(
    *, risk: Risk, cannot_exclude: tuple[Diagnosis, ...], unfamiliar: Iterable[int], riskier: Iterable[int],
    left_out: Mapping[int, str],
) -> str:
    """What the answer to several pictures of one lesion means and what to do next. Pictures go by their numbers.

    unfamiliar: those that do not look like what the model knows. riskier: those that alone have a higher risk than all
    together. left_out: those that could not be judged, and what to do about each.
    """
    sentences = [f"Picture {number} does not look like those that the model knows, close-ups of one spot on the skin: "
                 "do not rely on the numbers. Take it again, or ask again without it." for number in unfamiliar]
    sentences += [_BY_RISK[risk].replace("this picture", "these pictures"), *_open(cannot_exclude)]
    sentences += [f"Picture {number} alone looks more suspicious than all together: show that one to the doctor, too."
                  for number in riskier]
    return " ".join([*sentences, *(f"Picture {number} was left out: {why}" for number, why in left_out.items())])


def for_refused_lesion(left_out: Mapping[int, str]) -> str:
    """What to do where none of a lesion's pictures could be judged. left_out: as in `for_lesion`."""
    if len(left_out) == 1:
        return f"This picture cannot be judged. {' '.join(left_out.values())} {_ANYWAY}"
    reasons = " ".join(f"Picture {number}: {why}" for number, why in left_out.items())
    return f"None of these pictures can be judged. {reasons} {_ANYWAY}"


def _open(cannot_exclude: tuple[Diagnosis, ...]) -> list[str]:
    names = "; ".join(code.entry.name for code in cannot_exclude)
    return [f"Only an examination can exclude: {names}."] if names else []
