"""What can be wrong with a question about service hours, with a planned outage, or with the data of both."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class CalendarOutOfRange(ChukanError):
    """The day lies outside the years whose holidays are known, so nobody can say what is open."""

    code = "service_hours.calendar_out_of_range"
    failure = Failure.BAD_INPUT
    message = mark("The calendar does not know {day}: it reaches from {first} to {last}.")
    hint = mark("Ask about a day in the calendar; config/calendars/japan.toml says how it is extended.")


class MonthMalformed(ChukanError):
    """A month was asked for in a form that is none of ours."""

    code = "service_hours.month_malformed"
    failure = Failure.BAD_INPUT
    message = mark("{month} is not a month.")
    hint = mark("Give it as 2026-11, or choose one from the list.")


class DataMalformed(ChukanError):
    """The shipped hours or calendar cannot be used as they are written."""

    code = "service_hours.data_malformed"
    failure = Failure.CONFIGURATION
    message = mark("The service hours cannot be used: {reason}.")
    hint = mark("Put config/service_hours.toml or config/calendars/japan.toml right.")


class SpanEmpty(ChukanError):
    """An outage, or an exception window, ends no later than it starts."""

    code = "service_hours.span_empty"
    failure = Failure.BAD_INPUT
    message = mark("The end {end} is not after the start {start}.")
    hint = mark("Give an end that is later than the start.")


class ExceptionOutside(ChukanError):
    """An exception window reaches beyond its outage."""

    code = "service_hours.exception_outside"
    failure = Failure.BAD_INPUT
    message = mark("The exception window from {start} to {end} is not inside the outage.")
    hint = mark("Exception windows lie between the start and the end of the outage.")


class ServicesNotStoppable(ChukanError):
    """An outage names no service, or one that an outage cannot stop."""

    code = "service_hours.services_not_stoppable"
    failure = Failure.BAD_INPUT
    message = mark("A planned outage cannot stop this: {services}.")
    hint = mark("Name at least one of: {stoppable}.")


class OutageOverlaps(ChukanError):
    """Another planned outage stops one of the services in the same time."""

    code = "service_hours.outage_overlaps"
    failure = Failure.CONFLICT
    message = mark("A planned outage from {start} to {end} stops the same services already.")
    hint = mark("Cancel that outage and announce both as one, or choose another time.")


class AnnouncedLate(ChukanError):
    """The outage was not announced before its start, and nobody said why (A0-138)."""

    code = "service_hours.announced_late"
    failure = Failure.BAD_INPUT
    message = mark("The outage starts at {start}, but is announced only at {announced_at}.")
    hint = mark("Outages are announced before they start; give the reason for the late announcement.")


class OutageUnknown(ChukanError):
    """No operator planned an outage with this id."""

    code = "service_hours.outage_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no planned outage {outage}.")
    hint = mark("See: chukan service-hours outage list")


class OutageCancelledAlready(ChukanError):
    """The outage has been called off before."""

    code = "service_hours.outage_cancelled_already"
    failure = Failure.CONFLICT
    message = mark("The planned outage {outage} is cancelled already.")
    hint = mark("There is nothing left to do.")


class OutageOver(ChukanError):
    """The outage has ended, and what was is not made undone."""

    code = "service_hours.outage_over"
    failure = Failure.CONFLICT
    message = mark("The planned outage {outage} ended at {end}.")
    hint = mark("Only an outage that has not ended can be cancelled.")


class DeadlineUnknown(ChukanError):
    """A deadline is asked for of a day before the first that its rule holds for."""

    code = "service_hours.deadline_unknown"
    failure = Failure.BAD_INPUT
    message = mark("No deadline is known for {day}.")
    hint = mark("Ask about a later day; config/deadlines.toml says from when each rule holds.")


class DeadlinesMalformed(ChukanError):
    """The shipped deadlines cannot be used as they are written."""

    code = "service_hours.deadlines_malformed"
    failure = Failure.CONFIGURATION
    message = mark("The deadlines cannot be used: {reason}.")
    hint = mark("Put config/deadlines.toml right.")
