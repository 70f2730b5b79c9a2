"""Messages to the network: judged step by step, counted in order, and receipted with a signature."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import Invalid, add_all, text_of, written
from chukan_simulators.national_network.faults import FORGERIES, Fault, Point, forged
from chukan_simulators.national_network.incoming import Refused, Sent
from chukan_simulators.national_network.jose import (
    MESSAGE_FIELDS,
    RECEIPT_FIELDS,
    Malformed,
    Signed,
    taken_apart,
)
from chukan_simulators.national_network.keys import Keys

#: Bytes of the body of a request.
LARGEST = 8 * 1024 * 1024
#: Seconds.
OLDEST = 14 * 86_400
FARTHEST_AHEAD = 5 * 60
#: Named as the receiver of a receipt when nobody can say who sent the message.
NOBODY = "0" * 16

_STATUS = {
    "malformed": HTTPStatus.BAD_REQUEST,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "signature": HTTPStatus.BAD_REQUEST,
    "key": HTTPStatus.FORBIDDEN,
    "stale": HTTPStatus.BAD_REQUEST,
    "sender": HTTPStatus.FORBIDDEN,
    "message_type": HTTPStatus.UNPROCESSABLE_ENTITY,
    "schema": HTTPStatus.UNPROCESSABLE_ENTITY,
    "content": HTTPStatus.UNPROCESSABLE_ENTITY,
    "conflict": HTTPStatus.CONFLICT,
    "sequence": HTTPStatus.CONFLICT,
    "closed": HTTPStatus.CONFLICT,
}


@dataclass(frozen=True)
class Kind:
    """A type of message that the network takes: how its content is judged, and what it does.

    One that is ``alone`` is judged when it comes; others when it is their turn, for their sense depends on what was
    before them.
    """

    check: Callable[[sqlite3.Connection, Sent], None]
    take: Callable[[sqlite3.Connection, Sent], None]
    alone: bool = False


@dataclass
class _Request:
    """A request under examination: what is known of it so far."""

    body: bytes
    digest: str
    message: Signed | None = None
    institution: str = NOBODY
    #: Whether the faults ordered for messages apply to it.
    faulty: bool = True

    @property
    def header(self) -> Any:
        return self.message.header if self.message else {}


class Reception:
    """What ``POST /messages`` does."""

    def __init__(self, context: Context, keys: Keys, kinds: Mapping[str, Kind]) -> None:
        """Receive messages of *kinds*, by their type."""
        self._context = context
        self._store = context.store
        self._keys = keys
        self._kinds = kinds

    def receive(self, body: bytes) -> tuple[HTTPStatus, bytes]:
        """Return the status and the signed receipt for *body*."""
        status, receipt = self._judged(_Request(body, hashlib.sha256(body).hexdigest()))
        order = self._context.menu.served(FORGERIES, Point.MESSAGES)
        return status, forged(taken_apart(receipt, RECEIPT_FIELDS), order.fault) if order else receipt

    def receive_from_inside(self, body: bytes) -> bytes:
        """Return the receipt for *body*, sent by a hosted institution: no fault applies."""
        return self._judged(_Request(body, hashlib.sha256(body).hexdigest(), faulty=False))[1]

    def _judged(self, request: _Request) -> tuple[HTTPStatus, bytes]:
        try:
            return HTTPStatus.OK, self._receive(request)
        except Refused as refused:
            return _STATUS[refused.reason], self._refusal(request, refused)

    def too_large(self, digest: str) -> tuple[HTTPStatus, bytes]:
        """Return the answer to a body of *digest* that nobody kept."""
        return _STATUS["too_large"], self._refusal(_Request(b"", digest), Refused("too_large"))

    def _receive(self, request: _Request) -> bytes:
        message = request.message = self._authentic(request)
        with self._store.transaction() as connection:
            before = self._known(connection, request)
            if before is not None:
                return before
            sent = self._sent(message, self._read(message))
            kind = self._kinds[message.header["typ"]]
            expected = self._expected(connection, request)
            if kind.alone or sent.seq == expected:
                kind.check(connection, sent)
            return self._take(connection, request, sent, expected)

    def _authentic(self, request: _Request) -> Signed:
        """Return the message of *request*, whose signer is then known to be an organisation of ours."""
        try:
            message = request.message = taken_apart(request.body, MESSAGE_FIELDS)
        except Malformed as error:
            raise Refused("malformed") from error
        signer = self._keys.signer(message.header["kid"])
        if signer is None:
            raise Refused("key")
        if not message.is_signed_by(signer[1]):
            raise Refused("signature")
        request.institution = signer[0]
        if message.header["from"] != request.institution or message.header["to"] != NETWORK:
            raise Refused("sender")
        age = clock.seconds() - message.header["iat"]
        if age > OLDEST or age < -FARTHEST_AHEAD:
            raise Refused("stale")
        return message

    def _known(self, connection: sqlite3.Connection, request: _Request) -> bytes | None:
        """Return the receipt that these bytes have already, if they have."""
        row = connection.execute(
            "select digest, receipt from message where institution = ? and mid = ?",
            (request.institution, request.header["mid"]),
        ).fetchone()
        if row is None:
            return None
        if row["digest"] != request.digest:
            raise Refused("conflict", "this message id came with other bytes before")
        return bytes(row["receipt"])

    @staticmethod
    def _sent(message: Signed, root: etree._Element) -> Sent:
        header = message.header
        return Sent(header["from"], header["conv"], header["seq"], root, header["kid"])

    def _read(self, message: Signed) -> etree._Element:
        """Return the document of *message*, if the network takes its type."""
        if message.header["typ"] not in self._kinds:
            raise Refused("message_type")
        try:
            root = self._context.schemas.read(message.header["typ"], message.payload)
        except Invalid as error:
            raise Refused("schema", str(error)) from error
        named = text_of(root, "MessageHeader/MSGTypeID"), text_of(root, "MessageHeader/MSGID")
        if named != (message.header["typ"], message.header["mid"]):
            raise Refused("message_type", "typ and MSGTypeID, mid and MSGID must be equal")
        return root

    def _expected(self, connection: sqlite3.Connection, request: _Request) -> int:
        """Return which number comes next in the conversation, if this message may be taken now."""
        header = request.header
        conversation = (request.institution, header["conv"])
        row = connection.execute(
            "select next_in from conversation where institution = ? and conv = ?", conversation
        ).fetchone()
        expected = int(row["next_in"]) if row else 1
        if header["seq"] == expected:
            return expected
        query = "select 1 from message where institution = ? and conv = ? and seq = ? and state = 'held'"
        if header["seq"] < expected or connection.execute(query, (*conversation, header["seq"])).fetchone():
            raise Refused("conflict", "this number came with another message before", expected)
        if header["seq"] - expected > self._context.setting("hold"):
            raise Refused("sequence", expected=expected)
        return expected

    def _take(self, connection: sqlite3.Connection, request: _Request, sent: Sent, expected: int) -> bytes:
        """Keep the message, and apply it and those that waited for it."""
        header, in_turn = request.header, sent.seq == expected
        result = "accepted" if in_turn else "held"
        now = clock.seconds()
        receipt = self._receipt(request, now, result, Refused("", expected=None if in_turn else expected))
        connection.execute(
            "insert into message "
            "(institution, mid, conv, seq, typ, digest, bytes, state, receipt, received_at) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(request.institution, header["mid"], header["conv"], header["seq"], header["typ"], request.digest),
                *(request.body, result, receipt, now),
            ),
        )
        if in_turn:
            self._kinds[header["typ"]].take(connection, sent)
            self._go_on(connection, request.institution, header["conv"], expected + 1)
        return receipt

    def _go_on(self, connection: sqlite3.Connection, institution: str, conv: str, number: int) -> None:
        """Apply the messages of the conversation that are held, from *number* on, as far as there is no gap."""
        query = "select * from message where institution = ? and conv = ? and seq = ? and state = 'held'"
        while row := connection.execute(query, (institution, conv, number)).fetchone():
            message = taken_apart(bytes(row["bytes"]), MESSAGE_FIELDS)
            sent, kind = self._sent(message, self._read(message)), self._kinds[row["typ"]]
            try:
                if not kind.alone:
                    kind.check(connection, sent)
                kind.take(connection, sent)
                state = "accepted"
            except Refused:
                # It was receipted as held: nobody can be told any more.
                state = "put_aside"
            connection.execute("update message set state = ? where number = ?", (state, row["number"]))
            number += 1
        connection.execute(
            "insert into conversation (institution, conv, next_in) values (?, ?, ?) "
            "on conflict (institution, conv) do update set next_in = excluded.next_in",
            (institution, conv, number),
        )

    def _refusal(self, request: _Request, refused: Refused) -> bytes:
        now = clock.seconds()
        institution = None if request.institution == NOBODY else request.institution
        with self._store.transaction() as connection:
            connection.execute(
                "insert into refusal (institution, mid, digest, reason, detail, received_at) values (?, ?, ?, ?, ?, ?)",
                (institution, request.header.get("mid"), request.digest, refused.reason, refused.detail, now),
            )
        return self._receipt(request, now, "refused", refused)

    def _receipt(self, request: _Request, received_at: float, result: str, told: Refused) -> bytes:
        wrong = request.faulty and self._context.menu.served(frozenset({Fault.WRONG_DIGEST}), Point.MESSAGES)
        root = etree.Element("Receipt")
        fields = (
            ("MessageID", request.header.get("mid")),
            ("RequestDigest", request.digest[::-1] if wrong else request.digest),
            ("Result", result),
            ("Reason", told.reason),
            ("Detail", told.detail[:500]),
            ("ExpectedSequence", told.expected),
            ("ReceivedAt", clock.instant(received_at)),
        )
        add_all(root, fields)
        return self._keys.receipt(request.institution, written(root))
