"""Provisioning as a command opens it: under the provisioner's log-in, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.tenants.provisioning.service import Provisioner


@contextmanager
def provisioner(settings: Settings, *, actor: str) -> Iterator[Provisioner]:
    """Lend the provisioner for one command; the database is running.

    Raises:
        SecretMissing: this machine was not given the provisioner's log-in.
    """
    with engine_of(settings.database, ProcessKind.PROVISIONER) as engine:
        cache_seconds = settings.vault.cache_seconds
        vault = Vault(engine, key_provider(settings.vault), cache_seconds=cache_seconds)
        credentials = VaultCredentials(engine, vault, cache_seconds=cache_seconds)
        request = new_request_id()
        yield Provisioner(settings.database, engine, vault, credentials, actor=actor, request=request)
