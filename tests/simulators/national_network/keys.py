"""The network's signing keys, and the certificates that it gave to organisations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.authority import NETWORK, Pair, RequestUnfit, certificate_pem, kid
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import RECEIPT
from chukan_simulators.national_network.jose import encoded, public_jwk, sign

USES = ("sign", "enc")


@dataclass(frozen=True)
class Issued:
    """A certificate that the network gave to an organisation, and did not revoke."""

    kid: str
    institution: str
    pem: str
    not_before: float
    not_after: float

    @classmethod
    def of(cls, row: Any) -> Issued:
        """Return the certificate that *row* is."""
        return cls(row["kid"], row["institution"], row["pem"], row["not_before"], row["not_after"])

    @property
    def counts(self) -> bool:
        """Whether it is valid now."""
        return self.not_before <= clock.seconds() < self.not_after

    @cached_property
    def key(self) -> ec.EllipticCurvePublicKey:
        """Its key."""
        return public_key(self.pem.encode())


class Keys:
    """Keys over the network's memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._own: tuple[Pair, ...] = ()
        #: What stands in the memory of certificates, by kid, and by institution; forgotten when it changes.
        self._signers: dict[str, Issued] = {}
        self._encryption: dict[str, list[Issued]] = {}
        if not self._all():
            self.rotate()

    def rotate(self) -> str:
        """Sign with a new key from now on; the keys before stay listed. Returns its kid."""
        pair = self._context.authority.signing_pair()
        with self._store.transaction() as connection:
            connection.execute("insert into signing_key (pem) values (?)", (pair.pem.decode(),))
        self._own = ()
        return pair.kid

    def signed(self, typ: str, payload: bytes, **fields: object) -> bytes:
        """Return *payload* signed by the network as a message of *typ*, with further *fields* in its header."""
        pair = self._all()[-1]
        header: dict[str, Any] = {"alg": "ES256", "kid": pair.kid, "typ": typ}
        return sign(header | {"iat": int(clock.seconds()), "from": NETWORK} | fields, payload, pair.key)

    def receipt(self, receiver: str, payload: bytes) -> bytes:
        """Return the receipt *payload* for *receiver*, signed."""
        return self.signed(RECEIPT, payload, to=receiver)

    def listed(self) -> Mapping[str, Any]:
        """Return all signing keys as a JWKS."""
        ca = self._context.authority.pair.certificate
        return {"keys": [_jwk(pair, ca) for pair in self._all()]}

    def issue(self, institution: str, use: str, csr: str) -> tuple[x509.Certificate, bool]:
        """Return the certificate for *csr* and whether it is new: the same request gets the same again.

        Raises: RequestUnfit.
        """
        if not (len(institution) == 16 and institution.isascii() and institution.isdigit()):
            raise RequestUnfit("institution_code")
        if use not in USES:
            raise RequestUnfit("use")
        request = hashlib.sha256(json.dumps([institution, use, csr]).encode()).hexdigest()
        with self._store.transaction() as connection:
            known = connection.execute("select pem from certificate where request = ?", (request,)).fetchone()
            if known:
                return x509.load_pem_x509_certificate(known["pem"].encode()), False
            made = self._context.authority.organisation_certificate(institution, use, csr, clock.now())
            days = made.not_valid_before_utc.timestamp(), made.not_valid_after_utc.timestamp()
            row = (kid(made), institution, use, certificate_pem(made).decode(), request, *days)
            connection.execute(
                "insert into certificate (kid, institution, use, pem, request, not_before, not_after) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self._store.afterwards(self._forget)
        return made, True

    def shown(self, name: str) -> tuple[bytes, str] | None:
        """Return the certificate *name* in PEM and its state; None if the network did not issue it."""
        row = self._store.found_one("select * from certificate where kid = ?", name)
        if row is None:
            return None
        valid = row["not_before"] <= clock.seconds() < row["not_after"]
        state = "revoked" if row["revoked_at"] is not None else "valid" if valid else "expired"
        return row["pem"].encode(), state

    def revoke(self, name: str, reason: str) -> Mapping[str, str] | None:
        """Revoke the certificate *name* at once; None if the network did not issue it."""
        with self._store.transaction() as connection:
            connection.execute(
                "update certificate set revoked_at = ?, reason = ? where kid = ? and revoked_at is null",
                (clock.seconds(), reason, name),
            )
            self._store.afterwards(self._forget)
        row = self._store.found_one("select revoked_at from certificate where kid = ?", name)
        return None if row is None else {"Kid": name, "RevokedAt": clock.instant(row["revoked_at"])}

    def signer(self, name: str) -> tuple[str, ec.EllipticCurvePublicKey] | None:
        """Return whose signing key *name* is, and the key; None unless it counts now."""
        found = self._signing(name)
        return None if found is None or not found.counts else (found.institution, found.key)

    def signing_pem(self, name: str) -> str:
        """Return the certificate (PEM) *name*, and behind it the institution's others: one may just be replaced."""
        first = self._signing(name)
        if first is None:
            return ""
        query = (
            "select * from certificate where institution = ? and use = 'sign' and revoked_at is null and kid != ?"
            " order by not_before desc limit 4"
        )
        others = [Issued.of(row) for row in self._store.found_all(query, first.institution, name)]
        return "".join(each.pem for each in (first, *others) if each is first or each.counts)

    def encryption(self, institution: str) -> tuple[str, ec.EllipticCurvePublicKey] | None:
        """Return name and key of *institution*'s newest certificate for encryption that counts now."""
        found = self.newest_for_encryption(institution)
        return None if found is None else (found.kid, found.key)

    def newest_for_encryption(self, institution: str) -> Issued | None:
        """Return *institution*'s newest certificate for encryption that counts now."""
        known = self._encryption.get(institution)
        if known is None:
            query = "select * from certificate where institution = ? and use = 'enc' and revoked_at is null"
            known = self._encryption[institution] = [
                Issued.of(row) for row in self._store.found_all(query, institution)
            ]
        # Issued in the same second: whichever, but always the same.
        return max((each for each in known if each.counts), key=lambda each: (each.not_before, each.kid), default=None)

    def own_key(self, name: str) -> ec.EllipticCurvePublicKey | None:
        """Return the network's own key *name*, as whoever it writes to looks it up."""
        found = (pair.key.public_key() for pair in self._all() if pair.kid == name)
        return next(found, None)

    def is_connected(self, institution: str) -> bool:
        """Return whether *institution* was ever given a certificate."""
        return self._store.found_one("select 1 from certificate where institution = ?", institution) is not None

    def _signing(self, name: str) -> Issued | None:
        if name not in self._signers:
            query = "select * from certificate where kid = ? and use = 'sign' and revoked_at is null"
            row = self._store.found_one(query, name)
            if row is None:
                return None
            self._signers[name] = Issued.of(row)
        return self._signers[name]

    def _forget(self) -> None:
        self._signers, self._encryption = {}, {}

    def _all(self) -> tuple[Pair, ...]:
        if not self._own:
            rows = self._store.found_all("select pem from signing_key order by number")
            self._own = tuple(_pair(row["pem"]) for row in rows)
        return self._own


@cache
def _pair(pem: str) -> Pair:
    return Pair.read(pem.encode())


@lru_cache(10_000)
def public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of the certificate *pem*."""
    key = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def _jwk(pair: Pair, ca: x509.Certificate) -> Mapping[str, Any]:
    chain = [encoded_der(certificate) for certificate in (pair.certificate, ca)]
    named = {"kid": pair.kid, "use": "sig", "alg": "ES256", "x5c": chain}
    return {**public_jwk(pair.key.public_key()), **named}


def encoded_der(certificate: x509.Certificate) -> str:
    """Return *certificate* as ``x5c`` holds it: DER in base64, not base64url."""
    content = encoded(certificate.public_bytes(serialization.Encoding.DER)).replace("-", "+").replace("_", "/")
    return content + "=" * (-len(content) % 4)
