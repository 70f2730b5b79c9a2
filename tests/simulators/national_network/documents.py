"""The XML documents: written, read without trust, and held against the schemas."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from lxml import etree

NETWORK_SYSTEM = "N000000001"
PLATFORM_SYSTEM = "P000000001"

LIST = "IF_SCM_X0001_S01"
PACKAGE = "IF_SCM_X0002_S01"
RECEIPT = "IF_SCM_X0009_S01"
CODE_REQUEST = "IF_FGU_X0001_R01"
CODE_NOTIFICATION = "IF_FGU_X0002_S01"
INQUIRY = "IF_SKI_X0101_R01"
RESULT = "IF_SKI_X0102_S01"
CANCELLATION = "IF_SKI_X0103_R01"
REQUEST = "IF_TKY_X0201_R01"
PERMIT = "IF_SCM_X0301_S01"
ANSWER = "IF_TKY_X0202_S01"
PROVIDED = "IF_TKY_X0203_S01"
REQUEST_OVER = "IF_TKY_X0204_R01"
RECORDS = "IF_TKM_X0401_S01"
_KNOWN = (
    *(LIST, PACKAGE, RECEIPT, CODE_REQUEST, CODE_NOTIFICATION, INQUIRY, RESULT, CANCELLATION),
    *(REQUEST, PERMIT, ANSWER, PROVIDED, REQUEST_OVER, RECORDS),
)


#: So many documents of the network's own are all checked, and then one of so many.
_ALWAYS = 200
_SELDOM = 20


class Invalid(Exception):
    """A document is not valid; the text says where and why, with nothing of what it holds."""


class Schemas:
    """The schemas of the network's messages, by message id."""

    def __init__(self, folder: Path) -> None:
        self._schemas = {name: etree.XMLSchema(etree.parse(str(folder / f"{name}.xsd"))) for name in _KNOWN}
        self._lock = threading.Lock()
        self._own = threading.local()
        self._written: Counter[str] = Counter()

    def read(self, name: str, content: bytes) -> etree._Element:
        """Return the root of *content*, a document of the type *name*.

        Raises: Invalid if it is not well-formed, has a DTD, or is not valid by its schema.
        """
        try:
            root = etree.fromstring(content, self._parser())
        except etree.XMLSyntaxError as error:
            raise Invalid(f"line {error.position[0]}: not well-formed") from error
        info: Any = root.getroottree().docinfo
        if info.doctype:
            raise Invalid("line 1: a document type is not allowed")
        self.check(name, root)
        return root

    def _parser(self) -> etree.XMLParser:
        """Return this thread's parser: lxml's are not to be shared between threads."""
        known: etree.XMLParser | None = getattr(self._own, "parser", None)
        if known is None:
            known = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
            self._own.parser = known
        return known

    def check(self, name: str, root: etree._Element) -> None:
        """Check *root* against the schema of *name*; raises Invalid."""
        schema = self._schemas[name]
        # One schema keeps one log of errors.
        with self._lock:
            if schema.validate(root.getroottree()):
                return
            log: Any = schema.error_log
            first = log[0]
        raise Invalid(f"line {first.line}: {first.path}: {first.type_name}")

    def check_own(self, name: str, root: etree._Element) -> None:
        """Check *root*, which the network wrote: every one at first, later one of many; raises Invalid."""
        self._written[name] += 1
        if self._written[name] <= _ALWAYS or not self._written[name] % _SELDOM:
            self.check(name, root)


def add(parent: etree._Element, name: str, text: object = None) -> etree._Element:
    """Add an element to *parent* and return it; without *text* it is left empty."""
    child = etree.SubElement(parent, name)
    if text is not None:
        child.text = str(text)
    return child


def add_all(parent: etree._Element, fields: Iterable[tuple[str, object]]) -> None:
    """Add an element for each of *fields* that has a value other than None and ""."""
    for name, text in fields:
        if text not in {None, ""}:
            add(parent, name, text)


def document(root: str, name: str, mid: UUID, mode: str = "0") -> etree._Element:
    """Return a new document from the network to the platform, with its header."""
    element = etree.Element(root)
    header = add(element, "MessageHeader")
    add(header, "MSGID", mid)
    add(header, "MSGTypeID", name)
    add(header, "MSGMode", mode)
    add(header, "SourceSystemID", NETWORK_SYSTEM)
    add(header, "DestinationSystemID", PLATFORM_SYSTEM)
    return element


def text_of(parent: etree._Element, path: str) -> str:
    """Return the text of the one element at *path*, "" if there is none."""
    return parent.findtext(path) or ""


def written(root: etree._Element) -> bytes:
    """Return the bytes of a document."""
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
