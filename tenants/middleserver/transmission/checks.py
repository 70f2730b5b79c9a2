"""The health of the exchange: do messages leave, does anything wait for a message that never came, was any given up?"""

from __future__ import annotations

from datetime import timedelta

from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.tenants.middleserver.transmission.shared_store import Overview


def judge_unsent(overview: Overview, stale_after: timedelta) -> CheckResult:
    """Return the verdict of ``exchange-oldest-unsent``; all instants are the database's.

    Red when messages have waited longer than *stale_after*, whether nobody looks or the network gives no receipt;
    or when one that came early waits so long for the one before it. Amber while the exchange is stopped anywhere.
    """
    limit = overview.measured_at - stale_after
    minutes = stale_after // timedelta(minutes=1)
    if overview.oldest_due is not None and overview.oldest_due < limit:
        return CheckResult(
            Health.RED, text("Nobody sends messages to the network: some have been due for {n} minutes.", n=minutes)
        )
    if overview.oldest_unsent is not None and overview.oldest_unsent < limit:
        return CheckResult(Health.RED, text("Messages to the network have waited longer than {n} minutes.", n=minutes))
    if overview.oldest_held is not None and overview.oldest_held < limit:
        told = text("A message from the network has waited longer than {n} minutes for the one before it.", n=minutes)
        return CheckResult(Health.RED, told)
    if overview.stops:
        return CheckResult(Health.AMBER, text("The exchange is stopped by hand: {count} stops.", count=overview.stops))
    return CheckResult(Health.GREEN, text("Messages to the network leave."))


def judge_dead(overview: Overview) -> CheckResult:
    """Return the verdict of ``exchange-dead-letters``: amber while there are any."""
    if not overview.dead:
        return CheckResult(Health.GREEN, text("No message to the network was given up."))
    told = text(
        "{count} messages of {organisations} organisations were given up after their last attempt.",
        count=overview.dead,
        organisations=overview.organisations_with_dead,
    )
    return CheckResult(Health.AMBER, told)
