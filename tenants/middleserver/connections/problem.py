"""How the gateway tells of a failure: one shape, as JSON or XML, in Japanese."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Request, Response
from lxml import etree
from werkzeug.exceptions import HTTPException

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.duplicate_copies.errors import PieceDamaged, PieceOutOfPlace, PieceTooLarge
from chukan.tenants.middleserver.formats.errors import DocumentMalformed, DocumentTooLarge
from chukan.tenants.middleserver.formats.messages import Element
from chukan.tenants.middleserver.gate import ServiceClosed
from chukan.tenants.middleserver.inquiries.errors import NotBeforeClose, TooManyInquiries
from chukan.tenants.middleserver.transmission.errors import StoppedByOperators

#: Where HTTP, or the manner of tus, has a status of its own; everything else follows its kind of failure.
STATUS: Mapping[type[ChukanError], int] = {
    errors.RateExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ContentTypeWrong: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    DocumentTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    PieceTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    # tus' extension "checksum" says so.
    PieceDamaged: 460,
}
_FAULT_WORDS = ("reason", "message")
_log = get_logger(__name__)


def status_of(error: ChukanError) -> int:
    """Return the HTTP status that *error* is answered with."""
    return STATUS.get(type(error), error.http_status)


def told(error: Exception) -> ChukanError:
    """Return *error* as one that can be told, logged under the reference that the caller is given."""
    match error:
        case ChukanError():
            _log.info("request refused", exc_info=error, reference=error.reference)
            return error
        case HTTPException(code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            return errors.BodyTooLarge()
        case HTTPException(code=HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED):
            return errors.AddressUnknown()
        case HTTPException():
            # A line that broke inside a body among them: whoever is still there asks how far it came.
            return errors.HeaderMalformed(header="Content-Length")
    fault = ChukanError()
    _log.error("unforeseen failure", exc_info=error, reference=fault.reference)
    return fault


def problem(error: ChukanError, request: Request) -> Response:
    """Return the answer that tells of *error*: XML to who sends or wants XML, else JSON."""
    shape = {**error.as_json(), **_places(error)}
    wants_xml = "xml" in (request.headers.get("Accept", "") or "") or request.path.startswith("/if/")
    body = _xml(shape) if wants_xml else _json(shape)
    kind = "xml" if wants_xml else "json"
    response = Response(body, status_of(error), content_type=f"application/problem+{kind}; charset=utf-8")
    match error:
        case errors.RateExceeded(wait=wait):
            response.headers["Retry-After"] = str(wait)
        case ServiceClosed(next_opening=datetime() as opening):
            response.headers["Retry-After"] = opening.strftime("%a, %d %b %Y %H:%M:%S GMT")
        case PieceOutOfPlace():
            response.headers["Upload-Offset"] = str(error.values["expected"])
    return response


def _places(error: ChukanError) -> dict[str, Any]:
    """Return what else a program can act on: the line, the next opening, the offset."""
    match error:
        case ServiceClosed() | StoppedByOperators():
            return _why_shut(error)
        case DocumentMalformed():
            return {"faults": [{"line": error.values["line"], "element": "", "reason": str(error.values["reason"])}]}
        case PieceOutOfPlace():
            return {"offset": error.values["expected"]}
        case NotBeforeClose(most=most) | TooManyInquiries(most=most):
            return {"largest": most}
        case errors.SenderMismatch() | errors.FileMismatch() | errors.HeaderMalformed():
            return {"field": error.values.get("field") or error.values["header"]}
    return {}


def _why_shut(error: ServiceClosed | StoppedByOperators) -> dict[str, str | None]:
    """Return the reason, a word of the gate's or the operators' own words, and the instant that is known."""
    if isinstance(error, StoppedByOperators):
        return {"reason": error.reason, "stopped_at": as_tokyo(error.stopped_at).isoformat(timespec="seconds")}
    opening = error.next_opening
    return {"reason": error.reason.value, "next_opening": as_tokyo(opening).isoformat() if opening else None}


def _json(shape: Mapping[str, Any]) -> bytes:
    return json.dumps(shape, ensure_ascii=False, default=str).encode()


def _xml(shape: Mapping[str, Any]) -> bytes:
    root = etree.Element("Problem")
    for name, value in shape.items():
        if name == "faults":
            for fault in value:
                _add_fault(root, fault)
        elif value is not None:
            told_as = str(value).lower() if isinstance(value, bool) else str(value)
            etree.SubElement(root, "".join(part.title() for part in name.split("_"))).text = told_as
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _add_fault(root: Element, fault: Mapping[str, Any]) -> None:
    """Add a fault: its place (line and element, or row and kind of error), and in words what is wrong."""
    place = {name: str(said) for name, said in fault.items() if name not in _FAULT_WORDS}
    etree.SubElement(root, "Fault", place).text = next(str(fault[name]) for name in _FAULT_WORDS if name in fault)
