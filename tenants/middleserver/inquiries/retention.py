"""What has served its purpose is deleted, some at a time: what was provided first, the inquiries with their records.

Each step may be killed and run again.

Source: A0-161; rules C89.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.formats.codes import tokyo_day_begins
from chukan.tenants.middleserver.inquiries import projections
from chukan.tenants.middleserver.inquiries.data import InquiryData, shipped_data
from chukan.tenants.middleserver.inquiries.desk import InquiryDesk
from chukan.tenants.middleserver.provision_records.rules import kept_from

#: So many are deleted in one transaction: nobody else waits for it.
AT_ONCE = 500
_log = get_logger(__name__)
_ANSWERS = text(
    """
    delete from inquiry_answer where inquiry in (
        select inquiry from inquiry_answer where received_at < :before order by received_at limit :limit
    )
    """
)
# Of requests that were registered, and ended with all that they hold, before then. Reception numbers begin with the
# instant; a request goes as a whole, be it in several steps.
_INQUIRIES = text(
    """
    with old as (
        select i.id from inquiry i
        where i.reception < :number and not exists (
            select from inquiry o
            where o.reception = i.reception and (o.ended_at is null or o.ended_at >= :before)
        )
        order by i.reception, i.place limit :limit for update
    ), answers as (
        delete from inquiry_answer a using old where a.inquiry = old.id
    ), events as (
        delete from inquiry_event e using old where e.inquiry = old.id
    )
    delete from inquiry i using old where i.id = old.id
    """
)
_RECEPTIONS = text(
    """
    delete from inquiry_reception where number in (
        select r.number from inquiry_reception r
        where r.number < :number and not exists (select from inquiry i where i.reception = r.number)
        order by r.number limit :limit
    )
    """
)


@dataclass(frozen=True)
class Forgotten:
    """How many answers and inquiries were deleted."""

    answers: int
    inquiries: int


def forget_all(desk: InquiryDesk, now: datetime) -> Forgotten:
    """Delete what organisations need not keep any more; a failure of one keeps no other one waiting."""
    with desk.exchange.actor.engine.connect() as connection:
        tenants = projections.exchanging(connection)
    answers = inquiries = 0
    for tenant in tenants:
        try:
            gone = forget(desk.exchange.sessions, tenant, shipped_data(), now)
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("inquiries.retention_failed", organisation=tenant, exc_info=error)
            continue
        answers, inquiries = answers + gone.answers, inquiries + gone.inquiries
    return Forgotten(answers, inquiries)


def forget(sessions: TenantSessions, tenant: TenantId, data: InquiryData, now: datetime) -> Forgotten:
    """Delete what one organisation need not keep any more.

    What was provided is kept for the days that *data* says from its coming on; inquiries are kept for seven full
    years from the day on which they ended.
    """
    today = as_tokyo(now).date()
    end = tokyo_day_begins(kept_from(today))
    years = {"before": end, "number": f"{as_tokyo(end):%Y%m%d%H%M%S}"}
    answers = _some(sessions, tenant, _ANSWERS, before=now - data.answers_kept(today))
    inquiries = _some(sessions, tenant, _INQUIRIES, **years)
    _some(sessions, tenant, _RECEPTIONS, number=years["number"])
    return Forgotten(answers, inquiries)


def _some(sessions: TenantSessions, tenant: TenantId, statement: TextClause, **values: object) -> int:
    """Repeat a statement, each time in a transaction of its own, until it finds nothing more; return how many."""
    count = 0
    while True:
        with sessions.begin(tenant) as connection:
            gone = connection.execute(statement, {**values, "limit": AT_ONCE}).rowcount
        count += gone
        if gone < AT_ONCE:
            return count
