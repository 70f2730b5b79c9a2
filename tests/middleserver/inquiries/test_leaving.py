"""Lists leave at their pace, in their order and never all at once; a counter goes past them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from chukan.platform.clock import monotonic
from chukan.tenants.middleserver.gate import Closed, Reason
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.errors import NotBeforeClose
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from support.inquiries import Asking


def fill_the_hour(asking: Asking, *, window: int = 0, bulk: int = 0, minutes_ago: int = 30) -> None:
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        connection.execute(
            text('insert into inquiry_pace (minute, "window", bulk) values (:minute, :window, :bulk)'),
            {"minute": asking.now.replace(second=0) - timedelta(minutes=minutes_ago), "window": window, "bulk": bulk},
        )


def test_a_list_leaves_in_portions_and_the_next_one_when_the_network_has_the_one_before(asking: Asking) -> None:
    told = asking.bulk(45)
    assert asking.pace() == 20
    assert asking.pace() == 0, "one portion is in hand"
    asking.relay()
    assert asking.pace() == 20
    asking.relay()
    assert asking.pace() == 5
    page = asking.inquiries.results(asking.caller, told.number)
    assert {each.state for each in page.results} == {InquiryState.SENT}
    sent = asking.wire.place.ask_of(
        asking.tenant, "select i.place from {0}.inquiry i join {0}.outbox o on o.conv = i.id order by o.id"
    )
    assert [row[0] for row in sent] == list(range(1, 46))


def test_c43_a_counter_goes_past_the_lists_that_wait(asking: Asking) -> None:
    for _ in range(5):
        asking.bulk(30)
    assert asking.pace() == 20
    assert asking.window().state is InquiryState.SENT
    assert asking.queue()[-1] == ("window", "sent")
    assert [kind for kind, _ in asking.queue()].count("bulk") == 20


def test_c34_the_next_list_waits_until_the_one_before_is_complete(asking: Asking) -> None:
    first = asking.bulk(2)
    asking.later(seconds=1)
    second = asking.bulk(2)
    assert asking.pace() == 2
    asking.relay()
    assert asking.pace() == 0
    for each in asking.inquiries.inquiries_of(asking.tenant, first.number):
        asking.result(each, "deferred", {"ExpectedOn": "2026-07-10"})
    assert asking.pace() == 2
    assert asking.inquiries.status(asking.tenant, second.number).counts == {InquiryState.SENT: 2}


def test_a_provider_that_is_silent_holds_nobody_up_for_ever(asking: Asking) -> None:
    asking.bulk(2)
    asking.bulk(2)
    assert asking.pace() == 2
    asking.later(minutes=19)
    assert asking.pace() == 0
    asking.later(minutes=1)
    assert asking.pace() == 2


def test_a_full_hour_lets_counters_wait_in_their_order_and_go_when_room_comes(asking: Asking) -> None:
    fill_the_hour(asking, window=9_089)
    assert asking.window(1).state is InquiryState.SENT
    waiting = [asking.window(person) for person in (2, 3)]
    assert [each.state for each in waiting] == [InquiryState.QUEUED] * 2
    assert asking.pace() == 0
    asking.later(minutes=31)
    assert asking.window(4).state is InquiryState.QUEUED, "it does not go past those that wait"
    assert asking.pace() == 3
    assert [asking.inquiry(each.serial).state for each in waiting] == [InquiryState.SENT] * 2


def test_a_list_stops_below_the_line_of_overload_and_goes_on_when_the_hour_has_moved(asking: Asking) -> None:
    fill_the_hour(asking, bulk=3_989)
    asking.bulk(15)
    assert asking.pace() == 10
    asking.relay()
    assert asking.pace() == 0
    asking.later(minutes=31)
    assert asking.pace() == 5


def test_after_however_short_an_outage_lists_begin_at_each_organisation_s_own_time(asking: Asking) -> None:
    asking.bulk(50)
    opens = asking.now + timedelta(seconds=1)
    own = opens + timedelta(seconds=asking.tenant.int % 901)
    asking.hours.outage = (asking.now, opens)
    for seconds in (1, 30, 400, 850):
        asking.wire.clock.advance(opens + timedelta(seconds=seconds - 1) - asking.now)
        left = asking.inquiries.pace(asking.tenant, now=asking.now, actor="system:test", request="test")
        if asking.now >= own:
            break
        assert (left.count, left.again_at) == (0, own)
    else:
        asking.wire.clock.advance(own - asking.now)
        left = asking.inquiries.pace(asking.tenant, now=asking.now, actor="system:test", request="test")
    assert left.count == 20


def test_the_end_that_is_foretold_after_an_opening_knows_that_lists_begin_later(asking: Asking) -> None:
    opens = asking.now
    own = opens + timedelta(seconds=asking.tenant.int % 901)
    asking.hours.opened_at, asking.hours.closes = opens, own + timedelta(minutes=18)
    with pytest.raises(NotBeforeClose):
        asking.bulk(900)
    asking.hours.closes += timedelta(seconds=1)
    told = asking.bulk(900)
    assert (told.best, told.worst) == (own + timedelta(minutes=13, seconds=30), own + timedelta(minutes=18))


def test_nothing_leaves_while_the_service_is_closed(asking: Asking) -> None:
    asking.bulk(5)
    opening = asking.now + timedelta(hours=11)
    asking.hours.state = Closed(Reason.OUTAGE, opening)
    left = asking.inquiries.pace(asking.tenant, now=asking.now, actor="system:test", request="test")
    assert (left.count, left.again_at) == (0, opening)


def test_whose_code_is_gone_is_refused_and_the_others_leave(asking: Asking) -> None:
    told = asking.bulk(3)
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        person = asking.inquiry(told.serials[1]).person
        connection.execute(text("update linkage_code set ended_at = now() where person = :person"), {"person": person})
    assert asking.pace() == 2
    gone = asking.inquiry(told.serials[1])
    assert (gone.state, gone.reason) == (InquiryState.REFUSED, "code_missing")
    assert asking.events(gone.serial) == ["refuse"]


def test_who_waits_for_nothing_is_not_looked_at_again(asking: Asking) -> None:
    left = asking.inquiries.pace(asking.tenant, now=asking.now, actor="system:test", request="test")
    assert (left.count, left.again_at) == (0, None)


@pytest.mark.parametrize("break_at", ["outbox", "inquiry_event", "provision_record"])
def test_what_leaves_leaves_whole_or_not_at_all(asking: Asking, break_at: str) -> None:
    """A failure at any point of the transaction leaves queue, outbox, counts and records as they were."""
    told = asking.bulk(3)
    schema = str(asking.wire.place.ask("select schema from platform.tenant where id = %s", asking.tenant)[0][0])
    ask = asking.wire.place.ask
    ask(
        f"create function {schema}.broken() returns trigger language plpgsql as"
        " $$ begin raise exception 'a fault of ours'; end $$"
    )
    ask(f"create trigger broken before insert on {schema}.{break_at} for each row execute function {schema}.broken()")
    with pytest.raises(Exception, match="a fault of ours"):
        asking.pace()
    ask(f"drop trigger broken on {schema}.{break_at}")
    assert asking.inquiries.status(asking.tenant, told.number).counts == {InquiryState.QUEUED: 3}
    assert asking.queue() == []
    for table in ("inquiry_pace", "provision_record"):
        assert asking.wire.place.ask_of(asking.tenant, f"select count(*) from {{}}.{table}") == [(0,)]  # noqa: S608 - as above
    assert asking.pace() == 3
    assert len(asking.queue()) == 3


def test_two_workers_let_nobody_leave_twice(asking: Asking) -> None:
    told = asking.bulk(40)
    results: list[int] = []
    workers = [threading.Thread(target=lambda: results.append(asking.pace())) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sum(results) == 20
    assert len(asking.queue()) == 20
    assert asking.inquiries.status(asking.tenant, told.number).counts[InquiryState.SENT] == 20


def test_a_counter_does_not_wait_while_a_list_is_being_stored(asking: Asking) -> None:
    """Another process is in the middle of registering a list: its transaction is open and has stored rows."""
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        store.lock_lists(connection)
        connection.execute(
            text(
                "insert into inquiry_reception (number, kind, count, department, actor, registered_at)"
                " values ('0', 'bulk', 1, '', 'system:test', now())"
            )
        )
        started = monotonic()
        assert asking.window().state is InquiryState.SENT
        assert monotonic() - started < 5


def test_two_lists_are_registered_one_after_the_other(asking: Asking) -> None:
    """Each sees what the other one takes of the day: together they do not pass the close."""
    asking.hours.closes = asking.now + timedelta(minutes=25)
    results: list[str] = []

    def register() -> None:
        try:
            asking.bulk(1_000)
            results.append("taken")
        except NotBeforeClose:
            results.append("refused")

    workers = [threading.Thread(target=register) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sorted(results) == ["refused", "refused", "taken"]
