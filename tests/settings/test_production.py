"""Production refuses what is only good for trying things out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from chukan.platform.settings import (
    ConsoleSettings,
    DatabaseSettings,
    EmbeddedSettings,
    Environment,
    Settings,
    VaultSettings,
)
from chukan.platform.settings.production import refusals

GOOD_URL = "postgresql://db.example:5432/chukan?sslmode=verify-full"


pytestmark = pytest.mark.usefixtures("english")


def refused(url: str = GOOD_URL, **changed: Any) -> list[str]:
    """Return the keys that are refused of a right production installation with *changed* leaves."""
    right: dict[str, Any] = {
        "environment": Environment.PRODUCTION,
        "external_url": "https://console.example",
        "database": DatabaseSettings(url=url, embedded=EmbeddedSettings(directory=Path("/srv/var/postgresql"))),
        "vault": VaultSettings(provider="pkcs11", pkcs11_pin=SecretStr("1234")),
        "console": ConsoleSettings(certificate_file=Path("chain.pem"), private_key_file=Path("key.pem")),
    }
    return [refusal.key for refusal in refusals(Settings(**(right | changed)))]


def test_a_right_installation_is_not_refused() -> None:
    assert refused() == []


def test_debug_is_refused() -> None:
    assert refused(debug=True) == ["debug"]


def test_a_certificate_that_the_front_made_itself_is_refused() -> None:
    assert refused(console=ConsoleSettings()) == ["console.certificate_file"]


def test_the_file_key_provider_is_refused() -> None:
    assert refused(vault=VaultSettings()) == ["vault.provider"]


def test_the_embedded_database_is_refused() -> None:
    assert refused(url="") == ["database.url"]
    assert refused(url="postgresql:///chukan?host=/srv/var/postgresql/sockets") == ["database.url"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://console.example",
        "https://",
        "https:console.example",
        "ftp://console.example",
        "https://user:pw@console.example",
        "https://console.example/?next=x",
        "https://console.example/#x",
        "https://console.example:99999",
        "https://[::1",
        "console.example",
    ],
)
def test_an_external_address_without_https_or_host_is_refused(address: str) -> None:
    assert refused(external_url=address) == ["external_url"]


@pytest.mark.parametrize("address", ["https://console.example", "https://console.example:8443/ops/", "https://[::1]"])
def test_an_external_address_with_https_is_taken(address: str) -> None:
    assert refused(external_url=address) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://chukan@db.example/chukan?sslmode=verify-full",
        "postgresql://chukan:pw@db.example/chukan?sslmode=verify-full",
        "postgresql://db.example/chukan?sslmode=verify-full&user=chukan",
        "postgresql://db.example/chukan?sslmode=verify-full&password=pw",
        "postgresql://db.example/chukan?sslmode=verify-full&passfile=/x",
        "postgresql://db.example/chukan?sslmode=verify-full&service=x",
    ],
)
def test_a_log_in_in_the_address_is_refused(url: str) -> None:
    assert refused(url=url) == ["database.url"]


@pytest.mark.parametrize(
    "query",
    ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require", "?channel_binding=require"],
)
@pytest.mark.parametrize("host", ["db.example", "192.0.2.1", "[2001:db8::1]", "localhost,db.example"])
def test_another_machine_is_refused_if_anybody_could_answer_for_it(host: str, query: str) -> None:
    assert refused(url=f"postgresql://{host}/chukan{query}") == ["database.url"]


@pytest.mark.parametrize(
    "query",
    ["sslmode=verify-full", "sslmode=verify-ca", "sslmode=require&channel_binding=require"],
)
def test_another_machine_that_proves_who_it_is_is_taken(query: str) -> None:
    assert refused(url=f"postgresql://db.example/chukan?{query}") == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///chukan",
        "postgresql:///chukan?host=/var/run/postgresql",
        "postgresql://localhost/chukan",
        "postgresql://127.0.0.1:5433,127.0.0.2/chukan",
        "postgresql://[::1]/chukan",
        "postgresql://db.example/chukan?hostaddr=127.0.0.1",
    ],
)
def test_the_same_machine_needs_no_encryption(url: str) -> None:
    assert refused(url=url) == []


def test_a_host_that_only_sounds_local_is_another_machine() -> None:
    assert refused(url="postgresql://127.0.0.1.evil.example/chukan") == ["database.url"]
    assert refused(url="postgresql://localhost/chukan?hostaddr=192.0.2.1") == ["database.url"]


def test_an_address_that_cannot_be_read_is_refused_without_showing_it() -> None:
    url = "postgresql://db.example:pw@[chukan"
    found = refusals(Settings(environment=Environment.PRODUCTION, database=DatabaseSettings(url=url)))
    assert "database.url" in [refusal.key for refusal in found]
    assert "pw" not in repr(found)


def test_no_refusal_holds_a_password() -> None:
    url = "postgresql://chukan:pw1234@db.example/chukan"
    found = refusals(Settings(environment=Environment.PRODUCTION, database=DatabaseSettings(url=url)))
    assert "pw1234" not in repr(found)
    assert [refusal.key for refusal in found].count("database.url") == 2
