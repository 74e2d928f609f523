"""A clinic to try things in: invented patients, drawn lesions, three months of work. Made through the same services.

A drawing has no diagnosis. The outcomes here are invented with the drawings, and say nothing about the model.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import cv2
import numpy as np

from macule import examples
from macule.analysis.explain import to_jpeg
from macule.analysis.patient import Modality, Sex
from macule.examples import Kind
from macule.messages import catalogue
from macule.records import biopsies, comments, consent, intake, lesions, people, reviews
from macule.records.body_map import REGIONS, Region
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ConsentScope, Decision, Management, OverrideReason, SkinType
from macule.records.tables import Exam
from macule.taxonomy import Diagnosis

PATIENTS = 36
SEED = 2026
#: What each kind of drawing stands for here, and how often a clinic sees one.
MEANT: dict[Kind, tuple[Diagnosis, float]] = {
    Kind.NAEVUS: (Diagnosis.NV, 0.30),
    Kind.GLOBULAR_NAEVUS: (Diagnosis.NV, 0.14),
    Kind.STUCK_ON: (Diagnosis.BKL, 0.14),
    Kind.ARBORISING: (Diagnosis.BCC, 0.12),
    Kind.IRREGULAR: (Diagnosis.MEL, 0.10),
    Kind.SCALY: (Diagnosis.AKIEC, 0.07),
    Kind.LACUNAE: (Diagnosis.VASC, 0.05),
    Kind.WHITE_CENTRE: (Diagnosis.DF, 0.05),
    Kind.CRUSTED: (Diagnosis.SCCKA, 0.03),
}
#: Parts of the body map, by their keys there.
PLACES = (
    "front.face", "back.upper_back", "front.chest", "front.left_forearm", "front.right_lower_leg", "back.lower_back",
    "back.left_lower_leg", "front.right_upper_arm",
)
#: A story is told until it wants to wait; what it yields is the time at which it goes on.
Story = Iterator[datetime]


@dataclass(frozen=True)
class Team:
    """Who works in the demonstration. Their accounts exist already."""

    nurse: Actor
    reader: Actor


class Wound:
    """A clock that the stories set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Stage:
    """What every story needs. clock is the clinic's own. today: where the stories end."""

    clinic: Clinic
    clock: Wound
    team: Team
    rng: np.random.Generator
    today: datetime

    def later(self, **units: float) -> datetime:
        return self.clock.now + timedelta(**units)


def furnish(clinic: Clinic, *, team: Team, progress: Callable[[int], None] | None = None) -> None:
    """Fill an empty clinic with PATIENTS patients over the last 90 days; seeded, about half a second a picture.

    progress: called with the number of stories that have ended.
    """
    rng, today = np.random.default_rng(SEED), clinic.clock()
    clock = Wound(today)
    stage = Stage(replace(clinic, clock=clock), clock, team, rng, today)
    # To the fourth: most in the last days, so that cases are still open.
    begins = sorted(today - timedelta(days=0.1 + 88 * float(share) ** 4) for share in rng.uniform(0, 1, PATIENTS))
    # By time, so that the log reads as it would have been written. The number breaks ties.
    waiting = [(begin, number, _patient(stage, number)) for number, begin in enumerate(begins)]
    ended = 0
    while waiting:
        clock.now, number, story = heapq.heappop(waiting)
        goes_on = next(story, None)
        if goes_on is not None and goes_on < today:
            heapq.heappush(waiting, (goes_on, number, story))
        else:
            ended += 1
            if progress:
                progress(ended)


def _patient(stage: Stage, number: int) -> Story:
    rng = stage.rng
    tone = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.15, 0.3, 0.25, 0.15, 0.1, 0.05]))
    with stage.clinic.work(stage.team.nurse) as work:
        patient = people.register(
            work, pseudonym=f"D-{1001 + number}", birth_year=int(rng.integers(1938, 2002)),
            sex=list(Sex)[int(rng.integers(2))].value, skin_type=SkinType(tone),
        )
        for scope in ConsentScope if rng.random() < 0.6 else (ConsentScope.CARE,):
            consent.give(work, patient_id=patient.id, scope=scope.value, language="en")
    for place in rng.choice(len(PLACES), size=1 + int(rng.random() < 0.35), replace=False):
        yield stage.later(minutes=3)
        yield from _lesion(stage, patient.id, tone, REGIONS[PLACES[int(place)]])


