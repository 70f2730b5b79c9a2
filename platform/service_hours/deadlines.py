"""Deadlines in business days and in years, how long a request for a provision holds, and ``chukan deadlines``.

Source: A0-030, A0-031, A0-070, A0-141, A0-164, A1-014; rules C.3.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Protocol, TypeVar

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import override

from chukan.platform.clock import as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import DeadlinesMalformed, DeadlineUnknown
from chukan.platform.service_hours.rules import Calendar, DayClass

DEADLINES_FILE = "deadlines.toml"
_DAY = timedelta(days=1)


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BusinessDays(_Data):
    """So many business days after the first day; *closes* is when a business day ends for what comes in."""

    deadline: Literal["answer", "code_acquisition", "staff_provision"]
    days: int
    closes: time | None = None
    valid_from: date
    source: str


class Years(_Data):
    """So many years after the first day, on the same day of the year."""

    deadline: Literal["certificate"]
    years: int
    valid_from: date
    source: str


class Validity(_Data):
    """For how many days a request for a provision (提供の求め) is valid; whether its own day is the first of them."""

    deadline: Literal["provision"]
    days: Annotated[int, Field(gt=0)]
    counts_first_day: bool
    valid_from: date
    source: str

    def last_valid(self, requested: date) -> date:
        """Return the last day (Asia/Tokyo) on which a request of that day may be answered."""
        return requested + timedelta(days=self.days - self.counts_first_day)


class LayoutChange(_Data):
    """That an information's layout changes on a day; ``retroactive``: it holds for facts from before, too."""

    information: int
    linked_from: date
    retroactive: bool
    source: str = ""

    def bars(self, requested: date, answered: date) -> bool:
        """Return whether what was requested before the change can no longer be answered on the day *answered*.

        Source: A0-030, A1-014. A change that is not retroactive bars nothing (A0-031).
        """
        return self.retroactive and requested < self.linked_from <= answered


class Answerable(StrEnum):
    """Whether a request may be answered, and if not, why."""

    YES = "yes"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    LAYOUT_CHANGED = "layout_changed"


_ANSWERABLE = {
    Answerable.NOT_YET: mark("Nothing is answered before it was requested."),
    Answerable.EXPIRED: mark("The request was valid until {day}."),
    Answerable.LAYOUT_CHANGED: mark(
        "The layout has changed retroactively since the request: the inquirer has to cancel it and ask again."
    ),
}


@dataclass(frozen=True)
class ProvisionTerm:
    """Whether a request may be answered on a day, and its last valid day (Asia/Tokyo)."""

    answerable: Answerable
    last_valid: date


def provision_term(
    requested: date, answered: date, validity: Validity, changes: Sequence[LayoutChange] = ()
) -> ProvisionTerm:
    """Return whether a request of the day *requested* may be answered on the day *answered*.

    *changes* are those of the layout of the information that was asked for. It makes no difference whether the answer
    is automatic, given by staff, or temporary input.

    Source: A0-030, A0-031, A1-014; rules C.3.
    """
    last = validity.last_valid(requested)
    if answered < requested:
        return ProvisionTerm(Answerable.NOT_YET, last)
    if answered > last:
        return ProvisionTerm(Answerable.EXPIRED, last)
    barred = any(change.bars(requested, answered) for change in changes)
    return ProvisionTerm(Answerable.LAYOUT_CHANGED if barred else Answerable.YES, last)


class Deadlines(_Data):
    """All deadlines with the days from which they hold."""

    business_days: tuple[BusinessDays, ...]
    years: tuple[Years, ...]
    validity: tuple[Validity, ...]
    layout_changes: tuple[LayoutChange, ...]

    def answer(self, received: date | datetime, calendar: Calendar) -> date:
        """Return by which day an inquiry is answered.

        *received* is a day, or an aware instant: after the close of a business day it counts for the next one.

        Raises:
            CalendarOutOfRange: the calendar does not reach so far.
        """
        first = as_tokyo(received).date() if isinstance(received, datetime) else received
        rule = _in_force(self.business_days, "answer", first)
        if isinstance(received, datetime) and rule.closes is not None:
            is_late = as_tokyo(received).time() >= rule.closes
            if is_late and calendar.day_class(first) is DayClass.WEEKDAY:
                first = after_business_days(first, 1, calendar)
        return after_business_days(first, rule.days, calendar)

    def code_acquisition(self, requested: date, calendar: Calendar) -> date:
        """Return by which day the linkage code of a request of that day is there; raises as ``answer``."""
        return after_business_days(
            requested, _in_force(self.business_days, "code_acquisition", requested).days, calendar
        )

    def certificate(self, issued: date) -> date:
        """Return the last day of a certificate issued on that day; 29 February ends on 28 February."""
        return after_years(issued, _in_force(self.years, "certificate", issued).years)

    def validity_on(self, requested: date) -> Validity:
        """Return how long a request for a provision of that day is valid; raises DeadlineUnknown."""
        return _in_force(self.validity, "provision", requested)

    def staff_provision(self, requested: date, calendar: Calendar) -> date:
        """Return by which day staff are expected to decide on what is not answered at once; raises as ``answer``."""
        return after_business_days(
            requested, _in_force(self.business_days, "staff_provision", requested).days, calendar
        )

    def changes_of(self, information: int) -> list[LayoutChange]:
        """Return the changes of the layout of *information* (a number) that the sources tell of."""
        return [change for change in self.layout_changes if change.information == information]


class _Dated(Protocol):
    @property
    def deadline(self) -> str: ...
    @property
    def valid_from(self) -> date: ...


_Rule = TypeVar("_Rule", bound=_Dated)


def after_business_days(first: date, days: int, calendar: Calendar) -> date:
    """Return the *days*-th business day after *first*, which itself is not counted.

    Raises:
        CalendarOutOfRange: the calendar does not reach so far.
    """
    calendar.require(first)
    day = first
    while days:
        day += _DAY
        days -= calendar.day_class(day) is DayClass.WEEKDAY
    return day


def after_years(first: date, years: int) -> date:
    """Return the same day *years* later; 29 February becomes 28 February in a common year."""
    try:
        return first.replace(year=first.year + years)
    except ValueError:
        return first.replace(year=first.year + years, day=28)


@cache
def shipped_deadlines() -> Deadlines:
    """Return the deadlines that the program ships.

    Raises:
        DeadlinesMalformed: the file is wrong.
    """
    content = tomllib.loads((files("chukan") / "config" / DEADLINES_FILE).read_text("utf-8"))
    try:
        return Deadlines.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DeadlinesMalformed(reason=f"{where}: {first['msg']}", detail=str(error)) from error


def _in_force(rules: tuple[_Rule, ...], deadline: str, day: date) -> _Rule:
    held = [rule for rule in rules if rule.deadline == deadline and rule.valid_from <= day]
    if not held:
        raise DeadlineUnknown(day=day)
    return max(held, key=lambda rule: rule.valid_from)


class _DayOrInstant(click.ParamType[date | datetime]):
    name = "day"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        written = str(value)
        try:
            return date.fromisoformat(written) if len(written) <= 10 else as_tokyo(datetime.fromisoformat(written))
        except (ValueError, OverflowError):
            self.fail(text("it is neither a day (2019-06-03) nor an instant with its offset"), param, ctx)


class _Day(click.ParamType[date]):
    name = "day"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(text("it is no day of the form 2019-06-03"), param, ctx)


@click.group(cls=TranslatedGroup)
def deadlines() -> None:
    """Compute by when something is due."""


@deadlines.command(cls=TranslatedCommand)
@click.option("--from", "received", type=_DayOrInstant(), required=True, help="A day, or an instant with its offset.")
@json_option
def answer(*, received: date | datetime, as_json: bool) -> None:
    """Compute by when the helpdesk answers what was received then."""
    _tell(shipped_deadlines().answer(received, shipped_schedule().calendar), as_json=as_json)


@deadlines.command("code-acquisition", cls=TranslatedCommand)
@click.option("--from", "requested", type=_Day(), required=True, help="The day of the request.")
@json_option
def code_acquisition(*, requested: date, as_json: bool) -> None:
    """Compute by when a linkage code that was requested then is there."""
    _tell(shipped_deadlines().code_acquisition(requested, shipped_schedule().calendar), as_json=as_json)


@deadlines.command(cls=TranslatedCommand)
@click.option("--issued", type=_Day(), required=True, help="The day of the issue.")
@json_option
def certificate(*, issued: date, as_json: bool) -> None:
    """Compute the last day of a certificate for encrypted communication."""
    _tell(shipped_deadlines().certificate(issued), as_json=as_json)


@deadlines.command(cls=TranslatedCommand)
@click.option("--spi", type=click.IntRange(min=1), required=True, help="The number of the information, such as 16.")
@click.option("--requested", type=_DayOrInstant(), required=True, help="When the provision was requested.")
@click.option("--answered", type=_DayOrInstant(), required=True, help="When it is to be answered.")
@click.option("--layout-change", type=_Day(), help="The day of a change of its layout; else those that are known.")
@click.option("--retroactive/--minor", default=None, help="Whether that change also holds for facts from before.")
@json_option
def provision(
    *,
    spi: int,
    requested: date | datetime,
    answered: date | datetime,
    layout_change: date | None,
    retroactive: bool | None,
    as_json: bool,
) -> None:
    """Compute whether a request for a provision may still be answered, also over a change of the layout."""
    if (layout_change is None) != (retroactive is None):
        raise click.UsageError(text("--layout-change goes with --retroactive or --minor"))
    known, first = shipped_deadlines(), _tokyo_day(requested)
    changes = known.changes_of(spi)
    if layout_change is not None and retroactive is not None:
        changes = [LayoutChange(information=spi, linked_from=layout_change, retroactive=retroactive)]
    term = provision_term(first, _tokyo_day(answered), known.validity_on(first), changes)
    accepted = term.answerable is Answerable.YES
    reason = None if accepted else text(_ANSWERABLE[term.answerable], day=term.last_valid)
    if as_json:
        print_json({"accepted": accepted, "reason": reason, "last_valid": term.last_valid.isoformat()})
    else:
        click.echo(reason or text("It may be answered, until {day}.", day=term.last_valid))


def _tokyo_day(told: date | datetime) -> date:
    return as_tokyo(told).date() if isinstance(told, datetime) else told


def _tell(due: date, *, as_json: bool) -> None:
    if as_json:
        print_json({"due": due.isoformat()})
    else:
        click.echo(text("Due on {day}.", day=due))
