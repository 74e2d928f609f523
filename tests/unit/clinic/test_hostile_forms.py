"""Every field of every form, found by crawling: no attack is answered with a failure, shown alive, or does anything."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal
from clinic_testing import make_app
from hostile import STAFF, TEXTS, Form, World, build, check, crawl, html_routes, submit, visitors

from macule.records.clinic import Clinic
from macule.records.domain import Role


@pytest.fixture
def world(clinic: Clinic) -> Iterator[World]:
    with start_blocking_portal() as portal:
        yield build(make_app(clinic, uploads_per_minute=100_000), clinic, portal)


def _attack(world: World, role: Role, form: Form, changes: list[tuple[str, str]]) -> None:
    client = world.client(role)
    for name, attack in changes:
        reply = submit(client, form, {name: TEXTS[attack]})
        check(reply, f"{attack} in {name} of {form.action} on {form.page} as {role}")


def test_every_field_meets_some_attacks(world: World) -> None:
    """One attack a field, taken in turn, so that each is tried somewhere; all of them in the slow test."""
    turns, kinds, tried = itertools.cycle(TEXTS), set[tuple[str, ...]](), 0
    for role in STAFF:
        for form in crawl(world, role):
            if form.kind in kinds:
                continue
            kinds.add(form.kind)
            changes = [(name, next(turns)) for name in form.attackable()]
            tried += len(changes)
            _attack(world, role, form, changes)
    assert tried >= len(TEXTS)
    for role in (Role.DERMATOLOGIST, Role.ADMIN):
        crawl(world, role)  # what was stored is shown now
    world.intact()


@pytest.mark.slow
@pytest.mark.parametrize("role", STAFF)
def test_every_field_meets_every_attack(world: World, role: Role) -> None:
    for form in crawl(world, role):
        for name in form.attackable():
            _attack(world, role, form, [(name, attack) for attack in TEXTS])
    crawl(world, role)
    world.intact()


def test_no_address_can_be_made_to_fail(world: World) -> None:
    """Ids and queries that are none, on every route, by somebody who may see it."""
    clients = {role: world.client(role) for role in STAFF}
    turns = itertools.cycle(name for name in TEXTS if name not in ("long", "very long", "empty", "blank"))
    for path, route in html_routes():
        if "GET" not in (route.methods or ()):
            continue
        client = next((clients[role] for role in STAFF if role in visitors(route)), clients[Role.NURSE])
        if "{" in path:
            attack = TEXTS[next(turns)].encode("utf-8", "replace").decode()
            reply = client.get(_spoil(path, attack))
            check(reply, f"GET {path} with {attack!r} ")
            assert reply.status_code != 200 or "{secret}" in path, path
        for parameter in route.dependant.query_params:
            attack = TEXTS[next(turns)].encode("utf-8", "replace").decode()
            reply = client.get(world.filled(path), params={parameter.alias: attack})
            check(reply, f"{path}?{parameter.alias}={attack!r}")
    world.intact()


def _spoil(path: str, attack: str) -> str:
    import re
    from urllib.parse import quote

    return re.sub(r"\{\w+(:\w+)?\}", lambda _: quote(attack, safe=""), path)


def test_strangers_find_nothing_to_break(world: World) -> None:
    turns = itertools.cycle(TEXTS)
    for form in crawl(world, None):
        client = world.client(None)
        client.get(form.page)
        for name in form.attackable():
            check(submit(client, form, {name: TEXTS[next(turns)]}), f"{name} of {form.action}")
    world.intact()
