"""What waited while something was wrong, and is answered after it was put right: restrictions, links, clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import event

from chukan.platform.clock import TOKYO
from chukan.tenants.middleserver.formats.errors import IndividualNumberSuspected
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.linkage_codes.acquisition import Caller as CodeCaller
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.service import ApprovedAct, LinkageCodes
from chukan.tenants.middleserver.linkage_codes.store import request_of
from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.decisions import Defer, Provide, ProvideRecords, Refuse
from chukan.tenants.middleserver.provisions.errors import NothingToProvide, ProvisionPersonChanged
from chukan.tenants.middleserver.provisions.rules import Cause, Reason, State
from chukan.tenants.middleserver.security.masters.rules import RevisionKind
from middleserver.provisions.test_staff import RECORD
from support.copies import INFORMATION, layout, right_row
from support.provisions import Provider, number, scope

#: Twelve digits that pass the check of an Individual Number, of nobody.
LIKE_A_NUMBER = "照会 123456789018 の件"


@pytest.fixture
def lifted(provider: Provider) -> Callable[..., list[str]]:
    """Restrict, let persons be asked about, lift again: their serials."""

    def after(*people: int, meanwhile: Callable[[], object] = lambda: None, **asked: object) -> list[str]:
        act = provider.provisions.bars.restrict(provider.caller, [scope()], "誤登録", now=provider.now)
        serials = [provider.ask(person, **asked)[0] for person in people]  # type: ignore[arg-type]
        assert [found.findtext("Result") for found in provider.relay()] == ["deferred"] * len(people)
        meanwhile()
        provider.provisions.bars.lift_restriction(provider.caller, act, now=provider.now)
        return serials

    return after


def again(provider: Provider) -> int:
    return provider.provisions.staff.again(provider.caller, now=provider.now)


def test_however_many_waited_for_a_restriction_all_are_looked_at(
    provider: Provider, lifted: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = range(1, 8)
    provider.link(*people)
    provider.register([right_row(person) for person in people if person % 3])
    lifted(*people)
    monkeypatch.setattr(store, "waiting", partial(store.waiting, limit=2))
    assert again(provider) == 5
    assert len(provider.relay()) == 5


def test_one_that_cannot_be_answered_keeps_no_other_one_waiting(
    provider: Provider, lifted: Callable[..., list[str]]
) -> None:
    provider.link(1, 2)
    provider.register([right_row(1)])
    spoil = "update {}.duplicate_copy set published_to = '2030-01-01'"
    broken, right = lifted(1, 2, meanwhile=lambda: provider.wire.place.ask_of(provider.tenant, spoil))
    provider.register([right_row(2)])
    assert again(provider) == 1
    assert provider.stored(broken).cause is Cause.FAULT
    assert provider.stored(right).state is State.PROVIDED


def test_what_the_masters_here_do_not_allow_is_not_answered_after_a_restriction_either(
    provider: Provider, lifted: Callable[..., list[str]]
) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    provider.masters.forbidden = frozenset({INFORMATION})
    (serial,) = lifted(1)
    assert again(provider) == 0
    assert (provider.stored(serial).cause, provider.relay()) == (Cause.NOT_PERMITTED, [])


def test_a_retroactive_revision_in_between_is_told_as_it_would_have_been(
    provider: Provider, lifted: Callable[..., list[str]]
) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    revised = layout(5, linked_from=date(2026, 7, 1), revisions=frozenset({RevisionKind.MAJOR_RETROACTIVE}))
    lifted(1, requested_at=provider.now - timedelta(days=1))
    provider.masters.known = (*provider.masters.known, revised)
    assert again(provider) == 0
    answer = provider.answer()
    assert (answer["Result"], answer["Reason"]) == ("refused", "layout_changed")


def test_thousands_are_restricted_and_released_in_one_act_and_a_few_statements(
    provider: Provider,
) -> None:
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    scopes = [scope(person=person) for person in range(1, 2001)]
    engine = provider.wire.place.sessions.engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        act = provider.provisions.bars.restrict(provider.caller, scopes, "誤登録", now=provider.now)
        assert provider.provisions.bars.lift_restriction(provider.caller, act, now=provider.now) == 2000
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert 0 < sum("provision_bar" in statement for statement in statements) < 20


# -- a link that was wrong ---------------------------------------------------------------------------


@pytest.fixture
def swap(provider: Provider) -> Callable[[], None]:
    """Persons 1 and 2 have codes that turn out to be each other's; whoever calls puts it right."""
    place = provider.wire.place
    caller = CodeCaller(provider.tenant, "operator:test", "test")
    asked = Acquisition(place.sessions, place.vault).request(
        caller, provider.organisation.institution, [number(1), number(2)], now=provider.now
    )
    with place.sessions.connection(provider.tenant) as connection:
        for person in (1, 2):
            request = request_of(connection, asked.serials[number(person)])
            assert request is not None
            provider.link(person, request=request.id)
    # The network of these tests takes answers alone.
    place.ask_of(provider.tenant, "delete from {}.outbox")
    provider.register([right_row(person, items={**right_row(1).items, "NOTE": [f"{person}"]}) for person in (1, 2)])

    def swapped() -> None:
        codes = LinkageCodes(place.sessions, place.vault, NotRecordedYet())
        wrong = [codes.history(caller, asked.serials[number(person)]).links[0].link for person in (1, 2)]
        codes.swap(ApprovedAct(caller, "the numbers of a couple were swapped", uuid4(), provider.now), *wrong)

    return swapped


