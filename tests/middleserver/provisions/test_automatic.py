"""Automatic replies: answered from the copies, held back by bars, refused by rules, each recorded."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chukan.tenants.middleserver.formats.errors import DocumentTooLarge
from chukan.tenants.middleserver.formats.messages import MessageMode
from chukan.tenants.middleserver.provision_records.rules import Fact, Result, Side
from chukan.tenants.middleserver.provisions import answering
from chukan.tenants.middleserver.provisions.decisions import Provide
from chukan.tenants.middleserver.provisions.rules import Cause, State
from chukan.tenants.middleserver.security.masters.rules import RevisionKind
from support.copies import INFORMATION, Row, deletion, layout, right_row
from support.provisions import AFFAIR, INQUIRER, PROCEDURE, Permitted, Provider, code_of, scope

#: A person of its own for every example.
_PEOPLE = count(1000)


def test_a_request_is_answered_by_itself_and_only_the_inquirer_can_read_it(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1), right_row(2)])
    serial, receipt = provider.ask(1)
    assert receipt["Result"] == "accepted"
    answer = provider.answer()
    assert (answer["Result"], answer["ProcessingSerial"]) == ("provided", serial)
    assert answer["PermitID"] == str(provider.permits[serial])
    (items,) = provider.given(answer["EncryptedAnswer"])
    assert items["YEAR"] == ["2019"]
    assert items["INCOME"] == ["-1234567890123"]
    stored = provider.stored(serial)
    assert (stored.state, stored.provided, stored.request) == (State.PROVIDED, ("0101/4/1",), None)


def test_what_was_asked_and_answered_is_recorded_to_the_second(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1, requested_at=provider.now - timedelta(minutes=3), non_disclosure=True)
    assert provider.record(serial) == Fact(
        side=Side.PROVIDER,
        inquirer=INQUIRER,
        serial=serial,
        provider=provider.organisation.institution,
        affair=AFFAIR,
        procedure=PROCEDURE,
        information=INFORMATION,
        requested_at=provider.now - timedelta(minutes=3),
        answered_at=provider.now,
        result=Result.PROVIDED,
        non_disclosure=True,
    )


def test_excluded_items_are_left_out(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    provider.excluded = {("0101", "INCOME"), ("0102", "YEAR")}
    provider.ask(1)
    (items,) = provider.given(provider.answer()["EncryptedAnswer"])
    assert "INCOME" not in items
    assert items["YEAR"] == ["2019"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([], "nothing is registered"), ([right_row(1), deletion(1)], "it was deleted")],
    ids=["none", "deleted"],
)
def test_without_a_copy_staff_decide_and_the_inquirer_is_told_when(
    provider: Provider, rows: list[Row], reason: str
) -> None:
    provider.link(1)
    for row in rows:
        provider.register([row])
    serial, _ = provider.ask(1)
    answer = provider.answer()
    assert (answer["Result"], answer["Reason"]) == ("deferred", "staff_decision"), reason
    # Wednesday 2026-07-01: the third business day after is Monday.
    assert answer["ExpectedOn"] == "2026-07-06"
    assert "ProvidedAt" not in answer
    assert (provider.stored(serial).state, provider.stored(serial).cause) == (State.DEFERRED, Cause.NO_RECORD)
    assert (provider.record(serial).result, provider.record(serial).answered_at) == (Result.DEFERRED, None)


def test_a_copy_that_is_not_published_now_is_given_for_its_period_alone(provider: Provider) -> None:
    provider.link(1)
    row = right_row(1, published_from="2019-06-17", published_to="2020-03-31")
    provider.register([row])
    provider.ask(1)
    assert provider.answer()["Result"] == "deferred"
    provider.ask(1, condition={"Kind": "1", "From": "2020-03-31"})
    assert provider.answer()["Result"] == "provided"
    provider.ask(1, condition={"Kind": "1", "From": "2020-04-01"})
    assert provider.answer()["Result"] == "deferred"
    provider.ask(1, condition={"Kind": "1", "Year": "2019"})
    assert provider.answer()["Result"] == "provided"
    provider.ask(1, condition={"Kind": "1", "Year": "2018"})
    assert provider.answer()["Result"] == "deferred"


def test_a_code_that_nobody_has_here_is_refused(provider: Provider) -> None:
    serial, _ = provider.ask(1)
    answer = provider.answer()
    assert (answer["Result"], answer["Reason"]) == ("refused", "no_record")
    assert answer["ProvidedAt"] == "2026-07-01T12:00:00+09:00"
    assert provider.record(serial).result is Result.REFUSED


def test_a_request_from_before_a_retroactive_revision_is_refused_after_it(provider: Provider) -> None:
    today = date(2026, 7, 1)
    revised = layout(5, linked_from=today, revisions=frozenset({RevisionKind.MAJOR_RETROACTIVE}))
    provider.link(1)
    provider.register([right_row(1)])
    provider.masters.known = (*provider.masters.known, revised)
    provider.ask(1, requested_at=provider.now - timedelta(days=1))
    answer = provider.answer()
    assert (answer["Result"], answer["Reason"]) == ("refused", "layout_changed")
    provider.ask(1, requested_at=provider.now)
    assert provider.answer()["Result"] == "deferred", "version 4 is not linked any more, and 5 is not registered"


def test_what_the_masters_here_do_not_allow_is_left_to_staff_whatever_the_network_permits(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    provider.masters.forbidden = frozenset({INFORMATION})
    serial, _ = provider.ask(1)
    assert provider.answer()["Result"] == "deferred"
    assert provider.stored(serial).cause is Cause.NOT_PERMITTED


def test_an_abolished_dataset_still_serves_a_request_from_before(provider: Provider) -> None:
    today = date(2026, 7, 1)
    known = layout()
    (dataset,) = known.datasets
    provider.link(1)
    provider.register([right_row(1)])
    abolished = layout(minor=1, linked_from=today, datasets=(replace(dataset, abolished_on=today),))
    provider.masters.known = (*provider.masters.known, abolished)
    provider.ask(1, requested_at=provider.now - timedelta(days=1))
    assert provider.answer()["Result"] == "provided"
    provider.ask(1)
    assert provider.answer()["Result"] == "deferred"


@pytest.mark.parametrize(
    ("held", "cause"),
    [
        (scope(), Cause.BARRED_ORGANISATION),
        (scope(INFORMATION), Cause.BARRED_INFORMATION),
        (scope(INFORMATION, "0101"), Cause.BARRED_DATASET),
        (scope(person=1), Cause.BARRED_PERSON),
        (scope(INFORMATION, person=1), Cause.BARRED_PERSON),
        (scope(INFORMATION, "0101", 1), Cause.BARRED_PERSON),
    ],
    ids=lambda value: value.value if isinstance(value, Cause) else "",
)
def test_what_is_barred_is_left_to_staff_and_nobody_outside_learns_why(
    provider: Provider, held: object, cause: Cause
) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    assert provider.provisions.bar(provider.caller, [held], "a reason", now=provider.now) == 1  # type: ignore[list-item]
    serial, _ = provider.ask(1)
    answer = provider.answer()
    assert (answer["Result"], answer["Reason"], answer["ExpectedOn"]) == ("deferred", "staff_decision", "2026-07-06")
    assert "EncryptedAnswer" not in answer
    assert provider.stored(serial).cause is cause
    provider.provisions.lift(provider.caller, [held], now=provider.now)  # type: ignore[list-item]
    provider.ask(1)
    assert provider.answer()["Result"] == "provided"


@pytest.mark.parametrize(
    "other",
    [scope("TM00000000000016"), scope(INFORMATION, "0102"), scope(person=2)],
    ids=["number", "dataset", "person"],
)
def test_a_bar_of_something_else_holds_nothing_back(provider: Provider, other: object) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    provider.provisions.bar(provider.caller, [other], "a reason", now=provider.now)  # type: ignore[list-item]
    provider.ask(1)
    assert provider.answer()["Result"] == "provided"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_protected_person_is_never_answered_for_by_itself(provider: Provider, data: st.DataObject) -> None:
    """Whatever is registered, asked for, or barred and lifted beside it (A3-004)."""
    person = next(_PEOPLE)
    provider.link(person)
    if data.draw(st.booleans()):
        provider.register([right_row(person)])
    provider.provisions.bar(provider.caller, [scope(person=person)], "protected", now=provider.now)
    for other in data.draw(
        st.lists(st.sampled_from([scope(), scope(INFORMATION), scope(INFORMATION, "0101")]), max_size=2)
    ):
        provider.provisions.bar(provider.caller, [other], "besides", now=provider.now)
        provider.provisions.lift(provider.caller, [other], now=provider.now)
    condition = data.draw(
        st.sampled_from([{"Kind": "0"}, {"Kind": "1", "Year": "2019"}, {"Kind": "1", "To": "2030-01-01"}])
    )
    information = data.draw(st.sampled_from([INFORMATION, "TM00000000000016", "TM00000000000099"]))
    days = data.draw(st.integers(0, 29))
    requested_at = provider.now - timedelta(days=days)
    permitted = Permitted(information=information)
    serial, receipt = provider.ask(person, condition=condition, permitted=permitted, requested_at=requested_at)
    assert receipt["Result"] == "accepted"
    answer = provider.answer()
    assert (answer["Result"], answer.get("EncryptedAnswer")) == ("deferred", None)
    assert provider.stored(serial).cause is Cause.BARRED_PERSON


def test_the_same_request_in_another_conversation_has_no_effect(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    serial, _ = provider.ask(1)
    assert provider.ask(1, serial=serial)[1]["Reason"] == "content"
    assert (provider.count("provision"), len(provider.relay())) == (1, 1)


def test_a_test_is_never_answered_with_what_is_real(provider: Provider) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    assert provider.ask(1, mode=MessageMode.TEST)[1]["Reason"] == "content"
    assert provider.count("provision") == 0


def test_a_fault_of_ours_is_left_to_staff_and_logged_with_its_stage(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.link(1)
    provider.register([right_row(1)])
    provider.wire.place.ask_of(provider.tenant, "update {}.duplicate_copy set published_to = '2030-01-01'")
    with caplog.at_level(logging.INFO, logger="chukan"):
        serial, receipt = provider.ask(1)
    assert receipt["Result"] == "accepted"
    assert provider.answer()["Result"] == "deferred"
    assert provider.stored(serial).cause is Cause.FAULT
    assert "provisions.stage_failed" in caplog.text
    assert "'stage': 'fetch'" in caplog.text


@pytest.mark.parametrize(("stage", "step"), [("build", "information"), ("send", "sealed")])
def test_a_failure_while_the_answer_is_made_is_left_to_staff_as_well(
    provider: Provider, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, stage: str, step: str
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise DocumentTooLarge(what="elements", limit=1)

    provider.link(1)
    provider.register([right_row(1)])
    monkeypatch.setattr(answering, step, fail)
    with caplog.at_level(logging.WARNING, logger="chukan"):
        serial, receipt = provider.ask(1)
    assert (receipt["Result"], provider.answer()["Result"]) == ("accepted", "deferred")
    assert provider.stored(serial).cause is Cause.FAULT
    assert f"'stage': '{stage}'" in caplog.text
    monkeypatch.undo()
    provider.provisions.decide(provider.caller, serial, Provide(), now=provider.now)
    assert provider.answer()["Result"] == "provided"


def test_the_four_stages_are_logged_and_no_line_names_a_person(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.link(987654321)
    provider.register([right_row(987654321)])
    with caplog.at_level(logging.DEBUG, logger="chukan"):
        provider.ask(987654321)
    for stage in ("receive", "fetch", "build", "send"):
        assert stage in caplog.text
    assert "987654321" not in caplog.text
    assert code_of(987654321) not in caplog.text


def test_neither_numbers_nor_codes_nor_contents_stand_in_the_clear(provider: Provider) -> None:
    provider.link(987654321)
    provider.register([right_row(987654321)])
    provider.provisions.bar(provider.caller, [scope(person=987654321)], "protected", now=provider.now)
    provider.ask(987654321)
    for table in ("provision", "provision_bar", "provision_event", "provision_record", "outbox"):
        rows = provider.wire.place.ask_of(provider.tenant, f"select * from {{}}.{table}")  # noqa: S608 - the test's own
        assert rows
        told = b"".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
        for secret in ("987654321", code_of(987654321), "2345678901"):
            assert secret.encode() not in told
    trail = provider.wire.place.ask("select body from platform.audit_entry")
    assert not any("987654321" in str(body) for (body,) in trail)
