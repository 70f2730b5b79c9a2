"""Messages from the network: verified, taken once and in order, with their effect in the same transaction, receipted.

They are judged in the order of docs/interfaces/national-network.md, section 4. Refused is as if it had never come. A
receipt is only handed out after a commit that waited until it cannot be lost.

Source: A0-164.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row

from chukan.platform.audit.rules import AuditEntry, Detail, Outcome
from chukan.platform.audit.service import UnitOfWork, append, audited
from chukan.platform.database.engines import reading
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId, new_request_id
from chukan.platform.logs import get_logger
from chukan.platform.vault.rules import Place
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    MessageRefused,
    MessageUnexpected,
)
from chukan.tenants.middleserver.formats.messages import Message, parse
from chukan.tenants.middleserver.security.certificates.errors import NoActiveCertificate
from chukan.tenants.middleserver.security.certificates.service import Keys
from chukan.tenants.middleserver.security.errors import JoseMalformed, JoseRefused
from chukan.tenants.middleserver.security.jose import (
    PublicKeys,
    Signed,
    Window,
    header_of,
    is_encrypted,
    payload_of,
    verify,
)
from chukan.tenants.middleserver.transmission import conversation_store, inbox_store, shared_store
from chukan.tenants.middleserver.transmission import outbox_store as store
from chukan.tenants.middleserver.transmission.errors import ContentRefused, NotHere, NotOpen, Refused
from chukan.tenants.middleserver.transmission.inbox_store import Incoming, Kept, Look
from chukan.tenants.middleserver.transmission.ports import Answer, Features, Received, Shut
from chukan.tenants.middleserver.transmission.receipts import Receipt, digest_of, written
from chukan.tenants.middleserver.transmission.rules import (
    ALARMING,
    LARGEST,
    NETWORK,
    RELAY,
    STATUS,
    InState,
    Reason,
    Result,
    Turn,
    is_closed,
    turn,
)
from chukan.tenants.middleserver.transmission.service import INBOX, MESSAGE, Identity, identity_on
from chukan.tenants.middleserver.transmission.trail import TransmissionAction

_ACTOR = "system:network"
_OK = 200
_log = get_logger(__name__)


@dataclass
class _Delivery:
    """A message under examination: what is known of it so far."""

    body: bytes = field(repr=False)
    digest: str
    tenant: TenantId
    who: Identity
    now: datetime
    kid: str
    request: str
    content: bytes = field(default=b"", repr=False)
    message: UUID | None = None


@dataclass(frozen=True)
class _Verified:
    """A message that the network signed for this organisation, and its place."""

    signed: Signed
    content: bytes = field(repr=False)
    id: UUID
    conv: UUID
    seq: int


@dataclass(frozen=True)
class _Place:
    """Where a message stands: its conversation, which is locked, and what is there already."""

    conversation: Row[*tuple[Any, ...]]
    look: Look


class _Loan:
    """One loan of a tenant's session, and one transaction: for what is asked first, and for the act that follows.

    What is not committed by the act is rolled back.
    """

    def __init__(self, sessions: TenantSessions, tenant: TenantId) -> None:
        self._sessions = sessions
        self._tenant = tenant
        self._stack = ExitStack()
        self.connection = self._stack.enter_context(sessions.connection(tenant))
        self._transaction = self.connection.begin()
        self._is_over = False

    def end(self) -> None:
        """Roll back what was asked for, and give the session back, if no act has done so."""
        self._is_over = True
        self._stack.close()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Go on in the transaction, which commits at the end of the block; once it is over, in another one."""
        if self._is_over:
            with self._sessions.begin(self._tenant) as connection:
                yield connection
            return
        self._is_over = True
        with self._stack, self._transaction:
            yield self.connection


