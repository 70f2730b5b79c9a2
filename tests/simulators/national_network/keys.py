"""The network's signing keys, and the certificates that it gave to organisations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache, lru_cache
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


class Keys:
    """Keys over the network's memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        if not self._all():
            self.rotate()

    def rotate(self) -> str:
        """Sign with a new key from now on; the keys before stay listed. Returns its kid."""
        pair = self._context.authority.signing_pair()
        with self._store.transaction() as connection:
            connection.execute("insert into signing_key (pem) values (?)", (pair.pem.decode(),))
        return kid(pair.certificate)

    def signed(self, typ: str, payload: bytes, **fields: object) -> bytes:
        """Return *payload* signed by the network as a message of *typ*, with further *fields* in its header."""
        pair = self._all()[-1]
        header: dict[str, Any] = {"alg": "ES256", "kid": kid(pair.certificate), "typ": typ}
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
        row = self._store.found_one("select revoked_at from certificate where kid = ?", name)
        return None if row is None else {"Kid": name, "RevokedAt": clock.instant(row["revoked_at"])}

    def signer(self, name: str) -> tuple[str, ec.EllipticCurvePublicKey] | None:
        """Return whose signing key *name* is, and the key; None unless it counts now."""
        row = self._usable("sign", "kid", name)
        return None if row is None else (row["institution"], public_key(row["pem"].encode()))

    def encryption(self, institution: str) -> tuple[str, ec.EllipticCurvePublicKey] | None:
        """Return name and key of *institution*'s newest certificate for encryption that counts now."""
        row = self._usable("enc", "institution", institution)
        return None if row is None else (row["kid"], public_key(row["pem"].encode()))

    def _usable(self, use: str, column: str, value: str) -> Any:
        found = {
            "kid": "select * from certificate where kid = ? and use = ? and revoked_at is null",
            "institution": "select * from certificate where institution = ? and use = ? and revoked_at is null",
        }
        now = clock.seconds()
        rows = [
            row
            for row in self._store.found_all(found[column], value, use)
            if row["not_before"] <= now < row["not_after"]
        ]
        # Issued in the same second: whichever, but always the same.
        return max(rows, key=lambda row: (row["not_before"], row["kid"]), default=None)

    def _all(self) -> list[Pair]:
        return [_pair(row["pem"]) for row in self._store.found_all("select pem from signing_key order by number")]


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
    named = {"kid": kid(pair.certificate), "use": "sig", "alg": "ES256", "x5c": chain}
    return {**public_jwk(pair.key.public_key()), **named}


def encoded_der(certificate: x509.Certificate) -> str:
    """Return *certificate* as ``x5c`` holds it: DER in base64, not base64url."""
    content = encoded(certificate.public_bytes(serialization.Encoding.DER)).replace("-", "+").replace("_", "/")
    return content + "=" * (-len(content) % 4)
