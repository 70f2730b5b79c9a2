"""Inquiries as commands, jobs and the gateway open them, over what the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import Settings
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.gate import Gate
from chukan.tenants.middleserver.inquiries.answers import Answers
from chukan.tenants.middleserver.inquiries.releasing import Institutions
from chukan.tenants.middleserver.inquiries.service import Inquiries
from chukan.tenants.middleserver.inquiries.trail import InquiryCaller
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.masters.service import BELIEVED, Masters
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_desk, authority_of
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.middleserver.transmission.switch import Stops


@dataclass(frozen=True)
class InquiryDesk:
    """All that an act on inquiries needs."""

    exchange: TransmissionDesk
    inquiries: Inquiries

    def caller(self, tenant: TenantId) -> InquiryCaller:
        """Return who acts for *tenant*."""
        return InquiryCaller(tenant, self.exchange.actor.name, self.exchange.actor.request)


def inquiries_of(exchange: TransmissionDesk, *, limited: bool = True) -> InquiryDesk:
    """Return inquiries over an open exchange; *limited* is off for measurements."""
    engine, settings = exchange.actor.engine, exchange.settings
    inquiries = Inquiries(
        exchange.sessions,
        exchange.vault,
        Masters(engine, believed_seconds=BELIEVED),
        Gate(engine),
        lambda: authority_of(settings.network),
        going=Stops(engine),
        limited=limited,
    )
    return InquiryDesk(exchange, inquiries)


@contextmanager
def at_inquiries(settings: Settings) -> Iterator[InquiryDesk]:
    """Lend inquiries to who runs the present command; raises as ``at_work``."""
    with at_desk(settings) as exchange:
        yield inquiries_of(exchange)


def features_of(settings: Callable[[], Settings], sessions: TenantSessions, vault: Vault) -> Features:
    """Return what inquiries do with the network's messages (``transmission.desk.FeaturesOf``, given the settings)."""
    return Answers(vault, lambda: authority_of(settings().network), Institutions(Keys(sessions, vault))).features()
