"""The register, the counting and the stored answers, under their real log-ins and at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from lxml import etree

from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.answers import Reply
from chukan.tenants.middleserver.connections.rules import Allowed, Rate, RateKind
from chukan.tenants.middleserver.connections.service import Application, Doorkeeper
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.formats.codes import DepartmentCode, SystemId
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.transmission.rules import NETWORK
from support.exchange import Wire
from support.gateway import NOW, Authority, Caller, Entrance, code_request
from support.security import Place

DONE = Reply(200, "text/plain", b"done")


def test_registering_and_revoking_stand_in_the_platforms_chain(entrance: Entrance) -> None:
    before = len(entrance.safe.actions())
    caller = entrance.caller()
    entrance.systems.revoke(caller.card.fingerprint.upper(), reason="exchanged", now=NOW)
    recorded = entrance.safe.actions()[before:]
    assert recorded == ["connections:system:register", "connections:system:revoke"]
    (found,) = entrance.systems.registered(caller.tenant)
    assert (found.fingerprint, found.revoked_at) == (caller.card.fingerprint, NOW)


def test_what_is_no_certificate_or_has_expired_is_not_registered(entrance: Entrance) -> None:
    application = Application(
        entrance.organisation(), DepartmentCode("1"), SystemId("A000000001"), frozenset({Allowed.UPLOADS})
    )
    with pytest.raises(errors.CertificateUnusable):
        entrance.systems.register(b"nothing", application, file="x.pem", now=NOW)
    expired = entrance.authority.issue("expired", days=0)
    with pytest.raises(errors.CertificateUnusable):
        entrance.systems.register(expired.pem, application, file="x.pem", now=NOW)
    with pytest.raises(errors.SystemUnknown):
        entrance.systems.revoke(expired.fingerprint, reason="none", now=NOW)


@pytest.mark.parametrize("kind", [ProcessKind.GATEWAY, ProcessKind.CONSOLE, ProcessKind.POLLER])
def test_nobody_but_the_worker_changes_the_register(entrance: Entrance, kind: ProcessKind) -> None:
    entrance.caller()
    with entrance.safe.database.login(kind) as connection:
        assert connection.execute("select count(*) from platform.connected_system").fetchone()
        for statement in (
            "delete from platform.connected_system",
            "update platform.connected_system set allowed = '{}'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_several_gateways_count_one_organisations_requests_together(entrance: Entrance) -> None:
    tenant = entrance.organisation()
    rates = [Rate(RateKind.MESSAGES, 10, timedelta(minutes=1), NOW.date())]
    gateways = [Doorkeeper(entrance.safe.database.engine(ProcessKind.GATEWAY), rates) for _ in range(2)]

    def ask(number: int) -> bool:
        try:
            gateways[number % 2].count(tenant, RateKind.MESSAGES, now=NOW)
        except errors.RateExceeded:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(25))) == 10
    gateways[0].count(tenant, RateKind.MESSAGES, now=NOW + timedelta(minutes=1))


def test_two_at_the_same_time_do_a_request_once(entrance: Entrance, caller: Caller) -> None:
    started, finish = threading.Event(), threading.Event()
    done: list[int] = []

    def work() -> Reply:
        done.append(1)
        started.set()
        assert finish.wait(20)
        return DONE

    def ask(do: Callable[[], Reply]) -> Reply:
        return entrance.services.answers.once(caller.system, "k", [b"body"], do, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, work)
        assert started.wait(20)
        with pytest.raises(errors.RequestUnderWay):
            ask(work)
        finish.set()
        assert first.result() == DONE
    assert ask(work) == DONE
    assert done == [1]


def test_what_a_dead_gateway_left_is_taken_over_and_its_late_answer_is_not_kept(
    entrance: Entrance, caller: Caller
) -> None:
    answers, key = entrance.services.answers, uuid4().hex

    def overtaken() -> Reply:
        # Two minutes later somebody else takes the request over and answers it.
        taken = answers.once(caller.system, key, [b"x"], lambda: DONE, now=NOW + timedelta(minutes=2, seconds=1))
        assert taken == DONE
        return Reply(200, "text/plain", b"late")

    answers.once(caller.system, key, [b"x"], overtaken, now=NOW)
    again = answers.once(caller.system, key, [b"x"], overtaken, now=NOW + timedelta(minutes=3))
    assert again == DONE


def test_answers_are_sealed_and_forgotten_in_time(
    entrance: Entrance, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = entrance.services.answers
    monkeypatch.setattr("chukan.tenants.middleserver.connections.answers._AT_ONCE", 2)
    secret = Reply(200, "text/plain", b"something personal")
    answers.once(caller.system, "old", [b"x"], lambda: secret, now=NOW)
    readable = "select count(*) from {}.stored_answer where position('personal'::bytea in content) > 0"
    assert entrance.count(caller.tenant, readable) == 0
    for key in "abcd":
        answers.once(caller.system, key, [b"x"], lambda: DONE, now=NOW)
    end = NOW + timedelta(hours=entrance.settings.gateway.answers_kept_hours)
    answers.once(caller.system, "new", [b"y"], lambda: DONE, now=end)
    assert answers.once(caller.system, "old", [b"x"], lambda: DONE, now=end) == secret
    assert answers.forget(caller.tenant, now=end) == 0
    # A moment later it is over, although nobody has come to remove it: the key may name another request.
    over = end + timedelta(microseconds=1)
    assert answers.once(caller.system, "old", [b"z"], lambda: DONE, now=over) == DONE
    assert answers.forget(caller.tenant, now=over) == 4
    assert entrance.count(caller.tenant, "select count(*) from {}.stored_answer") == 2


def test_another_system_may_use_the_same_key(entrance: Entrance, caller: Caller) -> None:
    other = entrance.caller(caller.tenant)
    answers = entrance.services.answers
    answers.once(caller.system, "same", [b"x"], lambda: DONE, now=NOW)
    theirs = Reply(200, "text/plain", b"theirs")
    assert answers.once(other.system, "same", [b"y"], lambda: theirs, now=NOW) == theirs


# -- the network's side ----------------------------------------------------------------------------------------


def test_the_networks_messages_are_taken_from_the_networks_own_certificates_alone(entrance: Entrance) -> None:
    wire = Wire(Place(entrance.safe))
    organisation = wire.organisation()
    authority = Authority("Network")
    services = replace(
        entrance.services, clock=wire.clock, reception=wire.reception, network_authority=authority.certificate
    )
    client = make_gateway(services).test_client()
    body = wire.notification(organisation, uuid4(), 1)
    network = authority.issue(NETWORK).headers()
    # An organisation's authority may have written the network's name into a certificate.
    forged = entrance.authority.issue(NETWORK).headers()
    assert client.post("/network/messages", data=body, headers=forged).status_code == 401
    assert client.post("/network/messages", data=body).status_code == 401
    taken = client.post("/network/messages", data=body, headers=network)
    assert (taken.status_code, taken.content_type) == (200, "application/jose")
    assert client.post("/network/messages", data=body, headers=network).data == taken.data
    # And with the network's certificate nobody is an organisation.
    assert client.post("/uploads", headers=network).status_code == 401


def test_codes_are_asked_for_once_and_told_by_their_serials(entrance: Entrance, caller: Caller) -> None:
    place = Place(entrance.safe)
    place.network.now = NOW
    for use in KeyUse:
        kid = place.certificates.request(caller.tenant, "0220113112101799", use, now=NOW)
        place.certificates.activate(caller.tenant, kid, now=NOW)
    told = []
    for _ in range(2):
        # Two messages of their own: it is the persons who are not asked for twice.
        answer = caller.message("IF_FGU_X0011_R01", code_request("000000000000001", "000000000000002"))
        assert answer.status_code == 200, answer.data.decode()
        entries = etree.fromstring(answer.data).findall("Entry")
        told.append([(entry.findtext("Result"), entry.findtext("ProcessingSerial")) for entry in entries])
    assert [result for result, _ in told[0]] == ["requested", "requested"]
    assert told[1] == [("under_way", serial) for _, serial in told[0]]
    assert entrance.count(caller.tenant, "select count(*) from {}.outbox") == 1
