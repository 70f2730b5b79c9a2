"""The form of a planned outage, with as many exception windows as somebody asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypedDict

from werkzeug.datastructures import MultiDict
from wtforms import TextAreaField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # the stubs are of the version before it
from wtforms.validators import DataRequired, InputRequired, Length

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.errors import (
    AnnouncedLate,
    CalendarOutOfRange,
    ExceptionOutside,
    OutageOverlaps,
    SpanEmpty,
)
from chukan.platform.service_hours.outages.rules import Outage, Span, told
from chukan.platform.service_hours.services import STOPPABLE, STOPPED_BY_DEFAULT, Service
from chukan.platform.service_hours.web_words import told_to_people
from chukan.platform.service_hours.words import SERVICE_NAMES
from chukan.platform.web import BaseForm
from chukan.platform.web.fields import ChoicesField, InstantField

#: The outage of 2019 had one; more than a handful would be outages of their own.
MOST_WINDOWS = 5
#: As long as the database keeps.
_LENGTH = 1000


class Announcement(TypedDict):
    """When and why an outage is announced, as ``PlannedOutages.plan`` takes it."""

    announced_at: datetime | None
    late_reason: str | None


class OutageForm(BaseForm):
    """An outage as an operator enters it; ``outage_form`` adds the fields of the exception windows."""

    window_count = 0

    start = InstantField(mark("Stop begins"), validators=[InputRequired()])
    end = InstantField(
        mark("Stop ends"), validators=[InputRequired()], description=mark("24:00 is the end of the day.")
    )
    services = ChoicesField(
        mark("What stops"),
        choices=[SelectChoice(service.value, SERVICE_NAMES[service]) for service in STOPPABLE],
        default=[service.value for service in STOPPED_BY_DEFAULT],
        validators=[InputRequired()],
    )
    description = TextAreaField(
        mark("What is done"),
        validators=[DataRequired(), Length(max=_LENGTH)],
        description=mark("In words for the organisations."),
    )
    announced_at = InstantField(
        mark("Announced at"), description=mark("When the organisations are told. Left empty: when it is planned.")
    )
    late_reason = TextAreaField(
        mark("Reason for the late announcement"),
        validators=[Length(max=_LENGTH)],
        description=mark("Only needed where the organisations are not told before the stop begins."),
    )

    @property
    def windows(self) -> list[tuple[Any, Any]]:
        """The fields of the exception windows, beginning and end."""
        return [(self[f"window_{n}_start"], self[f"window_{n}_end"]) for n in range(1, self.window_count + 1)]

    def keeps(self, name: str) -> bool:
        """Return whether *name* is what the form sends along from step to step."""
        return name in self and name != "csrf_token"

    def wanted(self) -> Outage | None:
        """Return the outage that was entered, or None once all that is wrong is told at its fields."""
        if not self.validate():
            return None
        if (span := self._span(self.start, self.end)) is None:
            return None
        windows = [window for fields in self.windows if (window := self._window(span, *fields)) is not None]
        if self.errors:
            return None
        services = frozenset(map(Service, self.services.data or ()))
        return Outage(span, services, tuple(windows), (self.description.data or "").strip())

    def announcement(self) -> Announcement:
        """Return when and why it is announced, as it was entered."""
        reason = (self.late_reason.data or "").strip()
        return {"announced_at": self.announced_at.data, "late_reason": reason or None}

    def passes(self, wanted: Outage, act: Callable[[], object]) -> bool:
        """Do *act* on *wanted*; where it is refused, tell so at the field that can be changed, and return False."""
        try:
            act()
        except AnnouncedLate as error:
            self._refuse("late_reason", told_to_people(error))
        except OutageOverlaps as error:
            self._refuse("start", told_to_people(error))
        except CalendarOutOfRange as error:
            is_start = error.values["day"] == as_tokyo(wanted.span.start).date()
            self._refuse("start" if is_start else "end", told_to_people(error))
        return not self.errors

    def _window(self, span: Span, start: Any, end: Any) -> Span | None:
        """Return an exception window, or None where its fields are empty or wrong, which is told."""
        if start.data is None and end.data is None:
            return None
        for field in (start, end):
            if field.data is None:
                self._refuse(field.name, text("A window needs its beginning and its end."))
                return None
        if (window := self._span(start, end)) is None:
            return None
        if not window.within(span):
            edge = end if span.holds(window.start) else start
            outside = ExceptionOutside(start=told(window.start), end=told(window.end))
            self._refuse(edge.name, told_to_people(outside))
        return window

    def _span(self, start: Any, end: Any) -> Span | None:
        """Return the span between two fields; None if it would be empty, which is told at the second one."""
        try:
            return Span(start.data, end.data)
        except SpanEmpty as error:
            self._refuse(end.name, told_to_people(error))
            return None


def outage_form(sent: MultiDict[str, str] | None, *, one_more: bool = False) -> OutageForm:
    """Return the form as it was *sent* (None: empty), with room for *one_more* exception window if there is any."""
    count = 1
    if sent is not None:
        count = sum(f"window_{n}_start" in sent for n in range(1, MOST_WINDOWS + 1)) + one_more
    form: OutageForm = _form_with(min(max(count, 1), MOST_WINDOWS))(formdata=sent)
    return form


@cache
def _form_with(windows: int) -> type[OutageForm]:
    fields: dict[str, Any] = {"window_count": windows}
    for n in range(1, windows + 1):
        fields[f"window_{n}_start"] = InstantField(mark("Usable from"))
        fields[f"window_{n}_end"] = InstantField(mark("Usable until"))
    return type("OutageForm", (OutageForm,), fields)
