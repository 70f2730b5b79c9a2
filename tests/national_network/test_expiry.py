"""An inquiry that nobody answers expires at the end of its last valid day, for both sides at the same instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from chukan_simulators.national_network.client import RunningNetwork, running_network
from national_network.conftest import QUICK, town_at
from national_network.exchange import Exchange, Town, begun, day
from national_network.organisation import PlatformEnd, eventually

NewTown = Callable[[], Town]


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, linked_config: Path
) -> Iterator[tuple[RunningNetwork, PlatformEnd]]:
    """A network whose time this module pushes."""
    folder, end = tmp_path_factory.mktemp("pushed"), PlatformEnd()
    with (
        running_network(folder, *QUICK, "--config", str(linked_config), "--publish", "12") as network,
        end.listening(network) as url,
    ):
        network.ask("POST", "/platform", {"url": url})
        yield network, end


@pytest.fixture
def pushed(running: tuple[RunningNetwork, PlatformEnd]) -> RunningNetwork:
    return running[0]


@pytest.fixture
def new_town_there(running: tuple[RunningNetwork, PlatformEnd]) -> NewTown:
    return lambda: town_at(*running)


def push_to(network: RunningNetwork, one: Exchange, seconds: float) -> None:
    """Push the network's time to *seconds* after the end of the permit of *one* (before it, if negative)."""
    now = datetime.fromisoformat(network.push())
    end = datetime.fromisoformat(one.request.permit["ValidUntil"])
    network.push(seconds=(end - now).total_seconds() + seconds)


def over(one: Exchange) -> dict[str, str]:
    ends = [fields for conv, fields in one.provider.delivered("IF_TKY_X0204_R01") if conv == one.request.conv]
    return ends[0] if ends else {}


def test_what_nobody_answers_expires_when_its_last_day_is_over(pushed: RunningNetwork, new_town_there: NewTown) -> None:
    one = begun(new_town_there, RequestedAt=pushed.push())
    push_to(pushed, one, -300)
    # A code that is issued meanwhile shows that the network has looked at what is due.
    new_town_there().knows("90000000001")
    assert one.inquiry.results() == []
    assert pushed.records(one.inquirer.code)[0]["result"] == "requested"
    push_to(pushed, one, 1)
    result, end = one.inquiry.result(), eventually(lambda: over(one))
    until = one.request.permit["ValidUntil"]
    assert (result["Result"], result["ProvidedAt"], result["ValidUntil"]) == ("expired", until, until)
    assert (end["Kind"], end["At"]) == ("expired", until)
    (record,) = pushed.records(one.provider.code)
    assert (record["result"], record["answered_at"]) == ("expired", until)


def test_a_deferred_one_expires_too(pushed: RunningNetwork, new_town_there: NewTown) -> None:
    one = begun(new_town_there, RequestedAt=pushed.push())
    one.provider.answer(one.request, "deferred")
    one.inquiry.result()
    push_to(pushed, one, 1)
    assert one.inquiry.result(2)["Result"] == "expired"


def test_what_was_answered_in_time_does_not_expire(pushed: RunningNetwork, new_town_there: NewTown) -> None:
    one = begun(new_town_there, RequestedAt=pushed.push())
    push_to(pushed, one, -300)
    assert one.provider.answer(one.request, ProvidedAt=pushed.push())["Result"] == "accepted"
    push_to(pushed, one, 1)
    assert one.inquiry.result()["Result"] == "provided"
    new_town_there().knows("90000000002")
    assert [each["Result"] for each in one.inquiry.results()] == ["provided"]


def test_an_answer_that_crosses_the_expiry_has_no_effect(pushed: RunningNetwork, new_town_there: NewTown) -> None:
    one = begun(new_town_there, RequestedAt=pushed.push())
    in_time, own = pushed.push(), one.provider.organisation
    own.answer = lambda _: (500, b"")
    push_to(pushed, one, 1)
    assert one.inquiry.result()["Result"] == "expired"
    assert one.provider.answer(one.request, ProvidedAt=in_time)["Result"] == "accepted"
    own.answer = own.accept
    eventually(lambda: over(one))
    assert [each["Result"] for each in one.inquiry.results()] == ["expired"]
    eventually(lambda: all(row["state"] == "receipted" for row in pushed.deliveries(one.provider.code)))
    assert one.provider.answer(one.request, seq=2, ProvidedAt=in_time)["Reason"] == "closed"


def test_what_comes_expired_is_not_passed_on(new_town_there: NewTown) -> None:
    inquirer, provider = new_town_there(), new_town_there()
    provider.knows("90000000003")
    code = inquirer.knows("90000000003")
    inquiry = inquirer.inquire(provider.code, code, RequestedAt=f"{day(31)}T12:00:00+09:00")
    result = inquiry.result()
    assert (result["Result"], result["ProvidedAt"]) == ("expired", f"{day(0)}T00:00:00+09:00")
    assert provider.requests() == []


def test_time_is_pushed_in_units_that_it_knows(pushed: RunningNetwork) -> None:
    before = datetime.fromisoformat(pushed.push())
    after = datetime.fromisoformat(pushed.push(days=1, seconds=2))
    assert 86_402 <= (after - before).total_seconds() < 86_430
    with pytest.raises(ValueError, match="unknown: weeks"):
        pushed.push(weeks=1)
