"""The front and the application behind it, as real processes on real sockets: our own front, and the nginx sample."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
import trustme

from support.jobs import until

PROGRAM = """
import json, signal, sys
from pathlib import Path
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix
from chukan.platform.logs import configure_logs
from chukan.platform.settings import LogSettings
from chukan.platform.web.serving import Backend, Front, Told, private_directory, serve

configure_logs(LogSettings(), process="console")
given = json.loads(sys.argv[1])
run = private_directory(Path(given["run"]), for_group=not given["caddyfile"])

def make():
    app = Flask("small")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)
    app.add_url_rule("/who", "who", lambda: {"address": request.remote_addr, "url": request.url})
    for name in ("healthz", "readyz", "metrics"):
        app.add_url_rule(f"/{name}", name, lambda: "ready")
    app.add_url_rule("/send", "send", lambda: str(len(request.get_data())), methods=["POST"])
    return app

told = Told()
signal.signal(signal.SIGTERM, lambda *_: told.stop.set())
signal.signal(signal.SIGHUP, lambda *_: told.reload.set())
values = {"CHUKAN_RUN": str(run), "CHUKAN_HOST": "localhost", "CHUKAN_PORT": str(given["port"]),
          "CHUKAN_BIND": "127.0.0.1", "CHUKAN_TLS": given["tls"], "CHUKAN_PROBE_PORT": str(given["probes"])}
front = Front(Path(given["caddyfile"]), values, run / "caddy-admin.sock") if given["caddyfile"] else None
serve(Backend(make, run / "console.sock", 4, for_group=front is None), front, told)
"""
ROOT = Path(__file__).parents[2]
CADDYFILE = ROOT / "config/caddy/console.caddyfile"
NGINX = ROOT / "config/nginx/console.conf"
#: What an operator's own nginx.conf has around the sample.
AROUND_THE_SAMPLE = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
{user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    scgi_temp_path {home}/scgi;
    uwsgi_temp_path {home}/uwsgi;
    include {home}/console.conf;
}}
"""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Served:
    """A front with an application, in processes of their own."""

    process: subprocess.Popen[bytes]
    port: int
    probes: int
    run: Path
    authority: Path

    def ask(self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = HTTPSConnection("localhost", self.port, context=context, timeout=10)
        return answer_of(connection, path, body, headers or {})

    def probe(self, path: str) -> Answer:
        return answer_of(HTTPConnection("127.0.0.1", self.probes, timeout=10), path, None, {})

    def certificate(self, name: str = "localhost") -> bytes:
        """Shake hands with the front as if it were called *name*, and return its certificate."""
        context = ssl.create_default_context(cafile=str(self.authority))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""


def answer_of(connection: HTTPConnection, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())


@contextmanager
def serving_behind_caddy(home: Path, tls: str = "internal", authority: Path | None = None) -> Iterator[Served]:
    """Serve behind our own front; whatever the test does, nothing stays running."""
    port, probes, run = free_port(), free_port(), home / "run"
    given = {"run": str(run), "caddyfile": str(CADDYFILE), "port": port, "probes": probes, "tls": tls}
    with started([sys.executable, "-c", PROGRAM, json.dumps(given)], home / "log") as process:
        found = Served(process, port, probes, run, authority or run / "caddy/pki/authorities/local/root.crt")
        until(lambda: answers(found), seconds=30)
        yield found


@contextmanager
def serving_behind_nginx(home: Path) -> Iterator[Served]:
    """Serve behind the sample for operators who have an nginx, with nothing changed but names, files and ports."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed (scripts/os-packages)")
    port, probes, run = free_port(), free_port(), home / "run"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(home / "ca.pem")
    write_certificate(authority, home)
    sample = NGINX.read_text()
    changes = {
        "/run/chukan-console/": f"{run}/",
        "console.example.jp": "localhost",
        "/etc/chukan/tls/console.crt": f"{home}/console.crt",
        "/etc/chukan/tls/console.key": f"{home}/console.key",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "127.0.0.1:9108": f"127.0.0.1:{probes}",
    }
    for before, after in changes.items():
        assert before in sample
        sample = sample.replace(before, after)
    (home / "console.conf").write_text(sample)
    user = "user root;" if os.getuid() == 0 else ""
    (home / "nginx.conf").write_text(AROUND_THE_SAMPLE.format(home=home, user=user))
    given = {"run": str(run), "caddyfile": "", "port": port, "probes": probes, "tls": ""}
    nginx = ["nginx", "-e", "stderr", "-p", str(home), "-c", str(home / "nginx.conf")]
    program = [sys.executable, "-c", PROGRAM, json.dumps(given)]
    with started(program, home / "log") as process, started(nginx, home / "nginx.out"):
        found = Served(process, port, probes, run, home / "ca.pem")
        until(lambda: answers(found), seconds=30)
        yield found


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* during the block; it has to end well when it is told to, unless it has ended by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
        if process.poll() is None:
            process.terminate()
            assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            # With its children: they have no other parent to end them.
            for child in children_of(process.pid):
                os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait()


def write_certificate(authority: trustme.CA, home: Path) -> None:
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(home / "console.key")
    (home / "console.crt").write_bytes(b"".join(each.bytes() for each in certificate.cert_chain_pems))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(served: Served) -> bool:
    assert served.process.poll() is None, "it has ended by itself"
    try:
        return served.ask("/who").status == 200 and served.probe("/readyz").status == 200
    except OSError:
        return False


def children_of(parent: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application behind each of the two fronts, which are to behave alike."""
    front = serving_behind_caddy if request.param == "caddy" else serving_behind_nginx
    with front(tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture(scope="module")
def behind_caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, trustme.CA]]:
    """Our own front with certificates of the operator's, and the authority that issues them."""
    home, authority = tmp_path_factory.mktemp("files"), trustme.CA()
    authority.cert_pem.write_to_path(home / "ca.pem")
    write_certificate(authority, home)
    tls = f'"{home}/console.crt" "{home}/console.key"'
    with serving_behind_caddy(home, tls, home / "ca.pem") as found:
        yield found, authority


