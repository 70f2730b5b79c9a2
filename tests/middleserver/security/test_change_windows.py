"""Changes of the masters are taken in the window of their version; later ones belong to the next (A1-005)."""

from __future__ import annotations

import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.security.masters.cli import windows
from chukan.tenants.middleserver.security.masters.errors import PackageMalformed, WindowUnknown
from chukan.tenants.middleserver.security.masters.windows import ChangeWindow, WindowState, apply
from chukan.tenants.middleserver.security.masters.windows_data import shipped_windows, windows_of

PACKAGES = Path(__file__).parents[3] / "config/masters/packages.toml"
FIRST = ChangeWindow("2018.11", date(2018, 5, 21), date(2018, 9, 2))
SECOND = ChangeWindow("2019.06", date(2018, 11, 5), date(2019, 3, 1))
BOTH = (FIRST, SECOND)


@pytest.mark.parametrize(
    ("version", "day", "state", "instead"),
    [
        ("2018.11", date(2018, 5, 20), WindowState.NOT_YET, FIRST),
        ("2018.11", date(2018, 5, 21), WindowState.OPEN, None),
        ("2018.11", date(2018, 9, 1), WindowState.OPEN, None),
        ("2018.11", date(2018, 9, 2), WindowState.OVER, SECOND),
        ("2018.11", date(2019, 2, 28), WindowState.OVER, SECOND),
        ("2018.11", date(2019, 3, 1), WindowState.OVER, None),
        ("2019.06", date(2018, 6, 1), WindowState.NOT_YET, SECOND),
        ("2019.06", date(2019, 3, 1), WindowState.OVER, None),
    ],
)
def test_a_change_is_taken_within_its_window_alone(
    version: str, day: date, state: WindowState, instead: ChangeWindow | None
) -> None:
    told = apply(BOTH, version, day)
    assert (told.state, told.accepted, told.instead) == (state, state is WindowState.OPEN, instead)


def test_a_version_without_a_window_is_no_answer() -> None:
    with pytest.raises(KeyError):
        apply(BOTH, "2030.01", date(2030, 1, 1))


def test_the_shipped_windows_are_in_order_and_close_before_their_master_is_published() -> None:
    packages = tomllib.loads(PACKAGES.read_text("utf-8"))["packages"]
    published: dict[str, datetime] = {}
    for each in packages:
        published.setdefault(each["version"], each["published_at"])
    shipped = shipped_windows()
    assert [each.opens_on for each in shipped] == sorted(each.opens_on for each in shipped)
    assert FIRST in shipped
    for window in shipped:
        assert window.closes_on <= as_tokyo(published[window.version]).date()


@pytest.mark.parametrize(
    "wrong",
    [
        [{"version": "2018", "opens_on": date(2018, 1, 1), "closes_on": date(2018, 2, 1)}],
        [{"version": "2018.11", "opens_on": date(2018, 1, 1), "closes_on": date(2018, 1, 1)}],
        [{"version": "2018.11", "opens_on": date(2018, 1, 1), "closes_on": date(2018, 2, 1)}] * 2,
    ],
)
def test_windows_that_cannot_be_are_refused(wrong: list[dict[str, Any]]) -> None:
    with pytest.raises(PackageMalformed):
        windows_of({"window": wrong})


@pytest.mark.usefixtures("english")
def test_the_command_tells_the_window_and_what_a_late_change_comes_into() -> None:
    late = CliRunner().invoke(windows, ["--version", "2018.11", "--on", "2018-09-02", "--json"])
    assert json.loads(late.output) == [
        {
            "version": "2018.11",
            "opens_on": "2018-05-21",
            "closes_on": "2018-09-02",
            "state": "over",
            "accepted": False,
            "instead": "2019.06",
        }
    ]
    told = CliRunner().invoke(windows, ["--on", "2018-05-21"]).output
    assert "taken" in told
    assert "2019.06" in told
    assert isinstance(CliRunner().invoke(windows, ["--version", "1999.01"]).exception, WindowUnknown)
