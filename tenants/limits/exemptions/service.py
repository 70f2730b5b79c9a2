"""Asking for an exemption, and carrying it out once another operator has approved it.

Source: A0-037.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.four_eyes import Approved, FourEyes, FourEyesKind, Label, take
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.trail import request_reference
from chukan.platform.audit.rules import Action, AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import new_request_id
from chukan.platform.messages import mark
from chukan.tenants.limits.exemptions import store
from chukan.tenants.limits.exemptions.errors import ExemptionRefused
from chukan.tenants.limits.exemptions.store import Exemption
from chukan.tenants.registry import store as registry

#: The kind of the request by which an exemption is asked for.
KIND = "limits:exemption:request"
#: A change of vendor takes days, not seasons; a longer one is asked for again.
MOST_DAYS = 92
_REASON_CHARACTERS = 500


class ExemptionAction(Action):
    """What is recorded of exemptions."""

    GRANT = "limits:exemption:grant"


@dataclass(frozen=True)
class Wanted:
    """An exemption as it is asked for, ``last`` included (Asia/Tokyo)."""

    organisation: str
    first: date
    last: date
    reason: str

    def payload(self) -> Mapping[str, str]:
        """Return what the second person reads and approves."""
        return {
            "organisation": self.organisation,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "reason": self.reason,
        }

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Wanted:
        """Return what *payload* says."""
        first, last = (date.fromisoformat(payload[key]) for key in ("first", "last"))
        return cls(payload["organisation"], first, last, payload["reason"])


def kinds(ask: Permission, approve: Permission) -> tuple[FourEyesKind, ...]:
    """Return what takes two people here: *ask* is needed to ask for it, *approve* to approve it."""
    labels = (
        Label("organisation", mark("Organisation")),
        Label("first", mark("First day")),
        Label("last", mark("Last day")),
        Label("reason", mark("Reason")),
    )
    title = mark("Exempt an organisation from the upload limits")
    return (FourEyesKind(KIND, title, ask, approve, _run, runs_in_console=True, labels=labels),)


def ask_for(engine: Engine, four_eyes: FourEyes, actor: Actor, wanted: Wanted, *, now: datetime, request: str) -> UUID:
    """Ask, on behalf of *actor*, for *wanted*; return the id to approve.

    Raises:
        OrganisationUnknown, CodeInvalid: there is no such organisation.
        ExemptionRefused: the days are past, in the wrong order or too many, or the reason is empty or too long.
        PersonNeeded, PermissionLacking: as ``FourEyes.ask``.
    """
    today = as_tokyo(now).date()
    days = (wanted.last - wanted.first).days + 1
    if wanted.first < today or not 1 <= days <= MOST_DAYS or not 1 <= len(wanted.reason) <= _REASON_CHARACTERS:
        raise ExemptionRefused(first=wanted.first, last=wanted.last, most=MOST_DAYS)
    with engine.connect() as connection:
        registry.get(connection, wanted.organisation, today)
    return four_eyes.ask(actor, KIND, wanted.payload(), now=now, request=request)


def grant(engine: Engine, request: UUID, *, actor: str, now: datetime, trace: str) -> Exemption:
    """Carry out the approved *request* in one transaction with the use of its approval.

    Raises:
        RequestOver: it is not approved (any more), or was carried out.
    """
    act = AuditEntry(actor, ExemptionAction.GRANT, request_reference(request), trace)
    with audited(engine.begin, act, chain=Chain.PLATFORM) as unit:
        wanted = Wanted.of(take(unit.connection, request, KIND))
        organisation = registry.get(unit.connection, wanted.organisation, as_tokyo(now).date())
        until = wanted.last + timedelta(days=1)
        made = Exemption(organisation.reference, wanted.first, until, wanted.reason, actor, request, now)
        store.add(unit.connection, made, organisation.id)
        unit.note(**wanted.payload())
    return made


def _run(approved: Approved) -> None:
    with engine_of(approved.settings.database, ProcessKind.CONSOLE) as engine:
        now = SystemClock().now()
        grant(engine, approved.request, actor=approved.actor.name, now=now, trace=new_request_id())
