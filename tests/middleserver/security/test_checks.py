"""Who is late with masters, and whose certificates end: told in good time, and louder each time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from chukan.platform.component import Health
from chukan.tenants.middleserver.security.certificates.rules import KeyState
from chukan.tenants.middleserver.security.checks import Ending, judge_certificates, judge_masters
from chukan.tenants.middleserver.security.masters.rules import PackageHead, PackageKind, Publication
from chukan.tenants.middleserver.security.masters.store import Standing

END = datetime(2026, 12, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "state", "health", "words"),
    [
        (61, KeyState.ACTIVE, Health.GREEN, "60"),
        (60, KeyState.ACTIVE, Health.AMBER, "60 days"),
        (30, KeyState.ACTIVE, Health.AMBER, "30 days"),
        (14, KeyState.ACTIVE, Health.RED, "14 days"),
        (7, KeyState.PENDING, Health.RED, "7 days"),
        (1, KeyState.ACTIVE, Health.RED, "1 days"),
        (0, KeyState.ACTIVE, Health.RED, "have ended"),
        (-9, KeyState.ACTIVE, Health.RED, "have ended"),
        (1, KeyState.RETIRING, Health.GREEN, "60"),
    ],
)
@pytest.mark.usefixtures("english")
def test_the_end_of_a_certificate_is_told(days: int, state: KeyState, health: Health, words: str) -> None:
    endings = [Ending("a", KeyState.ACTIVE, END + timedelta(days=300)), Ending("b", state, END)]
    found = judge_certificates(endings, END - timedelta(days=days))
    assert found.health is health
    assert words in found.summary


def test_no_certificate_is_no_alarm() -> None:
    assert judge_certificates([], END).health is Health.GREEN


def head(sequence: int, start: date) -> PackageHead:
    return PackageHead(sequence, f"2019.{sequence:02d}", Publication.COMMON, PackageKind.ANNUAL, start, END)


HEADS = [head(1, date(2018, 7, 1)), head(2, date(2018, 7, 1)), head(3, date(2019, 6, 17)), head(4, date(2019, 6, 17))]


@pytest.mark.parametrize(
    ("at", "standing", "health"),
    [
        ("2019-06-09T23:59:59+09:00", 2, Health.GREEN),
        ("2019-06-10T00:00:00+09:00", 2, Health.AMBER),
        ("2019-06-10T00:00:00+09:00", 3, Health.AMBER),
        ("2019-06-10T00:00:00+09:00", 4, Health.GREEN),
        ("2019-06-16T23:59:59+09:00", 2, Health.AMBER),
        ("2019-06-17T00:00:00+09:00", 3, Health.RED),
        ("2019-06-17T00:00:00+09:00", 4, Health.GREEN),
        ("2019-01-01T00:00:00+09:00", 1, Health.RED),
        ("2019-01-01T00:00:00+09:00", None, Health.RED),
        ("2018-01-01T00:00:00+09:00", None, Health.GREEN),
    ],
)
def test_an_organisation_is_late_when_the_linkage_has_started(at: str, standing: int | None, health: Health) -> None:
    now = datetime.fromisoformat(at)
    assert judge_masters([Standing(standing, 5), Standing(4, 9)], HEADS, now).health is health


def test_where_nothing_has_come_nobody_is_late() -> None:
    assert judge_masters([Standing(None, 5)], [], END).health is Health.GREEN
