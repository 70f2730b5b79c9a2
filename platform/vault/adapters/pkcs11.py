"""The PKCS#11 provider: wrapping, signing and masking keys that never leave the HSM.

One log-in a process, opened at the first use and again after a fork, behind one lock (decision 25). A key is
found by its label, which is its id; wrapping keys are AES-256, sensitive and not extractable.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters
from pydantic import SecretStr

from chukan.platform.messages import text
from chukan.platform.vault.adapters.jwk import public_jwk
from chukan.platform.vault.errors import (
    KeyProviderMisconfigured,
    KeyProviderUnavailable,
    ProviderKeyMissing,
    VaultTampered,
)
from chukan.platform.vault.rules import KEY_BYTES, KeyUse, is_key_id, new_key_id

#: What a key can do depends on its attributes, so the library does not know its methods before run time.
Key = Any

_CLASS_OF_USE: Final = {
    KeyUse.WRAPPING: ObjectClass.SECRET_KEY,
    KeyUse.SIGNING: ObjectClass.PRIVATE_KEY,
    KeyUse.MASKING: ObjectClass.SECRET_KEY,
}
_KEPT_INSIDE: Final[dict[Attribute, Any]] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}
#: A data key passes through the token as an object of the session, gone when the call ends.
_PASSING: Final[dict[Attribute, Any]] = {
    Attribute.TOKEN: False,
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
}
#: What tokens answer to a wrapped key that is not theirs; SoftHSM says "general error" (tried).
_NOT_UNWRAPPABLE: Final = (
    pkcs11.WrappedKeyInvalid,
    pkcs11.WrappedKeyLenRange,
    pkcs11.EncryptedDataInvalid,
    pkcs11.EncryptedDataLenRange,
    pkcs11.GeneralError,
)
_WRONG_PIN: Final = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinLocked,
    pkcs11.PinExpired,
)


class Pkcs11KeyProvider:
    """Keeps every key in one token of an HSM."""

    def __init__(self, module: Path, token: str, pin: SecretStr) -> None:
        self._module = module
        self._token = token
        self._pin = pin
        self._lock = threading.RLock()
        self._session: pkcs11.Session | None = None
        self._found: dict[str, Key] = {}
        self._initialised = False
        self._refused = False
        os.register_at_fork(after_in_child=self._forget_parent)

    def create(self, use: KeyUse, *, now: datetime) -> str:
        """Make a new key for *use* inside the token."""
        with self._login() as session:
            after = max(self._labels(session, use), default=None)
            key_id = new_key_id(use, now=now, after=after, random=secrets.token_hex(4))
            _MAKERS[use](session, key_id)
        return key_id

    def keys(self, use: KeyUse) -> Sequence[str]:
        """Return the ids of all keys for *use*, oldest first."""
        with self._login() as session:
            return sorted(self._labels(session, use))

    def current(self, use: KeyUse) -> str:
        """Return the id of the newest key for *use*."""
        if keys := self.keys(use):
            return keys[-1]
        raise ProviderKeyMissing(key=use.value)

    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """Return *data_key* wrapped by RFC 3394 inside the token."""
        with self._login() as session:
            return _wrap(session, self._key(session, KeyUse.WRAPPING, key_id), data_key)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return what *wrapped* holds, after the token's integrity check."""
        with self._login() as session:
            key = self._key(session, KeyUse.WRAPPING, key_id)
            try:
                return _unwrap(key, wrapped)
            except _NOT_UNWRAPPABLE as error:
                # A token that cannot unwrap what it has just wrapped is at fault, not the wrapped key.
                sample = os.urandom(KEY_BYTES)
                if _unwrap(key, _wrap(session, key, sample)) != sample:
                    raise
                raise VaultTampered(place="data_key", detail=f"unwrapping under {key_id}") from error

    def destroy(self, key_id: str) -> None:
        """Destroy a wrapping key inside the token."""
        with self._login() as session:
            self._key(session, KeyUse.WRAPPING, key_id).destroy()
            self._found.pop(key_id, None)

    def sign(self, key_id: str, payload: bytes) -> bytes:
        """Return the raw ES256 signature of *payload*, made inside the token."""
        with self._login() as session:
            key = self._key(session, KeyUse.SIGNING, key_id)
            return bytes(key.sign(hashlib.sha256(payload).digest(), mechanism=Mechanism.ECDSA))

    def public_keys(self) -> Mapping[str, dict[str, str]]:
        """Return the public JWK of every signing key."""
        with self._login() as session:
            return {
                key.label: public_jwk(key.label, bytes(key[Attribute.EC_POINT])[-65:])
                for key in _objects(session, ObjectClass.PUBLIC_KEY)
                if is_key_id(key.label, KeyUse.SIGNING)
            }

    def mask(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256 of *data*, computed inside the token."""
        with self._login() as session:
            key = self._key(session, KeyUse.MASKING, self.current(KeyUse.MASKING))
            return bytes(key.sign(data, mechanism=Mechanism.SHA256_HMAC))

    def close(self) -> None:
        """Log out; the next use logs in again."""
        with self._lock:
            session, self._session = self._session, None
            self._found.clear()
            if session is not None:
                session.close()

    @contextmanager
    def _login(self) -> Iterator[pkcs11.Session]:
        """Hold the process's one session; after a fault the next call logs in anew."""
        with self._lock:
            try:
                if self._session is None:
                    self._session = self._open()
                yield self._session
            except pkcs11.PKCS11Error as error:
                self._session = None
                self._found.clear()
                raise KeyProviderUnavailable(detail=f"PKCS#11: {type(error).__name__} {error}") from error

    def _open(self) -> pkcs11.Session:
        if self._refused:
            # A token locks its PIN after a few wrong ones: one is asked for, not a try at every request.
            raise KeyProviderMisconfigured(reason=text("the token refused the PIN"))
        if not self._module.exists():
            raise KeyProviderMisconfigured(reason=text("there is no PKCS#11 module {path}", path=self._module))
        library = pkcs11.lib(str(self._module))
        if self._initialised:
            # After a fork, or a fault, the module's state is not ours: PKCS#11 wants it initialised again.
            library.reinitialize()
        self._initialised = True
        try:
            token = library.get_token(token_label=self._token)
            return token.open(rw=True, user_pin=self._pin.get_secret_value())
        except pkcs11.NoSuchToken as error:
            reason = text("the module has no token {token}", token=self._token)
            raise KeyProviderMisconfigured(reason=reason) from error
        except _WRONG_PIN as error:
            self._refused = True
            raise KeyProviderMisconfigured(reason=text("the token refused the PIN")) from error

    def _forget_parent(self) -> None:
        """Drop the parent process's session, and its lock, which one of its threads may hold."""
        self._lock = threading.RLock()
        self._session = None
        self._found.clear()

    def _labels(self, session: pkcs11.Session, use: KeyUse) -> list[str]:
        return [key.label for key in _objects(session, _CLASS_OF_USE[use]) if is_key_id(key.label, use)]

    def _key(self, session: pkcs11.Session, use: KeyUse, key_id: str) -> Key:
        if key_id not in self._found:
            if not is_key_id(key_id, use):
                raise ProviderKeyMissing(key=key_id)
            try:
                self._found[key_id] = session.get_key(object_class=_CLASS_OF_USE[use], label=key_id)
            except pkcs11.NoSuchKey as error:
                raise ProviderKeyMissing(key=key_id) from error
        return self._found[key_id]


def _objects(session: pkcs11.Session, kind: ObjectClass) -> list[Any]:
    return list(session.get_objects({Attribute.CLASS: kind}))


def _wrap(session: pkcs11.Session, key: Key, data_key: bytes) -> bytes:
    template = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE: data_key,
    }
    passing = session.create_object({**template, **_PASSING})
    try:
        return bytes(key.wrap_key(passing, mechanism=Mechanism.AES_KEY_WRAP))
    finally:
        passing.destroy()


