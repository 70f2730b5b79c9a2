"""A real trail for the tests: tenants, a signer with a real key, a sink, and short words for using them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey

from chukan.platform.audit.rules import Action, AuditEntry
from chukan.platform.audit.sealer import Sealed, Sealer
from chukan.platform.audit.seals import SealKeys
from chukan.platform.audit.service import Chain, append
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.verification import Finding
from chukan.platform.audit.verifier import Verified, verify
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from support.database import Database


class Act(Action):
    DO = "tests:thing:do"
    READ = "tests:thing:read"


class SoftwareSigner:
    """A signer whose key lives in memory."""

    def __init__(self, kid: str = "test-1", older: Mapping[str, dict[str, str]] | None = None) -> None:
        self._kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._older = dict(older or {})

    @property
    def key_id(self) -> str:
        return self._kid

    def sign(self, payload: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(payload, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def public_keys(self) -> Mapping[str, dict[str, str]]:
        jwk = ECKey.import_key(self._key.public_key()).as_dict(private=False)
        return {**self._older, self._kid: {name: str(jwk[name]) for name in ("crv", "kty", "x", "y")}}


class KeyedMasker:
    """A masker that is good enough to be recognised."""

    def mask(self, kind: str, value: str) -> str:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(f"{kind}|{value}".encode())
        return digest.finalize().hex()


def an_act(number: int = 0, **detail: object) -> AuditEntry:
    return AuditEntry("operator:7", Act.DO, f"thing:{number}", "request-1", detail=detail)  # type: ignore[arg-type]


@dataclass
class Trail:
    """One database's trail and its sink."""

    database: Database
    directory: Path
    signer: SoftwareSigner = field(default_factory=SoftwareSigner)

    def __post_init__(self) -> None:
        self.sink = FileSink(self.directory / "sink")
        self.sessions = self.database.sessions()
        self.scheduler = self.database.engine(ProcessKind.SCHEDULER)
        self.auditor = self.database.engine(ProcessKind.AUDITOR)
        self.worker = self.database.engine(ProcessKind.WORKER)

    @property
    def keys(self) -> SealKeys:
        return SealKeys(self.signer.public_keys())

    def tenant(self) -> TenantId:
        return self.database.create_tenant().tenant

    def record(self, tenant: TenantId, count: int = 1) -> None:
        for number in range(count):
            with self.sessions.begin(tenant) as connection:
                append(connection, an_act(number))

    def record_platform(self, count: int = 1) -> None:
        for number in range(count):
            with self.worker.begin() as connection:
                append(connection, an_act(number), chain=Chain.PLATFORM)

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.scheduler, self.sink, self.signer)

    def seal(self) -> Sealed:
        return self.sealer.seal()

    def verify(self, witnesses: Mapping[int, str] | None = None) -> Verified:
        return verify(self.auditor, self.sink, self.keys, witnesses=witnesses)

    def findings(self) -> list[Finding]:
        return self.verify().findings

    def tamper(self, statement: str, *values: object) -> None:
        """Do what only a superuser can."""
        with self.database.superuser() as superuser:
            superuser.execute(statement.encode(), values)

    def entries(self, chain: UUID) -> list[tuple[int, str]]:
        with self.database.superuser() as superuser:
            rows = superuser.execute(
                "select seq, body from platform.audit_entry where chain = %s order by seq", (chain,)
            )
            return [(int(seq), str(body)) for seq, body in rows]
