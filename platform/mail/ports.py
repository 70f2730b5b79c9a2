"""What the relay needs of a mail server."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from chukan.platform.mail.rules import Answer


class Session(Protocol):
    """One conversation with the server, over which many mails go."""

    def send(self, recipient: str, content: bytes) -> Answer:
        """Hand one mail over and return what the server said of it (code 0: it said nothing).

        Raises:
            ServerUnavailable: the connection had been lost before, and there is no new one.
            ServerUnsuitable: the same, and the server refuses us.
        """
        ...


class MailServer(Protocol):
    """Who takes our mail."""

    def session(self) -> AbstractContextManager[Session]:
        """Open a conversation for the block.

        Raises:
            ServerNotSet: no server is set.
            ServerUnavailable: it does not answer, or takes nothing at the moment.
            ServerUnsuitable: it refuses us, cannot be trusted, or does not encrypt.
        """
        ...
