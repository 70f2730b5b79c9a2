"""What a production installation refuses: settings that are only good for trying things out.

What cannot be seen in the settings (trust authentication in the cluster's own files, missing
revokes) is asserted against the running cluster by ``chukan database check``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from chukan.platform.messages import text
from chukan.platform.settings.model import Settings

#: Parts of a connection address that carry, or point to, a log-in that is not ours.
_LOG_IN = ("user", "password", "passfile", "service", "sslpassword")


@dataclass(frozen=True)
class Refusal:
    """One leaf that production does not take; the texts are in the reader's language and hold no secret."""

    key: str
    expected: str
    found: str


def refusals(settings: Settings) -> tuple[Refusal, ...]:
    """Return what a production installation refuses in *settings*, in the order of the tree."""
    return (
        *_debug(settings),
        *_external_url(settings),
        *_database(settings),
        *_vault(settings),
        *_mail(settings),
        *_console(settings),
    )


def _debug(settings: Settings) -> Iterator[Refusal]:
    if settings.debug:
        yield Refusal("debug", text("false in production"), "true")


def _external_url(settings: Settings) -> Iterator[Refusal]:
    expected = text("https:// and a host name in production")
    if not settings.external_url:
        yield Refusal("external_url", expected, text("nothing"))
        return
    try:
        address = urlsplit(settings.external_url)
        good = address.scheme == "https" and bool(address.hostname) and address.username is None
        good = good and not address.query and not address.fragment and address.port != 0
    except ValueError:
        good = False
    if not good:
        yield Refusal("external_url", expected, text("another kind of address"))


def _vault(settings: Settings) -> Iterator[Refusal]:
    if settings.vault.provider == "file":
        yield Refusal("vault.provider", text("pkcs11 in production"), "file")


def _mail(settings: Settings) -> Iterator[Refusal]:
    if settings.mail.security == "none":
        yield Refusal("mail.security", text("starttls or implicit in production"), "none")


def _console(settings: Settings) -> Iterator[Refusal]:
    if not (settings.console.certificate_file and settings.console.private_key_file):
        expected = text("the certificate and private key of the console's host in production")
        yield Refusal("console.certificate_file", expected, text("nothing"))


def _database(settings: Settings) -> Iterator[Refusal]:
    if not settings.database.url:
        expected = text("the address of your own cluster in production")
        yield Refusal("database.url", expected, text("nothing (the embedded database)"))
        return
    # Imported where it is needed: it would triple the start of every command.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(settings.database.url).items()}
    except ProgrammingError:
        yield Refusal("database.url", "postgresql://host:port/database", text("another kind of address"))
        return
    if log_in := [name for name in _LOG_IN if name in parts]:
        yield Refusal("database.url", text("an address without a log-in"), ", ".join(log_in))
    if _inside(parts.get("host", ""), settings.database.embedded.directory):
        expected = text("the address of your own cluster in production")
        yield Refusal("database.url", expected, text("the socket of the embedded database"))
    if not _local(parts) and not _authenticated(parts):
        expected = text("sslmode=verify-full, verify-ca, or require with channel_binding=require")
        yield Refusal("database.url", expected, f"sslmode={parts.get('sslmode', 'prefer')}")


def _authenticated(parts: dict[str, str]) -> bool:
    """Return whether the connection is encrypted and the server proves who it is.

    ``require`` alone encrypts to anybody; with channel binding the SCRAM exchange proves the server.
    """
    mode = parts.get("sslmode")
    return mode in {"verify-full", "verify-ca"} or (mode == "require" and parts.get("channel_binding") == "require")


def _local(parts: dict[str, str]) -> bool:
    hosts = (parts.get("hostaddr") or parts.get("host", "")).split(",")
    return all(_is_local(host) for host in hosts)


def _is_local(host: str) -> bool:
    """Return whether *host* is a Unix socket (a path, an abstract name, or nothing) or the loopback."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _inside(host: str, folder: Path) -> bool:
    return host.startswith("/") and Path(host).is_relative_to(folder)
