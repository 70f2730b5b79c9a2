"""Sending messages again on the word of an operator at the console: asked there, done by the worker.

The console has no way into an organisation's schema. It writes down what is wanted, and by whom; the job of the relay
does it under the asker's name and tells what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import driver
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.transmission import outbox_store
from chukan.tenants.middleserver.transmission.errors import MessageUnknown, RetryUnderWay
from chukan.tenants.middleserver.transmission.service import Exchange
from chukan.tenants.middleserver.transmission.trail import TransmissionAction
from chukan.tenants.middleserver.transmission.troubles import tell_troubles, troubles

#: So long it can be seen who wanted what to be sent again; the trail keeps it for ever.
_KEPT = timedelta(days=90)
_AT_ONCE = 100
_log = get_logger(__name__)


@dataclass(frozen=True)
class Retry:
    """That somebody wants a message to be sent again, and what came of it. Instants are UTC."""

    id: UUID
    tenant: TenantId
    message: UUID
    asked_by: str
    request: str
    asked_at: datetime
    done_at: datetime | None
    outcome: str | None
    error: str | None


def ask_retry(actor: Actor, tenant: TenantId, message: UUID) -> None:
    """Write down, under the console's log-in, that *actor* wants a message of *tenant* to be sent again.

    Raises:
        MessageUnknown: nobody told that it was given up.
        RetryUnderWay: it was asked for already, and a worker will do it.
    """
    with actor.act(TransmissionAction.ASK_RETRY, f"message:{message}", tenant=str(tenant)) as unit:
        below = driver(unit.connection)
        known = below.execute(
            "select from platform.exchange_trouble where tenant = %s and message = %s and state = 'dead'",
            (tenant, message),
        )
        if known.fetchone() is None:
            raise MessageUnknown(message=message)
        made = below.execute(
            """
            insert into platform.message_retry (tenant, message, asked_by, request) values (%s, %s, %s, %s)
            on conflict (tenant, message) where done_at is null do nothing
            """,
            (tenant, message, actor.name, actor.request),
        )
        if not made.rowcount:
            raise RetryUnderWay(message=message)


def retries_of(connection: Connection, tenant: TenantId, message: UUID) -> Sequence[Retry]:
    """Return who wanted a message to be sent again, the newest first."""
    with driver(connection).cursor(row_factory=class_row(Retry)) as cursor:
        return cursor.execute(
            """
            select id, tenant, message, asked_by, request, asked_at, done_at, outcome, error
            from platform.message_retry where tenant = %s and message = %s order by id desc limit 50
            """,
            (tenant, message),
        ).fetchall()


def carry_out(worker: Actor, sessions: TenantSessions, now: datetime) -> int:
    """Do under the worker's log-in what was asked for, in the askers' names; return how many were asked for.

    What dies in between is done again: a message that is queued already needs no retry.
    """
    count = 0
    with worker.engine.connect() as connection:
        waiting = _waiting(connection)
    for each in waiting:
        outcome, error = _retry(worker, sessions, each, now)
        with worker.engine.begin() as connection:
            driver(connection).execute(
                "update platform.message_retry set done_at = clock_timestamp(), outcome = %s, error = %s"
                " where id = %s and done_at is null",
                (outcome, error, each.id),
            )
        count += 1
    if count:
        with worker.engine.begin() as connection:
            driver(connection).execute("delete from platform.message_retry where asked_at < %s", (now - _KEPT,))
    return count


def _waiting(connection: Connection) -> Sequence[Retry]:
    with driver(connection).cursor(row_factory=class_row(Retry)) as cursor:
        return cursor.execute(
            """
            select id, tenant, message, asked_by, request, asked_at, done_at, outcome, error
            from platform.message_retry where done_at is null order by id limit %s
            """,
            (_AT_ONCE,),
        ).fetchall()


def _retry(worker: Actor, sessions: TenantSessions, wanted: Retry, now: datetime) -> tuple[str, str | None]:
    """Return what came of it; a failure at one organisation keeps no other one waiting."""
    asker = Actor(worker.engine, wanted.asked_by, wanted.request)
    outcome = "queued"
    try:
        Exchange(asker, sessions).retry(wanted.tenant, wanted.message, now=now)
    except MessageUnknown:
        outcome = "not_needed"
    except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
        _log.error("transmission.retry_failed", organisation=wanted.tenant, exc_info=error)
        return "failed", error.code if isinstance(error, ChukanError) else "database"
    with sessions.begin(wanted.tenant) as connection:
        left = troubles(connection, outbox_store.counts(connection))
    with worker.engine.begin() as connection:
        tell_troubles(connection, wanted.tenant, left)
    return outcome, None
