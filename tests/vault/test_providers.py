"""Both key providers keep one contract; what is special to each stands below."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey
from pydantic import SecretStr

from chukan.platform.settings import VaultSettings
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.adapters.pkcs11 import Pkcs11KeyProvider
from chukan.platform.vault.errors import (
    KeyProviderMisconfigured,
    KeyProviderUnavailable,
    ProviderKeyMissing,
    VaultTampered,
)
from chukan.platform.vault.ports import KeyProvider
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.rules import KeyUse
from chukan.platform.vault.signing import VaultMasker, VaultSigner
from support.vault import MODULE, NOW, PIN, Token

DATA_KEY = bytes(range(32))
ABSENT = "wrapping-20260101T000000000000Z-00000000"


def test_a_wrapped_key_unwraps_to_itself(provider: KeyProvider) -> None:
    key = provider.create(KeyUse.WRAPPING, now=NOW)
    wrapped = provider.wrap(key, DATA_KEY)
    assert len(wrapped) == 40
    assert DATA_KEY not in wrapped
    assert provider.unwrap(key, wrapped) == DATA_KEY


def test_both_providers_wrap_alike_so_that_a_development_key_teaches_nothing_false(provider: KeyProvider) -> None:
    # RFC 3394 is deterministic: the same key and data give the same forty bytes.
    key = provider.create(KeyUse.WRAPPING, now=NOW)
    assert provider.wrap(key, DATA_KEY) == provider.wrap(key, DATA_KEY)


@pytest.mark.parametrize("position", [0, 7, 8, 20, 39])
def test_a_changed_wrapped_key_is_refused(provider: KeyProvider, position: int) -> None:
    key = provider.create(KeyUse.WRAPPING, now=NOW)
    wrapped = bytearray(provider.wrap(key, DATA_KEY))
    wrapped[position] ^= 1
    with pytest.raises(VaultTampered):
        provider.unwrap(key, bytes(wrapped))


@pytest.mark.parametrize("length", [0, 8, 32])
def test_a_truncated_wrapped_key_is_refused(provider: KeyProvider, length: int) -> None:
    key = provider.create(KeyUse.WRAPPING, now=NOW)
    with pytest.raises(VaultTampered):
        provider.unwrap(key, provider.wrap(key, DATA_KEY)[:length])


def test_a_key_wrapped_by_another_wrapping_key_is_refused(provider: KeyProvider) -> None:
    first = provider.create(KeyUse.WRAPPING, now=NOW)
    second = provider.create(KeyUse.WRAPPING, now=NOW)
    with pytest.raises(VaultTampered):
        provider.unwrap(second, provider.wrap(first, DATA_KEY))


def test_a_refused_unwrapping_does_not_disturb_the_next_one(provider: KeyProvider) -> None:
    key = provider.create(KeyUse.WRAPPING, now=NOW)
    wrapped = provider.wrap(key, DATA_KEY)
    with pytest.raises(VaultTampered):
        provider.unwrap(key, bytes(40))
    assert provider.unwrap(key, wrapped) == DATA_KEY


def test_a_new_wrapping_key_becomes_current_and_the_old_one_still_unwraps(provider: KeyProvider) -> None:
    first = provider.create(KeyUse.WRAPPING, now=NOW)
    wrapped = provider.wrap(first, DATA_KEY)
    second = provider.create(KeyUse.WRAPPING, now=NOW + timedelta(days=1))
    assert provider.current(KeyUse.WRAPPING) == second
    assert list(provider.keys(KeyUse.WRAPPING)) == [first, second]
    assert provider.unwrap(first, wrapped) == DATA_KEY


def test_the_newest_key_is_current_even_if_the_clock_went_back(provider: KeyProvider) -> None:
    provider.create(KeyUse.WRAPPING, now=NOW)
    second = provider.create(KeyUse.WRAPPING, now=NOW - timedelta(hours=1))
    assert provider.current(KeyUse.WRAPPING) == second


def test_a_destroyed_wrapping_key_unwraps_nothing(provider: KeyProvider) -> None:
    first = provider.create(KeyUse.WRAPPING, now=NOW)
    wrapped = provider.wrap(first, DATA_KEY)
    second = provider.create(KeyUse.WRAPPING, now=NOW)
    provider.destroy(first)
    assert list(provider.keys(KeyUse.WRAPPING)) == [second]
    with pytest.raises(ProviderKeyMissing):
        provider.unwrap(first, wrapped)


def test_an_absent_key_is_missing_and_not_made(provider: KeyProvider) -> None:
    for act in (
        lambda: provider.wrap(ABSENT, DATA_KEY),
        lambda: provider.unwrap(ABSENT, bytes(40)),
        lambda: provider.destroy(ABSENT),
        lambda: provider.sign(ABSENT, b"payload"),
        lambda: provider.mask(b"value"),
        lambda: provider.current(KeyUse.WRAPPING),
        lambda: VaultSigner(provider),
    ):
        with pytest.raises(ProviderKeyMissing):
            act()
    assert not any(provider.keys(use) for use in KeyUse)


def test_a_key_of_one_use_does_not_serve_another(provider: KeyProvider) -> None:
    signing = provider.create(KeyUse.SIGNING, now=NOW)
    masking = provider.create(KeyUse.MASKING, now=NOW)
    for key in (signing, masking):
        with pytest.raises(ProviderKeyMissing):
            provider.wrap(key, DATA_KEY)
        with pytest.raises(ProviderKeyMissing):
            provider.destroy(key)
    with pytest.raises(ProviderKeyMissing):
        provider.sign(masking, b"payload")


def verify(jwk: dict[str, str], signature: bytes, payload: bytes) -> None:
    """Check *signature* with *jwk* alone, as an auditor does; raises InvalidSignature."""
    key = ECKey.import_key(dict(jwk)).public_key
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), payload, ec.ECDSA(SHA256()))


def test_a_signature_is_verified_by_the_public_key_alone(provider: KeyProvider) -> None:
    provider.create(KeyUse.SIGNING, now=NOW)
    signer = VaultSigner(provider)
    signature = signer.sign(b"root")
    assert len(signature) == 64
    jwk = signer.public_keys()[signer.key_id]
    assert jwk["kid"] == signer.key_id
    verify(jwk, signature, b"root")
    assert not jwk.keys() & {"d", "k"}


def test_an_old_public_key_stays_when_a_new_key_signs(provider: KeyProvider) -> None:
    provider.create(KeyUse.SIGNING, now=NOW)
    old = VaultSigner(provider)
    signed = old.sign(b"root")
    provider.create(KeyUse.SIGNING, now=NOW + timedelta(days=1))
    new = VaultSigner(provider)
    assert new.key_id != old.key_id
    assert set(new.public_keys()) == {old.key_id, new.key_id}
    verify(new.public_keys()[old.key_id], signed, b"root")
    verify(new.public_keys()[new.key_id], new.sign(b"root"), b"root")
    # What began with the old key goes on with it: header and signature never disagree.
    verify(new.public_keys()[old.key_id], old.sign(b"next"), b"next")


def test_a_mask_is_the_same_for_the_same_value_of_one_kind_only(provider: KeyProvider) -> None:
    provider.create(KeyUse.MASKING, now=NOW)
    masker = VaultMasker(provider)
    assert masker.mask("name", "山田") == masker.mask("name", "山田")
    assert len({masker.mask("name", "山田"), masker.mask("name", "山田 "), masker.mask("address", "山田")}) == 3
    assert len(masker.mask("name", "山田")) == 43


def test_a_mask_cannot_be_computed_without_the_key(provider: KeyProvider) -> None:
    provider.create(KeyUse.MASKING, now=NOW)
    assert provider.mask(b"value") not in {hashlib.sha256(b"value").digest(), hmac.digest(b"", b"value", "sha256")}


def test_many_threads_share_a_provider(provider: KeyProvider) -> None:
    key = provider.create(KeyUse.WRAPPING, now=NOW)

    def round_trip(number: int) -> bool:
        own = number.to_bytes(32, "big")
        return provider.unwrap(key, provider.wrap(key, own)) == own

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(round_trip, range(200)))


# -- the file -------------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_the_key_file_is_the_owners_alone(key_file: Path) -> None:
    FileKeyProvider(key_file).create(KeyUse.WRAPPING, now=NOW)
    assert key_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_that_others_can_reach_is_refused(key_file: Path, mode: int) -> None:
    provider = FileKeyProvider(key_file)
    key = provider.create(KeyUse.WRAPPING, now=NOW)
    key_file.chmod(mode)
    with pytest.raises(KeyProviderMisconfigured):
        provider.wrap(key, DATA_KEY)
    with pytest.raises(KeyProviderMisconfigured):
        provider.create(KeyUse.WRAPPING, now=NOW)


def test_a_link_to_a_key_file_is_refused(key_file: Path, tmp_path: Path) -> None:
    FileKeyProvider(key_file).create(KeyUse.WRAPPING, now=NOW)
    link = tmp_path / "link.json"
    link.symlink_to(key_file)
    with pytest.raises(KeyProviderMisconfigured):
        FileKeyProvider(link).current(KeyUse.WRAPPING)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"wrapping": 7}', '{"a": "not base 64!"}'])
def test_a_damaged_key_file_is_refused_and_kept(key_file: Path, content: str) -> None:
    key_file.write_text(content)
    key_file.chmod(0o600)
    with pytest.raises(KeyProviderMisconfigured):
        FileKeyProvider(key_file).create(KeyUse.WRAPPING, now=NOW)
    assert key_file.read_text() == content


MAKE_KEYS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from chukan.platform.vault.adapters.file import FileKeyProvider
from chukan.platform.vault.rules import KeyUse
provider = FileKeyProvider(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    print(provider.create(KeyUse.WRAPPING, now=datetime(2026, 7, 1, tzinfo=UTC)), flush=True)
"""


