"""Requesting, activating, retiring and revoking an organisation's certificates, and using its keys.

Source: A0-070 to A0-072, rules C83.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from sqlalchemy import Connection, func, select

from chukan.platform.audit.rules import Action, AuditEntry
from chukan.platform.audit.service import UnitOfWork, audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.rules import EncryptedColumn, Place
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.security.certificates import store
from chukan.tenants.middleserver.security.certificates.errors import (
    CertificateInUse,
    CertificatePending,
    CertificateStateWrong,
    CertificateUnknown,
    NoActiveCertificate,
    OverlapNotOver,
)
from chukan.tenants.middleserver.security.certificates.rules import (
    ACCEPTED,
    OPENING,
    KeyState,
    KeyUse,
    may_follow,
    retirement,
)
from chukan.tenants.middleserver.security.certificates.store import StoredKey
from chukan.tenants.middleserver.security.certificates.words import told_state, told_use
from chukan.tenants.middleserver.security.certificates.x509 import (
    accepted,
    new_key,
    private_bytes,
    private_key,
    request_of,
)
from chukan.tenants.middleserver.security.jose import Headers, SigningKey, decrypt, sign
from chukan.tenants.middleserver.security.ports import CertificateIssuer, InFlight

_TABLE, _COLUMN = "org_key", "private_key"
#: What a rotation of the tenant's data key re-encrypts.
ENCRYPTED_COLUMNS = (EncryptedColumn(_TABLE, _COLUMN),)


class CertificateAction(Action):
    """The acts on an organisation's certificates, in its own chain."""

    REQUEST = "certificates:certificate:request"
    ISSUE = "certificates:certificate:issue"
    ACTIVATE = "certificates:certificate:activate"
    RETIRE = "certificates:certificate:retire"
    REVOKE = "certificates:certificate:revoke"


@dataclass(frozen=True)
class Signer:
    """Signs for one organisation with its newest key; to be held for one piece of work, not for longer."""

    key: SigningKey
    not_after: datetime

    @property
    def kid(self) -> str:
        """The id of the certificate that the other side verifies with."""
        return self.key.kid

    def sign(
        self,
        payload: bytes,
        *,
        type: str,  # noqa: A002 - as in jose
        now: datetime,
        headers: Headers = MappingProxyType({}),
    ) -> bytes:
        """Return *payload* signed; see ``jose.sign``."""
        return sign(payload, self.key, type=type, now=now, headers=headers)


@dataclass(frozen=True)
class Openers:
    """Opens what was encrypted for one organisation, whichever of its living keys it was encrypted to."""

    keys: Mapping[str, EllipticCurvePrivateKey]

    def open(self, token: bytes) -> bytes:
        """Return the signed text inside *token*; raises as ``jose.decrypt``."""
        return decrypt(token, self.keys.get)


@dataclass(frozen=True)
class AtHand:
    """An organisation's keys as they stood at one instant: for one piece of work, not for longer."""

    signer: Signer
    #: The signer's certificate (DER).
    certificate: bytes
    #: Opened when something is, for who only signs needs none of them.
    _openers: Callable[[], Openers] = field(repr=False)

    @property
    def openers(self) -> Openers:
        """Who opens what came, as ``Keys.openers`` tells; raises as that."""
        return self._openers()


