"""Planning an outage: the form, a preview of whom it affects and which hours it changes, and the act.

One address takes the form, and the button says which step it is: another window, the preview, back to the form, or
the act. Nothing is kept between the steps but what the form itself sends along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from flask import request, url_for
from flask.typing import ResponseReturnValue

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage, PlannedOutage, announced_late
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.permissions import ANNOUNCE
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.web_forms import MOST_WINDOWS, OutageForm, outage_form
from chukan.platform.service_hours.web_impact import ImpactTable, impact_table
from chukan.platform.service_hours.web_words import span_text, stopped_services
from chukan.platform.service_hours.words import generation_name
from chukan.platform.web import Here, PageSet, done, here, page

#: How many organisations each generation serves on a day: those whom an outage on it affects.
Affected = Callable[[Here, date], Mapping[Generation, int]]


class PlanningPages:
    """The pages on which an outage is planned; *affected* counts the organisations that it concerns."""

    def __init__(self, affected: Affected) -> None:
        self._affected = affected

    def declare(self, pages: PageSet) -> None:
        """Declare the pages."""
        pages.get("/hours/outages/new", needs=ANNOUNCE)(new_outage)
        pages.post("/hours/outages/new", needs=ANNOUNCE)(self.plan_outage)

    def plan_outage(self) -> ResponseReturnValue:
        """Take one step of planning; what is wrong is told at its field."""
        visit, step = here(), request.form.get("step", "")
        form = outage_form(request.form, one_more=step == "more")
        if step in {"more", "edit"}:
            return _form_page(form)
        impacts: list[ImpactTable] = []
        desk = PlannedOutages(visit.engine, shipped_schedule().outages, actor=visit.actor, request=visit.request)
        wanted = form.wanted()
        if wanted is None or not form.passes(wanted, lambda: _check(visit, desk, form, wanted, impacts)):
            return _form_page(form, 422)
        if step != "plan":
            return self._preview(visit, form, wanted, impacts[0])
        made: list[PlannedOutage] = []
        if not form.passes(wanted, lambda: made.append(desk.plan(wanted, now=visit.now, **form.announcement()))):
            return _form_page(form, 422)
        return done("service_hours.outage", mark("The outage has been planned."), outage=made[0].id)

    def _preview(self, visit: Here, form: OutageForm, wanted: Outage, impact: ImpactTable) -> ResponseReturnValue:
        counted = self._affected(visit, as_tokyo(wanted.span.start).date())
        return page(
            "service_hours/preview.html",
            facts=_facts(form, wanted),
            is_late=announced_late(wanted.span.start, form.announced_at.data or visit.now),
            affected=sum(counted.values()),
            by_generation=[(generation_name(generation), counted.get(generation, 0)) for generation in Generation],
            impact=impact,
            kept=[(name, value) for name, value in request.form.items(multi=True) if form.keeps(name)],
            crumbs=_crumbs(),
        )


def new_outage() -> ResponseReturnValue:
    """Show the empty form."""
    return _form_page(outage_form(None))


def _check(visit: Here, desk: PlannedOutages, form: OutageForm, wanted: Outage, impacts: list[ImpactTable]) -> None:
    impacts.append(impact_table(visit, wanted))
    desk.check(wanted, now=visit.now, **form.announcement())


def _form_page(form: OutageForm, status: int = 200) -> ResponseReturnValue:
    return page(
        "service_hours/plan.html",
        status,
        form=form,
        has_room=form.window_count < MOST_WINDOWS,
        crumbs=_crumbs(),
    )


def _facts(form: OutageForm, wanted: Outage) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        (text("Stop begins"), wanted.span.start),
        (text("Stop ends"), wanted.span.end),
        (text("What stops"), stopped_services(wanted)),
        (text("Usable in between"), [span_text(window) for window in wanted.exceptions]),
        (text("What is done"), wanted.description),
        (text("Announced at"), form.announced_at.data or text("when it is planned")),
    ]
    reason = form.announcement()["late_reason"]
    return [*facts, (text("Reason for the late announcement"), reason)] if reason else facts


def _crumbs() -> list[tuple[str, str]]:
    return [
        (text("Service hours"), url_for("service_hours.calendar")),
        (text("Planned outages"), url_for("service_hours.outages")),
    ]
