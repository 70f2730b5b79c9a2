"""The vault as a command or a job opens it: under the worker's log-in, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.rotation import DataKeyRotation
from chukan.platform.vault.rules import EncryptedColumn
from chukan.platform.vault.service import Vault


@dataclass(frozen=True)
class Desk:
    """All that an act on keys needs."""

    actor: Actor
    provider: KeyProvider
    vault: Vault
    rotation: DataKeyRotation


@contextmanager
def opened(settings: Settings, columns: Sequence[EncryptedColumn], *, actor: str) -> Iterator[Desk]:
    """Open the vault for a job that acts as *actor*; *columns* are what a rotation re-encrypts.

    Raises:
        SecretMissing: this machine was not given the worker's log-in.
    """
    with (
        serving(settings.database),
        engine_of(settings.database, ProcessKind.WORKER) as engine,
        desk_for(Actor(engine, actor, new_request_id()), settings, columns) as desk,
    ):
        yield desk


@contextmanager
def desk_for(actor: Actor, settings: Settings, columns: Sequence[EncryptedColumn]) -> Iterator[Desk]:
    """Open the vault for *actor*, who works under the worker's log-in."""
    provider = key_provider(settings.vault)
    vault = Vault(actor.engine, provider, cache_seconds=settings.vault.cache_seconds)
    credentials = VaultCredentials(actor.engine, vault, cache_seconds=settings.vault.cache_seconds)
    sessions = TenantSessions(settings.database, actor.engine, credentials)
    settle = settling_time(settings)
    try:
        rotation = DataKeyRotation(actor, vault, credentials, sessions, columns, settle=settle)
        yield Desk(actor, provider, vault, rotation)
    finally:
        sessions.close()


def settling_time(settings: Settings) -> timedelta:
    """Return how long after a rotation another process may still write under the old version.

    It may hold the key for ``vault.cache_seconds`` and then commit what it sealed with it after at most a
    statement and an idle transaction's time.
    """
    sessions = settings.database.tenant_sessions
    open_ms = sessions.statement_timeout_ms + sessions.idle_in_transaction_timeout_ms
    return timedelta(seconds=settings.vault.cache_seconds, milliseconds=open_ms)
