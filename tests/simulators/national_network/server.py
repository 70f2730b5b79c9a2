"""The TLS port: one thread a connection, faults between the request and its answer, and going down for good."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from socketserver import StreamRequestHandler
from typing import Any

from typing_extensions import override

from chukan_simulators.national_network.answers import JOSE, Answer, found, problem
from chukan_simulators.national_network.authority import PLATFORM_UNIT
from chukan_simulators.national_network.faults import Fault, Point
from chukan_simulators.national_network.reception import LARGEST
from chukan_simulators.national_network.service import Network
from chukan_simulators.national_network.wire import Broken, read_head

_SILENCE_SECONDS = 60
#: Of the first line of a request.
_WORDS = 3
_PIECE = 1024 * 1024
#: Bytes: what comes behind them is not even read.
_PATIENCE = 64 * _PIECE
_BEFORE = frozenset({Fault.DROP, Fault.UNAVAILABLE})


class Front:
    """The network's server, which can go down and come up again at the same port."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.port = port
        self.up()

    def up(self) -> None:
        """Listen, if it does not."""
        with self._lock:
            if self._server is None:
                self._server = _Server(self.port, self._network)
                self.port = int(self._server.server_address[1])
                threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Stop listening and cut every connection, if it listens."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.cut()

    @property
    def is_up(self) -> bool:
        """Whether it listens."""
        with self._lock:
            return self._server is not None


class _Server(ThreadingHTTPServer):
    """A server whose TLS handshakes happen in the threads of their connections: a silent client keeps nobody out."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, network: Network) -> None:
        self.network = network
        self._tls = network.as_server()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_SILENCE_SECONDS)
        with self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as connection:
            with self._open_lock:
                self._open.add(connection)
            try:
                connection.do_handshake()
                super().finish_request(connection, client_address)
            finally:
                with self._open_lock:
                    self._open.discard(connection)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave or may not enter."""

    def cut(self) -> None:
        """Cut every connection."""
        with self._open_lock:
            for connection in self._open:
                _cut(connection)


class _Handler(StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True
    #: Bytes: head and body of an answer leave together.
    wbufsize = 64 * 1024
    server: _Server
    connection: ssl.SSLSocket

    @override
    def handle(self) -> None:
        self.close_connection = False
        self._unit = _unit(self.connection)
        while not self.close_connection:
            try:
                head = read_head(self.rfile)
            except Broken:
                self._send(problem(HTTPStatus.BAD_REQUEST, "http"))
                return
            words = head.first.split(" ") if head else []
            if head is None or len(words) != _WORDS:
                return
            self.close_connection = words[2] != "HTTP/1.1" or head.fields.get("connection", "").lower() == "close"
            self._serve(words[0], words[1], head.fields)

    def _serve(self, method: str, path: str, fields: Mapping[str, str]) -> None:
        body = self._body(method, path, fields)
        if isinstance(body, Answer):
            self.close_connection = True
            self._send(body)
            return
        route = found(method, path)
        if isinstance(route, HTTPStatus):
            self._send(problem(route, "method" if route is HTTPStatus.METHOD_NOT_ALLOWED else "path"))
            return
        asked, part = route
        if self._unit != asked.unit:
            self._send(problem(HTTPStatus.FORBIDDEN, "certificate"))
            return
        self._answer(asked.point, lambda: asked.answer(self.server.network, part, body))

    def _answer(self, point: Point, answer: Any) -> None:
        """Answer, as far as the faults ordered for *point* let it."""
        menu = self.server.network.context.menu
        if order := menu.served(frozenset({Fault.DELAY}), point):
            time.sleep(order.seconds)
        before = menu.served(_BEFORE, point)
        if before and before.fault is Fault.DROP:
            self._hang_up()
        elif before:
            self._send(Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"{}", headers={"Retry-After": "1"}))
        else:
            ready = answer()
            if menu.served(frozenset({Fault.LOSE_ANSWER}), point):
                self._hang_up()
            elif menu.served(frozenset({Fault.STOP_MID_REPLY}), point):
                self._send(ready, half=True)
                self._hang_up()
            else:
                self._send(ready)

    def _body(self, method: str, path: str, fields: Mapping[str, str]) -> bytes | Answer:
        """Return the body of the request, or the refusal of one that cannot be read."""
        if "transfer-encoding" in fields:
            return problem(HTTPStatus.LENGTH_REQUIRED, "length")
        length = fields.get("content-length") or ("" if method == "POST" else "0")
        if not (length.isascii() and length.isdigit()):
            return problem(HTTPStatus.LENGTH_REQUIRED, "length")
        if "expect" in fields:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        if int(length) > LARGEST:
            return self._too_large(path, int(length))
        return self.rfile.read(int(length))

    def _too_large(self, path: str, length: int) -> Answer:
        """Read a body for its digest alone: who is cut off while sending does not see an answer."""
        digest = hashlib.sha256()
        for start in range(0, min(length, _PATIENCE), _PIECE):
            digest.update(self.rfile.read(min(_PIECE, length - start)))
        if path != "/messages" or self._unit != PLATFORM_UNIT:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        return Answer(*self.server.network.reception.too_large(digest.hexdigest()), JOSE)

    def _send(self, answer: Answer, *, half: bool = False) -> None:
        told = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
        if self.close_connection:
            told["Connection"] = "close"
        lines = [f"{name}: {value}\r\n" for name, value in told.items()]
        head = f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n{''.join(lines)}\r\n"
        self.wfile.write(head.encode() + (answer.body[: len(answer.body) // 2] if half else answer.body))
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        _cut(self.connection)


def _unit(connection: ssl.SSLSocket) -> str:
    """Return the unit that the client's certificate names."""
    certificate: Any = connection.getpeercert() or {}
    named = dict(pair for pairs in certificate.get("subject", ()) for pair in pairs)
    return str(named.get("organizationalUnitName", ""))


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()