def noted(provider: Provider) -> list[str]:
    (items,) = provider.given(provider.answer()["EncryptedAnswer"])
    return items["NOTE"]


def test_after_a_wrong_link_was_put_right_what_waited_is_answered_about_the_right_person(
    provider: Provider, lifted: Callable[..., list[str]], swap: Callable[[], None]
) -> None:
    lifted(1, meanwhile=swap)
    assert again(provider) == 1
    assert noted(provider) == ["2"]
    today = date(2026, 7, 1)
    (given,) = provider.provisions.erroneous(provider.caller, INFORMATION, today, today)
    assert given.address == number(2)


def test_the_right_person_s_own_bar_holds(
    provider: Provider, lifted: Callable[..., list[str]], swap: Callable[[], None]
) -> None:
    provider.provisions.bar(provider.caller, [scope(person=2)], "protected", now=provider.now)
    (serial,) = lifted(1, meanwhile=swap)
    assert again(provider) == 0
    assert provider.stored(serial).cause is Cause.BARRED_PERSON


@pytest.mark.parametrize("decision", [Provide(), ProvideRecords([RECORD])], ids=["copies", "temporary"])
def test_staff_do_not_decide_about_whom_they_did_not_see(
    provider: Provider, swap: Callable[[], None], decision: Provide | ProvideRecords
) -> None:
    provider.provisions.bar(provider.caller, [scope(person=1), scope(person=2)], "protected", now=provider.now)
    serial, _ = provider.ask(1)
    provider.relay()
    swap()
    with pytest.raises(ProvisionPersonChanged):
        provider.provisions.decide(provider.caller, serial, decision, now=provider.now)
    (waiting,) = provider.provisions.pending(provider.caller)
    assert (waiting.address, waiting.cause) == (number(2), Cause.BARRED_PERSON)
    provider.provisions.decide(provider.caller, serial, decision, now=provider.now)
    assert provider.answer()["Result"] == "provided"


def test_a_code_that_nobody_has_any_more_names_nobody(provider: Provider) -> None:
    provider.link(1)
    serial, _ = provider.ask(1)
    provider.relay()
    provider.wire.place.ask_of(provider.tenant, "update {}.linkage_code set ended_at = now()")
    (waiting,) = provider.provisions.pending(provider.caller)
    assert waiting.address is None
    with pytest.raises(NothingToProvide):
        provider.provisions.decide(provider.caller, serial, Provide(), now=provider.now)
    provider.provisions.decide(provider.caller, serial, Refuse(Reason.NO_RECORD), now=provider.now)


# -- what is left out, clocks, and free text ---------------------------------------------------------


def test_excluded_items_are_left_out_of_temporary_input_too(provider: Provider) -> None:
    provider.link(1)
    serial, _ = provider.ask(1)
    provider.relay()
    provider.excluded = {("0101", "INCOME"), ("0102", "YEAR")}
    provider.provisions.decide(provider.caller, serial, ProvideRecords([RECORD]), now=provider.now)
    (items,) = provider.given(provider.answer()["EncryptedAnswer"])
    assert "INCOME" not in items
    assert items["YEAR"] == ["2019"]


@pytest.mark.parametrize(("ahead", "result"), [(5, "provided"), (6, "refused")])
def test_an_inquirer_s_clock_may_be_a_little_ahead_also_around_midnight(
    provider: Provider, ahead: int, result: str
) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    midnight = datetime(2026, 7, 2, tzinfo=TOKYO)
    provider.wire.clock.advance(midnight - timedelta(minutes=1) - provider.now)
    provider.ask(1, requested_at=provider.now + timedelta(minutes=ahead))
    assert provider.answer()["Result"] == result


def test_free_text_holds_no_individual_number(provider: Provider) -> None:
    provider.link(1)
    serial, _ = provider.ask(1)
    with pytest.raises(IndividualNumberSuspected):
        provider.provisions.bar(provider.caller, [scope(person=1)], LIKE_A_NUMBER, now=provider.now)
    for decision in (
        Defer(date(2026, 7, 6), LIKE_A_NUMBER),
        Refuse(Reason.OTHER, LIKE_A_NUMBER),
        Refuse(Reason.OTHER, internal=LIKE_A_NUMBER),
    ):
        with pytest.raises(IndividualNumberSuspected):
            provider.provisions.decide(provider.caller, serial, decision, now=provider.now)
    assert provider.stored(serial).state is State.DEFERRED
