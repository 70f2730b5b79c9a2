"""Steps: what is wrong has to be refused, with the documented code, status and place.

Source: A0-155, A0-166.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import uuid4

from chukan.platform.errors import ChukanError
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.connection_test.bench import Bench, Step, person
from chukan.tenants.middleserver.connections.connection_test.client import Reply
from chukan.tenants.middleserver.connections.connection_test.documents import Sent, Writer, line_of, sent
from chukan.tenants.middleserver.connections.connection_test.rules import NotTried
from chukan.tenants.middleserver.connections.connection_test.talk import require_refused, wrong
from chukan.tenants.middleserver.connections.inquiries import LIST, RESULTS
from chukan.tenants.middleserver.connections.intake import CODES, REGISTRATION
from chukan.tenants.middleserver.connections.provisions import BARS, DECISION
from chukan.tenants.middleserver.duplicate_copies.errors import UploadUnknown
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    MessageRefused,
    MessageUnexpected,
)
from chukan.tenants.middleserver.formats.messages import Element
from chukan.tenants.middleserver.formats.xml import MESSAGE_LIMITS, parsed
from chukan.tenants.middleserver.inquiries.errors import LinkageCodeMissing, ReceptionUnknown
from chukan.tenants.middleserver.provisions.errors import ProvisionUnknown

_STRANGER = "000000000000001"
_UNKNOWN_SERIAL = "TEST9999999999999999"


def _sample(bench: Bench) -> Sent:
    """Return a right message of a type that this system may send."""
    write = bench.talk.write
    if CODES in bench.answered:
        return write.codes([person(0)])
    if LIST in bench.answered:
        return write.list([person(0)])
    if BARS in bench.answered:
        return write.bars("Bar", person(0))
    if REGISTRATION in bench.answered:
        return write.registration(bench.dataset.file, str(uuid4()))
    raise NotTried(text("No message was answered that could be sent wrongly."))


def _changed(bench: Bench, path: str, value: str) -> tuple[Sent, Element]:
    """Return a right message whose element at *path* was made wrong, and that element."""
    root = parsed(_sample(bench).body)
    element = root.find(path)
    if element is None:
        raise LookupError(path)
    element.text = value
    made = sent(root)
    # Read again: the line is that of the bytes that are sent.
    found = parsed(made.body).find(path)
    return made, element if found is None else found


def _schema(bench: Bench) -> str:
    made, element = _changed(bench, "RequestSourceUserID", "not a user")
    problem = require_refused(bench.talk.send(made), MessageRefused)
    line, told, _ = problem.faults[0] if problem.faults else (0, "", "")
    if line != line_of(element) or "RequestSourceUserID" not in told:
        raise wrong(text("The refusal does not name the line and element that are wrong."), element="Fault")
    return text("line {line}, {element}", line=line, element="RequestSourceUserID")


def _sender(path: str, value: Callable[[Bench], str]) -> Callable[[Bench], str]:
    def run(bench: Bench) -> str:
        name = path.rsplit("/", 1)[-1]
        made, _ = _changed(bench, path, value(bench))
        problem = require_refused(bench.talk.send(made), errors.SenderMismatch)
        if problem.field != name:
            raise wrong(text("The refusal does not name {field}.", field=name), element="Field")
        return name

    return run


def _type(bench: Bench) -> str:
    made = _sample(bench)
    other = next((each for each in bench.answered if each != made.kind), None)
    if other is None:
        raise NotTried(text("This system may send one message type alone."))
    require_refused(bench.talk.send(made, to=other), MessageUnexpected)
    return MessageUnexpected.code


def _other_system(bench: Bench) -> str:
    return "Z999999999" if bench.sender.system != "Z999999999" else "Z999999998"


def _refusal(error: type[ChukanError], ask: Callable[[Bench], Reply]) -> Callable[[Bench], str]:
    """Return a step that asks what has to be refused as *error*."""

    def run(bench: Bench) -> str:
        return require_refused(ask(bench), error).error

    return run


def _remade(make: Callable[[bytes], bytes], **headers: str) -> Callable[[Bench], Reply]:
    def ask(bench: Bench) -> Reply:
        right = _sample(bench)
        return bench.talk.send(replace(right, body=make(right.body)), **headers)

    return ask


def _padded(body: bytes) -> bytes:
    return body.rstrip() + b"\n" * MESSAGE_LIMITS.max_bytes


def _with_doctype(body: bytes) -> bytes:
    declaration, _, rest = body.partition(b"\n")
    return declaration + b"\n<!DOCTYPE x>\n" + rest


def _without_end(body: bytes) -> bytes:
    return body.rstrip()[:-1]


def _stranger(bench: Bench) -> Reply:
    write = bench.talk.write
    if CODES in bench.answered:
        return bench.talk.send(write.codes([_STRANGER]))
    if LIST in bench.answered:
        return bench.talk.send(write.list([_STRANGER]))
    if BARS in bench.answered:
        return bench.talk.send(write.bars("Bar", _STRANGER))
    raise NotTried(text("No message was answered that could be sent wrongly."))


def _of(kind: str, write: Callable[[Writer], Sent]) -> Callable[[Bench], Reply]:
    """Return what sends a message of *kind*, if this system may."""

    def ask(bench: Bench) -> Reply:
        if kind not in bench.answered:
            raise NotTried(text("{type} was not answered.", type=kind))
        return bench.talk.send(write(bench.talk.write))

    return ask


def _unknown_address(bench: Bench) -> Reply:
    return bench.talk.send(_sample(bench), to="IF_XXX_99999_R01")


def _unknown_upload(bench: Bench) -> Reply:
    if REGISTRATION not in bench.answered:
        raise NotTried(text("{type} was not answered.", type=REGISTRATION))
    return bench.gateway.ask("GET", f"/uploads/{uuid4()}")


REFUSALS: Sequence[Step] = (
    Step("refused-schema", mark("Refused: against the schema"), "A0-155", _schema),
    Step(
        "refused-system", mark("Refused: the system of another certificate"), "A0-155",
        _sender("MessageHeader/SourceSystemID", _other_system),
    ),
    Step(
        "refused-department", mark("Refused: the department of another certificate"), "A0-155",
        _sender("RequestSourceUnitCode", lambda bench: "0" if bench.sender.department != "0" else "1"),
    ),
    Step("refused-type", mark("Refused: at the address of another message"), "A0-155", _type),
    Step("refused-address", mark("Refused: an unknown message"), "A0-155",
         _refusal(errors.AddressUnknown, _unknown_address)),
    Step("refused-xml", mark("Refused: XML without its end"), "A0-155",
         _refusal(DocumentMalformed, _remade(_without_end))),
    Step("refused-doctype", mark("Refused: a document type declaration"), "A0-155",
         _refusal(DocumentForbidden, _remade(_with_doctype))),
    Step("refused-too-long", mark("Refused: a message that is too long"), "A0-155",
         _refusal(DocumentTooLarge, _remade(_padded))),
    Step("refused-content-type", mark("Refused: another Content-Type"), "A0-155",
         _refusal(errors.ContentTypeWrong, _remade(bytes, Content_Type="text/plain"))),
    Step("refused-person", mark("Refused: a person of production"), "A0-155",
         _refusal(errors.TestPersonsOnly, _stranger)),
    Step("refused-no-code", mark("Refused: a person without linkage code"), "A0-166",
         _refusal(LinkageCodeMissing, _of("IF_SKI_10712_R01", lambda write: write.single(person(9))))),
    Step("refused-number", mark("Refused: an unknown reception number"), "A0-168",
         _refusal(ReceptionUnknown, _of(RESULTS, lambda write: write.by_number(RESULTS, "9" * 22)))),
    Step("refused-provision", mark("Refused: a request that does not wait"), "A0-167",
         _refusal(ProvisionUnknown, _of(DECISION, lambda write: write.decision("Provide", serial=_UNKNOWN_SERIAL)))),
    Step("refused-upload", mark("Refused: an unknown upload"), "A0-157", _refusal(UploadUnknown, _unknown_upload)),
)  # fmt: skip
