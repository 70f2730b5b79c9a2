"""A request is judged whole before anything of it is stored; lists wait for their turn, counters do not."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError
from chukan.platform.messages import language
from chukan.tenants.middleserver.formats.messages import value
from chukan.tenants.middleserver.gate import Closed, Reason, ServiceClosed
from chukan.tenants.middleserver.inquiries import service
from chukan.tenants.middleserver.inquiries.data import WhenClosed, shipped_data
from chukan.tenants.middleserver.inquiries.errors import (
    ConditionMalformed,
    InquiriesRefused,
    InquiryNotPermitted,
    LinkageCodeMissing,
    NotBeforeClose,
    ProviderItself,
    ProviderUnknown,
    ReceptionUnknown,
    TooManyInquiries,
)
from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import Asked, InquiryState, Kind
from chukan.tenants.middleserver.inquiries.trail import InquiryCaller
from chukan.tenants.middleserver.provision_records import store as record_store
from support.exchange import Wire
from support.inquiries import (
    AFFAIR,
    PROVIDER,
    STRANGER,
    Asking,
    InquiryNetwork,
    asked,
    asking_of,
    number,
    period,
)


def stored(asking: Asking) -> int:
    (row,) = asking.wire.place.ask_of(asking.tenant, "select count(*) from {}.inquiry")
    return int(str(row[0]))


def test_the_message_says_what_was_asked_for(asking: Asking) -> None:
    found = asking.window(condition=period(date(2025, 4, 1), date(2026, 3, 31), 2025), undisclosed=True)
    asking.relay()
    assert isinstance(asking.wire.network, InquiryNetwork)
    (document,) = asking.wire.network.documents
    told = {
        name: value(document, name)
        for name in (
            "ProcessingSerial", "InquirerInstitution", "Affair", "Information", "ProviderInstitution", "NonDisclosure",
            "Condition/Kind", "Condition/From", "Condition/To", "Condition/Year", "RequestedAt",
        )
    }  # fmt: skip
    assert told == {
        "ProcessingSerial": found.serial,
        "InquirerInstitution": asking.organisation.institution,
        "Affair": AFFAIR,
        "Information": found.information,
        "ProviderInstitution": PROVIDER,
        "NonDisclosure": "1",
        "Condition/Kind": "1",
        "Condition/From": "2025-04-01",
        "Condition/To": "2026-03-31",
        "Condition/Year": "2025",
        "RequestedAt": as_tokyo(asking.now).isoformat(timespec="seconds"),
    }
    assert re.fullmatch(r"[0-9A-Z]{20}", found.serial)
    assert re.fullmatch(r"[0-9]{22}", found.reception)


def test_it_is_recorded_as_it_leaves(asking: Asking) -> None:
    found = asking.window()
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        (fact,) = record_store.of_serial(connection, found.serial)
    assert (fact.result.value, fact.reception, fact.answered_at) == ("requested", found.reception, None)
    assert fact.requested_at == found.requested_at


@pytest.mark.parametrize(
    ("wish", "error", "told"),
    [
        (
            asked(16), LinkageCodeMissing,
            "指定された団体内統合宛名番号「０００００００００００００１６」は符号が未取得です。",
        ),
        (
            asked(provider=STRANGER), InquiryNotPermitted,
            "指定された特定個人情報名「TM０００００００００００００２」の照会は許可されていません。",
        ),
        (asked(affair="JM00000000000001"), InquiryNotPermitted, None),
        (asked(provider="1111111111111111"), ProviderUnknown, None),
        (asked(condition=period()), ConditionMalformed, None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_the_words_of_the_sources(
    asking: Asking, wish: Asked, error: type[ChukanError], told: str | None
) -> None:
    with pytest.raises(error) as caught:
        asking.inquiries.register(asking.caller, [wish], kind=Kind.WINDOW, now=asking.now)
    assert stored(asking) == 0
    with language("ja"):
        if told is not None:
            assert caught.value.told() == told
    assert "000000016" not in str(caught.value), "no log is told the number"


def test_nobody_asks_itself(asking: Asking) -> None:
    with pytest.raises(ProviderItself):
        asking.window(provider=asking.organisation.institution)


def test_of_a_list_every_wrong_row_is_named_and_none_is_stored(asking: Asking) -> None:
    wishes = [asked(1), asked(16), asked(2), asked(condition=period())]
    with pytest.raises(InquiriesRefused) as caught:
        asking.inquiries.register(asking.caller, wishes, kind=Kind.BULK, now=asking.now)
    assert [(fault.row, type(fault.error)) for fault in caught.value.faults] == [
        (2, LinkageCodeMissing), (4, ConditionMalformed),
    ]  # fmt: skip
    assert stored(asking) == 0
    assert [fault["row"] for fault in caught.value.as_json()["faults"]] == [2, 4]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "rows"), [(Kind.WINDOW, 0), (Kind.WINDOW, 2), (Kind.BULK, 0), (Kind.BULK, 3_001)])
def test_c34_a_request_holds_at_most_three_thousand_and_a_counter_asks_for_one(
    asking: Asking, kind: Kind, rows: int
) -> None:
    with pytest.raises(TooManyInquiries):
        asking.inquiries.register(asking.caller, [asked()] * rows, kind=kind, now=asking.now)


def test_c42_nothing_is_taken_while_the_service_is_closed(asking: Asking) -> None:
    asking.hours.state = Closed(Reason.DATA_STOP, asking.now + timedelta(hours=3))
    for kind in Kind:
        with pytest.raises(ServiceClosed):
            asking.inquiries.register(asking.caller, [asked()], kind=kind, now=asking.now)
    assert stored(asking) == 0


def test_c39_a_list_that_would_not_end_before_the_close_is_refused_with_the_largest_number_that_would(
    asking: Asking,
) -> None:
    asking.hours.closes = asking.now + timedelta(minutes=45)
    with pytest.raises(NotBeforeClose) as caught:
        asking.bulk(3_000)
    assert caught.value.most == 2_000
    assert stored(asking) == 0
    assert asking.bulk(2_000).worst == asking.now + timedelta(minutes=40)
    with pytest.raises(NotBeforeClose) as caught:
        asking.bulk(1_000)
    assert caught.value.most == 249


def test_a_list_is_stored_in_its_order_with_its_end_and_waits(asking: Asking) -> None:
    told = asking.bulk(40)
    assert (told.left, told.best, told.worst) == (
        0, asking.now + timedelta(seconds=36), asking.now + timedelta(seconds=48),
    )  # fmt: skip
    status = asking.inquiries.status(asking.tenant, told.number)
    assert status.counts == {InquiryState.QUEUED: 40}
    assert not status.is_complete
    page = asking.inquiries.results(asking.caller, told.number)
    assert [each.serial for each in page.results] == list(told.serials)
    assert [each.address for each in page.results][:3] == [number(1), number(2), number(3)]
    assert asking.wire.place.ask("select count(*) from platform.due where kind = 'inquiries-pace'") == [(1,)]


def test_pages_follow_one_another(asking: Asking) -> None:
    told = asking.bulk(130)
    first, second = (asking.inquiries.results(asking.caller, told.number, first=place) for place in (1, 101))
    assert (len(first.results), first.following, len(second.results), second.following) == (100, 101, 30, None)
    assert [each.place for each in second.results] == list(range(101, 131))


def test_a_page_holds_no_more_than_its_bytes_and_one_answer_at_least(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer is as large as the network lets one be: of two megabytes, signed."""
    told = asking.bulk(4)
    asking.pace()
    asking.relay()
    lengths = [7, 1_500_000, 7, 0]
    for serial, length in zip(told.serials[:3], lengths, strict=False):
        found = asking.inquiry(serial)
        parts = asking.provided(found, change=lambda document: document.replace(b"1234567", b"7" * length))  # noqa: B023 - called at once
        assert asking.result(found, "provided", parts)["Result"] == "accepted"

    def pages(most: int) -> list[list[int]]:
        monkeypatch.setattr(service, "PAGE_BYTES", most)
        first: int | None = 1
        shown, read = [], []
        while first is not None:
            page = asking.inquiries.results(asking.caller, told.number, first=first)
            shown.append([each.place for each in page.results])
            read += [len(each.records[0].items[0].value) if each.records else 0 for each in page.results]
            first = page.following
        assert read == lengths
        return shown

    assert pages(service.PAGE_BYTES) == [[1, 2, 3, 4]]
    assert pages(2_000_000) == [[1], [2], [3, 4]]
    assert pages(1) == [[1], [2], [3], [4]]


