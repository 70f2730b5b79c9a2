"""What outgoing mail writes into the audit trail: what became of mails, and what operators did with them.

A claim is no act (it is a lease, and the mail's own history has it); the outcome is. Recipients are not named:
the subject of an entry is the mail's id.
"""

from __future__ import annotations

from chukan.platform.audit.rules import Action


class MailAction(Action):
    """The acts on mails; they stand in the platform's chain."""

    RELAY = "mail:outbox:relay"
    RETRY = "mail:outbox:retry"
    TEST = "mail:outbox:test"
    REPORT = "mail:report:take"
    LIFT_MARK = "mail:recipient:lift_mark"
