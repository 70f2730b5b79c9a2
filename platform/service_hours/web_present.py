"""What is open now, as a panel of the overview and of the calendar.

panel = present_panel(here(), Generation.CURRENT)
{% import "service_hours/present.html" as hours with context %}
{% call live.region("hours-now", now) %}{{ hours.panel(panel, now) }}{% endcall %}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chukan.platform.messages import text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import CalendarOutOfRange
from chukan.platform.service_hours.outages.rules import Outage
from chukan.platform.service_hours.outages.service import outages_from
from chukan.platform.service_hours.present import Present, present
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service
from chukan.platform.service_hours.web_words import state_mark, told_to_people
from chukan.platform.service_hours.words import generation_name, service_name
from chukan.platform.web import Here
from chukan.platform.web.cells import Mark, Status


@dataclass(frozen=True)
class ServiceNow:
    """One service at this instant: its name, its state, and when that changes (None: not for long)."""

    name: str
    state: Status
    until: datetime | None


@dataclass(frozen=True)
class PresentPanel:
    """What the panel shows; where the calendar does not know the day, ``problem`` says so and nothing else is there.

    ``changes`` are what changes at ``next_change`` (None: nothing before the calendar ends), each a service's name
    with its state from then on; ``outages`` are under way.
    """

    generation: str
    services: Sequence[ServiceNow] = ()
    next_change: datetime | None = None
    changes: Sequence[tuple[str, Status]] = ()
    outages: Sequence[Outage] = ()
    problem: str = ""


def present_panel(here: Here, generation: Generation) -> PresentPanel:
    """Return what is open at the request's instant for organisations of *generation*, planned outages included."""
    schedule = shipped_schedule().with_outages(outages_from(here.engine, here.now))
    try:
        found = present(schedule, here.now, generation)
    except CalendarOutOfRange as error:
        return PresentPanel(generation_name(generation), problem=told_to_people(error))
    return PresentPanel(
        generation=generation_name(generation),
        services=[_service_now(found, service) for service in Service],
        next_change=found.next_change,
        changes=[
            (service_name(service), state_mark(service, is_open=is_open)) for service, is_open in found.then.items()
        ],
        outages=found.outages,
    )


def _service_now(found: Present, service: Service) -> ServiceNow:
    is_stopped = any(outage.stops(service, found.state.instant) for outage in found.outages)
    state = state_mark(service, is_open=found.state.services[service])
    if is_stopped:
        state = Status(Mark.WARNING, text("stopped as planned"))
    return ServiceNow(service_name(service), state, found.until[service])
