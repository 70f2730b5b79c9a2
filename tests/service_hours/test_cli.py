"""``chukan service-hours`` as people and programs meet it."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from chukan.platform.clock import NaiveInstant
from chukan.platform.database.roles import ProcessKind
from chukan.platform.service_hours.component import component
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.errors import (
    AnnouncedLate,
    CalendarOutOfRange,
    ExceptionOutside,
    OutageOverlaps,
    OutageUnknown,
    SpanEmpty,
)
from chukan.platform.settings import DatabaseSettings, EmbeddedSettings, Settings
from chukan.platform.settings.load import LoadedSettings
from support.database import Database
from support.program import chukan

SUNDAY = ("--start", "2027-02-07T09:00:00+09:00", "--end", "2027-02-07T15:00:00+09:00")
SERVICES = ["system", "data_stop", "support_site", "helpdesk_phone", "helpdesk_mail", "monitoring", "self_information"]


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """A machine without a database."""
    return Settings(database=DatabaseSettings(embedded=EmbeddedSettings(directory=tmp_path / "none")))


@pytest.fixture
def settings(database: Database) -> Settings:
    return Settings(database=database.settings)


def run(settings: Settings, *args: str) -> Result:
    """Run ``chukan service-hours …``; what it raises goes on to the test, as to the program's edge."""
    group = component(lambda: settings).commands[0].command
    return CliRunner(env={"COLUMNS": "200"}).invoke(group, args, obj=LoadedSettings(settings), catch_exceptions=False)


