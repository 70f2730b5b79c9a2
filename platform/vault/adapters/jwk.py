"""The public half of a signing key as a JWK."""

from __future__ import annotations

from base64 import urlsafe_b64encode


def public_jwk(key_id: str, point: bytes) -> dict[str, str]:
    """Return the JWK of the P-256 key whose uncompressed *point* is ``0x04 ‖ x ‖ y`` (65 bytes)."""
    curve = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"}
    return {**curve, "kid": key_id, "x": _text(point[1:33]), "y": _text(point[33:65])}


def _text(number: bytes) -> str:
    return urlsafe_b64encode(number).rstrip(b"=").decode()
