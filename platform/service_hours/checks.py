"""The health of the calendar: do its holidays reach far enough ahead?"""

from __future__ import annotations

from datetime import datetime, timedelta

from chukan.platform.clock import as_tokyo
from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.platform.service_hours.rules import Calendar

#: The gazette fixes the last holidays of a year eleven months before it begins; two months later they are
#: in the library, and there is time to take it.
AMBER_BEFORE = timedelta(days=270)
#: Appointments are made weeks ahead; two months before the end the first of them cannot be made any more.
RED_BEFORE = timedelta(days=60)


def check_calendar(calendar: Calendar, now: datetime) -> CheckResult:
    """Say how many days of the calendar are left at *now*, and whether that is enough."""
    left = calendar.last - as_tokyo(now).date()
    health = Health.AMBER if left < AMBER_BEFORE else Health.GREEN
    if left < RED_BEFORE:
        health = Health.RED
    told = text("Holidays are known until {last}, {days} days ahead.", last=calendar.last, days=left.days)
    return CheckResult(health, told)
