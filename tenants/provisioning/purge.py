"""Purging the tenant of an organisation that has left: nothing of what it kept can be opened again.

One operator asks, by typing the organisation's name or code, and another one approves. All steps are one
transaction together with the approval that they use up: killed at any point, everything is as it was, the request
is still approved, and whoever approved it approves again. The keys come first, so that there is no order of
events in which data are gone from sight and keys still there.

What stays: the row of the tenant (closed), the organisation with its history, and the tenant's own audit chain,
which ends with the entry of the purge. Backups hold the old keys, wrapped, until they expire or until the wrapping
key is rotated and destroyed (docs/areas/provisioning.md).

Source: A0-142 item 1 (two people).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.four_eyes import Approved, FourEyes, FourEyesKind, take
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.trail import request_reference
from chukan.platform.audit.rules import AuditEntry, canonical_body
from chukan.platform.audit.service import Chain, UnitOfWork, audited
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.engines import driver
from chukan.platform.database.tables import TenantState
from chukan.platform.database.tenants import Placement
from chukan.platform.messages import mark
from chukan.platform.vault import store as vault_store
from chukan.platform.vault.rules import Purpose
from chukan.platform.vault.trail import VaultAction, owner_subject
from chukan.tenants.provisioning import store
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.errors import ConfirmationWrong, NotClosing, NotProvisioned, SchemaInUse
from chukan.tenants.provisioning.rules import is_confirmed
from chukan.tenants.provisioning.service import Provisioner, ProvisioningAction
from chukan.tenants.registry import store as registry
from chukan.tenants.registry.service import moved
from chukan.tenants.registry.store import Registered, subject_of
from chukan.tenants.registry.values import State

#: The kind of the request by which a purge is asked for.
KIND = "tenants:tenant:purge"


def kinds() -> tuple[FourEyesKind, ...]:
    """Return what takes two people here: the purge, carried out where it is approved, by the provisioner's log-in."""
    title = mark("Purge a tenant")
    return (FourEyesKind(KIND, title, Permission.TENANT_PURGE, Permission.TENANT_PURGE_APPROVE, _run),)


def purgeable(engine: Engine, reference: str, *, now: datetime) -> Registered:
    """Return the organisation *reference*, whose tenant can be purged; any log-in that sees both may ask.

    Raises:
        OrganisationUnknown: there is no such organisation.
        NotProvisioned: it has no tenant.
        NotClosing: its tenant is in use, suspended, or purged already.
    """
    with engine.connect() as connection:
        organisation = registry.get(connection, reference, as_tokyo(now).date())
        if organisation.tenant is None:
            raise NotProvisioned(organisation=organisation.label)
        _require_closing(organisation, store.read_tenant(driver(connection), organisation.tenant))
    return organisation


def ask(
    four_eyes: FourEyes,
    actor: Actor,
    organisation: Registered,
    *,
    typed: str,
    reason: str,
    now: datetime,
    request: str,
) -> UUID:
    """Ask, on behalf of *actor*, for the tenant of *organisation* to be purged; return the id to approve.

    *typed* is what the operator typed to confirm that it is this organisation.

    Raises:
        ConfirmationWrong: it is neither its name nor its code.
        PersonNeeded, PermissionLacking: as ``FourEyes.ask``.
    """
    if not is_confirmed(typed, name=organisation.name, reference=organisation.reference):
        raise ConfirmationWrong(organisation=organisation.label)
    payload = {
        "organisation": organisation.reference,
        "name": organisation.label,
        "tenant": str(organisation.tenant),
        "reason": reason,
    }
    return four_eyes.ask(actor, KIND, payload, now=now, request=request)


@dataclass(frozen=True)
class Purge:
    """A purge under way, in the transaction of *unit*."""

    desk: Provisioner
    request: UUID
    unit: UnitOfWork
    organisation: Registered
    placement: Placement
    reason: str
    now: datetime

    @property
    def connection(self) -> psycopg.Connection:
        """The connection of the transaction."""
        return driver(self.unit.connection)


