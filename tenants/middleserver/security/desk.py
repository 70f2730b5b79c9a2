"""Masters and certificates as a command or a job opens them: under the worker's log-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from chukan.platform.audit.actor import Actor, at_work
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.settings import Settings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.security.certificates.service import Certificates, Keys
from chukan.tenants.middleserver.security.masters.service import Distribution, Masters
from chukan.tenants.middleserver.security.ports import CertificateIssuer, InFlight, MasterSource, NetworkKeys


@dataclass(frozen=True)
class Peers:
    """Who is asked outside of this feature: the network, and the exchange of messages."""

    keys: NetworkKeys
    source: MasterSource
    issuer: CertificateIssuer
    in_flight: InFlight


#: Opens the way to the peers for one piece of work; the exchange of messages implements it.
Connect = Callable[[Settings, TenantSessions], AbstractContextManager[Peers]]


@dataclass(frozen=True)
class SecurityDesk:
    """All that an act on masters or certificates needs; the way to the network is opened when it is asked for."""

    actor: Actor
    settings: Settings
    sessions: TenantSessions
    vault: Vault
    masters: Masters
    connect: Connect

    @property
    def keys(self) -> Keys:
        """The organisations' keys, as messages use them."""
        return Keys(self.sessions, self.vault)

    @property
    def distribution(self) -> Distribution:
        """Masters, where the network is not needed."""
        return Distribution(self.actor, self.masters)

    @contextmanager
    def network(self) -> Iterator[tuple[Peers, Distribution, Certificates]]:
        """Lend the way to the network, with what goes over it."""
        with self.connect(self.settings, self.sessions) as peers:
            certificates = Certificates(
                self.sessions,
                self.vault,
                peers.issuer,
                peers.in_flight,
                actor=self.actor.name,
                request=self.actor.request,
            )
            yield peers, Distribution(self.actor, self.masters, peers.keys), certificates


@contextmanager
def at_desk(settings: Settings, connect: Connect) -> Iterator[SecurityDesk]:
    """Lend masters and certificates to who runs the present command; raises as ``at_work``."""
    with at_work(settings, ProcessKind.WORKER) as actor, desk_for(actor, settings, connect) as desk:
        yield desk


@contextmanager
def desk_for(actor: Actor, settings: Settings, connect: Connect) -> Iterator[SecurityDesk]:
    """Lend masters and certificates to *actor*, who works under the worker's log-in."""
    vault = Vault(actor.engine, key_provider(settings.vault), cache_seconds=settings.vault.cache_seconds)
    credentials = VaultCredentials(actor.engine, vault, cache_seconds=settings.vault.cache_seconds)
    sessions = TenantSessions(settings.database, actor.engine, credentials)
    try:
        yield SecurityDesk(actor, settings, sessions, vault, Masters(actor.engine), connect)
    finally:
        sessions.close()
