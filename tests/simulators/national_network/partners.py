"""What hosted institutions do: answer by themselves, inquire on command, and look closely at what they are sent."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK, Pair, kid
from chukan_simulators.national_network.codes import Codes
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import (
    ANSWER,
    INQUIRY,
    PERMIT,
    PROVIDED,
    RECEIPT,
    REQUEST,
    REQUEST_OVER,
    RESULT,
    Invalid,
    add,
    add_all,
    document,
    text_of,
    written,
)
from chukan_simulators.national_network.hosts import Host, Hosts, HostUnfit
from chukan_simulators.national_network.invention import Invention
from chukan_simulators.national_network.jose import (
    MESSAGE_FIELDS,
    Malformed,
    Signed,
    decrypt,
    encrypt,
    sign,
    taken_apart,
)
from chukan_simulators.national_network.keys import Keys, public_key
from chukan_simulators.national_network.permits import PERMIT_FIELDS
from chukan_simulators.national_network.publishing import Publisher

_SERIAL = string.digits + string.ascii_uppercase
_LENGTH = 20
_DONE = ("provided", "refused")


class _Unfit(Exception):
    """What came is refused; the word is the receipt's reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Wish:
    """What a hosted institution is told to ask."""

    institution: str
    provider: str
    information: str
    resident: str
    affair: str = ""
    procedure: str = ""
    requested_at: str = ""
    mode: str = "0"
    non_disclosure: str = "0"
    condition: Mapping[str, str] = field(default_factory=lambda: {"Kind": "0"})


