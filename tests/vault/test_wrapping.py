"""The rotation of the wrapping key: killed anywhere it resumes, and readers never notice."""

from __future__ import annotations

import signal
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM, TenantId
from chukan.platform.vault import store
from chukan.platform.vault.errors import ProviderKeyMissing, VaultTampered, WrappingKeyInUse
from chukan.platform.vault.rules import KeyUse, Place
from chukan.platform.vault.wrapping import destroy_wrapping_key, initialise, rotate_wrapping_key
from support.vault import NOW, Safe, rotate

PLACE = Place("secret_fact", "sealed", 1)
LATER = NOW + timedelta(days=30)


def owners(count: int) -> list[TenantId]:
    return [TenantId(UUID(int=number + 1)) for number in range(count)]


def give_keys_to(safe: Safe, count: int) -> dict[TenantId, bytes]:
    """Give keys to *count* owners, and return what each sealed."""
    vault = safe.vault(ProcessKind.PROVISIONER)
    with safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        for owner in owners(count):
            vault.create_keys(driver(connection), owner)
    return {owner: vault.seal(owner, PLACE, str(owner).encode()) for owner in owners(count)}


def wrapped_by(safe: Safe) -> dict[str, int]:
    with safe.database.engine(ProcessKind.WORKER).connect() as connection:
        return store.count_by_wrapping_key(driver(connection))


def assert_all_open(safe: Safe, sealed: dict[TenantId, bytes]) -> None:
    """A process that starts now, and one with another log-in, open everything."""
    for kind in (ProcessKind.WORKER, ProcessKind.GATEWAY):
        vault = safe.vault(kind)
        for owner, value in sealed.items():
            assert vault.open(owner, PLACE, value) == str(owner).encode()


def test_a_rotation_wraps_every_key_anew_and_keeps_the_old_wrapping_key(safe: Safe) -> None:
    sealed = give_keys_to(safe, 10)
    old = safe.provider.current(KeyUse.WRAPPING)
    reader = safe.vault()
    assert reader.open(owners(1)[0], PLACE, sealed[owners(1)[0]])
    reports: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        reports.append((done, total))

    done = rotate_wrapping_key(safe.actor(), safe.provider, now=LATER, progress=progress, batch=7)
    assert (done.created, done.rewrapped) == (True, 20)
    assert done.wrapping_key == safe.provider.current(KeyUse.WRAPPING) != old
    assert wrapped_by(safe) == {done.wrapping_key: 20}
    assert reports == [(0, 20), (7, 20), (14, 20), (20, 20)]
    assert old in safe.provider.keys(KeyUse.WRAPPING)
    assert_all_open(safe, sealed)
    assert reader.open(owners(2)[1], PLACE, sealed[owners(2)[1]])


def test_a_rotation_is_in_the_trail_with_every_batch(safe: Safe) -> None:
    give_keys_to(safe, 10)
    rotate_wrapping_key(safe.actor(), safe.provider, now=LATER, batch=7)
    assert Counter(safe.actions()) == {"vault:provider_key:create": 1, "vault:data_key:rewrap": 3}


@pytest.mark.parametrize(
    ("where", "count", "left"),
    [
        ("inside", 1, 20),  # the new wrapping key exists, no data key is rewrapped
        ("inside", 7, 20),  # at the end of the first batch, before its commit
        ("between", 1, 13),
        ("inside", 20, 6),  # the last one of all
    ],
)
def test_a_rotation_killed_anywhere_leaves_everything_readable_and_resumes(
    safe: Safe, where: str, count: int, left: int
) -> None:
    sealed = give_keys_to(safe, 10)
    old = safe.provider.current(KeyUse.WRAPPING)
    killed = rotate(safe, "wrapping", where, count)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert wrapped_by(safe).get(old, 0) == left
    assert_all_open(safe, sealed)
    with pytest.raises(WrappingKeyInUse):
        destroy_wrapping_key(safe.actor(), safe.provider, old)
    resumed = rotate(safe, "wrapping")
    assert resumed.stdout.split() == [str(left), "False"], resumed.stderr
    assert wrapped_by(safe) == {safe.provider.current(KeyUse.WRAPPING): 20}
    assert len(safe.provider.keys(KeyUse.WRAPPING)) == 2
    assert_all_open(safe, sealed)


def test_a_rotation_killed_twice_still_ends(safe: Safe) -> None:
    sealed = give_keys_to(safe, 10)
    for _ in range(2):
        assert rotate(safe, "wrapping", "between", 1).returncode == -signal.SIGKILL
    assert rotate(safe, "wrapping").stdout.split() == ["6", "False"]
    assert_all_open(safe, sealed)


def test_two_rotations_at_once_share_the_work(safe: Safe) -> None:
    sealed = give_keys_to(safe, 30)
    assert rotate(safe, "wrapping", "inside", 1).returncode == -signal.SIGKILL
    start = Barrier(2)

    def resume(_number: int) -> int:
        def together(done: int, _total: int) -> None:
            if done == 0:
                start.wait(timeout=30)

        return rotate_wrapping_key(safe.actor(), safe.provider, now=LATER, progress=together, batch=7).rewrapped

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(resume, range(2))) == 60
    assert wrapped_by(safe) == {safe.provider.current(KeyUse.WRAPPING): 60}
    assert_all_open(safe, sealed)


