"""Idempotency keys: the same request under the same key is given the stored answer, and done once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from chukan.platform.clock import as_utc
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.connections import store
from chukan.tenants.middleserver.connections.errors import KeyReused, RequestUnderWay
from chukan.tenants.middleserver.connections.rules import System

#: A request without an answer for this long was left by a gateway that died.
_ABANDONED = timedelta(minutes=2)
#: So many answers are removed in one transaction.
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Reply:
    """An answer as it is stored and given again."""

    status: int
    content_type: str
    body: bytes

    def packed(self) -> bytes:
        """Return it as bytes, to be sealed."""
        return json.dumps([self.status, self.content_type]).encode() + b"\n" + self.body

    @classmethod
    def unpacked(cls, content: bytes) -> Reply:
        """Return the reply that was packed."""
        head, _, body = content.partition(b"\n")
        status, content_type = json.loads(head)
        return cls(status, content_type, body)


class Answers:
    """The stored answers of all organisations, each in its own schema, sealed under its own key."""

    def __init__(self, sessions: TenantSessions, vault: Vault, *, kept: timedelta) -> None:
        """Keep answers for *kept*."""
        self._sessions = sessions
        self._vault = vault
        self._kept = kept

    def once(
        self, system: System, key: str, request: Sequence[bytes], work: Callable[[], Reply], *, now: datetime
    ) -> Reply:
        """Return what *work* answers to the *request* (its parts) of *system*; the second time, what it answered.

        Work that was killed is done again by the next request, so it must bear that.

        Raises:
            KeyReused: the key came with another request before.
            RequestUnderWay: it is being worked on at this moment.
        """
        row, claim = f"{system.id}:{key}", uuid4()
        cipher = self._vault.column(system.tenant, "stored_answer", "content")
        digest = self._index(system, request)
        at = as_utc(now)
        with self._sessions.begin(system.tenant) as connection:
            earlier = store.claim_answer(
                connection, row, digest, claim, now=at, stale=at - _ABANDONED, over=at - self._kept
            )  # fmt: skip
        if earlier is not None:
            known, content = earlier
            if known != digest:
                raise KeyReused
            if content is None:
                raise RequestUnderWay
            return Reply.unpacked(cipher.open(row, content))
        try:
            reply = work()
        except Exception:
            # What was refused changed nothing, and is judged anew: the reason may be gone by then.
            with self._sessions.begin(system.tenant) as connection:
                store.forget_answer(connection, row, claim)
            raise
        with self._sessions.begin(system.tenant) as connection:
            store.keep_answer(connection, row, claim, cipher.seal(row, reply.packed()))
        return reply

    def name_of(self, system: System, key: str, request: Sequence[bytes]) -> str:
        """Return what the *request* of *system* under *key* is known by: the same for the same bytes alone.

        What is done in a transaction of its own is done once under it, also if nobody came to store the answer.
        """
        return f"{system.id}:{key}:{self._index(system, request).hex()}"

    def _index(self, system: System, request: Sequence[bytes]) -> bytes:
        return self._vault.blind_index(system.tenant, "stored_answer.digest", _digest(request))

    def keep(self, system: System, key: str, reply: Reply, *, now: datetime) -> None:
        """Store *reply* under *key*, which nobody asks under, in place of what stood there."""
        row = f"{system.tenant}:{key}"
        content = self._vault.column(system.tenant, "stored_answer", "content").seal(row, reply.packed())
        digest = self._vault.blind_index(system.tenant, "stored_answer.digest", _digest((reply.body,)))
        with self._sessions.begin(system.tenant) as connection:
            store.put_answer(connection, row, digest, content, now=as_utc(now))

    def kept(self, system: System, key: str) -> Reply | None:
        """Return what was stored under *key* by ``keep``, if it is still kept."""
        row = f"{system.tenant}:{key}"
        with self._sessions.begin(system.tenant) as connection:
            content = store.answer(connection, row)
        if content is None:
            return None
        return Reply.unpacked(self._vault.column(system.tenant, "stored_answer", "content").open(row, content))

    def forget(self, tenant: TenantId, *, now: datetime) -> int:
        """Remove what was kept for long enough at *now*, some at a time; return how many answers."""
        count = 0
        while True:
            with self._sessions.begin(tenant) as connection:
                gone = store.forget_before(connection, as_utc(now) - self._kept, limit=_AT_ONCE)
            count += gone
            if gone < _AT_ONCE:
                return count


def _digest(parts: Sequence[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.hexdigest()