def answer(settings: Settings, *args: str) -> Any:
    result = run(settings, *args, "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout)


# -- at -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("english")
def test_the_planned_stop_of_2019_is_known_without_a_database(bare: Settings) -> None:
    told = run(bare, "at", "2019-06-16T17:00:00+09:00", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout) == {
        "instant": "2019-06-16T17:00:00+09:00",
        "generation": "current",
        "day_class": "weekend",
        "services": {
            "system": False,
            "data_stop": False,
            "support_site": True,
            "helpdesk_phone": False,
            "helpdesk_mail": True,
            "monitoring": True,
            "self_information": False,
        },
        "next_change": "2019-06-17T00:30:00+09:00",
    }
    assert list(json.loads(told.stdout)["services"]) == SERVICES
    assert "Only the outages that come with the program" in told.stderr
    assert not bare.database.embedded.directory.exists()


@pytest.mark.parametrize(
    ("instant", "generation", "expected"),
    [
        ("2026-11-24T22:00:00+09:00", "current", ("weekday", False, "2026-11-25T00:00:00+09:00")),
        ("2026-11-24T22:00:00+09:00", "next", ("weekday", True, "2026-11-24T23:00:00+09:00")),
        ("2026-11-24T13:00:00Z", "next", ("weekday", True, "2026-11-24T23:00:00+09:00")),
        ("2026-11-23T12:00:00+09:00", "current", ("holiday", True, "2026-11-23T17:00:00+09:00")),
        ("2026-12-31T12:00:00+09:00", "current", ("year_end", True, "2026-12-31T17:00:00+09:00")),
        ("2027-12-31T18:00:00+09:00", "current", ("year_end", False, None)),
    ],
)
def test_a_program_is_told_what_is_open(
    bare: Settings, instant: str, generation: str, expected: tuple[str, bool, str | None]
) -> None:
    told = answer(bare, "at", instant, "--generation", generation)
    assert list(told) == ["instant", "generation", "day_class", "services", "next_change"]
    assert (told["day_class"], told["services"]["system"], told["next_change"]) == expected
    assert told["generation"] == generation
    assert told["instant"].endswith("+09:00")
    assert datetime.fromisoformat(told["instant"]) == datetime.fromisoformat(instant)


@pytest.mark.usefixtures("english")
def test_people_are_told_in_a_table(bare: Settings) -> None:
    told = run(bare, "at", "2019-06-16T14:00:00+09:00").stdout
    assert "Helpdesk (telephone)" in told
    assert "2019-06-16T14:00:00+09:00: a weekend; the present system." in told
    assert "Planned outage from 2019-06-15T17:00:00+09:00 to 2019-06-17T08:00:00+09:00: ソフトウェア" in told
    assert "The next change is at 2019-06-16T17:00:00+09:00." in told
    stopped = run(bare, "at", "2026-11-24T21:00:00+09:00").stdout
    assert "shut" in stopped
    assert "not stopped" not in stopped
    assert "Nothing changes before the calendar ends." in run(bare, "at", "2027-12-31T23:00:00+09:00").stdout


@pytest.mark.usefixtures("english")
def test_now_is_an_instant(bare: Settings) -> None:
    told = answer(bare, "at", "now")
    assert shipped_schedule().calendar.first.isoformat() < told["instant"] < told["next_change"]


@pytest.mark.parametrize(
    ("instant", "error"),
    [
        ("2019-06-16T17:00:00", NaiveInstant),
        ("2019-06-16", NaiveInstant),
        ("2028-01-01T00:00:00+09:00", CalendarOutOfRange),
        ("2018-12-31T23:59:59+09:00", CalendarOutOfRange),
    ],
)
def test_an_instant_that_says_too_little_is_refused(bare: Settings, instant: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(bare, "at", instant, "--json")


@pytest.mark.parametrize("instant", ["2019-06-16T25:00:00+09:00", "noon", "", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_instant_is_refused(bare: Settings, instant: str) -> None:
    assert run(bare, "at", instant).exit_code == 2


def test_the_program_refuses_bad_input_with_exit_code_2_and_a_json_error(bare: Settings) -> None:
    environment = {**os.environ, "CHUKAN_DATABASE__EMBEDDED__DIRECTORY": str(bare.database.embedded.directory)}
    for instant, code in (
        ("2019-06-16T17:00:00", "clock.naive_instant"),
        ("2019-06-16T25:00:00+09:00", "command_line.misused"),
        ("2031-06-16T12:00:00+09:00", "service_hours.calendar_out_of_range"),
    ):
        told = chukan("service-hours", "at", instant, "--json", environment=environment)
        assert told.returncode == 2
        assert json.loads(told.stdout)["error"] == code


def test_at_uses_the_outages_of_the_database(settings: Settings) -> None:
    before = run(settings, "at", "2027-02-07T10:00:00+09:00", "--json")
    assert before.stderr == ""
    assert json.loads(before.stdout)["services"]["system"] is True
    planned = answer(settings, "outage", "add", *SUNDAY)
    after = answer(settings, "at", "2027-02-07T10:00:00+09:00", "--generation", "next")
    assert (after["services"]["system"], after["services"]["self_information"]) == (False, False)
    assert after["next_change"] == "2027-02-07T15:00:00+09:00"
    answer(settings, "outage", "cancel", planned["id"])
    assert json.loads(run(settings, "at", "2027-02-07T10:00:00+09:00", "--json").stdout)["services"]["system"] is True


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize("broken", ["unreachable", "without its password"])
def test_at_says_what_it_could_not_ask(settings: Settings, tmp_path: Path, broken: str) -> None:
    changes = (
        {"url": "postgresql://127.0.0.1:1/chukan"}
        if broken == "unreachable"
        else {"url": "postgresql://127.0.0.1:1/chukan", "secrets_directory": tmp_path}
    )
    elsewhere = settings.model_copy(update={"database": settings.database.model_copy(update=changes)})
    told = run(elsewhere, "at", "2027-02-07T10:00:00+09:00", "--json")
    assert json.loads(told.stdout)["services"]["system"] is True
    expected = "The database cannot be reached." if broken == "unreachable" else "There is no password file"
    assert "Only the outages that come with the program are considered: " + expected in told.stderr


# -- outage ---------------------------------------------------------------------------------------


def test_an_operator_plans_lists_and_cancels(settings: Settings, database: Database) -> None:
    window = "2027-02-07T12:00:00+09:00/2027-02-07T13:00:00+09:00"
    planned = answer(settings, "outage", "add", *SUNDAY, "--exception", window, "--description", "新機能の適用")
    assert planned == {
        "id": planned["id"],
        "start": "2027-02-07T09:00:00+09:00",
        "end": "2027-02-07T15:00:00+09:00",
        "services": ["system", "self_information"],
        "exceptions": [{"start": "2027-02-07T12:00:00+09:00", "end": "2027-02-07T13:00:00+09:00"}],
        "description": "新機能の適用",
        "announced_at": planned["announced_at"],
        "late": False,
        "late_reason": None,
        "state": "planned",
        "effective_end": "2027-02-07T15:00:00+09:00",
        "cancelled_at": None,
    }
    shipped, listed = answer(settings, "outage", "list")["outages"]
    assert listed == planned
    assert (shipped["id"], shipped["start"]) == (None, "2019-06-15T17:00:00+09:00")
    assert set(shipped) == set(planned)
    assert answer(settings, "outage", "list", "--coming") == {"outages": [planned]}

    cancelled = answer(settings, "outage", "cancel", planned["id"], "--reason", "postponed")
    assert (cancelled["state"], cancelled["effective_end"]) == ("cancelled", planned["start"])
    assert answer(settings, "outage", "list", "--coming") == {"outages": []}
    with database.login(ProcessKind.CONSOLE) as console:
        actors = console.execute("select distinct actor from platform.planned_outage_event").fetchall()
    assert [actor.partition(":")[0] for (actor,) in actors] == ["system"]


@pytest.mark.usefixtures("english")
def test_people_read_what_programs_read(settings: Settings) -> None:
    past = ("--start", "2026-01-10T02:00:00+09:00", "--end", "2026-01-10T05:00:00+09:00")
    told = run(settings, "outage", "add", *past, "--service", "support_site", "--late-reason", "the disk failed").stdout
    assert "It counts as announced late." in told
    window = "2027-02-07T12:00:00+09:00/2027-02-07T13:00:00+09:00"
    planned = run(settings, "outage", "add", *SUNDAY, "--exception", window).stdout
    assert "late" not in planned
    name = planned.split()[-1]
    listed = run(settings, "outage", "list").stdout
    hours = ("2027-02-07 09:00 – 2027-02-07 15:00", "but for 2027-02-07 12:00 – 2027-02-07 13:00")
    for shown in ("shipped", "planned, announced late", "Support site", *hours, name):
        assert shown in listed
    assert f"The outage {name} is cancelled." in run(settings, "outage", "cancel", name).stdout
    assert "cancelled" in run(settings, "outage", "list").stdout


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("--start", "2027-02-07T09:00:00+09:00", "--end", "2027-02-07T09:00:00+09:00"), SpanEmpty),
        (("--start", "2027-02-07T09:00:00", "--end", "2027-02-07T10:00:00+09:00"), NaiveInstant),
        ((*SUNDAY, "--exception", "2027-02-07T08:00:00+09:00/2027-02-07T10:00:00+09:00"), ExceptionOutside),
        ((*SUNDAY, "--exception", "2027-02-07T10:00:00+09:00/2027-02-07T10:00:00+09:00"), SpanEmpty),
        ((*SUNDAY, "--announced-at", "2027-02-07T09:00:00+09:00"), AnnouncedLate),
        (("--start", "2019-06-16T09:00:00+09:00", "--end", "2019-06-18T10:00:00+09:00", "--announced-at",
          "2019-06-01T09:00:00+09:00"), OutageOverlaps),
    ],
)  # fmt: skip
def test_a_wrong_outage_is_refused(settings: Settings, args: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(settings, "outage", "add", *args)
    assert len(answer(settings, "outage", "list")["outages"]) == 1


def test_misspelt_options_are_refused(bare: Settings) -> None:
    for args in ((*SUNDAY, "--exception", "all day"), (*SUNDAY, "--service", "data_stop"), SUNDAY[:2]):
        assert run(bare, "outage", "add", *args).exit_code == 2


def test_an_outage_that_nobody_planned_cannot_be_cancelled(settings: Settings) -> None:
    with pytest.raises(OutageUnknown):
        run(settings, "outage", "cancel", str(uuid4()))
