"""Provisioning as a command opens it: under the provisioner's log-in, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.audit.actor import Actor, at_work
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.tenants.provisioning.service import Provisioner


@contextmanager
def at_desk(settings: Settings) -> Iterator[Provisioner]:
    """Lend the provisioner to who runs the present command, with the database running.

    Raises:
        PermissionLacking: the operator who is logged in does not hold what the command declares.
        SecretMissing: this machine was not given the provisioner's log-in.
    """
    with at_work(settings, ProcessKind.PROVISIONER) as actor:
        yield _provisioner_of(settings, actor)


@contextmanager
def provisioner(settings: Settings, *, actor: str) -> Iterator[Provisioner]:
    """Lend the provisioner for what *actor* does; the database is running.

    Raises:
        SecretMissing: this machine was not given the provisioner's log-in.
    """
    with engine_of(settings.database, ProcessKind.PROVISIONER) as engine:
        yield _provisioner_of(settings, Actor(engine, actor, new_request_id()))


def _provisioner_of(settings: Settings, actor: Actor) -> Provisioner:
    cache_seconds = settings.vault.cache_seconds
    vault = Vault(actor.engine, key_provider(settings.vault), cache_seconds=cache_seconds)
    credentials = VaultCredentials(actor.engine, vault, cache_seconds=cache_seconds)
    return Provisioner(settings.database, actor.engine, vault, credentials, actor=actor.name, request=actor.request)
