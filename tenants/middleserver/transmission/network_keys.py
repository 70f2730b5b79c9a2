"""The network's signing keys, as far as the authority that we know beforehand vouches for them.

Source: docs/interfaces/national-network.md, section 3.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.x509.oid import NameOID

from chukan.platform.clock import Clock, SystemClock
from chukan.platform.logs import get_logger
from chukan.tenants.middleserver.security.certificates.x509 import kid_of
from chukan.tenants.middleserver.transmission.rules import NETWORK

_log = get_logger(__name__)
_SIGN = "sign"


class PinnedKeys:
    """The keys that count, by their ids; asked for again when an unknown one is named. For many threads."""

    def __init__(
        self, fetch: Callable[[], bytes], authority: x509.Certificate, *, clock: Clock | None = None
    ) -> None:  # fmt: skip
        """Ask *fetch* for the list (JSON); *authority* is the certificate that both sides know beforehand."""
        self._fetch = fetch
        self._authority = authority
        self._clock = clock or SystemClock()
        self._known: Mapping[str, x509.Certificate] = {}
        self._lock = threading.Lock()

    def public_key(self, kid: str) -> EllipticCurvePublicKey | None:
        """Return the key of *kid*, or None if the network has none, or its certificate does not hold now.

        Raises:
            NetworkAway, NetworkAnswerWrong: the network could not be asked.
        """
        found = self._known.get(kid)
        if found is None:
            with self._lock:
                # Somebody else may have asked meanwhile.
                if kid not in self._known:
                    self._known = self._listed()
                found = self._known.get(kid)
        if found is None or not found.not_valid_before_utc <= self._clock.now() < found.not_valid_after_utc:
            return None
        key = found.public_key()
        return key if isinstance(key, EllipticCurvePublicKey) else None

    def _listed(self) -> Mapping[str, x509.Certificate]:
        try:
            entries = json.loads(self._fetch())["keys"]
            return {kid: certificate for entry in entries for kid, certificate in self._vouched(entry)}
        except (ValueError, KeyError, TypeError) as error:
            _log.error("transmission.network_keys_malformed", exc_info=error)
            return {}

    def _vouched(self, entry: Mapping[str, Any]) -> list[tuple[str, x509.Certificate]]:
        """Return kid and certificate of *entry*, or nothing if the certificate is not what the kid claims."""
        try:
            der = base64.b64decode(entry["x5c"][0], validate=True)
            certificate = x509.load_der_x509_certificate(der)
            certificate.verify_directly_issued_by(self._authority)
            key = certificate.public_key()
            holds = (
                entry["kid"] == kid_of(der)
                and _named(certificate, NameOID.COMMON_NAME) == [NETWORK]
                and _named(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME) == [_SIGN]
                and isinstance(key, EllipticCurvePublicKey)
                and isinstance(key.curve, SECP256R1)
                and _point(key) == (_number(entry["x"]), _number(entry["y"]))
            )
        except (InvalidSignature, ValueError, TypeError, KeyError, IndexError, binascii.Error) as error:
            _log.error("transmission.network_key_refused", exc_info=error)
            return []
        if not holds:
            _log.error("transmission.network_key_refused", reason="it is not the network's certificate for signing")
            return []
        return [(entry["kid"], certificate)]


@lru_cache(maxsize=4096)
def institution_of(certificate: bytes) -> str:
    """Return the institution code that stands in the certificate (DER) of an organisation."""
    names = _named(x509.load_der_x509_certificate(certificate), NameOID.COMMON_NAME)
    return names[0] if names else ""


def _named(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(name)]


def _point(key: EllipticCurvePublicKey) -> tuple[int, int]:
    numbers = key.public_numbers()
    return numbers.x, numbers.y


def _number(encoded: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), "big")
