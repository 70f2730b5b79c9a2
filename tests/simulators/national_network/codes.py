"""Linkage codes: announced by organisations, fed by the register network, issued when their time has come."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import CODE_NOTIFICATION, add, add_all, text_of
from chukan_simulators.national_network.faults import Fault, Point
from chukan_simulators.national_network.incoming import Sent, must
from chukan_simulators.national_network.outgoing import Conversation, Head, Outgoing

#: Entries of one notification, and objects of one register request.
MOST = 1000
_SERIAL = re.compile(r"[0-9A-Za-z-]{1,36}")
_RESIDENT = re.compile(r"[0-9]{11}")
_INSTITUTION = re.compile(r"[0-9]{16}")


class Codes:
    """The codes over the network's memory."""

    def __init__(self, context: Context, outgoing: Outgoing) -> None:
        self._context = context
        self._store = context.store
        self._outgoing = outgoing
        if not self._store.fact("secret"):
            self._store.keep("secret", secrets.token_hex(32))
        self._secret = bytes.fromhex(self._store.fact("secret"))

    def check_announcement(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Do nothing if the announcement *sent* may be taken; raises Refused."""
        must(sent["InstitutionCode"] == sent.sender, "InstitutionCode is not the sender's")
        query = "select 1 from serial where institution = ? and serial = ? and announced_at is not null"
        for number, serial in enumerate(_serials(sent), 1):
            known = connection.execute(query, (sent.sender, serial)).fetchone()
            must(known is None, f"entry {number}: this processing serial was announced before")

    def take_announcement(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Remember the serials that *sent* announces."""
        serials = _serials(sent)
        connection.executemany(
            "insert into serial (institution, serial, conv, mode, announced_at) values (?, ?, ?, ?, ?) "
            "on conflict (institution, serial) do update set "
            "conv = excluded.conv, mode = excluded.mode, announced_at = excluded.announced_at "
            "where announced_at is null",
            [(sent.sender, serial, sent.conv, sent.mode, clock.seconds()) for serial in serials],
        )
        self._let_ripen(connection, sent.sender, serials)

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
            if not self._outgoing.reaches(institution):
                continue
            for part in _parts(list(rows)):
                with self._store.transaction() as connection:
                    entries = [self._issue(connection, row) for row in part]
                    self._deliver(connection, Conversation(institution, conv, mode), entries)
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
        code, new = self.give(connection, row["institution"], row["mode"], row["resident"])
        return "issued" if new else "already_issued", code, ""

    def give(self, connection: sqlite3.Connection, institution: str, mode: str, resident: str) -> tuple[str, bool]:
        """Return the code of *resident* for *institution*, and whether it was given now for the first time."""
        code = base64.b32encode(self._digest("code", institution, mode, resident)[:20]).decode()
        added = connection.execute(
            "insert or ignore into code values (?, ?, ?, ?, ?)", (institution, mode, resident, code, clock.seconds())
        )
        return code, bool(added.rowcount)

    def resident(self, connection: sqlite3.Connection, institution: str, mode: str, code: str) -> str | None:
        """Return whose code *code* is, if it was given to *institution*."""
        query = "select resident from code where institution = ? and mode = ? and code = ?"
        row = connection.execute(query, (institution, mode, code)).fetchone()
        return None if row is None else str(row["resident"])

    def code_of(self, connection: sqlite3.Connection, institution: str, mode: str, resident: str) -> str | None:
        """Return the code of *resident* for *institution*, if one was given."""
        query = "select code from code where institution = ? and mode = ? and resident = ?"
        row = connection.execute(query, (institution, mode, resident)).fetchone()
        return None if row is None else str(row["code"])

    def somebody_else(self, connection: sqlite3.Connection, institution: str, mode: str, code: str) -> str:
        """Return a code of *institution* that is not *code*; one that nobody has if there is no other."""
        query = "select code from code where institution = ? and mode = ? and code <> ? order by code limit 1"
        row = connection.execute(query, (institution, mode, code)).fetchone()
        return "A" * 32 if row is None else str(row["code"])

    def residents_of(self, institution: str) -> list[str]:
        """Return the residents for whom *institution* has a code in production, in order."""
        query = "select resident from code where institution = ? and mode = '0' order by resident"
        return [row["resident"] for row in self._store.found_all(query, institution)]

    def institutions(self) -> list[str]:
        """Return the institutions that have codes in production, in order."""
        rows = self._store.found_all("select distinct institution from code where mode = '0' order by institution")
        return [row["institution"] for row in rows]

    def _deliver(
        self, connection: sqlite3.Connection, conversation: Conversation, entries: Sequence[Mapping[str, str]]
    ) -> None:
        """Let *entries* be the next message of the conversation."""

        def fill(root: etree._Element) -> None:
            add(root, "InstitutionCode", conversation.institution)
            for entry in entries:
                add_all(add(root, "Entry"), entry.items())

        self._outgoing.queue(connection, conversation, Head("CodeNotification", CODE_NOTIFICATION), fill)

    def _digest(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, "\0".join(parts).encode(), hashlib.sha256)

    def never_heard_of(self, residents: Sequence[str]) -> None:
        """Let *residents* be unknown to the register network from now on."""
        with self._store.transaction() as connection:
            connection.executemany("insert or ignore into unknown_resident values (?)", [(each,) for each in residents])


def _serials(sent: Sent) -> list[str]:
    return [text_of(entry, "ProcessingSerial") for entry in sent.root.iterfind("Entry")]


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
