"""The health of accounts: are there enough administrators to help one another?"""

from __future__ import annotations

from sqlalchemy import Engine

from chukan.platform.accounts import store
from chukan.platform.accounts.rules import LEAST_ADMINISTRATORS
from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text


def check_administrators(engine: Engine) -> CheckResult:
    """Say whether there are at least two active administrators; asked under any log-in that may count them."""
    with engine.connect() as connection:
        return judge_administrators(store.count_administrators(connection))


def judge_administrators(count: int) -> CheckResult:
    """Return the verdict for *count* active administrators.

    One too few waits for the morning: the machine's own rights can always make another.
    """
    health = Health.GREEN if count >= LEAST_ADMINISTRATORS else Health.AMBER
    return CheckResult(
        health, text("{count} administrators are active; {least} are needed.", count=count, least=LEAST_ADMINISTRATORS)
    )
