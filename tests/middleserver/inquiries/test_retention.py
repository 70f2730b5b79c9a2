"""What was provided is deleted after its days, the inquiries after their seven years, and nothing before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from chukan.tenants.middleserver.inquiries import retention
from chukan.tenants.middleserver.inquiries.data import shipped_data
from chukan.tenants.middleserver.inquiries.retention import Forgotten, forget
from chukan.tenants.middleserver.inquiries.rules import InquiryState, Kind
from support.inquiries import Asking, asked

ANSWERS_KEPT = timedelta(days=90)
NOTHING = Forgotten(0, 0)
TABLES = "inquiry_reception", "inquiry", "inquiry_event"


def run(asking: Asking, now: datetime) -> Forgotten:
    return forget(asking.wire.place.sessions, asking.tenant, shipped_data(), now)


def rows(asking: Asking, table: str) -> int:
    (row,) = asking.wire.place.ask_of(asking.tenant, f"select count(*) from {{}}.{table}")  # noqa: S608 - a test's own names
    return int(str(row[0]))


def test_what_was_provided_is_kept_for_its_days_and_the_inquiry_says_that_it_was(asking: Asking) -> None:
    found = asking.window()
    asking.relay()
    asking.answer(found)
    came = asking.now
    assert shipped_data().answers_kept(date(2026, 7, 1)) == ANSWERS_KEPT
    assert run(asking, came + ANSWERS_KEPT) == NOTHING
    (kept,) = asking.inquiries.results(asking.caller, found.reception).results
    assert (kept.kept, len(kept.records)) == (True, 1)
    assert run(asking, came + ANSWERS_KEPT + timedelta(microseconds=1)) == Forgotten(1, 0)
    (gone,) = asking.inquiries.results(asking.caller, found.reception).results
    assert (gone.state, gone.kept, gone.records) == (InquiryState.ANSWERED, False, ())


def test_what_has_ended_is_kept_for_seven_full_years_and_goes_as_a_whole_in_small_steps(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C89: the record of a day is deletable from the day after its seven full years on."""
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    ended = asking.inquiries.register(asking.caller, [asked(n) for n in range(1, 6)], kind=Kind.BULK, now=asking.now)
    asking.inquiries.cancel(asking.caller, ended.number, now=asking.now)
    later = asking.inquiries.register(asking.caller, [asked(1), asked(2)], kind=Kind.BULK, now=asking.now)
    asking.inquiries.cancel(asking.caller, later.serials[0], now=asking.now)
    asking.inquiries.register(asking.caller, [asked(3)], kind=Kind.BULK, now=asking.now)
    # From noon of 1 July 2026 to one o'clock of the next day.
    asking.later(hours=13)
    asking.inquiries.cancel(asking.caller, later.number, now=asking.now)
    assert run(asking, datetime(2033, 7, 1, 14, 59, 59, tzinfo=UTC)) == NOTHING
    # 2 July by Tokyo's clock. The second request ended on a day that is still kept, the third has not ended.
    assert run(asking, datetime(2033, 7, 1, 15, tzinfo=UTC)) == Forgotten(0, 5)
    assert [rows(asking, table) for table in TABLES] == [2, 3, 2]
    assert run(asking, datetime(2033, 7, 2, 15, tzinfo=UTC)) == Forgotten(0, 2)
    assert run(asking, datetime(2053, 1, 1, tzinfo=UTC)) == NOTHING
    assert [rows(asking, table) for table in TABLES] == [1, 1, 0]
