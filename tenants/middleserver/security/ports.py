"""What security needs from the national network and from the exchange of messages, and does not import."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from chukan.platform.identifiers import TenantId


class NetworkKeys(Protocol):
    """The network's signing keys, pinned by the certificate authority that both sides trust."""

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        """Return the key of *kid*, or None if the network has none, or its certificate does not hold."""
        ...


class MasterSource(Protocol):
    """Where packages of masters are fetched: the answers are signed texts (compact JWS), as they came."""

    def master_list(self) -> bytes:
        """Return the signed list of packages (IF_SCM_X0001_S01)."""
        ...

    def master_package(self, sequence: int) -> bytes:
        """Return one signed package (IF_SCM_X0002_S01)."""
        ...


class CertificateIssuer(Protocol):
    """Who certifies the organisations' keys."""

    def issue(self, institution_code: str, use: str, request_pem: str) -> str:
        """Return the certificate (PEM) for a request (PEM) of *institution_code* for the use sign or enc.

        A request whose answer was lost is made again, for the same key.
        """
        ...

    def revoke(self, kid: str, reason: str) -> None:
        """Have the certificate *kid* revoked."""
        ...


class InFlight(Protocol):
    """What is under way and needs a key: asked before a key retires."""

    def open_count(self, tenant: TenantId, kid: str) -> int:
        """Return how many conversations of *tenant* still need the key *kid* to be finished."""
        ...