class Keys:
    """The keys of organisations as the exchange of messages uses them."""

    def __init__(self, sessions: TenantSessions, vault: Vault) -> None:
        self._sessions = sessions
        self._vault = vault

    def at_hand(self, tenant: TenantId, *, now: datetime) -> AtHand:
        """Return who signs and who opens for *tenant*, asked in one question: a message needs both.

        Raises:
            NoActiveCertificate, VaultTampered: as ``signer``.
        """
        with self._sessions.begin(tenant) as connection:
            return self.at_hand_on(connection, tenant, now=now)

    def at_hand_on(self, connection: Connection, tenant: TenantId, *, now: datetime) -> AtHand:
        """Return as ``at_hand``, in the caller's session on *tenant*; raises as that."""
        found = store.living_keys(connection)
        signing = self._signing(tenant, found, now)
        signer = Signer(SigningKey(signing.kid or "", self._private(tenant, signing)), signing.not_after or now)
        opening = [key for key in found if key.use is KeyUse.ENCRYPT and key.state in OPENING]
        return AtHand(signer, signing.certificate or b"", lambda: self._opened(tenant, opening))

    def list(self, tenant: TenantId) -> list[StoredKey]:
        """Return all keys that *tenant* ever had, oldest first."""
        with self._sessions.begin(tenant) as connection:
            return [*store.keys(connection)]

    def signer(self, tenant: TenantId, *, now: datetime) -> Signer:
        """Return who signs for *tenant*: its active key, if its certificate is valid at *now*.

        Raises:
            NoActiveCertificate: there is none, or it is over.
            VaultTampered: the sealed key was changed.
        """
        with self._sessions.begin(tenant) as connection:
            return self.signer_on(connection, tenant, now=now)

    def signer_on(self, connection: Connection, tenant: TenantId, *, now: datetime) -> Signer:
        """Return as ``signer``, in the caller's session on *tenant*."""
        signing = self._signing(tenant, store.living_keys(connection), now)
        return Signer(SigningKey(signing.kid or "", self._private(tenant, signing)), signing.not_after or now)

    def openers(self, tenant: TenantId) -> Openers:
        """Return who opens what comes for *tenant*: all its encryption keys that are pending, active or retiring.

        Whether a key was in force is judged by its state: what was encrypted before a certificate ended is opened.
        """
        with self._sessions.begin(tenant) as connection:
            found = [key for key in store.keys(connection, states=OPENING) if key.use is KeyUse.ENCRYPT]
        return self._opened(tenant, found)

    def accepted_kids(self, tenant: TenantId, use: KeyUse) -> frozenset[str]:
        """Return the ids of the certificates of *tenant* that others may rely on now: active and retiring ones."""
        with self._sessions.begin(tenant) as connection:
            found = store.keys(connection, states=ACCEPTED)
        return frozenset(key.kid for key in found if key.use is use and key.kid is not None)

    @staticmethod
    def _signing(tenant: TenantId, found: Iterable[StoredKey], now: datetime) -> StoredKey:
        """Return the key that signs at *now*, of those that were found."""
        for key in found:
            if key.state is KeyState.ACTIVE and key.use is KeyUse.SIGN and key.not_after and now < key.not_after:
                return key
        raise NoActiveCertificate(use=told_use(KeyUse.SIGN), detail=f"tenant {tenant}")

    def _opened(self, tenant: TenantId, found: Iterable[StoredKey]) -> Openers:
        return Openers({key.kid: self._private(tenant, key) for key in found if key.kid is not None})

    def _private(self, tenant: TenantId, key: StoredKey) -> EllipticCurvePrivateKey:
        return private_key(self._vault.open(tenant, Place(_TABLE, _COLUMN, key.id), key.private_key))


