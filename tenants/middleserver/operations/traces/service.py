"""Looking up the course of one inquiry at inquirer, network and provider: asked at the console, done by a worker.

The console has no way into an organisation's schema, and nothing of who asked whom is kept for all inquiries in the
shared one: a worker reads the one that is asked for, and what it found is forgotten after some days.

Source: A0-156.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import Action
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.operations.traces import store
from chukan.tenants.middleserver.operations.traces.errors import TraceNumberWrong
from chukan.tenants.middleserver.operations.traces.store import Asked, Point
from chukan.tenants.middleserver.provision_records.rules import Fact, Side
from chukan.tenants.middleserver.provision_records.service import Records, RecordSource, read_list
from chukan.tenants.middleserver.security.jose import PublicKeys

#: What was found is forgotten after so long.
KEPT = timedelta(days=7)
_AT_ONCE = 20
#: A request of so many inquiries is listed; each is looked up by its own serial.
_MOST_SERIALS = 3_000
#: Pages of one day's list of the network that are read for one inquiry.
_MOST_PAGES = 100
_SERIAL, _RECEPTION = re.compile(r"[0-9A-Z]{20}"), re.compile(r"[0-9]{22}")
_log = get_logger(__name__)

#: Who is the tenant of an institution on the network, as an organisation's masters tell it; None: none of ours.
Hosted = Callable[[TenantId, str], TenantId | None]


class TraceAction(Action):
    """What operators do here."""

    ASK = "traces:inquiry:ask"


@dataclass(frozen=True)
class NetworkSide:
    """Where the network gives its records, and whose keys it signs them with."""

    source: RecordSource
    keys: PublicKeys


def ask(actor: Actor, tenant: TenantId, typed: str) -> UUID:
    """Write down that *actor* wants to know the course of what *tenant* knows under a number; return the trace's id.

    Raises:
        TraceNumberWrong: *typed* is neither a processing serial nor a reception number.
    """
    number = typed.strip().upper()
    if not (_SERIAL.fullmatch(number) or _RECEPTION.fullmatch(number)):
        raise TraceNumberWrong(number=typed[:40])
    with actor.act(TraceAction.ASK, f"tenant:{tenant}", number=number) as unit:
        return store.ask_trace(unit.connection, tenant, number, actor.name, actor.request)


class Tracing:
    """Looks up what was asked for, under the worker's log-in."""

    def __init__(self, worker: Actor, sessions: TenantSessions, hosted: Hosted, network: NetworkSide | None) -> None:
        """Without a *network* its own record is not asked for."""
        self._worker = worker
        self._sessions = sessions
        self._hosted = hosted
        self._network = network

    def run(self, now: datetime) -> int:
        """Look up what was asked for; return how many were looked up."""
        with self._worker.engine.connect() as connection:
            waiting = store.waiting_traces(connection, _AT_ONCE)
        for each in waiting:
            try:
                told, points = self._looked_up(each, now)
            except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
                _log.error("traces.look_up_failed", organisation=each.tenant, exc_info=error)
                code = error.code if isinstance(error, ChukanError) else "database"
                told, points = {"outcome": "failed", "error": code}, []
            with self._worker.engine.begin() as connection:
                store.answer_trace(connection, each.id, told, points)
        return len(waiting)

    def _looked_up(self, asked: Asked, now: datetime) -> tuple[dict[str, Any], Sequence[Point]]:
        records = Records(self._sessions)
        is_serial = _SERIAL.fullmatch(asked.number) is not None
        if is_serial:
            facts = records.find(asked.tenant, serial=asked.number)
        else:
            facts = records.find(asked.tenant, reception=asked.number)
        if not facts:
            return {"outcome": "nothing"}, []
        serials = list(dict.fromkeys(fact.serial for fact in facts))
        if len(serials) > 1:
            return {"outcome": "several", "serials": serials[:_MOST_SERIALS]}, []
        # An organisation may ask itself; two inquirers that gave one serial are told apart by the first.
        fact = facts[0]
        parties = {
            side: asked.tenant if any(each.side is side and _same(each, fact) for each in facts)
            else self._hosted(asked.tenant, fact.inquirer if side is Side.INQUIRER else fact.provider)
            for side in Side
        }  # fmt: skip
        points = [point for side, tenant in parties.items() if tenant for point in self._of(tenant, side, fact)]
        theirs, network = self._of_network(fact, now)
        told = {
            "outcome": "found",
            "serial": fact.serial,
            "inquirer": fact.inquirer,
            "provider": fact.provider,
            "inquirer_tenant": parties[Side.INQUIRER],
            "provider_tenant": parties[Side.PROVIDER],
            "network": network,
        }
        return told, [*points, *theirs]

    def _of(self, tenant: TenantId, side: Side, fact: Fact) -> list[Point]:
        """Return what one of the two organisations knows: its states, its messages, its record."""
        with self._sessions.connection(tenant) as connection:
            if side is Side.INQUIRER:
                found = store.of_inquirer(connection, fact.serial)
            else:
                found = store.of_provider(connection, fact.inquirer, fact.serial)
        own = Records(self._sessions).find(tenant, serial=fact.serial)
        recorded = [each for each in own if each.side is side and _same(each, fact)]
        return [*found, *(point for each in recorded for point in _recorded(side.value, each))]

    def _of_network(self, fact: Fact, now: datetime) -> tuple[list[Point], str]:
        """Return what the network has recorded, and whether it told: it may have nothing, or be away."""
        if self._network is None:
            return [], "away"
        day = as_tokyo(fact.requested_at).date()
        institution = fact.inquirer if fact.side is Side.INQUIRER else fact.provider
        after = ""
        try:
            for _ in range(_MOST_PAGES):
                token = self._network.source.records(institution, day, day, after)
                facts, more = read_list(token, self._network.keys, institution, (day, day), now=now)
                theirs = next((each for each in facts if each.key == fact.key), None)
                if theirs is not None:
                    return _recorded("network", theirs), "told"
                if not more or more == after:
                    break
                after = more
        except ChukanError as error:
            _log.warning("traces.network_silent", exc_info=error)
            return [], "away"
        return [], "silent"


def _same(one: Fact, other: Fact) -> bool:
    return (one.inquirer, one.serial) == (other.inquirer, other.serial)


def _recorded(party: str, fact: Fact) -> list[Point]:
    """Return what a party's record says: when it was asked, and how and when it ended."""
    begun = Point(party, "record", fact.requested_at, "requested", fact.result.value)
    if fact.answered_at is None:
        return [begun]
    return [begun, Point(party, "record", fact.answered_at, "answered", fact.result.value)]
