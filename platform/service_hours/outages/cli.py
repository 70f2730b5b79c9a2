"""``chukan service-hours outage``: plan an outage, list what is planned, cancel one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import click
from typing_extensions import override

from chukan.platform.audit.actor import at_work
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.instants import INSTANT, instant_text
from chukan.platform.service_hours.outages.rules import Outage, OutageState, PlannedOutage, Span
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.services import STOPPABLE, STOPPED_BY_DEFAULT, Service
from chukan.platform.service_hours.words import service_name
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings


class _SpanType(click.ParamType[Span]):
    """Two instants, ``START/END`` as in ISO 8601."""

    name = "span"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        start, slash, end = str(value).partition("/")
        if not slash:
            self.fail(text("it is not START/END"), param, ctx)
        return Span(INSTANT.convert(start, param, ctx), INSTANT.convert(end, param, ctx))


@click.group(cls=TranslatedGroup)
def outage() -> None:
    """Plan, list and cancel outages."""


@outage.command(cls=TranslatedCommand)
@click.option("--start", type=INSTANT, required=True, help="When the services stop.")
@click.option("--end", type=INSTANT, required=True, help="When they may be used again.")
@click.option(
    "--exception",
    "exceptions",
    type=_SpanType(),
    multiple=True,
    metavar="START/END",
    help="A window in it with the ordinary hours; may be repeated.",
)
@click.option(
    "--service",
    "services",
    type=click.Choice([service.value for service in STOPPABLE]),
    multiple=True,
    default=[service.value for service in STOPPED_BY_DEFAULT],
    show_default=True,
    help="What stops; may be repeated.",
)
@click.option("--description", default="", help="What is done, in words for the organisations.")
@click.option("--announced-at", type=INSTANT, help="When the organisations are told; without it, now.")
@click.option("--late-reason", help="Why it is announced only when it has begun.")
@json_option
@needs("service_hours:outage:announce")
@pass_settings
def add(
    settings: Settings,
    *,
    start: datetime,
    end: datetime,
    exceptions: tuple[Span, ...],
    services: tuple[str, ...],
    description: str,
    announced_at: datetime | None,
    late_reason: str | None,
    as_json: bool,
) -> None:
    """Plan an outage."""
    wanted = Outage(Span(start, end), frozenset(map(Service, services)), exceptions, description)
    with _outages(settings) as outages:
        planned = outages.plan(wanted, now=SystemClock().now(), announced_at=announced_at, late_reason=late_reason)
    if as_json:
        print_json(_as_json(planned))
        return
    click.echo(text("The outage is planned: {outage}", outage=planned.id))
    if planned.late:
        click.echo(text("It counts as announced late."))


@outage.command("list", cls=TranslatedCommand)
@click.option("--coming", is_flag=True, help="Leave out what is over or was cancelled before it began.")
@json_option
@needs("service_hours:calendar:read")
@pass_settings
def list_outages(settings: Settings, *, coming: bool, as_json: bool) -> None:
    """List the planned outages, those that come with the program first."""
    now = SystemClock().now()
    shipped = [each for each in shipped_schedule().outages if not coming or each.span.end > now]
    with _outages(settings) as outages:
        planned = outages.listed(ending_after=now if coming else None)
    if as_json:
        print_json({"outages": [*map(_shipped_as_json, shipped), *map(_as_json, planned)]})
        return
    rows = [_row("", each, text("shipped")) for each in shipped]
    rows += [_row(str(each.id), each.outage, _state(each)) for each in planned]
    columns = (mark("Outage"), mark("Time (Tokyo)"), mark("What stops"), mark("State"), mark("For"))
    print_table(mark("Planned outages"), columns, rows)


@outage.command(cls=TranslatedCommand)
@click.argument("outage_id", type=click.UUID, metavar="OUTAGE", help="The id that `outage list` shows.")
@click.option("--reason", help="Why it is cancelled.")
@json_option
@needs("service_hours:outage:cancel")
@pass_settings
def cancel(settings: Settings, *, outage_id: UUID, reason: str | None, as_json: bool) -> None:
    """Cancel an outage; one that runs ends now."""
    with _outages(settings) as outages:
        cancelled = outages.cancel(outage_id, now=SystemClock().now(), reason=reason)
    if as_json:
        print_json(_as_json(cancelled))
    else:
        click.echo(text("The outage {outage} is cancelled.", outage=outage_id))


@contextmanager
def _outages(settings: Settings) -> Iterator[PlannedOutages]:
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        yield PlannedOutages(actor.engine, shipped_schedule().outages, actor=actor.name, request=actor.request)


def _as_json(planned: PlannedOutage) -> dict[str, object]:
    return {
        "id": str(planned.id),
        **_stop_as_json(planned.outage),
        "announced_at": instant_text(planned.announced_at),
        "late": planned.late,
        "late_reason": planned.late_reason,
        "state": planned.state.value,
        "effective_end": instant_text(planned.effective_end),
        "cancelled_at": None if planned.cancelled_at is None else instant_text(planned.cancelled_at),
    }


def _shipped_as_json(stop: Outage) -> dict[str, object]:
    """Return what is known of an outage of the past; when it was announced is not."""
    return {
        "id": None,
        **_stop_as_json(stop),
        "announced_at": None,
        "late": None,
        "late_reason": None,
        "state": OutageState.PLANNED.value,
        "effective_end": instant_text(stop.span.end),
        "cancelled_at": None,
    }


def _stop_as_json(stop: Outage) -> dict[str, object]:
    return {
        "start": instant_text(stop.span.start),
        "end": instant_text(stop.span.end),
        "services": [service.value for service in STOPPABLE if service in stop.services],
        "exceptions": [
            {"start": instant_text(window.start), "end": instant_text(window.end)} for window in stop.exceptions
        ],
        "description": stop.description,
    }


def _row(name: str, stop: Outage, state: str) -> tuple[str, ...]:
    times = [_wall_clock(stop.span), *(text("but for {span}", span=_wall_clock(each)) for each in stop.exceptions)]
    stopped = [service_name(service) for service in STOPPABLE if service in stop.services]
    return (name, "\n".join(times), "\n".join(stopped), state, stop.description)


def _wall_clock(span: Span) -> str:
    start, end = (as_tokyo(edge).replace(tzinfo=None).isoformat(" ", "minutes") for edge in (span.start, span.end))
    return f"{start} – {end}"


def _state(planned: PlannedOutage) -> str:
    state = text(_STATES[planned.state])
    return text("{state}, announced late", state=state) if planned.late else state


_STATES = {OutageState.PLANNED: mark("planned"), OutageState.CANCELLED: mark("cancelled")}