class Partners:
    """The systems of all hosted institutions."""

    def __init__(self, context: Context, keys: Keys, codes: Codes, hosts: Hosts, publisher: Publisher) -> None:
        self._context = context
        self._store = context.store
        self._keys = keys
        self._codes = codes
        self._hosts = hosts
        self._publisher = publisher
        self._invention = Invention(publisher)
        #: Where their messages to the network go; returns the receipt.
        self.send: Callable[[bytes], bytes] = lambda _: b""

    # What the network delivers.

    def take(self, institution: str, body: bytes) -> bytes:
        """Return the receipt of the hosted *institution* for the message *body*, after doing what it asks."""
        host, mid = self._hosts.of(institution), ""
        try:
            message = self._opened(host, body)
            mid = message.header["mid"]
            self._act(host, message)
        except _Unfit as error:
            return self._receipt(host, body, mid, error.reason)
        return self._receipt(host, body, mid, "")

    def _opened(self, host: Host, body: bytes) -> Signed:
        try:
            message = taken_apart(decrypt(body, host.encryption.key), MESSAGE_FIELDS)
        except Malformed as error:
            raise _Unfit("encryption") from error
        if not self._is_of_network(message, host):
            raise _Unfit("signature")
        return message

    def _is_of_network(self, signed: Signed, host: Host) -> bool:
        key = self._keys.own_key(signed.header["kid"])
        named = (signed.header["from"], signed.header["to"]) == (NETWORK, host.institution)
        return key is not None and signed.is_signed_by(key) and named

    def _act(self, host: Host, message: Signed) -> None:
        typ = message.header["typ"]
        acts = {REQUEST: self._take_request, RESULT: self._take_result, REQUEST_OVER: self._take_over}
        if typ not in acts:
            raise _Unfit("message_type")
        try:
            root = self._context.schemas.read(typ, message.payload)
        except Invalid as error:
            raise _Unfit("schema") from error
        acts[typ](host, message.header["conv"], root)

    def _receipt(self, host: Host, body: bytes, mid: str, reason: str) -> bytes:
        root = etree.Element("Receipt")
        fields = (
            ("MessageID", mid),
            ("RequestDigest", hashlib.sha256(body).hexdigest()),
            ("Result", "refused" if reason else "accepted"),
            ("Reason", reason),
            ("ReceivedAt", clock.instant(clock.seconds())),
        )
        add_all(root, fields)
        return _signed(host, RECEIPT, NETWORK, written(root))

    # As provider.

    def _take_request(self, host: Host, conv: str, root: etree._Element) -> None:
        permit = self._permit(host, root)
        with self._store.transaction() as connection:
            connection.execute(
                "insert or ignore into host_request "
                "(institution, conv, mode, inquirer, serial, permit, information, code, kid, pem) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(host.institution, conv, text_of(root, "MessageHeader/MSGMode")),
                    *(text_of(root, "InquirerInstitution"), text_of(root, "ProcessingSerial")),
                    *(text_of(permit, name) for name in ("PermitID", "Information", "LinkageCode", "EncryptionKid")),
                    text_of(root, "EncryptionCertificate"),
                ),
            )
            row = _request(connection, host.institution, conv)
        if row["state"] != "waiting":
            return
        if not self._holds(host, permit, root):
            self._answer(host, row, "refused", {"Reason": "permit"})
        elif host.answers != "silent":
            self._answer(host, row, host.answers, {"Reason": "no_record"} if host.answers == "refused" else {})

    def _permit(self, host: Host, root: etree._Element) -> etree._Element:
        """Return the document of the permit in the request *root*; one that is empty if it is not the network's."""
        nothing = etree.Element("ProvisionPermit")
        try:
            signed = taken_apart(text_of(root, "Permit").encode(), PERMIT_FIELDS)
            document = self._context.schemas.read(PERMIT, signed.payload)
        except (Malformed, Invalid):
            add(nothing, "PermitID", UUID(int=0))
            return nothing
        if signed.header["typ"] != PERMIT or not self._is_of_network(signed, host):
            add(nothing, "PermitID", text_of(document, "PermitID"))
            return nothing
        return document

    def _holds(self, host: Host, permit: etree._Element, root: etree._Element) -> bool:
        """Return whether *permit* permits what *root* requests: of us, now, in every field."""
        same = ("ProcessingSerial", "InquirerInstitution")
        if not text_of(permit, "ValidUntil") or any(text_of(permit, name) != text_of(root, name) for name in same):
            return False
        named = kid(x509.load_pem_x509_certificate(text_of(root, "EncryptionCertificate").encode()))
        return (
            text_of(permit, "ProviderInstitution") == host.institution
            and text_of(permit, "EncryptionKid") == named
            and self._context.time() < clock.moment(text_of(permit, "ValidUntil"))
        )

    def answer(self, institution: str, inquirer: str, serial: str, result: str, **told: str) -> str:
        """Answer a request that waits, on command; returns the result of the receipt.

        Raises: HostUnfit if there is none.
        """
        host = self._hosts.of(institution)
        row = self._store.found_one(
            "select * from host_request where institution = ? and inquirer = ? and serial = ? "
            "order by number desc limit 1",
            *(institution, inquirer, serial),
        )
        if row is None:
            raise HostUnfit("there is no such request")
        return self._answer(host, row, result, told)

    def _answer(self, host: Host, row: sqlite3.Row, result: str, told: Mapping[str, str]) -> str:
        mid = uuid4()
        root = document("ProvisionAnswer", ANSWER, mid, row["mode"])
        fields = (
            ("ProcessingSerial", row["serial"]),
            ("InquirerInstitution", row["inquirer"]),
            ("PermitID", row["permit"]),
            ("Result", result),
            ("Reason", told.get("Reason")),
            ("ExpectedOn", told.get("ExpectedOn")),
            ("Explanation", told.get("Explanation")),
            ("ProvidedAt", clock.second(self._context.time()) if result in _DONE else None),
        )
        add_all(root, fields)
        if result == "provided":
            self._provide(host, row, root)
        receipt = self._send(host, _Message(ANSWER, mid, row["conv"], row["next_seq"], written(root)))
        if receipt == "accepted":
            with self._store.transaction() as connection:
                connection.execute(
                    "update host_request set state = ?, next_seq = next_seq + 1 where number = ?",
                    (result, row["number"]),
                )
        return receipt

    def _provide(self, host: Host, row: sqlite3.Row, root: etree._Element) -> None:
        """Add to the answer *root* what is provided, sealed for the inquirer."""
        within = document("ProvidedInformation", PROVIDED, uuid4(), row["mode"])
        fields = (
            ("ProcessingSerial", row["serial"]),
            ("InquirerInstitution", row["inquirer"]),
            ("ProviderInstitution", host.institution),
            ("Information", row["information"]),
            ("PermitID", row["permit"]),
        )
        add_all(within, fields)
        today = clock.day(self._context.time())
        counts = self._invention.add_records(add(within, "Records"), row["information"], today)
        self._context.schemas.check(PROVIDED, within)
        datasets = add(root, "Datasets")
        for number, version, count in counts:
            add_all(add(datasets, "Entry"), (("Dataset", number), ("Version", version), ("Count", count)))
        signed = _signed(host, PROVIDED, row["inquirer"], written(within))
        key = public_key(row["pem"].encode())
        add(root, "EncryptedAnswer", encrypt(signed, PROVIDED, row["inquirer"], row["kid"], key).decode())

    def _take_over(self, host: Host, conv: str, root: etree._Element) -> None:
        with self._store.transaction() as connection:
            connection.execute(
                "update host_request set state = ? where institution = ? and conv = ?",
                (text_of(root, "Kind"), host.institution, conv),
            )

    # As inquirer.

    def inquire(self, wish: Wish) -> dict[str, str]:
        """Let a hosted institution ask; returns the serial and what the receipt says.

        Without an affair and a procedure it takes those in which it may ask. Raises: HostUnfit if there are none.
        """
        host = self._hosts.of(wish.institution)
        way = (wish.affair, wish.procedure) if wish.affair else self._way(wish)
        serial = "".join(secrets.choice(_SERIAL) for _ in range(_LENGTH))
        mid, conv = uuid4(), str(uuid4())
        with self._store.transaction() as connection:
            code = self._codes.give(connection, wish.institution, wish.mode, wish.resident)[0]
            connection.execute(
                "insert into host_inquiry (institution, serial, conv, provider, procedure, information, asked_at) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                (wish.institution, serial, conv, wish.provider, way[1], wish.information, clock.seconds()),
            )
        document = written(self._inquiry(wish, way, code, _Name(serial, mid)))
        return {"serial": serial, "receipt": self._send(host, _Message(INQUIRY, mid, conv, 1, document))}

    def _way(self, wish: Wish) -> tuple[str, str]:
        found = self._publisher.table().way(wish.institution, wish.provider, wish.information)
        if found is None:
            raise HostUnfit("the permission table has no such row: say in which affair and procedure")
        return found

    def _inquiry(self, wish: Wish, way: tuple[str, str], code: str, name: _Name) -> etree._Element:
        root = document("InformationInquiry", INQUIRY, name.mid, wish.mode)
        fields = (
            ("ProcessingSerial", name.serial),
            ("InquirerInstitution", wish.institution),
            ("LinkageCode", code),
            ("Affair", way[0]),
            ("Procedure", way[1]),
            ("Information", wish.information),
            ("ProviderInstitution", wish.provider),
        )
        add_all(root, fields)
        add_all(add(root, "Condition"), wish.condition.items())
        requested_at = wish.requested_at or clock.second(self._context.time())
        add_all(root, (("RequestedAt", requested_at), ("NonDisclosure", wish.non_disclosure)))
        return root

    def _take_result(self, host: Host, conv: str, root: etree._Element) -> None:
        result, sealed = text_of(root, "Result"), text_of(root, "EncryptedAnswer")
        records = self._unsealed(host, root, sealed) if sealed else None
        with self._store.transaction() as connection:
            connection.execute(
                "update host_inquiry set result = ?, reason = ?, records = ?, answered_at = ? "
                "where institution = ? and conv = ? and (result is null or result = 'deferred')",
                (
                    *(result, text_of(root, "Reason"), None if records is None else json.dumps(records)),
                    *(clock.seconds(), host.institution, conv),
                ),
            )

    def _unsealed(self, host: Host, root: etree._Element, sealed: str) -> list[dict[str, Any]]:
        """Return the records that only this inquirer can read; raises _Unfit if anything about them is wrong."""
        try:
            signed = taken_apart(decrypt(sealed.encode(), host.encryption.key), PERMIT_FIELDS)
            within = self._context.schemas.read(PROVIDED, signed.payload)
        except (Malformed, Invalid) as error:
            raise _Unfit("content") from error
        given = x509.load_pem_x509_certificates(text_of(root, "ProviderCertificate").encode())
        certificate = next((each for each in given if kid(each) == signed.header["kid"]), given[0])
        key = certificate.public_key()
        provider = text_of(root, "ProviderInstitution")
        if not (
            isinstance(key, ec.EllipticCurvePublicKey)
            and signed.is_signed_by(key)
            and signed.header["kid"] == kid(certificate)
            and (signed.header["from"], signed.header["to"]) == (provider, host.institution)
            and text_of(within, "ProcessingSerial") == text_of(root, "ProcessingSerial")
        ):
            raise _Unfit("content")
        return [
            {
                "Dataset": text_of(record, "Dataset"),
                "RecordKey": text_of(record, "RecordKey"),
                "Items": [(text_of(item, "Code"), text_of(item, "Value")) for item in record.iterfind("Item")],
            }
            for record in within.iterfind("Records/Record")
        ]

    def _send(self, host: Host, message: _Message) -> str:
        """Hand *message* to the network; returns the result of the receipt, or why it was refused."""
        numbers = {"mid": str(message.mid), "conv": message.conv, "seq": message.seq}
        receipt = self.send(_signed(host, message.typ, NETWORK, message.payload, **numbers))
        root = etree.fromstring(taken_apart(receipt, PERMIT_FIELDS).payload)
        return text_of(root, "Reason") or text_of(root, "Result")


@dataclass(frozen=True)
class _Name:
    serial: str
    mid: UUID


@dataclass(frozen=True)
class _Message:
    typ: str
    mid: UUID
    conv: str
    seq: int
    payload: bytes


def _signed(host: Host, typ: str, receiver: str, payload: bytes, **more: object) -> bytes:
    pair: Pair = host.signing
    header = {"alg": "ES256", "kid": pair.kid, "typ": typ, "iat": int(clock.seconds())}
    return sign(header | {"from": host.institution, "to": receiver} | more, payload, pair.key)


def _request(connection: sqlite3.Connection, institution: str, conv: str) -> sqlite3.Row:
    query = "select * from host_request where institution = ? and conv = ?"
    row: sqlite3.Row = connection.execute(query, (institution, conv)).fetchone()
    return row
