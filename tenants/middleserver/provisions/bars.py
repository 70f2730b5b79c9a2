"""What is barred from automatic replies: set and lifted by departments, and restricted in one act after an incident.

Source: A0-094, A0-167, A1-021, A3-004.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from chukan.platform.audit.rules import Detail
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import text
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    DatasetNumber,
    InformationCode,
    information_code_of,
    information_number,
)
from chukan.tenants.middleserver.formats.individual_number import refuse_in
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.errors import BarReasonNeeded, BarUnknown, ScopeWrong
from chukan.tenants.middleserver.provisions.rules import AGAIN, Bar, BarKind
from chukan.tenants.middleserver.provisions.store import StoredBar
from chukan.tenants.middleserver.provisions.tables import ADDRESS, BAR
from chukan.tenants.middleserver.provisions.trail import Caller, ProvisionAction
from chukan.tenants.middleserver.transmission.outbox_store import mark_due

#: Characters of a reason; it must not name the person.
MOST_REASON = 500


@dataclass(frozen=True)
class Scope:
    """What is meant: None is not bounded, so that the empty scope is the whole organisation."""

    information: InformationCode | None = None
    dataset: DatasetNumber | None = None
    address: AddressNumber | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.dataset is not None and self.information is None:
            raise ScopeWrong


@dataclass(frozen=True)
class BarInForce:
    """A bar or restriction, as the organisation's own staff see it. ``set_at`` is UTC."""

    act: UUID
    kind: BarKind
    scope: Scope
    department: str | None
    reason: str
    set_by: str
    set_at: datetime


class Bars:
    """The bars of organisations, each in its own session."""

    def __init__(self, sessions: TenantSessions, vault: Vault) -> None:
        self._sessions = sessions
        self._vault = vault

    def bar(self, caller: Caller, scopes: Sequence[Scope], reason: str, *, now: datetime) -> int:
        """Have nothing answered by itself within *scopes*; return how many of them were not barred before.

        When this returns, no automatic reply within them is made any more: those under way were waited for. What was
        answered before still leaves, also where sending is stopped meanwhile.

        Raises:
            BarReasonNeeded: *reason* is empty or too long.
            IndividualNumberSuspected: it seems to hold an Individual Number.
        """
        return self._set(caller, BarKind.BAR, scopes, reason, now)[1]

    def lift(self, caller: Caller, scopes: Sequence[Scope], *, now: datetime) -> int:
        """Lift what the caller's department has barred of exactly *scopes*; return how many.

        Raises:
            BarUnknown: one of them is not barred by it; nothing was lifted.
        """
        wanted = self._bars(caller.tenant, BarKind.BAR, scopes)
        with caller.act(self._sessions, ProvisionAction.LIFT, f"tenant:{caller.tenant}", scopes=len(scopes)) as unit:
            store.change_bars(unit.connection)
            known = {
                each.bar: each.id
                for each in store.in_force(unit.connection, BarKind.BAR)
                if each.department == caller.department
            }
            if wanted.keys() - known.keys():
                raise BarUnknown
            return store.lift(unit.connection, [known[bar] for bar in wanted], actor=caller.actor, at=now)

    def restrict(self, caller: Caller, scopes: Sequence[Scope], reason: str, *, now: datetime) -> UUID:
        """Suspend automatic replies within all *scopes* in one act (自主規制), and return the act, which lifts it.

        Raises:
            BarReasonNeeded: *reason* is empty or too long.
            IndividualNumberSuspected: it seems to hold an Individual Number.

        Source: A1-021.
        """
        return self._set(caller, BarKind.RESTRICTION, scopes, reason, now)[0]

    def lift_restriction(self, caller: Caller, act: UUID, *, now: datetime) -> int:
        """End the restriction that *act* set; what waited for it is looked at again. Return its number of scopes.

        Raises:
            BarUnknown: it is not in force.

        Source: A1-021.
        """
        with caller.act(self._sessions, ProvisionAction.LIFT_RESTRICTION, f"restriction:{act}") as unit:
            store.change_bars(unit.connection)
            lifted = store.lift_act(unit.connection, act, actor=caller.actor, at=now)
            if not lifted:
                raise BarUnknown
            mark_due(unit.connection, AGAIN)
            return lifted

    def in_force(self, tenant: TenantId, kind: BarKind | None = None) -> list[BarInForce]:
        """Return what is barred and restricted, oldest first; the persons among it are named."""
        with self._sessions.connection(tenant) as connection:
            stored = store.in_force(connection, kind)
        return [self._opened(tenant, each) for each in stored]

    # -- how -----------------------------------------------------------------------------------------

    def _set(
        self, caller: Caller, kind: BarKind, scopes: Sequence[Scope], reason: str, now: datetime
    ) -> tuple[UUID, int]:
        if not scopes or not 0 < len(reason) <= MOST_REASON:
            raise BarReasonNeeded(limit=MOST_REASON)
        refuse_in(reason, field=text("Reason"))
        act, action = uuid4(), ProvisionAction.BAR if kind is BarKind.BAR else ProvisionAction.RESTRICT
        persons = sum(scope.address is not None for scope in scopes)
        told: dict[str, Detail] = {"scopes": len(scopes), "persons": persons, "reason": reason}
        # Answers wait for as long as bars change: what takes its time is done before.
        fresh = self._bars(caller.tenant, kind, scopes)
        with caller.act(self._sessions, action, f"restriction:{act}", **told) as unit:
            store.change_bars(unit.connection)
            # A restriction holds until its own act is lifted, whatever others there are.
            before = store.in_force(unit.connection, kind) if kind is BarKind.BAR else []
            known = {each.bar for each in before if each.department == caller.department}
            added = {bar: scope for bar, scope in fresh.items() if bar not in known}
            common: dict[str, object] = {"act": act, "department": caller.department, "reason": reason}
            common |= {"set_by": caller.actor, "set_at": now}
            self._add(unit.connection, caller.tenant, added, common)
            unit.note(set=len(added))
        return act, len(added)

    def _bars(self, tenant: TenantId, kind: BarKind, scopes: Sequence[Scope]) -> dict[Bar, Scope]:
        seals, found = Seals(self._vault, tenant), {}
        for scope in scopes:
            person = seals.person(scope.address) if scope.address else None
            information = information_number(scope.information) if scope.information else None
            found[Bar(kind, information, scope.dataset, person)] = scope
        return found

    def _add(
        self, connection: Connection, tenant: TenantId, added: Mapping[Bar, Scope], common: Mapping[str, object]
    ) -> None:
        column, rows = self._vault.column(tenant, BAR, ADDRESS), []
        for id_, (bar, scope) in zip(store.new_ids(connection, len(added)), added.items(), strict=True):
            rows.append(
                {
                    **common,
                    "id": id_,
                    "kind": bar.kind.value,
                    "information": bar.information,
                    "dataset": int(bar.dataset) if bar.dataset else None,
                    "person": bar.person,
                    "address": column.seal(id_, scope.address.encode()) if scope.address else None,
                }
            )
        store.add_bars(connection, rows)

    def _opened(self, tenant: TenantId, stored: StoredBar) -> BarInForce:
        bar, address = stored.bar, None
        if stored.address is not None:
            address = AddressNumber(self._vault.column(tenant, BAR, ADDRESS).open(stored.id, stored.address).decode())
        scope = Scope(
            None if bar.information is None else information_code_of(bar.information),
            None if bar.dataset is None else DatasetNumber(bar.dataset),
            address,
        )
        return BarInForce(
            stored.act, bar.kind, scope, stored.department, stored.reason, stored.set_by, stored.set_at
        )  # fmt: skip
