"""The names under which people know the services, the kinds of days, and what may become of an outage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from chukan.platform.messages import mark, text
from chukan.platform.service_hours.outages.rules import Phase
from chukan.platform.service_hours.rules import DayClass, Generation, Window
from chukan.platform.service_hours.services import Service

_WHOLE_DAY = Window(timedelta(), timedelta(days=1))


def service_name(service: Service) -> str:
    """Return the name of *service* in the reader's language."""
    return text(SERVICE_NAMES[service])


def state_word(service: Service, *, is_open: bool) -> str:
    """Return in a word whether *service* is open; of ``DATA_STOP``, whether data are stopped."""
    if service is Service.DATA_STOP:
        return text("stopped") if is_open else text("not stopped")
    return text("open") if is_open else text("shut")


def day_class_name(day_class: DayClass) -> str:
    """Return what a day of *day_class* is called."""
    return text(_DAY_CLASSES[day_class])


def generation_name(generation: Generation) -> str:
    """Return what the system of *generation* is called."""
    return text(GENERATION_NAMES[generation])


def phase_word(phase: Phase) -> str:
    """Return in a word where an outage stands in time."""
    return text(PHASE_WORDS[phase])


def hours_text(windows: Iterable[Window]) -> str:
    """Return *windows* as people read them: ``00:00–00:30, 01:30–24:00``; empty if there is none."""
    return text(", ").join(map(_window_text, windows))


def day_parts(service: Service, windows: Sequence[Window]) -> list[str]:
    """Return when *service* is open on a day with *windows*, stretch by stretch; of ``DATA_STOP``, when data stop."""
    if windows == (_WHOLE_DAY,):
        return [text("all day")]
    if not windows:
        return [text("no stop") if service is Service.DATA_STOP else text("shut all day")]
    return list(map(_window_text, windows))


def day_text(service: Service, windows: Sequence[Window]) -> str:
    """Return ``day_parts`` in one."""
    return text(", ").join(day_parts(service, windows))


def _window_text(window: Window) -> str:
    return f"{_clock(window.opens)}–{_clock(window.closes)}"


def _clock(since: timedelta) -> str:
    """Return a time since midnight: 24:30 is half an hour into the next day. Seconds only where there are any."""
    hours, rest = divmod(int(since.total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


#: The marked names, for fields that translate them themselves.
SERVICE_NAMES = {
    Service.SYSTEM: mark("System"),
    Service.DATA_STOP: mark("Stop of sending and receiving"),
    Service.SUPPORT_SITE: mark("Support site"),
    Service.HELPDESK_PHONE: mark("Helpdesk (telephone)"),
    Service.HELPDESK_MAIL: mark("Helpdesk (mail, fax)"),
    Service.MONITORING: mark("Monitoring"),
    Service.SELF_INFORMATION: mark("Display of one's own data"),
}
_DAY_CLASSES = {
    DayClass.WEEKDAY: mark("a working day"),
    DayClass.WEEKEND: mark("a weekend"),
    DayClass.HOLIDAY: mark("a holiday"),
    DayClass.YEAR_END: mark("the closure around New Year"),
}
GENERATION_NAMES = {Generation.CURRENT: mark("the present system"), Generation.NEXT: mark("the next system")}
PHASE_WORDS = {
    Phase.COMING: mark("still to come"),
    Phase.RUNNING: mark("under way"),
    Phase.OVER: mark("has ended"),
    Phase.CALLED_OFF: mark("called off"),
}
