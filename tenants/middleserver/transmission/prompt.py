"""Sending at once what somebody waits for, beside the relay's job: that is what brings it, should this fail.

Source: A0-168.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from chukan.platform.clock import Clock
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import bind_log_context, get_logger
from chukan.tenants.middleserver.transmission.relay import Relay

#: So many messages wait for each sender; what comes beyond is left to the relay's job.
_WAIT_IN_LINE = 4
_log = get_logger(__name__)


class Prompt:
    """Sends the next message of a conversation in a thread of its own; for many threads, as long as a process runs."""

    def __init__(self, relay_for: Callable[[str], Relay], clock: Clock, *, senders: int) -> None:
        """Send with what *relay_for* returns for a request's id, so many at the same time as there are *senders*."""
        self._relay_for = relay_for
        self._clock = clock
        self._pool = ThreadPoolExecutor(senders, thread_name_prefix="prompt")
        self._room = BoundedSemaphore(senders * (1 + _WAIT_IN_LINE))

    def send(self, tenant: TenantId, conversation: UUID, *, request: str) -> bool:
        """Let what was queued in *conversation* leave now, and return at once; False if too many wait, or it is closed.

        What was queued has to be committed. Whatever becomes of it here, the relay's job looks at it as well.
        """
        if not self._room.acquire(blocking=False):
            return False
        try:
            self._pool.submit(self._send, tenant, conversation, request)
        except RuntimeError:
            # The process is about to end; a worker will send it.
            self._room.release()
            return False
        return True

    def close(self) -> None:
        """Begin nothing any more, and wait for what is being sent."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self, tenant: TenantId, conversation: UUID, request: str) -> None:
        with bind_log_context(request=request):
            try:
                self._relay_for(request).convey(tenant, conversation, self._clock.now())
            except (ChukanError, DBAPIError) as error:
                _log.warning("transmission.prompt_failed", organisation=tenant, exc_info=error)
            finally:
                self._room.release()
