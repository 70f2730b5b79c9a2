"""What linkage codes plug in, and what they do with the network's messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.clock import SystemClock
from chukan.platform.component import Command, Component, Job
from chukan.platform.errors import ChukanError
from chukan.platform.logs import get_logger
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.linkage_codes.cli import commands
from chukan.tenants.middleserver.linkage_codes.desk import RecipientsOf, codes_of
from chukan.tenants.middleserver.linkage_codes.rules import OVERDUE
from chukan.tenants.middleserver.transmission import shared_store
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_job
from chukan.tenants.middleserver.transmission.shared_store import Due

_JOB = "linkage-codes-overdue"
#: More than there will ever be organisations.
_AT_ONCE = 10_000
_LATER = timedelta(hours=1)
_log = get_logger(__name__)


def component(
    settings: Callable[[], Settings], kinds: Sequence[FourEyesKind], recipients: RecipientsOf
) -> Component:  # fmt: skip
    """Return commands and the job that finds what is overdue.

    *kinds* are those of ``desk.kinds``; *recipients* knows who received something under a code.
    """

    def overdue(_now: datetime) -> None:
        with at_job(settings(), _JOB) as desk:
            expire_due(desk, SystemClock().now())

    return Component(
        name="middleserver-linkage-codes",
        commands=(Command(commands(kinds, recipients)),),
        jobs=(Job(_JOB, overdue, timedelta(hours=1)),),
    )


def expire_due(desk: TransmissionDesk, now: datetime) -> int:
    """Mark what is overdue at the organisations whose time has come; return how many requests."""
    with desk.actor.engine.connect() as connection:
        due = shared_store.due(connection, OVERDUE, _AT_ONCE)
    # Each once: by which clock a day is over is not the one by which something is due.
    return sum(_expire_one(desk, each, now) for each in due)


def _expire_one(desk: TransmissionDesk, due: Due, now: datetime) -> int:
    """Look at one organisation; a failure of its own keeps no other one waiting."""
    acquisition = codes_of(desk).acquisition
    try:
        count, again_at = acquisition.expire(due.tenant, now=now, actor=desk.actor.name, request=desk.actor.request)
    except ChukanError as error:
        _log.error("linkage_codes.overdue_failed", organisation=due.tenant, exc_info=error)
        with desk.actor.engine.begin() as connection:
            shared_store.look_later(connection, due, OVERDUE, _LATER)
        return 0
    with desk.actor.engine.begin() as connection:
        shared_store.looked(connection, due, OVERDUE, again_at)
    return count
