"""What can be wrong with a code, a document or a message; none of these errors repeats a personal value."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: its line, the path of the element, and the reason in the reader's language."""

    line: int
    element: str
    reason: str


class CodeMalformed(ChukanError):
    """A code has another form than the one that its place asks for; the value itself is not repeated."""

    code = "formats.code_malformed"
    failure = Failure.BAD_INPUT
    message = mark("{field} is not of the form {form}.")
    hint = mark("Correct it in the system that sent it. The value is not shown here, because it may be personal.")


class IndividualNumberSuspected(ChukanError):
    """What was sent looks like an Individual Number, which the platform does not hold (A2-004)."""

    code = "formats.individual_number_suspected"
    failure = Failure.REFUSED
    message = mark("{field} seems to hold an Individual Number, which must not be sent to the middle server.")
    hint = mark(
        "Take it out, or tell the helpdesk if it is another number: about one in ten passes the check by chance."
    )


class DocumentMalformed(ChukanError):
    """The bytes are no well-formed XML document in UTF-8."""

    code = "formats.document_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The XML document cannot be read at line {line}: {reason}.")
    hint = mark("Send well-formed XML in UTF-8, without a document type declaration.")


class DocumentForbidden(ChukanError):
    """The document uses what is not accepted from anybody: a DTD, an entity, a processing instruction."""

    code = "formats.document_forbidden"
    failure = Failure.BAD_INPUT
    message = mark("The XML document holds what is not accepted, at line {line}: {what}.")
    hint = mark("Send the document without it.")


class DocumentTooLarge(ChukanError):
    """The document is larger, deeper or holds more elements than a message may."""

    code = "formats.document_too_large"
    failure = Failure.BAD_INPUT
    message = mark("The XML document is over the limit: {what}, at most {limit}.")
    hint = mark("Send less in one message; see the interface document of the message.")


class MessageRefused(ChukanError):
    """A message does not follow its schema; ``faults`` tells line, element and reason of each fault."""

    code = "formats.message_refused"
    failure = Failure.BAD_INPUT
    message = mark("The message {type} does not follow its schema: {count} faults, the first at line {line}: {first}")
    hint = mark("Correct the elements that are named, and send the message anew.")

    def __init__(self, message_type: str, faults: tuple[Fault, ...]) -> None:
        """Refuse a message of *message_type* for its *faults*, of which there is at least one."""
        told = f"{faults[0].element} {faults[0].reason}"
        super().__init__(type=message_type, count=len(faults), line=faults[0].line, first=told)
        self.faults = faults

    @override
    def as_json(self) -> dict[str, object]:
        """Return the shape in which machines are told of it: with line, element and reason of each fault."""
        told = [{"line": each.line, "element": each.element, "reason": each.reason} for each in self.faults]
        return {**super().as_json(), "faults": told}


class MessageUnexpected(ChukanError):
    """A message of another type than those that this place takes."""

    code = "formats.message_unexpected"
    failure = Failure.BAD_INPUT
    message = mark("A message of the type {found} is not accepted here; expected was {expected}.")
    hint = mark("Send it to the address that its interface document names.")


class SchemaUnknown(ChukanError):
    """There is no schema for a message type: the installation is not whole."""

    code = "formats.schema_unknown"
    failure = Failure.CONFIGURATION
    message = mark("There is no schema for messages of the type {type}.")
    hint = mark("Put {type}.xsd into config/protocols, or install the release anew.")
