"""``chukan service-hours``: what is open when, and the outages that are planned."""

from __future__ import annotations

from datetime import datetime

import click
from psycopg import Error
from sqlalchemy.exc import SQLAlchemyError

from chukan.platform.clock import as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json, print_table
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.errors import ChukanError
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.instants import INSTANT, instant_text
from chukan.platform.service_hours.outages.cli import outage
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.outages.service import outages_from
from chukan.platform.service_hours.rules import Generation, Schedule, ServiceState
from chukan.platform.service_hours.services import Service
from chukan.platform.service_hours.words import day_class_name, generation_name, service_name, state_word
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings


@click.group("service-hours", cls=TranslatedGroup)
def service_hours() -> None:
    """Tell what is open at an instant, and plan outages."""


service_hours.add_command(outage)


@service_hours.command(cls=TranslatedCommand)
@click.argument("instant", type=INSTANT, metavar="INSTANT", help="2019-06-16T13:00:00+09:00, or: now.")
@click.option(
    "--generation",
    type=click.Choice([generation.value for generation in Generation]),
    default=Generation.CURRENT.value,
    show_default=True,
    help="Which system the organisation is connected to.",
)
@json_option
@pass_settings
def at(settings: Settings, *, instant: datetime, generation: str, as_json: bool) -> None:
    """Tell what is open at INSTANT, and when that changes next."""
    schedule = shipped_schedule()
    schedule.calendar.require(as_tokyo(instant).date())
    schedule = schedule.with_outages(_operators_outages(settings, instant))
    state = schedule.state_at(instant, Generation(generation))
    change = schedule.next_change(instant, Generation(generation))
    if as_json:
        print_json(_as_json(state, change))
    else:
        _print_state(schedule, state, change)


def _operators_outages(settings: Settings, instant: datetime) -> tuple[Outage, ...]:
    """Return the outages of the database; without one, none, and the reader is told that they are missing."""
    try:
        if not settings.database.url and not _has_embedded_cluster(settings):
            reason = text("there is no database on this machine")
        else:
            with serving(settings.database), engine_of(settings.database, ProcessKind.CONSOLE) as engine:
                return outages_from(engine, instant)
    except ChukanError as error:
        reason = error.told()
    except (SQLAlchemyError, Error, OSError) as error:
        reason = type(error).__name__
    click.echo(text("Only the outages that come with the program are considered: {reason}", reason=reason), err=True)
    return ()


def _has_embedded_cluster(settings: Settings) -> bool:
    return (EmbeddedCluster(settings.database.embedded).data / "PG_VERSION").exists()


def _as_json(state: ServiceState, change: datetime | None) -> dict[str, object]:
    return {
        "instant": instant_text(state.instant),
        "generation": state.generation.value,
        "day_class": state.day_class.value,
        "services": {service.value: is_open for service, is_open in state.services.items()},
        "next_change": None if change is None else instant_text(change),
    }


def _print_state(schedule: Schedule, state: ServiceState, change: datetime | None) -> None:
    rows = [(service_name(service), state_word(service, is_open=state.services[service])) for service in Service]
    print_table(mark("Service hours"), (mark("Service"), mark("State")), rows)
    told = {"instant": instant_text(state.instant), "day_class": day_class_name(state.day_class)}
    click.echo(text("{instant}: {day_class}; {generation}.", **told, generation=generation_name(state.generation)))
    for stop in schedule.outages_at(state.instant):
        start, end = instant_text(stop.span.start), instant_text(stop.span.end)
        click.echo(
            text("Planned outage from {start} to {end}: {what}", start=start, end=end, what=stop.description or "-")
        )
    if change is None:
        click.echo(text("Nothing changes before the calendar ends."))
    else:
        click.echo(text("The next change is at {change}.", change=instant_text(change)))
