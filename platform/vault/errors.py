"""Failures of the vault. Each fails closed: no plaintext, no guess, and a reason that names no secret."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class VaultTampered(ChukanError):
    """A ciphertext or a wrapped key is not where, whose or what it was when it was written."""

    code = "vault.tampered"
    failure = Failure.TAMPERED
    message = mark("Stored content of {place} fails its integrity check.")
    hint = mark("Nothing was returned. Leave the database as it is and report an abnormal event.")


class KeyMissing(ChukanError):
    """There is no such data key."""

    code = "vault.key_missing"
    failure = Failure.CONFIGURATION
    message = mark("There is no {purpose} key, version {version}, for {owner}.")
    hint = mark("Check that the tenant was provisioned, and that a restored database came with its keys.")


class KeyDestroyed(ChukanError):
    """The owner's keys were destroyed on purpose, so what they sealed is gone."""

    code = "vault.key_destroyed"
    failure = Failure.REFUSED
    message = mark("The {purpose} keys of {owner} have been destroyed.")
    hint = mark("What was sealed with them cannot be read again by anybody; the audit trail says who did it.")


class KeyProviderUnavailable(ChukanError):
    """The HSM, or the key file, does not answer."""

    code = "vault.provider_unavailable"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("The keeper of the wrapping keys does not answer.")
    hint = mark("Try again in a moment; operators check the HSM with `chukan vault status`.")


class KeyProviderMisconfigured(ChukanError):
    """The key provider cannot be used as it is set up."""

    code = "vault.provider_misconfigured"
    failure = Failure.CONFIGURATION
    message = mark("The keeper of the wrapping keys cannot be used: {reason}.")
    hint = mark("Check the settings below vault, then run `chukan vault status`.")


class ProviderKeyMissing(ChukanError):
    """The provider holds no key of that name or use."""

    code = "vault.provider_key_missing"
    failure = Failure.CONFIGURATION
    message = mark("The keeper of the wrapping keys holds no key {key}.")
    hint = mark("Run `chukan vault init` on a new installation; otherwise the wrong token or file is set.")


class WrappingKeyInUse(ChukanError):
    """A wrapping key that still protects data keys, or is current, was to be destroyed."""

    code = "vault.wrapping_key_in_use"
    failure = Failure.CONFLICT
    message = mark("The wrapping key {key} is current or still wraps {count} data keys.")
    hint = mark("Run `chukan vault rotate-wrapping-key` until it is finished, then destroy the old key.")


class RotationUnfinished(ChukanError):
    """A tenant's data key was to be rotated while its last rotation still runs."""

    code = "vault.rotation_unfinished"
    failure = Failure.CONFLICT
    retryable = True
    message = mark("The last rotation of the data key of {owner} is not finished.")
    hint = mark("Let it finish: `chukan vault rotate-data-key {owner} --resume`.")