def purge(desk: Provisioner, request: UUID, *, now: datetime) -> None:
    """Carry out the approved *request*; all of it or nothing, whatever is killed when.

    Raises:
        RequestOver: it is not approved (any more), or was carried out.
        NotClosing: the tenant was purged by another request.
        SchemaInUse: somebody still reads the schema; try again.
    """
    act = AuditEntry(desk.actor, ProvisioningAction.PURGE, request_reference(request), desk.request)
    with audited(desk.engine.begin, act, chain=Chain.PLATFORM) as unit:
        asked = take(unit.connection, request, KIND)
        unit.act = replace(unit.act, subject=subject_of(asked["organisation"]))
        unit.note(approval=request_reference(request), tenant=asked["tenant"], reason=asked["reason"])
        organisation = registry.get(unit.connection, asked["organisation"], as_tokyo(now).date(), lock=True)
        if organisation.tenant is None or str(organisation.tenant) != asked["tenant"]:
            raise NotProvisioned(organisation=organisation.label)
        placement = store.lock_tenant(driver(unit.connection), organisation.tenant)
        _require_closing(organisation, placement)
        under_way = Purge(desk, request, unit, organisation, placement, asked["reason"], now)
        for step in STEPS:
            step(under_way)
    desk.forget(placement.tenant)


def _destroy_keys(purge: Purge) -> None:
    """Shred: without its data keys nothing that the tenant sealed can be opened, nor its log-in's password."""
    tenant = purge.placement.tenant
    # A rotation takes the same lock before it adds a version, which the next statement would otherwise not see.
    vault_store.lock_key(purge.connection, tenant, Purpose.CONTENT)
    keys = vault_store.destroy_keys(purge.connection, tenant)
    store.remove_credential(purge.connection, tenant)
    told = AuditEntry(purge.desk.actor, VaultAction.DESTROY, owner_subject(tenant), purge.desk.request)
    purge.unit.record(replace(told, detail={"keys": keys}))


def _drop_schema(purge: Purge) -> None:
    try:
        store.drop_schema(purge.connection, purge.desk.names, purge.placement)
    except psycopg.errors.LockNotAvailable as failure:
        raise SchemaInUse(organisation=purge.organisation.label, request=purge.request) from failure


def _drop_role(purge: Purge) -> None:
    store.drop_role(purge.connection, purge.placement)


def _close(purge: Purge) -> None:
    if not store.move_tenant(purge.connection, purge.placement, TenantState.CLOSED):
        raise NotClosing(organisation=purge.organisation.label)
    moved(
        purge.unit.connection,
        purge.organisation,
        State.CLOSED,
        now=purge.now,
        actor=purge.desk.actor,
        reason=purge.reason,
    )


def _end_chain(purge: Purge) -> None:
    """Let the tenant's own chain end with who purged it and by which approval."""
    told = {"approval": purge.unit.act.detail["approval"], "reason": purge.reason}
    subject = f"tenant:{purge.placement.tenant}"
    last = AuditEntry(purge.desk.actor, ProvisioningAction.END, subject, purge.desk.request, detail=told)
    store.append_to_chain(purge.connection, purge.desk.names, purge.placement.tenant, canonical_body(last))


#: What a purge does, in this order, in one transaction.
STEPS: tuple[Callable[[Purge], None], ...] = (_destroy_keys, _drop_schema, _drop_role, _close, _end_chain)


def _require_closing(organisation: Registered, placement: Placement) -> None:
    """Refuse unless the organisation is leaving and its log-in is barred: dissolution alone bars nobody."""
    if organisation.state is not State.CLOSING or placement.state != TenantState.CLOSING.value:
        raise NotClosing(organisation=organisation.label)


def _run(approved: Approved) -> None:
    with provisioner(approved.settings, actor=approved.actor.name) as desk:
        purge(desk, approved.request, now=SystemClock().now())
