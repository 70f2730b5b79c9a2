"""What the vault plugs in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chukan.platform.component import Check, CheckResult, Command, Component, Job, Metric, MetricKind
from chukan.platform.messages import mark
from chukan.platform.settings import Settings
from chukan.platform.vault.checks import check_provider, check_wrapping_key_age
from chukan.platform.vault.cli import vault_commands
from chukan.platform.vault.desk import opened
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.rules import EncryptedColumn

DATA_KEYS = Metric("chukan_vault_data_keys", MetricKind.GAUGE, mark("Data keys by state."), ("state",))
TO_REWRAP = Metric(
    "chukan_vault_data_keys_to_rewrap",
    MetricKind.GAUGE,
    mark("Data keys that another wrapping key than the current one wraps."),
)
AGE = Metric(
    "chukan_vault_wrapping_key_age_seconds", MetricKind.GAUGE, mark("Age of the current wrapping key, in seconds.")
)
_TIMEOUT = timedelta(seconds=10)
_REENCRYPT_EVERY = timedelta(minutes=5)


def component(settings: Callable[[], Settings], columns: Sequence[EncryptedColumn] = ()) -> Component:
    """Return commands, checks, metrics and the job of the vault that *settings* name.

    *columns* are the sealed columns of all features, which a rotation of a tenant's data key re-encrypts.
    """

    def provider(_now: datetime) -> CheckResult:
        return check_provider(key_provider(settings().vault))

    def age(now: datetime) -> CheckResult:
        maximum = timedelta(days=settings().vault.wrapping_key_max_age_days)
        return check_wrapping_key_age(key_provider(settings().vault), now, maximum)

    def reencrypt(_now: datetime) -> None:
        with opened(settings(), columns, actor="system:vault-reencryption") as desk:
            for tenant in desk.rotation.pending():
                desk.rotation.reencrypt(tenant)

    return Component(
        name="vault",
        commands=(Command(vault_commands(columns)),),
        checks=(
            Check("vault-key-provider", "vault-key-provider", _TIMEOUT, provider, readiness=True),
            Check("vault-wrapping-key-age", "vault-wrapping-key-age", _TIMEOUT, age),
        ),
        metrics=(DATA_KEYS, TO_REWRAP, AGE),
        jobs=(Job("vault-reencryption", reencrypt, _REENCRYPT_EVERY),),
    )
