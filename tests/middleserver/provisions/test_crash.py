"""A provider that dies while it answers: the request comes again, and has one effect and one answer."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import pytest

from chukan.tenants.middleserver.provision_records.rules import Result
from chukan.tenants.middleserver.provisions.rules import State
from chukan.tenants.middleserver.transmission.errors import NetworkAway
from chukan.tenants.middleserver.transmission.rules import NETWORK
from support.copies import right_row
from support.exchange import Died
from support.provisions import Provider


@pytest.fixture
def ready(provider: Provider) -> Provider:
    provider.link(1)
    provider.register([right_row(1)])
    return provider


def body_of(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bytes]:
    """Return the serial and the bytes of a request that has not been delivered."""
    kept: list[bytes] = []

    def keep(kind: str, conv: UUID, seq: int, write: object) -> dict[str, str]:
        kept.append(provider.encrypted(kind, conv, seq, write))  # type: ignore[arg-type]  # as it is called
        return {}

    monkeypatch.setattr(provider, "_delivered", keep)
    serial, _ = provider.ask(1)
    monkeypatch.undo()
    return serial, kept[0]


@pytest.mark.parametrize("fault", [Died, NetworkAway], ids=["killed", "a fault that passes"])
def test_killed_while_answering_it_answers_once_when_the_request_comes_again(
    ready: Provider, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    serial, body = body_of(ready, monkeypatch)

    def die(*_: object) -> Collection[tuple[str, str]]:
        raise fault

    ready.excluding = die
    with pytest.raises(fault):
        ready.wire.reception.receive(body, NETWORK, now=ready.now)
    assert (ready.count("provision"), ready.count("outbox")) == (0, 0)
    ready.excluding = None
    receipts = {ready.wire.reception.receive(body, NETWORK, now=ready.now).content for _ in range(3)}
    assert len(receipts) == 1, "the stored receipt is given again"
    assert ready.answer()["Result"] == "provided"
    assert (ready.stored(serial).state, ready.record(serial).result) == (State.PROVIDED, Result.PROVIDED)
    assert (ready.count("provision"), ready.count("outbox")) == (1, 1)
