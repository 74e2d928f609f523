"""What an answer means and what to do next, in plain words. Never a diagnosis."""

from __future__ import annotations

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
    remedies = " ".join(check.advice for check in quality.checks if not check.passed)
    return f"This picture cannot be judged. {remedies} {_ANYWAY}"


def for_answer(*, risk: Risk, cannot_exclude: tuple[Diagnosis, ...], in_distribution: bool) -> str:
    """What a judged picture's answer means and what to do next."""
    sentences = [] if in_distribution else [_UNFAMILIAR]
    sentences.append(_BY_RISK[risk])
    if cannot_exclude:
        names = "; ".join(code.entry.name for code in cannot_exclude)
        sentences.append(f"Only an examination can exclude: {names}.")
    return " ".join(sentences)
