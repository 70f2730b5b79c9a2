"""The gateway behind its real front, with client certificates, broken lines and kills."""

from __future__ import annotations

import ssl

import pytest

from support.gateway import Authority, Caller, announcement, file_of, piece_headers, registration
from support.served_gateway import LONG_AGO, Served


@pytest.fixture
def caller(served: Served) -> Caller:
    return served.caller()


def begun(served: Served, caller: Caller, content: bytes, count: int) -> str:
    announced = served.ask(caller.card, "POST", "/uploads", headers=announcement(content, count))
    assert announced.status == 201, announced.body.decode()
    return announced.headers["Location"]


def offset(served: Served, caller: Caller, upload: str) -> int:
    return int(served.ask(caller.card, "HEAD", upload).headers["Upload-Offset"])


def test_nobody_comes_in_without_a_certificate_of_the_authority(served: Served) -> None:
    stranger = Authority("Clients", now=LONG_AGO).issue("stranger", days=20_000)
    for card in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            served.ask(card, "OPTIONS", "/uploads")


def test_a_certificate_that_is_registered_for_nobody_is_refused_by_the_gateway(served: Served) -> None:
    refused = served.ask(served.authority.issue("nobody", days=20_000), "OPTIONS", "/uploads")
    assert refused.status == 401
    assert b"connections.certificate_unknown" in refused.body


def test_a_forged_certificate_header_is_overwritten_by_the_front(served: Served, caller: Caller) -> None:
    victim = served.caller()
    content = file_of(3)
    upload = begun(served, victim, content, 3)
    forged = served.ask(caller.card, "HEAD", upload, headers=victim.card.headers())
    assert forged.status == 404
    assert served.ask(victim.card, "HEAD", upload, headers=caller.card.headers()).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_machines_are_answered_on_the_probes_port_alone(served: Served, caller: Caller, path: str) -> None:
    assert served.ask(caller.card, "GET", path).status == 404
    assert served.probe(path)[0] == 200


def test_the_probes_port_answers_nothing_else(served: Served) -> None:
    assert served.probe("/uploads")[0] == 404


def test_the_figures_tell_services_outcomes_and_reasons_and_nobodys_inventions(served: Served, caller: Caller) -> None:
    assert served.ask(caller.card, "OPTIONS", "/uploads").status == 204
    assert served.ask(caller.card, "POST", "/if/IF_INVENTED_1", body=b"<x/>").status == 404
    assert served.ask(caller.card, "GET", "/invented-path").status == 404
    page = served.probe("/metrics")[1]
    assert 'chukan_gateway_requests_total{outcome="done",service="manner"}' in page
    assert 'chukan_gateway_requests_total{outcome="refused",service="none"} 2.0' in page
    assert 'chukan_gateway_refusals_total{reason="connections.address_unknown"} 2.0' in page
    assert 'process="gateway"' in page
    assert "chukan_tenant_sessions_open" in page
    assert 'chukan_check_health{check="database-reachable"} 0.0' in page
    assert "nvented" not in page


def test_a_broken_line_keeps_nothing_of_the_piece_and_the_upload_goes_on(served: Served, caller: Caller) -> None:
    content = file_of(4_000)
    third = len(content) // 3
    upload = begun(served, caller, content, 4_000)
    first = content[:third]
    assert served.ask(caller.card, "PATCH", upload, body=first, headers=piece_headers(first, 0)).status == 204
    rest = content[third:]
    with served.sending(caller.card, upload, rest, third, sent=len(rest) // 2):
        pass
    assert offset(served, caller, upload) == third
    sent = served.ask(caller.card, "PATCH", upload, body=rest, headers=piece_headers(rest, third))
    assert (sent.status, sent.headers["Upload-Offset"]) == (204, str(len(content)))


def test_a_killed_gateway_loses_no_piece_that_it_acknowledged(served: Served, caller: Caller) -> None:
    content = file_of(4_000, first=5_001)
    half = len(content) // 2
    upload = begun(served, caller, content, 4_000)
    first, second = content[:half], content[half:]
    assert served.ask(caller.card, "PATCH", upload, body=first, headers=piece_headers(first, 0)).status == 204
    # The second piece is under way when the gateway dies.
    with served.sending(caller.card, upload, second, half, sent=10_000):
        served.kill()
    served.start()
    assert offset(served, caller, upload) == half
    assert served.ask(caller.card, "PATCH", upload, body=second, headers=piece_headers(second, half)).status == 204
    xml = {"Content-Type": "application/xml"}
    done = served.ask(caller.card, "POST", "/if/IF_DBM_20113_R01", body=registration(upload), headers=xml)
    # Completed: the digest of the whole file was right.
    assert done.status == 200, done.body.decode()
    assert b"<State>received</State>" in done.body
