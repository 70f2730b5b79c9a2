"""Messages of the network: written, signed and encrypted once, and kept until they are delivered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import document, written
from chukan_simulators.national_network.jose import encrypt
from chukan_simulators.national_network.keys import Keys

Fill = Callable[[etree._Element], None]


@dataclass(frozen=True)
class Conversation:
    """A conversation with an organisation, and whether it is of production ("0") or a test ("1")."""

    institution: str
    conv: str
    mode: str


@dataclass(frozen=True)
class Head:
    """What a message is: the name of its root element and its type."""

    root: str
    typ: str


class Line(Protocol):
    """Where messages wait for their delivery."""

    def add(self, institution: str, conv: str, seq: int, number: int) -> None:
        """Let the message *number* wait."""
        ...


class Outgoing:
    """The way out, up to the line in which messages wait."""

    def __init__(self, context: Context, keys: Keys, line: Line) -> None:
        self._context = context
        self._keys = keys
        self._line = line

    def reaches(self, institution: str) -> bool:
        """Return whether anything can be encrypted to *institution*."""
        return self._keys.encryption(institution) is not None

    def queue(self, connection: sqlite3.Connection, to: Conversation, head: Head, fill: Fill) -> int:
        """Let the next message of the conversation *to*, which *fill* completes, be delivered; returns its number.

        Its bytes are made now, for all attempts. The receiver must be one that ``reaches`` found.
        """
        key = self._keys.encryption(to.institution)
        assert key is not None
        mid = uuid4()
        root = document(head.root, head.typ, mid, to.mode)
        fill(root)
        self._context.schemas.check_own(head.typ, root)
        number = _next_number(connection, to)
        signed = self._keys.signed(head.typ, written(root), to=to.institution, mid=str(mid), conv=to.conv, seq=number)
        content = encrypt(signed, head.typ, to.institution, *key)
        added = connection.execute(
            "insert into delivery (mid, institution, conv, seq, typ, enc_kid, size, next_at, created_at) "
            "values (?, ?, ?, ?, ?, ?, ?, 0, ?)",
            (str(mid), to.institution, to.conv, number, head.typ, key[0], len(content), clock.seconds()),
        )
        row = int(added.lastrowid or 0)
        # Apart, so that an attempt does not write all of it again.
        connection.execute("insert into delivery_body values (?, ?, ?)", (row, signed, content))
        self._context.store.afterwards(lambda: self._line.add(to.institution, to.conv, number, row))
        return row


def _next_number(connection: sqlite3.Connection, to: Conversation) -> int:
    (number,) = connection.execute(
        "insert into conversation (institution, conv, next_out) values (?, ?, 2) "
        "on conflict (institution, conv) do update set next_out = next_out + 1 returning next_out - 1",
        (to.institution, to.conv),
    ).fetchone()
    return int(number)
