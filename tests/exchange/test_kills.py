"""Relays and receptions that are killed (SIGKILL) at an exact point: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.provisions.rules import State
from support.exchange_whole import Town, Whole
from support.program import ended

PROGRAM = Path(__file__).with_name("work_and_die.py")
Towns = tuple[Town, Town]


def killed(whole: Whole, where: str, argument: str) -> None:
    done = ended(PROGRAM, json.dumps(whole.told), where, argument)
    assert done.returncode == -signal.SIGKILL, done.stderr


def sent(town: Town) -> list[tuple[object, ...]]:
    return town.rows("select state, attempts, encode(sha256, 'hex') from {0}.outbox order by id desc limit 1")


@pytest.mark.parametrize(
    ("where", "left"), [("looked", ("queued", 0)), ("backing_off", ("queued", 1))], ids=["looked", "backing_off"]
)
def test_a_relay_that_is_killed_sends_once_what_it_had_not_or_the_same_bytes_again(
    whole: Whole, towns: Towns, where: str, left: tuple[str, int]
) -> None:
    asking, providing = towns
    told = asking.ask(providing, 1)
    killed(whole, where, str(asking.tenant))
    ((state, attempts, digest),) = sent(asking)
    assert (state, attempts) == left
    assert (digest is not None) is (where == "backing_off"), "signed once, when it was claimed"
    asking.relay()
    taken = whole.network.context.store.found_all("select bytes from message order by number desc limit 1")
    assert sent(asking) == [("done", left[1] + 1, hashlib.sha256(bytes(taken[0]["bytes"])).hexdigest())]
    assert digest in {None, sent(asking)[0][2]}, "the same bytes as before it died"
    whole.quiesce()
    assert asking.state(told.serials[0]) is InquiryState.ANSWERED


@pytest.mark.parametrize("where", ["effect", "committing", "committed"])
@pytest.mark.parametrize("which", ["request", "result"])
def test_a_reception_that_is_killed_has_had_no_effect_or_one_and_gives_one_receipt(
    whole: Whole, towns: Towns, tmp_path: Path, which: str, where: str
) -> None:
    asking, providing = towns
    told = asking.ask(providing, 2)
    asking.relay()
    if which == "result":
        (row,) = whole.deliveries.waiting()
        whole.deliveries.attempt(row["number"])
        providing.relay()
    row, body = waiting(whole)
    (tmp_path / "message").write_bytes(body)
    killed(whole, where, str(tmp_path / "message"))
    town = whole.towns[row["institution"]]
    came = kept(town, row["mid"])
    assert bool(came) is (where == "committed")
    before = counted(towns)
    whole.deliveries.attempt(row["number"])
    assert bool(counted(towns) - before) is not bool(came), "its effect came with the transaction, once"
    receipt = kept(town, row["mid"])[0][1]
    assert came in ([], [("applied", receipt)]), "the receipt is what it was before it died"
    assert {whole.received(row["institution"], body).content for _ in range(3)} == {receipt}
    whole.quiesce()
    (result,) = asking.results(told.number)
    assert result.state is InquiryState.ANSWERED
    assert [item.value for item in result.records[0].items if item.code == "INCOME"] == [providing.income(2)]


def test_a_reception_that_is_killed_while_it_drains_takes_both_messages_when_the_first_comes_again(
    whole: Whole, towns: Towns, tmp_path: Path
) -> None:
    asking, providing = towns
    told = asking.ask(providing, 3)
    asking.relay()
    whole.inquiries.cancel(asking.asking, told.serials[0], now=whole.clock.now())
    asking.relay()
    request, over = [row for row in whole.deliveries.waiting() if row["institution"] == providing.institution]
    whole.deliveries.attempt(over["number"])
    assert [state for state, _ in kept(providing, over["mid"])] == ["held"]
    (tmp_path / "message").write_bytes(body_of(whole, request["number"]))
    killed(whole, "draining", str(tmp_path / "message"))
    assert kept(providing, request["mid"]) == []
    assert [state for state, _ in kept(providing, over["mid"])] == ["held"]
    assert providing.provision(asking, told.serials[0]) is None
    whole.deliveries.attempt(request["number"])
    assert [state for row in (request, over) for state, _ in kept(providing, row["mid"])] == ["applied", "applied"]
    whole.quiesce()
    provision = providing.provision(asking, told.serials[0])
    assert provision is not None
    assert (provision.state, asking.state(told.serials[0])) == (State.CANCELLED, InquiryState.CANCELLED)


def waiting(whole: Whole) -> tuple[Any, bytes]:
    (row,) = whole.deliveries.waiting()
    return row, body_of(whole, row["number"])


def body_of(whole: Whole, number: int) -> bytes:
    (body,) = [bytes(row["bytes"]) for row in whole.deliveries.all() if row["number"] == number]
    return body


def kept(town: Town, mid: str) -> list[tuple[object, ...]]:
    """Return state and receipt of the message *mid* at *town*, if it is there."""
    rows = town.rows("select id, state, receipt from {0}.inbox")
    return [(state, receipt) for id_, state, receipt in rows if str(id_) == mid]


def counted(towns: Towns) -> set[tuple[object, ...]]:
    """Return all that happened to inquiries and provisions so far, and what was answered."""
    return {
        row
        for town in towns
        for row in town.rows(
            "select id, event from {0}.inquiry_event union select id, event from {0}.provision_event"
            " union select id, type from {0}.outbox"
        )
    }
