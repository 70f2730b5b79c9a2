"""The mail server over SMTP (RFC 5321), with STARTTLS or implicit TLS, and a bound on everything that it can delay.

Each answer has its longest wait, and so has each mail as a whole: a server that trickles one byte a second
would otherwise never be given up.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

from chukan.platform.clock import monotonic
from chukan.platform.mail.errors import ServerNotSet, ServerUnavailable, ServerUnsuitable
from chukan.platform.mail.rules import Answer, Stage, answer
from chukan.platform.messages import text
from chukan.platform.settings import MailSettings

#: After this the server closes the connection (RFC 5321, 3.8).
_CLOSING = 421


class SmtpServer:
    """The mail server that the settings name."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    @contextmanager
    def session(self) -> Iterator[SmtpSession]:
        """Open a conversation for the block; see ``ports.MailServer``."""
        session = SmtpSession(self._settings)
        try:
            session.open()
            yield session
        finally:
            session.close()


class SmtpSession:
    """One conversation; a connection that breaks is replaced before the next mail."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._client: smtplib.SMTP | None = None
        #: Whether a mail has gone over the connection that is open.
        self._used = False
        self._watchdog = _Watchdog(settings.send_seconds)

    def open(self) -> smtplib.SMTP:
        """Connect, encrypt and log in as the settings say; see ``ports.MailServer``."""
        if not self._settings.host:
            raise ServerNotSet
        client = self._client = self._new_client()
        self._used = False
        try:
            with self._watchdog.over(client):
                self._greet(client)
        except ssl.SSLCertVerificationError as error:
            raise self._unsuitable(text("it cannot prove who it is"), error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise self._unsuitable(text("it offers no STARTTLS, or no log-in"), error) from error
        except smtplib.SMTPResponseException as error:
            self._drop()
            if 500 <= error.smtp_code < 600:
                raise self._unsuitable(text("it refuses us with {code}", code=error.smtp_code), error) from error
            raise ServerUnavailable(reason=str(error.smtp_code), detail=repr(error)) from error
        except OSError as error:  # SMTPException is one too
            self._drop()
            raise ServerUnavailable(reason=text("no connection"), detail=repr(error)) from error
        return client

    def send(self, recipient: str, content: bytes) -> Answer:
        """Hand one mail over; see ``ports.Session``."""
        used = self._client is not None and self._used
        given = self._attempt(recipient, content)
        if used and given.stage is Stage.SENDER and given.code in {0, _CLOSING}:
            # It has had enough of this connection, not of us: some servers take only so many mails over one.
            given = self._attempt(recipient, content)
        return given

    def close(self) -> None:
        """Take leave of the server, if it is still there."""
        if self._client is not None:
            with suppress(OSError, smtplib.SMTPException), self._watchdog.over(self._client):
                self._client.quit()
        self._drop()
        self._watchdog.end()

    def _attempt(self, recipient: str, content: bytes) -> Answer:
        client = self._client or self.open()
        size = f" SIZE={len(content)}" if client.has_extn("size") else ""
        sender = self._settings.bounce_address or self._settings.sender_address
        stage = Stage.SENDER
        try:
            with self._watchdog.over(client):
                code, words = client.docmd("MAIL", f"FROM:<{sender}>{size}")
                if code // 100 == 2:
                    stage = Stage.RECIPIENT
                    code, words = client.docmd("RCPT", f"TO:<{recipient}>")
                if code // 100 == 2:
                    stage = Stage.CONTENT
                    code, words = client.data(content)
                self._used = True
                if code // 100 != 2:
                    self._begin_anew(client, code)
        except smtplib.SMTPDataError as refused:
            self._begin_anew(client, refused.smtp_code)
            return answer(refused.smtp_code, stage, refused.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            return answer(0, stage, f"{type(error).__name__}: {error}")
        return answer(code, stage, words)

    def _begin_anew(self, client: smtplib.SMTP, code: int) -> None:
        """Make the connection ready for the next mail after a refused one, or give it up."""
        try:
            if code == _CLOSING or client.rset()[0] // 100 != 2:
                self._drop()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _new_client(self) -> smtplib.SMTP:
        settings = self._settings
        # Without a name of ours smtplib would ask the DNS for one.
        name = settings.sender_address.rpartition("@")[2]
        if settings.security == "implicit":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                local_hostname=name, timeout=settings.answer_seconds, context=self._trust
            )
        else:
            client = smtplib.SMTP(local_hostname=name, timeout=settings.answer_seconds)
        # The constructor sets it when it connects; we connect later, so that the watchdog covers the greeting.
        client._host = settings.host  # type: ignore[attr-defined]  # noqa: SLF001 - TLS compares the certificate with it
        return client

    def _greet(self, client: smtplib.SMTP) -> None:
        settings = self._settings
        _expect(client.connect(settings.host, settings.port))
        if settings.security == "starttls":
            client.starttls(context=self._trust)
        _expect(client.ehlo())
        if settings.username:
            client.login(settings.username, settings.password.get_secret_value())

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._settings.ca_file)
        except OSError as error:
            raise ServerUnsuitable(reason=text("mail.ca_file cannot be read"), detail=repr(error)) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _unsuitable(self, reason: str, error: Exception) -> ServerUnsuitable:
        self._drop()
        return ServerUnsuitable(reason=reason, detail=repr(error))

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError):
                client.close()


class _Watchdog:
    """Ends what takes too long, by shutting the socket down: whoever waits for it finds the connection at its end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: tuple[smtplib.SMTP, float] | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, client: smtplib.SMTP) -> Iterator[None]:
        """Give what the block does on *client* its time. Costs nothing but a look at the clock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="mail-watchdog", daemon=True)
            self._thread.start()
        self._watched = (client, monotonic() + self._seconds)
        try:
            yield
        finally:
            self._watched = None

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._seconds / 4)):
            watched = self._watched
            if watched is not None and monotonic() >= watched[1] and watched[0].sock is not None:
                with suppress(OSError):
                    # The socket below TLS: SSLSocket.shutdown would let the reader go on in the clear.
                    socket.socket.shutdown(watched[0].sock, socket.SHUT_RDWR)


def _expect(said: tuple[int, bytes]) -> None:
    """Go on if the server greets us.

    Raises:
        SMTPResponseException: it does not.
    """
    if said[0] // 100 != 2:
        raise smtplib.SMTPResponseException(*said)