@pytest.mark.parametrize("kind", Kind)
def test_under_one_key_a_request_is_registered_once_whatever_would_be_said_of_it_today(
    asking: Asking, kind: Kind
) -> None:
    def register(person: int = 1, key: str = "system:key:digest") -> Registered:
        return asking.inquiries.register(asking.caller, [asked(person)], kind=kind, now=asking.now, key=key)

    first = register()
    asking.later(minutes=2)
    again = register()
    assert (again.number, again.serials, again.best, again.worst) == (
        first.number, first.serials, first.best, first.worst,
    )  # fmt: skip
    assert again.left_now == (), "what left then is not sent again"
    asking.hours.state = Closed(Reason.DATA_STOP, asking.now + timedelta(hours=3))
    assert register().number == first.number
    assert register(16).number == first.number
    with pytest.raises(ServiceClosed):
        register(key="another")
    asking.hours.state = None
    assert register(key="another").number != first.number
    assert stored(asking) == 2


def test_the_same_request_many_times_at_once_is_registered_once(asking: Asking) -> None:
    def register(_: int) -> str:
        return asking.inquiries.register(
            asking.caller, [asked(2)], kind=Kind.WINDOW, now=asking.now, key="at once"
        ).number

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(register, range(3)))) == 1
    assert stored(asking) == 1
    assert len(asking.queue()) == 1


