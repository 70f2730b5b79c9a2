"""What proves who somebody is: passwords, codes, random tokens, and how each is kept.

A password is an argon2id hash, a token the SHA-256 of 256 random bits, and the secret of the codes is sealed under
the platform's own key: codes have to be computed, so that one cannot be a hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import pyotp
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Engine, text

from chukan.platform.accounts.limits import PasswordLimits
from chukan.platform.accounts.rules import normal_password
from chukan.platform.clock import as_utc, monotonic
from chukan.platform.identifiers import PLATFORM
from chukan.platform.vault.keyring import KeyRing
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KeyState, Purpose
from chukan.platform.vault.service import ColumnCipher
from chukan.platform.vault.store import StoredKey

ISSUER = "Chukan"
#: RFC 6238 as every authenticator knows it: SHA-1, six digits, thirty seconds.
CODE_INTERVAL = timedelta(seconds=30)
#: Codes of the interval before and after are taken too: clocks differ, and typing takes time.
CODE_SKEW = 1

_PLATFORM_KEYS = text("select version, state, wrapping_key, wrapped, binding from platform_api.platform_content_keys()")


class Passwords:
    """Hashes and verifies passwords; a guess costs the same whether there is anything to guess."""

    def __init__(self, limits: PasswordLimits) -> None:
        self._hasher = PasswordHasher(
            time_cost=limits.time_cost, memory_cost=limits.memory_kib, parallelism=limits.parallelism, type=Type.ID
        )
        # Made now and not when it is first needed, which would take longer for it.
        self._decoy = self._hasher.hash(new_token())

    def hash(self, password: str) -> str:
        """Return the argon2id hash of *password* with its salt and cost."""
        return self._hasher.hash(_bytes(password))

    def verify(self, hashed: str | None, password: str) -> bool:
        """Return whether *password* is the hashed one; without a hash the same work is done for nothing."""
        try:
            self._hasher.verify(hashed or self._decoy, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Return whether *hashed* was made at another cost than today's."""
        return self._hasher.check_needs_rehash(hashed)


def _bytes(password: str) -> bytes:
    # What a terminal could not decode arrives as half characters; they must be refused, not fail.
    return normal_password(password).encode("utf-8", "surrogatepass")


def new_token() -> str:
    """Return 256 random bits as text for a URL or a file; nobody can guess it, so its hash needs no salt."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the 32 bytes under which *token* is kept."""
    return hashlib.sha256(b"chukan-token\0" + token.encode("utf-8", "replace")).digest()


def subject_hash(kind: str, subject: str) -> bytes:
    """Return the 32 bytes under which failures of *subject* are counted: what was typed as a name may be a password."""
    return hashlib.sha256(f"chukan-delay\0{kind}\0{subject}".encode("utf-8", "replace")).digest()


def new_code_secret() -> str:
    """Return a new secret for codes: 160 random bits in base 32, as RFC 4226 recommends."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, login: str) -> str:
    """Return the ``otpauth://`` address that an authenticator reads *secret* from."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def counter_at(now: datetime) -> int:
    """Return the number of the interval that *now* lies in (RFC 6238)."""
    return int(as_utc(now).timestamp()) // int(CODE_INTERVAL.total_seconds())


def matching_counter(secret: str, code: str, now: datetime, *, after: int) -> int | None:
    """Return the number of the interval that *code* is the code of, newer than *after*, or None.

    *after* is the newest number that was used: a code is good once, and no older one after it. All candidates are
    compared, so that the time tells nothing.
    """
    totp = pyotp.TOTP(secret)
    middle = counter_at(now)
    typed = "".join(code.split()).encode("utf-8", "replace")
    found = None
    for counter in range(middle - CODE_SKEW, middle + CODE_SKEW + 1):
        if hmac.compare_digest(totp.generate_otp(counter).encode(), typed) and counter > after:
            found = counter
    return found


def code_cipher(
    engine: Engine, provider: KeyProvider, *, cache_seconds: float, now: Callable[[], float] = monotonic
) -> ColumnCipher:
    """Return the cipher of the codes' secrets, with the platform's own keys as the console may read them.

    The console reads them through a function that shows no other owner's; so it needs no right on the table of
    keys. *now* is monotonic; unwrapped keys are kept for *cache_seconds*.

    Raises:
        KeyMissing: when it is used and ``chukan vault init`` was never run.
    """

    def ring() -> KeyRing:
        with engine.connect() as connection:
            rows = connection.execute(_PLATFORM_KEYS)
            stored = [
                StoredKey(PLATFORM, Purpose.CONTENT, version, KeyState(state), wrapping_key, wrapped, binding)
                for version, state, wrapping_key, wrapped, binding in rows
            ]
        return KeyRing(PLATFORM, Purpose.CONTENT, stored, provider, now() + cache_seconds)

    return ColumnCipher(ring=ring(), reread=ring, now=now, tenant=PLATFORM, table="account_totp", column="sealed")
