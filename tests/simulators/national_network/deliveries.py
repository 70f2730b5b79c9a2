"""Messages from the network: the same bytes again and again, in order, until the platform receipts them."""

from __future__ import annotations

import hashlib
import sqlite3
import ssl
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import RECEIPT, Invalid, text_of
from chukan_simulators.national_network.faults import FORGERIES, Fault, Order, Point, forged
from chukan_simulators.national_network.jose import (
    MESSAGE_FIELDS,
    RECEIPT_FIELDS,
    Malformed,
    encrypt,
    taken_apart,
)
from chukan_simulators.national_network.keys import Keys, public_key
from chukan_simulators.national_network.line import WaitingLine
from chukan_simulators.national_network.reception import LARGEST
from chukan_simulators.national_network.wire import Link

PATH = "/network/messages"
_LOOK_SECONDS = 0.05
_AT_ONCE = 16
_PATIENCE = 1.0
#: What becomes of a message does not change by repeating it, but for this.
_REPEAT = "sequence"


class Way(Protocol):
    """What deliveries ask of the rest of the network."""

    def due(self) -> None:
        """Do what its time has come for."""
        ...

    def is_hosted(self, institution: str) -> bool:
        """Return whether messages to *institution* stay in here."""
        ...

    def hand_over(self, institution: str, body: bytes) -> bytes:
        """Return the receipt of the hosted *institution* for *body*."""
        ...

    def refused(self, connection: sqlite3.Connection, row: sqlite3.Row, reason: str) -> None:
        """Know that the receiver refused our message *row* for good."""
        ...


class NoReceipt(Exception):
    """What came back is no receipt for these bytes; the text says why."""


@dataclass(frozen=True)
class Told:
    """What a receipt says."""

    result: str
    reason: str


@dataclass(frozen=True)
class Came:
    """What came of an attempt."""

    fault: Fault | None
    status: int | None = None
    error: str = ""
    answer: bytes = b""


