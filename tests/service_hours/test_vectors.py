"""Instants worked out by hand from the published table of hours, each with the state of every service."""

from __future__ import annotations

from datetime import datetime

import pytest

from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.rules import Generation
from chukan.platform.service_hours.services import Service

CURRENT, NEXT = Generation.CURRENT, Generation.NEXT

#: What a column of the table asks: S to O are read for the current generation, N and Y for the next.
COLUMNS = {
    "S": (CURRENT, Service.SYSTEM),
    "D": (CURRENT, Service.DATA_STOP),
    "P": (CURRENT, Service.SUPPORT_SITE),
    "T": (CURRENT, Service.HELPDESK_PHONE),
    "M": (CURRENT, Service.HELPDESK_MAIL),
    "O": (CURRENT, Service.MONITORING),
    "N": (NEXT, Service.SYSTEM),
    "Y": (NEXT, Service.SELF_INFORMATION),
}

#: Tokyo time, the states in the order of COLUMNS, and what the line is about.
VECTORS = {
    #        instant                SDPTMONY
    "B01": ("2019-04-26 07:59:59", "00101101", "Friday one second before opening"),
    "B04": ("2019-04-26 18:00:00", "10101111", "telephone closes at 18:00 sharp (half-open)"),
    "B10": ("2019-04-27 00:30:00", "00001101", "support site closed 00:30-01:30"),
    "B13": ("2019-04-27 16:59:59", "10101111", "Saturday window to 17:00"),
    "B15": ("2019-04-27 21:30:00", "00101101", "Saturday evening: closed but not the Mon-Fri data-stop window"),
    "B19": ("2019-05-01 16:59:00", "10101111", "Wed Accession Day (one-off 2019)"),
    "B21": ("2019-05-06 17:00:00", "00101101", "Mon substitute holiday"),
    "B22": ("2019-05-07 17:00:00", "10111111", "first working day after the ten-day run"),
    "B23": ("2019-05-21 18:30:00", "10101111", "Tuesday before the extension list starts (config 2019-05-28)"),
    "B24": ("2019-05-28 20:59:59", "10111111", "extended Tuesday: telephone to 21:00"),
    "B27": ("2019-06-25 20:59:59", "10111111", "last extended Tuesday"),
    "B29": ("2019-07-02 18:30:00", "10101111", "Tuesday after the extension"),
    "B30": ("2019-06-15 16:59:59", "10101111", "Sat before the planned stop"),
    "B34": ("2019-06-16 17:00:00", "00101100", "exception window over"),
    "B35": ("2019-06-17 08:00:00", "10101111", "first linkage day of the R1.6 layout"),
    "B37": ("2019-10-22 18:00:00", "00101101", "Tue one-off enthronement ceremony holiday"),
    "B39": ("2019-12-30 16:59:59", "10101111", "Mon year-end: open to 17:00 although no legal holiday; no telephone"),
    "B42": ("2020-01-01 00:15:00", "00101101", "support site across the year boundary"),
    "B45": ("2020-01-06 20:00:00", "10101111", "Mon first working day"),
    "B47": ("2020-02-29 00:30:00", "00001101", "leap day: the closed hour exists every day"),
    "B48": ("2020-07-20 20:00:00", "10101111", "third Monday of July is NOT a holiday in 2020"),
    "B49": ("2020-07-23 18:00:00", "00101101", "Thu Marine Day (moved)"),
    "B52": ("2020-08-11 20:00:00", "10101111", "Tue 11 August is a working day in 2020"),
    "B53": ("2020-10-12 20:00:00", "10101111", "second Monday of October is NOT a holiday in 2020"),
    "B55": ("2021-07-22 18:00:00", "00101101", "Thu Marine Day (moved)"),
    "B56": ("2021-07-23 16:59:59", "10101111", "Fri Sports Day (moved)"),
    "B58": ("2021-08-11 22:59:59", "01101111", "Wed: next system open to 23:00 while the old window is shut"),
    "B60": ("2021-10-11 20:00:00", "10101111", "second Monday of October is NOT a holiday in 2021"),
}


@pytest.mark.parametrize(("wall_clock", "states", "about"), VECTORS.values(), ids=VECTORS)
def test_a_vector_of_the_table_holds(wall_clock: str, states: str, about: str) -> None:
    schedule = shipped_schedule()
    instant = datetime.fromisoformat(f"{wall_clock}+09:00")
    found = {generation: schedule.state_at(instant, generation).services for generation in Generation}
    answered = "".join(str(int(found[generation][service])) for generation, service in COLUMNS.values())
    assert answered == states, about


@pytest.mark.parametrize("wall_clock", [vector[0] for vector in VECTORS.values()])
def test_helpdesk_support_site_and_monitoring_do_not_depend_on_the_generation(wall_clock: str) -> None:
    instant = datetime.fromisoformat(f"{wall_clock}+09:00")
    same = (Service.SUPPORT_SITE, Service.HELPDESK_PHONE, Service.HELPDESK_MAIL, Service.MONITORING)
    first, second = (shipped_schedule().state_at(instant, generation).services for generation in Generation)
    assert [first[service] for service in same] == [second[service] for service in same]
