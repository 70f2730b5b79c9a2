"""The network over mutual TLS: one pool of connections, every request bounded in time and size."""

from __future__ import annotations

import json
import ssl
from collections.abc import Collection, Mapping
from datetime import date
from urllib.parse import quote, urlencode

import httpcore

from chukan.platform.settings import NetworkSettings
from chukan.tenants.middleserver.security.jose import MAX_PACKAGE
from chukan.tenants.middleserver.transmission.adapters.bounded import BoundedBackend, Deadline
from chukan.tenants.middleserver.transmission.errors import (
    NetworkAnswerWrong,
    NetworkAway,
    NetworkFilesUnusable,
    NetworkNotSet,
)
from chukan.tenants.middleserver.transmission.ports import Answer
from chukan.tenants.middleserver.transmission.rules import LARGEST

_JOSE: Mapping[str, str] = {"Content-Type": "application/jose"}
_JSON: Mapping[str, str] = {"Content-Type": "application/json"}
_LATER = frozenset({502, 503, 504})
#: A certificate or a list of keys.
_SMALL = 1 << 20


class HttpsNetwork:
    """The national network as it is reached by the settings; it may be used by many threads. Close it after use."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            NetworkNotSet: the settings name no network.
            NetworkFilesUnusable: a file of the settings cannot be read.
        """
        self._url = settings.url.rstrip("/")
        self._total = settings.request_seconds
        self._timeout = {
            "connect": settings.connect_seconds,
            "read": settings.answer_seconds,
            "write": settings.answer_seconds,
            "pool": settings.request_seconds,
        }
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context_of(settings),
            max_connections=settings.senders + 1,
            max_keepalive_connections=settings.senders + 1,
            keepalive_expiry=30,
            network_backend=BoundedBackend(self._deadline),
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def send(self, message: bytes) -> Answer:
        """Hand over *message*; see ``ports.NetworkPort``."""
        return self._asked("POST", "/messages", message, _JOSE, largest=LARGEST)

    def keys(self) -> bytes:
        """Return the list of the network's signing keys (JSON), as it came; raises as ``send``."""
        return self._fetched("/keys", largest=_SMALL)

    def master_list(self) -> bytes:
        """Return the signed list of packages of masters; raises as ``send``."""
        return self._fetched("/masters", largest=MAX_PACKAGE)

    def master_package(self, sequence: int) -> bytes:
        """Return one signed package; raises as ``send``."""
        return self._fetched(f"/masters/{sequence:d}", largest=MAX_PACKAGE)

    def records(self, institution: str, first: date, last: date, after: str = "") -> bytes:
        """Return the network's signed records of *institution* on these days, behind *after*; raises as ``send``."""
        asked = urlencode({"from": first.isoformat(), "to": last.isoformat(), **({"after": after} if after else {})})
        return self._fetched(f"/records/{quote(institution, safe='')}?{asked}", largest=MAX_PACKAGE)

    def issue(self, institution_code: str, use: str, request_pem: str) -> str:
        """Return the certificate (PEM) for a request; raises as ``send``."""
        asked = {"InstitutionCode": institution_code, "Use": use, "CSR": request_pem}
        answer = self._asked("POST", "/certificates", json.dumps(asked).encode(), _JSON, largest=_SMALL)
        return _content(answer, {200, 201}).decode("ascii", "replace")

    def revoke(self, kid: str, reason: str) -> None:
        """Have the certificate *kid* revoked; raises as ``send``."""
        path = f"/certificates/{quote(kid, safe='')}/revocation"
        _content(self._asked("POST", path, json.dumps({"Reason": reason}).encode(), _JSON, largest=_SMALL), {200})

    def _fetched(self, path: str, *, largest: int) -> bytes:
        return _content(self._asked("GET", path, None, {}, largest=largest), {200})

    def _asked(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, largest: int) -> Answer:
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        further = {"timeout": self._timeout}
        begin = self._pool.stream
        try:
            with (
                self._deadline.within(self._total),
                begin(method, self._url + path, headers=told, content=body, extensions=further) as response,
            ):
                answer = Answer(response.status, _bounded(response, largest))
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            raise NetworkAway(detail=f"{type(error).__name__}: {error}") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise NetworkAnswerWrong(status=type(error).__name__, detail=f"{method} {path}") from error
        if answer.status in _LATER:
            raise NetworkAway(detail=f"HTTP {answer.status}")
        return answer


def context_of(settings: NetworkSettings) -> ssl.SSLContext:
    """Return TLS as the network asks for it: our certificate shown, and nobody trusted but its own authority.

    Raises:
        NetworkNotSet, NetworkFilesUnusable: as ``HttpsNetwork``.
    """
    if not settings.url or settings.ca_file is None or settings.client_certificate_file is None:
        raise NetworkNotSet
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(settings.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise NetworkFilesUnusable(setting="network.ca_file", detail=repr(error)) from error
    try:
        context.load_cert_chain(str(settings.client_certificate_file), _text(settings.client_key_file))
    except (OSError, ssl.SSLError) as error:
        raise NetworkFilesUnusable(setting="network.client_certificate_file", detail=repr(error)) from error
    return context


def _text(path: object) -> str | None:
    return None if path is None else str(path)


def _bounded(response: httpcore.Response, largest: int) -> bytes:
    content = bytearray()
    for block in response.iter_stream():
        content += block
        if len(content) > largest:
            raise NetworkAnswerWrong(status=response.status, detail=f"more than {largest} bytes")
    return bytes(content)


def _content(answer: Answer, expected: Collection[int]) -> bytes:
    if answer.status not in expected:
        raise NetworkAnswerWrong(status=answer.status)
    return answer.content
