"""Linkage codes: announced by organisations, fed by the register network, issued when their time has come."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import CODE_NOTIFICATION, add, add_all, document, written
from chukan_simulators.national_network.faults import Fault, Point
from chukan_simulators.national_network.jose import encrypt
from chukan_simulators.national_network.keys import Keys

#: Entries of one notification, and objects of one register request.
MOST = 1000
_SERIAL = re.compile(r"[0-9A-Za-z-]{1,36}")
_RESIDENT = re.compile(r"[0-9]{11}")
_INSTITUTION = re.compile(r"[0-9]{16}")


@dataclass(frozen=True)
class _Conversation:
    institution: str
    conv: str
    mode: str


class Codes:
    """The codes over the network's memory."""

    def __init__(self, context: Context, keys: Keys) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        if not self._store.fact("secret"):
            self._store.keep("secret", secrets.token_hex(32))
        self._secret = bytes.fromhex(self._store.fact("secret"))

    def first_known(self, institution: str, serials: Sequence[str]) -> int | None:
        """Return the place of the first of *serials* that *institution* announced before; None if there is none."""
        query = "select 1 from serial where institution = ? and serial = ? and announced_at is not null"
        found = (
            number for number, serial in enumerate(serials, 1) if self._store.found_one(query, institution, serial)
        )
        return next(found, None)

    def announce(
        self, connection: sqlite3.Connection, institution: str, conv: str, mode: str, serials: Sequence[str]
    ) -> None:
        """Remember *serials*, announced by *institution* in the conversation *conv*."""
        connection.executemany(
            "insert into serial (institution, serial, conv, mode, announced_at) values (?, ?, ?, ?, ?) "
            "on conflict (institution, serial) do update set "
            "conv = excluded.conv, mode = excluded.mode, announced_at = excluded.announced_at "
            "where announced_at is null",
            [(institution, serial, conv, mode, clock.seconds()) for serial in serials],
        )
        self._let_ripen(connection, institution, serials)

    def register(self, requests: Sequence[object]) -> list[Mapping[str, str]]:
        """Take what register terminals sent; return for each what became of it."""
        with self._store.transaction() as connection:
            return [self._register(connection, request) for request in requests]

    def _register(self, connection: sqlite3.Connection, request: object) -> Mapping[str, str]:
        asked = _asked(request)
        if asked is None:
            return {"ProcessingSerial": "", "Result": "malformed"}
        institution, serial, resident = asked
        known = connection.execute(
            "select resident from serial where institution = ? and serial = ? and registered_at is not null",
            (institution, serial),
        ).fetchone()
        if known:
            return {"ProcessingSerial": serial, "Result": "repeated" if known["resident"] == resident else "conflict"}
        connection.execute(
            "insert into serial (institution, serial, resident, registered_at) values (?, ?, ?, ?) "
            "on conflict (institution, serial) do update "
            "set resident = excluded.resident, registered_at = excluded.registered_at",
            (institution, serial, resident, clock.seconds()),
        )
        self._let_ripen(connection, institution, [serial])
        return {"ProcessingSerial": serial, "Result": "taken"}

    def _let_ripen(self, connection: sqlite3.Connection, institution: str, serials: Sequence[str]) -> None:
        """Say when the codes of *serials* are due, for those that have come both ways."""
        now, longest = self._context.time(), self._context.setting("code_days")
        day = self._context.setting("business_day_seconds")
        connection.executemany(
            "update serial set due_at = ? where institution = ? and serial = ? and result is null "
            "and announced_at is not null and registered_at is not null",
            [(now + self._part(institution, serial) * longest * day, institution, serial) for serial in serials],
        )

    def _part(self, institution: str, serial: str) -> float:
        """Return how much of the longest time this one takes: from 0 to 1, always the same."""
        return int.from_bytes(self._digest("delay", institution, serial)[:4], "big") / 2**32

    def issue_due(self) -> int:
        """Issue what is due and make the notifications; returns how many entries they have."""
        due = self._store.found_all(
            "select * from serial where result is null and due_at <= ? order by institution, conv, serial",
            self._context.time(),
        )
        issued = 0
        for (institution, conv, mode), rows in groupby(due, lambda row: (row["institution"], row["conv"], row["mode"])):
            key = self._keys.encryption(institution)
            if key is None:
                continue
            for part in _parts(list(rows)):
                with self._store.transaction() as connection:
                    entries = [self._issue(connection, row) for row in part]
                    self._deliver(connection, _Conversation(institution, conv, mode), entries, key)
                issued += len(part)
        return issued

    def _issue(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Mapping[str, str]:
        result, code, reason = self._decide(connection, row)
        connection.execute(
            "update serial set result = ? where institution = ? and serial = ?",
            (result, row["institution"], row["serial"]),
        )
        return {"ProcessingSerial": row["serial"], "Result": result, "LinkageCode": code, "Reason": reason}

    def _decide(self, connection: sqlite3.Connection, row: sqlite3.Row) -> tuple[str, str, str]:
        refused = self._context.menu.served(frozenset({Fault.REFUSE_CODE}), Point.CODES, row["institution"])
        if refused:
            return "refused", "", refused.reason
        unknown = connection.execute("select 1 from unknown_resident where resident = ?", (row["resident"],)).fetchone()
        if unknown or not row["resident"]:
            return "unknown_person", "", ""
        person = (row["institution"], row["mode"], row["resident"])
        code = base64.b32encode(self._digest("code", *person)[:20]).decode()
        added = connection.execute(
            "insert or ignore into code values (?, ?, ?, ?, ?)", (*person, code, clock.seconds())
        )
        return "issued" if added.rowcount else "already_issued", code, ""

    def _deliver(
        self,
        connection: sqlite3.Connection,
        conversation: _Conversation,
        entries: Sequence[Mapping[str, str]],
        key: tuple[str, ec.EllipticCurvePublicKey],
    ) -> None:
        """Sign and encrypt *entries* as the next message of the conversation, once for all attempts to deliver it."""
        institution, conv = conversation.institution, conversation.conv
        (number,) = connection.execute(
            "update conversation set next_out = next_out + 1 where institution = ? and conv = ? returning next_out - 1",
            (institution, conv),
        ).fetchone()
        mid = uuid4()
        payload = _notification(conversation, mid, entries)
        signed = self._keys.signed(CODE_NOTIFICATION, payload, to=institution, mid=str(mid), conv=conv, seq=number)
        content = encrypt(signed, CODE_NOTIFICATION, institution, *key)
        connection.execute(
            "insert into delivery (mid, institution, conv, seq, typ, signed, bytes, enc_kid, next_at, created_at) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
            (str(mid), institution, conv, number, CODE_NOTIFICATION, signed, content, key[0], clock.seconds()),
        )

    def _digest(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, "\0".join(parts).encode(), hashlib.sha256)

    def never_heard_of(self, residents: Sequence[str]) -> None:
        """Let *residents* be unknown to the register network from now on."""
        with self._store.transaction() as connection:
            connection.executemany("insert or ignore into unknown_resident values (?)", [(each,) for each in residents])


def _notification(conversation: _Conversation, mid: UUID, entries: Sequence[Mapping[str, str]]) -> bytes:
    root = document("CodeNotification", CODE_NOTIFICATION, mid, conversation.mode)
    add(root, "InstitutionCode", conversation.institution)
    for entry in entries:
        add_all(add(root, "Entry"), entry.items())
    return written(root)


def _parts(rows: list[sqlite3.Row]) -> Iterator[list[sqlite3.Row]]:
    return (rows[start : start + MOST] for start in range(0, len(rows), MOST))


def _asked(request: object) -> tuple[str, str, str] | None:
    """Return institution, serial and resident ("" if the person has none) of *request*; None if it is malformed."""
    fields = request if isinstance(request, dict) else {}
    resident = fields.get("ResidentRecordCode")
    found = (
        _fitting(_INSTITUTION, fields.get("InstitutionCode")),
        _fitting(_SERIAL, fields.get("ProcessingSerial")),
        "" if resident is None else _fitting(_RESIDENT, resident),
    )
    institution, serial, code = found
    return None if institution is None or serial is None or code is None else (institution, serial, code)


def _fitting(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
