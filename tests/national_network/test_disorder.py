"""Deliveries in another order, half of them, and many at once: what a network under load does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chukan_simulators.national_network.client import RunningNetwork
from chukan_simulators.national_network.faults import Menu, Order
from chukan_simulators.national_network.line import AT_ONCE, Ticket, WaitingLine
from national_network.exchange import Town
from national_network.organisation import Organisation, eventually, new_resident
from national_network.test_faults import Cut

NewTown = Callable[[], Town]


def several(town: Town, provider: Town, count: int) -> list[str]:
    """Return the serials of *count* inquiries about one person whom both know."""
    resident = new_resident()
    provider.knows(resident)
    return [town.inquire(provider.code, town.knows(resident)).serial for _ in range(count)]


def test_requests_come_newest_first(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    resident, url = new_resident(), linked.status()["platform_url"]
    provider.knows(resident)
    code = inquirer.knows(resident)
    linked.order("reorder", on="deliveries", institution=provider.code)
    # One at a time, so that the order is to be seen.
    taken = threading.Lock()
    own = provider.organisation
    own.answer = lambda body: one_by_one(own, taken, body)
    linked.ask("POST", "/platform", {"url": ""})
    try:
        serials = [inquirer.inquire(provider.code, code).serial for _ in range(12)]
    finally:
        linked.ask("POST", "/platform", {"url": url})
    requests = eventually(lambda: len(found := provider.requests()) == 12 and found)
    came = [each.fields["ProcessingSerial"] for each in requests]
    assert set(came) == set(serials)
    assert serials.index(came[0]) >= 12 - AT_ONCE
    assert serials.index(came[-1]) < AT_ONCE


def one_by_one(own: Organisation, taken: threading.Lock, body: bytes) -> tuple[int, bytes] | None:
    with taken:
        return own.accept(body)


def test_a_delivery_that_stops_half_way_comes_again(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    linked.order("stop_mid_reply", on="deliveries", institution=provider.code, times=1)
    resident = new_resident()
    provider.knows(resident)
    serial = inquirer.inquire(provider.code, inquirer.knows(resident)).serial
    assert provider.request(serial).permit
    faults = [each["fault"] for row in linked.deliveries(provider.code) for each in linked.attempts(row["mid"])]
    assert faults.count("stop_mid_reply") == 1


@pytest.mark.parametrize("point", ["messages", "records", "keys"])
def test_an_answer_that_stops_half_way_is_no_answer(linked: RunningNetwork, new_town: NewTown, point: str) -> None:
    town = new_town()
    platform = town.organisation.platform
    body = town.message("InformationInquiry", "IF_SKI_X0101_R01", town.inquiry("9999999999999999", "A" * 32))
    day = "from=2026-01-01&to=2026-01-01"
    asked = {
        "messages": ("POST", "/messages", body),
        "records": ("GET", f"/records/{town.code}?{day}", None),
        "keys": ("GET", "/keys", None),
    }[point]
    linked.order("stop_mid_reply", on=point, times=1)
    with pytest.raises(Cut):
        platform.ask(*asked)
    # It had its effect; who repeats it gets the whole answer.
    assert platform.ask(*asked).status == 200
    assert len(linked.inquiries(town.code)) == (1 if point == "messages" else 0)


# The line itself.


def line(*orders: Order) -> WaitingLine:
    menu = Menu()
    for order in orders:
        menu.order(order)
    return WaitingLine(menu, lambda institution: institution != "nobody")


def taken(waiting: WaitingLine) -> Ticket:
    ticket = waiting.take()
    assert ticket is not None
    return ticket


def test_organisations_take_turns_and_none_has_more_than_its_share() -> None:
    waiting = line()
    for number in range(10):
        waiting.add("busy", f"c{number}", 1, number)
    waiting.add("quiet", "c", 1, 100)
    waiting.add("nobody", "c", 1, 200)
    first = [taken(waiting) for _ in range(AT_ONCE + 1)]
    assert [each.institution for each in first].count("busy") == AT_ONCE
    assert Ticket("quiet", "c", 100) in first[:2]
    waiting.done(first[0])
    assert taken(waiting).institution == "busy"


def test_a_conversation_is_in_one_hand() -> None:
    waiting = line()
    waiting.add("town", "c", 2, 20)
    waiting.add("town", "c", 1, 10)
    ticket = taken(waiting)
    waiting.add("town", "d", 1, 30)
    assert (ticket.number, taken(waiting).conv) == (10, "d")
    waiting.wait(ticket, 0.0)
    again = taken(waiting)
    assert again.number == 10
    waiting.done(again)
    assert taken(waiting).number == 20


def test_what_waits_for_long_comes_when_somebody_hurries() -> None:
    waiting = line()
    waiting.add("town", "c", 1, 10, next_at=9e12)
    waiting.add("town", "d", 1, 20)
    assert taken(waiting).number == 20
    waiting.hurry()
    assert taken(waiting).number == 10


def test_a_line_that_has_ended_hands_out_nothing() -> None:
    waiting = line()
    waiting.add("town", "c", 1, 10)
    waiting.end()
    assert waiting.take() is None
