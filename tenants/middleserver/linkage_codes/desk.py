"""Linkage codes as a command, a job or an approved act opens them; and the acts that take two people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from chukan.platform.accounts.four_eyes import Approved, FourEyesKind, Label, take
from chukan.platform.accounts.permissions import Permission
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId, new_request_id
from chukan.platform.messages import mark
from chukan.platform.settings import Settings
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition, Caller
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet, Recipients
from chukan.tenants.middleserver.linkage_codes.service import ApprovedAct, LinkageCodes
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_desk, desk_for

#: The kinds of the requests by which links are moved.
SWAP, RELINK = "linkage_codes:link:swap", "linkage_codes:link:relink"
#: Who knows who received what, over open sessions and vault.
RecipientsOf = Callable[[TenantSessions, Vault], Recipients]


@dataclass(frozen=True)
class CodesDesk:
    """All that an act on linkage codes needs."""

    exchange: TransmissionDesk
    codes: LinkageCodes
    acquisition: Acquisition

    def caller(self, tenant: TenantId) -> Caller:
        """Return who acts for *tenant*."""
        return Caller(tenant, self.exchange.actor.name, self.exchange.actor.request)


@contextmanager
def at_codes(settings: Settings, recipients: RecipientsOf | None = None) -> Iterator[CodesDesk]:
    """Lend linkage codes to who runs the present command; raises as ``at_work``."""
    with at_desk(settings) as exchange:
        yield codes_of(exchange, recipients)


def codes_of(exchange: TransmissionDesk, recipients: RecipientsOf | None = None) -> CodesDesk:
    """Return linkage codes over an open exchange; *recipients* knows who received what."""
    known = recipients(exchange.sessions, exchange.vault) if recipients else NotRecordedYet()
    codes = LinkageCodes(exchange.sessions, exchange.vault, known)
    return CodesDesk(exchange, codes, Acquisition(exchange.sessions, exchange.vault))


def kinds(ask: Permission, approve: Permission) -> tuple[FourEyesKind, ...]:
    """Return what takes two people here: *ask* is needed to ask for it, *approve* to approve it.

    The payload names links and cases by their ids alone: no operator is shown a person's number or code.

    Source: A1-019.
    """
    labels = (
        Label("organisation", mark("Organisation")),
        Label("first", mark("Link of the one person")),
        Label("second", mark("Link of the other person")),
        Label("case", mark("Case")),
        Label("reason", mark("Reason")),
    )
    return (
        FourEyesKind(SWAP, mark("Swap the linkage codes of two persons"), ask, approve, _swap, labels=labels),
        FourEyesKind(RELINK, mark("Move a linkage code to another person"), ask, approve, _relink, labels=labels),
    )


def _swap(approved: Approved) -> None:
    _carry_out(approved, SWAP)


def _relink(approved: Approved) -> None:
    _carry_out(approved, RELINK)


def _carry_out(approved: Approved, kind: str) -> None:
    """Do what was approved in the organisation's schema, and then use the approval up.

    Killed in between, the approval is still there, and what was done is found to be done.
    """
    with engine_of(approved.settings.database, ProcessKind.WORKER) as engine:
        actor = Actor(engine, approved.actor.name, new_request_id())
        with desk_for(actor, approved.settings) as exchange, engine.begin() as connection:
            asked = take(connection, approved.request, kind)
            desk = codes_of(exchange)
            caller = desk.caller(TenantId(UUID(asked["tenant"])))
            act = ApprovedAct(caller, asked["reason"], approved.request, SystemClock().now())
            if kind == SWAP:
                desk.codes.swap(act, UUID(asked["first"]), UUID(asked["second"]))
            else:
                desk.codes.relink(act, UUID(asked["case"]))
