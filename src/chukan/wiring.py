"""The one list of all that is plugged together: each area and feature offers its component here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from chukan.console import component as console
from chukan.demo import demo
from chukan.helpdesk import component as helpdesk
from chukan.monitoring import component as monitoring
from chukan.platform.accounts import component as accounts
from chukan.platform.accounts.operator_overview import actor_with, login_names
from chukan.platform.audit import component as audit
from chukan.platform.audit.actor import Actor
from chukan.platform.audit.ports import Signer
from chukan.platform.audit.web import People
from chukan.platform.component import Command, Component, Job
from chukan.platform.database import component as database
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
from chukan.platform.vault.signing import VaultSigner
from chukan.platform.web import Here
from chukan.scheduler import scheduler_command
from chukan.tenants import component as tenants
from chukan.tenants.provisioning.purge import kinds
from chukan.tenants.registry import component as registry
from chukan.tenants.registry.service import Registry
from chukan.vpn import component as vpn
from chukan.worker import worker_command


def components() -> tuple[Component, ...]:
    """Return every component, in the order in which their commands are listed."""
    return (
        settings.component(),
        logs.component(),
        database.component(_settings),
        vault.component(_settings),
        audit.component(_settings, signer=signer_of, people=People(_names, _actor)),
        accounts.component(_settings, kinds=kinds()),
        jobs.component(_settings, all_jobs=all_jobs),
        mail.component(_settings),
        service_hours.component(_settings, affected=_affected, named=_named),
        registry.component(_settings),
        tenants.component(),
        vpn.component(),
        monitoring.component(),
        helpdesk.component(),
        Component(name="processes", commands=(Command(scheduler_command(all_jobs)), Command(worker_command(all_jobs)))),
        console.component(components),
        Component(name="demo", commands=(Command(demo),)),
    )


def all_jobs() -> list[Job]:
    """Return the jobs of every component: what the scheduler fires and the workers run."""
    return [job for component in components() for job in component.jobs]


def signer_of(settings: Settings) -> Signer:
    """Return who signs the audit trail's seals: the vault, which the trail itself does not know."""
    return VaultSigner(key_provider(settings.vault))


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
