"""The wrapping keys: made, rotated for all data keys at once, and destroyed when nothing needs them.

A rotation keeps its state in the rows: whatever another key than the current one wraps is still to do. So it
may be killed at any point and started again, and readers never notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import driver
from chukan.platform.identifiers import PLATFORM
from chukan.platform.vault import store
from chukan.platform.vault.errors import ProviderKeyMissing, VaultTampered, WrappingKeyInUse
from chukan.platform.vault.keyring import unwrapped
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.rules import KeyUse, Purpose
from chukan.platform.vault.service import Vault
from chukan.platform.vault.store import StoredKey
from chukan.platform.vault.trail import VaultAction, owner_subject

#: Data keys rewrapped in one transaction.
BATCH = 200

#: Is told how many data keys are done, and how many there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rewrapped:
    """What a rotation did: the key that wraps now, whether it is new, how many data keys were rewrapped."""

    wrapping_key: str
    created: bool
    rewrapped: int


def initialise(actor: Actor, vault: Vault, provider: KeyProvider, *, now: datetime) -> list[str]:
    """Make what is missing of the provider's keys and the platform's own data keys; return what was made."""
    made = [create_provider_key(actor, provider, use, now=now) for use in KeyUse if not provider.keys(use)]
    with actor.engine.connect() as connection:
        known = store.read_keys(driver(connection), PLATFORM, Purpose.CONTENT)
    if not known:
        with actor.act(VaultAction.CREATE, owner_subject(PLATFORM)) as unit:
            vault.create_keys(driver(unit.connection), PLATFORM)
        made.append(owner_subject(PLATFORM))
    return made


def create_provider_key(actor: Actor, provider: KeyProvider, use: KeyUse, *, now: datetime) -> str:
    """Make a key of the provider, which becomes the current one for *use*, and return its id."""
    with actor.act(VaultAction.CREATE_PROVIDER_KEY, f"provider_key:{use.value}") as unit:
        key_id = provider.create(use, now=now)
        unit.note(key=key_id)
    return key_id


def rotate_wrapping_key(
    actor: Actor,
    provider: KeyProvider,
    *,
    now: datetime,
    progress: Progress = lambda _done, _total: None,
    batch: int = BATCH,
) -> Rewrapped:
    """Wrap every data key anew under a new wrapping key, or finish a rotation that was interrupted.

    Old wrapping keys stay until ``destroy_wrapping_key``. A data key that does not unwrap is left as it is,
    and told of when all others are done.

    Raises:
        VaultTampered: some data keys could not be unwrapped; the log names the owners.
        KeyProviderUnavailable: it stopped half-way; start it again.
    """
    created = _others(actor, provider.current(KeyUse.WRAPPING)) == 0
    if created:
        create_provider_key(actor, provider, KeyUse.WRAPPING, now=now)
    target = provider.current(KeyUse.WRAPPING)
    total, done, damaged = _others(actor, target), 0, set[str]()
    progress(done, total)
    for rewrapped, refused in _passes(actor, provider, target, batch):
        done += rewrapped
        damaged |= {f"{key.owner} {key.purpose.value} {key.version}" for key in refused}
        progress(done, max(total, done))
    if damaged:
        raise VaultTampered(place="data_key", detail=f"not unwrappable: {', '.join(sorted(damaged))}")
    return Rewrapped(target, created=created, rewrapped=done)


def destroy_wrapping_key(actor: Actor, provider: KeyProvider, key_id: str) -> None:
    """Destroy a wrapping key that nothing needs any more.

    The trail says so first: if the provider then fails, the act is repeated and recorded twice, but a key never
    vanishes unrecorded.

    Raises:
        WrappingKeyInUse: it is the current one, or data keys are still wrapped by it.
        ProviderKeyMissing: the provider has no such key.
    """
    if key_id not in provider.keys(KeyUse.WRAPPING):
        raise ProviderKeyMissing(key=key_id)
    with actor.act(VaultAction.DESTROY_WRAPPING_KEY, f"provider_key:{key_id}") as unit:
        connection = driver(unit.connection)
        # Whoever wraps under this key has ended after this, and whoever comes later finds another key current.
        store.forbid_new_keys(connection)
        count = store.count_by_wrapping_key(connection).get(key_id, 0)
        if count or key_id == provider.current(KeyUse.WRAPPING):
            raise WrappingKeyInUse(key=key_id, count=count)
    provider.destroy(key_id)


def _others(actor: Actor, target: str) -> int:
    with actor.engine.connect() as connection:
        counts = store.count_by_wrapping_key(driver(connection))
    return sum(count for key_id, count in counts.items() if key_id != target)


def _passes(actor: Actor, provider: KeyProvider, target: str, batch: int) -> Iterator[tuple[int, Sequence[StoredKey]]]:
    """Rewrap in batches, each in its own transaction, until a whole pass finds nothing to do.

    One pass is not enough: a tenant provisioned meanwhile may have taken the old key.
    """
    moved = True
    while moved:
        moved, after = False, None
        while claimed := _rewrap_batch(actor, provider, target, after, batch):
            after, rewrapped, refused = claimed
            moved = moved or rewrapped > 0
            yield rewrapped, refused


def _rewrap_batch(
    actor: Actor, provider: KeyProvider, target: str, after: StoredKey | None, batch: int
) -> tuple[StoredKey, int, Sequence[StoredKey]] | None:
    """Rewrap the next keys; return the last one looked at, how many were rewrapped, and which would not."""
    with actor.engine.begin() as transaction:
        connection = driver(transaction)
        claimed = store.claim_for_rewrapping(connection, target, after=after, limit=batch)
        if not claimed:
            return None
        sound, damaged = [], []
        for key in claimed:
            try:
                sound.append((key, provider.wrap(target, unwrapped(provider, key).material)))
            except (VaultTampered, ProviderKeyMissing):
                damaged.append(key)
        store.rewrap(connection, target, sound)
        told = {"rewrapped": len(sound), "damaged": len(damaged)}
        actor.append(transaction, VaultAction.REWRAP, f"provider_key:{target}", **told)
    return claimed[-1], len(sound), damaged
