"""Steps: certificate and key, the line, the registration; linkage codes; a message is done once.

Source: A0-155, A0-152.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, Step, person
from chukan.tenants.middleserver.connections.connection_test.certificates import judged, opened
from chukan.tenants.middleserver.connections.connection_test.client import Gateway
from chukan.tenants.middleserver.connections.connection_test.documents import Sent
from chukan.tenants.middleserver.connections.connection_test.rules import Failed, Finding, NotTried
from chukan.tenants.middleserver.connections.connection_test.talk import (
    Talk,
    problem_of,
    refusals,
    require_refused,
    wrong,
)
from chukan.tenants.middleserver.connections.inquiries import LIST, RESULTS
from chukan.tenants.middleserver.connections.intake import CODES
from chukan.tenants.middleserver.gate import ServiceClosed

_OK, _NO_CONTENT = 200, 204


def _files(bench: Bench) -> str:
    bench.own = opened(bench.files)
    return judged(bench.own, bench.files, bench.now)


def _tls(bench: Bench) -> str:
    if bench.own is None:
        raise NotTried(text("Certificate and key cannot be used."))
    gateway = Gateway(bench.address, bench.own.context, seconds=bench.seconds)
    version = gateway.handshake()
    # TLS 1.3 lets a client speak before its certificate is judged: a first request shows that it was accepted.
    gateway.ask("OPTIONS", "/uploads")
    bench.online = Talk(gateway, bench.sender)
    return version


def _registered(bench: Bench) -> str:
    reply = bench.gateway.ask("OPTIONS", "/uploads")
    if reply.status == _NO_CONTENT:
        if not reply.headers.get("upload-max-piece", "").isdigit():
            raise wrong(text("The answer has no {header}.", header="Upload-Max-Piece"))
        return text("registered for a system")
    # Nothing else can be tried.
    bench.online = None
    problem = problem_of(reply)
    if problem.error == ServiceClosed.code:
        opening = problem.next_opening or "-"
        remedy = text("Test again in the service hours; next opening: {opening}.", opening=opening)
        raise Failed(Finding(problem.message, remedy, error=problem.error, reference=problem.reference))
    raise Failed(*refusals(problem))


def _sender(bench: Bench) -> str:
    """Send a message of each kind until one is allowed: only then its sender is compared with the certificate."""
    talk, write = bench.talk, bench.talk.write
    messages = (
        write.waiting(), write.codes([person(0)]), write.by_number(RESULTS, "TEST-0001"),
        write.registration(bench.dataset.file, str(uuid4())),
    )  # fmt: skip
    for sent in messages:
        reply = talk.send(sent)
        problem = None if reply.status == _OK else problem_of(reply)
        if problem is not None and problem.error == errors.NotAllowed.code:
            continue
        if problem is not None and problem.error == errors.SenderMismatch.code:
            bench.online = None
            raise Failed(*refusals(problem))
        return f"{bench.sender.department}, {bench.sender.system}"
    raise NotTried(text("The certificate is registered for no message."))


def _codes(bench: Bench) -> str:
    persons = [person(place) for place in range(3)]
    message = bench.talk.answer(bench.talk.write.codes(persons))
    told = {
        each.findtext("IntegratedAddressNumber"): (each.findtext("Result"), each.findtext("ProcessingSerial"))
        for each in message.root.iterfind("Entry")
    }
    if told != {each: ("requested", f"TEST-{each}") for each in persons}:
        raise wrong(text("The entries of the answer are not those of the persons asked for."), element="Entry")
    bench.answered.append(CODES)
    return text("{count} persons, each with its processing serial", count=len(persons))


def _pair(bench: Bench) -> tuple[UUID, Sent, Sent]:
    """Return two messages under one MSGID that say different things, of a type that this system may send."""
    identity, write = uuid4(), bench.talk.write
    if CODES in bench.answered:
        return identity, write.codes([person(0)], identity), write.codes([person(1)], identity)
    if LIST in bench.answered:
        return identity, write.list([person(0)], identity), write.list([person(1)], identity)
    raise NotTried(text("No message that could be repeated was answered."))


def _once(bench: Bench) -> str:
    _identity, first, other = _pair(bench)
    talk = bench.talk
    before, again = talk.send(first), talk.send(first)
    talk.judged(first, before)
    if (again.status, again.body) != (before.status, before.body):
        raise wrong(text("The same message sent twice was answered in two ways."))
    require_refused(talk.send(other), errors.KeyReused)
    return text("the same answer twice; other content under the same MSGID is refused")


def _keyed(bench: Bench) -> str:
    _identity, first, other = _pair(bench)
    talk, key = bench.talk, f"connection-test.{uuid4()}"
    before, again = talk.send(first, Idempotency_Key=key), talk.send(first, Idempotency_Key=key)
    talk.judged(first, before)
    if again.body != before.body:
        raise wrong(text("The same message sent twice was answered in two ways."))
    require_refused(talk.send(other, Idempotency_Key=key), errors.KeyReused)
    require_refused(talk.send(first, Idempotency_Key="not a key"), errors.HeaderMalformed)
    return text("the same answer twice; other content under the same key is refused")


#: What everything else needs.
CONNECTION: Sequence[Step] = (
    Step("files", mark("Certificate and private key"), "A0-155", _files),
    Step("tls", mark("TLS with the client certificate"), "A0-155", _tls),
    Step("registered", mark("The certificate's registration"), "A0-155", _registered),
    Step("sender", mark("Department and system of the header"), "A0-155", _sender),
)
CODE_REQUESTS: Sequence[Step] = (Step("codes", mark("Request for linkage codes (IF_FGU_X0011)"), "A0-152", _codes),)
REPETITION: Sequence[Step] = (
    Step("once", mark("The same message twice"), "A0-155", _once),
    Step("once-key", mark("The same Idempotency-Key twice"), "A0-155", _keyed),
)
