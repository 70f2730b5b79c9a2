"""What an audit entry is, its canonical text, its hash, and when missing seals stop the exchange.

The database function that appends (migration 0003) hashes the same bytes; a test compares both.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from chukan.platform.audit.errors import EntryMalformed
from chukan.platform.audit.ports import Masker

#: Stands first in what is hashed; another layout gets another number.
FORMAT = "chukan-audit-1"
#: What the first entry of a chain has as the hash of its predecessor.
GENESIS = bytes(32)
#: The database refuses longer bodies: an entry says what was done, it does not carry it.
MAX_BODY_BYTES = 65_536

_ACTION = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")
_REFERENCE = re.compile(r"[a-z][a-z0-9_]*:[^\s:][^\s]{0,199}")
_REQUEST = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Outcome(StrEnum):
    """How the act ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Action(StrEnum):
    """The root of the features' actions, each of the form ``<scope>:<resource>:<action>``.

    A feature declares its own: ``class VaultAction(Action): ROTATE = "vault:wrapping_key:rotate"``.
    """

    def __new__(cls, value: str) -> Self:
        """Return the member of *value*.

        Raises:
            ValueError: *value* has another form; the class cannot be defined.
        """
        if _ACTION.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not of the form <scope>:<resource>:<action>")
        member = str.__new__(cls, value)
        member._value_ = value
        return member


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal value in an entry's detail: only its mask is recorded, and nothing prints it."""

    kind: str
    value: str = field(repr=False)


Scalar = str | int | bool | None
#: What an entry's detail may hold; no floats, whose text is not one and the same everywhere.
Detail = Scalar | Personal | Sequence["Detail"] | Mapping[str, "Detail"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what, how it ended, in which request.

    ``actor`` and ``subject`` are ``<kind>:<id>`` (``operator:…``, ``system:<os user>``, ``tenant:…``) and
    never personal; what is personal stands in ``detail`` as ``Personal``.

    Raises:
        EntryMalformed: actor, subject or request has another form.
    """

    actor: str
    action: Action
    subject: str
    request: str
    outcome: Outcome = Outcome.DONE
    detail: Mapping[str, Detail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, form in (
            ("actor", self.actor, _REFERENCE),
            ("subject", self.subject, _REFERENCE),
            ("request", self.request, _REQUEST),
        ):
            if form.fullmatch(value) is None:
                raise EntryMalformed(detail=f"{name} is {value!r}")


def canonical_body(entry: AuditEntry, masker: Masker | None = None) -> str:
    """Return the text that is stored and hashed for *entry*: canonical JSON with personal values masked.

    Raises:
        EntryMalformed: the detail holds something that has no canonical text, is personal while
            there is no masker, or the text is longer than ``MAX_BODY_BYTES``.
    """
    body = canonical_json(
        {
            "action": entry.action.value,
            "actor": entry.actor,
            "detail": _plain(entry.detail, masker),
            "outcome": entry.outcome.value,
            "request": entry.request,
            "subject": entry.subject,
        }
    )
    if len(body.encode()) > MAX_BODY_BYTES:
        raise EntryMalformed(detail=f"the body of {entry.action} is longer than {MAX_BODY_BYTES} bytes")
    return body


def canonical_json(value: object) -> str:
    """Return *value* as JSON in the one form that is hashed and signed: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: object, masker: Masker | None) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _normal(value)
    if isinstance(value, Personal):
        if masker is None:
            raise EntryMalformed(detail=f"a personal value ({value.kind}) came without a masker")
        return _normal(f"{value.kind}:{masker.mask(value.kind, value.value)}")
    if isinstance(value, Mapping):
        plain = {_normal(key): _plain(item, masker) for key, item in value.items()}
        if len(plain) != len(value):
            raise EntryMalformed(detail="two keys of a detail are the same after normalisation")
        return plain
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item, masker) for item in value]
    raise EntryMalformed(detail=f"a detail holds {type(value).__name__}")


def _normal(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise EntryMalformed(detail="a text holds NUL or half a character")
    return unicodedata.normalize("NFC", value)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One row of the trail as it is hashed; ``recorded_at`` is the text of ``instant_text``."""

    chain: UUID
    seq: int
    recorded_at: str
    login: str
    body: str
    prev: bytes
    hash: bytes


def instant_text(instant: datetime) -> str:
    """Return *instant* in UTC with microseconds, as it is hashed: ``2026-11-21T01:02:03.000004Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry_hash(entry: StoredEntry, *, seq: int | None = None) -> bytes:
    """Return the hash (32 bytes) that *entry* ought to have, or would have if it were number *seq*.

    The log-in is the one free text before the body, so its length in bytes stands before it: no two
    different entries have the same bytes.
    """
    login = entry.login.encode()
    place = f"{FORMAT}\n{entry.chain}\n{entry.seq if seq is None else seq}\n{entry.recorded_at}\n{len(login)}\n"
    return hashlib.sha256(b"".join((b"\x00", entry.prev, place.encode(), login, b"\n", entry.body.encode()))).digest()


class Freshness(StrEnum):
    """What the age of the oldest unsealed entry means."""

    OK = "ok"
    ALARM = "alarm"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class FreshnessLimits:
    """From which age on unsealed entries raise the alarm, and from which they stop the exchange."""

    alarm_after: timedelta
    stop_after: timedelta


def freshness(oldest_unsealed_at: datetime | None, now: datetime, limits: FreshnessLimits) -> Freshness:
    """Return what it means that the oldest entry without an anchored seal is from *oldest_unsealed_at*.

    None stands for no such entry. Both instants are the database's.
    """
    if oldest_unsealed_at is None:
        return Freshness.OK
    age = now - oldest_unsealed_at
    if age >= limits.stop_after:
        return Freshness.STOPPED
    return Freshness.ALARM if age >= limits.alarm_after else Freshness.OK
