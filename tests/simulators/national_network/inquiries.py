"""Inquiries: permitted, passed on to the provider, answered, taken back, expired. Docs: section 7 of the protocol."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.codes import Codes
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import (
    PROVIDED,
    REQUEST,
    REQUEST_OVER,
    RESULT,
    add,
    add_all,
)
from chukan_simulators.national_network.hosts import Hosts
from chukan_simulators.national_network.incoming import Refused, Sent, must
from chukan_simulators.national_network.jose import ENCRYPTION, Malformed, sealed_header
from chukan_simulators.national_network.keys import Issued, Keys
from chukan_simulators.national_network.outgoing import Conversation, Head, Outgoing
from chukan_simulators.national_network.permissions import Asked
from chukan_simulators.national_network.permits import Permission, Permits
from chukan_simulators.national_network.publishing import Publisher
from chukan_simulators.national_network.records import Records

#: Seconds by which an organisation's clock may be ahead.
AHEAD = 300
_VALID_DAYS = 30
_OPEN = frozenset({"requested", "deferred"})
_OVER = frozenset({"cancelled", "expired"})
_CONDITION = ("Kind", "From", "To", "Year")


@dataclass(frozen=True)
class Outcome:
    """A result as it is told to the inquirer."""

    result: str
    reason: str = ""
    explanation: str = ""
    decided_at: str = ""
    expected_on: str = ""
    sealed: str = ""
    certificate: str = ""


@dataclass(frozen=True)
class Grounds:
    """What decides whether an inquiry is permitted."""

    hosts: Hosts
    publisher: Publisher


class Inquiries:
    """The inquiries over the network's memory."""

    def __init__(self, context: Context, keys: Keys, codes: Codes, outgoing: Outgoing, grounds: Grounds) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        self._codes = codes
        self._outgoing = outgoing
        self._hosts = grounds.hosts
        self._publisher = grounds.publisher
        self._permits = Permits(context, keys, grounds.hosts.signer)
        self._records = Records(context.store)

    # Inquiries (IF_SKI_X0101_R01).

    def check_inquiry(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Do nothing if *sent* may be taken; raises Refused."""
        must(sent["InquirerInstitution"] == sent.sender, "InquirerInstitution is not the sender's")
        must(sent["ProviderInstitution"] != sent.sender, "the provider is the inquirer")
        must(sent.seq == 1, "an inquiry is the first message of its conversation")
        used = connection.execute(
            "select 1 from inquiry where inquirer = ? and serial = ?", (sent.sender, sent["ProcessingSerial"])
        ).fetchone()
        must(used is None, "this processing serial was used before")
        told = {name: sent[f"Condition/{name}"] for name in _CONDITION}
        more = bool(told["From"] or told["To"] or told["Year"])
        must(more == (told["Kind"] == "1"), "Condition: Kind does not fit the rest")
        must(not (told["From"] and told["To"]) or told["From"] <= told["To"], "Condition: From is after To")
        must(clock.moment(sent["RequestedAt"]) <= self._context.time() + AHEAD, "RequestedAt is ahead of the network")
        must(self._outgoing.reaches(sent.sender), "the inquirer has no certificate for encryption")

    def take_inquiry(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Keep the inquiry *sent*, and pass it on or refuse it."""
        requested = clock.moment(sent["RequestedAt"])
        valid_until = clock.start_of(clock.day(requested) + timedelta(days=_VALID_DAYS + 1))
        condition = ";".join(f"{name}={sent[f'Condition/{name}']}" for name in _CONDITION if sent[f"Condition/{name}"])
        values = (
            *(sent.sender, sent["ProcessingSerial"], sent.conv, sent.mode, sent["ProviderInstitution"]),
            *(sent["Affair"], sent["Procedure"], sent["Information"], sent["LinkageCode"], condition),
            *(sent["RequestedAt"], sent["NonDisclosure"], sent["DelegatedInquirer"], valid_until),
        )
        connection.execute(
            "insert into inquiry (inquirer, serial, conv, mode, provider, affair, procedure, information, linkage_code,"
            " condition, requested_at, non_disclosure, delegated, valid_until) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        row = self._of_inquirer(connection, sent.sender, sent.conv)
        assert row is not None
        self._records.begin(connection, row)
        resident = self._codes.resident(connection, row["inquirer"], row["mode"], row["linkage_code"])
        code = self._provider_code(connection, row, resident) if resident else None
        why = self._refusal(row, code)
        if why:
            self._finish(connection, row, Outcome("refused", *why, decided_at=self._now()))
        elif valid_until <= self._context.time():
            self._expire(connection, row)
        else:
            assert code is not None
            self._ask(connection, row, code)

    def _provider_code(self, connection: sqlite3.Connection, row: sqlite3.Row, resident: str) -> str | None:
        if self._hosts.has(row["provider"]):
            return self._codes.give(connection, row["provider"], row["mode"], resident)[0]
        return self._codes.code_of(connection, row["provider"], row["mode"], resident)

    def _refusal(self, row: sqlite3.Row, code: str | None) -> tuple[str, str] | None:
        """Return the first reason against *row*, with words for people; None if there is none."""
        table, day = self._publisher.table(), row["requested_at"][:10]
        asked = Asked(row["inquirer"], row["affair"], row["procedure"], row["provider"], row["information"])
        closed = self._hosts.is_closed(row["provider"]) or not self._outgoing.reaches(row["provider"])
        against = (
            (row["provider"] not in table.parties, "provider_unknown", "no such organisation takes part"),
            (not self._hosts.may_inquire(row["inquirer"], day), "partner_not_started", "the inquirer does not yet"),
            (not self._hosts.may_provide(row["provider"], day), "partner_not_started", "the provider does not yet"),
            (not table.permits(asked), "permission", "the permission table has no such row"),
            (code is None, "code_unknown", "inquirer or provider has no code of this person"),
            (closed, "provider_closed", "the provider cannot be asked"),
        )
        return next(((reason, words) for applies, reason, words in against if applies), None)

    def _ask(self, connection: sqlite3.Connection, row: sqlite3.Row, code: str) -> None:
        """Request *row*'s provider to provide; *code* is its own of the person."""
        key = self._keys.newest_for_encryption(row["inquirer"])
        assert key is not None
        fields = {name: row[name] for name in ("serial", "inquirer", "provider", "affair", "procedure", "information")}
        permission = Permission(
            **fields, code=code, enc_kid=key.kid, mode=row["mode"], issued_at=self._context.time(),
            valid_until=row["valid_until"],
        )  # fmt: skip
        number, permit = self._permits.make(
            permission, lambda: self._codes.somebody_else(connection, row["provider"], row["mode"], code)
        )
        to = Conversation(row["provider"], str(uuid4()), row["mode"])
        self._outgoing.queue(
            connection, to, Head("ProvisionRequest", REQUEST), lambda root: self._fill_request(root, row, permit, key)
        )
        connection.execute(
            "update inquiry set permit = ?, enc_kid = ?, provision_conv = ? where number = ?",
            (str(number), key.kid, to.conv, row["number"]),
        )
        self._records.asked(connection, row)

    def _fill_request(self, root: etree._Element, row: sqlite3.Row, permit: bytes, key: Issued) -> None:
        party = self._publisher.table().parties.get(row["inquirer"])
        first = (
            ("ProcessingSerial", row["serial"]),
            ("InquirerInstitution", row["inquirer"]),
            ("InquirerName", party.name if party else row["inquirer"]),
            ("Permit", permit.decode()),
        )
        add_all(root, first)
        condition = dict(part.split("=", 1) for part in row["condition"].split(";"))
        add_all(add(root, "Condition"), condition.items())
        last = (
            ("RequestedAt", row["requested_at"]),
            ("NonDisclosure", row["non_disclosure"]),
            ("EncryptionCertificate", key.pem),
        )
        add_all(root, last)

    # Answers (IF_TKY_X0202_S01).

    def check_answer(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Do nothing if the answer *sent* may be taken; raises Refused."""
        row = self._of_provider(connection, sent.sender, sent.conv)
        if row is None:
            raise Refused("content", "nothing was asked in this conversation")
        told = sent["ProcessingSerial"], sent["InquirerInstitution"]
        must(told == (row["serial"], row["inquirer"]), "serial or inquirer are not those of the request")
        about_permit = sent["Result"] == "refused" and sent["Reason"] == "permit"
        must(about_permit or sent["PermitID"] == row["permit"], "PermitID is not that of the request")
        _check_shape(sent)
        if row["state"] not in _OPEN and not (row["state"] in _OVER and self._waits(connection, row["end_delivery"])):
            raise Refused("closed", "the request is over")
        if decided := sent["ProvidedAt"]:
            must(clock.moment(decided) < row["valid_until"], "ProvidedAt is not before ValidUntil")
            must(clock.moment(decided) <= self._context.time() + AHEAD, "ProvidedAt is ahead of the network")
        if sealed := sent["EncryptedAnswer"]:
            self._check_sealed(sealed, row)

    @staticmethod
    def _check_sealed(sealed: str, row: sqlite3.Row) -> None:
        try:
            header = sealed_header(sealed.encode())
        except Malformed as error:
            raise Refused("content", "EncryptedAnswer is no JWE") from error
        must((header["alg"], header["enc"]) == ENCRYPTION, "EncryptedAnswer: algorithm")
        named = header["cty"], header["typ"], header["to"]
        must(named == ("JWS", PROVIDED, row["inquirer"]), "EncryptedAnswer: type or receiver")
        must(header["kid"] == row["enc_kid"], "EncryptedAnswer: kid is not EncryptionKid")

    def take_answer(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Pass the answer *sent* on to the inquirer, if the request is not over."""
        row = self._of_provider(connection, sent.sender, sent.conv)
        assert row is not None
        if row["state"] not in _OPEN:
            return
        if row["valid_until"] <= self._context.time():
            self._expire(connection, row)
            return
        sealed = sent["EncryptedAnswer"]
        outcome = Outcome(
            sent["Result"],
            sent["Reason"],
            sent["Explanation"],
            sent["ProvidedAt"],
            sent["ExpectedOn"],
            sealed,
            self._keys.signing_pem(sent.kid) if sealed else "",
        )
        if outcome.result == "deferred":
            self._tell(connection, row, outcome)
            connection.execute("update inquiry set state = 'deferred' where number = ?", (row["number"],))
            self._records.now(connection, row, "deferred", None)
        else:
            self._finish(connection, row, outcome)

    def request_refused(self, connection: sqlite3.Connection, provider: str, conv: str, reason: str) -> None:
        """Refuse to the inquirer what the provider's receipt for the request in *conv* refused for good."""
        row = self._of_provider(connection, provider, conv)
        if row is not None and row["state"] in _OPEN:
            word = "permit" if reason == "content" else "other"
            self._finish(connection, row, Outcome("refused", word, decided_at=self._now()))

    # Cancellations (IF_SKI_X0103_R01) and expiry.

    def check_cancellation(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Do nothing if the cancellation *sent* may be taken; raises Refused."""
        row = self._of_inquirer(connection, sent.sender, sent.conv)
        if row is None or row["serial"] != sent["ProcessingSerial"]:
            raise Refused("content", "this is not the conversation of the inquiry")
        if row["state"] not in _OPEN and not self._waits(connection, row["result_delivery"]):
            raise Refused("closed", "the inquiry is over")

    def take_cancellation(self, connection: sqlite3.Connection, sent: Sent) -> None:
        """Take the inquiry back, if it is not over."""
        row = self._of_inquirer(connection, sent.sender, sent.conv)
        assert row is not None
        if row["state"] in _OPEN:
            self._end(connection, row, "cancelled", self._now())

    def expire_due(self) -> int:
        """Let what was not answered in time expire; returns how many."""
        due = self._store.found_all(
            "select number from inquiry where state in ('requested', 'deferred') and valid_until <= ?",
            self._context.time(),
        )
        for found in due:
            with self._store.transaction() as connection:
                row = connection.execute("select * from inquiry where number = ?", (found["number"],)).fetchone()
                if row["state"] in _OPEN:
                    self._expire(connection, row)
        return len(due)

    def _expire(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        self._end(connection, row, "expired", clock.second(row["valid_until"]))

    def _end(self, connection: sqlite3.Connection, row: sqlite3.Row, kind: str, at: str) -> None:
        """End *row* without an answer, and tell both sides."""
        if row["provision_conv"]:
            to = Conversation(row["provider"], row["provision_conv"], row["mode"])
            told = (
                ("ProcessingSerial", row["serial"]),
                ("InquirerInstitution", row["inquirer"]),
                ("PermitID", row["permit"]),
                ("Kind", kind),
                ("At", at),
            )
            head = Head("ProvisionCancellation", REQUEST_OVER)
            number = self._outgoing.queue(connection, to, head, lambda root: add_all(root, told))
            connection.execute("update inquiry set end_delivery = ? where number = ?", (number, row["number"]))
        self._finish(connection, row, Outcome(kind, decided_at=at))

    # Results (IF_SKI_X0102_S01).

    def _finish(self, connection: sqlite3.Connection, row: sqlite3.Row, outcome: Outcome) -> None:
        number = self._tell(connection, row, outcome)
        connection.execute(
            "update inquiry set state = ?, reason = ?, result_delivery = ? where number = ?",
            (outcome.result, outcome.reason, number, row["number"]),
        )
        self._records.now(connection, row, outcome.result, outcome.decided_at)

    def _tell(self, connection: sqlite3.Connection, row: sqlite3.Row, outcome: Outcome) -> int:
        """Let the inquirer know; returns the number of the message."""
        by_network = outcome.result == "refused" and not row["provision_conv"]
        told: Mapping[str, object] = {
            "ProcessingSerial": row["serial"],
            "ProviderInstitution": row["provider"],
            "Result": outcome.result,
            "Reason": outcome.reason,
            "ExpectedOn": outcome.expected_on,
            "Explanation": outcome.explanation,
            "ProvidedAt": outcome.decided_at,
            "ValidUntil": "" if by_network else clock.second(row["valid_until"]),
            "EncryptedAnswer": outcome.sealed,
            "ProviderCertificate": outcome.certificate,
        }
        to = Conversation(row["inquirer"], row["conv"], row["mode"])
        head = Head("InquiryResult", RESULT)
        return self._outgoing.queue(connection, to, head, lambda root: add_all(root, told.items()))

    def _now(self) -> str:
        return clock.second(self._context.time())

    @staticmethod
    def _waits(connection: sqlite3.Connection, number: int | None) -> bool:
        """Return whether our message *number* has no receipt yet."""
        row = connection.execute("select 1 from delivery where number = ? and state = 'waiting'", (number,)).fetchone()
        return row is not None

    @staticmethod
    def _of_inquirer(connection: sqlite3.Connection, inquirer: str, conv: str) -> sqlite3.Row | None:
        query = "select * from inquiry where inquirer = ? and conv = ?"
        found: sqlite3.Row | None = connection.execute(query, (inquirer, conv)).fetchone()
        return found

    @staticmethod
    def _of_provider(connection: sqlite3.Connection, provider: str, conv: str) -> sqlite3.Row | None:
        query = "select * from inquiry where provider = ? and provision_conv = ?"
        found: sqlite3.Row | None = connection.execute(query, (provider, conv)).fetchone()
        return found


def _check_shape(sent: Sent) -> None:
    """Hold an answer against the table of section 7.3."""
    provided, refused, deferred = (sent["Result"] == name for name in ("provided", "refused", "deferred"))
    must(provided == bool(sent["EncryptedAnswer"]), "EncryptedAnswer belongs to what is provided")
    must(provided == (sent.root.find("Datasets") is not None), "Datasets belong to what is provided")
    must(deferred != bool(sent["ProvidedAt"]), "ProvidedAt belongs to a final answer")
    must(not refused or sent["Reason"], "a refusal has a Reason")
    must(not provided or not sent["Reason"], "what is provided has no Reason")
    must(deferred or not sent["ExpectedOn"], "ExpectedOn belongs to a deferred answer")
