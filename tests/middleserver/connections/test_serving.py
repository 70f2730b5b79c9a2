"""The gateway behind its real front, with client certificates, broken lines and kills."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import DatabaseSettings, Settings
from chukan.platform.settings.model import GatewaySettings
from support.database import fresh_database
from support.gateway import Authority, Caller, Card, Entrance, announcement, file_of, piece_headers, registration
from support.jobs import until
from support.vault import file_safe

PROGRAM = """
import sys
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from chukan.gateway.serve import front
from chukan.platform.clock import FixedClock
from chukan.platform.settings import Settings
from chukan.platform.web.serving import Backend, private_directory, serve, told_by_signals
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.transmission.ports import Features
from support.gateway import NOW, nothing_excluded

settings = Settings.model_validate_json(sys.argv[1])
told = told_by_signals()
run = private_directory(settings.gateway.runtime_directory)

def make():
    # The real services at a fixed instant: the tests run at night, too.
    none = lambda _sessions, _vault: Features()
    return make_gateway(opened(settings, none, ExitStack(), FixedClock(NOW), excluded=nothing_excluded))

with as_file(files("chukan") / "config" / "caddy") as shipped:
    serve(Backend(make, run / "gateway.sock", 4), front(settings, run, shipped), told)
"""
#: The real front compares with the real time.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Served:
    """A gateway in processes of its own, which can be killed and started again."""

    entrance: Entrance
    settings: Settings
    folder: Path
    authority: Authority
    process: subprocess.Popen[bytes] | None = None
    _cards: dict[str, Path] = field(default_factory=dict)

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        arguments = [sys.executable, "-c", PROGRAM, self.settings.model_dump_json()]
        self.process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        until(self._answers, seconds=60)

    def _answers(self) -> bool:
        try:
            return self.probe("/healthz")[0] == 200
        except OSError:
            return False

    def probe(self, path: str) -> tuple[int, str]:
        """Return what the probe's port answers to machines: status and body."""
        with closing(HTTPConnection("127.0.0.1", self.settings.gateway.probe_port, timeout=15)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def kill(self) -> None:
        """Kill the application as a power cut would; its parent then ends the front."""
        assert self.process is not None
        os.kill(gunicorn_of(self.process.pid), signal.SIGKILL)

    def wait(self) -> None:
        assert self.process is not None
        assert self.process.wait(30) != 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def context(self, card: Card | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if card is not None:
            if card.fingerprint not in self._cards:
                self._cards[card.fingerprint] = card.written(self.folder, card.fingerprint)
            context.load_cert_chain(self._cards[card.fingerprint])
        return context

    def ask(
        self, card: Card | None, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = HTTPSConnection(
            "localhost", self.settings.gateway.port, context=self.context(card), timeout=20
        )  # fmt: skip
        with closing(connection):
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())

    def break_off(self, card: Card, upload: str, piece: bytes, offset: int) -> None:
        """Send half of a piece, and be gone."""
        told = {"Host": "localhost", "Content-Length": str(len(piece)), **piece_headers(piece, offset)}
        head = f"PATCH {upload} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
        with socket.create_connection(("localhost", self.settings.gateway.port)) as plain:
            line = self.context(card).wrap_socket(plain, server_hostname="localhost")
            line.sendall(f"{head}\r\n".encode() + piece[: len(piece) // 2])
            line.close()

    def offset(self, caller: Caller, upload: str) -> int:
        return int(self.ask(caller.card, "HEAD", upload).headers["Upload-Offset"])


@pytest.fixture(scope="module")
def served(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    authority = Authority("Clients", now=LONG_AGO)
    host = authority.issue("localhost", days=20_000).written(folder, "host")
    (folder / "ca.pem").write_bytes(Card(authority.certificate, authority.key).pem)
    with fresh_database(*cluster) as database:
        entrance = Entrance(file_safe(database, folder))
        gateway = GatewaySettings(
            port=free_port(), probe_port=free_port(), certificate_file=host, private_key_file=host,
            client_ca_file=folder / "ca.pem", runtime_directory=Path(tmp_path_factory.mktemp("run")), threads=4,
        )  # fmt: skip
        found = Served(entrance, entrance.settings.model_copy(update={"gateway": gateway}), folder, authority)
        try:
            found.start()
            yield found
        finally:
            found.stop()
            entrance.close()


@pytest.fixture
def caller(served: Served) -> Caller:
    return caller_of(served)


def caller_of(served: Served) -> Caller:
    card = served.authority.issue(f"system-{os.urandom(4).hex()}", days=20_000)
    return served.entrance.caller(card=card)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def gunicorn_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    programs = {int(child): Path(f"/proc/{child}/comm").read_text().strip() for child in children}
    return next(child for child, program in programs.items() if program != "caddy")


def begun(served: Served, caller: Caller, content: bytes, count: int) -> str:
    announced = served.ask(caller.card, "POST", "/uploads", headers=announcement(content, count))
    assert announced.status == 201, announced.body.decode()
    return announced.headers["Location"]


def test_nobody_comes_in_without_a_certificate_of_the_authority(served: Served) -> None:
    stranger = Authority("Clients", now=LONG_AGO).issue("stranger", days=20_000)
    for card in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            served.ask(card, "OPTIONS", "/uploads")


def test_a_certificate_that_is_registered_for_nobody_is_refused_by_the_gateway(served: Served) -> None:
    refused = served.ask(served.authority.issue("nobody", days=20_000), "OPTIONS", "/uploads")
    assert refused.status == 401
    assert b"connections.certificate_unknown" in refused.body


def test_a_forged_certificate_header_is_overwritten_by_the_front(served: Served, caller: Caller) -> None:
    victim = caller_of(served)
    content = file_of(3)
    upload = begun(served, victim, content, 3)
    forged = served.ask(caller.card, "HEAD", upload, headers=victim.card.headers())
    assert forged.status == 404
    assert served.ask(victim.card, "HEAD", upload, headers=caller.card.headers()).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_machines_are_answered_on_the_probes_port_alone(served: Served, caller: Caller, path: str) -> None:
    assert served.ask(caller.card, "GET", path).status == 404
    assert served.probe(path)[0] == 200


def test_the_probes_port_answers_nothing_else(served: Served) -> None:
    assert served.probe("/uploads")[0] == 404


def test_the_figures_tell_services_outcomes_and_reasons_and_nobodys_inventions(served: Served, caller: Caller) -> None:
    assert served.ask(caller.card, "OPTIONS", "/uploads").status == 204
    assert served.ask(caller.card, "POST", "/if/IF_INVENTED_1", body=b"<x/>").status == 404
    assert served.ask(caller.card, "GET", "/invented-path").status == 404
    page = served.probe("/metrics")[1]
    assert 'chukan_gateway_requests_total{outcome="done",service="manner"}' in page
    assert 'chukan_gateway_requests_total{outcome="refused",service="none"} 2.0' in page
    assert 'chukan_gateway_refusals_total{reason="connections.address_unknown"} 2.0' in page
    assert 'process="gateway"' in page
    assert "chukan_tenant_sessions_open" in page
    assert 'chukan_check_health{check="database-reachable"} 0.0' in page
    assert "nvented" not in page


def test_a_broken_line_keeps_nothing_of_the_piece_and_the_upload_goes_on(served: Served, caller: Caller) -> None:
    content = file_of(4_000)
    third = len(content) // 3
    upload = begun(served, caller, content, 4_000)
    first = content[:third]
    assert served.ask(caller.card, "PATCH", upload, body=first, headers=piece_headers(first, 0)).status == 204
    served.break_off(caller.card, upload, content[third:], third)
    assert served.offset(caller, upload) == third
    rest = content[third:]
    sent = served.ask(caller.card, "PATCH", upload, body=rest, headers=piece_headers(rest, third))
    assert (sent.status, sent.headers["Upload-Offset"]) == (204, str(len(content)))


def test_a_killed_gateway_loses_no_piece_that_it_acknowledged(served: Served, caller: Caller) -> None:
    content = file_of(4_000, first=5_001)
    half = len(content) // 2
    upload = begun(served, caller, content, 4_000)
    first, second = content[:half], content[half:]
    assert served.ask(caller.card, "PATCH", upload, body=first, headers=piece_headers(first, 0)).status == 204
    # The second piece is under way when the gateway dies.
    told = {"Host": "localhost", "Content-Length": str(len(second)), **piece_headers(second, half)}
    head = f"PATCH {upload} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
    with socket.create_connection(("localhost", served.settings.gateway.port)) as plain:
        line = served.context(caller.card).wrap_socket(plain, server_hostname="localhost")
        line.sendall(f"{head}\r\n".encode() + second[:10_000])
        served.kill()
        line.close()
    served.wait()
    served.start()
    assert served.offset(caller, upload) == half
    assert served.ask(caller.card, "PATCH", upload, body=second, headers=piece_headers(second, half)).status == 204
    xml = {"Content-Type": "application/xml"}
    done = served.ask(caller.card, "POST", "/if/IF_DBM_20113_R01", body=registration(upload), headers=xml)
    # Completed: the digest of the whole file was right.
    assert done.status == 200, done.body.decode()
    assert b"<State>received</State>" in done.body
