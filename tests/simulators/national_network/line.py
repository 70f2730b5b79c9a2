"""The line in which the network's messages wait: in order within a conversation, in turn between organisations."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.faults import Fault, Menu, Point

#: How many messages to one organisation are under way at once.
AT_ONCE = 4
#: Seconds: whoever waits looks again so often, whatever happens.
_LONGEST = 1.0
_REORDER = frozenset({Fault.REORDER})
_OVERTAKE = frozenset({Fault.OVERTAKE})


@dataclass
class _Organisation:
    """What waits for one organisation; a conversation is in ``ready``, or delayed, or in somebody's hand."""

    #: By conversation: the numbers of the messages by their place, first first.
    messages: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    ready: deque[str] = field(default_factory=deque)
    in_hand: int = 0


@dataclass(frozen=True)
class Ticket:
    """A message that somebody took in hand."""

    institution: str
    conv: str
    number: int


class WaitingLine:
    """The line. Whoever takes a ticket says afterwards whether it is done or has to wait."""

    def __init__(self, menu: Menu, reachable: Callable[[str], bool]) -> None:
        """Hand out messages to organisations that are *reachable*, as far as the faults of *menu* let them go."""
        self._menu = menu
        self._reachable = reachable
        self._organisations: dict[str, _Organisation] = {}
        self._turns: deque[str] = deque()
        self._delayed: list[tuple[float, str, str]] = []
        self._ended = False
        self._changed = threading.Condition()

    def add(self, institution: str, conv: str, seq: int, number: int, next_at: float = 0.0) -> None:
        """Let the message *number* wait, not before *next_at* if it is the first of its conversation."""
        with self._changed:
            own = self._organisations.get(institution)
            if own is None:
                own = self._organisations[institution] = _Organisation()
                self._turns.append(institution)
            waiting = own.messages.setdefault(conv, [])
            if (seq, number) in waiting:
                return
            heapq.heappush(waiting, (seq, number))
            if len(waiting) == 1:
                self._let_wait(institution, conv, next_at)
            self._changed.notify()

    def take(self) -> Ticket | None:
        """Return the next message as soon as there is one; None when all is over."""
        with self._changed:
            while not self._ended:
                self._wake()
                if ticket := self._next():
                    return ticket
                self._changed.wait(self._pause())
            return None

    def done(self, ticket: Ticket) -> None:
        """Forget the message of *ticket*; the next of its conversation may come."""
        self._give_back(ticket, 0.0, gone=True)

    def wait(self, ticket: Ticket, until: float) -> None:
        """Let the conversation of *ticket* wait *until* then."""
        self._give_back(ticket, until, gone=False)

    def nudge(self) -> None:
        """Look again: somebody may have become reachable."""
        with self._changed:
            self._changed.notify_all()

    def hurry(self) -> None:
        """Let every wait be over."""
        with self._changed:
            self._delayed = [(0.0, institution, conv) for _, institution, conv in self._delayed]
            self._changed.notify_all()

    def end(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _give_back(self, ticket: Ticket, until: float, *, gone: bool) -> None:
        with self._changed:
            own = self._organisations[ticket.institution]
            own.in_hand -= 1
            waiting = own.messages[ticket.conv]
            if gone:
                waiting[:] = [entry for entry in waiting if entry[1] != ticket.number]
                heapq.heapify(waiting)
            if waiting:
                self._let_wait(ticket.institution, ticket.conv, until)
                self._changed.notify()
            else:
                del own.messages[ticket.conv]
                if own.ready:
                    self._changed.notify()

    def _let_wait(self, institution: str, conv: str, until: float) -> None:
        if until > clock.seconds():
            heapq.heappush(self._delayed, (until, institution, conv))
        else:
            self._organisations[institution].ready.append(conv)

    def _wake(self) -> None:
        now = clock.seconds()
        while self._delayed and self._delayed[0][0] <= now:
            _, institution, conv = heapq.heappop(self._delayed)
            self._organisations[institution].ready.append(conv)

    def _pause(self) -> float:
        """Return after how many seconds there may be something that nobody tells."""
        until = self._delayed[0][0] - clock.seconds() if self._delayed else _LONGEST
        return min(max(until, 0.001), _LONGEST)

    def _next(self) -> Ticket | None:
        for _ in range(len(self._turns)):
            institution = self._turns[0]
            self._turns.rotate(-1)
            own = self._organisations[institution]
            if own.ready and own.in_hand < AT_ONCE and self._reachable(institution):
                return self._handed(institution, own)
        return None

    def _handed(self, institution: str, own: _Organisation) -> Ticket:
        newest = len(own.ready) > 1 and self._menu.served(_REORDER, Point.DELIVERIES, institution)
        conv = own.ready.pop() if newest else own.ready.popleft()
        own.in_hand += 1
        waiting = own.messages[conv]
        overtaken = len(waiting) > 1 and self._menu.served(_OVERTAKE, Point.DELIVERIES, institution)
        number = sorted(waiting)[1][1] if overtaken else waiting[0][1]
        return Ticket(institution, conv, number)
