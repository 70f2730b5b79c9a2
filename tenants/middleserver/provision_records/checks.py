"""Do all parties' records agree? Source: A0-156."""

from __future__ import annotations

from datetime import timedelta

from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.tenants.middleserver.provision_records.store import Open

#: One night without a comparison may be the network's maintenance; two are not.
_MISSED = timedelta(hours=50)
#: A difference that nobody has cleared up in a week.
_OLD = timedelta(days=7)


def judge(found: Open) -> CheckResult:
    """Return the verdict of ``reconciliation-cases-open``: red for an old case, or where nothing is compared."""
    if found.oldest_reconciled is not None and found.now - found.oldest_reconciled > _MISSED:
        hours = (found.now - found.oldest_reconciled) // timedelta(hours=1)
        told = text("An organisation's records were last compared with the network's {hours} hours ago.", hours=hours)
        return CheckResult(Health.RED, told)
    if not found.cases or found.oldest_case is None:
        return CheckResult(Health.GREEN, text("The records of provisions agree with the network's."))
    told = text(
        "The records of {cases} inquiries of {organisations} organisations differ from the network's.",
        cases=found.cases,
        organisations=found.organisations,
    )
    return CheckResult(Health.RED if found.now - found.oldest_case > _OLD else Health.AMBER, told)