def test_the_front_terminates_tls_with_a_certificate_that_its_authority_vouches_for(served: Served) -> None:
    answer = served.ask("/who")
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"]
    assert answer.headers.get("Server", "nginx") == "nginx", "which version serves is nobody's business"


def test_a_name_that_is_not_the_console_s_gets_no_certificate(served: Served) -> None:
    assert served.certificate()
    with pytest.raises(ssl.SSLError):
        served.certificate("elsewhere.example")


def test_a_forged_origin_is_overwritten(served: Served) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=203.0.113.9;host=evil.example",
    }
    told = json.loads(served.ask("/who", forged).body)
    assert told["address"] == "127.0.0.1"
    assert told["url"] == f"https://localhost:{served.port}/who"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/metrics?name=x", "/%6detrics", "//readyz"])
def test_what_machines_ask_is_not_answered_to_the_operators_network(served: Served, path: str) -> None:
    answer = served.ask(path)
    assert answer.status in {404, 308}
    assert b"ready" not in answer.body


def test_the_probes_port_answers_machines_and_nothing_else(served: Served) -> None:
    assert served.probe("/readyz").body == b"ready"
    assert served.probe("/who").status == 404


def test_a_body_beyond_the_limit_is_refused(served: Served) -> None:
    assert served.ask("/send", body=b"x" * 1000).status == 200
    assert served.ask("/send", body=b"x" * 3_000_000).status == 413


def test_silent_clients_do_not_keep_others_waiting(served: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(60)]
    try:
        assert served.ask("/who").status == 200
    finally:
        for each in silent:
            each.close()


def test_the_socket_is_its_owner_s_alone_and_the_group_s_for_a_front_of_somebody_else(served: Served) -> None:
    modes = [path.stat().st_mode & 0o777 for path in (served.run, served.run / "console.sock")]
    theirs = [0o710, 0o660]
    ours = [0o700, 0o600]
    assert modes == (theirs if served.authority.name == "ca.pem" else ours)


def test_a_new_certificate_is_taken_up_without_a_restart(behind_caddy: tuple[Served, trustme.CA]) -> None:
    served, authority = behind_caddy
    before = served.certificate()
    write_certificate(authority, served.authority.parent)
    assert served.certificate() == before
    children = children_of(served.process.pid)
    served.process.send_signal(signal.SIGHUP)
    until(lambda: served.certificate() != before, seconds=20)
    assert set(children) <= set(children_of(served.process.pid))


def test_a_certificate_that_cannot_be_read_leaves_the_old_one_in_place(behind_caddy: tuple[Served, trustme.CA]) -> None:
    served, authority = behind_caddy
    before, home = served.certificate(), served.authority.parent
    (home / "console.crt").write_text("not a certificate")
    served.process.send_signal(signal.SIGHUP)
    until(lambda: "front not reloaded" in (home / "log").read_text(), seconds=20)
    assert served.certificate() == before
    assert served.ask("/who").status == 200
    write_certificate(authority, home)


@pytest.mark.parametrize("program", ["caddy", "gunicorn"])
def test_when_one_of_the_two_ends_the_other_one_ends_too(tmp_path: Path, program: str) -> None:
    with serving_behind_caddy(tmp_path) as found:
        children = children_of(found.process.pid)
        is_caddy = {child: Path(f"/proc/{child}/comm").read_text().strip() == "caddy" for child in children}
        victim, other = sorted(children, key=lambda child: is_caddy[child] != (program == "caddy"))
        os.kill(victim, signal.SIGKILL)
        assert found.process.wait(30) != 0
        assert not Path(f"/proc/{other}").exists()
        with pytest.raises(OSError, match="refused"):
            found.ask("/who")
