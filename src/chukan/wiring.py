"""The one list of all that is plugged together: each area and feature offers its component here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from chukan.console import component as console
from chukan.demo import demo
from chukan.gateway.serve import gateway_command
from chukan.helpdesk import component as helpdesk
from chukan.monitoring import component as monitoring
from chukan.platform.accounts import component as accounts
from chukan.platform.accounts.operator_overview import actor_with, login_names
from chukan.platform.accounts.permissions import Permission
from chukan.platform.audit import component as audit
from chukan.platform.audit.actor import Actor
from chukan.platform.audit.ports import Signer
from chukan.platform.audit.web import People
from chukan.platform.component import Command, Component, Job
from chukan.platform.database import component as database
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.jobs import component as jobs
from chukan.platform.logs import component as logs
from chukan.platform.mail import component as mail
from chukan.platform.service_hours import component as service_hours
from chukan.platform.service_hours.rules import Generation
from chukan.platform.settings import Settings
from chukan.platform.settings import component as settings
from chukan.platform.settings.load import loaded_settings
from chukan.platform.vault import component as vault
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.platform.vault.signing import VaultSigner
from chukan.platform.web import Here
from chukan.scheduler import scheduler_command
from chukan.tenants import component as tenants
from chukan.tenants.limits import component as limits
from chukan.tenants.limits.exemptions import component as exemptions
from chukan.tenants.limits.exemptions import service as exemption_service
from chukan.tenants.middleserver.connections import component as connections
from chukan.tenants.middleserver.connections.tables import SEALED_COLUMNS as ANSWER_COLUMNS
from chukan.tenants.middleserver.duplicate_copies import component as duplicate_copies
from chukan.tenants.middleserver.duplicate_copies.tables import SEALED_COLUMNS as COPY_COLUMNS
from chukan.tenants.middleserver.inquiries import component as inquiries
from chukan.tenants.middleserver.inquiries import desk as inquiry_desk
from chukan.tenants.middleserver.inquiries.sealed import ENCRYPTED_COLUMNS as INQUIRY_COLUMNS
from chukan.tenants.middleserver.linkage_codes import component as linkage_codes
from chukan.tenants.middleserver.linkage_codes import desk as linkage_desk
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.linkage_codes.sealed import ENCRYPTED_COLUMNS as CODE_COLUMNS
from chukan.tenants.middleserver.operations import component as operations
from chukan.tenants.middleserver.operations.excluded_items import excluded_on
from chukan.tenants.middleserver.provision_records import component as provision_records
from chukan.tenants.middleserver.provisions import component as provisions
from chukan.tenants.middleserver.provisions.desk import provisions_over
from chukan.tenants.middleserver.provisions.service import Provisions
from chukan.tenants.middleserver.provisions.tables import ENCRYPTED_COLUMNS as PROVISION_COLUMNS
from chukan.tenants.middleserver.security import component as security
from chukan.tenants.middleserver.security.certificates.service import ENCRYPTED_COLUMNS as KEY_COLUMNS
from chukan.tenants.middleserver.transmission import component as transmission
from chukan.tenants.middleserver.transmission.desk import connect
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.middleserver.transmission.service import ENCRYPTED_COLUMNS as MESSAGE_COLUMNS
from chukan.tenants.provisioning import purge
from chukan.tenants.registry import component as registry
from chukan.tenants.registry.service import Registry
from chukan.vpn import component as vpn
from chukan.worker import worker_command

#: All that is sealed under the tenants' keys: what a rotation of a key seals anew.
SEALED = (
    *KEY_COLUMNS,
    *MESSAGE_COLUMNS,
    *CODE_COLUMNS,
    *COPY_COLUMNS,
    *INQUIRY_COLUMNS,
    *ANSWER_COLUMNS,
    *PROVISION_COLUMNS,
)
_EXEMPTIONS = exemption_service.kinds(Permission.EXEMPTION_REQUEST, Permission.EXEMPTION_APPROVE)
_MOVES = linkage_desk.kinds(Permission.LINK_MOVE, Permission.LINK_MOVE_APPROVE)


def components() -> tuple[Component, ...]:
    """Return every component, in the order in which their commands are listed."""
    return (
        settings.component(),
        logs.component(),
        database.component(_settings),
        vault.component(_settings, SEALED),
        audit.component(_settings, signer=signer_of, people=People(_names, _actor)),
        accounts.component(_settings, kinds=(*purge.kinds(), *_EXEMPTIONS, *_MOVES)),
        jobs.component(_settings, all_jobs=all_jobs),
        mail.component(_settings),
        service_hours.component(_settings, affected=_affected, named=_named),
        registry.component(_settings),
        tenants.component(),
        limits.component(),
        exemptions.component(_EXEMPTIONS),
        security.component(_settings, connect),
        transmission.component(_settings, _features),
        linkage_codes.component(_settings, _MOVES, _provisions),
        duplicate_copies.component(_provisions),
        inquiries.component(_settings),
        operations.component(_settings),
        provisions.component(_settings, excluded_on),
        provision_records.component(_settings),
        connections.component(_settings),
        vpn.component(),
        monitoring.component(),
        helpdesk.component(),
        Component(name="processes", commands=(Command(scheduler_command(all_jobs)), Command(worker_command(all_jobs)))),
        console.component(components),
        Component(name="gateway", commands=(Command(gateway_command(_features, excluded_on), under="serve"),)),
        Component(name="demo", commands=(Command(demo),)),
    )


def all_jobs() -> list[Job]:
    """Return the jobs of every component: what the scheduler fires and the workers run."""
    return [job for component in components() for job in component.jobs]


def signer_of(settings: Settings) -> Signer:
    """Return who signs the audit trail's seals: the vault, which the trail itself does not know."""
    return VaultSigner(key_provider(settings.vault))


def _features(sessions: TenantSessions, vault: Vault) -> Features:
    """Return what every feature does with the messages of the national network."""
    provisions_do = _provisions(sessions, vault).features()
    inquiries_do = inquiry_desk.features_of(_settings, sessions, vault)
    return Acquisition(sessions, vault).features() | inquiries_do | provisions_do


def _provisions(sessions: TenantSessions, vault: Vault) -> Provisions:
    """Return what knows who received what under a linkage code, and which requests still need which copies."""
    return provisions_over(_settings, sessions, vault, excluded_on)


def _affected(visit: Here, day: date) -> Mapping[Generation, int]:
    """Return how many organisations each generation serves on *day*: whom an outage concerns."""
    return Registry(Actor(visit.engine, visit.actor, visit.request)).affected(day)


def _names(visit: Here, actors: Collection[str]) -> Mapping[str, str]:
    """Return the log-in names of those *actors* of the trail that are operators."""
    with visit.engine.connect() as connection:
        return login_names(connection, actors)


def _actor(visit: Here, login: str) -> str | None:
    with visit.engine.connect() as connection:
        return actor_with(connection, login)


def _named(visit: Here, actor: str) -> str:
    return _names(visit, {actor}).get(actor, actor)


def _settings() -> Settings:
    return loaded_settings().settings
