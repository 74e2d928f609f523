"""A new key for everything: pictures and sealed columns, while the clinic runs, and again from where it stopped.

Old keys stay and open until `retire`, which refuses while anything still needs them. A picture that is erased in the
very moment of its sealing comes back without a row, and the sweep takes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from macule.errors import Conflict, NoSuchRecord, PictureDamaged, StoreAway
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.store.keys import KeyRing, key_of
from macule.records.sweep import named
from macule.records.tables import User, Webhook

#: Uploads that took the old key just before a rotation have long ended after this.
SETTLED = timedelta(hours=1)
Tick = Callable[[], None]


@dataclass(frozen=True)
class Column:
    """Bytes of a table that the ring has sealed. context: of a row's id, as whoever seals them gives it."""

    key: InstrumentedAttribute[str]
    value: InstrumentedAttribute[Any]
    context: Callable[[str], bytes]


COLUMNS = (
    Column(User.id, User.totp_secret, lambda key: f"totp:{key}".encode()),
    Column(Webhook.id, Webhook.secret, lambda key: f"webhook:{key}".encode()),
)


@dataclass(frozen=True)
class Resealed:
    """pictures, secrets: how many were sealed anew. damaged: addresses, and ids of secrets, that do not open."""

    pictures: int
    secrets: int
    damaged: tuple[str, ...]


def uses(clinic: Clinic, *, trash: bool = True) -> Counter[str]:
    """How many pictures and secrets each key is needed for, by its id. Raises: StoreAway, DatabaseAway."""
    found: Counter[str] = Counter()
    for _, _, sealed in _secrets(clinic):
        with suppress(PictureDamaged):  # beyond any key
            found[key_of(sealed)] += 1
    for address in _everything(clinic, trash):
        with suppress(NoSuchRecord, PictureDamaged):  # removed meanwhile, or beyond any key
            found[clinic.store.key_of(address)] += 1
    return found


def rotate(clinic: Clinic, ring: KeyRing, *, tick: Tick | None = None) -> Resealed:
    """Make a new key and seal everything with it. An earlier rotation that was broken off is finished instead.

    Raises: UsageError (keys by MACULE_KEY), KeyMissing, StoreAway, DatabaseAway, OSError.
    """
    if not set(uses(clinic, trash=False)) - {ring.ids()[-1]}:
        added = ring.add()
        with clinic.work(SYSTEM) as work:
            work.record("keys.added", "ring", added)
    return reseal(clinic, ring, tick=tick)


def reseal(clinic: Clinic, ring: KeyRing, *, tick: Tick | None = None) -> Resealed:
    """Seal with the newest key what another one has sealed. Raises: KeyMissing, StoreAway, DatabaseAway."""
    newest, pictures, damaged = ring.ids()[-1], 0, []
    for address in clinic.store.addresses():
        try:
            pictures += _reseal_picture(clinic, address, newest)
        except NoSuchRecord:  # erased or swept meanwhile
            continue
        except PictureDamaged:
            damaged.append(address)
        if tick:
            tick()
    secrets = 0
    for column, key, old in _secrets(clinic):
        try:
            secrets += _reseal_secret(clinic, ring, column, key, old)
        except PictureDamaged:
            damaged.append(column.context(key).decode())
    with clinic.work(SYSTEM) as work:
        work.record("keys.resealed", "ring", newest, pictures=pictures, secrets=secrets, damaged=len(damaged))
    return Resealed(pictures, secrets, tuple(damaged))


def retire(clinic: Clinic, ring: KeyRing) -> tuple[str, ...]:
    """Forget every key but the newest.

    Returns: ids of those that are gone.
    Raises: Conflict while one is needed or the newest key is younger than an hour; UsageError, StoreAway, OSError.
    """
    newest, old = ring.ids()[-1], ring.ids()[:-1]
    if not old:
        return ()
    settled = ring.changed_at() + SETTLED
    if clinic.clock() < settled:
        wait = settled.astimezone(UTC).strftime("%H:%M UTC")
        raise Conflict(f"the newest key is young and an upload may still use an older one: retire them after {wait}.")
    _require_pictures(clinic)
    needed = {key: count for key, count in uses(clinic).items() if key != newest}
    if needed:
        words = ", ".join(f"{key} by {count}" for key, count in sorted(needed.items()))
        raise Conflict(f"older keys are still needed ({words}): run `macule keys reseal` first.")
    ring.drop(old)
    with clinic.work(SYSTEM) as work:
        work.record("keys.retired", "ring", newest, retired=list(old))
    return old


def _require_pictures(clinic: Clinic) -> None:
    # An unmounted store shows no picture, and would let every key go.
    with clinic.reading() as session:
        wanted = named(session)
    if wanted and next(iter(clinic.store.addresses()), None) is None:
        raise StoreAway("the records name pictures but the store shows none: is it mounted?")


def _everything(clinic: Clinic, trash: bool) -> Iterator[str]:
    yield from clinic.store.addresses()
    if trash:
        yield from (address for address, _ in clinic.store.discarded())


def _reseal_picture(clinic: Clinic, address: str, newest: str) -> bool:
    if clinic.store.key_of(address) == newest:
        return False
    clinic.store.put(clinic.store.get(address))
    return True


def _secrets(clinic: Clinic) -> list[tuple[Column, str, bytes]]:
    with clinic.reading() as session:
        return [
            (column, key, value) for column in COLUMNS
            for key, value in session.execute(select(column.key, column.value).where(column.value.is_not(None)))
        ]


def _reseal_secret(clinic: Clinic, ring: KeyRing, column: Column, key: str, old: bytes) -> bool:
    if key_of(old) == ring.ids()[-1]:
        return False
    context = column.context(key)
    fresh = ring.seal(ring.unseal(old, context=context), context=context)
    with clinic.work(SYSTEM) as work:
        # Only what is still the same: whoever changed it meanwhile sealed it with the newest key.
        changed = work.session.execute(
            update(column.key.class_).where(column.key == key, column.value == old).values({column.value: fresh})
            .execution_options(synchronize_session=False)
        )
        return bool(changed.rowcount)  # type: ignore[attr-defined]