class Reception:
    """What ``POST /network/messages`` does; for many threads."""

    def __init__(
        self,
        engine: Engine,
        sessions: TenantSessions,
        vault: Vault,
        public_key: PublicKeys,
        features: Features,
        *,
        shut: Shut = lambda _tenant, _now: None,
    ) -> None:
        """Take messages under the log-in of *engine*; *public_key* gives the network's keys.

        While *shut* tells of an organisation why, nothing is taken for it.
        """
        self._engine = reading(engine)
        self._sessions = sessions
        self._vault = vault
        self._keys = Keys(sessions, vault)
        self._public_key = public_key
        self._features = features
        self._shut = shut

    def receive(self, body: bytes, peer: str, *, now: datetime) -> Answer:
        """Return the status and the signed receipt for *body*, which the caller with the certificate of *peer* sent.

        *peer* is the common name of the TLS client certificate, whose chain the front has verified. Where nobody can
        say for whom the message is, or messages are not taken now, the answer is a status without a receipt, and the
        network repeats. Any other failure is raised, and is to be answered without a receipt as well.
        """
        try:
            tenant, kid = self._addressee(body, peer, now)
            loan = _Loan(self._sessions, tenant)
            try:
                delivery = self._delivery(loan.connection, body, tenant, kid, now)
                return self._answered(delivery, loan)
            finally:
                loan.end()
        except NotOpen as error:
            _log.info("transmission.delivery_not_open", reason=error.detail, exc_info=error)
            return Answer(error.status, b"")
        except NotHere as error:
            _log.error("transmission.delivery_not_taken", reason="no receipt can be given", exc_info=error)
            return Answer(error.status, b"")

    # -- for whom ------------------------------------------------------------------------------------

    def _addressee(self, body: bytes, peer: str, now: datetime) -> tuple[TenantId, str]:
        """Return the organisation that the message is for, and the id of its key that the message names."""
        if peer != NETWORK:
            raise NotHere(403, "the caller is not the network")
        kid = _outer_header(body).get("kid")
        with self._engine.connect() as connection:
            found = shared_store.addressee(connection, kid) if isinstance(kid, str) else None
        if found is None:
            raise NotHere(403, "no organisation has the key that the message is encrypted to")
        tenant, is_stopped = found
        if is_stopped:
            raise NotHere(503, "the exchange is stopped")
        # The gate (the one place that knows organisation, service and instant): what is closed stays with the network.
        if (closed := self._shut(tenant, now)) is not None:
            raise NotOpen(closed)
        return tenant, str(kid)

    def _delivery(
        self, connection: Connection, body: bytes, tenant: TenantId, kid: str, now: datetime
    ) -> _Delivery:  # fmt: skip
        try:
            who = identity_on(connection, self._keys, tenant, now)
        except NoActiveCertificate as error:
            raise NotHere(503, "the organisation cannot sign a receipt") from error
        return _Delivery(body, digest_of(body), tenant, who, now, kid, new_request_id())

    def _answered(self, delivery: _Delivery, loan: _Loan) -> Answer:
        try:
            return Answer(_OK, self._taken(delivery, loan))
        except Refused as error:
            return self._refusal(delivery, error)

    # -- judging -------------------------------------------------------------------------------------

    def _taken(self, delivery: _Delivery, loan: _Loan) -> bytes:
        """Return the receipt of a message that is taken, now or before.

        Raises:
            Refused: with the first reason in the protocol's order.
        """
        with self._recorded(delivery, loan):
            verified = self._verified(delivery)
            # Until the end of the loan nobody else works in this conversation.
            conversation = conversation_store.joined(loan.connection, verified.conv)
            look = inbox_store.look(loan.connection, NETWORK, verified.id, verified.conv, verified.seq)
            if (before := _receipted(look.kept, delivery)) is not None:
                return before
            message = self._read(verified)
        conv = str(verified.conv)
        act = self._act(delivery, type=verified.signed.type, conversation=conv, sequence=verified.seq)
        try:
            with audited(loan.begin, act) as unit:
                return self._apply(unit, delivery, verified, message, _Place(conversation, look))
        except ContentRefused as error:
            raise Refused(Reason.CONTENT, error.told()) from error

    @contextmanager
    def _recorded(self, delivery: _Delivery, loan: _Loan) -> Iterator[None]:
        """Leave an entry in the organisation's chain when the message is refused inside the block."""
        try:
            yield
        except Refused as error:
            loan.end()
            act = replace(self._act(delivery, reason=error.reason.value), outcome=Outcome.REFUSED)
            with self._sessions.begin(delivery.tenant) as connection:
                append(connection, act)
            raise

    def _act(self, delivery: _Delivery, **detail: str | int) -> AuditEntry:
        subject = f"message:{delivery.message or 'unknown'}"
        return AuditEntry(_ACTOR, TransmissionAction.RECEIVE, subject, delivery.request, detail=detail)

    def _verified(self, delivery: _Delivery) -> _Verified:
        if len(delivery.body) > LARGEST:
            raise Refused(Reason.TOO_LARGE)
        try:
            content = delivery.who.keys.openers.open(delivery.body)
            inner = header_of(content)
            delivery.message = _uuid(inner.get("mid"))
            signed = verify(content, self._public_key, types={str(inner.get("typ"))}, window=Window(delivery.now))
        except JoseRefused as error:
            raise Refused(Reason(error.refusal.value), detail=f"{error.code} {error.detail}") from error
        headers = signed.headers
        if headers.get("from") != NETWORK or headers.get("to") != delivery.who.institution:
            raise Refused(Reason.SENDER)
        mid, conv, seq = _uuid(headers.get("mid")), _uuid(headers.get("conv")), headers.get("seq")
        outer = header_of(delivery.body)
        if mid is None or conv is None or not isinstance(seq, int):
            raise Refused(Reason.MALFORMED, detail="mid, conv or seq is missing")
        if (outer.get("typ"), outer.get("to")) != (signed.type, headers["to"]):
            raise Refused(Reason.MALFORMED, detail="typ and to are not the same without and within")
        return _Verified(signed, content, mid, conv, seq)

    def _read(self, verified: _Verified) -> Message:
        """Return the document of a message of a type that somebody here handles."""
        signed = verified.signed
        if signed.type not in self._features.handlers:
            raise Refused(Reason.MESSAGE_TYPE)
        try:
            message = parse(signed.payload, {signed.type})
        except MessageUnexpected as error:
            raise Refused(Reason.MESSAGE_TYPE, "typ and MSGTypeID must be equal") from error
        except MessageRefused as error:
            fault = error.faults[0]
            raise Refused(Reason.SCHEMA, f"{fault.line} {fault.element} {fault.reason}") from error
        except (DocumentForbidden, DocumentMalformed, DocumentTooLarge) as error:
            raise Refused(Reason.SCHEMA, error.told()) from error
        if message.header.message_id != verified.id:
            raise Refused(Reason.MESSAGE_TYPE, "mid and MSGID must be equal")
        return message

    # -- taking --------------------------------------------------------------------------------------

    def _apply(
        self, unit: UnitOfWork, delivery: _Delivery, verified: _Verified, message: Message, place: _Place
    ) -> bytes:
        """Keep the message with its receipt; in its turn, have its effect, and those of messages that waited for it."""
        connection, conversation = unit.connection, place.conversation
        whose = turn(
            verified.seq,
            expected=conversation.next_in,
            taken=place.look.taken,
            closed=is_closed(conversation.state, conversation.deadline, delivery.now),
        )
        _require_turn(whose, conversation.next_in)
        is_now, following = whose is Turn.NOW, verified.seq + 1
        receipt = self._receipt(delivery, verified, None if is_now else conversation.next_in)
        state = InState.APPLIED if is_now else InState.HELD
        incoming = self._incoming(delivery, verified)
        if not inbox_store.keep(connection, incoming, state, receipt, following=following if is_now else None):
            raise Refused(Reason.CONFLICT)
        unit.note(state=state.value)
        if is_now:
            self._effect(connection, delivery, verified.signed.type, verified.conv, message)
        if is_now and place.look.followed:
            expected = self._drain(unit, delivery, verified.conv, following)
            conversation_store.come(connection, verified.conv, expected)
        if not is_now or place.look.followed:
            # How many messages are held has changed: the relay tells it.
            store.mark_due(connection, RELAY)
        return receipt

    def _drain(self, unit: UnitOfWork, delivery: _Delivery, conv: UUID, number: int) -> int:
        """Have the effects of the messages that were held, from *number* on; return which number comes next.

        One whose content is refused now was receipted as taken: it is put aside, and somebody has to look.
        """
        connection = unit.connection
        while (held := inbox_store.held(connection, NETWORK, conv, number)) is not None:
            name, kind, sealed = held
            content = self._vault.open(delivery.tenant, Place(INBOX, MESSAGE, name), sealed)
            state, reason = InState.APPLIED, None
            try:
                with connection.begin_nested():
                    self._effect(connection, delivery, kind, conv, parse(payload_of(content), {kind}))
            except ContentRefused as error:
                state, reason = InState.REFUSED, error.code
                _log.error("transmission.held_message_refused", organisation=delivery.tenant, exc_info=error)
            inbox_store.finish(connection, NETWORK, name, state, reason)
            detail: dict[str, Detail] = {"type": kind, "conversation": str(conv), "sequence": number}
            unit.record(replace(unit.act, subject=f"message:{name}", detail={**detail, "state": state.value}))
            number += 1
        return number

    def _effect(self, connection: Connection, delivery: _Delivery, kind: str, conv: UUID, message: Message) -> None:
        received = Received(
            delivery.tenant, delivery.who.institution, conv, message, delivery.now, _ACTOR, delivery.request
        )
        self._features.handlers[kind](connection, received)

    def _incoming(self, delivery: _Delivery, verified: _Verified) -> Incoming:
        return Incoming(
            from_org=NETWORK,
            id=verified.id,
            conv=verified.conv,
            seq=verified.seq,
            type=verified.signed.type,
            sha256=hashlib.sha256(delivery.body).digest(),
            sealed=self._vault.seal(delivery.tenant, Place(INBOX, MESSAGE, verified.id), verified.content),
            kid=delivery.kid,
        )

    # -- receipts ------------------------------------------------------------------------------------

    def _receipt(self, delivery: _Delivery, verified: _Verified, expected: int | None) -> bytes:
        result = Result.ACCEPTED if expected is None else Result.HELD
        receipt = Receipt(verified.id, delivery.digest, result, delivery.now, expected=expected)
        return written(receipt, delivery.who.signer, institution=delivery.who.institution, now=delivery.now)

    def _refusal(self, delivery: _Delivery, error: Refused) -> Answer:
        tenant, reason = delivery.tenant, error.reason.value
        if error.reason in ALARMING:
            _log.error("transmission.delivery_suspicious", organisation=tenant, reason=reason, exc_info=error)
        else:
            _log.warning("transmission.delivery_refused", organisation=tenant, reason=reason, exc_info=error)
        receipt = Receipt(
            message=delivery.message,
            digest=delivery.digest,
            result=Result.REFUSED,
            received_at=delivery.now,
            reason=error.reason,
            detail=error.told_detail,
            expected=error.expected,
        )
        signed = written(receipt, delivery.who.signer, institution=delivery.who.institution, now=delivery.now)
        return Answer(STATUS[error.reason], signed)


def _receipted(known: Kept | None, delivery: _Delivery) -> bytes | None:
    """Return the receipt that these bytes have already, if they are *known*.

    Raises:
        Refused: the id came with other bytes before.
    """
    if known is None:
        return None
    if known.sha256.hex() != delivery.digest:
        raise Refused(Reason.CONFLICT, "this message id came with other bytes before")
    return known.receipt


def _require_turn(whose: Turn, expected: int) -> None:
    if whose is Turn.CLOSED:
        raise Refused(Reason.CLOSED)
    if whose is Turn.TAKEN:
        raise Refused(Reason.CONFLICT, "this number came with another message before", expected=expected)
    if whose is Turn.FAR_TOO_EARLY:
        raise Refused(Reason.SEQUENCE, expected=expected)


def _outer_header(body: bytes) -> Mapping[str, Any]:
    """Return the header of the encrypted message *body*, however large it is."""
    if not is_encrypted(body):
        raise NotHere(400, "it is no compact JWE, so nobody can say for whom it is")
    try:
        return header_of(body, max_bytes=len(body))
    except JoseMalformed as error:
        raise NotHere(400, f"its header cannot be read: {error.detail}") from error


def _uuid(value: object) -> UUID | None:
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and str(found) == value else None
