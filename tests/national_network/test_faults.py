"""The network's faults towards those who call it: lost requests, lost answers, forged receipts, and being away."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest
from joserfc.errors import JoseError

from chukan.platform.clock import monotonic
from chukan_simulators.national_network.client import RunningNetwork
from national_network.organisation import Organisation, Platform, eventually

Cut = (http.client.HTTPException, ConnectionError, ssl.SSLError)


def answered(connection: http.client.HTTPSConnection) -> bytes:
    connection.request("GET", "/keys")
    return connection.getresponse().read()


def test_a_dropped_request_has_no_effect(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("drop", on="messages", times=1)
    body = organisation.request()
    with pytest.raises(Cut):
        organisation.send(body)
    assert network.messages(organisation.code) == []
    assert organisation.send(body)["Result"] == "accepted"


def test_a_lost_answer_has_its_effect(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("lose_answer", on="messages", times=1)
    body = organisation.request()
    with pytest.raises(Cut):
        organisation.send(body)
    (message,) = network.messages(organisation.code)
    assert organisation.send(body)["MessageID"] == message["mid"]
    assert len(network.messages(organisation.code)) == 1


def test_an_answer_can_be_late(network: RunningNetwork, platform: Platform) -> None:
    network.order("delay", on="keys", times=1, seconds=0.5)
    start = monotonic()
    assert platform.ask("GET", "/keys").status == 200
    assert monotonic() - start >= 0.5


def test_a_network_can_ask_to_come_later(network: RunningNetwork, platform: Platform) -> None:
    network.order("unavailable", on="masters", times=1)
    answer = platform.ask("GET", "/masters")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert platform.ask("GET", "/masters").status == 200


@pytest.mark.parametrize("fault", ["forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm"])
def test_a_forged_receipt_does_not_pass_a_check(
    network: RunningNetwork, organisation: Organisation, fault: str
) -> None:
    network.order(fault, on="messages", times=1)
    body = organisation.request()
    with pytest.raises((JoseError, KeyError)):
        organisation.send(body)
    assert organisation.send(body)["Result"] == "accepted"


def test_a_receipt_for_other_bytes_is_rightly_signed(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("wrong_digest", on="messages", times=1)
    answer = organisation.platform.ask("POST", "/messages", organisation.request())
    assert b"<Result>accepted</Result>" in organisation.platform.verified(answer.body)[1]
    network.order("wrong_digest", on="messages", times=1)
    with pytest.raises(AssertionError):
        organisation.send(organisation.request())


def test_a_network_that_is_down_comes_up_at_the_same_place(network: RunningNetwork, organisation: Organisation) -> None:
    body = organisation.request()
    organisation.send(body)
    network.ask("POST", "/down", {})
    assert network.status()["up"] is False
    with pytest.raises(ConnectionRefusedError):
        organisation.send(body)
    network.ask("POST", "/up", {})
    assert organisation.send(body)["Result"] == "accepted"


def test_a_network_that_goes_down_cuts_open_connections_and_can_come_back_by_itself(
    network: RunningNetwork, platform: Platform
) -> None:
    context = ssl.create_default_context(cafile=str(network.ca))
    context.load_cert_chain(network.platform)
    connection = http.client.HTTPSConnection("localhost", network.port, timeout=10, context=context)
    assert b"keys" in answered(connection)
    network.ask("POST", "/down", {"seconds": 0.3})
    with pytest.raises(Cut):
        answered(connection)
    connection.close()
    eventually(lambda: network.status()["up"])
    assert platform.ask("GET", "/keys").status == 200


@pytest.mark.parametrize(
    "order",
    [{"fault": "explode"}, {"fault": "drop", "on": "nowhere"}, {"fault": "drop", "more": 1}, {}],
)
def test_an_order_that_means_nothing_is_refused(network: RunningNetwork, order: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"Error"):
        network.ask("POST", "/faults", order)
    assert network.ask("GET", "/faults") == []


@pytest.mark.parametrize("settings", [{"hold": -1}, {"hold": "2"}, {"patience": 1}, {"hold": True}])
def test_a_setting_that_means_nothing_is_refused(network: RunningNetwork, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Setting"):
        network.set(**settings)


def test_many_silent_clients_keep_nobody_out(network: RunningNetwork, platform: Platform) -> None:
    silent = [socket.create_connection(("127.0.0.1", network.port)) for _ in range(40)]
    try:
        assert platform.ask("GET", "/keys").status == 200
    finally:
        for connection in silent:
            connection.close()


def test_an_order_serves_its_times_and_no_more(network: RunningNetwork, platform: Platform) -> None:
    network.order("unavailable", times=2)
    statuses = [platform.ask("GET", "/keys").status for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert network.ask("GET", "/faults")[0]["served"] == 2
