"""A process of ours that is killed (SIGKILL, by itself) at an exact point; run by the tests.

Arguments: what it works with (``Whole.told``, JSON), where to die, and for a relay its tenant, for a reception a file
with the message that came.

A relay: ``looked``, before it has claimed what is due; ``backing_off``, after an attempt without a receipt was written
down. A reception: ``effect``, when the message had its effect; ``committing``, before the transaction ends;
``committed``, after it, before the receipt is handed out; ``draining``, when a message that was held had its effect.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlalchemy import Engine, event

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import FixedClock
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.transmission import outbox_store
from chukan.tenants.middleserver.transmission.errors import NetworkAnswerWrong
from chukan.tenants.middleserver.transmission.ports import Answer, Features
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.middleserver.transmission.rules import NETWORK
from chukan.tenants.middleserver.transmission.sending import Peers, Sender
from support.exchange import AT_ONCE
from support.exchange_whole import TownMasters, features_over


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(inner: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """Return *inner*, at the end of whose call number *times* all is over."""
    calls = []

    def call(*args: Any, **kwargs: Any) -> Any:
        told = inner(*args, **kwargs)
        calls.append(1)
        if len(calls) == times:
            die()
        return told

    return call


class Cut:
    """A network that breaks off every connection."""

    def send(self, _message: bytes) -> Answer:
        raise NetworkAnswerWrong(status="cut")


class Working:
    """What a process has open."""

    def __init__(self, told: dict[str, Any]) -> None:
        database = DatabaseSettings.model_validate(told["database"])
        self.actor = Actor(process_engine(database, ProcessKind.WORKER), "system:test", "test")
        self.vault = Vault(self.actor.engine, FileKeyProvider(Path(told["key_file"])), cache_seconds=300)
        credentials = VaultCredentials(self.actor.engine, self.vault, cache_seconds=300)
        self.sessions = TenantSessions(database, self.actor.engine, credentials)
        self.clock = FixedClock(datetime.fromisoformat(told["now"]))
        self._keys = {kid: x509.load_pem_x509_certificate(pem.encode()) for kid, pem in told["network_keys"].items()}
        authority = x509.load_pem_x509_certificate(told["authority"].encode())
        masters = TownMasters(told["institutions"])
        inquiries, provisions = features_over(self.sessions, self.vault, masters, self.public_key, authority)
        self.features = inquiries.features() | provisions.features()

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        found = self._keys.get(kid)
        key = found.public_key() if found else None
        assert key is None or isinstance(key, EllipticCurvePublicKey)
        return key

    def relay(self, where: str, tenant: str) -> None:
        if where == "looked":
            outbox_store.claim = die
        sender = Sender(
            actor=self.actor,
            sessions=self.sessions,
            peers=Peers(Cut(), self.public_key),
            features=self.features,
            retry=AT_ONCE.retry,
            clock=self.clock,
            draw=lambda: 0.5,
        )
        Relay(self.vault, sender, AT_ONCE).drain(TenantId(UUID(tenant)), self.clock.now())
        die()

    def receive(self, where: str, message: Path) -> None:
        if where in {"effect", "draining"}:
            call = after(lambda each, *told: each(*told), 2 if where == "draining" else 1)
            handlers = {kind: _through(call, handler) for kind, handler in self.features.handlers.items()}
            self.features = Features(handlers, self.features.outcomes)
        elif where == "committing":
            event.listen(Engine, "before_cursor_execute", _noting)
        reception = Reception(self.actor.engine, self.sessions, self.vault, self.public_key, self.features)
        reception.receive(message.read_bytes(), NETWORK, now=self.clock.now())
        die()


def _through(call: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *told: call(handler, *told)


def _noting(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    """Die at the end of the transaction in which a message is kept."""
    if "insert into inbox" in statement.lower():
        event.listen(Engine, "commit", die)


def main(told: str, where: str, argument: str) -> None:
    working = Working(json.loads(told))
    if where in {"looked", "backing_off"}:
        working.relay(where, argument)
    else:
        working.receive(where, Path(argument))


main(*sys.argv[1:])
