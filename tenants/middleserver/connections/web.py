"""The gateway as one application: who calls, the gate, the rate, then the view; and one shape for what is refused.

Source: A0-155; decision 31.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from chukan.platform.clock import Clock
from chukan.platform.identifiers import new_request_id
from chukan.platform.logs import bind_log_context
from chukan.platform.messages import language
from chukan.platform.service_hours.services import Service
from chukan.platform.web.metrics import count_requests
from chukan.platform.web.probe import Probe
from chukan.tenants.middleserver.connections import errors, figures
from chukan.tenants.middleserver.connections.answers import Answers
from chukan.tenants.middleserver.connections.inquiries import is_held
from chukan.tenants.middleserver.connections.intake import Intake, Request
from chukan.tenants.middleserver.connections.problem import problem, told
from chukan.tenants.middleserver.connections.rules import Allowed, RateKind
from chukan.tenants.middleserver.connections.service import Doorkeeper
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_PIECE_BYTES
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.gate import Gate, ServiceClosed
from chukan.tenants.middleserver.transmission.reception import Reception

#: What the front sets, and overwrites where a caller sets it: the certificate whose chain it has verified.
CERTIFICATE, FINGERPRINT = "X-Client-Certificate", "X-Client-Fingerprint"
_LARGEST = MAX_PIECE_BYTES + 65_536
_NETWORK = "/network/"
_MACHINES = frozenset({"/healthz", "/readyz", "/metrics"})


@dataclass(frozen=True)
class Services:
    """What the gateway works with, for as long as it runs; ``reception`` is None while no network is set."""

    clock: Clock
    gate: Gate
    doorkeeper: Doorkeeper
    answers: Answers
    uploads: Uploads
    copies: Copies
    intake: Intake
    probe: Probe
    reception: Reception | None = None
    #: The authority of the network's own certificates: it alone may vouch for who delivers messages.
    network_authority: x509.Certificate | None = None


@dataclass(frozen=True)
class Visit:
    """One request: its id and instant (UTC), the certificate, and for organisations' systems who they are."""

    services: Services
    id: str
    now: datetime
    certificate: x509.Certificate
    asked: Request | None = None

    @property
    def request(self) -> Request:
        """The request of an organisation's system.

        Raises:
            RuntimeError: it is the network's.
        """
        if self.asked is None:
            raise RuntimeError("this address is the network's")
        return self.asked

    def allow(self, wanted: Allowed) -> Request:
        """Return the request if its system is allowed to do *wanted*; raises NotAllowed."""
        self.request.system.require_allowed(wanted)
        return self.request


def visit() -> Visit:
    """Return the request that is being answered."""
    return cast("Visit", g.visit)


def gateway_application(services: Services, blueprints: Mapping[str, RateKind]) -> Flask:
    """Return the application over *services*, without its addresses; *blueprints* says what is counted as what."""
    app = Flask("gateway", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=_LARGEST)
    count_requests(app, "gateway")
    _arrive(app, services, blueprints)
    _answer(app, services)
    return app


def _arrive(app: Flask, services: Services, kinds: Mapping[str, RateKind]) -> None:
    @app.before_request
    def arrive() -> None:
        reference = new_request_id()
        g.stack = ExitStack()
        g.stack.enter_context(bind_log_context(request=reference))
        g.stack.enter_context(language("ja"))
        if request.path in _MACHINES:
            return
        now = services.clock.now()
        certificate = _certificate()
        g.visit = Visit(services, reference, now, certificate)
        if request.path.startswith(_NETWORK):
            _require_network(services, certificate)
            return
        system = services.doorkeeper.identify(certificate, now=now, request=reference)
        g.visit = Visit(services, reference, now, certificate, Request(system, reference, now))
        closed = services.gate.closed(system.tenant, Service.SYSTEM, now)
        if closed is not None and not is_held((request.view_args or {}).get("message_type", ""), closed):
            raise ServiceClosed(closed)
        services.doorkeeper.count(system.tenant, kinds.get(request.endpoint or "", RateKind.OTHERS), now=now)

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        stack: ExitStack | None = g.pop("stack", None)
        if stack is not None:
            stack.close()


def _certificate() -> x509.Certificate:
    """Return the caller's certificate as the front passed it on, compared with the fingerprint that it computed."""
    try:
        certificate, fingerprint = _read(request.headers.get(CERTIFICATE, ""))
    except (binascii.Error, ValueError) as error:
        raise errors.CertificateMissing from error
    if fingerprint != request.headers.get(FINGERPRINT, "").lower():
        raise errors.CertificateMissing
    return certificate


# Systems and the network come again with the same certificates. What is remembered is what stands in one and whose
# signature it bears; whether it is taken is asked at every request.
@lru_cache(maxsize=1024)
def _read(header: str) -> tuple[x509.Certificate, str]:
    """Return the certificate that *header* holds, and its fingerprint; raises binascii.Error, ValueError."""
    certificate = x509.load_der_x509_certificate(base64.b64decode(header, validate=True))
    return certificate, certificate.fingerprint(hashes.SHA256()).hex()


@lru_cache(maxsize=1024)
def _require_issued(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    """Raise InvalidSignature, ValueError or TypeError unless *authority* has signed *certificate*."""
    certificate.verify_directly_issued_by(authority)


def _require_network(services: Services, certificate: x509.Certificate) -> None:
    """Let the network pass: no certificate that an organisation's authority gave is one of the network's."""
    try:
        if services.network_authority is None:
            raise errors.AddressUnknown
        _require_issued(certificate, services.network_authority)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise errors.CertificateUnknown from error


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of *certificate*, or nothing."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _answer(app: Flask, services: Services) -> None:
    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        failure = told(error)
        g.reason = failure.code
        here: Visit | None = g.get("visit")
        if isinstance(failure, errors.NotAllowed | errors.SenderMismatch) and here is not None and here.asked:
            services.doorkeeper.record_refusal(here.asked.system, failure, request=here.id)
        answer = problem(failure, request)
        if isinstance(error, HTTPException) and error.code:
            answer.status_code = error.code
        return answer

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Tus-Resumable", "1.0.0")
        if request.path not in _MACHINES:
            asked = (request.view_args or {}).get("message_type")
            service = figures.service_of(request.endpoint, asked, services.intake.types)
            figures.count(service, response.status_code, g.get("reason"))
        return response


def install(app: Flask, *blueprints: Blueprint) -> Flask:
    """Add the addresses of *blueprints* to *app*."""
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app
