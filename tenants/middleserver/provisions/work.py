"""What provisions do by themselves: answering what a restriction held back, tidying up, counting for the console."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.formats.codes import tokyo_day_begins
from chukan.tenants.middleserver.provision_records.rules import kept_from
from chukan.tenants.middleserver.provision_records.store import organisations
from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.desk import ProvisionDesk
from chukan.tenants.middleserver.provisions.rules import AGAIN
from chukan.tenants.middleserver.transmission import exchange_hours, shared_store
from chukan.tenants.middleserver.transmission.exchange_hours import Side
from chukan.tenants.middleserver.transmission.exchange_totals import add_up_hours

#: More than there will ever be organisations.
_AT_ONCE = 10_000
_LATER = timedelta(minutes=10)
#: After a final answer was taken nothing comes any more, but for what crossed it on the way.
_CROSSES_WITHIN = timedelta(days=1)
#: The network tells that a request has expired; where it stays silent for so long, we say so ourselves.
_SILENT_FOR = timedelta(days=7)
_log = get_logger(__name__)


def again_due(desk: ProvisionDesk, now: datetime) -> int:
    """Answer what lifted restrictions had held back; return how many. Source: A1-021."""
    engine = desk.exchange.actor.engine
    with engine.connect() as connection:
        due = shared_store.due(connection, AGAIN, _AT_ONCE)
    count = 0
    for each in due:
        try:
            count += desk.provisions.staff.again(desk.caller(each.tenant), now=now)
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("provisions.again_failed", organisation=each.tenant, exc_info=error)
            with engine.begin() as connection:
                shared_store.look_later(connection, each, AGAIN, _LATER)
            continue
        with engine.begin() as connection:
            shared_store.looked(connection, each, AGAIN, None)
    return count


def tidy_all(desk: ProvisionDesk, now: datetime) -> int:
    """End what is over and settled conversations, forget what is kept no longer; return how many were settled."""
    before = tokyo_day_begins(kept_from(as_tokyo(now).date()))

    def tidy(tenant: TenantId) -> int:
        desk.provisions.expire(desk.caller(tenant), before=now - _SILENT_FOR, now=now)
        return desk.provisions.tidy(tenant, settled_before=now - _CROSSES_WITHIN, asked_before=before)

    with desk.exchange.actor.engine.connect() as connection:
        tenants = organisations(connection)
    return sum(_guarded(tenant, tidy) for tenant in tenants)


def count_hours(desk: ProvisionDesk) -> int:
    """Count what became of provisions, by hour, where there was traffic; return at how many organisations."""
    engine = desk.exchange.actor.engine
    with engine.connect() as connection:
        looked_at = exchange_hours.database_now(connection)
        tenants = exchange_hours.to_count(connection, Side.PROVIDER)

    def count(tenant: TenantId) -> int:
        with desk.exchange.sessions.connection(tenant) as connection:
            counts = store.happened_by_hour(connection, since[tenant])
            standing = store.waiting_by_state(connection)
        with engine.begin() as connection:
            exchange_hours.counted(connection, tenant, Side.PROVIDER, counts, looked_at, standing=standing)
        hours.update(hour for hour, _ in counts)
        return 1

    since, hours = dict(tenants), set[datetime]()
    total = sum(_guarded(tenant, count) for tenant in since)
    with engine.begin() as connection:
        add_up_hours(connection, Side.PROVIDER.value, hours, looked_at)
    return total


def _guarded(tenant: TenantId, act: Callable[[TenantId], int]) -> int:
    """Do *act*; a failure at one organisation keeps no other one waiting."""
    try:
        return act(tenant)
    except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
        _log.error("provisions.work_failed", organisation=tenant, exc_info=error)
        return 0
