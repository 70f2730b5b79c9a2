"""``chukan limits``: what an organisation may send, computed without a database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import click

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json
from chukan.platform.messages import text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.instants import INSTANT
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service
from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.errors import PopulationMissing
from chukan.tenants.limits.inquiries import (
    MOST_MINUTES,
    MOST_ROWS,
    AskedRows,
    Mode,
    decide_inquiries,
    inquiry_terms_on,
)
from chukan.tenants.limits.rules import Amount, LimitKind, daily_limit, decide, terms_on
from chukan.tenants.limits.words import inquiry_notes_of, inquiry_reason_of, reason_of


@click.group(cls=TranslatedGroup)
def limits() -> None:
    """Compute what an organisation may send."""


@limits.command(cls=TranslatedCommand)
@click.option("--kind", type=click.Choice([kind.value for kind in LimitKind]), required=True, help="The organisation.")
@click.option("--population", type=int, required=True, help="Its population; of a union, the members' together.")
@click.option("--records", type=int, help="Registrations and deletions of the file together.")
@click.option("--size-kb", type=int, help="The size of the file in KB.")
@click.option("--used-records", type=click.IntRange(0), default=0, help="Records of the same day before it.")
@click.option("--used-kb", type=click.IntRange(0), default=0, help="KB of the same day before it.")
@json_option
def upload(
    *,
    kind: str,
    population: int,
    records: int | None,
    size_kb: int | None,
    used_records: int,
    used_kb: int,
    as_json: bool,
) -> None:
    """Compute the day's upload limit, and whether a file still fits into it."""
    terms = terms_on(shipped_limits().upload, LimitKind(kind), as_tokyo(SystemClock().now()).date())
    try:
        limit = daily_limit(terms, population)
    except PopulationMissing as error:
        _tell({"max_records": None, "max_kb": None, "accepted": False, "reason": error.told()}, as_json=as_json)
        return
    # What is not given is not judged: one record, or one KB, fits wherever anything does.
    asked = Amount(1 if records is None else records, 1 if size_kb is None else size_kb)
    decision = decide(limit, Amount(used_records, used_kb), asked)
    reason = None if decision.accepted else reason_of(decision)
    answer = {"max_records": limit.records, "max_kb": limit.kb, "accepted": decision.accepted, "reason": reason}
    _tell(answer, as_json=as_json)


@limits.command(cls=TranslatedCommand)
@click.option("--at", "instant", type=INSTANT, required=True, help="When they are registered; or: now.")
@click.option("--rows", type=click.IntRange(1, MOST_ROWS), required=True, help="How many inquiries.")
@click.option(
    "--recent-hour", type=click.IntRange(0, MOST_ROWS), default=0, help="Inquiries of the sixty minutes before."
)
@click.option("--running", is_flag=True, help="A request of the organisation has not ended yet.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.REQUESTS.value,
    show_default=True,
    help="a: requests one after the other; b: all at once.",
)
@click.option("--every", type=click.IntRange(1, MOST_MINUTES), help="Minutes between requests that a clock registers.")
@click.option(
    "--generation",
    type=click.Choice([generation.value for generation in Generation]),
    default=Generation.CURRENT.value,
    show_default=True,
    help="Which system the organisation is connected to.",
)
@json_option
def inquiries(
    *,
    instant: datetime,
    rows: int,
    recent_hour: int,
    running: bool,
    mode: str,
    every: int | None,
    generation: str,
    as_json: bool,
) -> None:
    """Compute whether inquiries may be registered, in how many requests, and when they end."""
    closes = closing_after(instant, Generation(generation))
    asked = AskedRows(rows, instant, closes, recent_hour, running, Mode(mode), every)
    decision = decide_inquiries(inquiry_terms_on(shipped_limits().inquiries, as_tokyo(instant).date()), asked)
    # What is refused at a closed service never begins, so it has no end.
    ends = (decision.finish_best, decision.finish_worst) if closes is not None else (None, None)
    best, worst = (None if end is None else as_tokyo(end).isoformat(timespec="seconds") for end in ends)
    answer = {
        "accepted": decision.accepted,
        "reason": None if decision.accepted else inquiry_reason_of(decision),
        "batches": decision.batches,
        "finish_best": best,
        "finish_worst": worst,
        "risk": decision.risk,
    }
    if as_json:
        print_json(answer)
        return
    if closes is not None:
        click.echo(text("In {batches} requests; they end between {finish_best} and {finish_worst}.", **answer))
    click.echo(inquiry_reason_of(decision))
    for note in inquiry_notes_of(decision):
        click.echo(note)


def closing_after(instant: datetime, generation: Generation) -> datetime | None:
    """Return when the exchange closes next (UTC) for who may use it at *instant*; None: it is closed then.

    Raises:
        CalendarOutOfRange: the calendar does not know the day.
    """
    schedule = shipped_schedule()
    services = (Service.SYSTEM, Service.DATA_STOP)
    state = schedule.state_at(instant, generation).services
    if not state[Service.SYSTEM] or state[Service.DATA_STOP]:
        return None
    return schedule.next_change(instant, generation, services)


def _tell(answer: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    if answer["max_records"] is not None:
        click.echo(text("In a day at most {max_records} records and {max_kb} KB.", **answer))
    click.echo(text("It fits.") if answer["accepted"] else str(answer["reason"]))