class Deliveries:
    """The thread that does what is due, and those that deliver messages."""

    def __init__(self, context: Context, keys: Keys, line: WaitingLine, way: Way, tls: ssl.SSLContext) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        self._line = line
        self._way = way
        self._tls = tls
        self._ended = threading.Event()
        self._own = threading.local()
        self._threads = [threading.Thread(target=self._run, name="due", daemon=True)]
        self._threads += [
            threading.Thread(target=self._work, name=f"delivery-{number}", daemon=True) for number in range(_AT_ONCE)
        ]

    def start(self) -> None:
        """Begin, with what waits since before."""
        query = "select number, institution, conv, seq, next_at from delivery where state = 'waiting' order by number"
        for row in self._store.found_all(query):
            self._line.add(row["institution"], row["conv"], row["seq"], row["number"], row["next_at"])
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what is in hand."""
        self._ended.set()
        self._line.end()
        for thread in self._threads:
            # One that waits for the platform's answer ends with the process.
            thread.join(_PATIENCE)

    def nudge(self) -> None:
        """Look again at once: the platform may be somewhere else."""
        self._line.nudge()

    def hurry(self) -> None:
        """Let every wait be over."""
        with self._store.transaction() as connection:
            connection.execute("update delivery set next_at = 0 where state = 'waiting'")
        self._line.hurry()

    def again(self, mid: str) -> bool:
        """Deliver *mid* again, whatever became of it; returns whether there is such a message."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "update delivery set state = 'waiting', next_at = 0 where mid = ? "
                "returning number, institution, conv, seq",
                (mid,),
            ).fetchone()
        if row is not None:
            self._line.add(row["institution"], row["conv"], row["seq"], row["number"])
            self._line.hurry()
        return row is not None

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                self._way.due()
            except Exception:
                traceback.print_exc()
                raise

    def _work(self) -> None:
        while ticket := self._line.take():
            until: float | None = clock.seconds() + 1
            try:
                row = self._store.found_one(
                    "select * from delivery natural join delivery_body where number = ?", ticket.number
                )
                until = None if row is None else self._attempt(row)
            except Exception:
                traceback.print_exc()
                raise
            finally:
                if until is None:
                    self._line.done(ticket)
                else:
                    self._line.wait(ticket, until)

    def _attempt(self, row: sqlite3.Row) -> float | None:
        """Try once to deliver the message *row*, or what a fault makes of it.

        Returns when to try again, None if it need not be.
        """
        if order := self._fault(row, Fault.DELAY):
            return self._wait(row, "delayed", order.seconds)
        if self._fault(row, Fault.DROP):
            self._note(row, Came(Fault.DROP, error="dropped"))
            return self._wait(row, "dropped", self._pause(row))
        if not self._way.is_hosted(row["institution"]) and self._fault(row, Fault.STOP_MID_REPLY):
            self._send_half(bytes(row["bytes"]))
            self._note(row, Came(Fault.STOP_MID_REPLY, error="cut"))
            return self._wait(row, "cut", self._pause(row))
        if order := self._fault(row, *FORGERIES, Fault.FORGE_ENCRYPTION):
            # What the forger gets back is no receipt for the message, which therefore goes on waiting.
            self._exchange(row, self._forged(row, order), order.fault)
            return self._wait(row, "forged", 0)
        return self._really(row)

    def _fault(self, row: sqlite3.Row, *faults: Fault) -> Order | None:
        """Return the order of one of *faults* that is due for the message *row*."""
        return self._context.menu.served(frozenset(faults), Point.DELIVERIES, row["institution"])

    def _really(self, row: sqlite3.Row) -> float | None:
        """Deliver the message itself, and act on what comes back."""
        told = self._exchange(row, bytes(row["bytes"]), None)
        if isinstance(told, str):
            return self._wait(row, told, self._pause(row))
        if told.reason == _REPEAT:
            return self._wait(row, "refused: sequence", self._pause(row))
        if self._fault(row, Fault.DUPLICATE):
            self._exchange(row, bytes(row["bytes"]), Fault.DUPLICATE)
        return None

    def _exchange(self, row: sqlite3.Row, body: bytes, fault: Fault | None) -> Told | str:
        """Send *body* and note what came back; returns what the receipt says, or why there is none.

        What the receipt for the message itself says is kept in the same transaction.
        """
        status, answer, told = None, b"", None
        try:
            status, answer = self._post(row["institution"], body)
            told = self._read(row, body, answer)
            error = ""
        except NoReceipt as problem:
            error = str(problem)
        except OSError as problem:
            status, error = None, type(problem).__name__
        final = told if fault is None and told is not None and told.reason != _REPEAT else None
        self._note(row, Came(fault, status, error, answer), final)
        return error if told is None else told

    def _post(self, institution: str, body: bytes) -> tuple[int, bytes]:
        if self._way.is_hosted(institution):
            return HTTPStatus.OK, self._way.hand_over(institution, body)
        path = urlsplit(self._context.platform_url).path.rstrip("/") + PATH
        link = self._link()
        if link.was_used:
            try:
                return link.post(path, body, LARGEST)
            except OSError:
                # It was perhaps closed while nobody looked: a new one tells.
                link = self._link()
        return link.post(path, body, LARGEST)

    def _link(self) -> Link:
        """Return this thread's connection to the platform, opened if it is not open."""
        url = self._context.platform_url
        known: tuple[str, Link] | None = getattr(self._own, "link", None)
        if known is not None and known[0] == url and known[1].is_open:
            return known[1]
        if known is not None and known[1].is_open:
            known[1].close()
        link = self._new_link(url)
        self._own.link = url, link
        return link

    def _new_link(self, url: str) -> Link:
        address = urlsplit(url)
        place = (address.hostname or "", address.port or 443)
        return Link(place, self._tls, self._context.setting("answer_seconds"))

    def _send_half(self, body: bytes) -> None:
        """Begin to send *body* to the platform, and cut the connection."""
        url = self._context.platform_url
        with suppress(OSError):
            self._new_link(url).begin(urlsplit(url).path.rstrip("/") + PATH, body)

    def _read(self, row: sqlite3.Row, body: bytes, answer: bytes) -> Told:
        """Return what the receipt *answer* says of *body*; raises NoReceipt."""
        try:
            receipt = taken_apart(answer, RECEIPT_FIELDS)
            root = self._context.schemas.read(RECEIPT, receipt.payload)
        except (Malformed, Invalid) as error:
            raise NoReceipt("not a receipt") from error
        signer = self._keys.signer(receipt.header["kid"])
        if receipt.header["typ"] != RECEIPT or signer is None or signer[0] != row["institution"]:
            raise NoReceipt("not signed by the receiver")
        if not receipt.is_signed_by(signer[1]):
            raise NoReceipt("wrong signature")
        if (receipt.header["from"], receipt.header["to"]) != (row["institution"], NETWORK):
            raise NoReceipt("for somebody else")
        if text_of(root, "RequestDigest") != hashlib.sha256(body).hexdigest():
            raise NoReceipt("for other bytes")
        if text_of(root, "MessageID") not in {"", row["mid"]}:
            raise NoReceipt("for another message")
        return Told(text_of(root, "Result"), text_of(root, "Reason"))

    def _forged(self, row: sqlite3.Row, order: Order) -> bytes:
        if order.fault is Fault.FORGE_ENCRYPTION:
            content = bytes(row["bytes"])
            # The first of the last characters, whose bits all count.
            place = content.rindex(b".") + 1
            return content[:place] + (b"A" if content[place : place + 1] != b"A" else b"B") + content[place + 1 :]
        message = forged(taken_apart(bytes(row["signed"]), MESSAGE_FIELDS), order.fault)
        shown = self._keys.shown(row["enc_kid"])
        assert shown is not None
        return encrypt(message, row["typ"], row["institution"], row["enc_kid"], public_key(shown[0]))

    def _pause(self, row: sqlite3.Row) -> float:
        first, longest = (self._context.setting(f"redelivery_{name}") for name in ("seconds", "longest_seconds"))
        return float(min(first * 2 ** min(row["attempts"], 30), longest))

    def _wait(self, row: sqlite3.Row, error: str, seconds: float) -> float:
        until = clock.seconds() + seconds
        with self._store.transaction() as connection:
            connection.execute(
                "update delivery set attempts = attempts + 1, last_error = ?, next_at = ? where number = ?",
                (error, until, row["number"]),
            )
        return until

    def _note(self, row: sqlite3.Row, came: Came, final: Told | None = None) -> None:
        """Note an attempt, and what is *final* about the message."""
        values: tuple[Any, ...] = (row["mid"], came.fault, came.status, came.error, came.answer, clock.seconds())
        with self._store.transaction() as connection:
            connection.execute(
                "insert into attempt (mid, fault, status, error, receipt, at) values (?, ?, ?, ?, ?, ?)", values
            )
            if final is None:
                return
            state = "refused" if final.result == "refused" else "receipted"
            connection.execute(
                "update delivery set attempts = attempts + 1, state = ?, result = ?, reason = ?, last_error = null "
                "where number = ?",
                (state, final.result, final.reason, row["number"]),
            )
            if state == "refused":
                self._way.refused(connection, row, final.reason)
