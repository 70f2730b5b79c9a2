"""Delegations: each end declares, both are compared, and what is not agreed on is answered by nobody (A1-018)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.audit.actor import Actor
from chukan.tenants.registry.delegations.errors import DeclarationRefused, DeclarationUnknown, DelegationUnclear
from chukan.tenants.registry.delegations.rules import (
    Declaration,
    Disagreement,
    End,
    Extent,
    Finding,
    Pair,
    Party,
    Unclear,
    affair_code,
    answering,
    disagreements,
)
from chukan.tenants.registry.delegations.service import Delegations, Named
from chukan.tenants.registry.errors import OrganisationUnknown
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.service import Registry
from chukan.tenants.registry.unions import UnionApplication, add_union
from chukan.tenants.registry.values import Department, Kind
from registry.given import DAY, NOW, entries
from support.database import Database

CITY = Party(UUID(int=1), Department.EXECUTIVE)
BOARD = Party(UUID(int=1), Department.BOARD_OF_EDUCATION)
PREFECTURE = Party(UUID(int=2), Department.EXECUTIVE)
A, B = "JM01000000121000", "JM01000000122000"
ALWAYS = Span(date(2020, 4, 1))


def word(by: End, *affairs: str, delegator: Party = CITY, delegate: Party = BOARD, span: Span = ALWAYS) -> Declaration:
    extent = Extent.PARTIAL if affairs else Extent.FULL
    return Declaration(uuid4(), Pair(delegator, delegate), by, extent, frozenset(affairs), span)


@pytest.mark.parametrize(
    ("declared", "finding", "affairs"),
    [
        ([], None, ()),
        ([word(End.DELEGATOR), word(End.DELEGATE)], None, ()),
        ([word(End.DELEGATOR, A), word(End.DELEGATE, A)], None, ()),
        ([word(End.DELEGATOR, A)], Finding.NOT_ACCEPTED, (A,)),
        ([word(End.DELEGATE, A)], Finding.NOT_DELEGATED, (A,)),
        ([word(End.DELEGATOR), word(End.DELEGATE, A)], Finding.EXTENT_DIFFERS, (A,)),
        ([word(End.DELEGATOR, A), word(End.DELEGATE)], Finding.EXTENT_DIFFERS, (A,)),
        ([word(End.DELEGATOR, A, B), word(End.DELEGATE, A)], Finding.AFFAIRS_DIFFER, (B,)),
        ([word(End.DELEGATOR, A), word(End.DELEGATE, B)], Finding.AFFAIRS_DIFFER, (A, B)),
        ([word(End.DELEGATOR, span=Span(date(2020, 4, 1), DAY)), word(End.DELEGATE)], Finding.NOT_DELEGATED, ()),
        ([word(End.DELEGATOR, span=Span(DAY)), word(End.DELEGATE)], None, ()),
        ([word(End.DELEGATOR, span=Span(DAY + timedelta(days=1)))], None, ()),
    ],
)
def test_what_the_two_ends_do_not_agree_on_is_found(
    declared: Sequence[Declaration], finding: Finding | None, affairs: tuple[str, ...]
) -> None:
    expected = () if finding is None else (Disagreement(Pair(CITY, BOARD), finding, affairs),)
    assert disagreements(declared, DAY) == expected


@pytest.mark.parametrize(
    ("declared", "affair", "expected"),
    [
        ([], A, CITY),
        ([word(End.DELEGATOR), word(End.DELEGATE)], A, BOARD),
        ([word(End.DELEGATOR, A), word(End.DELEGATE, A)], A, BOARD),
        ([word(End.DELEGATOR, A), word(End.DELEGATE, A)], B, CITY),
        ([word(End.DELEGATOR), word(End.DELEGATE, A)], A, BOARD),
        ([word(End.DELEGATOR), word(End.DELEGATE, A)], B, Unclear.ONE_END),
        ([word(End.DELEGATOR)], A, Unclear.ONE_END),
        ([word(End.DELEGATE)], A, Unclear.ONE_END),
        ([word(End.DELEGATOR, delegator=PREFECTURE), word(End.DELEGATE, delegator=PREFECTURE)], A, CITY),
        (
            [word(end, delegate=other) for end in End for other in (BOARD, PREFECTURE)],
            A,
            Unclear.TWO_DELEGATES,
        ),
        (
            [word(End.DELEGATOR), word(End.DELEGATE), word(End.DELEGATE, A, delegate=PREFECTURE)],
            A,
            Unclear.ONE_END,
        ),
        ([word(End.DELEGATOR, span=Span(DAY + timedelta(days=1)))], A, CITY),
        ([word(end, span=Span(date(2020, 4, 1), DAY)) for end in End], A, CITY),
        ([word(end, span=Span(DAY)) for end in End], A, BOARD),
    ],
)
def test_an_affair_is_answered_by_whom_both_ends_say(
    declared: Sequence[Declaration], affair: str, expected: Party | Unclear
) -> None:
    assert answering(CITY, affair, declared, DAY) == expected


WORDS = st.builds(
    lambda by, affairs, delegate: word(by, *affairs, delegate=delegate),
    st.sampled_from(End),
    st.sets(st.sampled_from([A, B])),
    st.sampled_from([BOARD, PREFECTURE]),
)


@given(st.lists(WORDS, max_size=5))
def test_nobody_answers_whom_only_one_end_names(declared: list[Declaration]) -> None:
    found = answering(CITY, A, declared, DAY)
    ends = {
        party: {each.by for each in declared if each.pair.delegate == party and each.covers(A, DAY)}
        for party in (BOARD, PREFECTURE)
    }
    if found == CITY:
        assert not any(ends.values())
    elif isinstance(found, Party):
        assert ends[found] == set(End)
        assert sum(map(bool, ends.values())) == 1


@pytest.mark.parametrize("written", [A, "".join(chr(ord(sign) + 0xFEE0) for sign in A), f" {A.lower()} "])
def test_a_code_of_an_affair_is_read_as_documents_print_it(written: str) -> None:
    assert affair_code(written) == A


@pytest.mark.parametrize("written", ["", "JM0100000012100", "JT01000000121000", f"{A}0", "01000000121000"])
def test_what_is_no_code_of_an_affair_is_refused(written: str) -> None:
    with pytest.raises(DeclarationRefused):
        affair_code(written)


SAPPORO: Named = ("011002", Department.EXECUTIVE)
SCHOOLS: Named = ("011002", Department.BOARD_OF_EDUCATION)
HOKKAIDO: Named = ("010006", Department.EXECUTIVE)


@pytest.fixture
def register(few: Registry, actor: Actor) -> Delegations:  # noqa: ARG001 - the organisations are there
    return Delegations(actor)


def declare(register: Delegations, by: End, *affairs: str, **other: Any) -> Declaration:
    told: dict[str, Any] = {"delegator": SAPPORO, "delegate": SCHOOLS, "span": Span(date(2026, 4, 1)), **other}
    extent = Extent.PARTIAL if affairs else Extent.FULL
    return register.declare(by=by, extent=told.pop("extent", extent), affairs=affairs, now=NOW, **told)


def test_a_board_answers_once_both_ends_have_declared_the_same(
    register: Delegations, few: Registry, database: Database
) -> None:
    sapporo = few.get("011002", DAY).id
    assert register.answering(SAPPORO, A, DAY) == Party(sapporo, Department.EXECUTIVE)
    declare(register, End.DELEGATOR, A)
    with pytest.raises(DelegationUnclear):
        register.answering(SAPPORO, A, DAY)
    assert [each.finding for each in register.disagreements(DAY)] == [Finding.NOT_ACCEPTED]
    declare(register, End.DELEGATE, A)
    assert register.disagreements(DAY) == ()
    assert register.answering(SAPPORO, A, DAY) == Party(sapporo, Department.BOARD_OF_EDUCATION)
    assert register.answering(SAPPORO, A, date(2026, 3, 31)) == Party(sapporo, Department.EXECUTIVE)
    assert register.answering(SAPPORO, B, DAY) == Party(sapporo, Department.EXECUTIVE)
    act = entries(database)[-1]
    assert (act["action"], act["detail"]["affairs"]) == ("registry:delegation:declare", [A])


def test_full_instead_of_some_and_a_forgotten_acceptance_are_both_found(register: Delegations) -> None:
    declare(register, End.DELEGATOR)
    declare(register, End.DELEGATE, A)
    declare(register, End.DELEGATOR, A, delegate=HOKKAIDO)
    found = [each.finding for each in register.disagreements(DAY)]
    assert found == [Finding.EXTENT_DIFFERS, Finding.NOT_ACCEPTED]


def test_a_declaration_that_ends_may_be_followed_by_another(register: Delegations, few: Registry) -> None:
    first = declare(register, End.DELEGATOR)
    with pytest.raises(DeclarationRefused):
        declare(register, End.DELEGATOR, A, span=Span(DAY))
    register.end(first.id, until=DAY)
    with pytest.raises(DeclarationUnknown):
        register.end(first.id, until=DAY)
    with pytest.raises(DeclarationUnknown):
        register.end(uuid4(), until=DAY)
    second = declare(register, End.DELEGATOR, A, span=Span(DAY))
    listed = register.declarations(few.get("011002", DAY).id)
    assert [(each.id, each.span.until) for each in listed] == [(first.id, DAY), (second.id, None)]
    assert register.declarations(few.get("012025", DAY).id) == []


@pytest.mark.parametrize(
    "other",
    [
        {"delegate": SAPPORO},
        {"extent": Extent.PARTIAL},
        {"span": Span(DAY, DAY)},
        {"span": Span(DAY, date(2026, 4, 1))},
    ],
)
def test_a_declaration_that_says_nothing_is_refused(register: Delegations, other: dict[str, Any]) -> None:
    with pytest.raises(DeclarationRefused):
        declare(register, End.DELEGATOR, **other)
    assert register.declarations() == []


def test_an_end_is_a_department_that_there_is(register: Delegations, actor: Actor) -> None:
    union = add_union(
        actor,
        UnionApplication("架空組合", "かくうくみあい", Kind.WIDE_AREA_UNION, "01", ("011002", "012025")),
        now=NOW,
    )
    with pytest.raises(DeclarationRefused):
        declare(register, End.DELEGATOR, delegate=(union.reference, Department.BOARD_OF_EDUCATION))
    with pytest.raises(OrganisationUnknown):
        declare(register, End.DELEGATOR, delegate=("011011", Department.EXECUTIVE))
    with pytest.raises(DeclarationRefused):
        declare(register, End.DELEGATOR, "nonsense")
    assert declare(register, End.DELEGATOR, A, delegate=(union.reference, Department.EXECUTIVE)).affairs == {A}
