"""Many pictures at once: whose they are, what becomes of each, and that a stop in between loses nothing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

import pytest
from clinic_testing import Clock, add_user, blurred, png
from sqlalchemy import func, select

from macule.errors import ImageTooLarge, InputError, RecordInvalid, StoreAway, UnreadableImage
from macule.records import archives, batch_outcomes, batch_table, batch_work, batches, consent, people, waiting
from macule.records.archives import Limits
from macule.records.batches import Arrived, Belonging, Plan
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ConsentScope, Role
from macule.records.spool import Spool
from macule.records.tables import BatchItem, Exam, Patient

NEW = Plan("Monday", Belonging.NEW, pseudonym="B1", consent=True)


def _files(clinic: Clinic, *pictures: tuple[str, bytes]) -> list[Arrived]:
    return [Arrived(name, clinic.store.put(content)) for name, content in pictures]


def _sent(
    clinic: Clinic, actor: Actor, plan: Plan = NEW, files: Iterable[Arrived] = (), table: str | None = None
) -> str:
    read = None if table is None else batch_table.read(table.encode())
    return batches.create(clinic, actor=actor, plan=plan, files=list(files), table=read)


def _work_off(clinic: Clinic) -> None:
    while batch_work.take_queued(clinic) or waiting.answer_waiting(clinic):
        pass


def _outcomes(clinic: Clinic, actor: Actor, batch_id: str) -> list[tuple[str, str, str]]:
    with clinic.reading() as session:
        rows = batch_outcomes.rows(session, actor=actor, batch_id=batch_id)
    return [(row.name, row.outcome.value, row.risk or row.words) for row in rows]


def _zip(files: dict[str, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer


def test_every_file_has_its_outcome(clinic: Clinic) -> None:
    nurse = add_user(clinic, Role.NURSE)
    files = _files(clinic, ("a.png", png()), ("b.png", blurred()), ("c.jpg", b"not a picture"), ("a-copy.png", png()),
                   ("notes.txt", b"hello"))
    files.append(Arrived("d.png", fault=ImageTooLarge("d.png is over 25 MB: send a smaller picture.")))
    batch_id = _sent(clinic, nurse, files=files)
    _work_off(clinic)
    found = {name: (outcome, words) for name, outcome, words in _outcomes(clinic, nurse, batch_id)}
    assert found["a.png"] == ("answered", "medium") and found["b.png"][0] == "refused"
    assert "sharp" in found["b.png"][1].lower() or "still" in found["b.png"][1].lower()
    assert found["c.jpg"][0] == "failed"
    assert found["d.png"] == ("failed", "d.png is over 25 MB: send a smaller picture.")
    assert found["a-copy.png"] == ("skipped", "This is the same file as a.png, which is in the batch.")
    assert found["notes.txt"][0] == "skipped"
    with clinic.reading() as session:
        totals = batch_outcomes.totals(session, [batch_id])[batch_id]
        assert (totals.total, totals.done, totals.again) == (6, 6, 1)
        assert session.scalar(select(func.count()).select_from(Patient)) == 2  # none for what is no picture


def test_new_patients_have_consented_and_nothing_raw_is_left(clinic: Clinic) -> None:
    nurse = add_user(clinic, Role.NURSE)
    _sent(clinic, nurse, files=_files(clinic, ("a.png", png()), ("b.png", png(seed=1)), ("n.txt", b"text")))
    _work_off(clinic)
    with clinic.reading() as session:
        patients = list(session.scalars(select(Patient).order_by(Patient.pseudonym)))
        assert [each.pseudonym for each in patients] == ["B1-001", "B1-002"]
        assert all(consent.in_force(session, patient_id=each.id, scope=ConsentScope.CARE) for each in patients)
        exams = list(session.scalars(select(Exam)))
        assert {each.created_by for each in exams} == {nurse.id}
        named = {address for each in exams for address in (each.picture, each.thumbnail, each.heatmap)}
        archived = {each.bundle_sha256 for each in exams}
    assert len(set(clinic.store.addresses()) - named) == len(archived)


def test_the_table_says_whose_each_is(clinic: Clinic) -> None:
    nurse = add_user(clinic, Role.NURSE)
    table = ("file;pseudonym;lesion;birth_year;sex;site;modality\n"
             "one.png;P-1;Left arm;1950;f;forearm;dermoscopy\nday/two.png;P-1;left arm;;;;\n"
             "three.png;P-2;;1980;m;nose;\nbad.png;P-3;;1980;x;;\nspaces.png;Mrs Smith;;;;;\nlost.png;P-4;;;;;\n")
    batch_id = _sent(clinic, nurse, Plan("T", Belonging.TABLE, consent=True), _files(
        clinic, ("one.png", png()), ("two.png", png(seed=1)), ("x/three.png", png(seed=2)), ("bad.png", png(seed=3)),
        ("spaces.png", png(seed=4)), ("stray.png", png(seed=5)),
    ), table)
    _work_off(clinic)
    found = {name: (outcome, words) for name, outcome, words in _outcomes(clinic, nurse, batch_id)}
    assert [found[name][0] for name in ("one.png", "two.png", "x/three.png")] == ["answered"] * 3
    assert "female" in found["bad.png"][1] and "looks like a name" in found["spaces.png"][1]
    assert "no row for this file" in found["stray.png"][1] and found["lost.png"][0] == "skipped"
    with clinic.reading() as session:
        first, second = people.by_pseudonym(session, "P-1"), people.by_pseudonym(session, "P-2")
        assert first and second and (first.birth_year, first.sex, second.birth_year) == (1950, "female", 1980)
        assert [(spot.label, spot.body_site, len(spot.exams)) for spot in first.lesions] == [
            ("Left arm", "upper_extremity", 2)]
        assert [spot.label for spot in second.lesions] == ["three"]
        assert {exam.modality for exam in first.lesions[0].exams} == {"dermoscopic", None}


@pytest.mark.parametrize("table", [
    "file,name\na.png,Smith\n", "file,pseudonym\na.png,P-1\nA.PNG,P-2\n", "", "\x00\x01",
    "file,pseudonym\n" + "".join(f"{n}.png,P\n" for n in range(5001)),
])
def test_a_table_that_cannot_be_used_is_refused_in_words(table: str) -> None:
    with pytest.raises(RecordInvalid, match="the table cannot be used") as refusal:
        batch_table.read(table.encode())
    assert "files" in refusal.value.fields


def test_what_is_missing_is_said_field_by_field(clinic: Clinic) -> None:
    nurse, files = add_user(clinic, Role.NURSE), _files(clinic, ("a.png", png()))
    wrong = {
        "consent": Plan("N", Belonging.NEW, pseudonym="B1"), "prefix": Plan("N", Belonging.NEW, "a b", consent=True),
        "pseudonym": Plan("N", Belonging.ONE, "nobody", consent=True),
        "name": Plan("", Belonging.NEW, "B", consent=True),
        "files": Plan("N", Belonging.TABLE, consent=True),
    }
    for field, plan in wrong.items():
        with pytest.raises(RecordInvalid) as refusal:
            _sent(clinic, nurse, plan, files)
        assert list(refusal.value.fields) == [field]
    with pytest.raises(RecordInvalid, match="no picture"):
        _sent(clinic, nurse, files=_files(clinic, ("a.txt", b"text")))


def test_one_patient_may_have_them_all(clinic: Clinic) -> None:
    nurse = add_user(clinic, Role.NURSE)
    with clinic.work(nurse) as work:
        patient = people.register(work, pseudonym="P-9", birth_year=1960)
    for _ in range(2):  # a second batch of the same names is of other spots
        _sent(clinic, nurse, Plan("N", Belonging.ONE, "p-9", consent=True), _files(clinic, ("a.png", png())))
        _work_off(clinic)
    with clinic.reading() as session:
        found = session.get(Patient, patient.id)
        assert found is not None and [(spot.label, len(spot.exams)) for spot in found.lesions] == [("a", 1), ("a", 1)]


class _Stop(BaseException):
    """As a kill: no handler in between sees it."""


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_stop_between_two_steps_gives_each_picture_one_exam(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    nurse = add_user(clinic, Role.NURSE)
    batch_id = _sent(clinic, nurse, files=_files(clinic, *((f"{n}.png", png(seed=n)) for n in range(3))))
    received = batch_work.intake.receive

    def stopped(*args: object, **named: object) -> str:
        if place == "after":
            received(*args, **named)  # type: ignore[arg-type]
        raise _Stop

    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(_Stop):
            patch.setattr(batch_work.intake, "receive", stopped)
            batch_work.take_queued(clinic)
    _work_off(clinic)
    assert [outcome for _, outcome, _ in _outcomes(clinic, nurse, batch_id)] == ["answered"] * 3
    with clinic.reading() as session:
        for kind in (Exam, Patient):
            assert session.scalar(select(func.count()).select_from(kind)) == 3


def test_while_the_store_is_away_files_stay_queued(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    nurse = add_user(clinic, Role.NURSE)
    batch_id = _sent(clinic, nurse, files=_files(clinic, ("a.png", png())))

    def away(*_: object) -> bytes:
        raise StoreAway("the store is away")

    with monkeypatch.context() as patch, pytest.raises(StoreAway):
        patch.setattr(type(clinic.store), "get", away)
        batch_work.take_queued(clinic)
    assert [outcome for _, outcome, _ in _outcomes(clinic, nurse, batch_id)] == ["waiting"]
    _work_off(clinic)
    assert [outcome for _, outcome, _ in _outcomes(clinic, nurse, batch_id)] == ["answered"]


def test_what_failed_can_be_tried_again_until_its_file_is_forgotten(
    clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nurse = add_user(clinic, Role.NURSE)

    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(batch_work.intake, "receive", broken)
        ids = [_sent(clinic, nurse, Plan("N", Belonging.NEW, f"B{n}", consent=True),
                     _files(clinic, ("a.png", png(seed=n)))) for n in range(2)]
        batch_work.take_queued(clinic)
    assert "the server's log" in _outcomes(clinic, nurse, ids[0])[0][2]
    assert batches.retry(clinic, actor=nurse, batch_id=ids[0]) == 1
    _work_off(clinic)
    assert _outcomes(clinic, nurse, ids[0])[0][1] == "answered"
    clock.turn(days=8)
    assert batch_work.forget_files(clinic) == 1
    assert batches.retry(clinic, actor=nurse, batch_id=ids[1]) == 0


def test_answers_stay_hidden_from_a_reader_who_has_not_committed(clinic: Clinic) -> None:
    reader, nurse = add_user(clinic, Role.DERMATOLOGIST), add_user(clinic, Role.NURSE)
    batch_id = _sent(clinic, nurse, files=_files(clinic, ("=cmd.png", png())))
    _work_off(clinic)
    assert _outcomes(clinic, reader, batch_id) == [("=cmd.png", "hidden", "")]
    with clinic.reading() as session:
        hidden, shown = (
            batch_outcomes.table(batch_outcomes.rows(session, actor=actor, batch_id=batch_id, page=None))
            for actor in (reader, nurse)
        )
    assert "medium" not in hidden and "medium" in shown and "\n'=cmd.png,answered,B1-001," in shown.replace("\r", "")


def test_hidden_folders_and_leading_paths_are_left_behind() -> None:
    found = [(each.name, each.content) for each in archives.members(_zip({
        "a/one.jpg": b"1", "__MACOSX/a/._one.jpg": b"x", ".DS_Store": b"x", "a/Thumbs.db": b"x",
        "../../etc/two.jpg": b"2",
        "C:\\temp\\three.jpg": b"3", "/abs/four.jpg": b"4",
    }), Limits())]
    assert found == [("a/one.jpg", b"1"), ("etc/two.jpg", b"2"), ("temp/three.jpg", b"3"), ("abs/four.jpg", b"4")]


def test_members_that_cannot_be_read_do_not_stop_the_others() -> None:
    buffer = _zip({
        "bomb.png": b"\0" * 3_000_000, "big.png": bytes(range(256)) * 200, "inner.zip": b"PK", "ok.png": b"ok",
    })
    content = bytearray(buffer.getvalue())
    found = {each.name: each for each in archives.members(io.BytesIO(bytes(content)), Limits(member=40_000))}
    assert found["ok.png"].content == b"ok" and "archive within" in str(found["inner.zip"].fault)
    assert "over 0 MB" in str(found["big.png"].fault)
    bomb = next(archives.members(io.BytesIO(bytes(content)), Limits()))
    assert isinstance(bomb.fault, ImageTooLarge) and bomb.content is None

    with zipfile.ZipFile(buffer) as archive:
        info = archive.getinfo("big.png")
    content[info.header_offset + 60:info.header_offset + 80] = b"\xff" * 20
    damaged = {each.name: each for each in archives.members(io.BytesIO(bytes(content)), Limits())}
    assert isinstance(damaged["big.png"].fault, UnreadableImage) and damaged["ok.png"].content == b"ok"


def test_a_locked_member_is_named() -> None:
    content = bytearray(_zip({"secret.png": b"1234"}).getvalue())
    content[6] |= 1  # the flag in the member's own header, then in the list at the end
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (member,) = archives.members(io.BytesIO(bytes(content)), Limits())
    assert isinstance(member.fault, InputError) and "password" in str(member.fault)


def test_a_bomb_or_no_archive_at_all_is_refused_as_a_whole() -> None:
    for limits in (Limits(members=1), Limits(total=5)):
        with pytest.raises(ImageTooLarge, match="split it"):
            list(archives.members(_zip({"a.png": b"1234", "b.png": b"1234"}), limits))
    for content in (b"", b"PK\x03\x04", b"no zip at all", _zip({"a.png": b"1"}).getvalue()[:-30]):
        with pytest.raises(UnreadableImage, match="pack it again"):
            list(archives.members(io.BytesIO(content), Limits()))


def test_a_spool_is_read_back_at_any_place_and_leaves_nothing(clinic: Clinic) -> None:
    spool, content = Spool(clinic.store, piece=1000), bytes(n * 7 % 251 for n in range(10_500))
    for start in range(0, len(content), 333):
        spool.write(content[start:start + 333])
    file = spool.finish()
    assert file.read() == content and file.seek(-1500, io.SEEK_END) == 9000 and file.read(600) == content[9000:9600]
    assert len(list(clinic.store.addresses())) == 11
    spool.discard()
    assert list(clinic.store.addresses()) == []


def test_an_erased_exam_leaves_its_line(clinic: Clinic) -> None:
    nurse = add_user(clinic, Role.NURSE)
    batch_id = _sent(clinic, nurse, files=_files(clinic, ("a.png", png())))
    _work_off(clinic)
    with clinic.work(nurse) as work:
        item = work.session.scalars(select(BatchItem)).one()
        item.exam_id = None
    assert _outcomes(clinic, nurse, batch_id) == [("a.png", "skipped", "The patient was erased.")]