def test_who_asked_is_kept_with_the_request_and_told_to_nobody_else(asking: Asking) -> None:
    caller = replace(asking.caller, user="Clerk00042")
    told = asking.inquiries.register(caller, [asked()], kind=Kind.WINDOW, now=asking.now)
    asking.inquiries.results(caller, told.number)
    assert asking.wire.place.ask_of(asking.tenant, "select source_user from {}.inquiry_reception") == [("Clerk00042",)]
    trail = asking.wire.place.ask("select body from platform.audit_entry")
    assert not any("Clerk00042" in str(body) for (body,) in trail)
    assert "Clerk00042" not in repr(caller)


def test_a_department_sees_its_own_requests_alone(asking: Asking) -> None:
    mine = replace(asking.caller, department="D1")
    told = asking.inquiries.register(mine, [asked()], kind=Kind.WINDOW, now=asking.now)
    assert len(asking.inquiries.results(mine, told.number).results) == 1
    with pytest.raises(ReceptionUnknown):
        asking.inquiries.results(replace(mine, department="D2"), told.number)
    assert len(asking.inquiries.results(InquiryCaller(asking.tenant, "system:x", "r"), told.number).results) == 1


def test_a_held_list_begins_after_the_opening_and_ends_before_the_next_close(wire: Wire) -> None:
    data = shipped_data()
    held = data.model_copy(update={"pacing": data.pacing.model_copy(update={"when_closed": WhenClosed.HELD})})
    asking = asking_of(wire, data=held)
    opening = asking.now + timedelta(hours=11)
    asking.hours.state, asking.hours.closes = Closed(Reason.DATA_STOP, opening), opening + timedelta(hours=13)
    told = asking.bulk(30)
    assert told.worst is not None
    assert told.worst >= opening
    assert asking.pace() == 0
    # A counter's is not held: whoever stands there has gone by then. Nor is anything of an organisation that left.
    with pytest.raises(ServiceClosed):
        asking.window()
    asking.hours.state = Closed(Reason.SUSPENDED, None)
    with pytest.raises(ServiceClosed):
        asking.bulk(1)
    asking.hours.state, asking.hours.opened_at = None, opening
    asking.later(hours=11)
    late = timedelta(seconds=asking.tenant.int % (15 * 60 + 1))
    if late > timedelta(seconds=1):
        asking.wire.clock.advance(late - timedelta(seconds=1))
        left = asking.inquiries.pace(asking.tenant, now=asking.now, actor="system:test", request="test")
        assert (left.count, left.again_at) == (0, opening + late), "it is not dumped as it opens"
        asking.later(seconds=1)
    assert asking.pace() == 20


def test_neither_numbers_nor_codes_stand_in_the_clear(asking: Asking) -> None:
    asking.window(9)
    asking.bulk(3)
    rows = asking.wire.place.ask_of(asking.tenant, "select address, person from {}.inquiry")
    assert len(rows) == 4
    assert not any(b"000000009" in bytes(str(cell), "utf-8") for row in rows for cell in row)
    trail = asking.wire.place.ask("select body from platform.audit_entry")
    assert not any(number(9) in str(body) for (body,) in trail)
