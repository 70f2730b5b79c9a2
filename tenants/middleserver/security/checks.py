"""The health of masters and certificates: is anybody late, and does anything end?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.tenants.middleserver.security.certificates.rules import LADDER, KeyState, Rung, days_left, rung, step_of
from chukan.tenants.middleserver.security.masters.rules import PackageHead
from chukan.tenants.middleserver.security.masters.store import Standing

#: From so many days before the linkage start on, organisations without the masters are worth a word.
APPLY_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class Ending:
    """A certificate that is relied on, and when it ends (UTC)."""

    kid: str
    state: KeyState
    not_after: datetime


def judge_certificates(endings: Sequence[Ending], now: datetime) -> CheckResult:
    """Return the verdict of ``message-certificates-expiring``.

    Certificates in force and pending ones count: one that is being replaced may end. Red when one has ended or ends
    within the time of an overlap, amber from 60 days on; the sentence names the step of the ladder that is reached.

    Source: A0-070.
    """
    counted = [each for each in endings if each.state in {KeyState.ACTIVE, KeyState.PENDING}]
    rungs = [rung(each.not_after, now) for each in counted]
    if expired := rungs.count(Rung.EXPIRED):
        return CheckResult(Health.RED, text("{count} certificates for messages have ended.", count=expired))
    ending = [each for each, one in zip(counted, rungs, strict=True) if one is not Rung.FINE]
    if not ending:
        return CheckResult(Health.GREEN, text("No certificate for messages ends within {days} days.", days=LADDER[0]))
    step = step_of(min(days_left(each.not_after, now) for each in ending))
    health = Health.RED if Rung.URGENT in rungs else Health.AMBER
    told = text(
        "{count} certificates for messages end soon, the first within {days} days.", count=len(ending), days=step
    )
    return CheckResult(health, told)


def judge_masters(standings: Sequence[Standing], heads: Sequence[PackageHead], now: datetime) -> CheckResult:
    """Return the verdict of ``masters-unapplied``: red when a linkage started without an organisation's masters.

    Amber within seven days before it. An organisation without any masters is late from the first package on.

    Source: A0-006, A0-008.
    """
    late, soon = (_behind(standings, heads, day) for day in (as_tokyo(now).date(), as_tokyo(now + APPLY_WITHIN).date()))
    if late:
        return CheckResult(Health.RED, text("{count} organisations lack masters that are linked already.", count=late))
    if soon:
        told = text("{count} organisations lack masters that are linked within {days} days.", count=soon, days=7)
        return CheckResult(Health.AMBER, told)
    return CheckResult(Health.GREEN, text("All organisations have the masters that are linked."))


def _behind(standings: Sequence[Standing], heads: Sequence[PackageHead], day: date) -> int:
    """Return how many organisations stand before the newest package that is linked on *day*."""
    wanted = max((head.sequence for head in heads if head.linkage_start <= day), default=0)
    return sum(each.organisations for each in standings if (each.sequence or 0) < wanted)
