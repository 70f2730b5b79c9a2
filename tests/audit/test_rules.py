"""Entries have one canonical text, hashes are unambiguous, and freshness turns at its limits."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.audit.errors import EntryMalformed
from chukan.platform.audit.rules import (
    GENESIS,
    MAX_BODY_BYTES,
    Action,
    AuditEntry,
    Freshness,
    FreshnessLimits,
    Outcome,
    Personal,
    StoredEntry,
    canonical_body,
    entry_hash,
    freshness,
    instant_text,
)
from support.audit import Act, KeyedMasker, an_act

NOW = datetime(2026, 11, 21, 1, 2, 3, 4, tzinfo=UTC)
LIMITS = FreshnessLimits(timedelta(minutes=15), timedelta(hours=4))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
details = st.dictionaries(
    texts.map(lambda key: unicodedata.normalize("NFC", key)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


def stored(**changes: object) -> StoredEntry:
    entry = StoredEntry(UUID(int=7), 3, instant_text(NOW), "org_a", '{"a":1}', GENESIS, b"")
    return dataclasses.replace(entry, **changes)  # type: ignore[arg-type]


@given(details)
def test_the_body_is_canonical_and_says_what_was_recorded(detail: dict[str, object]) -> None:
    body = canonical_body(an_act(1, **detail))
    assert json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == body
    assert unicodedata.is_normalized("NFC", body)
    assert json.loads(body)["detail"].keys() == detail.keys()


def test_the_order_of_a_detail_does_not_matter() -> None:
    assert canonical_body(an_act(a=1, b=2)) == canonical_body(an_act(b=2, a=1))


def test_two_spellings_of_one_character_are_one() -> None:
    assert canonical_body(an_act(name="が")) == canonical_body(an_act(name=unicodedata.normalize("NFD", "が")))


@pytest.mark.parametrize(
    "value", [1.5, b"x", object(), "a\x00b", "\ud800", {"が": 1, unicodedata.normalize("NFD", "が"): 2}]
)
def test_what_has_no_canonical_text_is_refused(value: object) -> None:
    with pytest.raises(EntryMalformed):
        canonical_body(an_act(value=value))


def test_a_body_that_carries_too_much_is_refused() -> None:
    with pytest.raises(EntryMalformed):
        canonical_body(an_act(value="x" * MAX_BODY_BYTES))


def test_a_personal_value_is_recorded_as_its_mask_only() -> None:
    entry = an_act(person=Personal("address_number", "0000123"))
    body = canonical_body(entry, KeyedMasker())
    assert "0000123" not in body
    assert "0000123" not in repr(entry)
    assert json.loads(body)["detail"]["person"] == f"address_number:{KeyedMasker().mask('address_number', '0000123')}"


def test_a_personal_value_without_a_masker_is_refused() -> None:
    with pytest.raises(EntryMalformed):
        canonical_body(an_act(person=Personal("address_number", "0000123")))


@pytest.mark.parametrize(
    ("actor", "subject", "request_id"),
    [("7", "thing:1", "r"), ("operator:a b", "thing:1", "r"), ("operator:7", "thing", "r"), ("operator:7", "t:1", "")],
)
def test_an_entry_without_actor_subject_or_request_is_refused(actor: str, subject: str, request_id: str) -> None:
    with pytest.raises(EntryMalformed):
        AuditEntry(actor, Act.DO, subject, request_id)


def test_an_action_of_another_form_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="scope"):
        Action("Wrong", {"DO": "just_do_it"})  # type: ignore[call-arg]


def test_outcome_and_action_are_recorded_by_their_values() -> None:
    body = json.loads(canonical_body(dataclasses.replace(an_act(), outcome=Outcome.REFUSED)))
    assert (body["action"], body["outcome"]) == ("tests:thing:do", "refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"chain": UUID(int=8)},
        {"seq": 4},
        {"recorded_at": instant_text(NOW + timedelta(microseconds=1))},
        {"login": "org_b"},
        {"body": '{"a":2}'},
        {"prev": b"\x01" * 32},
    ],
)
def test_the_hash_depends_on_every_part(changes: dict[str, object]) -> None:
    assert entry_hash(stored(**changes)) != entry_hash(stored())


@given(texts, texts, texts, texts)
def test_nothing_moves_between_login_and_body_unseen(login: str, body: str, login_2: str, body_2: str) -> None:
    same = (login, body) == (login_2, body_2)
    assert (entry_hash(stored(login=login, body=body)) == entry_hash(stored(login=login_2, body=body_2))) is same


@pytest.mark.parametrize("login", ["a", "a\nb"])
def test_a_newline_in_the_login_cannot_stand_for_the_one_after_it(login: str) -> None:
    assert entry_hash(stored(login=f"{login}\nx", body="y")) != entry_hash(stored(login=login, body="x\ny"))


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (timedelta(0), Freshness.OK),
        (timedelta(minutes=15, microseconds=-1), Freshness.OK),
        (timedelta(minutes=15), Freshness.ALARM),
        (timedelta(hours=4, microseconds=-1), Freshness.ALARM),
        (timedelta(hours=4), Freshness.STOPPED),
        (timedelta(days=4), Freshness.STOPPED),
        (timedelta(seconds=-5), Freshness.OK),
    ],
)
def test_freshness_turns_at_its_limits(age: timedelta, verdict: Freshness) -> None:
    assert freshness(NOW - age, NOW, LIMITS) is verdict


def test_nothing_unsealed_is_fresh() -> None:
    assert freshness(None, NOW, LIMITS) is Freshness.OK