def test_two_programs_that_make_keys_at_once_lose_none(key_file: Path) -> None:
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKE_KEYS, key_file, "15"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    made = {line for maker in makers for line in maker.communicate()[0].split()}
    assert len(made) == 30
    assert set(FileKeyProvider(key_file).keys(KeyUse.WRAPPING)) == made


def test_a_program_killed_while_it_makes_keys_leaves_every_key_that_it_told_of(key_file: Path) -> None:
    told: list[str] = []
    for delay in (0.0, 0.003, 0.011):
        arguments: list[Any] = [sys.executable, "-c", MAKE_KEYS, key_file, "100000"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as maker:
            assert maker.stdout is not None
            told.append(maker.stdout.readline().strip())
            time.sleep(delay)
            maker.send_signal(signal.SIGKILL)
            told += [line for line in maker.stdout.read().split("\n")[:-1] if line]
    assert set(told) <= set(FileKeyProvider(key_file).keys(KeyUse.WRAPPING))
    json.loads(key_file.read_text())


# -- the HSM --------------------------------------------------------------------------------------


@pytest.fixture
def hsm(token: Token) -> Any:
    provider = token.provider()
    yield provider
    provider.close()


def test_no_key_leaves_the_token(hsm: Pkcs11KeyProvider, token: Token) -> None:
    for use in KeyUse:
        hsm.create(use, now=NOW)
    hsm.close()
    with pkcs11.lib(str(MODULE)).get_token(token_label=token.label).open(user_pin=PIN) as session:
        secret = [
            key
            for kind in (pkcs11.ObjectClass.SECRET_KEY, pkcs11.ObjectClass.PRIVATE_KEY)
            for key in session.get_objects({pkcs11.Attribute.CLASS: kind})
        ]
        assert len(secret) == 3
        for key in secret:
            assert key[pkcs11.Attribute.EXTRACTABLE] is False
            with pytest.raises(pkcs11.AttributeSensitive):
                key[pkcs11.Attribute.VALUE]


def test_data_keys_that_pass_through_the_token_are_not_kept_in_it(hsm: Pkcs11KeyProvider) -> None:
    key = hsm.create(KeyUse.WRAPPING, now=NOW)
    for _ in range(3):
        hsm.unwrap(key, hsm.wrap(key, DATA_KEY))
    with hsm._login() as session:
        kept: list[Any] = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}))
    assert [one.label for one in kept] == [key]


