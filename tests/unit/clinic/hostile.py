"""What attackers type, and a crawler that finds every field they can type it into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlsplit

from anyio.from_thread import BlockingPortal
from clinic_testing import Signed, add_exam, add_user, blurred, png
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIRouter
from sqlalchemy import func, select
from starlette.responses import Response
from starlette.testclient import TestClient

from macule.records import api_keys, consent, webhooks
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.policy import BY_ROLE
from macule.records.tables import Base, Batch, Comment, Exam, User
from macule.web.clinic.rooms import ROOMS

STAFF = (Role.NURSE, Role.DERMATOLOGIST, Role.ADMIN)
MARK = "xss4711"
PRODUCT = str(4711 * 4711)
TEXTS: dict[str, str] = {
    "sql or": "' OR '1'='1' --",
    "sql drop": "'; DROP TABLE patient; DELETE FROM audit; --",
    "sql union": "1 UNION SELECT password_hash FROM user_account --",
    "sql sleep": "'||pg_sleep(9)||'",
    "like": "%_\\%",
    "tag": f'"><{MARK} on{MARK}="1">',
    "script": f"</textarea></script><script>{MARK}()</script>",
    "attribute": f"' on{MARK}='1' x=\"",
    "address": f"javascript:{MARK}()",
    "svg": f"<svg/onload={MARK}()>",
    "template": "{{4711*4711}}{% print(4711*4711) %}${4711*4711}#{4711*4711}<%=4711*4711%>",
    "format": "{0.__class__}{t.__globals__}%s%n%(x)s",
    "traversal": "../../../../../../etc/passwd",
    "backslashes": "..\\..\\..\\windows\\win.ini",
    "percent": "%2e%2e%2f%00%ff",
    "nul": "a\x00b",
    "line ends": "a\r\nSet-Cookie: stolen=1\r\n\r\n<b>",
    "right to left": "abc\u202egnp.exe",
    "invisible": "\u200b\ufeff\u2066\u0300",
    "not a character": "\ufffe\uffff\U0010ffff",
    "half a character": "\ud800",
    "emoji": "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{STAFF OF AESCULAPIUS}" * 60,
    "long": "A" * 20_000,
    "very long": "A" * 1_000_000,
    "negative": "-1",
    "enormous": "9" * 400,
    "not a number": "NaN",
    "infinite": "1e999",
    "other digits": "\u0661\u0662",
    "json": '{"$ne": null}',
    "empty": "",
    "blank": " \t ",
}


@dataclass
class Form:
    """One form of a page. fields: {name: a value that its page offers}. files: names of file inputs."""

    page: str
    method: str
    action: str
    multipart: bool
    fields: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def kind(self) -> tuple[str, ...]:
        """The same form on pages of different records is one kind."""
        return (self.method, re.sub(r"[0-9a-f]{32,64}", "*", self.action), *sorted(self.fields))

    def attackable(self) -> list[str]:
        return [name for name in self.fields if name != "csrf_token"]


class Page(HTMLParser):
    """Forms and addresses of a page, and what must not be in any: handlers, inline scripts, script addresses."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__()
        self.address, self.forms, self.links, self.live = address, list[Form](), list[str](), list[str]()
        self._form: Form | None = None
        self._select, self._script = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        self._watch(tag, about)
        if tag == "form":
            kind, place = about.get("method", "get").lower(), about.get("action", "") or urlsplit(self.address).path
            self._form = Form(self.address, kind, place, "multipart" in about.get("enctype", ""))
            self.forms.append(self._form)
        elif tag == "a" and about.get("href", "").startswith("/"):
            self.links.append(about["href"].partition("#")[0])
        elif self._form is not None and (name := about.get("name")):
            self._field(tag, name, about)
        elif tag == "option" and self._form is not None and self._select:
            chosen = "selected" in about or not self._form.fields[self._select]
            self._form.fields[self._select] = about.get("value", "") if chosen else self._form.fields[self._select]

    def _field(self, tag: str, name: str, about: dict[str, str]) -> None:
        assert self._form is not None
        if tag == "input" and about.get("type") == "file":
            self._form.files.append(name)
        elif tag == "input" and about.get("type") in ("radio", "checkbox"):
            if "checked" in about or name not in self._form.fields:
                self._form.fields[name] = about.get("value", "on")
        elif tag in ("input", "textarea", "select", "button"):
            self._form.fields.setdefault(name, about.get("value", ""))
            self._select = name if tag == "select" else self._select

    def _watch(self, tag: str, about: dict[str, str]) -> None:
        self._script = tag == "script" and "src" not in about
        handlers = [name for name in about if name.startswith("on")]
        scripts = [value for name, value in about.items() if name in ("href", "src", "action", "formaction")
                   and re.match(r"\s*(javascript|vbscript|data:text)", value, re.IGNORECASE)]
        self.live += handlers + scripts + ([tag] if tag == MARK else [])

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.live.append(data.strip()[:40])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = ""
        self._script = False


def check(reply: Any, about: str) -> None:
    """No failure of ours, nothing alive in the page, nothing computed, no header of theirs."""
    assert reply.status_code not in (500, 501, 502), f"{about}: {reply.status_code}"
    assert "stolen" not in str(reply.headers).lower() and MARK not in str(reply.headers.get("location", "")), about
    kind = reply.headers.get("content-type", "")
    if kind.startswith("text/html"):
        assert Page("", reply.text).live == [], f"{about}: {Page('', reply.text).live}"
    if kind.startswith(("text/", "application/json")):
        assert PRODUCT not in reply.text, about
        assert "root:" not in reply.text and "Traceback (most" not in reply.text, about


