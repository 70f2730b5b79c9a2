"""Why something that was signed or encrypted is refused."""

from __future__ import annotations

from enum import StrEnum

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class Refusal(StrEnum):
    """What a receipt says of a refused signature or encryption."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    SIGNATURE = "signature"
    KEY = "key"
    ENCRYPTION = "encryption"
    STALE = "stale"


class JoseRefused(ChukanError):
    """What came is not signed, or not encrypted, as it has to be; ``refusal`` tells the receipt why."""

    code = "jose.refused"
    failure = Failure.REFUSED
    message = mark("The signed message cannot be accepted.")
    hint = mark("The sender's receipt names the reason. If it goes on, treat it as a security event.")
    refusal = Refusal.SIGNATURE


class JoseMalformed(JoseRefused):
    """The bytes are no compact JWS or JWE of the form that is agreed."""

    code = "jose.malformed"
    failure = Failure.BAD_INPUT
    message = mark("The message is not signed in the agreed form.")
    hint = mark("Send a compact JWS (ES256), or one inside a compact JWE (ECDH-ES+A256KW, A256GCM).")
    refusal = Refusal.MALFORMED


class JoseTooLarge(JoseRefused):
    """The message is larger than one may be."""

    code = "jose.too_large"
    failure = Failure.BAD_INPUT
    message = mark("The signed message is larger than {limit} bytes.")
    hint = mark("Send less in one message.")
    refusal = Refusal.TOO_LARGE


class SignatureInvalid(JoseRefused):
    """The signature does not belong to these bytes."""

    code = "jose.signature_invalid"
    message = mark("The signature does not match what was signed.")
    hint = mark("Treat it as a security event: somebody changed the message, or does not hold the key.")


class KeyUnknown(JoseRefused):
    """The key that the message names is not known, or no longer to be trusted."""

    code = "jose.key_unknown"
    message = mark("The message names a key that is not in force.")
    hint = mark("Check the certificates of the sender and of the receiver: chukan certificates list.")
    refusal = Refusal.KEY


class DecryptionFailed(JoseRefused):
    """The message was not encrypted for the key that it names, or was changed."""

    code = "jose.decryption_failed"
    message = mark("The message cannot be decrypted.")
    hint = mark("Let the sender encrypt it anew, to the newest certificate of the receiver.")
    refusal = Refusal.ENCRYPTION


class SignatureStale(JoseRefused):
    """The message was signed too long ago, or later than now."""

    code = "jose.signature_stale"
    message = mark("The message was signed too long ago, or in the future.")
    hint = mark("Check the clocks of both sides; a message is repeated for two weeks at most.")
    refusal = Refusal.STALE


class NotHosted(ChukanError):
    """The organisation is registered, and has no tenant on this platform."""

    code = "security.not_hosted"
    failure = Failure.NOT_FOUND
    message = mark("The organisation {organisation} is not hosted on this platform.")
    hint = mark("Provision it first: chukan tenants provision.")
