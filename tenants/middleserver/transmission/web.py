"""The pages of the exchange: traffic by hour as a picture, how it stands with each organisation, and the switch.

They read counts, ages and states of the shared schema; the console has no way into an organisation's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask import request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it
from wtforms.validators import Length, Optional

from chukan.platform.clock import TOKYO, as_tokyo
from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import mark, text
from chukan.platform.web import PageSet, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.charts import BarChart, Series
from chukan.platform.web.listing import Column, FilterForm, Listing, Order
from chukan.tenants.middleserver.transmission import page_store, shared_store, web_messages, web_switch
from chukan.tenants.middleserver.transmission.checks import judge_dead, judge_unsent
from chukan.tenants.middleserver.transmission.exchange_hours import Side, Traffic
from chukan.tenants.middleserver.transmission.page_store import Selection, Standing

READ, STOP, RETRY = "transmission:exchange:read", "transmission:exchange:stop", "transmission:message:retry"
#: As many days can be chosen.
_DAYS = 31
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

pages = PageSet("exchange", __name__)

_SELECTIONS: Mapping[Selection, str] = {
    Selection.ALL: mark("Any standing"),
    Selection.UNSENT: mark("With messages that wait"),
    Selection.DEAD: mark("With messages that were given up"),
    Selection.REFUSED: mark("With messages that were refused"),
    Selection.HELD: mark("With messages that are held"),
    Selection.FAILED: mark("With inquiries that were not answered"),
    Selection.STOPPED: mark("Stopped by themselves"),
}
#: What the pictures show of each side, by the events that are counted: at most four series a picture.
_SERIES: Mapping[Side, Sequence[tuple[str, frozenset[str]]]] = {
    Side.INQUIRER: (
        (mark("Inquiries sent"), frozenset({"release"})),
        (mark("Inquiries answered"), frozenset({"answer"})),
        (mark("Inquiries not answered"), frozenset({"refuse", "expire"})),
    ),
    Side.PROVIDER: (
        (mark("Answers provided"), frozenset({"provided"})),
        (mark("Left to staff"), frozenset({"deferred"})),
        (mark("Not provided"), frozenset({"refused"})),
    ),
}
_STANDING: Sequence[tuple[Side, str, Mark, str]] = (
    (Side.INQUIRER, "queued", Mark.WAITING, mark("waits in its queue")),
    (Side.INQUIRER, "sent", Mark.RUNNING, mark("waits for its answer")),
    (Side.INQUIRER, "deferred", Mark.WAITING, mark("will be answered later")),
    (Side.INQUIRER, "cancelling", Mark.RUNNING, mark("is being cancelled")),
    (Side.PROVIDER, "deferred", Mark.WAITING, mark("waits for the provider's staff")),
)
_ENDED: Sequence[tuple[str, Mark, str]] = (
    ("answer", Mark.OK, mark("answered")),
    ("refuse", Mark.WARNING, mark("not provided")),
    ("expire", Mark.ERROR, mark("expired without an answer")),
    ("cancel", Mark.OFF, mark("was taken back")),
)
_HEALTH: Mapping[Health, tuple[Mark, str]] = {
    Health.GREEN: (Mark.OK, mark("In order")),
    Health.AMBER: (Mark.WARNING, mark("Look at it")),
    Health.RED: (Mark.ERROR, mark("Alarm")),
}


class ExchangeFilters(FilterForm):
    """Which day is shown, and which organisations are listed."""

    day = SelectField(mark("Day"), choices=[SelectChoice("", "")])
    words = StringField(mark("Code or name of the organisation"), [Optional(), Length(max=100)])
    show = SelectField(mark("Standing"), choices=[SelectChoice(kind, words) for kind, words in _SELECTIONS.items()])

    def __init__(self, query: MultiDict[str, str], today: date) -> None:
        super().__init__()
        days = [(today - place * _DAY).isoformat() for place in range(_DAYS)]
        self.day.choices = [SelectChoice(each, each) for each in days]
        self.day.data = days[0]
        for field in self:
            if field.name in query:
                field.process(query)

    @property
    def shown_day(self) -> date:
        """The day that is shown; it has been validated."""
        return date.fromisoformat(str(self.day.data))


@dataclass(frozen=True)
class Judged:
    """What a check says of the exchange, and the runbook that says what to do."""

    status: Status
    summary: str
    runbook: str | None


def _named(each: Standing) -> object:
    return f"{each.name} {each.organisation}".strip()


def _stood(each: Standing) -> Status | None:
    return Status(Mark.WARNING, text("stopped: {reason}", reason=each.stopped)) if each.stopped else None


def _dead(each: Standing) -> object:
    if not each.dead + each.refused:
        return 0
    path = url_for("exchange.messages", words=each.organisation)
    return Link(str(each.dead + each.refused), path, about=each.name)


COLUMNS = (
    Column[Standing]("organisation", mark("Organisation"), _named, sortable=True),
    Column[Standing]("sent", mark("Inquiries sent"), lambda each: each.sent, sortable=True, numeric=True),
    Column[Standing]("answered", mark("Inquiries answered"), lambda each: each.answered, sortable=True, numeric=True),
    Column[Standing]("failed", mark("Inquiries not answered"), lambda each: each.failed, sortable=True, numeric=True),
    Column[Standing]("provided", mark("Answers provided"), lambda each: each.provided, sortable=True, numeric=True),
    Column[Standing]("waiting", mark("Not ended"), lambda each: each.waiting, sortable=True, numeric=True),
    Column[Standing]("unsent", mark("Messages that wait"), lambda each: each.unsent, sortable=True, numeric=True),
    Column[Standing]("oldest", mark("Oldest unsent since"), lambda each: each.oldest, sortable=True),
    Column[Standing]("dead", mark("Given up or refused"), _dead, sortable=True, numeric=True),
    Column[Standing]("held", mark("Held"), lambda each: each.held, sortable=True, numeric=True),
    Column[Standing]("stopped", mark("Switch"), _stood),
)


@pages.get("/exchange", needs=READ, menu=(mark("Exchange with the network"), 44))
def overview() -> ResponseReturnValue:
    """Show the traffic of a day, what waits and was given up, the switch, and the organisations."""
    visit = here()
    today = as_tokyo(visit.now).date()
    filters = ExchangeFilters(request.args, today)
    day = filters.shown_day if filters.validate() else today
    listing = _listing(filters, day)
    if (file := listing.csv()) is not None:
        return file
    begins = datetime.combine(day, time(), TOKYO)
    with visit.engine.connect() as connection:
        traffic = page_store.totals(connection, begins, begins + _DAY)
        standing = page_store.open_states(connection)
        waiting = shared_store.overview(connection)
        unsent, dead, refused, held = page_store.sums(connection)
        stops = page_store.named_stops(connection)
    stale = timedelta(minutes=visit.settings.network.stale_after_minutes)
    return page(
        "transmission/exchange.html",
        listing.status,
        listing=listing,
        day=day,
        charts=[_chart(side, traffic, begins, visit.now) for side in Side],
        states=_states(standing, traffic),
        judged=[judged(judge_unsent(waiting, stale), "exchange-oldest-unsent"),
                judged(judge_dead(waiting), "exchange-dead-letters")],
        oldest=waiting.oldest_unsent,
        figures=_figures(unsent, dead, refused, held),
        stops=stops,
        may_stop=visit.may(STOP),
        now=visit.now,
    )  # fmt: skip


def _listing(filters: ExchangeFilters, day: date) -> Listing[Standing]:
    def fetch(order: Order, limit: int, offset: int) -> tuple[Sequence[Standing], int]:
        selection = Selection(filters.show.data or "")
        words = (filters.words.data or "").strip()
        with here().engine.connect() as connection:
            asked = (order.key, order.descending)
            return page_store.standings(connection, day, selection, words, asked, limit=limit, offset=offset)

    return Listing(
        "exchange",
        mark("The exchange by organisation"),
        COLUMNS,
        fetch,
        query=request.args,
        order=Order("organisation"),
        filters=filters,
        empty=mark("No organisation exchanges messages yet."),
    )


def _chart(side: Side, traffic: Sequence[Traffic], begins: datetime, now: datetime) -> BarChart:
    """Return the picture of one side's hours; hours that have not come are gaps."""
    hours = [begins + place * _HOUR for place in range(24)]
    counted: dict[tuple[datetime, str], int] = {}
    for each in traffic:
        if each.side is side:
            counted[each.hour, each.event] = each.count
    series = [
        Series(
            text(title),
            [sum(counted.get((hour, event), 0) for event in events) if hour <= now else None for hour in hours],
        )
        for title, events in _SERIES[side]
    ]
    told = [int(sum(value or 0 for value in each.values)) for each in series]
    summary = "、".join(f"{each.title} {count:,}" for each, count in zip(series, told, strict=True))
    title = mark("Inquiries by hour") if side is Side.INQUIRER else mark("Provisions by hour")
    labels = [f"{place}:00" for place in range(24)]
    return BarChart(f"hours-{side.value}", text(title), summary, labels, series, text("messages counted"))