def _lesion(stage: Stage, patient_id: str, tone: int, place: Region) -> Story:
    x, y = place.centre
    with stage.clinic.work(stage.team.nurse) as work:
        lesion = lesions.add(
            work, patient_id=patient_id, label=catalogue("en").text(f"capture.region.{place.key}"),
            body_site=place.site.value, map_view=place.view.value, map_x=x, map_y=y,
        )
    kinds = list(MEANT)
    kind = kinds[int(stage.rng.choice(len(kinds), p=[share for _, share in MEANT.values()]))]
    for visit, picture in enumerate(_pictures(kind, tone, stage.rng, visits=1 + int(stage.rng.random() < 0.4))):
        yield stage.later(days=30 * visit, minutes=2)
        exam_id = intake.submit(stage.clinic, actor=stage.team.nurse, submission=intake.Submission(
            lesion_id=lesion.id, picture=picture, file_name=f"visit-{visit + 1}.jpg", modality=Modality.DERMOSCOPIC,
        ))
        yield from _reading(stage, exam_id, MEANT[kind][0])


def _pictures(kind: Kind, tone: int, rng: np.random.Generator, visits: int) -> Iterator[bytes]:
    """The same lesion at each visit, a little larger and turned a little in the picture. JPEGs."""
    seed, hair = int(rng.integers(1, 10_000)), float(rng.choice([0.0, 0.0, 0.25]))
    scene = replace(examples.preset(kind), tone=tone, hair=hair)
    for visit in range(visits):
        drawn = examples.draw(replace(scene, radius=min(0.42, scene.radius * (1 + 0.12 * visit))), seed=seed)
        height, width = drawn.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7.0 * visit, 1.0)
        yield to_jpeg(np.asarray(cv2.warpAffine(drawn, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8))


def _reading(stage: Stage, exam_id: str, truth: Diagnosis) -> Story:
    """The dermatologist commits, decides, and sends away what is suspicious."""
    with stage.clinic.reading() as session:
        exam = session.get_one(Exam, exam_id)
    if exam.top_code is None:
        return
    machine, rng = Diagnosis(exam.top_code), stage.rng
    own = truth if rng.random() < 0.85 else machine
    final = machine if own is not truth and rng.random() < 0.5 else own
    yield stage.later(hours=float(rng.gamma(2.0, 20.0)))
    with stage.clinic.work(stage.team.reader) as work:
        reviews.commit(work, exam_id=exam_id, own_code=own.value)
    with stage.clinic.work(stage.team.reader) as work:
        reviews.seen(work, exam_id=exam_id)
    yield stage.later(minutes=2)
    _decide(stage, exam_id, final, agrees=final is machine)
    if final.suspicious or rng.random() < 0.15:
        yield stage.later(days=float(rng.uniform(3, 9)))
        with stage.clinic.work(stage.team.reader) as work:
            biopsies.record(
                work, exam_id=exam_id, version=None, code=truth.value, reported_on=stage.clock.now.date(), note=None
            )


def _decide(stage: Stage, exam_id: str, final: Diagnosis, *, agrees: bool) -> None:
    reasons = (OverrideReason.MORPHOLOGY, OverrideReason.HISTORY, OverrideReason.ARTEFACT)
    reason = reasons[int(stage.rng.integers(len(reasons)))]
    with stage.clinic.work(stage.team.reader) as work:
        exam = work.get(Exam, exam_id)
        reviews.decide(
            work, exam_id=exam_id, version=exam.version,
            decision=(Decision.CONFIRM if agrees else Decision.OVERRIDE).value, final_code=final.value,
            reason=None if agrees else reason.value,
            management=(Management.EXCISE if final.suspicious else Management.FOLLOW_UP).value,
        )
        if stage.rng.random() < 0.2:
            comments.add(work, exam_id=exam_id, text="Seen together with the patient; the picture was explained.")
