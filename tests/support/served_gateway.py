"""The gateway behind its real front, in processes of its own, which can be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

from chukan.platform.settings import Settings
from chukan.platform.settings.model import GatewaySettings
from chukan.tenants.middleserver.connections.rules import Allowed
from support.database import Database
from support.gateway import Authority, Caller, Card, Entrance, piece_headers
from support.jobs import until
from support.program import Started, started
from support.vault import file_safe

#: The real front compares with the real time.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PROGRAM = Path(__file__).with_name("serve_gateway.py")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Served:
    """A gateway that is served in *folder*, and the authority of those who may come in."""

    entrance: Entrance
    settings: Settings
    folder: Path
    authority: Authority
    process: Started | None = None
    _cards: dict[str, Path] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.settings.gateway.port

    def start(self) -> None:
        self.process = started(PROGRAM, self.settings.model_dump_json(), output=self.folder / "output")
        until(self._answers, seconds=60)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "output").read_text("utf-8")
        try:
            return self.probe("/healthz")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """Kill the application as a power cut would; its parent then ends the front."""
        assert self.process is not None
        os.kill(_gunicorn_of(self.process.pid), signal.SIGKILL)
        assert self.process.wait(30) != 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def caller(self, allowed: frozenset[Allowed] = frozenset(Allowed)) -> Caller:
        """Return a system of a new organisation, whose certificate the front takes."""
        card = self.authority.issue(f"system-{os.urandom(4).hex()}", days=20_000)
        return self.entrance.caller(card=card, allowed=allowed)

    def probe(self, path: str) -> tuple[int, str]:
        """Return what the probe's port answers to machines: status and body."""
        with closing(HTTPConnection("127.0.0.1", self.settings.gateway.probe_port, timeout=15)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def ask(
        self, card: Card | None, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = HTTPSConnection("localhost", self.port, context=self._context(card), timeout=20)
        with closing(connection):
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())

    @contextmanager
    def sending(self, card: Card, upload: str, piece: bytes, offset: int, *, sent: int) -> Iterator[None]:
        """Send no more than *sent* bytes of a piece; the line breaks at the end of the block."""
        told = {"Host": "localhost", "Content-Length": str(len(piece)), **piece_headers(piece, offset)}
        head = f"PATCH {upload} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
        with socket.create_connection(("localhost", self.port)) as plain:
            line = self._context(card).wrap_socket(plain, server_hostname="localhost")
            line.sendall(f"{head}\r\n".encode() + piece[:sent])
            yield
            line.close()

    def _context(self, card: Card | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if card is not None:
            if card.fingerprint not in self._cards:
                self._cards[card.fingerprint] = card.written(self.folder, card.fingerprint)
            context.load_cert_chain(self._cards[card.fingerprint])
        return context


@contextmanager
def served_gateway(database: Database, folder: Path, run: Path) -> Iterator[Served]:
    """Serve a gateway over *database*, with its files in *folder* and its sockets in *run*."""
    authority = Authority("Clients", now=LONG_AGO)
    host = authority.issue("localhost", days=20_000).written(folder, "host")
    (folder / "ca.pem").write_bytes(Card(authority.certificate, authority.key).pem)
    entrance = Entrance(file_safe(database, folder))
    gateway = GatewaySettings(
        port=free_port(), probe_port=free_port(), certificate_file=host, private_key_file=host,
        client_ca_file=folder / "ca.pem", runtime_directory=run, threads=4,
    )  # fmt: skip
    found = Served(entrance, entrance.settings.model_copy(update={"gateway": gateway}), folder, authority)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        entrance.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _gunicorn_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    programs = {int(child): Path(f"/proc/{child}/comm").read_text().strip() for child in children}
    return next(child for child, program in programs.items() if program != "caddy")
