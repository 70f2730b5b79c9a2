"""The mail tests' fixtures: a mail server in a process of its own, and an outbox over a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chukan_simulators.mail_server.client import RunningMailServer, running_mail_server
from mail.office import Office
from support.database import Database


@pytest.fixture(scope="session")
def plain_server() -> Iterator[RunningMailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def server(plain_server: RunningMailServer) -> RunningMailServer:
    """A server without TLS that has seen nothing and does nothing wrong."""
    plain_server.recover()
    plain_server.forget()
    return plain_server


@pytest.fixture
def office(database: Database, server: RunningMailServer) -> Office:
    return Office(database, server)
