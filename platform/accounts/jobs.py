"""The worker's periodic work on accounts: requests expire, and what has ended is forgotten in time."""

from __future__ import annotations

from datetime import timedelta

import structlog

from chukan.platform.accounts import store
from chukan.platform.accounts.four_eyes import expire_requests
from chukan.platform.accounts.limits import Limits, shipped_limits
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings

ACTOR = "system:accounts-housekeeping"
_log = structlog.get_logger(__name__)


def keep_house(settings: Settings, limits: Limits | None = None) -> None:
    """Let overdue requests expire, and delete old delays, sessions and invitations. May be repeated.

    All of it goes by the database's clock; the database also refuses to forget too early.
    """
    limits = limits or shipped_limits()
    with engine_of(settings.database, ProcessKind.WORKER) as engine:
        expired = expire_requests(engine, actor=ACTOR, request=new_request_id())
        with engine.begin() as connection:
            delays, sessions, tokens = store.tidy(
                connection,
                forget_delays=limits.longest_memory,
                keep_ended=timedelta(days=limits.housekeeping.keep_ended_days),
            )
    _log.info("accounts.house_kept", count=expired + delays + sessions + tokens)
