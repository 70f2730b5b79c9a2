"""The health of inquiries: do those leave whose turn has come?"""

from __future__ import annotations

from datetime import timedelta

from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.tenants.middleserver.inquiries.projections import PaceOverview

#: Marks are looked at every few seconds: so late, nobody does.
LATE = timedelta(minutes=10)


def judge_pace(overview: PaceOverview) -> CheckResult:
    """Return the verdict of ``inquiries-pace``: red when inquiries whose turn has come stay for so long.

    Amber while answers come: lists of more organisations wait than are answered, and each has its turn.
    """
    if overview.oldest_due is not None and overview.measured_at - overview.oldest_due > LATE:
        if overview.answered:
            return CheckResult(
                Health.AMBER, text("Lists of so many organisations wait that each one's turn comes seldom.")
            )  # fmt: skip
        minutes = LATE // timedelta(minutes=1)
        return CheckResult(
            Health.RED, text("Nobody lets inquiries leave: some have been due for {n} minutes.", n=minutes)
        )
    return CheckResult(Health.GREEN, text("Inquiries leave when their turn comes."))
