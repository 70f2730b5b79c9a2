"""What staff decide, what the network says afterwards, and what is found after an error."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from chukan.tenants.middleserver.duplicate_copies.rules import Target
from chukan.tenants.middleserver.provision_records.rules import Result
from chukan.tenants.middleserver.provisions.bars import MOST_REASON
from chukan.tenants.middleserver.provisions.decisions import Defer, Provide, ProvideRecords, Refuse
from chukan.tenants.middleserver.provisions.documents import Given
from chukan.tenants.middleserver.provisions.errors import (
    BarReasonNeeded,
    BarUnknown,
    ExpectedDayWrong,
    NothingToProvide,
    ProvisionNotAllowed,
    ProvisionNotWaiting,
    ProvisionUnknown,
    ScopeWrong,
    TemporaryInputRefused,
)
from chukan.tenants.middleserver.provisions.rules import Cause, Event, Reason, State
from chukan.tenants.middleserver.security.masters.rules import RevisionKind
from support.copies import INFORMATION, RIGHT_ITEMS, layout, right_row
from support.provisions import INQUIRER, Provider, number, scope

RECORD = Given(
    dataset="0101",
    version=4,
    key="2019",
    parent="",
    published_from=date(2019, 6, 17),
    published_to=None,
    region="210",
    items=tuple((code, values[0]) for code, values in RIGHT_ITEMS.items()),
)


@pytest.fixture
def barred(provider: Provider) -> str:
    """A request about the protected person 1, whose copy is registered; its deferral has left."""
    provider.link(1)
    provider.register([right_row(1)])
    provider.provisions.bar(provider.caller, [scope(person=1)], "protected", now=provider.now)
    serial, _ = provider.ask(1)
    assert provider.answer()["Result"] == "deferred"
    return serial


@pytest.fixture
def unregistered(provider: Provider) -> str:
    """A request about the person 1, of whom nothing is registered."""
    provider.link(1)
    serial, _ = provider.ask(1)
    provider.relay()
    return serial


def test_staff_see_what_waits_with_its_person_and_that_they_looked_is_recorded(provider: Provider, barred: str) -> None:
    (waiting,) = provider.provisions.pending(provider.caller)
    assert (waiting.serial, waiting.inquirer, waiting.inquirer_name) == (barred, INQUIRER, "架空市")
    assert (waiting.address, waiting.information, waiting.cause) == (number(1), INFORMATION, Cause.BARRED_PERSON)
    assert waiting.expected_on == date(2026, 7, 6)
    trail = provider.wire.place.ask("select body from platform.audit_entry order by seq desc")
    assert any("provisions:provision:list" in str(body) for (body,) in trail)


def test_staff_provide_what_is_registered_although_it_is_barred(provider: Provider, barred: str) -> None:
    provider.provisions.decide(provider.caller, barred, Provide(), now=provider.now)
    answer = provider.answer()
    assert answer["Result"] == "provided"
    assert provider.given(answer["EncryptedAnswer"])[0]["YEAR"] == ["2019"]
    assert provider.record(barred).result is Result.PROVIDED
    happened = provider.provisions.staff.history(provider.tenant, barred)
    assert [(each.event, each.cause) for each in happened] == [
        (Event.DEFER, Cause.BARRED_PERSON),
        (Event.ANSWER, None),
    ]
    assert happened[1].actor == "operator:test"
    with pytest.raises(ProvisionNotWaiting):
        provider.provisions.decide(provider.caller, barred, Provide(), now=provider.now)


def test_staff_tell_when_and_refuse_later(provider: Provider, barred: str) -> None:
    last = date(2026, 7, 31)
    provider.provisions.decide(provider.caller, barred, Defer(last, "照会内容を確認中"), now=provider.now)
    answer = provider.answer()
    assert (answer["Result"], answer["ExpectedOn"], answer["Explanation"]) == (
        "deferred",
        "2026-07-31",
        "照会内容を確認中",
    )
    assert provider.stored(barred).cause is Cause.BARRED_PERSON, "why it waits stays known"
    refusal = Refuse(Reason.STAFF_DECISION, internal="支援措置対象者")
    provider.provisions.decide(provider.caller, barred, refusal, now=provider.now)
    answer = provider.answer()
    assert (answer["Result"], answer["Reason"]) == ("refused", "staff_decision")
    assert "Explanation" not in answer
    assert (provider.record(barred).result, provider.record(barred).answered_at) == (Result.REFUSED, provider.now)
    assert provider.provisions.staff.history(provider.tenant, barred)[-1].reason == "支援措置対象者"


@pytest.mark.parametrize("day", [date(2026, 6, 30), date(2026, 8, 1)])
def test_an_expected_day_lies_within_the_term(provider: Provider, barred: str, day: date) -> None:
    with pytest.raises(ExpectedDayWrong):
        provider.provisions.decide(provider.caller, barred, Defer(day), now=provider.now)


def test_an_explanation_is_short(provider: Provider, barred: str) -> None:
    with pytest.raises(BarReasonNeeded):
        provider.provisions.decide(
            provider.caller, barred, Refuse(Reason.OTHER, "x" * (MOST_REASON + 1)), now=provider.now
        )
    assert provider.relay() == []


def test_a_serial_that_nobody_asked_under_is_unknown(provider: Provider, barred: str) -> None:
    with pytest.raises(ProvisionUnknown):
        provider.provisions.decide(provider.caller, "0" * 20, Provide(), now=provider.now)
    with pytest.raises(ProvisionUnknown):
        provider.provisions.decide(provider.caller, barred, Provide(), now=provider.now, inquirer="1" * 16)


def test_what_was_registered_meanwhile_is_provided(provider: Provider, unregistered: str) -> None:
    with pytest.raises(NothingToProvide):
        provider.provisions.decide(provider.caller, unregistered, Provide(), now=provider.now)
    provider.register([right_row(1)])
    provider.provisions.decide(provider.caller, unregistered, Provide(), now=provider.now)
    assert provider.answer()["Result"] == "provided"


# -- temporary input ---------------------------------------------------------------------------------


def test_temporary_input_is_provided_like_a_copy(provider: Provider, unregistered: str) -> None:
    provider.provisions.decide(provider.caller, unregistered, ProvideRecords([RECORD]), now=provider.now)
    (items,) = provider.given(provider.answer()["EncryptedAnswer"])
    assert items["INCOME"] == ["-1234567890123"]
    assert provider.stored(unregistered).provided == ("0101/4/1",)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [replace(RECORD, version=3, dataset="0102")],
        [replace(RECORD, items=())],
        [replace(RECORD, items=tuple(item for item in RECORD.items if item[0] != "YEAR"))],
        [replace(RECORD, items=(*RECORD.items, ("UNKNOWN", "1")))],
        [replace(RECORD, items=tuple((code, "19") if code == "YEAR" else (code, told) for code, told in RECORD.items))],
        [RECORD, RECORD],
        [replace(RECORD, published_to=date(2019, 6, 16))],
    ],
    ids=["none", "dataset", "empty", "required", "unknown", "length", "twice", "period"],
)
def test_temporary_input_follows_the_layout_or_nothing_leaves(
    provider: Provider, unregistered: str, records: list[Given]
) -> None:
    with pytest.raises(TemporaryInputRefused):
        provider.provisions.decide(provider.caller, unregistered, ProvideRecords(records), now=provider.now)
    assert provider.relay() == []
    assert provider.stored(unregistered).state is State.DEFERRED


@pytest.mark.parametrize("decision", [Provide(), ProvideRecords([RECORD])], ids=["copies", "temporary"])
def test_over_a_retroactive_revision_nothing_is_provided_any_more(
    provider: Provider, barred: str, decision: Provide | ProvideRecords
) -> None:
    tomorrow = provider.now + timedelta(days=1)
    revised = layout(5, linked_from=date(2026, 7, 2), revisions=frozenset({RevisionKind.MAJOR_RETROACTIVE}))
    provider.masters.known = (*provider.masters.known, revised)
    with pytest.raises(ProvisionNotAllowed):
        provider.provisions.decide(provider.caller, barred, decision, now=tomorrow)
    provider.provisions.decide(provider.caller, barred, Refuse(Reason.LAYOUT_CHANGED), now=tomorrow)
    assert provider.stored(barred).state is State.REFUSED


def test_the_last_moment_of_the_term_is_in_time_and_the_next_is_not(provider: Provider, barred: str) -> None:
    ends = provider.stored(barred).valid_until
    for decision in (Provide(), Refuse(Reason.OTHER)):
        with pytest.raises(ProvisionNotAllowed):
            provider.provisions.decide(provider.caller, barred, decision, now=ends)
    provider.provisions.decide(provider.caller, barred, Refuse(Reason.OTHER), now=ends - timedelta(seconds=1))
    assert provider.stored(barred).state is State.REFUSED


# -- the network's word ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "state"), [("cancelled", State.CANCELLED), ("expired", State.EXPIRED)])
def test_what_is_over_waits_no_more(provider: Provider, barred: str, kind: str, state: State) -> None:
    at = provider.now + timedelta(hours=1)
    assert provider.end(barred, kind, at)["Result"] == "accepted"
    stored = provider.stored(barred)
    assert (stored.state, stored.answered_at, stored.request) == (state, at, None)
    assert (provider.record(barred).result.value, provider.record(barred).answered_at) == (kind, at)
    with pytest.raises(ProvisionNotWaiting):
        provider.provisions.decide(provider.caller, barred, Provide(), now=provider.now)
    assert provider.end(barred, kind, at, seq=3)["Reason"] == "closed"


def test_a_cancellation_that_crossed_the_answer_is_right_for_the_record(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1)
    at = provider.now
    assert provider.end(serial, "cancelled", at)["Result"] == "accepted"
    assert provider.record(serial).result is Result.CANCELLED
    assert provider.stored(serial).provided == ()
    today = date(2026, 7, 1)
    assert provider.provisions.erroneous(provider.caller, INFORMATION, today, today) == [], "nobody received it"
    # The answer leaves all the same; whatever its receipt says changes nothing any more.
    provider.network.refuse = "closed"
    provider.relay()
    assert provider.stored(serial).state is State.CANCELLED


def test_the_end_of_another_request_is_refused(provider: Provider, barred: str) -> None:
    right = provider.permits[barred]
    provider.permits[barred] = uuid4()
    assert provider.end(barred, "cancelled", provider.now)["Reason"] == "content"
    provider.permits[barred], provider.convs[barred] = right, uuid4()
    assert provider.end(barred, "cancelled", provider.now, seq=1)["Reason"] == "content", "in another conversation"
    assert provider.stored(barred).state is State.DEFERRED


def test_an_answer_that_the_network_does_not_take_goes_back_to_staff(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1)
    provider.network.refuse = "content"
    provider.relay()
    stored = provider.stored(serial)
    assert (stored.state, stored.cause, stored.answered_at) == (State.DEFERRED, Cause.ANSWER_REJECTED, None)
    assert provider.record(serial).result is Result.DEFERRED
    provider.provisions.decide(provider.caller, serial, Provide(), now=provider.now)
    assert provider.answer()["Result"] == "provided"
    assert provider.record(serial).result is Result.PROVIDED


# -- restrictions and errors -------------------------------------------------------------------------


def test_one_act_restricts_a_scope_and_its_lifting_answers_what_waited(provider: Provider) -> None:
    provider.link(1, 2, 3)
    provider.register([right_row(1), right_row(2)])
    act = provider.provisions.bars.restrict(
        provider.caller, [scope(INFORMATION), scope("TM00000000000016")], "誤登録", now=provider.now
    )
    one, two, three = (provider.ask(person)[0] for person in (1, 2, 3))
    assert [found.findtext("Result") for found in provider.relay()] == ["deferred"] * 3
    assert provider.stored(one).cause is Cause.RESTRICTED
    provider.provisions.bar(provider.caller, [scope(person=2)], "protected", now=provider.now)
    assert provider.provisions.bars.lift_restriction(provider.caller, act, now=provider.now) == 2
    assert provider.wire.place.ask("select count(*) from platform.due where kind = 'provision-again'") == [(1,)]
    assert provider.provisions.staff.again(provider.caller, now=provider.now) == 1
    (answer,) = provider.relay()
    assert (answer.findtext("Result"), answer.findtext("ProcessingSerial")) == ("provided", one)
    assert provider.stored(two).cause is Cause.BARRED_PERSON
    assert provider.stored(three).cause is Cause.NO_RECORD
    with pytest.raises(BarUnknown):
        provider.provisions.bars.lift_restriction(provider.caller, act, now=provider.now)


def test_two_restrictions_of_one_scope_are_lifted_one_by_one(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    acts: list[UUID] = [
        provider.provisions.bars.restrict(provider.caller, [scope(INFORMATION)], "誤登録", now=provider.now)
        for _ in range(2)
    ]
    for act, expected in zip(acts, ("deferred", "provided"), strict=True):
        provider.provisions.bars.lift_restriction(provider.caller, act, now=provider.now)
        provider.ask(1)
        assert provider.answer()["Result"] == expected


def test_a_department_lifts_only_its_own_bars_and_setting_twice_sets_once(provider: Provider) -> None:
    other = replace(provider.caller, department="9999999999")
    held = [scope(INFORMATION, person=1)]
    assert provider.provisions.bar(provider.caller, held * 2, "protected", now=provider.now) == 1
    assert provider.provisions.bar(provider.caller, held, "protected", now=provider.now) == 0
    with pytest.raises(BarUnknown):
        provider.provisions.lift(other, held, now=provider.now)
    assert provider.provisions.bar(other, held, "protected", now=provider.now) == 1
    assert provider.provisions.lift(provider.caller, held, now=provider.now) == 1
    (left,) = provider.provisions.bars.in_force(provider.tenant)
    assert (left.department, left.scope) == ("9999999999", held[0])


def test_a_bar_needs_a_reason_and_a_dataset_its_information(provider: Provider) -> None:
    for reason in ("", "x" * (MOST_REASON + 1)):
        with pytest.raises(BarReasonNeeded):
            provider.provisions.bar(provider.caller, [scope(person=1)], reason, now=provider.now)
    with pytest.raises(ScopeWrong):
        scope(dataset="0101")


def test_after_an_error_it_is_found_who_was_given_what(provider: Provider) -> None:
    provider.link(1, 2)
    provider.register([right_row(1), right_row(2)])
    serials = {person: provider.ask(person)[0] for person in (1, 2)}
    day = date(2026, 7, 1)
    found = provider.provisions.erroneous(provider.caller, INFORMATION, day, day)
    assert {(each.serial, each.address) for each in found} == {(serials[one], number(one)) for one in (1, 2)}
    assert found[0].given == [("0101", 4, 1)]
    search = provider.provisions.erroneous
    assert [each.serial for each in search(provider.caller, INFORMATION, day, day, address=number(2))] == [serials[2]]
    assert len(search(provider.caller, INFORMATION, day, day, dataset="0101")) == 2  # type: ignore[arg-type]
    assert search(provider.caller, INFORMATION, day, day, dataset="0102") == []  # type: ignore[arg-type]
    assert search(provider.caller, "TM00000000000016", day, day) == []  # type: ignore[arg-type]
    assert search(provider.caller, INFORMATION, date(2026, 6, 1), date(2026, 6, 30)) == []


def test_those_below_learn_who_received_and_what_waits(provider: Provider) -> None:
    provider.link(1, 2)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1)
    provider.ask(2)
    link = provider.stored(serial).link
    assert link is not None
    begun = provider.now - timedelta(days=1)
    (received,) = provider.provisions.received(provider.tenant, link, begun, None) or ()
    assert (received.institution, received.information, received.at) == (INQUIRER, INFORMATION, provider.now)
    assert provider.provisions.received(provider.tenant, link, begun, begun) == []
    today = date(2026, 7, 1)
    assert provider.provisions.days(provider.tenant, Target(INFORMATION, version=4), today) == [today]


def test_what_is_settled_ends_its_conversation_later(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1)
    tidy = provider.provisions.tidy
    late, old = provider.now + timedelta(days=1), provider.now - timedelta(days=1)
    assert tidy(provider.tenant, settled_before=late, asked_before=old) == 0, "its answer has not left"
    provider.relay()
    assert tidy(provider.tenant, settled_before=provider.now, asked_before=old) == 0
    assert tidy(provider.tenant, settled_before=late, asked_before=old) == 1
    assert provider.end(serial, "cancelled", provider.now)["Reason"] == "closed"
    assert tidy(provider.tenant, settled_before=late, asked_before=late) == 0
    assert provider.count("provision") == 0
