"""What monitoring asks the registry: are accounts of people who left still open after their day?"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from chukan.platform.clock import as_tokyo
from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.tenants.registry.people.store import overdue_accounts


def check_leaver_accounts(engine: Engine, now: datetime) -> CheckResult:
    """Return amber while accounts of people who left are open after their last day. Source: A0-051."""
    with engine.connect() as connection:
        overdue = overdue_accounts(connection, as_tokyo(now).date())
    if overdue:
        return CheckResult(Health.AMBER, text("{count} accounts of people who left are still open.", count=overdue))
    return CheckResult(Health.GREEN, text("No account of somebody who left is open after its day."))
