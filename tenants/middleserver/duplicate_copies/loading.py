"""Packing staged records for COPY BINARY: each sealed for its row, found by the blind index of its person.

The row's other fields are sealed with the content, so that a row whose plain columns were changed is found out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from hashlib import blake2b

from sqlalchemy import Connection

from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies.records import DELETION, Right
from chukan.tenants.middleserver.duplicate_copies.rules import copy_ids
from chukan.tenants.middleserver.duplicate_copies.store import Upload

TABLE, COLUMN = "duplicate_copy", "content"
#: Stands between the fields of a sealed row; no field may hold it.
SEPARATOR = "\x1f"
_INDEX_BYTES = 16
_DAY_ZERO = date(2000, 1, 1)
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
#: Count of fields, then each field after its length: id, person, key, information, dataset, version, from.
_FIXED = struct.Struct(">hiqi16si16sihihihii")
_ENDLESS = struct.Struct(">ii?i").pack
_ENDING = struct.Struct(">iii?i").pack


def person_index(vault: Vault, tenant: TenantId, address: str) -> bytes:
    """Return the 16 bytes by which the rows of an address number are found; a hit is a candidate."""
    return vault.blind_index(tenant, "duplicate_copy.address", address)[:_INDEX_BYTES]


def sealed_prefix(form: str, information: int, dataset: int) -> str:
    """Return what the sealed part of a row begins with."""
    return f"{form}{SEPARATOR}{information}{SEPARATOR}{dataset}{SEPARATOR}"


class Packer:
    """Packs the records of one upload."""

    def __init__(self, vault: Vault, tenant: TenantId, upload: Upload) -> None:
        if upload.number is None:
            raise ValueError(upload.id)
        self._vault = vault
        self._tenant = tenant
        self._upload = upload
        self._first = copy_ids(upload.number)[0]
        self._seal = vault.column(tenant, TABLE, COLUMN).seal
        self._prefix = sealed_prefix(upload.form.value, upload.information, upload.dataset)
        # A key of its own, derived from the tenant's index key: one keyed hash a row instead of two.
        self._keyed = blake2b(digest_size=_INDEX_BYTES, key=vault.blind_index(tenant, "duplicate_copy.key", "subkey"))
        self._keyed.update(f"{upload.information}/{upload.dataset}/".encode())
        self._address, self._person = "", b""

    def pack(self, rows: Iterable[tuple[int, Right]]) -> bytes:
        """Return *rows* (place in the file, record) as the body of one COPY BINARY."""
        # Once a record: names are looked up once a chunk, and nothing is called that need not be.
        first, prefix, seal, days, fixed = self._first, self._prefix, self._seal, _days, _FIXED.pack
        information, dataset, keyed = self._upload.information, self._upload.dataset, self._keyed
        parts = [_HEADER]
        for place, right in rows:
            _, segment, address, key, version, _, begins, ends, _, _ = right
            row = first + place
            sealed = seal(row, (prefix + SEPARATOR.join(right[1:])).encode())
            if address != self._address:
                # The records of one person mostly follow one another.
                self._address, self._person = address, person_index(self._vault, self._tenant, address)
            hashed = keyed.copy()
            hashed.update(f"{version}/{address}/{key}".encode())
            head = fixed(
                10, 8, row, 16, self._person, 16, hashed.digest(),
                2, information, 2, dataset, 2, int(version), 4, days(begins),
            )  # fmt: skip
            parts.append(head)
            deleted = segment == DELETION
            parts.append(
                _ENDING(4, days(ends), 1, deleted, len(sealed)) if ends else _ENDLESS(-1, 1, deleted, len(sealed))
            )
            parts.append(sealed)
        parts.append(_TRAILER)
        return b"".join(parts)


def load(connection: Connection, packed: bytes) -> None:
    """Copy what was packed into the tenant's table, in the transaction of *connection*."""
    with (
        driver(connection).cursor() as cursor,
        cursor.copy(
            "copy duplicate_copy (id, person, key, information, dataset, version, published_from, published_to, "
            "deleted, content) from stdin (format binary)"
        ) as copy,
    ):
        copy.write(packed)


@lru_cache(maxsize=4096)
def _days(day: str) -> int:
    return (date.fromisoformat(day) - _DAY_ZERO).days
