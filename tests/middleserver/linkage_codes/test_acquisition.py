"""Codes are asked for once, answered in any order, and every person has at most one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chukan.platform.settings import Settings
from chukan.tenants.middleserver.linkage_codes.component import expire_due
from chukan.tenants.middleserver.linkage_codes.errors import CodeNotAcquired
from chukan.tenants.middleserver.linkage_codes.rules import CaseKind, RequestState
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk
from middleserver.linkage_codes.conftest import CODES, Town, number


def test_a_request_goes_from_requested_over_announced_to_acquired(town: Town) -> None:
    (serial,) = town.request(1, announce=False).serials.values()
    assert town.state(serial) is RequestState.REQUESTED
    town.wire.relay().run()
    assert town.state(serial) is RequestState.ANNOUNCED
    with pytest.raises(CodeNotAcquired):
        town.code(1)
    assert town.answer({serial: ("issued", CODES["A"])})["Result"] == "accepted"
    assert town.state(serial) is RequestState.ACQUIRED
    assert town.code(1) == CODES["A"]
    assert town.person(CODES["A"]) == 1
    last = town.codes.last_request(town.organisation.tenant, number(1))
    assert last is not None
    assert (last.serial, last.state) == (serial, RequestState.ACQUIRED)
    assert town.events(serial) == ["requested", "linked"]


def test_who_is_asked_for_twice_is_announced_once(town: Town) -> None:
    first = town.request(1, 2)
    again = town.request(2, 3)
    assert again.under_way == {number(2): first.serials[number(2)]}
    assert list(again.serials) == [number(3)]
    town.answer({first.serials[number(1)]: ("issued", CODES["A"])})
    third = town.request(1)
    assert (third.serials, third.acquired) == ({}, [number(1)])


def test_a_number_that_stands_twice_in_one_wish_is_asked_for_once(town: Town) -> None:
    assert len(town.request(1, 1).serials) == 1


def test_the_answer_may_come_before_the_receipt_was_written_down(town: Town) -> None:
    (serial,) = town.request(1, announce=False).serials.values()
    town.answer({serial: ("issued", CODES["A"])})
    town.wire.network.taken.clear()
    assert town.state(serial) is RequestState.ACQUIRED
    town.wire.relay().run()
    assert town.state(serial) is RequestState.ACQUIRED


def test_answers_come_in_parts_and_the_conversation_ends_with_the_last(town: Town) -> None:
    one, two = town.request(1, 2).serials.values()
    town.answer({two: ("unknown_person", "")})
    assert (town.state(one), town.state(two)) == (RequestState.ANNOUNCED, RequestState.UNKNOWN_PERSON)
    town.answer({one: ("refused", "no_resident_record_code")})
    found = town.codes.request(town.organisation.tenant, one)
    assert (found.state, found.reason) == (RequestState.REFUSED, "no_resident_record_code")
    assert town.answer({one: ("issued", CODES["A"])})["Reason"] == "closed"


def test_who_is_unknown_may_be_asked_for_again(town: Town) -> None:
    (serial,) = town.request(1).serials.values()
    town.answer({serial: ("unknown_person", "")})
    town.acquire(1, CODES["A"])
    assert town.code(1) == CODES["A"]


def test_two_persons_never_get_one_code_and_somebody_is_told(town: Town) -> None:
    town.acquire(1, CODES["A"])
    serial = town.acquire(2, CODES["A"], "already_issued")
    assert town.state(serial) is RequestState.CONFLICTING
    assert town.person(CODES["A"]) == 1
    with pytest.raises(CodeNotAcquired):
        town.code(2)
    (case,) = town.codes.overview(town.organisation.tenant).cases
    assert case.kind is CaseKind.ONE_CODE_OF_TWO


def test_two_persons_with_one_code_in_one_message_are_found_as_well(town: Town) -> None:
    one, two = town.request(1, 2).serials.values()
    town.answer({one: ("issued", CODES["A"]), two: ("already_issued", CODES["A"])})
    assert (town.state(one), town.state(two)) == (RequestState.ACQUIRED, RequestState.CONFLICTING)


def test_a_person_s_code_changes_and_the_one_before_stays_in_the_history(town: Town) -> None:
    serial = town.acquire(1, CODES["A"])
    town.acquire(1, CODES["B"], again=True)
    assert town.code(1) == CODES["B"]
    with pytest.raises(CodeNotAcquired):
        town.person(CODES["A"])
    assert town.events(serial) == ["requested", "linked", "requested", "changed"]
    history = town.codes.history(town.caller, serial)
    assert [held.ended_at is None for held in history.links] == [False, True]
    assert [case.kind for case in town.codes.overview(town.organisation.tenant).cases] == [CaseKind.CODE_CHANGED]


def test_the_same_code_again_confirms_the_link(town: Town) -> None:
    serial = town.acquire(1, CODES["A"])
    town.acquire(1, CODES["A"], "already_issued", again=True)
    assert town.events(serial)[-1] == "confirmed"
    assert town.codes.overview(town.organisation.tenant).cases == []


def test_a_message_about_a_foreign_serial_has_no_effect_at_all(town: Town) -> None:
    (serial,) = town.request(1).serials.values()
    receipt = town.answer({serial: ("issued", CODES["A"]), "S-STRANGE": ("issued", CODES["B"])})
    assert receipt["Reason"] == "content"
    assert town.state(serial) is RequestState.ANNOUNCED


@pytest.mark.parametrize("answer", [("issued", ""), ("unknown_person", CODES["A"]), ("refused", "")])
def test_an_entry_that_is_not_whole_is_refused(town: Town, answer: tuple[str, str]) -> None:
    (serial,) = town.request(1).serials.values()
    assert town.answer({serial: answer})["Reason"] == "content"
    assert town.state(serial) is RequestState.ANNOUNCED


def test_an_announcement_that_the_network_refuses_frees_the_person(town: Town) -> None:
    (serial,) = town.request(1, announce=False).serials.values()
    town.wire.network.refuse[serial] = "content"
    town.wire.relay().run()
    found = town.codes.request(town.organisation.tenant, serial)
    assert (found.state, found.reason) == (RequestState.REFUSED, "announcement_content")
    town.acquire(1, CODES["A"])


def test_after_its_day_a_request_is_overdue_and_a_late_answer_is_still_taken(town: Town) -> None:
    place = town.wire.place
    (serial,) = town.request(1).serials.values()
    desk = TransmissionDesk(place.actor, Settings(), place.sessions, place.vault)
    # The database's clock is behind that day already, so what is marked as due is looked at each time.
    # 2026-07-08 is the seventh day: it is overdue when that day is over in Tokyo.
    last_moment = town.wire.clock.now().replace(day=8, hour=14, minute=59)
    assert expire_due(desk, last_moment) == 0
    assert expire_due(desk, last_moment + timedelta(minutes=1)) == 1
    assert town.state(serial) is RequestState.OVERDUE
    assert place.ask("select count(*) from platform.due where kind = 'code-overdue'") == [(0,)]
    town.answer({serial: ("issued", CODES["A"])})
    assert town.state(serial) is RequestState.ACQUIRED
    assert town.events(serial) == ["requested", "overdue", "linked"]


def test_neither_numbers_nor_codes_stand_in_the_clear(town: Town) -> None:
    town.acquire(987654321, CODES["A"])
    with town.wire.place.sessions.begin(town.organisation.tenant) as connection:
        rows = [
            *connection.exec_driver_sql("select person, address from code_request"),
            *connection.exec_driver_sql("select person, code_index, code, address from linkage_code"),
        ]
    for value in (bytes(value) for row in rows for value in row):
        assert b"987654321" not in value
        assert CODES["A"].encode() not in value
    trail = town.wire.place.ask("select body from platform.audit_entry")
    assert not any("987654321" in str(body) or CODES["A"] in str(body) for (body,) in trail)


def test_a_thousand_and_one_persons_need_two_messages(town: Town) -> None:
    town.request(*range(1, 1002))
    assert town.wire.network.attempts == 2
    assert town.codes.overview(town.organisation.tenant).requests[RequestState.ANNOUNCED] == 1001