def _unwrap(key: Key, wrapped: bytes) -> bytes:
    passing = key.unwrap_key(
        ObjectClass.SECRET_KEY, KeyType.AES, wrapped, mechanism=Mechanism.AES_KEY_WRAP, template=_PASSING
    )
    try:
        return bytes(passing[Attribute.VALUE])
    finally:
        passing.destroy()


def _make_wrapping_key(session: pkcs11.Session, label: str) -> None:
    may = MechanismFlag.WRAP | MechanismFlag.UNWRAP
    session.generate_key(KeyType.AES, 256, label=label, store=True, capabilities=may, template=_KEPT_INSIDE)


def _make_masking_key(session: pkcs11.Session, label: str) -> None:
    session.generate_key(
        KeyType.GENERIC_SECRET,
        256,
        label=label,
        store=True,
        capabilities=MechanismFlag.SIGN,
        template=_KEPT_INSIDE,
    )


def _make_signing_key(session: pkcs11.Session, label: str) -> None:
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
        label=label,
        store=True,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template=_KEPT_INSIDE,
    )


_MAKERS: Final[Mapping[KeyUse, Callable[[pkcs11.Session, str], None]]] = {
    KeyUse.WRAPPING: _make_wrapping_key,
    KeyUse.SIGNING: _make_signing_key,
    KeyUse.MASKING: _make_masking_key,
}
