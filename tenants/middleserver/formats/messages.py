"""Messages (電文): the header that all have in common, reading them by their schema, and writing them.

Source: facts D.1 (ids), D.2 (the header's elements and their order).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from lxml import etree

from chukan.tenants.middleserver.formats.codes import SystemId
from chukan.tenants.middleserver.formats.errors import MessageRefused, MessageUnexpected
from chukan.tenants.middleserver.formats.xml import MESSAGE_LIMITS, Limits, parsed, schema

#: An element of a message's tree, for who writes annotations.
Element = etree._Element  # noqa: SLF001 - lxml gives its one element class no public name

_TYPE = "MessageHeader/MSGTypeID"


class MessageMode(StrEnum):
    """Whether a message is of production, or of the test mode that touches no record (decision 30)."""

    PRODUCTION = "0"
    TEST = "1"


@dataclass(frozen=True, slots=True)
class MessageHeader:
    """What every message begins with; the fields are the published elements, in their order.

    ``message_id`` is MSGID, ``type`` MSGTypeID, ``mode`` MSGMode, ``source`` SourceSystemID, ``destination``
    DestinationSystemID, ``reception_number`` ReceptionNumber, ``result`` MSGResult.
    """

    message_id: UUID
    type: str
    mode: MessageMode
    source: SystemId
    destination: SystemId
    reception_number: str = ""
    result: str = ""

    def elements(self) -> Mapping[str, str]:
        """Return the header's elements by name, in their order; empty ones are left out."""
        told = {
            "MSGID": str(self.message_id),
            "MSGTypeID": self.type,
            "MSGMode": self.mode.value,
            "SourceSystemID": self.source,
            "DestinationSystemID": self.destination,
            "ReceptionNumber": self.reception_number,
            "MSGResult": self.result,
        }
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Message:
    """A message that follows its schema: its header, and the tree of all of it."""

    header: MessageHeader
    root: Element

    def value(self, path: str) -> str:
        """Return the text of the one element at *path*, or nothing if it is not there."""
        return value(self.root, path)


def parse(document: bytes, expected: Collection[str], *, limits: Limits = MESSAGE_LIMITS) -> Message:
    """Return the message that *document* holds; its type must be one of *expected* (``IF_…`` ids).

    Raises:
        DocumentTooLarge, DocumentForbidden, DocumentMalformed: as ``xml.scan``.
        MessageUnexpected: it is of another type.
        MessageRefused: it does not follow the schema of its type.
    """
    root = parsed(document, limits)
    found = value(root, _TYPE)
    if found not in expected:
        # What was found may be anything at all: only an id of the known form is repeated.
        raise MessageUnexpected(found=_known(found), expected=", ".join(sorted(expected)))
    if faults := schema(found).faults(root):
        raise MessageRefused(found, faults)
    return Message(_header(root), root)


def new_message(root: str, header: MessageHeader) -> Element:
    """Return the tree of a message that is to be written: the element *root* with its header."""
    tree = etree.Element(root)
    element = etree.SubElement(tree, "MessageHeader")
    for name, told in header.elements().items():
        add(element, name, told)
    return tree


def add(parent: Element, name: str, told: str | int | None = None) -> Element:
    """Append the element *name* with the text *told* to *parent*, and return it."""
    element = etree.SubElement(parent, name)
    if told is not None:
        element.text = str(told)
    return element


def render(root: Element) -> bytes:
    """Return the message of *root* as bytes of UTF-8; it is judged by its schema like one from outside.

    Raises:
        MessageRefused: what we wrote does not follow the schema.
        SchemaUnknown: it has none.
    """
    message_type = value(root, _TYPE)
    document = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    # Read again, so that faults have their lines, and so that what we send is what a receiver will read.
    if faults := schema(message_type).faults(etree.fromstring(document)):
        raise MessageRefused(message_type, faults)
    return document


def value(element: Element, path: str) -> str:
    """Return the text of the one element at *path* below *element*, or nothing if it is not there."""
    return element.findtext(path) or ""


def _header(root: Element) -> MessageHeader:
    told = {child.tag: child.text or "" for child in root[0]}
    return MessageHeader(
        message_id=UUID(told["MSGID"]),
        type=told["MSGTypeID"],
        mode=MessageMode(told["MSGMode"]),
        source=SystemId(told["SourceSystemID"]),
        destination=SystemId(told["DestinationSystemID"]),
        reception_number=told.get("ReceptionNumber", ""),
        result=told.get("MSGResult", ""),
    )


def _known(message_type: str) -> str:
    shown = message_type.replace("_", "")
    return message_type if shown.isascii() and shown.isalnum() and len(shown) <= len("IFDBM20113R01") + 3 else "?"
