"""The server as a test or the demo runs it: started as a program, ordered faults of, asked what it took."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Received:
    """A mail as the server took it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        """The mail as a mail program reads it."""
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def message_id(self) -> str:
        """The Message-ID, in its angle brackets."""
        return str(self.message["Message-ID"])


@dataclass(frozen=True)
class RunningMailServer:
    """A server that runs in a process of its own."""

    port: int
    control_port: int
    process: subprocess.Popen[str]

    def mails(self) -> list[Received]:
        """Return what it took, in the order of arrival."""
        return [
            Received(
                each["sender"],
                tuple(each["recipients"]),
                base64.b64decode(each["content"]),
                each["encrypted"],
                each["user"],
            )
            for each in self._ask("GET", "/mails")
        ]

    def reports(self) -> list[bytes]:
        """Return the delivery reports that it would send back."""
        return [base64.b64decode(each) for each in self._ask("GET", "/reports")]

    def connections(self) -> int:
        """Return how many connections it has seen."""
        return int(self._ask("GET", "/connections"))

    def order(self, fault: str, **details: Any) -> None:
        """Order *fault* from the menu; see ``faults.Order`` for *details*."""
        self._ask("POST", "/faults", {"fault": fault, **details})

    def recover(self) -> None:
        """Take back all orders."""
        self._ask("DELETE", "/faults")

    def forget(self) -> None:
        """Forget what it took."""
        self._ask("DELETE", "/mails")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def running_mail_server(
    *, tls: str = "none", certificate: Path | None = None, user: str = "", password: str = ""
) -> Iterator[RunningMailServer]:
    """Run a server for the block."""
    command = [sys.executable, "-m", "chukan_simulators.mail_server", "--tls", tls]
    command += ["--certificate", str(certificate)] if certificate else []
    command += ["--user", user, "--password", password] if user else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError("the mail server did not start")
            ports = json.loads(line)
            yield RunningMailServer(ports["smtp"], ports["control"], process)
        finally:
            process.terminate()
            process.wait(timeout=10)
