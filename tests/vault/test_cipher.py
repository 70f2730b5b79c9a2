"""A data key at work, without a database: round trips, nonces, and what it is bound to."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.rules import NONCE_BYTES, OVERHEAD_BYTES, Purpose, unpack

OWNER = TenantId(UUID(int=1))
KEY = DataKey.generate(OWNER, Purpose.CONTENT, 1)


def opened(key: DataKey, sealed: bytes, context: bytes) -> bytes | None:
    parts = unpack(sealed)
    return None if parts is None else key.decrypt(parts, context)


@given(st.binary(max_size=4000), st.binary(max_size=60))
def test_what_is_sealed_opens_in_its_own_context(plaintext: bytes, context: bytes) -> None:
    sealed = KEY.encrypt(plaintext, context)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert opened(KEY, sealed, context) == plaintext


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_nothing_opens_in_another_context(plaintext: bytes, context: bytes, other: bytes) -> None:
    sealed = KEY.encrypt(plaintext, context)
    assert (opened(KEY, sealed, other) is None) == (context != other)


@given(st.binary(max_size=60), st.data())
def test_no_changed_bit_opens(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(KEY.encrypt(plaintext, b"context"))
    # The header is bound through the context and the choice of the key; see the vault's own tests.
    position = data.draw(st.integers(5, len(sealed) - 1))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))
    assert opened(KEY, bytes(sealed), b"context") is None


def test_no_nonce_repeats_in_a_hundred_thousand_seals() -> None:
    nonces = {KEY.encrypt(b"", b"")[5 : 5 + NONCE_BYTES] for _ in range(100_000)}
    assert len(nonces) == 100_000


def test_equal_plaintexts_have_unequal_ciphertexts() -> None:
    assert KEY.encrypt(b"same", b"") != KEY.encrypt(b"same", b"")


@given(st.uuids(), st.sampled_from(Purpose), st.integers(1, 2**31 - 1))
def test_a_key_is_bound_to_owner_purpose_and_version(owner: UUID, purpose: Purpose, version: int) -> None:
    material, binding = KEY.material, KEY.binding
    own = (owner, purpose, version) == (OWNER, Purpose.CONTENT, 1)
    try:
        DataKey.unwrapped(TenantId(owner), purpose, version, material=material, binding=binding)
        assert own
    except VaultTampered:
        assert not own


def test_a_binding_is_not_made_without_the_key() -> None:
    other = DataKey.generate(OWNER, Purpose.CONTENT, 1)
    with pytest.raises(VaultTampered):
        DataKey.unwrapped(OWNER, Purpose.CONTENT, 1, material=KEY.material, binding=other.binding)


def test_a_key_does_not_show_itself() -> None:
    shown = repr(KEY) + str(KEY)
    assert KEY.material.hex() not in shown
    assert repr(KEY.material) not in shown
    assert str(OWNER) in shown
