"""HTTPS to the gateway with a client certificate, and what it means when no connection comes about.

Source: A0-155.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPException, HTTPSConnection

#: A larger answer is none of the gateway's.
MAX_ANSWER_BYTES = 64 << 20
_TOO_MANY, _LONGEST_WAIT = 429, 90
#: TLS 1.3 tells a client of its certificate after its handshake: so long the line is listened to, in seconds.
_LISTEN = 3.0


class Trouble(StrEnum):
    """Why no answer came."""

    NAME = "name"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NO_TLS = "no_tls"
    PROTOCOL = "protocol"
    SERVER_UNTRUSTED = "server_untrusted"
    SERVER_NAME = "server_name"
    SERVER_EXPIRED = "server_expired"
    CLIENT_MISSING = "client_missing"
    CLIENT_UNTRUSTED = "client_untrusted"
    CLIENT_EXPIRED = "client_expired"
    CLIENT_UNUSABLE = "client_unusable"
    CUT = "cut"
    TOO_LARGE = "too_large"


class Unreachable(Exception):
    """No answer came; ``trouble`` tells why, ``detail`` in the words of the machine."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        """Tell of *trouble*."""
        super().__init__(f"{trouble}: {detail}")
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True)
class Address:
    """Where the gateway is."""

    host: str
    port: int


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its headers by their names in small letters, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Gateway:
    """The gateway at an address; every request has a connection of its own."""

    def __init__(self, address: Address, context: ssl.SSLContext, *, seconds: float) -> None:
        """Ask with the certificates of *context*; wait for at most *seconds* for each answer."""
        self._address = address
        self._context = context
        self._seconds = seconds

    def ask(self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Return the answer; where the gateway asks for a pause, it is made once.

        Raises:
            Unreachable: none came.
        """
        reply = self._ask(method, path, body, headers or {})
        if reply.status == _TOO_MANY and (wait := reply.headers.get("retry-after", "")).isdigit():
            time.sleep(min(int(wait), _LONGEST_WAIT))
            reply = self._ask(method, path, body, headers or {})
        return reply

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        with self._line() as line:
            line.request(method, path, body=body, headers=dict(headers))
            answer = line.getresponse()
            content = answer.read(MAX_ANSWER_BYTES + 1)
        if len(content) > MAX_ANSWER_BYTES:
            raise Unreachable(Trouble.TOO_LARGE)
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def break_off(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send half of *body*, and be gone; raises Unreachable."""
        with self._line() as line:
            line.putrequest(method, path)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                line.putheader(name, value)
            line.endheaders()
            line.send(body[: len(body) // 2])

    def handshake(self) -> str:
        """Return the version of TLS that is spoken (``TLSv1.3``); raises Unreachable, if no line comes about."""
        with self._line() as line:
            line.connect()
            return str(line.sock.version())

    @contextmanager
    def _line(self) -> Iterator[HTTPSConnection]:
        address = self._address
        connection = HTTPSConnection(address.host, address.port, context=self._context, timeout=self._seconds)
        try:
            with closing(connection):
                yield connection
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        trouble = trouble_of(error)
        if trouble is Trouble.CUT:
            # The alert that told the reason may have been lost behind what was sent: listened to without sending.
            trouble = self._told_when_listening() or trouble
        return Unreachable(trouble, _detail(error))

    def _told_when_listening(self) -> Trouble | None:
        address = (self._address.host, self._address.port)
        try:
            with (
                socket.create_connection(address, timeout=_LISTEN) as plain,
                self._context.wrap_socket(plain, server_hostname=self._address.host) as line,
            ):
                line.recv(1)
        except OSError as error:
            found = trouble_of(error)
            return None if found in {Trouble.TIMEOUT, Trouble.CUT} else found
        return None


#: What the kinds of alert and of failed handshake mean; the part of the name that tells, as OpenSSL writes it.
_ALERTS: Mapping[str, Trouble] = {
    "ALERT_UNKNOWN_CA": Trouble.CLIENT_UNTRUSTED,
    "ALERT_CERTIFICATE_EXPIRED": Trouble.CLIENT_EXPIRED,
    "CERTIFICATE_REQUIRED": Trouble.CLIENT_MISSING,
    "ALERT_BAD_CERTIFICATE": Trouble.CLIENT_UNUSABLE,
    "ALERT_CERTIFICATE_UNKNOWN": Trouble.CLIENT_UNUSABLE,
    "ALERT_UNSUPPORTED_CERTIFICATE": Trouble.CLIENT_UNUSABLE,
    "ALERT_CERTIFICATE_REVOKED": Trouble.CLIENT_UNUSABLE,
    "ALERT_HANDSHAKE_FAILURE": Trouble.CLIENT_UNUSABLE,
    # So a server answers that has no certificate for the name it was called by.
    "UNRECOGNIZED_NAME": Trouble.SERVER_NAME,
    "ALERT_INTERNAL_ERROR": Trouble.SERVER_NAME,
    "PROTOCOL_VERSION": Trouble.PROTOCOL,
    "UNSUPPORTED_PROTOCOL": Trouble.PROTOCOL,
    "WRONG_VERSION_NUMBER": Trouble.NO_TLS,
    "HTTP_REQUEST": Trouble.NO_TLS,
}
#: The first that fits counts.
_KINDS: Mapping[type[Exception], Trouble] = {
    socket.gaierror: Trouble.NAME,
    ConnectionRefusedError: Trouble.REFUSED,
    TimeoutError: Trouble.TIMEOUT,
    ConnectionError: Trouble.CUT,
    HTTPException: Trouble.CUT,
}
#: OpenSSL's numbers for what is wrong with a certificate that was verified.
_HAS_EXPIRED, _HOSTNAME_MISMATCH, _ADDRESS_MISMATCH = 10, 62, 64


def trouble_of(error: Exception) -> Trouble:
    """Return what *error* of a connection means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        return _server_trouble(expired=code == _HAS_EXPIRED, name=code in {_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH})
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or error)
        return next((trouble for part, trouble in _ALERTS.items() if part in reason), Trouble.CUT)
    return next((trouble for kind, trouble in _KINDS.items() if isinstance(error, kind)), Trouble.UNREACHABLE)


def _server_trouble(*, expired: bool, name: bool) -> Trouble:
    if expired:
        return Trouble.SERVER_EXPIRED
    return Trouble.SERVER_NAME if name else Trouble.SERVER_UNTRUSTED


def _detail(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason)
    return str(error) or type(error).__name__