class Certificates:
    """What is done to organisations' certificates, on behalf of *actor* in one *request*."""

    def __init__(
        self,
        sessions: TenantSessions,
        vault: Vault,
        issuer: CertificateIssuer,
        in_flight: InFlight,
        *,
        actor: str,
        request: str,
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._issuer = issuer
        self._in_flight = in_flight
        self._actor = actor
        self._request = request

    def request(self, tenant: TenantId, institution_code: str, use: KeyUse, *, now: datetime) -> str:
        """Make a key, have it certified, and return the id of the certificate, which waits to be activated.

        If the issuer's answer was lost, asking again uses the same key.

        Raises:
            CertificatePending: one waits already.
            CertificateRefused: what came back is no certificate for this key, institution or time.

        Source: A0-071.
        """
        key, private = self._key_for(tenant, use, now)
        pem = self._issuer.issue(institution_code, use.value, request_of(private, institution_code, use))
        certified = accepted(pem, private, institution_code, now)
        with self._act(tenant, CertificateAction.ISSUE, certified.kid, use=use.value) as unit:
            if not store.certify(unit.connection, key, certified, now):
                raise CertificatePending
            stored = self._locked(unit, certified.kid)
            store.note(unit.connection, key, KeyState.PENDING, reason="issued", now=now)
            store.project(unit.connection, stored, KeyState.PENDING)
        return certified.kid

    def activate(self, tenant: TenantId, kid: str, *, now: datetime) -> None:
        """Put a pending certificate in force; the one that was is being replaced from now on, and still opens.

        Raises:
            CertificateUnknown: there is none of that id.
            CertificateStateWrong: it is not pending, or not valid yet or any more.

        Source: A0-071, A0-072.
        """
        with self._act(tenant, CertificateAction.ACTIVATE, kid) as unit:
            use = self._use_of(unit.connection, kid)
            store.lock_use(unit.connection, use)
            key = self._locked(unit, kid)
            if key.not_before is None or key.not_after is None or not key.not_before <= now < key.not_after:
                raise _wrong(key, KeyState.ACTIVE)
            _require(key, KeyState.ACTIVE)
            for other in store.keys(unit.connection, states={KeyState.ACTIVE}):
                if other.use is use:
                    _move(unit, other, KeyState.RETIRING, reason=f"replaced by {kid}", now=now)
            _move(unit, key, KeyState.ACTIVE, reason="activated", now=now)

    def retire(self, tenant: TenantId, kid: str, *, now: datetime) -> None:
        """End the overlap of a key that was replaced: it opens and repeats nothing from now on.

        Raises:
            CertificateUnknown, CertificateStateWrong: as ``activate``.
            CertificateInUse: something under way still needs it; how many conversations is told.
            OverlapNotOver: a message may still be repeated under it.

        Source: A0-071, A0-072, rules C83.
        """
        with self._act(tenant, CertificateAction.RETIRE, kid) as unit:
            store.lock_use(unit.connection, self._use_of(unit.connection, kid))
            key = self._locked(unit, kid)
            _require(key, KeyState.RETIRED)
            count = self._in_flight.open_count(tenant, kid)
            verdict = retirement(retiring_since=key.changed_at, open_count=count, now=now)
            if not verdict.allowed and count:
                raise CertificateInUse(kid=kid, count=count)
            if not verdict.allowed and verdict.not_before is not None:
                raise OverlapNotOver(kid=kid, until=as_tokyo(verdict.not_before).strftime("%Y-%m-%d %H:%M"))
            _move(unit, key, KeyState.RETIRED, reason="retired", now=now)

    def revoke(self, tenant: TenantId, kid: str, *, reason: str, now: datetime) -> None:
        """Take a key that is no longer safe out of use at once; what is open under it will fail.

        It is done here first, and then told to the issuer: repeat the act if that could not be reached.

        Raises:
            CertificateUnknown: there is none of that id.
            CertificateStateWrong: it is retired.
        """
        with self._act(tenant, CertificateAction.REVOKE, kid, reason=reason) as unit:
            key = self._locked(unit, kid)
            if key.state is KeyState.REVOKED:
                unit.note(already=True)
            else:
                _require(key, KeyState.REVOKED)
                _move(unit, key, KeyState.REVOKED, reason=reason, now=now)
        self._issuer.revoke(kid, reason)

    def _key_for(self, tenant: TenantId, use: KeyUse, now: datetime) -> tuple[UUID, EllipticCurvePrivateKey]:
        """Return the key to be certified: a new one, or the one whose answer never came."""
        with self._act(tenant, CertificateAction.REQUEST, use.value) as unit:
            store.lock_use(unit.connection, use)
            waiting = [key for key in store.keys(unit.connection, states={KeyState.PENDING}) if key.use is use]
            if any(key.kid is not None for key in waiting):
                raise CertificatePending
            if waiting:
                unit.note(again=True)
                place = Place(_TABLE, _COLUMN, waiting[0].id)
                return waiting[0].id, private_key(self._vault.open(tenant, place, waiting[0].private_key))
            private = new_key()
            key = _new_id(unit.connection)
            sealed = self._vault.seal(tenant, Place(_TABLE, _COLUMN, key), private_bytes(private))
            if not store.insert_key(unit.connection, key, use, sealed, now):
                raise CertificatePending
            return key, private

    def _use_of(self, connection: Connection, kid: str) -> KeyUse:
        found = store.key_of(connection, kid)
        if found is None:
            raise CertificateUnknown(kid=kid)
        return found.use

    def _locked(self, unit: UnitOfWork, kid: str) -> StoredKey:
        found = store.lock_key(unit.connection, kid)
        if found is None:
            raise CertificateUnknown(kid=kid)
        return found

    def _act(
        self, tenant: TenantId, action: CertificateAction, subject: str, **detail: str
    ) -> AbstractContextManager[UnitOfWork]:
        entry = AuditEntry(self._actor, action, f"certificate:{subject}", self._request, detail=detail)
        return audited(lambda: self._sessions.begin(tenant), entry)


def _new_id(connection: Connection) -> UUID:
    made: UUID = connection.execute(select(func.uuidv7())).scalar_one()
    return made


def _move(unit: UnitOfWork, key: StoredKey, to: KeyState, *, reason: str, now: datetime) -> None:
    if not store.move(unit.connection, key, to, reason=reason, now=now):
        raise _wrong(key, to)
    if key.kid is not None:
        store.project(unit.connection, key, to)


def _require(key: StoredKey, wanted: KeyState) -> None:
    if not may_follow(key.state, wanted):
        raise _wrong(key, wanted)


def _wrong(key: StoredKey, wanted: KeyState) -> CertificateStateWrong:
    return CertificateStateWrong(kid=key.kid or key.id, state=told_state(key.state), wanted=told_state(wanted))