def test_a_wrong_pin_is_tried_once_since_a_token_locks_after_a_few(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    real = pkcs11.lib

    def counted(module: str) -> Any:
        nonlocal tries
        tries += 1
        return real(module)

    monkeypatch.setattr(pkcs11, "lib", counted)
    provider = token.provider(pin="0000")
    for _ in range(5):
        with pytest.raises(KeyProviderMisconfigured) as refused:
            provider.current(KeyUse.WRAPPING)
        assert "0000" not in refused.value.told()
    assert tries == 1


def test_a_token_or_module_that_is_not_there_is_named(token: Token, tmp_path: Path) -> None:
    with pytest.raises(KeyProviderMisconfigured) as refused:
        Pkcs11KeyProvider(MODULE, "other", SecretStr(PIN)).current(KeyUse.WRAPPING)
    assert "other" in refused.value.told()
    with pytest.raises(KeyProviderMisconfigured) as refused:
        Pkcs11KeyProvider(tmp_path / "none.so", token.label, SecretStr(PIN)).current(KeyUse.WRAPPING)
    assert "none.so" in refused.value.told()


def test_an_hsm_that_failed_is_used_again_when_it_is_back(hsm: Pkcs11KeyProvider) -> None:
    key = hsm.create(KeyUse.WRAPPING, now=NOW)
    wrapped = hsm.wrap(key, DATA_KEY)
    pkcs11.lib(str(MODULE)).finalize()
    with pytest.raises(KeyProviderUnavailable) as failure:
        hsm.unwrap(key, wrapped)
    assert failure.value.retryable
    assert hsm.unwrap(key, wrapped) == DATA_KEY


FORK = """
import os, sys, threading
from pathlib import Path
from pydantic import SecretStr
from chukan.platform.vault.adapters.pkcs11 import Pkcs11KeyProvider
from chukan.platform.vault.rules import KeyUse
provider = Pkcs11KeyProvider(Path(sys.argv[1]), sys.argv[2], SecretStr(sys.argv[3]))
key = provider.current(KeyUse.WRAPPING)
wrapped = provider.wrap(key, bytes(32))
held = provider._lock
held.acquire()
child = os.fork()
if child == 0:
    # In the child nobody will ever release what the parent held.
    worker = threading.Thread(target=lambda: print("child", provider.unwrap(key, wrapped) == bytes(32), flush=True))
    worker.start()
    worker.join(20)
    os._exit(0)
held.release()
os.waitpid(child, 0)
print("parent", provider.unwrap(key, wrapped) == bytes(32))
"""


def test_parent_and_child_of_a_fork_each_log_in_for_themselves(hsm: Pkcs11KeyProvider, token: Token) -> None:
    hsm.create(KeyUse.WRAPPING, now=NOW)
    done = subprocess.run(
        [sys.executable, "-c", FORK, MODULE, token.label, PIN],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n") == ["child True", "parent True", ""], done.stderr


def test_a_key_that_another_program_made_is_found(hsm: Pkcs11KeyProvider, token: Token) -> None:
    first = hsm.create(KeyUse.WRAPPING, now=NOW)
    program = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime; from pydantic import SecretStr;"
        "from chukan.platform.vault.adapters.pkcs11 import Pkcs11KeyProvider;"
        "from chukan.platform.vault.rules import KeyUse;"
        "provider = Pkcs11KeyProvider(Path(sys.argv[1]), sys.argv[2], SecretStr(sys.argv[3]));"
        "print(provider.create(KeyUse.WRAPPING, now=datetime(2026, 7, 2, tzinfo=UTC)))"
    )
    made = subprocess.run(
        [sys.executable, "-c", program, MODULE, token.label, PIN], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert list(hsm.keys(KeyUse.WRAPPING)) == [first, made]
    assert hsm.unwrap(made, hsm.wrap(made, DATA_KEY)) == DATA_KEY


def test_one_process_has_one_provider_for_one_token() -> None:
    settings = VaultSettings(provider="pkcs11", pkcs11_module=Path("one.so"))
    same = VaultSettings(provider="pkcs11", pkcs11_module=Path("one.so"))
    assert key_provider(settings) is key_provider(same)
    assert isinstance(key_provider(VaultSettings()), FileKeyProvider)
