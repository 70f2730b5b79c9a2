"""How the pages write spans, months, marks and refusals."""

from __future__ import annotations

from datetime import date, datetime

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError
from chukan.platform.messages import text
from chukan.platform.service_hours.month import Month
from chukan.platform.service_hours.outages.rules import Outage, Phase, Span
from chukan.platform.service_hours.services import STOPPABLE, Service
from chukan.platform.service_hours.words import phase_word, service_name, state_word
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.dates import japanese_day, japanese_instant, japanese_year, short_instant

_PHASE_MARKS = {
    Phase.COMING: Mark.WAITING,
    Phase.RUNNING: Mark.RUNNING,
    Phase.OVER: Mark.OK,
    Phase.CALLED_OFF: Mark.OFF,
}


def month_title(month: Month) -> str:
    """Return *month* as in 令和8年11月."""
    return f"{japanese_year(month.first)}{month.month}月"


def span_text(span: Span) -> str:
    """Return *span* as dense lists write it; the day of the end is left out where it is that of the start."""
    start, end = as_tokyo(span.start), as_tokyo(span.end)
    if start.date() == end.date():
        return f"{short_instant(start)}–{end:%H:%M}"
    return f"{short_instant(start)} – {short_instant(end)}"


def brief_span_text(span: Span) -> str:
    """Return *span* without the year, for a page that shows one month: 11/21 22:00 – 11/22 12:00."""
    start, end = as_tokyo(span.start), as_tokyo(span.end)
    if start.date() == end.date():
        return f"{start:%H:%M}–{end:%H:%M}"
    return f"{start.month}/{start.day} {start:%H:%M} – {end.month}/{end.day} {end:%H:%M}"


def stopped_services(outage: Outage) -> list[str]:
    """Return the names of the services that *outage* stops, in their order."""
    return [service_name(service) for service in STOPPABLE if service in outage.services]


def state_mark(service: Service, *, is_open: bool) -> Status:
    """Return the mark of an open or shut *service*; a stop of data is a warning, no stop is in order."""
    if service is Service.DATA_STOP:
        return Status(Mark.WARNING if is_open else Mark.OK, state_word(service, is_open=is_open))
    return Status(Mark.OK if is_open else Mark.OFF, state_word(service, is_open=is_open))


def phase_mark(phase: Phase) -> Status:
    """Return the mark of where an outage stands in time."""
    return Status(_PHASE_MARKS[phase], phase_word(phase))


def late_mark() -> Status:
    """Return the mark of an outage that was not announced beforehand (A0-138)."""
    return Status(Mark.WARNING, text("announced late"))


def told_to_people(error: ChukanError) -> str:
    """Return the message and the hint of *error*, its instants and days written as people write them."""
    values = {name: _written(value) for name, value in error.values.items()}
    return f"{text(error.message, **values)} {text(error.hint, **values)}"


def _written(value: object) -> object:
    if isinstance(value, date):
        return japanese_day(value)
    try:
        return japanese_instant(datetime.fromisoformat(str(value)))
    except (ChukanError, ValueError):
        return value
