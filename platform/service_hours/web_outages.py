"""Planned outages: the list, one with its history, and cancelling it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it
from wtforms.validators import DataRequired, Length

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import CalendarOutOfRange
from chukan.platform.service_hours.month import Month
from chukan.platform.service_hours.outages import store
from chukan.platform.service_hours.outages.rules import Outage, OutageState, Phase, PlannedOutage, end_if_cancelled
from chukan.platform.service_hours.outages.service import PlannedOutages, outage_with_history
from chukan.platform.service_hours.outages.store import OutageEvent, Wanted
from chukan.platform.service_hours.permissions import ANNOUNCE, CANCEL, READ
from chukan.platform.service_hours.services import STOPPABLE, Service
from chukan.platform.service_hours.web_impact import ImpactTable, impact_of_cancelling, impact_table
from chukan.platform.service_hours.web_words import late_mark, month_title, phase_mark, span_text, stopped_services
from chukan.platform.service_hours.words import PHASE_WORDS, SERVICE_NAMES
from chukan.platform.web import BaseForm, Here, PageSet, done, here, page
from chukan.platform.web.cells import Link, Mark, Status
from chukan.platform.web.listing import Column, FilterForm, Listing, Order

#: How people know an actor of the trail, such as ``operator:<account>``.
Named = Callable[[Here, str], str]

_REASON_LENGTH = 1000
_EVENTS = {
    OutageState.PLANNED: Status(Mark.INFO, mark("planned")),
    OutageState.CANCELLED: Status(Mark.OFF, mark("cancelled")),
}


class OutageFilters(FilterForm):
    """Which outages are listed."""

    phase = SelectField(
        mark("Where they stand"),
        choices=[
            SelectChoice("", mark("In any phase")),
            *(SelectChoice(each.value, PHASE_WORDS[each]) for each in Phase),
        ],
    )
    service = SelectField(
        mark("What stops"),
        choices=[
            SelectChoice("", mark("Any service")),
            *(SelectChoice(each.value, SERVICE_NAMES[each]) for each in STOPPABLE),
        ],
    )
    words = StringField(mark("Words in the description"), validators=[Length(max=100)])

    def wanted(self) -> Wanted:
        """Return what was asked for; only once it was understood."""
        return Wanted(
            phase=Phase(self.phase.data) if self.phase.data else None,
            service=Service(self.service.data) if self.service.data else None,
            words=(self.words.data or "").strip(),
        )


class CancelForm(BaseForm):
    """Why an outage is cancelled."""

    reason = TextAreaField(mark("Why it is cancelled"), validators=[DataRequired(), Length(max=_REASON_LENGTH)])


class OutagePages:
    """The pages of planned outages; *named* tells how people know who planned or cancelled one."""

    def __init__(self, named: Named) -> None:
        self._named = named

    def declare(self, pages: PageSet) -> None:
        """Declare the pages."""
        pages.get("/hours/outages", needs=READ)(outages)
        pages.get("/hours/outages/<uuid:outage>", needs=READ)(self.outage)
        pages.get("/hours/outages/<uuid:outage>/cancel", needs=CANCEL)(ask_cancel)
        pages.post("/hours/outages/<uuid:outage>/cancel", needs=CANCEL)(cancel)

    def outage(self, outage: UUID) -> ResponseReturnValue:
        """Show one outage: what it stops, which hours it changes, and what became of it."""
        visit = here()
        found, history = outage_with_history(visit.engine, outage)
        can_be_cancelled = found.state is OutageState.PLANNED and visit.now < found.outage.span.end
        return page(
            "service_hours/outage.html",
            span=span_text(found.outage.span),
            facts=outage_facts(found, visit.now),
            is_called_off=found.phase(visit.now) is Phase.CALLED_OFF,
            impact=_known(lambda: impact_table(visit, found.effective() or found.outage, leaving_out=outage)),
            history=[self._told(visit, event) for event in history],
            month=_month_link(found.outage),
            cancel=url_for("service_hours.ask_cancel", outage=outage)
            if can_be_cancelled and visit.may(CANCEL)
            else None,
            crumbs=_crumbs(),
        )

    def _told(self, visit: Here, event: OutageEvent) -> Sequence[object]:
        known = _EVENTS[event.event]
        return event.at, Status(known.mark, text(known.word)), self._named(visit, event.actor), event.reason


def outages() -> ResponseReturnValue:
    """List the outages that operators planned."""
    visit = here()
    filters = OutageFilters(request.args)

    def fetch(order: Order, limit: int | None, offset: int) -> tuple[Sequence[PlannedOutage], int]:
        wanted, key = filters.wanted(), cast("Literal['start', 'end', 'announced']", order.key)
        with visit.engine.connect() as connection:
            total = store.count_outages(connection, wanted, visit.now)
            rows = store.list_outages(
                connection,
                wanted,
                visit.now,
                order=key,
                descending=order.descending,
                limit=limit,
                offset=offset,
            )
        return rows, total

    listing = Listing(
        "planned-outages",
        mark("Planned outages"),
        _columns(visit.now),
        fetch,
        query=request.args,
        order=Order("start", descending=True),
        filters=filters,
        empty=mark("No outage has been planned yet."),
    )
    return listing.csv() or page(
        "service_hours/outages.html",
        listing.status,
        listing=listing,
        form=filters,
        shipped=[_month_link(each) for each in shipped_schedule().outages],
        may_announce=visit.may(ANNOUNCE),
        crumbs=[(text("Service hours"), url_for("service_hours.calendar"))],
    )


def ask_cancel(outage: UUID) -> ResponseReturnValue:
    """Ask before an outage is cancelled.

    Raises:
        OutageUnknown, OutageCancelledAlready, OutageOver: there is nothing to be cancelled.
    """
    visit = here()
    found, _ = outage_with_history(visit.engine, outage)
    end_if_cancelled(found, visit.now)
    return _cancel_page(visit, found, CancelForm())


def cancel(outage: UUID) -> ResponseReturnValue:
    """Cancel an outage.

    Raises:
        OutageUnknown: there is none with this id.
    """
    visit = here()
    found, _ = outage_with_history(visit.engine, outage)
    form = CancelForm()
    desk = PlannedOutages(visit.engine, shipped_schedule().outages, actor=visit.actor, request=visit.request)
    if not form.attempt(lambda: desk.cancel(outage, now=visit.now, reason=(form.reason.data or "").strip())):
        return _cancel_page(visit, found, form, 422)
    return done("service_hours.outage", mark("The outage is cancelled."), outage=outage)


def outage_facts(planned: PlannedOutage, now: datetime) -> list[tuple[str, object]]:
    """Return what is to be known of an outage, as pairs of a label and a value."""
    stop = planned.outage
    facts: list[tuple[str, object]] = [
        (text("State"), phase_mark(planned.phase(now))),
        (text("Stop begins"), stop.span.start),
        (text("Stop ends"), stop.span.end),
        (text("What stops"), stopped_services(stop)),
        (text("Usable in between"), [span_text(window) for window in stop.exceptions]),
        (text("What is done"), stop.description),
        (text("Announced at"), planned.announced_at),
    ]
    if planned.late:
        facts.append((text("Announcement"), late_mark()))
        facts.append((text("Reason for the late announcement"), planned.late_reason))
    if planned.cancelled_at is not None:
        facts.append((text("Cancelled at"), planned.cancelled_at))
    if planned.phase(now) is Phase.OVER and planned.effective_end < stop.span.end:
        facts.append((text("Ended early at"), planned.effective_end))
    return facts


def _columns(now: datetime) -> Sequence[Column[PlannedOutage]]:
    return (
        Column[PlannedOutage]("start", mark("Stop begins"), _link, sortable=True),
        Column[PlannedOutage]("end", mark("Stop ends"), lambda each: each.effective_end, sortable=True),
        Column[PlannedOutage]("phase", mark("State"), lambda each: _marks(each, now)),
        Column[PlannedOutage]("services", mark("What stops"), lambda each: stopped_services(each.outage)),
        Column[PlannedOutage]("description", mark("What is done"), lambda each: each.outage.description),
        Column[PlannedOutage]("announced", mark("Announced at"), lambda each: each.announced_at, sortable=True),
        Column[PlannedOutage](
            "exceptions",
            mark("Usable in between"),
            lambda each: [span_text(window) for window in each.outage.exceptions],
            in_table=False,
        ),
        Column[PlannedOutage](
            "late_reason", mark("Reason for the late announcement"), lambda each: each.late_reason, in_table=False
        ),
        Column[PlannedOutage]("planned_end", mark("Planned end"), lambda each: each.outage.span.end, in_table=False),
        Column[PlannedOutage]("cancelled", mark("Cancelled at"), lambda each: each.cancelled_at, in_table=False),
        Column[PlannedOutage]("id", mark("Outage"), lambda each: str(each.id), in_table=False),
    )


def _marks(planned: PlannedOutage, now: datetime) -> list[Status]:
    """Return where it stands, and that it was announced late."""
    return [phase_mark(planned.phase(now)), *([late_mark()] if planned.late else [])]


def _link(planned: PlannedOutage) -> Link:
    return Link(planned.outage.span.start, url_for("service_hours.outage", outage=planned.id))


def _month_link(outage: Outage) -> Link:
    """Return the way to the month in which *outage* begins."""
    month = Month.of(as_tokyo(outage.span.start).date())
    return Link(month_title(month), url_for("service_hours.calendar", month=month))


def _known(impact: Callable[[], ImpactTable]) -> ImpactTable | None:
    """Return *impact*; None where the calendar does not reach that far."""
    try:
        return impact()
    except CalendarOutOfRange:
        return None


def _cancel_page(visit: Here, planned: PlannedOutage, form: CancelForm, status: int = 200) -> ResponseReturnValue:
    return page(
        "service_hours/cancel.html",
        status,
        title=text("Cancel the planned outage?"),
        facts=outage_facts(planned, visit.now),
        impact=_known(lambda: impact_of_cancelling(visit, planned)),
        is_running=planned.phase(visit.now) is Phase.RUNNING,
        form=form,
        action=url_for("service_hours.cancel", outage=planned.id),
        button=text("Cancel the outage"),
        cancel=url_for("service_hours.outage", outage=planned.id),
        danger=True,
        crumbs=[*_crumbs(), (span_text(planned.outage.span), url_for("service_hours.outage", outage=planned.id))],
    )


def _crumbs() -> list[tuple[str, str]]:
    return [
        (text("Service hours"), url_for("service_hours.calendar")),
        (text("Planned outages"), url_for("service_hours.outages")),
    ]
