"""The health of outgoing mail: does it leave, and is there any that will not leave by itself?"""

from __future__ import annotations

from datetime import timedelta

from chukan.platform.component import CheckResult, Health
from chukan.platform.mail.rules import MailState
from chukan.platform.mail.store import Backlog
from chukan.platform.messages import text


def judge_backlog(backlog: Backlog, stale_after: timedelta) -> CheckResult:
    """Return the verdict of ``mail-outbox-stale``; all instants are the database's.

    Red when a mail waits that nobody even tried to send: then nothing leaves. One that a server keeps putting
    off is amber, since it is tried again by itself.
    """
    limit = backlog.measured_at - stale_after
    minutes = stale_after // timedelta(minutes=1)
    if backlog.oldest_untried is not None and backlog.oldest_untried < limit:
        return CheckResult(Health.RED, text("Mail does not leave: one has waited longer than {n} minutes.", n=minutes))
    if backlog.oldest_tried is not None and backlog.oldest_tried < limit:
        told = text("A mail has been put off by its server for longer than {n} minutes.", n=minutes)
        return CheckResult(Health.AMBER, told)
    return CheckResult(Health.GREEN, text("Mail leaves."))


def judge_dead_letters(backlog: Backlog) -> CheckResult:
    """Return the verdict of ``mail-dead-letters``: amber while there are any."""
    dead = backlog.counts[MailState.DEAD]
    if not dead:
        return CheckResult(Health.GREEN, text("There is no dead letter."))
    return CheckResult(Health.AMBER, text("{count} mails were given up after their last attempt.", count=dead))
