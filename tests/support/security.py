"""For the tests of masters and certificates: a national network in memory, and a place with tenants that have keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chukan.platform.audit.actor import Actor
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render
from chukan.tenants.middleserver.security.certificates.service import Certificates, Keys
from chukan.tenants.middleserver.security.jose import SigningKey, sign
from chukan.tenants.middleserver.security.masters.package import (
    NETWORK_SYSTEM,
    PACKAGE,
    PLATFORM_SYSTEM,
    write_head,
    write_package,
)
from chukan.tenants.middleserver.security.masters.rules import Catalogue
from chukan.tenants.middleserver.security.masters.service import LIST, Distribution, Masters
from chukan.tenants.middleserver.security.masters.standard import Standard
from support.database import Database
from support.tenants import provisioned
from support.vault import Safe

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
INSTITUTION = "0220113112101700"


@dataclass
class Network:
    """Keys, published packages and an authority; ``published`` may be tampered with by a test."""

    standard: Standard = field(default_factory=Standard)
    now: datetime = NOW
    key: SigningKey = field(default_factory=lambda: SigningKey("n" * 32, ec.generate_private_key(ec.SECP256R1())))
    published: list[tuple[Catalogue, bytes]] = field(default_factory=list)
    #: What the list says in place of the truth, by sequence.
    digests: dict[int, str] = field(default_factory=dict)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    years: int = 5
    lost_answers: int = 0
    needed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._authority = ec.generate_private_key(ec.SECP256R1())

    def publish(self, *sequences: int) -> None:
        for sequence in sequences:
            catalogue = self.standard.catalogue(sequence)
            self.published.append((catalogue, self.signed(write_package(catalogue, uuid4()), PACKAGE)))

    def signed(self, document: bytes, kind: str, key: SigningKey | None = None) -> bytes:
        return sign(document, key or self.key, type=kind, now=self.now)

    # -- what the product asks -------------------------------------------------------------------

    def public_key(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        return self.key.key.public_key() if kid == self.key.kid else None

    def master_list(self) -> bytes:
        header = MessageHeader(uuid4(), LIST, MessageMode.PRODUCTION, NETWORK_SYSTEM, PLATFORM_SYSTEM)
        root = new_message("MasterPackageList", header)
        for catalogue, token in self.published:
            element = add(root, "Package")
            write_head(element, catalogue.head)
            sequence = catalogue.head.sequence
            add(element, "Digest", self.digests.get(sequence, hashlib.sha256(token).hexdigest()))
            add(element, "Size", len(token))
        return self.signed(render(root), LIST)

    def master_package(self, sequence: int) -> bytes:
        return next(token for catalogue, token in self.published if catalogue.head.sequence == sequence)

    def issue(self, institution_code: str, use: str, request_pem: str) -> str:
        if self.lost_answers:
            self.lost_answers -= 1
            raise ConnectionError("the answer was lost")
        request = x509.load_pem_x509_csr(request_pem.encode())
        assert request.is_signature_valid
        assert use in {"sign", "enc"}
        return self.certificate(request.public_key(), institution_code)

    def certificate(self, public: object, institution_code: str) -> str:
        start = self.now
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, institution_code)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "network")]))
            .public_key(public)  # type: ignore[arg-type]  # a test may give any key
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start.replace(year=start.year + self.years))
        )
        made = builder.sign(self._authority, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def revoke(self, kid: str, reason: str) -> None:
        self.revoked.append((kid, reason))

    def open_count(self, _tenant: TenantId, kid: str) -> int:
        return self.needed.get(kid, 0)

    def later(self, **duration: float) -> datetime:
        self.now += timedelta(**duration)
        return self.now


@dataclass
class Place:
    """A database with tenants, and the network that they talk to."""

    safe: Safe
    network: Network = field(default_factory=Network)

    def __post_init__(self) -> None:
        self.database: Database = self.safe.database
        self.sessions: TenantSessions = self.database.sessions()
        self.vault: Vault = self.safe.vault()
        self.actor: Actor = self.safe.actor()
        self.masters = Masters(self.actor.engine, self.network)
        self.distribution = Distribution(self.actor, self.masters, self.network)
        self.keys = Keys(self.sessions, self.vault)
        self.certificates = Certificates(
            self.sessions, self.vault, self.network, self.network, actor="system:test", request="test"
        )

    def tenant(self) -> TenantId:
        placement = provisioned(self.database)
        self.safe.give_keys(placement.tenant)
        with self.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            connection.exec_driver_sql("update platform.tenant set state = 'active' where id = %s", (placement.tenant,))
        return placement.tenant

    def ask_of(self, tenant: TenantId, statement: str) -> list[tuple[object, ...]]:
        """Ask of a tenant's schema, whose name stands in the place ``{}``."""
        schema = str(self.ask("select schema from platform.tenant where id = %s", tenant)[0][0])
        return self.ask(statement.format(schema))

    def ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Ask, or tamper, as a superuser."""
        with self.database.superuser() as superuser:
            cursor = superuser.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []
