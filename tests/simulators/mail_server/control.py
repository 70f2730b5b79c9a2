"""The control side: what was taken, and the menu of faults, as JSON over HTTP on the loopback.

``GET /mails``, ``/reports``, ``/connections``; ``POST /faults`` with one order; ``DELETE /faults``, ``/mails``.
"""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from chukan_simulators.mail_server.faults import Fault, Order
from chukan_simulators.mail_server.server import State


def control_server(state: State) -> ThreadingHTTPServer:
    """Return the control server over *state*, bound to a free port and not yet serving."""

    class Control(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:
            answers: dict[str, Any] = {
                "/mails": [
                    {
                        "sender": mail.sender,
                        "recipients": mail.recipients,
                        "content": base64.b64encode(mail.content).decode(),
                        "encrypted": mail.encrypted,
                        "user": mail.user,
                    }
                    for mail in list(state.mails)
                ],
                "/reports": [base64.b64encode(each).decode() for each in list(state.reports)],
                "/connections": state.connections,
            }
            self._answer(HTTPStatus.OK if self.path in answers else HTTPStatus.NOT_FOUND, answers.get(self.path))

        def do_POST(self) -> None:
            if self.path != "/faults":
                self._answer(HTTPStatus.NOT_FOUND, None)
                return
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            order = Order(Fault(body.pop("fault")), **body)
            state.menu.orders.append(order)
            self._answer(HTTPStatus.OK, order.fault)

        def do_DELETE(self) -> None:
            if self.path == "/faults":
                state.menu.orders.clear()
            elif self.path == "/mails":
                state.mails.clear()
                state.reports.clear()
            self._answer(HTTPStatus.OK, None)

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

    return ThreadingHTTPServer(("127.0.0.1", 0), Control)
