"""Reading XML from outside: bounded, without DTDs and entities, and judged by a schema in words that people understand.

A document is first read by expat alone, which counts and refuses while it reads; only what passes is built as a tree.
Both readers take the bytes as UTF-8, so neither sees what the other does not. The sentences of the schema
processor repeat values of the document, so none of them is passed on: faults are worded here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol, cast
from xml.parsers import expat

from lxml import etree

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    Fault,
    SchemaUnknown,
)


class _Error(Protocol):
    """One entry of the schema processor's log, as lxml gives it."""

    line: int
    path: str | None
    type_name: str
    message: str


#: More faults of one document help nobody.
MAX_FAULTS = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a document may be: bytes, nested elements, elements in all, attributes of one element."""

    max_bytes: int = 4 << 20
    max_depth: int = 24
    max_elements: int = 100_000
    max_attributes: int = 16


#: What a message may be that says nothing else.
MESSAGE_LIMITS = Limits()
#: A package of masters lists every organisation and item of the country.
PACKAGE_LIMITS = Limits(max_bytes=64 << 20, max_elements=2_000_000)


_INVALID_TOKEN = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]
#: What expat's kinds of error mean to who wrote the document.
_SYNTAX: Mapping[int, str] = {
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]: mark("the document ends before it is complete"),
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN]: mark("the document ends before it is complete"),
    _INVALID_TOKEN: mark("there is a character that may not stand there"),
    expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR]: mark("there is a character that may not stand there"),
    expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]: mark("an element is closed under another name"),
    expat.errors.codes[expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE]: mark("an attribute stands there twice"),
    expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]: mark("something follows the end"),
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: mark("an entity is used that nobody defined"),
}


class _Scan:
    """One reading by expat; it counts and refuses, and keeps nothing."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._depth = 0
        self._elements = 0
        self._parser = expat.ParserCreate("UTF-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity
        self._parser.ProcessingInstructionHandler = self._instruction

    def read(self, document: bytes) -> None:
        try:
            self._parser.Parse(document, True)  # noqa: FBT003 - expat takes it by place alone
        except expat.ExpatError as error:
            reason = _SYNTAX.get(error.code, mark("the document is not well formed"))
            raise DocumentMalformed(line=error.lineno, reason=text(reason)) from error

    def _start(self, _name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > self._limits.max_depth:
            raise _beyond_limit(mark("levels of elements"), self._limits.max_depth)
        if self._elements > self._limits.max_elements:
            raise _beyond_limit(mark("elements"), self._limits.max_elements)
        if len(attributes) > self._limits.max_attributes:
            raise _beyond_limit(mark("attributes of one element"), self._limits.max_attributes)

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() not in {"UTF-8", "UTF8"}:
            raise _forbidden(self._parser.CurrentLineNumber, mark("another encoding than UTF-8"))

    def _doctype(self, *_declaration: object) -> None:
        raise _forbidden(self._parser.CurrentLineNumber, mark("a document type declaration"))

    def _entity(self, *_declaration: object) -> None:
        raise _forbidden(self._parser.CurrentLineNumber, mark("an entity"))

    def _instruction(self, *_instruction: object) -> None:
        raise _forbidden(self._parser.CurrentLineNumber, mark("a processing instruction"))


def scan(document: bytes, limits: Limits = MESSAGE_LIMITS) -> None:
    """Do nothing if *document* is well-formed UTF-8 XML within *limits* and without what is forbidden.

    Raises:
        DocumentTooLarge: it is beyond a limit.
        DocumentForbidden: it has a DTD, an entity, a processing instruction or another encoding.
        DocumentMalformed: it is no well-formed XML.
    """
    if len(document) > limits.max_bytes:
        raise _beyond_limit(mark("bytes"), limits.max_bytes)
    try:
        # expat follows a mark of UTF-16 whatever it is told, and the other reader would not.
        document.decode("utf-8")
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        raise DocumentMalformed(line=line, reason=text(_SYNTAX[_INVALID_TOKEN])) from error
    _Scan(limits).read(document)


def parsed(document: bytes, limits: Limits = MESSAGE_LIMITS) -> etree._Element:
    """Return the root of *document*, without its comments; raises as ``scan``."""
    scan(document, limits)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=limits.max_bytes > MESSAGE_LIMITS.max_bytes,
    )
    try:
        return etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentMalformed(line=error.lineno or 0, reason=text("the document is not well formed")) from error


class Schema:
    """A compiled schema; it may be used by many threads, one at a time."""

    def __init__(self, path: Path) -> None:
        self._schema = etree.XMLSchema(etree.parse(str(path)))
        self._lock = threading.Lock()

    def faults(self, root: etree._Element) -> tuple[Fault, ...]:
        """Return what is wrong with the document of *root*, in the order of its lines; at most ``MAX_FAULTS``."""
        with self._lock:
            if self._schema.validate(root):
                return ()
            errors = list(cast("Iterable[_Error]", self._schema.error_log))
        return tuple(_fault(error) for error in _first_of_each(errors)[:MAX_FAULTS])


@cache
def schema(message_type: str) -> Schema:
    """Return the schema of messages of *message_type*, compiled once a process.

    Raises:
        SchemaUnknown: ``config/protocols`` has none.
    """
    path = Path(str(files("chukan"))) / "config" / "protocols" / f"{message_type}.xsd"
    if re.fullmatch(r"[A-Z0-9_]{1,40}", message_type) is None or not path.is_file():
        raise SchemaUnknown(type=message_type)
    return Schema(path)


def _first_of_each(errors: list[_Error]) -> list[_Error]:
    """Return one error for each place: the facet that failed says more than that the type is not met."""
    first: dict[tuple[int, str], _Error] = {}
    for error in errors:
        first.setdefault((error.line, error.path or ""), error)
    return sorted(first.values(), key=lambda error: error.line)


#: What the schema processor's kinds of error mean to who wrote the document.
_REASONS: Mapping[str, str] = {
    "SCHEMAV_CVC_PATTERN_VALID": mark("the value is not of the form that the schema asks for"),
    "SCHEMAV_CVC_ENUMERATION_VALID": mark("the value is none of those that are allowed"),
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": mark("the value is not of the type that the schema asks for"),
    "SCHEMAV_CVC_COMPLEX_TYPE_2_2": mark("the element must hold no other elements"),
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": mark("there is text where only elements may stand"),
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": mark("there is an attribute that the schema does not know"),
    "SCHEMAV_CVC_COMPLEX_TYPE_4": mark("a required attribute is missing"),
    "SCHEMAV_CVC_TYPE_3_1_1": mark("there is an attribute that the schema does not know"),
    "SCHEMAV_CVC_TYPE_3_1_2": mark("the element must hold no other elements"),
    "SCHEMAV_CVC_ELT_1": mark("the document begins with another element than the schema's"),
    "SCHEMAV_CVC_IDC": mark("a value that must be unique stands there twice"),
    "SCHEMAV_CVC_MININCLUSIVE_VALID": mark("the number is too small"),
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": mark("the number is too large"),
}
_EXPECTED = re.compile(r"Expected is (?:one of )?\( ([^)]*) \)")
_LENGTH = re.compile(r"(maximum|minimum|required) length of '(\d+)'|length of '(\d+)'\.?$")


def _fault(error: _Error) -> Fault:
    return Fault(line=error.line, element=error.path or "", reason=_reason(error))


def _reason(error: _Error) -> str:
    kind, said = error.type_name, error.message
    if kind == "SCHEMAV_ELEMENT_CONTENT":
        return _content_reason(said)
    if "LENGTH" in kind and (length := _LENGTH.search(said)):
        return _length_reason(kind, length.group(2) or length.group(3))
    return text(_REASONS.get(kind, mark("the schema does not allow it")))


def _content_reason(said: str) -> str:
    """Return what is wrong with the elements of an element: the names come from our schema, not from the document."""
    expected = _EXPECTED.search(said)
    names = expected.group(1) if expected else ""
    if said.endswith("This element is not expected.") or not names:
        return text("the element may not stand here")
    if "Missing child element" in said:
        return text("an element is missing; expected is: {names}", names=names)
    return text("another element is expected here: {names}", names=names)


def _length_reason(kind: str, length: str) -> str:
    if "MAX" in kind:
        return text("the value is longer than {length} characters", length=length)
    if "MIN" in kind:
        return text("the value is shorter than {length} characters", length=length)
    return text("the value is not {length} characters long", length=length)


def _beyond_limit(what: str, limit: int) -> DocumentTooLarge:
    return DocumentTooLarge(what=text(what), limit=limit)


def _forbidden(line: int, what: str) -> DocumentForbidden:
    return DocumentForbidden(line=line, what=text(what))
