"""The way to the network bounds every request, and trusts nobody but the network's own authority."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from chukan.platform.clock import monotonic
from chukan.platform.settings import NetworkSettings
from chukan.tenants.middleserver.transmission.adapters.https import HttpsNetwork
from chukan.tenants.middleserver.transmission.errors import (
    NetworkAnswerWrong,
    NetworkAway,
    NetworkFilesUnusable,
    NetworkNotSet,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def settings(folder: Path, authority: trustme.CA, port: int, **changes: object) -> NetworkSettings:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("platform.example").private_key_and_cert_chain_pem.write_to_path(folder / "platform.pem")
    usual: dict[str, object] = {
        "url": f"https://localhost:{port}", "ca_file": folder / "ca.pem",
        "client_certificate_file": folder / "platform.pem", "connect_seconds": 2, "answer_seconds": 0.5,
        "request_seconds": 1,
    }  # fmt: skip
    return NetworkSettings.model_validate(usual | changes)


@contextmanager
def listening(authority: trustme.CA, answer: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    """Let *answer* deal with each connection, after the handshake and a first read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                try:
                    raw, _ = server.accept()
                    with context.wrap_socket(raw, server_side=True) as connection:
                        connection.settimeout(3)
                        received = b""
                        while not received.endswith(b"message"):
                            received += connection.recv(65536)
                        answer(connection)
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        ended.set()
        thread.join(5)


def test_a_right_answer_comes_back_whole(tmp_path: Path, authority: trustme.CA) -> None:
    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 409 Conflict\r\nContent-Length: 7\r\n\r\nreceipt")

    with listening(authority, answer) as port:
        network = HttpsNetwork(settings(tmp_path, authority, port))
        told = network.send(b"message")
        network.close()
    assert (told.status, told.content) == (409, b"receipt")


def _trickle_header(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(40):
        connection.sendall(b"X")
        threading.Event().wait(0.1)


def _trickle_body(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(40):
        connection.sendall(b"X")
        threading.Event().wait(0.1)


def _silence(_connection: ssl.SSLSocket) -> None:
    threading.Event().wait(2)


def _half(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


def _nonsense(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"\x00\x01\x02 this is no HTTP\r\n\r\n")


@pytest.mark.parametrize("answer", [_trickle_header, _trickle_body, _silence, _half, _nonsense])
def test_a_peer_that_does_not_answer_in_time_or_at_all_holds_nobody(
    tmp_path: Path, authority: trustme.CA, answer: Callable[[ssl.SSLSocket], None]
) -> None:
    with listening(authority, answer) as port:
        network = HttpsNetwork(settings(tmp_path, authority, port))
        begun = monotonic()
        with pytest.raises(NetworkAnswerWrong):
            network.send(b"message")
        assert monotonic() - begun < 3
        network.close()


def test_a_network_that_is_back_later_or_not_there_is_away(tmp_path: Path, authority: trustme.CA) -> None:
    def later(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n")

    with listening(authority, later) as port:
        network = HttpsNetwork(settings(tmp_path, authority, port))
        with pytest.raises(NetworkAway):
            network.send(b"message")
        network.close()
    network = HttpsNetwork(settings(tmp_path, authority, port))
    with pytest.raises(NetworkAway):
        network.send(b"message")
    network.close()


def test_nobody_is_trusted_whom_the_network_s_authority_does_not_vouch_for(
    tmp_path: Path, authority: trustme.CA
) -> None:  # fmt: skip
    stranger = trustme.CA()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listening(stranger, answer) as port:
        network = HttpsNetwork(settings(tmp_path, authority, port))
        with pytest.raises(NetworkAway):
            network.send(b"message")
        network.close()


def test_without_settings_or_with_wrong_files_nothing_begins(tmp_path: Path, authority: trustme.CA) -> None:
    with pytest.raises(NetworkNotSet):
        HttpsNetwork(NetworkSettings())
    (tmp_path / "broken.pem").write_text("no certificate")
    for name in ("ca_file", "client_certificate_file"):
        with pytest.raises(NetworkFilesUnusable):
            HttpsNetwork(settings(tmp_path, authority, 1, **{name: tmp_path / "broken.pem"}))
