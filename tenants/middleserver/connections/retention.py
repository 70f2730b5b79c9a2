"""Stored answers whose time is over are removed every few hours, also of organisations that ask nothing any more.

Source: A0-161.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.errors import ChukanError
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.connections import store
from chukan.tenants.middleserver.connections.answers import Answers

_log = get_logger(__name__)


def sweep(engine: Engine, answers: Answers, now: datetime) -> int:
    """Remove the expired answers of all organisations, and return how many; one that fails is left for the next run."""
    with engine.connect() as connection:
        tenants = store.calling(connection)
    removed = 0
    for tenant in tenants:
        try:
            removed += answers.forget(tenant, now=now)
        except (ChukanError, SQLAlchemyError, psycopg.Error) as error:
            _log.error("connections.sweep_failed", organisation=tenant, exc_info=error)
    return removed
