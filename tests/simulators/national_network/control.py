"""The control side: faults, time, masters, and what was seen, as JSON over plain HTTP on the loopback. See README."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, LiteralString

from typing_extensions import override

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.context import DEFAULTS, SettingUnknown
from chukan_simulators.national_network.faults import Fault, Order
from chukan_simulators.national_network.hosts import HostUnfit
from chukan_simulators.national_network.jose import MESSAGE_FIELDS, taken_apart
from chukan_simulators.national_network.partners import Wish
from chukan_simulators.national_network.server import Front
from chukan_simulators.national_network.service import Network
from chukan_simulators.national_network.store import shown


class Control:
    """What can be asked and ordered."""

    def __init__(self, network: Network, front: Front) -> None:
        self._network = network
        self._front = front
        self._store = network.context.store
        self.answers: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "/status"): self._status,
            ("GET", "/messages"): self._messages,
            ("GET", "/refusals"): self._refusals,
            ("GET", "/deliveries"): self._deliveries,
            ("GET", "/attempts"): self._attempts,
            ("GET", "/codes"): self._codes,
            ("GET", "/certificates"): self._certificates,
            ("GET", "/faults"): lambda _: network.context.menu.shown(),
            ("POST", "/faults"): self._order,
            ("DELETE", "/faults"): lambda _: network.context.menu.clear(),
            ("POST", "/settings"): self._set,
            ("POST", "/platform"): self._move,
            ("POST", "/time"): self._advance,
            ("POST", "/masters/publish"): self._publish,
            ("POST", "/keys/rotate"): lambda _: network.keys.rotate(),
            ("POST", "/residents/unknown"): lambda told: network.codes.never_heard_of(told["codes"]),
            ("POST", "/deliveries/now"): lambda _: network.deliveries.hurry(),
            ("POST", "/deliveries/again"): lambda told: network.deliveries.again(told["mid"]),
            ("GET", "/inquiries"): self._inquiries,
            ("GET", "/records"): lambda _: [_jsonable(row) for row in self._store.found_all("select * from record")],
            ("POST", "/records/alter"): lambda told: network.records.alter(
                told["inquirer"], told["serial"], told["changed"]
            ),
            ("POST", "/records/remove"): lambda told: network.records.remove(told["inquirer"], told["serial"]),
            ("GET", "/partners"): lambda _: [host.shown() for host in network.hosts.all()],
            ("POST", "/partners"): lambda told: network.hosts.set(told.pop("institution"), **told).shown(),
            ("POST", "/partners/inquire"): lambda told: network.partners.inquire(Wish(**told)),
            ("POST", "/partners/answer"): lambda told: network.partners.answer(**told),
            ("GET", "/partners/inquiries"): lambda _: self._of_hosts("select * from host_inquiry order by number"),
            ("GET", "/partners/requests"): lambda _: self._of_hosts(
                "select institution, conv, mode, inquirer, serial, permit, information, state from host_request "
                "order by number"
            ),
            ("POST", "/institutions/close"): lambda told: network.hosts.close(
                told["institution"], closed=told["closed"]
            ),
            ("POST", "/traffic"): network.traffic.begin,
            ("GET", "/traffic"): lambda _: network.traffic.shown(),
            ("POST", "/down"): self._down,
            ("POST", "/up"): lambda _: front.up(),
        }

    def _status(self, _told: dict[str, Any]) -> Any:
        settings = {name: self._network.context.setting(name) for name in DEFAULTS}
        return {
            "up": self._front.is_up,
            "platform_url": self._network.context.platform_url,
            "published": len(self._network.publisher.published()),
            "settings": settings,
            "messages": self._how_many("select count(*) from message"),
            "refusals": self._how_many("select count(*) from refusal"),
            "codes": self._how_many("select count(*) from code"),
            "serials_waiting": self._how_many("select count(*) from serial where result is null"),
            "serials_due": self._how_many(
                "select count(*) from serial where result is null and due_at <= ?", self._network.context.time()
            ),
            "deliveries_waiting": self._how_many("select count(*) from delivery where state = 'waiting'"),
        }

    def _messages(self, _told: dict[str, Any]) -> Any:
        rows = self._store.found_all("select * from message order by number")
        return [_jsonable(row) | {"payload": _payload(bytes(row["bytes"]))} for row in rows]

    def _refusals(self, _told: dict[str, Any]) -> Any:
        return [_jsonable(row) for row in self._store.found_all("select * from refusal order by number")]

    def _deliveries(self, _told: dict[str, Any]) -> Any:
        query = (
            "select mid, institution, conv, seq, typ, enc_kid, state, attempts, result, reason, last_error, created_at,"
            " size from delivery order by number"
        )
        return [_jsonable(row) for row in self._store.found_all(query)]

    def _attempts(self, _told: dict[str, Any]) -> Any:
        return [_jsonable(row) for row in self._store.found_all("select * from attempt order by number")]

    def _codes(self, _told: dict[str, Any]) -> Any:
        """Return how many serials of each institution have come how far; never a code or a resident."""
        counts: dict[str, Counter[str]] = {}
        for row in self._store.found_all("select * from serial"):
            stage = row["result"] or (
                "unregistered" if row["registered_at"] is None else "unannounced" if row["conv"] is None else "waiting"
            )
            counts.setdefault(row["institution"], Counter())[stage] += 1
        return counts

    def _certificates(self, _told: dict[str, Any]) -> Any:
        query = (
            "select kid, institution, use, not_before, not_after, revoked_at, reason "
            "from certificate order by not_before, kid"
        )
        return [_jsonable(row) for row in self._store.found_all(query)]

    def _inquiries(self, _told: dict[str, Any]) -> Any:
        """Return all inquiries; never a code."""
        query = (
            "select inquirer, serial, conv, mode, provider, affair, procedure, information, condition, requested_at,"
            " non_disclosure, delegated, valid_until, state, reason, permit, provision_conv "
            "from inquiry order by number"
        )
        return [_jsonable(row) for row in self._store.found_all(query)]

    def _of_hosts(self, query: LiteralString) -> Any:
        return [_jsonable(row) for row in self._store.found_all(query)]

    def _move(self, told: dict[str, Any]) -> None:
        self._store.keep("platform_url", told["url"].rstrip("/"))
        self._network.deliveries.nudge()

    def _advance(self, told: dict[str, Any]) -> Any:
        seconds = 86_400 * float(told.pop("days", 0)) + float(told.pop("seconds", 0))
        self._network.context.advance(float(told.pop("business_days", 0)), seconds)
        if told:
            raise ValueError(f"unknown: {', '.join(told)}")
        return clock.second(self._network.context.time())

    def _order(self, told: dict[str, Any]) -> Any:
        order = Order(Fault(told.pop("fault")), **told)
        self._network.context.menu.order(order)
        return order.fault

    def _set(self, told: dict[str, Any]) -> Any:
        for name, value in told.items():
            self._network.context.set(name, value)
        return {name: self._network.context.setting(name) for name in DEFAULTS}

    def _publish(self, _told: dict[str, Any]) -> Any:
        head = self._network.publisher.publish()
        return None if head is None else vars(head)

    def _down(self, told: dict[str, Any]) -> Any:
        self._front.down()
        if "seconds" in told:
            again = threading.Timer(float(told["seconds"]), self._front.up)
            again.daemon = True
            again.start()

    def _how_many(self, query: LiteralString, *values: object) -> int:
        row = self._store.found_one(query, *values)
        return int(row[0]) if row else 0


def _jsonable(row: Any) -> dict[str, Any]:
    values = shown(row)
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in values.items()
    }


def _payload(message: bytes) -> str:
    """Return what is signed, in base64."""
    return base64.b64encode(taken_apart(message, MESSAGE_FIELDS).payload).decode()


def control_server(network: Network, front: Front, port: int) -> ThreadingHTTPServer:
    """Return the control server, bound and not yet serving."""
    control = Control(network, front)

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = control.answers.get((self.command, self.path))
            if answer is None:
                self._answer(HTTPStatus.NOT_FOUND, None)
                return
            try:
                self._answer(HTTPStatus.OK, answer(json.loads(self.rfile.read(length) or b"{}")))
            except (ValueError, KeyError, TypeError, SettingUnknown, HostUnfit) as error:
                self._answer(HTTPStatus.BAD_REQUEST, f"{type(error).__name__}: {error}")

        def _answer(self, status: HTTPStatus, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: standard error belongs to what goes wrong."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