def test_a_tenant_provisioned_under_the_old_key_during_the_rotation_is_not_left_behind(safe: Safe) -> None:
    give_keys_to(safe, 4)
    late = TenantId(UUID(int=0))  # before all others, where the first pass has been
    vault = safe.vault(ProcessKind.PROVISIONER)
    provisioning = safe.database.engine(ProcessKind.PROVISIONER).connect()
    vault.create_keys(driver(provisioning), late)

    def progress(done: int, _total: int) -> None:
        if done == 8:
            provisioning.commit()

    with provisioning:
        done = rotate_wrapping_key(safe.actor(), safe.provider, now=LATER, progress=progress, batch=100)
    assert done.rewrapped == 10
    assert wrapped_by(safe) == {done.wrapping_key: 10}


def wait_for_a_lock(safe: Safe) -> None:
    """Return when somebody waits for a lock in the test's database."""
    with safe.database.superuser() as superuser:
        for _ in range(500):
            waiting = superuser.execute("select count(*) from pg_locks where not granted").fetchone()
            if waiting != (0,):
                return
            time.sleep(0.01)
    pytest.fail("nobody waits")


def test_a_damaged_key_is_told_of_and_does_not_hold_up_the_others(safe: Safe) -> None:
    sealed = give_keys_to(safe, 10)
    victim = owners(3)[2]
    with safe.database.superuser() as superuser:
        superuser.execute(
            "update platform.data_key set wrapped = set_byte(wrapped, 0, get_byte(wrapped, 0) # 1)"
            " where owner = %s and purpose = 'content'",
            (victim,),
        )
    with pytest.raises(VaultTampered) as told:
        rotate_wrapping_key(safe.actor(), safe.provider, now=LATER, batch=7)
    assert told.value.detail == f"not unwrappable: {victim} content 1"
    assert sorted(wrapped_by(safe).values()) == [1, 19]
    del sealed[victim]
    assert_all_open(safe, sealed)


def test_a_wrapping_key_is_destroyed_when_nothing_needs_it_and_no_sooner(safe: Safe) -> None:
    sealed = give_keys_to(safe, 5)
    old = safe.provider.current(KeyUse.WRAPPING)
    with pytest.raises(WrappingKeyInUse):
        destroy_wrapping_key(safe.actor(), safe.provider, old)
    current = rotate_wrapping_key(safe.actor(), safe.provider, now=LATER).wrapping_key
    with pytest.raises(WrappingKeyInUse):
        destroy_wrapping_key(safe.actor(), safe.provider, current)
    destroy_wrapping_key(safe.actor(), safe.provider, old)
    assert list(safe.provider.keys(KeyUse.WRAPPING)) == [current]
    with pytest.raises(ProviderKeyMissing):
        destroy_wrapping_key(safe.actor(), safe.provider, old)
    assert_all_open(safe, sealed)
    assert safe.actions().count("vault:wrapping_key:destroy") == 3  # two refusals, one done


def test_a_wrapping_key_is_not_destroyed_under_a_provisioning_that_uses_it(safe: Safe) -> None:
    """The destruction waits for the open transaction, then sees its keys and refuses."""
    old = safe.provider.current(KeyUse.WRAPPING)
    vault = safe.vault(ProcessKind.PROVISIONER)
    tenant = owners(1)[0]
    with ThreadPoolExecutor(1) as other:
        with safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            vault.create_keys(driver(connection), tenant)
            safe.provider.create(KeyUse.WRAPPING, now=LATER)
            destruction = other.submit(destroy_wrapping_key, safe.actor(), safe.provider, old)
            wait_for_a_lock(safe)
        with pytest.raises(WrappingKeyInUse):
            destruction.result(timeout=30)
    assert safe.vault().seal(tenant, PLACE, b"one")


def test_a_wrapping_key_is_not_destroyed_between_being_chosen_and_being_used(
    safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = safe.provider.current(KeyUse.WRAPPING)
    real, destructions = safe.provider.wrap, list[Future[None]]()

    def meanwhile(key_id: str, data_key: bytes) -> bytes:
        if not destructions:
            safe.provider.create(KeyUse.WRAPPING, now=LATER)
            destructions.append(other.submit(destroy_wrapping_key, safe.actor(), safe.provider, old))
            wait_for_a_lock(safe)
        return real(key_id, data_key)

    monkeypatch.setattr(safe.provider, "wrap", meanwhile)
    with ThreadPoolExecutor(1) as other:
        safe.give_keys(owners(1)[0])
        with pytest.raises(WrappingKeyInUse):
            destructions[0].result(timeout=30)
    assert safe.vault().seal(owners(1)[0], PLACE, b"one")


def test_initialising_makes_what_is_missing_once(safe: Safe) -> None:
    made = initialise(safe.actor(), safe.vault(), safe.provider, now=LATER)
    assert made == [f"tenant:{PLATFORM}"]
    assert initialise(safe.actor(), safe.vault(), safe.provider, now=LATER) == []
    assert safe.actions() == ["vault:data_key:create"]
    assert safe.vault().open(PLATFORM, PLACE, safe.vault().seal(PLATFORM, PLACE, b"one")) == b"one"


@pytest.mark.slow
def test_the_keys_of_1788_tenants_are_rewrapped_killed_and_resumed(safe: Safe) -> None:
    sealed = give_keys_to(safe, 1788)
    old = safe.provider.current(KeyUse.WRAPPING)
    for where, count in (("inside", 500), ("between", 100), ("inside", 1)):
        assert rotate(safe, "wrapping", where, count).returncode == -signal.SIGKILL
    left = wrapped_by(safe)[old]
    assert 0 < left < 3576
    resumed = rotate(safe, "wrapping")
    assert resumed.stdout.split() == [str(left), "False"], resumed.stderr
    assert wrapped_by(safe) == {safe.provider.current(KeyUse.WRAPPING): 3576}
    assert_all_open(safe, sealed)
    destroy_wrapping_key(safe.actor(), safe.provider, old)
    assert_all_open(safe, sealed)