@dataclass
class World:
    """A clinic with one of everything, and the ids by which paths name them."""

    app: FastAPI
    clinic: Clinic
    portal: BlockingPortal
    ids: dict[str, str]

    def client(self, role: Role | None) -> TestClient:
        """Somebody of this role, new; None: a stranger."""
        if role is None:
            made: TestClient = TestClient(self.app, raise_server_exceptions=False, follow_redirects=False)
        else:
            made = Signed(self.app, self.clinic, add_user(self.clinic, role))
            self.admins |= {made.actor.id} if role is Role.ADMIN else set()
        made.portal = self.portal  # one event loop for all: starting one costs more than most requests
        return made

    def pages(self, role: Role | None) -> Iterator[str]:
        """Every page that this role may GET, with ids of things that are there."""
        for path, route in html_routes():
            file = path.endswith(("/report.pdf", "/picture", "/thumbnail", "/heatmap"))
            if "GET" in (route.methods or ()) and role in visitors(route) and not file:
                yield self.filled(path)

    def filled(self, path: str) -> str:
        return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: self.ids.get(found[1], "0" * 32), path)

    def intact(self) -> None:
        """The tables are there, the patient too, and nobody became an administrator."""
        with self.clinic.reading() as session:
            for table in Base.metadata.sorted_tables:
                session.execute(select(func.count()).select_from(table))
            assert session.get(Exam, self.ids["exam_id"]) is not None
            admins = session.scalars(select(User.id).where(User.role == "admin")).all()
            assert set(admins) <= self.admins, "somebody became an administrator"

    admins: set[str] = field(default_factory=set)


def build(app: FastAPI, clinic: Clinic, portal: BlockingPortal) -> World:
    answered, refused = add_exam(clinic), add_exam(clinic, picture=blurred())
    other = add_user(clinic, Role.DERMATOLOGIST)
    with clinic.work(SYSTEM) as work:
        consent.give(work, patient_id=answered.patient_id, scope="care")
        key, _ = api_keys.create(work, name="PACS", scopes=["exams:read"], valid_for=None)
        hook = webhooks.subscribe(work, seals=clinic.seals, url="https://a.example/", events=["exam.failed"],
                                  private=False)
        batch = Batch(id=work.new_id(), name="Monday", created_at=work.now, created_by=other.id,
                      consent_language="en")
        work.session.add(batch)
        work.session.add(Comment(id=work.new_id(), exam_id=answered.id, author_id=other.id, text="Seen.",
                                 created_at=work.now))
    return World(app, clinic, portal, {
        "exam_id": answered.id, "lesion_id": answered.lesion_id, "patient_id": answered.patient_id,
        "batch_id": batch.id, "key_id": key.id, "user_id": other.id, "webhook_id": hook.webhook.id,
        "refused": refused.id,
    })


def html_routes() -> Iterator[tuple[str, APIRoute]]:
    for room in ROOMS:
        for path, route in _walk(room.routes, ""):
            if not path.startswith("/api/v1"):
                yield path, route


def visitors(route: APIRoute) -> set[Role | None]:
    """Whom the door lets in here, in general; everybody where there is no guard."""
    guards = [dependency.call for dependency in route.dependant.dependencies if hasattr(dependency.call, "permission")]
    needed = guards[0].permission if guards else None  # type: ignore[union-attr]
    everybody: set[Role | None] = {*STAFF, None}
    return everybody if needed is None else {role for role in STAFF if needed in BY_ROLE[role]}


def _walk(routes: Iterable[Any], prefix: str) -> Iterator[tuple[str, APIRoute]]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if isinstance(route, APIRoute):
            yield prefix + route.path, route
        elif isinstance(inner, APIRouter):
            yield from _walk(inner.routes, prefix + route.include_context.prefix)


def crawl(world: World, role: Role | None) -> list[Form]:
    """One form of each kind that this role is shown. None: somebody who is not signed in."""
    client = world.client(role)
    found: dict[tuple[str, ...], Form] = {}
    for address in dict.fromkeys([*world.pages(role), f"/exams/{world.ids['refused']}"]):
        reply = client.get(address)
        check(reply, f"GET {address} as {role}")
        if reply.status_code == 200 and reply.headers.get("content-type", "").startswith("text/html"):
            for form in Page(address, reply.text).forms:
                found.setdefault(form.kind, form)
    return [form for form in found.values() if form.action != "/logout"]


def submit(client: Any, form: Form, changed: dict[str, str]) -> Response:
    """The form with some fields changed, and a token of this client's own session."""
    values = {**form.fields, **changed}
    if hasattr(client, "csrf"):
        values["csrf_token"] = client.csrf
    if form.method == "get":
        # A client, and any server, ends an address at 64 KB.
        return client.get(form.action, params={name: value[:20_000] for name, value in _safe(values).items()})
    if form.multipart or form.files:
        files = {name: ("spot.png", png(), "image/png") for name in form.files} or {"x": ("", b"")}
        return client.post(form.action, data=_safe(values), files=files)
    body = "&".join(f"{quote(name)}={_quoted(value)}" for name, value in values.items())
    return client.post(form.action, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})


def _quoted(value: str) -> str:
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


def _safe(values: dict[str, str]) -> dict[str, str]:
    """What a client library can send at all."""
    return {name: value.encode("utf-8", "replace").decode() for name, value in values.items()}
