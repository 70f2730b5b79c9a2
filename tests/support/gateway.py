"""For the tests of the gateway: organisations with systems and certificates, and requests as the front passes them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from werkzeug.test import TestResponse

from chukan.platform.clock import FixedClock
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import Settings
from chukan.platform.settings.model import VaultSettings
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.rules import Allowed, System
from chukan.tenants.middleserver.connections.service import Application, Systems
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.formats.codes import DepartmentCode, SystemId
from chukan.tenants.middleserver.transmission.ports import Features
from chukan.tenants.registry.rules import check_digit
from support.copies import FixedMasters, csv_file, right_row
from support.tenants import provisioned
from support.vault import Safe

#: A Wednesday, at noon in Tokyo.
NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
DEPARTMENT, SYSTEM = "3595115400", "A000000001"
INFORMATION = "TM00000000000002"


@dataclass(frozen=True)
class Authority:
    """A private authority of a test's own."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    now: datetime = NOW

    @property
    def certificate(self) -> x509.Certificate:
        return self._made(self.name, self.key.public_key(), ca=True)

    def issue(self, name: str, *, days: int = 365) -> Card:
        key = ec.generate_private_key(ec.SECP256R1())
        return Card(self._made(name, key.public_key(), ca=False, days=days), key)

    def _made(self, name: str, public: ec.EllipticCurvePublicKey, *, ca: bool, days: int = 20_000) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(public)
            .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass(frozen=True)
class Card:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def headers(self) -> dict[str, str]:
        """Return what the front says of a caller with this certificate."""
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return {"X-Client-Certificate": base64.b64encode(der).decode(), "X-Client-Fingerprint": self.fingerprint}

    def written(self, folder: Path, name: str) -> Path:
        """Write certificate and key into one file and return it."""
        path = folder / f"{name}.pem"
        path.write_bytes(self.pem + self.key_pem)
        path.chmod(0o600)
        return path


