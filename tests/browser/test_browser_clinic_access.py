"""Every page of the clinic, as everybody who may open it: axe-core, narrow and wide, light and dark, and its weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

from clinic_place import ClinicPlace, jpeg, opened  # noqa: E402
from clinic_testing import Signed, add_exam, add_lesion  # noqa: E402

from macule.examples import Kind  # noqa: E402
from macule.records import biopsies, consent, reviews, tickets  # noqa: E402
from macule.records.domain import Role  # noqa: E402
from macule.records.tables import Exam  # noqa: E402

#: Who opens what. `{open}` is an exam that nobody has read, `{read}` one that was, `{refused}` a blurred one.
PAGES: dict[Role | None, tuple[str, ...]] = {
    None: ("/login", "/api", "/setup/wrong", "/p/{link}"),
    Role.NURSE: ("/patients", "/patients/new", "/patients/{patient}", "/patients/{patient}/consent",
                 "/patients/{patient}/edit", "/patients/{patient}/lesions/new", "/lesions/{lesion}",
                 "/lesions/{lesion}/capture", "/exams/{open}", "/exams/{read}", "/exams/{refused}", "/batches",
                 "/account", "/nowhere"),
    Role.DERMATOLOGIST: ("/worklist", "/cases/{open}", "/cases/{read}", "/cases/{refused}", "/cases/{read}/history",
                         "/cases/{read}/similar", "/exams/{open}", "/dashboard"),
    Role.ADMIN: ("/admin/users", "/admin/settings", "/admin/keys", "/admin/webhooks", "/admin/audit", "/admin/privacy",
                 "/dashboard"),
}
VIEWS = {"phone, dark": (360, "dark")}
MORE = {
    "phone, light": (360, "light"), "desk, light": (1280, "light"), "desk, dark": (1280, "dark"),
    "wall": (3840, "light"),
}
#: The issue's bound on what a slow phone loads first, pictures apart.
MOST_BYTES = 150_000


@dataclass(frozen=True)
class Furnished:
    place: ClinicPlace
    ids: dict[str, str]

    def enter(self, context: BrowserContext, role: Role | None) -> None:
        if role is not None:
            token = Signed(self.place.app, self.place.clinic, self.place.staff[role]).cookies["macule"]
            context.add_cookies([{"name": "macule", "value": token, "url": self.place.root}])

    def address(self, path: str) -> str:
        return self.place.root + path.format(**self.ids)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with opened(tmp_path_factory.mktemp("pages")) as place:
        yield Furnished(place, _furnish(place))


def _furnish(place: ClinicPlace) -> dict[str, str]:
    clinic, reader = place.clinic, place.staff[Role.DERMATOLOGIST]
    lesion = add_lesion(clinic)
    with clinic.work(place.staff[Role.NURSE]) as work:
        consent.give(work, patient_id=lesion.patient_id, scope="care")
        link = tickets.issue(work, purpose=tickets.Purpose.PATIENT, patient_id=lesion.patient_id)
    first, read = (add_exam(clinic, lesion=lesion, picture=jpeg(Kind.IRREGULAR, seed=seed)) for seed in (5, 6))
    with clinic.work(reader) as work:
        reviews.commit(work, exam_id=read.id, own_code="nv")
    with clinic.work(reader) as work:
        version = work.get(Exam, read.id).version
        reviews.decide(work, exam_id=read.id, version=version, decision="override", final_code="bcc",
                       reason="morphology", management="excise", note="Blue-white veil.")
    with clinic.work(reader) as work:
        biopsies.record(work, exam_id=read.id, version=None, code="mel", reported_on=work.now.date(), note=None)
    return {
        "open": add_exam(clinic, picture=jpeg()).id, "read": read.id, "first": first.id,
        "refused": add_exam(clinic, picture=jpeg(blur=9)).id, "lesion": lesion.id, "patient": lesion.patient_id,
        "link": link,
    }


def settle(page: Page, address: str) -> None:
    """The page, and the pieces that it fetches by itself."""
    page.goto(address)
    if page.locator("[hx-trigger=load]").count():
        page.wait_for_load_state("networkidle")


def look_at(chromium: Browser, furnished: Furnished, role: Role | None, width: int, theme: str) -> list[str]:
    """Every page of a role in one browser. Returns: what is wrong, in words."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    furnished.enter(context, role)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
    for path in PAGES[role]:
        settle(page, furnished.address(path))
        wrong += [f"{path}: {fault}" for fault in _faults(page)]
    context.close()
    return wrong


def _faults(page: Page) -> list[str]:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    found = axe.Axe().run(page).response["violations"]
    faults = [f"{one['id']}: {node['html'][:160]}" for one in found if one["impact"] in ("serious", "critical")
              for node in one["nodes"]]
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*faults, f"{width} px too wide"] if width > 0 else faults


@pytest.mark.parametrize("role", PAGES, ids=str)
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious_and_nothing_sideways(
    chromium: Browser, furnished: Furnished, role: Role | None, view: str
) -> None:
    assert look_at(chromium, furnished, role, *VIEWS[view]) == []


@pytest.mark.slow
@pytest.mark.parametrize("role", PAGES, ids=str)
@pytest.mark.parametrize("view", MORE)
def test_nor_on_other_screens(chromium: Browser, furnished: Furnished, role: Role | None, view: str) -> None:
    assert look_at(chromium, furnished, role, *MORE[view]) == []


@pytest.mark.parametrize("role", PAGES, ids=str)
def test_every_first_load_is_light(chromium: Browser, furnished: Furnished, role: Role | None) -> None:
    heavy = {}
    for path in PAGES[role]:
        context = chromium.new_context(viewport={"width": 390, "height": 844})
        furnished.enter(context, role)
        page, answers = context.new_page(), list[Response]()
        # Not `answers.append` itself: Playwright marks a handler, and a built-in method takes no mark.
        page.on("response", lambda answer, answers=answers: answers.append(answer))
        settle(page, furnished.address(path))
        weight = sum(_bytes(answer) for answer in answers)
        if weight > MOST_BYTES:
            heavy[path] = weight
        context.close()
    assert heavy == {}


def _bytes(answer: Response) -> int:
    """Of everything but pictures, as it came over the wire."""
    if answer.headers.get("content-type", "").startswith("image/") or answer.status in (204, 303, 304):
        return 0
    return answer.request.sizes()["responseBodySize"]
