"""What the network answers on its TLS port: who may ask for which path, and what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

from chukan_simulators.national_network.authority import (
    PLATFORM_UNIT,
    TERMINAL_UNIT,
    RequestUnfit,
    certificate_pem,
    kid,
)
from chukan_simulators.national_network.codes import MOST
from chukan_simulators.national_network.documents import RECORDS
from chukan_simulators.national_network.faults import FORGERIES, Point, forged
from chukan_simulators.national_network.jose import taken_apart
from chukan_simulators.national_network.permits import PERMIT_FIELDS
from chukan_simulators.national_network.records import Query, QueryUnfit
from chukan_simulators.national_network.service import Network

JOSE = "application/jose"
JSON = "application/json"
PEM = "application/pem-certificate-chain"


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP."""

    status: HTTPStatus
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """A path: what stands behind it, and the unit whose certificate opens it."""

    method: str
    pattern: re.Pattern[str]
    point: Point
    unit: str
    answer: Callable[[Network, str, bytes], Answer]


def problem(status: HTTPStatus, word: str) -> Answer:
    """Return a refusal that *word* explains."""
    return _json({"Error": word}, status)


def found(method: str, path: str) -> tuple[Route, str] | HTTPStatus:
    """Return the route of *path* and the part of it that varies; or why there is none."""
    matching = [(route, match) for route in ROUTES if (match := route.pattern.fullmatch(path))]
    if not matching:
        return HTTPStatus.NOT_FOUND
    for route, match in matching:
        if route.method == method:
            return route, match.group(1) if match.groups() else ""
    return HTTPStatus.METHOD_NOT_ALLOWED


def _json(content: object, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, json.dumps(content).encode())


def _keys(network: Network, _part: str, _body: bytes) -> Answer:
    return _json(network.keys.listed())


def _masters(network: Network, _part: str, _body: bytes) -> Answer:
    return Answer(HTTPStatus.OK, network.publisher.listing(), JOSE)


def _package(network: Network, part: str, _body: bytes) -> Answer:
    content = network.publisher.package(int(part))
    return problem(HTTPStatus.NOT_FOUND, "package") if content is None else Answer(HTTPStatus.OK, content, JOSE)


def _message(network: Network, _part: str, body: bytes) -> Answer:
    status, receipt = network.reception.receive(body)
    return Answer(status, receipt, JOSE)


def _issue(network: Network, _part: str, body: bytes) -> Answer:
    asked = _object(body)
    values = [asked.get(name) for name in ("InstitutionCode", "Use", "CSR")]
    try:
        made, new = network.keys.issue(*(value if isinstance(value, str) else "" for value in values))
    except RequestUnfit as error:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.word)
    content = certificate_pem(made) + network.ca.read_bytes()
    status = HTTPStatus.CREATED if new else HTTPStatus.OK
    return Answer(status, content, PEM, {"Location": f"/certificates/{kid(made)}"})


def _certificate(network: Network, part: str, _body: bytes) -> Answer:
    shown = network.keys.shown(part)
    if shown is None:
        return problem(HTTPStatus.NOT_FOUND, "certificate")
    return Answer(HTTPStatus.OK, shown[0], PEM, {"Certificate-State": shown[1]})


def _revoke(network: Network, part: str, body: bytes) -> Answer:
    reason = _object(body).get("Reason")
    if not (isinstance(reason, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", reason)):
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "reason")
    revoked = network.keys.revoke(part, reason)
    return problem(HTTPStatus.NOT_FOUND, "certificate") if revoked is None else _json(revoked)


def _register(network: Network, _part: str, body: bytes) -> Answer:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return problem(HTTPStatus.BAD_REQUEST, "json")
    requests = sent if isinstance(sent, list) else [sent]
    if len(requests) > MOST:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "too_many")
    return _json(network.codes.register(requests), HTTPStatus.ACCEPTED)


def _records(network: Network, part: str, _body: bytes) -> Answer:
    institution, _, query = part.partition("?")
    try:
        asked = Query.of(institution, dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)))
    except (QueryUnfit, ValueError):
        return problem(HTTPStatus.BAD_REQUEST, "query")
    content = network.records.listed(asked, network.context.schemas)
    signed = network.keys.signed(RECORDS, content, to=institution)
    order = network.context.menu.served(FORGERIES, Point.RECORDS, institution)
    return Answer(HTTPStatus.OK, forged(taken_apart(signed, PERMIT_FIELDS), order.fault) if order else signed, JOSE)


def _object(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _route(
    method: str, pattern: str, point: Point, answer: Callable[[Network, str, bytes], Answer], unit: str = PLATFORM_UNIT
) -> Route:
    return Route(method, re.compile(pattern), point, unit, answer)


ROUTES = (
    _route("GET", r"/keys", Point.KEYS, _keys),
    _route("GET", r"/masters", Point.MASTERS, _masters),
    _route("GET", r"/masters/([1-9][0-9]{0,8})", Point.PACKAGE, _package),
    _route("POST", r"/messages", Point.MESSAGES, _message),
    _route("POST", r"/certificates", Point.CERTIFICATES, _issue),
    _route("GET", r"/certificates/([0-9a-f]{32})", Point.CERTIFICATES, _certificate),
    _route("POST", r"/certificates/([0-9a-f]{32})/revocation", Point.CERTIFICATES, _revoke),
    _route("GET", r"/records/([0-9]{16}(?:\?.*)?)", Point.RECORDS, _records),
    _route("POST", r"/register/requests", Point.REGISTER, _register, TERMINAL_UNIT),
)