@dataclass(frozen=True)
class Caller:
    """A system of an organisation that calls a gateway."""

    tenant: TenantId
    card: Card
    app: Flask
    system: System

    def ask(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        told = {**self.card.headers(), **(headers or {})}
        return self.app.test_client().open(path, method=method, data=body, headers=told)

    def announce(self, content: bytes, count: int, /, **changes: str) -> TestResponse:
        return self.ask("POST", "/uploads", headers=announcement(content, count, **changes))

    def send(self, upload: str, content: bytes, offset: int = 0) -> TestResponse:
        return self.ask("PATCH", upload, body=content, headers=piece_headers(content, offset))

    def uploaded(self, content: bytes, records: int) -> str:
        """Announce and send a file; return its address."""
        upload = self.announce(content, records).headers["Location"]
        assert self.send(upload, content).status_code == 204
        return upload

    def register(self, upload: str, *, mode: str = "0", **changes: str) -> TestResponse:
        return self.message("IF_DBM_20113_R01", registration(upload, mode=mode, **changes))

    def message(self, kind: str, body: bytes, **headers: str) -> TestResponse:
        told = {"Content-Type": "application/xml", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.ask("POST", f"/if/{kind}", body=body, headers=told)


def piece_headers(content: bytes, offset: int) -> dict[str, str]:
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {checksum}",
    }


def announcement(content: bytes, count: int, /, **changes: str) -> dict[str, str]:
    told = {
        "name": f"DBM_20113_ATTACH_{INFORMATION}_A000000001_0101_001.csv",
        "form": "csv",
        "information": INFORMATION,
        "dataset": "0101",
        "sha256": hashlib.sha256(content).hexdigest(),
        "records": str(count),
        **changes,
    }
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
    return {"Upload-Length": str(len(content)), "Upload-Metadata": metadata, "Tus-Resumable": "1.0.0"}


def registration(upload: str, *, mode: str = "0", **changes: str) -> bytes:
    told = {
        "id": str(uuid4()),
        "source": SYSTEM,
        "unit": DEPARTMENT,
        "name": f"DBM_20113_ATTACH_{INFORMATION}_A000000001_0101_001.csv",
        **changes,
    }
    return (
        "<SPIRegistrationDeleteRequest>"
        f"{_header('IF_DBM_20113_R01', mode, told)}<AttachedFileName>{told['name']}</AttachedFileName>"
        f"<AttachmentID>{upload.rsplit('/', 1)[-1]}</AttachmentID></SPIRegistrationDeleteRequest>"
    ).encode()


def code_request(*addresses: str, mode: str = "0", **changes: str) -> bytes:
    told = {"id": str(uuid4()), "source": SYSTEM, "unit": DEPARTMENT, **changes}
    people = "".join(f"<IntegratedAddressNumber>{each}</IntegratedAddressNumber>" for each in addresses)
    return f"<CodeRequest>{_header('IF_FGU_X0011_R01', mode, told)}{people}</CodeRequest>".encode()


def _header(kind: str, mode: str, told: Mapping[str, str]) -> str:
    return (
        f"<MessageHeader><MSGID>{told['id']}</MSGID><MSGTypeID>{kind}</MSGTypeID><MSGMode>{mode}</MSGMode>"
        f"<SourceSystemID>{told['source']}</SourceSystemID><DestinationSystemID>B000000001</DestinationSystemID>"
        f"</MessageHeader><RequestSourceUnitCode>{told['unit']}</RequestSourceUnitCode>"
        "<RequestSourceUserID>user01</RequestSourceUserID>"
    )


def file_of(count: int, *, first: int = 1) -> bytes:
    return csv_file([right_row(place) for place in range(first, first + count)])


def nothing_excluded(*_asked: object) -> frozenset[tuple[str, str]]:
    """Stand for organisations that provide every item."""
    return frozenset()


@dataclass
class Entrance:
    """A gateway over a database, and the organisations that call it."""

    safe: Safe
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    authority: Authority = field(default_factory=lambda: Authority("Clients"))
    _stack: ExitStack = field(default_factory=ExitStack)
    _made: int = 0

    def __post_init__(self) -> None:
        self.services = opened(
            self.settings, lambda _sessions, _vault: Features(), self._stack, self.clock,
            excluded=nothing_excluded, masters_of=lambda _engine: FixedMasters(),
        )  # fmt: skip
        self.app = make_gateway(self.services)
        self.systems = Systems(self.safe.actor())

    @property
    def settings(self) -> Settings:
        vault = VaultSettings(provider="file", key_file=self.safe.key_file)
        return Settings(database=self.safe.database.settings, vault=vault)

    def organisation(self) -> TenantId:
        """Return an active organisation with keys, a log-in and a population."""
        self._made += 1
        database = self.safe.database
        placement = provisioned(database)
        tenant = placement.tenant
        self.safe.give_keys(tenant)
        self._give_log_in(tenant)
        with database.superuser() as superuser:
            superuser.execute("update platform.tenant set state = 'active' where id = %s", (tenant,))
            five = f"13{100 + self._made}"
            code = f"{five}{check_digit(five)}"
            superuser.execute(
                "with made as (insert into platform.organisation (code, kind, prefecture, name, kana, search_key,"
                " invented, tenant, state, state_since) values (%s, 'city', '13', %s, 'シ', 'x', true, %s, 'active',"
                " now()) returning id) insert into platform.population (organisation, as_of, value, source)"
                " select id, '2020-01-01', 50000, 'test' from made",
                (code, f"市{self._made}", tenant),
            )
        return tenant

    def _give_log_in(self, tenant: TenantId) -> None:
        """Store the tenant's password as the vault seals it: the gateway opens it from there."""
        database = self.safe.database
        with database.engine(ProcessKind.PROVISIONER).begin() as connection:
            credentials = self.safe.credentials(self.safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
            credentials.store(driver(connection), tenant, database.credentials.password(tenant))

    def at(self, instant: datetime) -> None:
        """Set the gateway's clock to *instant*."""
        self.clock.advance(instant - self.clock.now())

    def count(self, tenant: TenantId, statement: str) -> int:
        """Return the number that *statement* asks a tenant's schema for, whose name stands in the place ``{}``."""
        with self.safe.database.superuser() as superuser:
            found = superuser.execute("select schema from platform.tenant where id = %s", (tenant,)).fetchone()
            assert found is not None
            row = superuser.execute(statement.format(found[0]).encode()).fetchone()
        assert row is not None
        return int(row[0])

    def caller(
        self,
        tenant: TenantId | None = None,
        *,
        department: str = DEPARTMENT,
        allowed: frozenset[Allowed] = frozenset(Allowed),
        card: Card | None = None,
    ) -> Caller:
        """Return a system of *tenant* (a new one, if none is given) whose certificate is registered."""
        owner = tenant or self.organisation()
        chosen = card or self.authority.issue(f"system-{uuid4().hex[:8]}")
        application = Application(owner, DepartmentCode(department), SystemId(SYSTEM), allowed)
        system = self.systems.register(chosen.pem, application, file="client.pem", now=self.clock.now())
        return Caller(owner, chosen, self.app, system)

    def refusals(self, error: str) -> int:
        """Return how many refusals with the code *error* stand in the platform's chain."""
        with self.safe.database.superuser() as superuser:
            row = superuser.execute(
                "select count(*) from platform.audit_entry"
                " where body::jsonb ->> 'action' = 'connections:request:refuse'"
                " and body::jsonb #>> '{detail,error}' = %s",
                (error,),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        self._stack.close()