def _states(standing: Mapping[tuple[Side, str], int], traffic: Sequence[Traffic]) -> Sequence[tuple[Status, int]]:
    """Return how many inquiries stand where now, then how many ended how on the day that is shown."""
    ended: dict[str, int] = {}
    for each in traffic:
        if each.side is Side.INQUIRER:
            ended[each.event] = ended.get(each.event, 0) + each.count
    return [
        *((Status(how, text(words)), standing.get((side, state), 0)) for side, state, how, words in _STANDING),
        *((Status(how, text(words)), ended.get(event, 0)) for event, how, words in _ENDED),
    ]


def judged(result: CheckResult, check: str) -> Judged:
    """Return what a check says, with its runbook where somebody has to do something."""
    how, words = _HEALTH[result.health]
    return Judged(Status(how, text(words)), result.summary, None if result.health is Health.GREEN else check)


def _figures(unsent: int, dead: int, refused: int, held: int) -> Sequence[tuple[Status, int, str]]:
    waiting = url_for(".overview", show="unsent")
    told = (
        (Mark.WAITING if unsent else Mark.OK, mark("messages wait to be sent"), unsent, waiting),
        (Mark.ERROR if dead else Mark.OK, mark("messages were given up"), dead, url_for(".messages", state="dead")),
        (
            Mark.WARNING if refused else Mark.OK,
            mark("messages were refused"),
            refused,
            url_for(".messages", state="refused"),
        ),
        (Mark.WAITING if held else Mark.OK, mark("messages are held"), held, url_for(".messages", state="held")),
    )
    return [(Status(how, text(words)), count, href) for how, words, count, href in told]


web_messages.declare(pages)
web_switch.declare(pages)
PAGES = pages.done()
