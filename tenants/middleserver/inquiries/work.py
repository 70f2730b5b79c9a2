"""What workers do for inquiries: letting them leave, giving notice of their end, and counting them for the console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Event

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo, monotonic
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
from chukan.tenants.middleserver.inquiries.releasing import COUNTERS, PACE, Left
from chukan.tenants.middleserver.inquiries.rules import notice_at
from chukan.tenants.middleserver.transmission import exchange_hours, shared_store
from chukan.tenants.middleserver.transmission.exchange_hours import Side
from chukan.tenants.middleserver.transmission.exchange_totals import add_up_hours
from chukan.tenants.middleserver.transmission.shared_store import Due

_AT_ONCE = 10_000
_LATER = timedelta(minutes=1)
#: Between two looks at whether answers have made room.
_PAUSE_SECONDS = 0.2
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


@dataclass(frozen=True)
class Paced:
    """How many inquiries left, and whether lists wait for no more than the answers to what all lists have under way."""

    left: int
    is_held: bool = False


def keep_pace(desk: InquiryDesk, now: Callable[[], datetime], seconds: float) -> int:
    """Let inquiries leave; as long as only answers are waited for, again and again for *seconds*. Return how many."""
    ends, left = monotonic() + seconds, 0
    while True:
        paced = pace_due(desk, now)
        left += paced.left
        if not paced.is_held or monotonic() >= ends:
            return left
        Event().wait(_PAUSE_SECONDS)


def pace_due(desk: InquiryDesk, now: Callable[[], datetime]) -> Paced:
    """Let inquiries leave at the organisations whose time has come: those of counters, then lists while there is room.

    What all lists together may have under way is shared out in the order of waiting, and who had its turn waits behind
    all others. Only one worker at a time does so. It takes nothing beforehand: that an inquiry is under way is told in
    the transaction in which it leaves, so that a worker that dies leaves nothing to put right.
    """
    engine, silent = desk.exchange.actor.engine, desk.inquiries.of_all_lists.silent
    with engine.begin() as connection:
        projections.forget_line(connection, silent)
    with engine.begin() as ours:
        if not projections.alone(ours):
            return Paced(0)
        counters = shared_store.due(ours, COUNTERS, _AT_ONCE)
        count = sum(_pace_one(desk, each, COUNTERS, now(), 0).count for each in counters)
        is_held = False
        for each in shared_store.due(ours, PACE, _AT_ONCE):
            # Asked for each one: others answer meanwhile, and the server is told that the transaction is in use.
            if not (room := _room(desk, ours)):
                return Paced(count, is_held=True)
            left = _pace_one(desk, each, PACE, now(), room)
            count, is_held = count + left.count, is_held or left.is_cut
    return Paced(count, is_held)


def _room(desk: InquiryDesk, connection: Connection) -> int:
    """Return how many inquiries of lists may leave now, of all organisations."""
    together = desk.inquiries.of_all_lists
    stands = projections.line(connection, together.silent)
    return together.room(stands.under_way, stands.answered)


def _pace_one(desk: InquiryDesk, due: Due, kind: str, now: datetime, most: int) -> Left:
    """Let those of one organisation leave; a failure of its own keeps no other one waiting."""
    actor = desk.exchange.actor
    try:
        left = desk.inquiries.pace(due.tenant, now=now, actor=actor.name, request=actor.request, most=most)
    except ChukanError as error:
        _log.error("inquiries.pace_failed", organisation=due.tenant, exc_info=error)
        with actor.engine.begin() as connection:
            shared_store.look_later(connection, due, kind, _LATER)
        return Left(0, None)
    with actor.engine.begin() as connection:
        shared_store.looked(connection, due, kind, left.again_at)
    return left


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
