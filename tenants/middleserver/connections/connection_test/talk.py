"""Sends messages, and judges what is answered: by its schema, its header, and the documented shape of refusals.

Source: A0-155.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from chukan.platform.errors import HTTP_STATUS, ChukanError
from chukan.platform.messages import text
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.connection_test.client import Gateway, Reply
from chukan.tenants.middleserver.connections.connection_test.documents import ANSWERS, Sender, Sent, Writer
from chukan.tenants.middleserver.connections.connection_test.rules import Failed, Finding, NotTried, Side
from chukan.tenants.middleserver.connections.problem import STATUS
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    MessageRefused,
    MessageUnexpected,
)
from chukan.tenants.middleserver.formats.messages import Message, MessageMode, parse
from chukan.tenants.middleserver.formats.xml import parsed
from chukan.tenants.middleserver.gate import ServiceClosed

_XML = {"Content-Type": "application/xml"}
_OK, _REFUSED = 200, 400
_UNREADABLE = (DocumentMalformed, DocumentForbidden, DocumentTooLarge)


@dataclass(frozen=True)
class Problem:
    """What the gateway tells of a refusal; ``faults`` are (line, element or row, words)."""

    status: int
    error: str
    message: str
    hint: str
    reference: str
    field: str = ""
    offset: str = ""
    next_opening: str = ""
    faults: Sequence[tuple[int, str, str]] = ()


class Talk:
    """A conversation with the gateway in the name of one sender."""

    def __init__(self, gateway: Gateway, sender: Sender) -> None:
        """Speak with *gateway* as *sender*."""
        self.gateway = gateway
        self.sender = sender
        self.write = Writer(sender)

    def send(self, sent: Sent, *, to: str = "", **headers: str) -> Reply:
        """Send a message to the address of its type, or to that of another; raises Unreachable."""
        told = {**_XML, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.gateway.ask("POST", f"/if/{to or sent.kind}", body=sent.body, headers=told)

    def answer(self, sent: Sent, **headers: str) -> Message:
        """Return the answer to *sent*; raises Failed, if it is refused or not what it has to be, and NotTried."""
        return self.judged(sent, self.send(sent, **headers))

    def judged(self, sent: Sent, reply: Reply) -> Message:
        """Return the answer that *reply* is to *sent*; raises as ``answer``."""
        require_done(reply)
        kind = ANSWERS[sent.kind]
        try:
            message = parse(reply.body, {kind})
        except _UNREADABLE as error:
            raise wrong(text("The answer cannot be read as XML: {why}", why=error.told())) from error
        except MessageUnexpected as error:
            raise wrong(text("The answer is of another type than {type}.", type=kind)) from error
        except MessageRefused as error:
            raise Failed(
                *(
                    _platforms(text("The answer {type} does not follow its schema: {reason}", type=kind,
                                    reason=each.reason), line=each.line, element=each.element)
                    for each in error.faults
                )
            ) from error  # fmt: skip
        self._require_header(sent, message)
        return message

    def _require_header(self, sent: Sent, message: Message) -> None:
        header = message.header
        expected = {
            "MSGMode": (header.mode.value, MessageMode.TEST.value),
            "DestinationSystemID": (header.destination, self.sender.system),
            "ReceptionNumber": (header.reception_number, sent.id),
            "MSGResult": (header.result, "accepted"),
        }
        for element, (found, right) in expected.items():
            if found != right:
                what = text("{element} of the answer is not {right}.", element=element, right=right)
                raise wrong(what, element=f"MessageHeader/{element}")


def require_done(reply: Reply, status: int = _OK) -> None:
    """Do nothing if *reply* was not refused; raises Failed, and NotTried where nobody is to blame."""
    if reply.status == status:
        return
    problem = problem_of(reply)
    if problem.error in {errors.NotAllowed.code, ServiceClosed.code}:
        raise NotTried(problem.message)
    raise Failed(*refusals(problem))


def refusals(problem: Problem, *, file: str = "") -> list[Finding]:
    """Return what the gateway says is wrong, each fault by itself."""
    remedy = problem.hint or text("Look the code up in the interface document.")
    side = Side.PLATFORM if problem.status >= HTTP_STATUS[ChukanError.failure] else Side.VENDOR
    if problem.error == errors.SenderMismatch.code:
        remedy = text("The certificate is registered for another department or system than the messages name: {hint}",
                      hint=remedy)  # fmt: skip
    told = [(0, problem.field, problem.message), *problem.faults]
    return [
        Finding(what, remedy, side, file, line, element, problem.error, problem.reference)
        for line, element, what in told
    ]


def require_refused(reply: Reply, error: type[ChukanError]) -> Problem:
    """Return how *reply* refuses with the code and status of *error*; raises Failed, if it does not, and NotTried."""
    status = STATUS.get(error, HTTP_STATUS[error.failure])
    if reply.status < _REFUSED:
        raise wrong(text("It was not refused; expected was {error} ({status}).", error=error.code, status=status))
    problem = problem_of(reply)
    if problem.error in {errors.NotAllowed.code, ServiceClosed.code} - {error.code}:
        raise NotTried(problem.message)
    if (problem.error, problem.status) != (error.code, status):
        told = text("Refused as {found} ({was}); expected was {error} ({status}).", found=problem.error,
                    was=problem.status, error=error.code, status=status)  # fmt: skip
        raise wrong(told, error=problem.error, reference=problem.reference)
    return problem


def problem_of(reply: Reply) -> Problem:
    """Return the refusal that *reply* is; raises Failed, if it has not the documented shape."""
    kind = reply.headers.get("content-type", "")
    try:
        if kind.startswith("application/problem+xml"):
            told = _xml_problem(reply)
        elif kind.startswith("application/problem+json"):
            told = _json_problem(reply)
        else:
            raise _shapeless(reply)
    except (*_UNREADABLE, ValueError, TypeError, AttributeError) as error:
        raise _shapeless(reply) from error
    if not (told.error and told.message and told.reference):
        raise _shapeless(reply)
    return told


def _xml_problem(reply: Reply) -> Problem:
    root = parsed(reply.body)
    if root.tag != "Problem":
        raise ValueError(root.tag)
    faults = [_fault(each.attrib, each.text) for each in root.iterfind("Fault")]
    names = ("Error", "Message", "Hint", "Reference", "Field", "Offset", "NextOpening")
    return _problem(reply, [root.findtext(name) for name in names], faults)


def _json_problem(reply: Reply) -> Problem:
    told: dict[str, Any] = json.loads(reply.body)
    faults = [_fault(each, each.get("reason") or each.get("message")) for each in told.get("faults", ())]
    names = ("error", "message", "hint", "reference", "field", "offset", "next_opening")
    return _problem(reply, [told.get(name) for name in names], faults)


def _problem(reply: Reply, values: Sequence[object], faults: Sequence[tuple[int, str, str]]) -> Problem:
    error, message, hint, reference, place, offset, opening = ("" if each is None else str(each) for each in values)
    return Problem(reply.status, error, message, hint, reference, place, offset, opening, faults)


def _fault(place: Mapping[Any, Any] | etree._Attrib, words: str | None) -> tuple[int, str, str]:
    line = str(place.get("line") or "")
    element = str(place.get("element") or "")
    if row := place.get("row"):
        element = f"row {row}"
    return int(line) if line.isdigit() else 0, element, words or ""


def _shapeless(reply: Reply) -> Failed:
    return wrong(text("The answer with status {status} has not the documented shape of a refusal.",
                      status=reply.status))  # fmt: skip


def wrong(what: str, **place: Any) -> Failed:
    """Return that the gateway did not answer as it is documented."""
    return Failed(_platforms(what, **place))


def _platforms(what: str, **place: Any) -> Finding:
    return Finding(what, text("Look for a proxy in between; if there is none, send this report to the helpdesk."),
                   Side.PLATFORM, **place)  # fmt: skip
