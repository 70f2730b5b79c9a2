"""The file provider, for development: keys in one 0600 file, replaced atomically.

Whoever reads the file holds every key, so production refuses it (docs/areas/vault.md).
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chukan.platform.messages import text
from chukan.platform.vault.adapters.jwk import public_jwk
from chukan.platform.vault.errors import KeyProviderMisconfigured, ProviderKeyMissing, VaultTampered
from chukan.platform.vault.rules import KEY_BYTES, KeyUse, is_key_id, new_key_id

Keys = dict[str, bytes]


class FileKeyProvider:
    """Keeps every key in a JSON file that nobody but its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, use: KeyUse, *, now: datetime) -> str:
        """Make a new key for *use*, written durably before this returns."""
        with self._locked():
            keys = self._read() if self._path.exists() else {}
            after = max((key for key in keys if is_key_id(key, use)), default=None)
            key_id = new_key_id(use, now=now, after=after, random=secrets.token_hex(4))
            self._write({**keys, key_id: _new_key(use)})
        return key_id

    def keys(self, use: KeyUse) -> Sequence[str]:
        """Return the ids of all keys for *use*, oldest first."""
        return sorted(key for key in self._read() if is_key_id(key, use)) if self._path.exists() else []

    def current(self, use: KeyUse) -> str:
        """Return the id of the newest key for *use*."""
        if keys := self.keys(use):
            return keys[-1]
        raise ProviderKeyMissing(key=use.value)

    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """Return *data_key* wrapped by RFC 3394."""
        return aes_key_wrap(self._key(KeyUse.WRAPPING, key_id), data_key)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return what *wrapped* holds, after RFC 3394's integrity check."""
        try:
            return aes_key_unwrap(self._key(KeyUse.WRAPPING, key_id), wrapped)
        except InvalidUnwrap:
            raise VaultTampered(place="data_key", detail=f"unwrapping under {key_id}") from None

    def destroy(self, key_id: str) -> None:
        """Remove a wrapping key from the file."""
        with self._locked():
            self._key(KeyUse.WRAPPING, key_id)
            self._write({key: value for key, value in self._read().items() if key != key_id})

    def sign(self, key_id: str, payload: bytes) -> bytes:
        """Return the raw ES256 signature of *payload*."""
        key = _private_key(self._key(KeyUse.SIGNING, key_id))
        r, s = decode_dss_signature(key.sign(payload, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def public_keys(self) -> Mapping[str, dict[str, str]]:
        """Return the public JWK of every signing key."""
        return {key: public_jwk(key, _public_point(self._read()[key])) for key in self.keys(KeyUse.SIGNING)}

    def mask(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256 of *data* under the masking key."""
        return hmac.digest(self._key(KeyUse.MASKING, self.current(KeyUse.MASKING)), data, "sha256")

    def _key(self, use: KeyUse, key_id: str) -> bytes:
        if key_id not in self.keys(use):
            raise ProviderKeyMissing(key=key_id)
        return self._read()[key_id]

    def _read(self) -> Keys:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise _misconfigured(self._path, os.strerror(error.errno or 0)) from error
        with os.fdopen(descriptor, "rb") as source:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                raise KeyProviderMisconfigured(
                    reason=text("{path} can be read by others; run chmod 600 on it", path=self._path)
                )
            try:
                return {key: b64decode(value, validate=True) for key, value in json.load(source).items()}
            except (ValueError, AttributeError, TypeError) as error:
                raise _misconfigured(self._path, text("it is not a key file")) from error

    def _write(self, keys: Keys) -> None:
        """Replace the file so that a crash leaves the old or the new one, never half of one."""
        content = {key: b64encode(value).decode() for key, value in keys.items()}
        # One name, since the lock is held: what a killed writer left is overwritten, not left lying about.
        beside = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(json.dumps(content, indent=1).encode())
            target.flush()
            os.fsync(descriptor)
        beside.replace(self._path)
        _sync_directory(self._path.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock that keeps two writers from losing one another's key."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_name(f"{self._path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _new_key(use: KeyUse) -> bytes:
    if use is KeyUse.SIGNING:
        return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(KEY_BYTES, "big")
    return os.urandom(KEY_BYTES)


def _private_key(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def _public_point(scalar: bytes) -> bytes:
    return _private_key(scalar).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _misconfigured(path: Path, reason: str) -> KeyProviderMisconfigured:
    return KeyProviderMisconfigured(reason=f"{path}: {reason}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
