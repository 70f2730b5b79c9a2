"""The SMTP side: aiosmtpd with the faults that were ordered."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import NoReturn

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from chukan_simulators.mail_server.faults import Fault, Menu
from chukan_simulators.mail_server.reports import report

_AT_SENDER = frozenset({Fault.SENDER_REFUSED, Fault.NO_ROOM})
_AT_RECIPIENT = frozenset({Fault.GREYLIST, Fault.UNKNOWN_RECIPIENT, Fault.CLOSING, Fault.TRICKLE})
_AT_CONTENT = frozenset(Fault) - _AT_SENDER - _AT_RECIPIENT
_WORDS = {
    Fault.SENDER_REFUSED: "553 5.7.1 Sender address rejected",
    Fault.NO_ROOM: "452 4.3.1 Insufficient system storage",
    Fault.GREYLIST: "451 4.7.1 Greylisted, please try again later",
    Fault.UNKNOWN_RECIPIENT: "550 5.1.1 No such user here",
    Fault.CLOSING: "421 4.3.2 Service shutting down",
    Fault.DISK_FULL: "452 4.3.1 Mail system full",
    Fault.CONTENT_REFUSED: "554 5.7.1 Message content rejected",
}
_TAKEN = "250 2.0.0 Ok: queued"


@dataclass(frozen=True)
class Taken:
    """A mail that was taken, as it came."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    #: Over TLS, and logged in as whom ("" for nobody).
    encrypted: bool
    user: str


@dataclass
class State:
    """What the server remembers; both sides of it, SMTP and control, look here."""

    menu: Menu = field(default_factory=Menu)
    mails: list[Taken] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    connections: int = 0


@dataclass(frozen=True)
class Setup:
    """How the server is to be reached: TLS ``none``, ``starttls`` or ``implicit``, and who may log in."""

    tls: str = "none"
    context: ssl.SSLContext | None = None
    user: str = ""
    password: str = ""


class Handler:
    """What is done at each command."""

    def __init__(self, state: State, user: str) -> None:
        self._state = state
        self._user = user

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if order := self._state.menu.served(_AT_SENDER):
            return _WORDS[order.fault]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        order = self._state.menu.served(_AT_RECIPIENT, address)
        if order and order.fault is Fault.CLOSING:
            await server.push(_WORDS[order.fault])
            await _cut(server)
        if order and order.fault is Fault.TRICKLE:
            await _trickle(server, order.seconds)
        if order:
            return _WORDS[order.fault]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        order = self._state.menu.served(_AT_CONTENT, envelope.rcpt_tos[0])
        if order and order.fault in _WORDS:
            return _WORDS[order.fault]
        if order and order.fault is Fault.SLOW:
            await asyncio.sleep(order.seconds)
        taken = self._take(server, session, envelope)
        if order and order.fault is Fault.LOST_ANSWER:
            await _cut(server)
        if order and order.fault is Fault.HANG_UP:
            await server.push(_TAKEN)
            await _cut(server)
        if order and order.fault in {Fault.RETURNED, Fault.DELAYED}:
            self._state.reports.append(_report(taken, order.fault))
        return _TAKEN

    def _take(self, server: SMTP, session: Session, envelope: Envelope) -> Taken:
        content = envelope.original_content or b""
        user = self._user if session.authenticated else ""
        # Not session.ssl: aiosmtpd sets it for STARTTLS alone.
        encrypted = server.transport is not None and server.transport.get_extra_info("ssl_object") is not None
        taken = Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, encrypted=encrypted, user=user)
        self._state.mails.append(taken)
        return taken


async def start(state: State, setup: Setup) -> asyncio.Server:
    """Listen on a free port of the loopback."""
    handler = Handler(state, setup.user)

    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object
    ) -> AuthResult:
        right = LoginPassword(setup.user.encode(), setup.password.encode())
        return AuthResult(success=given == right, handled=False)

    def connected() -> SMTP:
        state.connections += 1
        return SMTP(
            handler,
            hostname="mail.example.jp",
            tls_context=setup.context if setup.tls == "starttls" else None,
            require_starttls=setup.tls == "starttls",
            authenticator=authenticate,
            auth_required=bool(setup.user),
            auth_require_tls=setup.tls == "starttls",
            loop=asyncio.get_running_loop(),
        )

    implicit = setup.context if setup.tls == "implicit" else None
    return await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0, ssl=implicit)


async def _cut(server: SMTP) -> NoReturn:
    """Close the connection as a server does that goes away; aiosmtpd then cancels what it was about to say."""
    if server.transport is not None:
        server.transport.close()
    await asyncio.Event().wait()
    raise ConnectionError("unreachable: the handler is cancelled")


async def _trickle(server: SMTP, seconds: float) -> NoReturn:
    while True:
        if isinstance(server.transport, asyncio.WriteTransport):
            server.transport.write(b"2")
        await asyncio.sleep(seconds)


def _report(taken: Taken, fault: Fault) -> bytes:
    said = {
        Fault.RETURNED: ("failed", "5.1.1", "550 5.1.1 No such user here"),
        Fault.DELAYED: ("delayed", "4.4.1", "connection timed out"),
    }
    action, status, words = said[fault]
    return report(
        taken.content, sender=taken.sender, recipient=taken.recipients[0], action=action, status=status, words=words
    )
