"""The menu of faults: what a mail server may do to those who hand it mail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What goes wrong, and at which point of the dialogue."""

    #: MAIL: 553, it does not serve this sender.
    SENDER_REFUSED = "sender_refused"
    #: MAIL: 452, its queue has no room; what Postfix says of a full disk.
    NO_ROOM = "no_room"
    #: RCPT: 451, come again later; with ``times`` 1 the second attempt passes.
    GREYLIST = "greylist"
    #: RCPT: 550, there is no such mailbox.
    UNKNOWN_RECIPIENT = "unknown_recipient"
    #: RCPT: 421, and the connection is closed.
    CLOSING = "closing"
    #: RCPT: the answer comes one byte at a time, ``seconds`` apart.
    TRICKLE = "trickle"
    #: End of DATA: 452, the disk is full.
    DISK_FULL = "disk_full"
    #: End of DATA: 554, it does not like what it reads.
    CONTENT_REFUSED = "content_refused"
    #: End of DATA: the answer comes after ``seconds``.
    SLOW = "slow"
    #: End of DATA: the mail is kept, and the connection is cut before the answer.
    LOST_ANSWER = "lost_answer"
    #: End of DATA: 250, and then the connection is cut.
    HANG_UP = "hang_up"
    #: Taken, and then reported back as failed (5.1.1) or as delayed (4.4.1).
    RETURNED = "returned"
    DELAYED = "delayed"


@dataclass
class Order:
    """One order from the menu: for whom (``*``: everybody), how many times for each (None: always)."""

    fault: Fault
    recipient: str = "*"
    times: int | None = None
    seconds: float = 0.0
    _served: Counter[str] = field(default_factory=Counter, repr=False)

    def applies(self, recipient: str) -> bool:
        """Return whether *recipient* gets it now, and count it."""
        if self.recipient not in {"*", recipient}:
            return False
        if self.times is not None and self._served[recipient] >= self.times:
            return False
        self._served[recipient] += 1
        return True


class Menu:
    """The orders in force, the first that applies first."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def served(self, faults: frozenset[Fault], recipient: str = "*") -> Order | None:
        """Return the order of one of *faults* that *recipient* gets now, if there is one."""
        return next((order for order in self.orders if order.fault in faults and order.applies(recipient)), None)
