"""The pure part of the vault: what a sealed value looks like, and what it is bound to.

A sealed value is ``0x01 | key version u32 | nonce 12 | ciphertext and tag``. Its additional data names
tenant, table, column, key version and row, each with its length before it, so that no two places ever
share an encoding and a value moved to another place does not open.

Source: A0-130 (separation), A0-142 item 5.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from typing_extensions import override

from chukan.platform.identifiers import TenantId

FORMAT = 0x01
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
HEADER_BYTES = 5
#: What sealing adds to a plaintext, in bytes.
OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES

#: How a row is told from others of its table: its primary key.
RowId = UUID | int | str


class Purpose(StrEnum):
    """What a data key is for: sealing content, or the blind index over it."""

    CONTENT = "content"
    INDEX = "index"


class KeyState(StrEnum):
    """Where a data key stands: active (writes) → retiring (being replaced) → retired; destroyed ends all.

    A retired key still opens what it sealed, since a restored backup may hold such rows.
    """

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class KeyUse(StrEnum):
    """What a key of the provider is for."""

    WRAPPING = "wrapping"
    SIGNING = "signing"
    MASKING = "masking"


@dataclass(frozen=True)
class Place:
    """Where a sealed value belongs: a column of one row of a table, named without its schema."""

    table: str
    column: str
    row: RowId

    @override
    def __str__(self) -> str:
        """Return table and column; the row may identify a person and is left out."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class EncryptedColumn:
    """A column of the tenants' schemas that holds sealed values; features declare theirs."""

    table: str
    column: str
    id_column: str = "id"


class Sealed(NamedTuple):
    """The parts of a sealed value."""

    version: int
    nonce: bytes
    ciphertext: bytes


def framed(*parts: bytes) -> bytes:
    """Return *parts* joined, each after its length (u32, big-endian): an injective encoding."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def column_context(tenant: TenantId, table: str, column: str, version: int) -> bytes:
    """Return the part of the additional data that all rows of one column share under one key version."""
    return framed(tenant.bytes, table.encode(), column.encode(), version.to_bytes(4, "big"))


def row_context(row: RowId) -> bytes:
    """Return the part of the additional data that names the row."""
    name = str(row).encode()
    return len(name).to_bytes(4, "big") + name


def header(version: int) -> bytes:
    """Return the five bytes that a value sealed under key *version* begins with.

    Raises:
        OverflowError: *version* is negative or needs more than 32 bits.
    """
    return bytes((FORMAT,)) + version.to_bytes(4, "big")


def unpack(sealed: bytes) -> Sealed | None:
    """Return the parts of *sealed*, or None if it cannot be a sealed value."""
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != FORMAT:
        return None
    nonce_end = HEADER_BYTES + NONCE_BYTES
    return Sealed(
        version=int.from_bytes(sealed[1:HEADER_BYTES], "big"),
        nonce=sealed[HEADER_BYTES:nonce_end],
        ciphertext=sealed[nonce_end:],
    )


def key_context(owner: TenantId, purpose: Purpose, version: int) -> bytes:
    """Return what a wrapped data key is bound to."""
    return framed(owner.bytes, purpose.value.encode(), version.to_bytes(4, "big"))


def index_input(field: str, value: str) -> bytes:
    """Return what the blind index of *field* is computed over.

    The value is normalised by NFKC and nothing else, so that full-width and half-width digits meet;
    case and blanks stay. Distinct characters may meet too (compatibility ideographs), so an index hit is a
    candidate whose opened value the caller compares.
    """
    return framed(field.encode(), unicodedata.normalize("NFKC", value).encode())


_STAMP = "%Y%m%dT%H%M%S%fZ"
_KEY_ID = re.compile(r"(?P<use>wrapping|signing|masking)-(?P<stamp>\d{8}T\d{12}Z)-[0-9a-f]{8}")


def new_key_id(use: KeyUse, *, now: datetime, after: str | None, random: str) -> str:
    """Return the id of a provider's new key: use, instant of creation in UTC, eight hex digits of *random*.

    Ids sort by age. If the clock went back behind the newest key *after*, one microsecond is added to that
    key's instant, so that the newest key is always the last.
    """
    instant = now.astimezone(UTC)
    if after is not None:
        instant = max(instant, created_at(after) + timedelta(microseconds=1))
    return f"{use.value}-{instant.strftime(_STAMP)}-{random}"


def is_key_id(text: str, use: KeyUse) -> bool:
    """Return whether *text* is the id of a provider's key for *use*."""
    found = _KEY_ID.fullmatch(text)
    return found is not None and found["use"] == use.value


def created_at(key_id: str) -> datetime:
    """Return the instant (UTC) at which the provider's key *key_id* was made.

    Raises:
        ValueError: *key_id* has not the form of ``new_key_id``.
    """
    found = _KEY_ID.fullmatch(key_id)
    if found is None:
        raise ValueError(key_id)
    return datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=UTC)
