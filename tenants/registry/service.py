"""Registering organisations and what is true of them: each act one transaction, recorded in the trail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.platform.service_hours.rules import Generation
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import OrganisationRefused, TransitionRefused
from chukan.tenants.registry.organisations_file import read_organisations
from chukan.tenants.registry.rules import generation, require_address_system, require_migration_day, require_transition
from chukan.tenants.registry.store import Filter, Registered, subject_of
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.registry.values import AddressClass, AddressSystem, Hosting, ReleaseGroup, State, state_label

#: How the trail names acts on many organisations at once; the detail lists their codes.
MANY = "organisations:many"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import of organisations did; ``changed`` are codes whose name, reading or kind is another now."""

    created: int
    changed: Sequence[str]
    unchanged: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What an operator enters for organisations; None leaves a value as it is."""

    group: ReleaseGroup | None = None
    hosting: Hosting | None = None
    address: tuple[AddressClass, AddressSystem] | None = None
    migrates_on: date | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns to be set."""
        given: dict[str, Any] = {"migrates_on": self.migrates_on}
        given |= {"release_group": self.group and int(self.group), "hosting": self.hosting and self.hosting.value}
        if self.address:
            given |= {"address_class": self.address[0].value, "address_system": self.address[1].value}
        return {column: value for column, value in given.items() if value is not None}


class Registry:
    """The organisations, for *actor*."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def find(self, wanted: Filter, day: date) -> Sequence[Registered]:
        """Return the organisations that *wanted* describes, with the populations that hold on *day*."""
        with self._actor.engine.connect() as connection:
            return store.find(connection, wanted, day)

    def get(self, reference: str, day: date) -> Registered:
        """Return the organisation of *reference*; raises as ``store.get``."""
        with self._actor.engine.connect() as connection:
            return store.get(connection, reference, day)

    def affected(self, day: date) -> Mapping[Generation, int]:
        """Return how many organisations that live on the platform each generation serves on *day*.

        It is the preview of whom hours or outages of one generation concern. Source: A0-110.
        """
        alive = [State.ACTIVE, State.SUSPENDED, State.CLOSING]
        served = [each for each in self.find(Filter(states=alive), day) if each.hosting is Hosting.PLATFORM]
        counted = Counter(generation(each.migrates_on, day) for each in served)
        return {each: counted[each] for each in Generation}

    def import_organisations(self, content: bytes, file: str, *, now: datetime) -> Imported:
        """Register the organisations of a file; those that are there already are brought up to it.

        Repeating it changes nothing. Organisations that the file lacks stay as they are.

        Raises:
            FileUnreadable: the file as a whole makes no sense.
            FileRefused: some lines cannot be taken; nothing was.
            OrganisationRefused: a code is a union's; nothing was taken.
        """
        with self._actor.act(RegistryAction.IMPORT, MANY) as unit:
            rows = read_organisations(content, file)
            made = store.insert_missing(unit.connection, rows, now=now)
            store.insert_events(
                unit.connection, made, None, State.APPLIED, now=now, actor=self._actor.name, reason="import"
            )
            changed = store.update_changed(unit.connection, rows)
            unit.note(created=len(made), changed=list(changed))
        return Imported(len(made), changed, len(rows) - len(made) - len(changed))

    def change(self, references: Sequence[str], changes: Changes, *, now: datetime) -> Sequence[Registered]:
        """Enter *changes* for all of *references*, or for none.

        Raises:
            OrganisationRefused: they cannot be true of one of them.
            OrganisationUnknown: one of them is not there.
        Source: A0-002 (groups), A0-110 (migration), A2-005 (address systems), A2-006 (hosting).
        """
        day = as_tokyo(now).date()
        values = changes.values()
        codes = sorted({subject_of(reference) for reference in references})
        subject = codes[0] if len(codes) == 1 else MANY
        told = {column: _scalar(value) for column, value in values.items()}
        with self._actor.act(RegistryAction.CHANGE, subject, organisations=codes, **told) as unit:
            # In one order, so that two such acts cannot wait for each other.
            for reference in sorted(set(references)):
                organisation = store.get(unit.connection, reference, day, lock=True)
                _require_true(organisation, changes)
                store.update_organisation(unit.connection, organisation.id, values)
            return [store.get(unit.connection, reference, day) for reference in dict.fromkeys(references)]

    def move(self, reference: str, to: State, *, now: datetime, reason: str) -> Registered:
        """Move an organisation to the state *to*.

        Raises:
            TransitionRefused: its state does not allow it.
        """
        day = as_tokyo(now).date()
        with self._actor.act(RegistryAction.MOVE, subject_of(reference), to=to.value, reason=reason) as unit:
            organisation = store.get(unit.connection, reference, day, lock=True)
            moved(unit.connection, organisation, to, now=now, actor=self._actor.name, reason=reason)
            return store.get(unit.connection, reference, day)


def moved(
    connection: Connection, organisation: Registered, to: State, *, now: datetime, actor: str, reason: str
) -> None:
    """Move *organisation* to *to* with its event, in the transaction of *connection*; the caller records it.

    Provisioning uses it in the transaction in which the tenant is made.

    Raises:
        TransitionRefused: its state does not allow it, or somebody else has moved it since it was read.
        OrganisationRefused: its middle server stands elsewhere.
    """
    require_transition(organisation.reference, organisation.state, to, organisation.hosting)
    if not store.move(connection, organisation.id, organisation.state, to, now=now):
        told = {"state": state_label(organisation.state), "to": state_label(to)}
        raise TransitionRefused(organisation=organisation.reference, **told)
    store.insert_events(
        connection, [organisation.id], organisation.state, to, now=now, actor=actor, reason=reason
    )  # fmt: skip


def _require_true(organisation: Registered, changes: Changes) -> None:
    if changes.address is not None:
        require_address_system(organisation.reference, *changes.address)
    if changes.migrates_on is not None:
        require_migration_day(organisation.reference, changes.migrates_on)
    if changes.hosting not in {None, organisation.hosting} and organisation.state is not State.APPLIED:
        reason = text("its hosting cannot change once it is provisioned")
        raise OrganisationRefused(organisation=organisation.reference, reason=reason)


def _scalar(value: object) -> str | int:
    return value if isinstance(value, int) else str(value)
