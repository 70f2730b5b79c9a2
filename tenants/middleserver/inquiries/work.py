"""What workers do for inquiries: letting them leave, giving notice of their end, and counting them for the console."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.mail.service import Outbox
from chukan.platform.mail.templates import Kind, Template, Value
from chukan.platform.messages import mark
from chukan.platform.service_hours.data import shipped_schedule
from chukan.tenants.middleserver.inquiries import projections, store
from chukan.tenants.middleserver.inquiries.data import shipped_data
from chukan.tenants.middleserver.inquiries.desk import InquiryDesk
from chukan.tenants.middleserver.inquiries.releasing import PACE
from chukan.tenants.middleserver.inquiries.rules import notice_at
from chukan.tenants.middleserver.transmission import exchange_hours, shared_store
from chukan.tenants.middleserver.transmission.exchange_hours import Side
from chukan.tenants.middleserver.transmission.exchange_totals import add_up_hours
from chukan.tenants.middleserver.transmission.shared_store import Due

_AT_ONCE = 10_000
_LATER = timedelta(minutes=1)
#: No notice is given further ahead: holidays and weekends stretch three business days to less than this.
_AHEAD = timedelta(days=20)
_log = get_logger(__name__)
#: 有効期間切れ事前通知メール
EXPIRING = Template(
    "inquiries.expiring",
    mark("Inquiries without an answer end on {day}"),
    mark(
        "{organisation}: {count} inquiries have no answer yet. They are valid up to the end of {day}.\n"
        "Ask the providers, or take them back and inquire again. Your system shows which they are."
    ),
    {"organisation": Kind.ORGANISATION, "count": Kind.COUNT, "day": Kind.DATE},
)


def pace_due(desk: InquiryDesk, now: Callable[[], datetime]) -> int:
    """Let inquiries leave at the organisations whose time has come; return how many left."""
    with desk.exchange.actor.engine.connect() as connection:
        due = shared_store.due(connection, PACE, _AT_ONCE)
    return sum(_pace_one(desk, each, now()) for each in due)


def _pace_one(desk: InquiryDesk, due: Due, now: datetime) -> int:
    """Let those of one organisation leave; a failure of its own keeps no other one waiting."""
    actor = desk.exchange.actor
    try:
        left = desk.inquiries.pace(due.tenant, now=now, actor=actor.name, request=actor.request)
    except ChukanError as error:
        _log.error("inquiries.pace_failed", organisation=due.tenant, exc_info=error)
        with actor.engine.begin() as connection:
            shared_store.look_later(connection, due, PACE, _LATER)
        return 0
    with actor.engine.begin() as connection:
        shared_store.looked(connection, due, PACE, left.again_at)
    return left.count


def end_due(desk: InquiryDesk, now: datetime) -> int:
    """Take inquiries for expired that nobody ended, and give notice of those that are about to; return how many days.

    Source: A0-031, A1-015.
    """
    with desk.exchange.actor.engine.connect() as connection:
        tenants = projections.exchanging(connection)
    return sum(_end_one(desk, tenant, now) for tenant in tenants)


def _end_one(desk: InquiryDesk, tenant: TenantId, now: datetime) -> int:
    actor = desk.exchange.actor
    business_days = shipped_data().expiry.notice_business_days
    calendar = shipped_schedule().calendar
    try:
        desk.inquiries.expire(tenant, now=now, actor=actor.name, request=actor.request)
        ending = desk.inquiries.ending(tenant, before=(as_tokyo(now) + _AHEAD).date(), now=now)
        noticed = {day: count for day, count in ending.items() if notice_at(day, business_days, calendar) <= now}
    except ChukanError as error:
        _log.error("inquiries.end_failed", organisation=tenant, exc_info=error)
        return 0
    return sum(_notice(desk, tenant, day, count, now) for day, count in noticed.items())


def _notice(desk: InquiryDesk, tenant: TenantId, day: date, count: int, now: datetime) -> bool:
    """Tell an organisation's system administrators, once, that inquiries end with *day*."""
    exchange = desk.exchange
    with exchange.actor.engine.begin() as connection:
        if not projections.notice(connection, tenant, day, count):
            return False
        name, addresses = projections.administrators(connection, tenant, as_tokyo(now).date())
        if not addresses:
            _log.warning("inquiries.nobody_to_tell", organisation=tenant)
            return True
        values: dict[str, Value] = {"organisation": name, "count": count, "day": day}
        mails = [(address, values) for address in addresses]
        Outbox.of(exchange.settings).enqueue_all(connection, EXPIRING, mails, now=now)
        projections.mailed(connection, tenant, day)
    return True


def count_hours(desk: InquiryDesk) -> int:
    """Count what happened to inquiries, by hour, where there was traffic; return at how many organisations."""
    engine = desk.exchange.actor.engine
    with engine.connect() as connection:
        looked_at = exchange_hours.database_now(connection)
        tenants = exchange_hours.to_count(connection, Side.INQUIRER)
    hours: set[datetime] = set()
    for tenant, since in tenants:
        try:
            with desk.exchange.sessions.begin(tenant) as connection:
                counts = store.happened_by_hour(connection, since)
                standing = store.standing_by_state(connection)
        except ChukanError as error:
            _log.error("inquiries.count_failed", organisation=tenant, exc_info=error)
            continue
        with engine.begin() as connection:
            exchange_hours.counted(connection, tenant, Side.INQUIRER, counts, looked_at, standing=standing)
        hours |= {hour for hour, _ in counts}
    with engine.begin() as connection:
        add_up_hours(connection, Side.INQUIRER.value, hours, looked_at)
    return len(tenants)
