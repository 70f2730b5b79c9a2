"""The network as a test runs it: started as a program, ordered about, and asked what it saw."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_SECONDS = 30


@dataclass(frozen=True)
class RunningNetwork:
    """A network that runs in a process of its own."""

    port: int
    control_port: int
    #: PEM files: the CA, and certificates with their keys for platform and register terminals.
    ca: Path
    platform: Path
    terminal: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """Where the platform finds it."""
        return f"https://localhost:{self.port}"

    def status(self) -> Row:
        """Return settings and counts."""
        return dict(self.ask("GET", "/status"))

    def messages(self, institution: str) -> list[Row]:
        """Return the messages that it took from *institution*, oldest first."""
        return self._of("/messages", institution)

    def refusals(self, institution: str) -> list[Row]:
        """Return what it refused of *institution*, oldest first."""
        return self._of("/refusals", institution)

    def deliveries(self, institution: str) -> list[Row]:
        """Return its messages to *institution*, oldest first."""
        return self._of("/deliveries", institution)

    def attempts(self, mid: str) -> list[Row]:
        """Return the attempts to deliver the message *mid*, oldest first."""
        return [row for row in self.ask("GET", "/attempts") if row["mid"] == mid]

    def codes(self, institution: str) -> dict[str, int]:
        """Return how many of *institution*'s serials have come how far."""
        return dict(self.ask("GET", "/codes").get(institution, {}))

    def order(self, fault: str, **details: Any) -> None:
        """Order *fault* from the menu; see ``faults.Order`` for *details*."""
        self.ask("POST", "/faults", {"fault": fault, **details})

    def recover(self) -> None:
        """Take back all orders."""
        self.ask("DELETE", "/faults")

    def set(self, **settings: float) -> None:
        """Change settings; see ``context.DEFAULTS``."""
        self.ask("POST", "/settings", settings)

    def publish(self) -> Row | None:
        """Publish the next package of masters; None if there is none."""
        head: Row | None = self.ask("POST", "/masters/publish")
        return head

    def push(self, **by: float) -> str:
        """Push the network's time by ``days``, ``seconds`` or ``business_days``; returns what it is then."""
        return str(self.ask("POST", "/time", by))

    def inquiries(self, inquirer: str) -> list[Row]:
        """Return the inquiries of *inquirer*, oldest first, with what became of each."""
        return [row for row in self.ask("GET", "/inquiries") if row["inquirer"] == inquirer]

    def records(self, institution: str) -> list[Row]:
        """Return the network's records in which *institution* is one of the two."""
        return [row for row in self.ask("GET", "/records") if institution in {row["inquirer"], row["provider"]}]

    def alter_record(self, inquirer: str, serial: str, **changed: str | None) -> bool:
        """Change fields, named as in a list of records, of one of the network's records as nobody should."""
        told = {"inquirer": inquirer, "serial": serial, "changed": changed}
        return bool(self.ask("POST", "/records/alter", told))

    def lose_record(self, inquirer: str, serial: str) -> bool:
        """Let the network lose one of its records."""
        return bool(self.ask("POST", "/records/remove", {"inquirer": inquirer, "serial": serial}))

    def close(self, institution: str, *, closed: bool = True) -> None:
        """Let *institution* take no requests, or take them again."""
        self.ask("POST", "/institutions/close", {"institution": institution, "closed": closed})

    def partners(self) -> dict[str, Row]:
        """Return who is hosted in the network, by institution code."""
        return {row["institution"]: row for row in self.ask("GET", "/partners")}

    def partner(self, institution: str, **how: str | None) -> Row:
        """Host *institution*: ``inquires_from`` and ``provides_from`` (days; None is never), and how it ``answers``."""
        return dict(self.ask("POST", "/partners", {"institution": institution, **how}))

    def partner_inquires(self, institution: str, provider: str, information: str, resident: str, **more: Any) -> Row:
        """Let a hosted institution ask; returns serial and receipt. See ``partners.Wish`` for *more*."""
        wish = {"institution": institution, "provider": provider, "information": information, "resident": resident}
        return dict(self.ask("POST", "/partners/inquire", wish | more))

    def partner_inquiries(self, institution: str) -> list[Row]:
        """Return what a hosted institution asked and was told, oldest first; records are JSON."""
        return self._of("/partners/inquiries", institution)

    def partner_requests(self, institution: str) -> list[Row]:
        """Return what a hosted institution was requested to provide, oldest first."""
        return self._of("/partners/requests", institution)

    def partner_answers(self, institution: str, inquirer: str, serial: str, result: str, **more: str) -> str:
        """Let a hosted institution answer a request; returns the receipt's result, or the reason of its refusal."""
        told = {"institution": institution, "inquirer": inquirer, "serial": serial, "result": result}
        return str(self.ask("POST", "/partners/answer", told | more))

    def begin_traffic(self, count: int, **plan: Any) -> dict[str, int]:
        """Let hosted institutions ask *count* times as it was counted; returns how often for what.

        See ``traffic.Plan`` for the rest of *plan*; by default whoever has codes of persons is asked.
        """
        return dict(self.ask("POST", "/traffic", {"count": count, **plan}))

    def traffic(self) -> Row:
        """Return how many inquiries of the traffic are ``left``, and the ``receipts`` of the others by result."""
        return dict(self.ask("GET", "/traffic"))

    def register(self, requests: Sequence[object] | object) -> list[Row]:
        """Send *requests* as an organisation's register terminal does."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.terminal)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=_SECONDS, context=context)
        try:
            connection.request("POST", "/register/requests", json.dumps(requests))
            answer: list[Row] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the control side.

        Raises: ValueError if it does not understand.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=_SECONDS)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ValueError(answer)
        return answer

    def _of(self, path: str, institution: str) -> list[Row]:
        return [row for row in self.ask("GET", path) if row["institution"] == institution]


@contextmanager
def running_network(directory: Path, *arguments: str) -> Iterator[RunningNetwork]:
    """Run a network over *directory* for the block; *arguments* are those of the command line."""
    command = [sys.executable, "-m", "chukan_simulators.national_network", "--directory", str(directory), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError("the national network did not start")
            told = json.loads(line)
            ca, platform, terminal = (Path(told[name]) for name in ("ca", "platform", "terminal"))
            yield RunningNetwork(told["port"], told["control"], ca, platform, terminal, process)
        finally:
            process.terminate()
            process.wait(timeout=_SECONDS)
