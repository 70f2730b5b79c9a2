"""Provisions as the gateway, jobs and commands open them, over what the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import Settings
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.provisions.ports import ExcludedItems, Neighbours
from chukan.tenants.middleserver.provisions.service import Provisions
from chukan.tenants.middleserver.provisions.trail import Caller
from chukan.tenants.middleserver.security.masters.rules import Layout
from chukan.tenants.middleserver.security.masters.service import BELIEVED, Masters
from chukan.tenants.middleserver.transmission.adapters.https import HttpsNetwork
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_desk, authority_of
from chukan.tenants.middleserver.transmission.network_keys import PinnedKeys
from chukan.tenants.middleserver.transmission.ports import Features


class CataloguesInForce:
    """The masters that each organisation has (``ports.MastersInForce``)."""

    def __init__(self, masters: Masters) -> None:
        self._masters = masters

    def layouts(self, tenant: TenantId, information: str) -> Sequence[Layout]:
        """Return all layouts of *information*; raises as ``Masters.catalogue``."""
        return self._masters.catalogue(tenant).layouts(information)

    def permits(
        self, tenant: TenantId, *, inquirer: str, affair: str, procedure: str, provider: str, information: str
    ) -> bool:
        """Return whether the permission table allows it; raises as ``Masters.catalogue``."""
        return self._masters.catalogue(tenant).permits(
            inquirer=inquirer, affair=affair, procedure=procedure, provider=provider, information=information
        )


class NetworkKeys:
    """The network's keys, asked for when a permit names one that is not known yet; the way there is closed again."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        """Return the key of *kid*, or None; raises NetworkNotSet, and as ``PinnedKeys.public_key``."""
        return self._pinned.public_key(kid)

    @cached_property
    def _pinned(self) -> PinnedKeys:
        return PinnedKeys(self._fetched, authority_of(self._settings().network))

    def _fetched(self) -> bytes:
        network = HttpsNetwork(self._settings().network)
        try:
            return network.keys()
        finally:
            network.close()


@dataclass(frozen=True)
class ProvisionDesk:
    """All that an act on provisions needs."""

    exchange: TransmissionDesk
    provisions: Provisions

    def caller(self, tenant: TenantId) -> Caller:
        """Return who acts for *tenant*: an operator or a job, of no department."""
        return Caller(tenant, self.exchange.actor.name, self.exchange.actor.request)


def provisions_over(
    settings: Callable[[], Settings], sessions: TenantSessions, vault: Vault, excluded: ExcludedItems
) -> Provisions:
    """Return provisions over open sessions; *excluded* tells the items that an organisation does not provide."""
    neighbours = Neighbours(
        CataloguesInForce(Masters(sessions.engine, believed_seconds=BELIEVED)),
        excluded,
        NetworkKeys(settings).public_key,
    )
    linkage = LinkageCodes(sessions, vault, NotRecordedYet())
    return Provisions(sessions, vault, Copies(sessions, vault), linkage, neighbours)


def features_of(
    settings: Callable[[], Settings], sessions: TenantSessions, vault: Vault, excluded: ExcludedItems
) -> Features:
    """Return what provisions do with the network's messages (``transmission.desk.FeaturesOf``, given the rest)."""
    return provisions_over(settings, sessions, vault, excluded).features()


def desk_over(exchange: TransmissionDesk, excluded: ExcludedItems) -> ProvisionDesk:
    """Return provisions over an open exchange."""
    return ProvisionDesk(
        exchange, provisions_over(lambda: exchange.settings, exchange.sessions, exchange.vault, excluded)
    )


@contextmanager
def at_provisions(settings: Settings, excluded: ExcludedItems) -> Iterator[ProvisionDesk]:
    """Lend provisions to who runs the present command; raises as ``at_work``."""
    with at_desk(settings) as exchange:
        yield desk_over(exchange, excluded)
