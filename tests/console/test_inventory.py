"""The inventory of the platform: every check has its part, and a part stands as its worst check does."""

from __future__ import annotations

from collections import Counter

import pytest

from chukan.console.inventory import PARTS, rows
from chukan.platform.component import CheckResult, Health
from chukan.platform.messages import text
from chukan.platform.web.cells import Mark
from chukan.wiring import components
from console.conftest import Whole
from support.html import check_page

KNOWN = [check.name for component in components() for check in component.checks]


def test_every_check_stands_with_exactly_one_part() -> None:
    assert Counter(name for part in PARTS for name in part.checks) == Counter(KNOWN)


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (Health.GREEN, Health.GREEN, Mark.OK),
        (Health.GREEN, Health.AMBER, Mark.WARNING),
        (Health.RED, Health.AMBER, Mark.ERROR),
        (Health.GREEN, None, Mark.OK),
        (None, None, Mark.OFF),
    ],
)
def test_a_part_stands_as_its_worst_check(first: Health | None, second: Health | None, shown: Mark) -> None:
    keys = next(part for part in PARTS if "vault-key-provider" in part.checks)
    given = zip(keys.checks, (first, second), strict=True)
    answers = {name: CheckResult(health, "told so") for name, health in given if health is not None}
    row = next(row for row in rows(answers, KNOWN) if row[0] == text(keys.name))
    assert row[2].mark is shown
    assert len(row[3]) == 2
    assert sum("told so" in words for words in row[3]) == len(answers)


def test_what_chukan_does_not_watch_says_so() -> None:
    unwatched = [row for row in rows({}, KNOWN) if not row[3]]
    assert len(unwatched) == sum(not part.checks for part in PARTS) > 0
    assert {row[2].mark for row in unwatched} == {Mark.OFF}


def test_the_page_shows_every_part(whole: Whole) -> None:
    whole.door.enter()
    page = whole.app.test_client().get("/inventory", base_url="https://console.test/")
    check_page(page.text)
    for part in PARTS:
        assert text(part.name) in page.text
