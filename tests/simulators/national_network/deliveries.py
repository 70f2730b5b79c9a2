"""Messages from the network: the same bytes again and again, in order, until the platform receipts them."""

from __future__ import annotations

import hashlib
import http.client
import sqlite3
import ssl
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK
from chukan_simulators.national_network.codes import Codes
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
from chukan_simulators.national_network.reception import LARGEST

PATH = "/network/messages"
_LOOK_SECONDS = 0.05
_AT_ONCE = 4
#: What becomes of a message does not change by repeating it, but for this.
_REPEAT = "sequence"


class NoReceipt(Exception):
    """What came back is no receipt for these bytes; the text says why."""


@dataclass(frozen=True)
class Told:
    """What a receipt says."""

    result: str
    reason: str


class Deliveries:
    """The thread that issues codes when they are due, and those that deliver them."""

    def __init__(self, context: Context, keys: Keys, codes: Codes, tls: ssl.SSLContext) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        self._codes = codes
        self._tls = tls
        self._in_hand: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="delivery")
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is in hand."""
        self._ended.set()
        self._thread.join()
        self._pool.shutdown()

    def hurry(self) -> None:
        """Let every wait be over."""
        with self._store.transaction() as connection:
            connection.execute("update delivery set next_at = 0 where state = 'waiting'")

    def again(self, mid: str) -> bool:
        """Deliver *mid* again, whatever became of it; returns whether there is such a message."""
        with self._store.transaction() as connection:
            changed = connection.execute(
                "update delivery set state = 'waiting', next_at = 0 where mid = ? returning mid", (mid,)
            ).fetchall()
        return bool(changed)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._codes.issue_due()
            if self._context.platform_url:
                for number, conversation in self._next():
                    self._pool.submit(self._deliver, number, conversation)

    def _next(self) -> list[tuple[int, tuple[str, str]]]:
        """Return the first message that waits of every conversation that nobody works at, and take them in hand."""
        with self._lock:
            rows = self._store.found_all(
                "select number, institution, conv, next_at from delivery where state = 'waiting' "
                "order by institution, conv, seq"
            )
            by_conversation: dict[tuple[str, str], list[sqlite3.Row]] = {}
            for row in rows:
                by_conversation.setdefault((row["institution"], row["conv"]), []).append(row)
            chosen, now = [], clock.seconds()
            for name, waiting in by_conversation.items():
                if name not in self._in_hand and waiting[0]["next_at"] <= now:
                    self._in_hand.add(name)
                    chosen.append(((self._overtaking(waiting) or waiting[0])["number"], name))
        return chosen

    def _overtaking(self, waiting: list[sqlite3.Row]) -> sqlite3.Row | None:
        due = len(waiting) > 1 and self._fault(waiting[0], Fault.OVERTAKE)
        return waiting[1] if due else None

    def _deliver(self, number: int, conversation: tuple[str, str]) -> None:
        try:
            row = self._store.found_one("select * from delivery where number = ?", number)
            if row is not None:
                self._attempt(row)
        except Exception:
            traceback.print_exc()
            raise
        finally:
            with self._lock:
                self._in_hand.discard(conversation)

    def _attempt(self, row: sqlite3.Row) -> None:
        """Try once to deliver the message *row*, or what a fault makes of it."""
        if order := self._fault(row, Fault.DELAY):
            self._wait(row, "delayed", order.seconds)
        elif self._fault(row, Fault.DROP):
            self._note(row, Fault.DROP, None, "dropped")
            self._wait(row, "dropped", self._pause(row))
        elif order := self._fault(row, *FORGERIES, Fault.FORGE_ENCRYPTION):
            # What the forger gets back is no receipt for the message, which therefore goes on waiting.
            self._exchange(row, self._forged(row, order), order.fault)
            self._wait(row, "forged", 0)
        else:
            self._really(row)

    def _fault(self, row: sqlite3.Row, *faults: Fault) -> Order | None:
        """Return the order of one of *faults* that is due for the message *row*."""
        return self._context.menu.served(frozenset(faults), Point.DELIVERIES, row["institution"])

    def _really(self, row: sqlite3.Row) -> None:
        """Deliver the message itself, and act on what comes back."""
        told = self._exchange(row, bytes(row["bytes"]), None)
        if isinstance(told, str):
            self._wait(row, told, self._pause(row))
        elif told.reason == _REPEAT:
            self._wait(row, "refused: sequence", self._pause(row))
        else:
            self._end(row, told)
            if self._fault(row, Fault.DUPLICATE):
                self._exchange(row, bytes(row["bytes"]), Fault.DUPLICATE)

    def _exchange(self, row: sqlite3.Row, body: bytes, fault: Fault | None) -> Told | str:
        """Send *body* and note what came back; returns what the receipt says, or why there is none."""
        status, answer = None, b""
        try:
            status, answer = self._post(body)
            told: Told | str = self._read(row, body, answer)
            self._note(row, fault, status, "", answer)
        except NoReceipt as error:
            told = str(error)
            self._note(row, fault, status, told, answer)
        except (OSError, http.client.HTTPException) as error:
            told = type(error).__name__
            self._note(row, fault, None, told)
        return told

    def _post(self, body: bytes) -> tuple[int, bytes]:
        address = urlsplit(self._context.platform_url)
        seconds = self._context.setting("answer_seconds")
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port or 443, timeout=seconds, context=self._tls
        )
        try:
            path = address.path.rstrip("/") + PATH
            connection.request("POST", path, body, {"Content-Type": "application/jose"})
            response = connection.getresponse()
            return response.status, response.read(LARGEST)
        finally:
            connection.close()

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

    def _wait(self, row: sqlite3.Row, error: str, seconds: float) -> None:
        with self._store.transaction() as connection:
            connection.execute(
                "update delivery set attempts = attempts + 1, last_error = ?, next_at = ? where mid = ?",
                (error, clock.seconds() + seconds, row["mid"]),
            )

    def _end(self, row: sqlite3.Row, told: Told) -> None:
        state = "refused" if told.result == "refused" else "receipted"
        with self._store.transaction() as connection:
            connection.execute(
                "update delivery set attempts = attempts + 1, state = ?, result = ?, reason = ?, last_error = null "
                "where mid = ?",
                (state, told.result, told.reason, row["mid"]),
            )

    def _note(self, row: sqlite3.Row, fault: Fault | None, status: int | None, error: str, answer: bytes = b"") -> None:
        values: tuple[Any, ...] = (row["mid"], fault, status, error, answer, clock.seconds())
        with self._store.transaction() as connection:
            connection.execute(
                "insert into attempt (mid, fault, status, error, receipt, at) values (?, ?, ?, ?, ?, ?)", values
            )
