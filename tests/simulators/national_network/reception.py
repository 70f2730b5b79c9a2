"""Messages to the network: judged step by step, counted in order, and receipted with a signature."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK
from chukan_simulators.national_network.codes import Codes
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import CODE_REQUEST, RECEIPT, Invalid, add_all, text_of, written
from chukan_simulators.national_network.faults import FORGERIES, Fault, Point, forged
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
}


class Refused(Exception):
    """A message is refused, as if it had never come."""

    def __init__(self, reason: str, detail: str = "", expected: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.expected = expected


@dataclass
class _Request:
    """A request under examination: what is known of it so far."""

    body: bytes
    digest: str
    message: Signed | None = None
    institution: str = NOBODY

    @property
    def header(self) -> Any:
        return self.message.header if self.message else {}


class Reception:
    """What ``POST /messages`` does."""

    def __init__(self, context: Context, keys: Keys, codes: Codes) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        self._codes = codes

    def receive(self, body: bytes) -> tuple[HTTPStatus, bytes]:
        """Return the status and the signed receipt for *body*."""
        request = _Request(body, hashlib.sha256(body).hexdigest())
        try:
            receipt = self._receive(request)
            status = HTTPStatus.OK
        except Refused as refused:
            receipt, status = self._refusal(request, refused), _STATUS[refused.reason]
        order = self._context.menu.served(FORGERIES, Point.MESSAGES)
        return status, forged(taken_apart(receipt, RECEIPT_FIELDS), order.fault) if order else receipt

    def too_large(self, digest: str) -> tuple[HTTPStatus, bytes]:
        """Return the answer to a body of *digest* that nobody kept."""
        return _STATUS["too_large"], self._refusal(_Request(b"", digest), Refused("too_large"))

    def _receive(self, request: _Request) -> bytes:
        message = request.message = self._authentic(request)
        with self._store.transaction() as connection:
            before = self._known(connection, request)
            if before is not None:
                return before
            root = self._read(message)
            serials = [text_of(entry, "ProcessingSerial") for entry in root.iterfind("Entry")]
            expected = self._expected(connection, request)
            self._check_content(request, root, serials)
            return self._take(connection, request, expected)

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

    def _read(self, message: Signed) -> etree._Element:
        """Return the document of *message*; of the types of message, the network takes one."""
        if message.header["typ"] != CODE_REQUEST:
            raise Refused("message_type")
        try:
            root = self._context.schemas.read(CODE_REQUEST, message.payload)
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
        connection.execute("insert or ignore into conversation (institution, conv) values (?, ?)", conversation)
        (expected,) = connection.execute(
            "select next_in from conversation where institution = ? and conv = ?", conversation
        ).fetchone()
        taken = connection.execute(
            "select 1 from message where institution = ? and conv = ? and seq = ?", (*conversation, header["seq"])
        ).fetchone()
        if taken or header["seq"] < expected:
            raise Refused("conflict", "this number came with another message before", expected)
        if header["seq"] - expected > self._context.setting("hold"):
            raise Refused("sequence", expected=expected)
        return int(expected)

    def _check_content(self, request: _Request, root: etree._Element, serials: list[str]) -> None:
        if text_of(root, "InstitutionCode") != request.institution:
            raise Refused("content", "InstitutionCode is not the sender's")
        known = self._codes.first_known(request.institution, serials)
        if known is not None:
            raise Refused("content", f"entry {known}: this processing serial was announced before")

    def _take(self, connection: sqlite3.Connection, request: _Request, expected: int) -> bytes:
        """Keep the message, and apply it and those that waited for it."""
        header, in_turn = request.header, request.header["seq"] == expected
        result = "accepted" if in_turn else "held"
        now = clock.seconds()
        receipt = self._receipt(request, now, result, Refused("", expected=None if in_turn else expected))
        connection.execute(
            "insert into message "
            "(institution, mid, conv, seq, typ, digest, bytes, payload, state, receipt, received_at) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?)",
            (
                *(request.institution, header["mid"], header["conv"], header["seq"], header["typ"], request.digest),
                *(request.body, request.message.payload if request.message else b"", receipt, now),
            ),
        )
        if in_turn:
            self._apply(connection, request.institution, header["conv"], expected)
        return receipt

    def _apply(self, connection: sqlite3.Connection, institution: str, conv: str, number: int) -> None:
        """Apply the messages of the conversation from *number* on, as far as there is no gap."""
        query = "select * from message where institution = ? and conv = ? and seq = ?"
        while row := connection.execute(query, (institution, conv, number)).fetchone():
            root = self._context.schemas.read(row["typ"], bytes(row["payload"]))
            serials = [text_of(entry, "ProcessingSerial") for entry in root.iterfind("Entry")]
            self._codes.announce(connection, institution, conv, text_of(root, "MessageHeader/MSGMode"), serials)
            connection.execute("update message set state = 'accepted' where number = ?", (row["number"],))
            number += 1
        connection.execute(
            "update conversation set next_in = ? where institution = ? and conv = ?", (number, institution, conv)
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
        wrong = self._context.menu.served(frozenset({Fault.WRONG_DIGEST}), Point.MESSAGES)
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
        self._context.schemas.check(RECEIPT, root)
        return self._keys.receipt(request.institution, written(root))
