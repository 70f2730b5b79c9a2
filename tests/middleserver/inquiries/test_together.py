"""What lists of all organisations have under way stays below one ceiling, each has its turn, and nothing blocks it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from chukan.platform.settings import Settings
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.desk import InquiryDesk
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.inquiries.work import Paced, keep_pace, pace_due
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk
from support.inquiries import Asking, asking_of


@pytest.fixture
def desk(asking: Asking) -> InquiryDesk:
    place = asking.wire.place
    return InquiryDesk(TransmissionDesk(place.actor, Settings(), place.sessions, place.vault), asking.inquiries)


def passes(desk: InquiryDesk, asking: Asking) -> Paced:
    return pace_due(desk, lambda: asking.now)


def sent(asking: Asking) -> int:
    (status,) = asking.inquiries.recent(asking.tenant)
    return status.counts.get(InquiryState.SENT, 0)


def stands(asking: Asking) -> list[tuple[object, ...]]:
    return asking.wire.place.ask(
        "select count(*), count(ended_at) from platform.list_inquiry where tenant = %s", asking.tenant
    )


def occupy(asking: Asking, count: int, *, seconds_ago: float = 0) -> None:
    """Let other lists have so many under way."""
    asking.wire.place.ask(
        "insert into platform.list_inquiry (inquiry, tenant, left_at)"
        " select gen_random_uuid(), %s, now() - %s * interval '1 second' from generate_series(1, %s)",
        asking.tenant, seconds_ago, count,
    )  # fmt: skip


def test_organisations_share_one_ceiling_and_each_has_its_turn(asking: Asking, desk: InquiryDesk) -> None:
    towns = [asking, asking_of(asking.wire), asking_of(asking.wire)]
    told = {town.tenant: town.bulk(10) for town in towns}
    seen = []
    for _ in range(5):
        passes(desk, asking)
        seen.append([sent(town) for town in towns])
        # What became of them does not matter: deferred, refused, or taken for refused by the network itself.
        for town in towns:
            for serial in told[town.tenant].serials:
                if (found := town.inquiry(serial)).state is InquiryState.SENT:
                    parts = {"Reason": "barred"} if found.place % 2 else {"ExpectedOn": "2026-07-10"}
                    town.result(found, "refused" if found.place % 2 else "deferred", parts)
    assert seen == [[8, 0, 0], [0, 8, 0], [0, 0, 8], [2, 2, 2], [0, 0, 0]]
    assert passes(desk, asking) == Paced(0)


def test_an_inquiry_is_under_way_until_it_is_answered(asking: Asking, desk: InquiryDesk) -> None:
    told = asking.bulk(2)
    passes(desk, asking)
    asking.relay()
    assert stands(asking) == [(2, 0)]
    asking.answer(asking.inquiry(told.serials[0]))
    assert stands(asking) == [(2, 1)]
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        before = connection.execute(text("select clock_timestamp()")).scalar_one()
        store.list_ended(connection, asking.inquiry(told.serials[0]).id)
    (ended,) = asking.wire.place.ask("select max(ended_at) < %s from platform.list_inquiry", before)
    assert ended == (True,), "the first answer counts"


def test_the_network_refuses_an_inquiry_and_it_makes_room(asking: Asking, desk: InquiryDesk) -> None:
    asking.bulk(1)
    passes(desk, asking)
    asking.wire.network.refuse["IF_SKI_X0101_R01"] = "schema"
    asking.relay()
    assert stands(asking) == [(1, 1)]


def test_what_is_asked_at_counters_takes_no_room_and_waits_for_none(asking: Asking, desk: InquiryDesk) -> None:
    asking.window()
    assert stands(asking) == [(0, 0)]
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        store.left(connection, asking.now - timedelta(minutes=30), window=9_090)
    waits = asking.window(2)
    assert waits.state is InquiryState.QUEUED
    occupy(asking, 8)
    asking.bulk(5)
    asking.later(minutes=31)
    assert passes(desk, asking) == Paced(1, is_held=True)
    assert asking.inquiry(waits.serial).state is InquiryState.SENT


def test_who_is_silent_keeps_its_place_for_a_while_and_is_forgotten(asking: Asking, desk: InquiryDesk) -> None:
    asking.bulk(10)
    occupy(asking, 5, seconds_ago=1_201)
    occupy(asking, 5, seconds_ago=601)
    occupy(asking, 5)
    assert passes(desk, asking).left == 3
    assert stands(asking) == [(13, 0)], "what counts for nothing is deleted"


def test_a_run_goes_on_while_only_answers_are_waited_for(asking: Asking, desk: InquiryDesk) -> None:
    asking.bulk(5)
    occupy(asking, 8)
    assert keep_pace(desk, lambda: asking.now, 0) == 0
    answers = "update platform.list_inquiry set ended_at = clock_timestamp()"
    timer = threading.Timer(0.5, lambda: asking.wire.place.ask(answers))
    timer.start()
    assert keep_pace(desk, lambda: asking.now, 60) == 5
    timer.join()


def test_two_workers_do_not_take_the_same_room(asking: Asking, desk: InquiryDesk) -> None:
    towns = [asking, asking_of(asking.wire), asking_of(asking.wire)]
    for town in towns:
        town.bulk(10)
    left: list[int] = []
    workers = [threading.Thread(target=lambda: left.append(passes(desk, asking).left)) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sum(left) == 8


def test_a_worker_that_is_gone_keeps_nobody_from_going_on(asking: Asking, desk: InquiryDesk) -> None:
    asking.bulk(5)
    with asking.wire.place.safe.database.superuser() as other:
        other.execute("begin")
        other.execute("select from platform.list_pacer for update")
        assert passes(desk, asking) == Paced(0)
    assert passes(desk, asking) == Paced(5)


def test_nobody_ends_what_is_anothers(asking: Asking, desk: InquiryDesk) -> None:
    told = asking.bulk(1)
    passes(desk, asking)
    other = asking_of(asking.wire)
    with asking.wire.place.sessions.begin(other.tenant) as connection:
        store.list_ended(connection, asking.inquiry(told.serials[0]).id)
        store.lists_left(connection, [asking.inquiry(told.serials[0]).id])
    assert stands(asking) == [(1, 0)]
    assert stands(other) == [(0, 0)]
