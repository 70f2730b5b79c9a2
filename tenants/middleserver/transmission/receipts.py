"""Receipts: what a receiver signs about the exact bytes that it was handed (``IF_SCM_X0009_S01``)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lxml import etree

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.formats.errors import DocumentForbidden, DocumentMalformed, DocumentTooLarge
from chukan.tenants.middleserver.formats.messages import add, value
from chukan.tenants.middleserver.formats.xml import parsed, schema
from chukan.tenants.middleserver.security.certificates.service import Signer
from chukan.tenants.middleserver.security.errors import JoseRefused
from chukan.tenants.middleserver.security.jose import PublicKeys, Window, payload_of, verify
from chukan.tenants.middleserver.transmission.errors import ReceiptInvalid
from chukan.tenants.middleserver.transmission.rules import NETWORK, NOBODY, UNSIGNED, Reason, Result

RECEIPT = "IF_SCM_X0009_S01"
_MOST_DETAIL = 500


@dataclass(frozen=True)
class Receipt:
    """What a receipt says."""

    message: UUID | None
    digest: str
    result: Result
    received_at: datetime
    reason: Reason | None = None
    detail: str = ""
    expected: int | None = None


def digest_of(message: bytes) -> str:
    """Return the digest that a receipt of *message* names: SHA-256 in hexadecimal, lower case."""
    return hashlib.sha256(message).hexdigest()


def written(receipt: Receipt, signer: Signer, *, institution: str, now: datetime) -> bytes:
    """Return *receipt* signed for the organisation *institution*, to the network or to nobody."""
    root = etree.Element("Receipt")
    if receipt.message is not None:
        add(root, "MessageID", str(receipt.message))
    add(root, "RequestDigest", receipt.digest)
    add(root, "Result", receipt.result.value)
    if receipt.reason is not None:
        add(root, "Reason", receipt.reason.value)
    if receipt.detail:
        add(root, "Detail", receipt.detail[:_MOST_DETAIL])
    if receipt.expected is not None:
        add(root, "ExpectedSequence", receipt.expected)
    add(root, "ReceivedAt", as_tokyo(receipt.received_at).isoformat(timespec="seconds"))
    document = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    receiver = NOBODY if receipt.reason in UNSIGNED else NETWORK
    return signer.sign(document, type=RECEIPT, now=now, headers={"from": institution, "to": receiver})


def read(
    token: bytes, keys: PublicKeys, *, institution: str, message: UUID, sent: bytes, now: datetime
) -> Receipt:  # fmt: skip
    """Return what the network's receipt *token* says of the bytes that *institution* *sent* as *message*.

    Raises:
        ReceiptInvalid: it is none: not signed by the network, stale, or for somebody, something or other bytes.
    """
    try:
        signed = verify(token, keys, types={RECEIPT}, window=Window(now))
    except JoseRefused as error:
        raise _invalid(mark("its signature is not the network's"), error.detail or error.code) from error
    receipt = _read(signed.payload)
    receivers = {institution, NOBODY} if receipt.reason in UNSIGNED else {institution}
    if signed.headers.get("from") != NETWORK or signed.headers.get("to") not in receivers:
        raise _invalid(mark("it is for somebody else"))
    if receipt.digest != digest_of(sent):
        raise _invalid(mark("it is for other bytes"))
    if receipt.message is not None and receipt.message != message:
        raise _invalid(mark("it is for another message"))
    return receipt


def _read(document: bytes) -> Receipt:
    try:
        root = parsed(document)
    except (DocumentForbidden, DocumentMalformed, DocumentTooLarge) as error:
        raise _invalid(mark("it does not follow its schema"), error.code) from error
    if schema(RECEIPT).faults(root):
        raise _invalid(mark("it does not follow its schema"))
    message, reason, expected = (value(root, name) for name in ("MessageID", "Reason", "ExpectedSequence"))
    receipt = Receipt(
        message=UUID(message) if message else None,
        digest=value(root, "RequestDigest"),
        result=Result(value(root, "Result")),
        received_at=datetime.fromisoformat(value(root, "ReceivedAt")),
        reason=Reason(reason) if reason else None,
        detail=value(root, "Detail"),
        expected=int(expected) if expected else None,
    )
    if (receipt.result is Result.REFUSED) != (receipt.reason is not None):
        raise _invalid(mark("result and reason contradict each other"))
    return receipt


def _invalid(reason: str, detail: str = "") -> ReceiptInvalid:
    return ReceiptInvalid(reason=text(reason), detail=detail)


def told_at(token: bytes) -> datetime:
    """Return when the receiver had the message, as the receipt *token* says that was verified when it came.

    Raises:
        JoseMalformed: it is no compact JWS.
    """
    return datetime.fromisoformat(value(parsed(payload_of(token)), "ReceivedAt"))
