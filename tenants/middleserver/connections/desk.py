"""The gateway's services over its own log-in, opened once in the process that serves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

from sqlalchemy import Engine

from chukan.platform.clock import Clock, SystemClock
from chukan.platform.database.engines import engine_of, reading
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import Settings
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.tenants.limits.budget import RegisteredLimits
from chukan.tenants.middleserver.connections.answers import Answers
from chukan.tenants.middleserver.connections.data import shipped_rates, shipped_test_persons
from chukan.tenants.middleserver.connections.health import probe_of
from chukan.tenants.middleserver.connections.inquiries import InquiryMessages, Waiting
from chukan.tenants.middleserver.connections.intake import Intake
from chukan.tenants.middleserver.connections.provisions import ProvisionMessages
from chukan.tenants.middleserver.connections.service import Doorkeeper
from chukan.tenants.middleserver.connections.web import Services
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.duplicate_copies.ports import LimitedDay, Masters
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.gate import Gate
from chukan.tenants.middleserver.inquiries.service import Inquiries
from chukan.tenants.middleserver.provisions.desk import provisions_over
from chukan.tenants.middleserver.provisions.ports import ExcludedItems
from chukan.tenants.middleserver.security.masters.in_force import MastersInForce
from chukan.tenants.middleserver.security.masters.service import BELIEVED
from chukan.tenants.middleserver.security.masters.service import Masters as Catalogues
from chukan.tenants.middleserver.transmission.desk import FeaturesOf, authority_of, prompt_for, reception_for
from chukan.tenants.middleserver.transmission.switch import Stops

#: What files of the test mode are checked against, under the gateway's log-in.
MastersOf = Callable[[Engine], Masters]


def opened(
    settings: Settings,
    features: FeaturesOf,
    stack: ExitStack,
    clock: Clock | None = None,
    *,
    excluded: ExcludedItems,
    masters_of: MastersOf = MastersInForce,
    gate_of: Callable[[Engine], Gate] = Gate,
) -> Services:
    """Return the gateway's services; what they hold open is closed with *stack*.

    *excluded* tells the items that an organisation does not provide. *gate_of* gives the gate of all of them.

    Raises:
        SecretMissing: this machine was not given the gateway's log-in.
        NetworkFilesUnusable: the settings name a network, but its files cannot be read.
        ConnectionDataMalformed: a file in config/ is wrong.
    """
    engine = stack.enter_context(engine_of(settings.database, ProcessKind.GATEWAY))
    provider = key_provider(settings.vault)
    vault = Vault(engine, provider, cache_seconds=settings.vault.cache_seconds)
    credentials = VaultCredentials(engine, vault, cache_seconds=settings.vault.cache_seconds)
    sessions = TenantSessions(settings.database, engine, credentials)
    stack.callback(sessions.close)
    uploads = Uploads(sessions, vault, LimitedDay(RegisteredLimits(engine).standing))
    answers = Answers(sessions, vault, kept=timedelta(hours=settings.gateway.answers_kept_hours))
    asked = reading(engine)
    persons, gate = shipped_test_persons(), gate_of(asked)
    catalogues = Catalogues(asked, believed_seconds=BELIEVED)
    stops = Stops(engine)
    inquiries = Inquiries(sessions, vault, catalogues, gate, lambda: authority_of(settings.network), going=stops)
    # Half of the threads are left for the network: it brings the answers that are waited for.
    waiting = Waiting(
        inquiries, seconds=settings.gateway.inquiry_wait_seconds, seats=settings.gateway.threads // 2
    )  # fmt: skip
    stack.callback(waiting.close)
    provisions = provisions_over(lambda: settings, sessions, vault, excluded)
    clock = clock or SystemClock()
    reception = authority = prompt = None
    if settings.network.url:
        network, handled = settings.network, features(sessions, vault)
        reception = stack.enter_context(
            reception_for(
                network, engine, sessions, vault, handled,
                shut=lambda tenant, now: gate.closed(tenant, Service.SYSTEM, now),
            )
        )  # fmt: skip
        prompt = stack.enter_context(prompt_for(network, engine, sessions, vault, handled, clock=clock))
        authority = authority_of(network)
    further = {
        **InquiryMessages(inquiries, waiting, persons, stops, prompt).works(),
        **ProvisionMessages(provisions, persons).works(),
    }
    return Services(
        clock=clock,
        gate=gate,
        doorkeeper=Doorkeeper(engine, shipped_rates()),
        answers=answers,
        uploads=uploads,
        copies=Copies(sessions, vault),
        intake=Intake(
            sessions, vault, uploads, answers, persons, masters=masters_of(engine), stops=stops, further=further
        ),
        probe=probe_of(engine, provider, sessions, settings.console.probe_seconds),
        reception=reception,
        network_authority=authority,
    )
