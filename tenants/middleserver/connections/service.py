"""The register of connected systems, who a certificate is, and how often an organisation may ask.

Source: A0-155.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlalchemy import Engine

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import AuditEntry, Outcome
from chukan.platform.audit.service import Chain, append
from chukan.platform.clock import as_tokyo, as_utc
from chukan.platform.database.engines import reading
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.connections import store
from chukan.tenants.middleserver.connections.errors import (
    CertificateUnknown,
    CertificateUnusable,
    RateExceeded,
    SystemKnown,
    SystemRevokedAlready,
    SystemUnknown,
)
from chukan.tenants.middleserver.connections.rules import Allowed, Rate, RateKind, System, fingerprint_of, rate_on
from chukan.tenants.middleserver.connections.trail import ConnectionAction
from chukan.tenants.middleserver.formats.codes import DepartmentCode, SystemId


@dataclass(frozen=True)
class Application:
    """What is registered: whose certificate it is, and what may be done with it."""

    tenant: TenantId
    department: DepartmentCode
    system_id: SystemId
    allowed: frozenset[Allowed]


class Systems:
    """The register, for the operator *actor* at the worker's log-in."""

    def __init__(self, actor: Actor) -> None:
        """Act as *actor*."""
        self._actor = actor

    def registered(self, tenant: TenantId | None = None) -> Sequence[System]:
        """Return the systems of *tenant*, or of all, revoked ones too."""
        with self._actor.engine.connect() as connection:
            return store.systems(connection, tenant)

    def register(self, certificate_pem: bytes, application: Application, *, file: str, now: datetime) -> System:
        """Register the client certificate of a system; it holds as long as the certificate says.

        Raises:
            CertificateUnusable: *file* holds none, or one that has expired.
            SystemKnown: it was registered before.
        """
        certificate = _read(certificate_pem, file)
        if certificate.not_valid_after_utc <= as_utc(now):
            raise CertificateUnusable(file=file)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        subject = f"tenant:{application.tenant}"
        with self._actor.act(ConnectionAction.REGISTER, subject, fingerprint=fingerprint) as unit:
            system = store.insert_system(
                unit.connection,
                {
                    "fingerprint": fingerprint,
                    "tenant": application.tenant,
                    "department": application.department,
                    "system_id": application.system_id,
                    "allowed": sorted(each.value for each in application.allowed),
                    "valid_from": certificate.not_valid_before_utc,
                    "valid_until": certificate.not_valid_after_utc,
                    "registered_at": as_utc(now),
                    "registered_by": self._actor.name,
                },
            )
            if system is None:
                raise SystemKnown
            unit.note(
                system=str(system.id), department=system.department, system_id=system.system_id,
                allowed=sorted(each.value for each in system.allowed),
            )  # fmt: skip
        return system

    def revoke(self, fingerprint: str, *, reason: str, now: datetime) -> System:
        """Revoke a certificate; from *now* on no gateway takes it.

        Raises:
            FingerprintMalformed: it is no fingerprint.
            SystemUnknown, SystemRevokedAlready: there is nothing to revoke.
        """
        plain = fingerprint_of(fingerprint)
        with self._actor.engine.connect() as connection:
            system = store.find(connection, plain)
        if system is None:
            raise SystemUnknown(fingerprint=plain)
        act = self._actor.act(
            ConnectionAction.REVOKE, f"tenant:{system.tenant}", fingerprint=plain, system=str(system.id), reason=reason
        )
        with act as unit:
            if not store.revoke(unit.connection, system.id, actor=self._actor.name, reason=reason, now=as_utc(now)):
                raise SystemRevokedAlready
        return system


class Doorkeeper:
    """Says whose a certificate is, and counts requests; under the gateway's log-in, for many threads."""

    def __init__(self, engine: Engine, rates: Sequence[Rate]) -> None:
        """Ask under the log-in of *engine*."""
        self._engine = engine
        self._asked = reading(engine)
        self._rates = rates

    def identify(self, certificate: x509.Certificate, *, now: datetime, request: str) -> System:
        """Return the system that *certificate* is registered for; a refusal is recorded.

        Raises:
            CertificateUnknown, CertificateRevoked, CertificateExpired: it is not taken.
        """
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        # Asked at every request: what was revoked is refused from the same moment on.
        with self._asked.connect() as connection:
            system = store.find(connection, fingerprint)
        try:
            if system is None:
                raise CertificateUnknown
            system.require_valid(now)
        except ChukanError as error:
            self.record_refusal(system, error, request=request, fingerprint=fingerprint)
            raise
        return system

    def record_refusal(self, system: System | None, error: ChukanError, *, request: str, fingerprint: str = "") -> None:
        """Write down that something was refused to *system* (None: nobody knows whose the certificate is)."""
        shown = fingerprint or (system.fingerprint if system is not None else "-")
        entry = AuditEntry(
            system.actor if system is not None else "system:gateway",
            ConnectionAction.REFUSE,
            f"tenant:{system.tenant}" if system is not None else f"certificate:{shown}",
            request,
            Outcome.REFUSED,
            {"error": error.code, "reference": error.reference, "fingerprint": shown},
        )
        with self._engine.begin() as connection:
            append(connection, entry, chain=Chain.PLATFORM)

    def count(self, tenant: TenantId, kind: RateKind, *, now: datetime) -> None:
        """Count a request of *kind*; raises RateExceeded. All gateways count together, in the database."""
        rate = rate_on(self._rates, kind, as_tokyo(now).date())
        with self._asked.connect() as connection:
            used, begins = store.count_request(connection, tenant, kind.value, rate.span, now=as_utc(now))
        if used > rate.requests:
            left = (begins.astimezone(UTC) + rate.span - as_utc(now)).total_seconds()
            seconds = int(rate.span.total_seconds())
            raise RateExceeded(requests=rate.requests, seconds=seconds, wait=max(1, math.ceil(left)))


def _read(certificate_pem: bytes, file: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate_pem)
    except ValueError as error:
        raise CertificateUnusable(file=file, detail=repr(error)) from error
