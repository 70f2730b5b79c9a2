"""The exchange as jobs, commands and the gateway open it, with the way to the network that the settings name."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from sqlalchemy import Engine

from chukan.platform.audit.actor import Actor, at_work
from chukan.platform.clock import Clock, SystemClock
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import NetworkSettings, Settings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.security.desk import Peers as SecurityPeers
from chukan.tenants.middleserver.transmission.adapters.https import HttpsNetwork
from chukan.tenants.middleserver.transmission.errors import NetworkFilesUnusable, NetworkNotSet
from chukan.tenants.middleserver.transmission.network_keys import PinnedKeys
from chukan.tenants.middleserver.transmission.ports import Features, Shut
from chukan.tenants.middleserver.transmission.prompt import Prompt
from chukan.tenants.middleserver.transmission.reception import Reception
from chukan.tenants.middleserver.transmission.relay import Relay, RelayPolicy
from chukan.tenants.middleserver.transmission.sending import Peers, Sender
from chukan.tenants.middleserver.transmission.service import Exchange, OpenConversations

_random = secrets.SystemRandom()
_GATEWAY = "system:gateway"
#: What the features above do with messages, once the vault is open.
FeaturesOf = Callable[[TenantSessions, Vault], Features]


@dataclass(frozen=True)
class TransmissionDesk:
    """All that an act on the exchange needs; the way to the network is opened when it is asked for."""

    actor: Actor
    settings: Settings
    sessions: TenantSessions
    vault: Vault

    @property
    def exchange(self) -> Exchange:
        """What operators see and do."""
        return Exchange(self.actor, self.sessions)

    @contextmanager
    def relay(self, features: Features) -> Iterator[Relay]:
        """Lend a relay to the network; raises as ``way``."""
        with way(self.settings.network) as (network, keys):
            policy = RelayPolicy.of(self.settings.network)
            sender = Sender(
                actor=self.actor,
                sessions=self.sessions,
                peers=Peers(network, keys.public_key),
                features=features,
                retry=policy.retry,
                clock=SystemClock(),
                draw=_random.random,
            )
            yield Relay(self.vault, sender, policy)


@contextmanager
def way(settings: NetworkSettings) -> Iterator[tuple[HttpsNetwork, PinnedKeys]]:
    """Lend the way to the network, and the keys that count.

    Raises:
        NetworkNotSet: the settings name none.
        NetworkFilesUnusable: a file of the settings cannot be read.
    """
    network = HttpsNetwork(settings)
    try:
        yield network, PinnedKeys(network.keys, authority_of(settings))
    finally:
        network.close()


@contextmanager
def connect(settings: Settings, sessions: TenantSessions) -> Iterator[SecurityPeers]:
    """Lend the network to masters and certificates (``security.desk.Connect``); raises as ``way``."""
    with way(settings.network) as (network, keys):
        yield SecurityPeers(keys=keys, source=network, issuer=network, in_flight=OpenConversations(sessions))


@contextmanager
def at_desk(settings: Settings) -> Iterator[TransmissionDesk]:
    """Lend the exchange to who runs the present command; raises as ``at_work``."""
    with at_work(settings, ProcessKind.WORKER) as actor, desk_for(actor, settings) as desk:
        yield desk


@contextmanager
def at_job(settings: Settings, name: str) -> Iterator[TransmissionDesk]:
    """Lend the exchange to the job *name*; raises as ``engine_of``."""
    with serving(settings.database), engine_of(settings.database, ProcessKind.WORKER) as engine:
        actor = Actor(engine, f"system:{name}", new_request_id())
        with desk_for(actor, settings) as desk:
            yield desk


@contextmanager
def desk_for(actor: Actor, settings: Settings) -> Iterator[TransmissionDesk]:
    """Lend the exchange to *actor*, who works under the worker's log-in."""
    vault = Vault(actor.engine, key_provider(settings.vault), cache_seconds=settings.vault.cache_seconds)
    credentials = VaultCredentials(actor.engine, vault, cache_seconds=settings.vault.cache_seconds)
    sessions = TenantSessions(settings.database, actor.engine, credentials)
    try:
        yield TransmissionDesk(actor, settings, sessions, vault)
    finally:
        sessions.close()


@contextmanager
def reception_for(
    settings: NetworkSettings,
    engine: Engine,
    sessions: TenantSessions,
    vault: Vault,
    features: Features,
    *,
    shut: Shut = lambda _tenant, _now: None,
) -> Iterator[Reception]:
    """Lend what takes the network's messages while *shut* tells nothing, as long as the gateway runs.

    Raises as ``way``.
    """
    with way(settings) as (_network, keys):
        yield Reception(engine, sessions, vault, keys.public_key, features, shut=shut)


@contextmanager
def prompt_for(
    settings: NetworkSettings,
    engine: Engine,
    sessions: TenantSessions,
    vault: Vault,
    features: Features,
    *,
    clock: Clock,
) -> Iterator[Prompt]:
    """Lend what sends at once what somebody waits for, as long as the gateway runs; raises as ``way``."""
    with way(settings) as (network, keys):
        policy, peers = RelayPolicy.of(settings), Peers(network, keys.public_key)

        def relay_for(request: str) -> Relay:
            actor = Actor(engine, _GATEWAY, request)
            sender = Sender(
                actor=actor, sessions=sessions, peers=peers, features=features, retry=policy.retry, clock=clock,
                draw=_random.random,
            )  # fmt: skip
            return Relay(vault, sender, policy)

        prompt = Prompt(relay_for, clock, senders=settings.senders)
        try:
            yield prompt
        finally:
            prompt.close()


@lru_cache(maxsize=8)
def _certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def authority_of(settings: NetworkSettings) -> x509.Certificate:
    """Return the certificate of the network's authority, which both sides know beforehand.

    Raises:
        NetworkNotSet, NetworkFilesUnusable: as ``way``.
    """
    if settings.ca_file is None:
        raise NetworkNotSet
    try:
        return _certificate(settings.ca_file.read_bytes())
    except (OSError, ValueError) as error:
        raise NetworkFilesUnusable(setting="network.ca_file", detail=repr(error)) from error
