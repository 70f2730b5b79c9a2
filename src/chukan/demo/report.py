"""What a newcomer is told at the end: who can log in, what runs, and what is open now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil

import click

from chukan.demo.contents import Contents
from chukan.demo.copies import Told
from chukan.demo.exchange import Exchanged
from chukan.demo.front import authority
from chukan.demo.installation import Installation
from chukan.demo.people import Code, used_codes, ways_in
from chukan.demo.place import Place
from chukan.demo.processes import Running
from chukan.platform.clock import as_tokyo
from chukan.platform.command_line import print_table
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.service import outages_from
from chukan.platform.service_hours.present import present
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service
from chukan.platform.service_hours.words import service_name, state_word
from chukan.platform.settings.sources import CONFIG_DIRECTORY


def print_running(place: Place, running: Iterable[Running]) -> None:
    """Print the processes that were started, and how commands reach the installation."""
    rows = [(each.program.name, str(each.pid), each.address, str(each.log)) for each in running]
    columns = (mark("Name of the process"), mark("Process id"), mark("Reached at"), mark("What it printed"))
    print_table(mark("What runs"), columns, rows)
    click.echo(text("Commands reach this installation with:"))
    click.echo(f"  export {CONFIG_DIRECTORY}={place.settings}")


def print_open(installation: Installation) -> None:
    """Print what is open at this instant and when that changes, planned outages included."""
    now = installation.now()
    schedule = shipped_schedule().with_outages(outages_from(installation.engine(ProcessKind.CONSOLE), now))
    found = present(schedule, now, Generation.CURRENT)
    rows = [
        (
            service_name(service),
            state_word(service, is_open=found.state.services[service]),
            _moment(found.until[service]),
        )
        for service in Service
    ]
    columns = (mark("Service"), mark("State"), mark("Changes at"))
    print_table(mark("Open at this moment"), columns, rows)


def print_ways_in(place: Place, installation: Installation, contents: Contents) -> None:
    """Print where the console is, and how the invented operators log in now.

    Raises:
        DatabaseUnreachable: the demonstration does not run.
    """
    settings, now = installation.settings, installation.now()
    click.echo(text("The console is at {address}", address=settings.external_url))
    trust = text("Your browser will warn of its certificate, unless it trusts the demonstration's own authority:")
    click.echo(f"{trust}\n  {authority(settings)}")
    known, used = ways_in(place.operators), used_codes(installation, contents.operators)
    rows = []
    for each in contents.operators:
        if way := known.get(each.login):
            code = way.code(now, after=used.get(each.login, 0))
            rows.append((each.login, way.password, code.digits, _when(code, now), ", ".join(each.roles)))
    columns = (mark("Log-in name"), mark("Password"), mark("One-time code"), mark("It works"), mark("Roles"))
    print_table(mark("Who can log in here"), columns, rows)
    click.echo(text("Each code works once. New ones:"))
    click.echo(f"  chukan demo code --directory {place.home}")


def print_copies(found: Sequence[Told]) -> None:
    """Print what became of the files of duplicate copies, and what is wrong with those that were refused."""
    rows = []
    for each in found:
        counts = (str(each.standing[name]) for name in ("expected", "in_file", "registered", "faults"))
        rows.append((each.town, text(each.file.title), *counts, text(_STATES[each.standing["state"]])))
    columns = (mark("Municipality"), mark("File"), mark("Records announced"), mark("Records in the file"),
               mark("Records registered"), mark("Mistakes"), mark("Result"))  # fmt: skip
    print_table(mark("Duplicate copies after the night"), columns, rows)
    lines = [
        (text(each.file.title), fault["record"] or "–", _item(fault), fault["reason"],
         fault["told"], fault["hint"])
        for each in found for fault in each.faults
    ]  # fmt: skip
    headings = (mark("File"), mark("Record"), mark("Item"), mark("Reason code"), mark("What is wrong"),
               mark("What to do"))  # fmt: skip
    print_table(mark("Why they were refused"), headings, lines)


def print_exchange(found: Exchanged) -> None:
    """Print what became of the inquiries, the answer as it was decrypted, and what three parties recorded of it."""
    rows = [
        (text(each.title), str(each.count), each.state, each.reason or "–",
         f"{each.seconds:.1f}")
        for each in found.outcomes
    ]  # fmt: skip
    columns = (mark("Inquiry"), mark("Number"), mark("State"), mark("Reason"), mark("Seconds"))
    print_table(mark("Inquiries, and what became of them"), columns, rows)
    click.echo(text("The answer at the counter, as the inquirer's system decrypted it: {about}", about=found.about))
    items = [(each.name, each.code, each.value) for each in found.answer]
    print_table(mark("The answer (all of it invented)"), (mark("Item"), mark("Code of the item"), mark("Value")), items)
    records = [
        (text(title), *(_recorded(getattr(each, name)) for each in found.records)) for name, title in _FIELDS.items()
    ]
    headings = (mark("Field"), mark("The inquirer's record"), mark("The provider's record"),
                mark("The network's record"))  # fmt: skip
    print_table(mark("What three parties recorded of it"), headings, records)


_FIELDS = {
    "serial": mark("Processing serial"),
    "inquirer": mark("Inquirer"),
    "provider": mark("Provider"),
    "affair": mark("Affair"),
    "procedure": mark("Procedure"),
    "information": mark("Information"),
    "requested_at": mark("Requested"),
    "answered_at": mark("Answered"),
    "result": mark("Result"),
    "non_disclosure": mark("Not to be disclosed"),
}


def _recorded(said: object) -> str:
    match said:
        case datetime():
            return f"{as_tokyo(said):%Y-%m-%d %H:%M:%S}"
        case bool():
            return text("yes") if said else text("no")
        case _:
            return str(said)


_STATES = {
    "registered": mark("all registered"),
    "refused": mark("refused, all of it"),
}


def _item(fault: Mapping[str, str]) -> str:
    return f"{fault['name']} ({fault['item']})" if fault["name"] else fault["item"] or "–"


def _when(code: Code, now: datetime) -> str:
    left = ceil((code.ends - now).total_seconds())
    if code.begins <= now:
        return text("for {seconds} seconds", seconds=left)
    return text("{wait} to {seconds} seconds from now", wait=ceil((code.begins - now).total_seconds()), seconds=left)


def _moment(instant: datetime | None) -> str:
    return f"{as_tokyo(instant):%Y-%m-%d %H:%M}" if instant else text("not in the next days")
