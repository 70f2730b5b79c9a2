"""The vault's health: does the keeper of keys answer, and is its wrapping key due for rotation?"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from chukan.platform.component import CheckResult, Health
from chukan.platform.errors import ChukanError
from chukan.platform.messages import text
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KEY_BYTES, KeyUse, created_at


def check_provider(provider: KeyProvider) -> CheckResult:
    """Wrap and unwrap a random key, sign and mask: everything that the platform asks of the provider."""
    sample = os.urandom(KEY_BYTES)
    try:
        key_id = provider.current(KeyUse.WRAPPING)
        same = provider.unwrap(key_id, provider.wrap(key_id, sample)) == sample
        provider.sign(provider.current(KeyUse.SIGNING), sample)
        provider.mask(sample)
    except ChukanError as error:
        return CheckResult(Health.RED, error.told())
    if not same:
        return CheckResult(Health.RED, text("The keeper of keys returned another key than it was given."))
    return CheckResult(Health.GREEN, text("The keeper of keys wraps, signs and masks."))


def check_wrapping_key_age(provider: KeyProvider, now: datetime, maximum: timedelta) -> CheckResult:
    """Say whether the current wrapping key is older than *maximum*."""
    try:
        age = now - created_at(provider.current(KeyUse.WRAPPING))
    except ChukanError as error:
        return CheckResult(Health.RED, error.told())
    health = Health.AMBER if age > maximum else Health.GREEN
    return CheckResult(
        health, text("The wrapping key is {days} days old; {limit} are allowed.", days=age.days, limit=maximum.days)
    )
