"""Pure rules of the logs: what of a value may be written, and which files are too old."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from uuid import UUID

from chukan.platform.clock import TOKYO, as_tokyo
from chukan.platform.logs.fields import FIELDS, Kind

Scalar = str | int | float | bool
MASK = "[masked]"
LONGEST = 1000
MOST = 100
SUFFIX = ".jsonl"

# Resident record codes have 11 digits, Individual Numbers 12, corporate numbers 13; in any script's digits,
# together or in groups, between which stand blanks, the dashes of Japanese keyboards, or nothing visible.
_BETWEEN = r"[\s\-\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\u30fc\ufe63\uff0d\uff70\ufeff]{0,3}"
_LONG_NUMBER = re.compile(rf"\d(?:{_BETWEEN}\d){{10,}}")
# Standing by itself, of 11 to 13 digits: longer and mixed ones are random ids of ours.
_PERSONS_NUMBER = re.compile(r"(?<![0-9A-Za-z])\d(?:-?\d){10,12}(?![0-9A-Za-z])")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,63}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FILE = re.compile(r"[a-z][a-z0-9_-]*\.(\d{4}-\d{2}-\d{2})\.jsonl")


class NotAllowed(Exception):
    """The value has no place in a log line; the field is dropped."""


def masked(value: str) -> str:
    """Return *value* with every run of 11 or more digits masked, however grouped, and cut at ``LONGEST``.

    Source: A3-021.
    """
    return _LONG_NUMBER.sub(MASK, value[: 4 * LONGEST])[:LONGEST]


def cleaned(name: str, value: object) -> Scalar | list[str]:
    """Return what of *value* may be written under the field *name*.

    Raises:
        NotAllowed: there is no such field, or the value is of a type that could hold anything.
    """
    if name not in FIELDS:
        raise NotAllowed
    match FIELDS[name].kind:
        case Kind.ID:
            return _identifier(value)
        case Kind.NUMBER:
            return _number(value)
        case Kind.TEXT:
            return masked(_plain(value))
        case Kind.TEXTS:
            if not isinstance(value, list | tuple):
                raise NotAllowed
            return [masked(_plain(item)) for item in value[:MOST]]


def canonical(identifier: str) -> str:
    """Return *identifier* as it is compared: a UUID in its usual form, anything else unchanged."""
    try:
        return str(UUID(identifier)) if "-" in identifier else identifier
    except ValueError:
        return identifier


def file_name(process: str, at: datetime) -> str:
    """Return the name of the file for lines that *process* writes at *at*: one a day of Asia/Tokyo."""
    return f"{process}.{as_tokyo(at).date().isoformat()}{SUFFIX}"


def day_of(name: str) -> date | None:
    """Return the day in Asia/Tokyo that the log file *name* holds, or None if it is no log file of ours."""
    found = _FILE.fullmatch(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def expired(files: Iterable[str], *, now: datetime, retention: timedelta) -> list[str]:
    """Return which of the *files* (names) ended *retention* or longer ago; foreign files never do."""
    return [name for name in files if (day := day_of(name)) and _end(day) + retention <= now]


def _end(day: date) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=TOKYO)
    return (midnight + timedelta(days=1)).astimezone(UTC)


def _identifier(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise NotAllowed
    token = canonical(str(value))
    if not _UUID.fullmatch(token) and (not _TOKEN.fullmatch(token) or _PERSONS_NUMBER.search(token)):
        raise NotAllowed
    return token


def _number(value: object) -> int | float | bool:
    if isinstance(value, timedelta):
        raise NotAllowed  # the unit is in the field's name, so the caller must convert
    if not isinstance(value, int | float) or not -1e10 < value < 1e10:
        raise NotAllowed
    return round(value, 3) if isinstance(value, float) else value


def _plain(value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str | int | float | UUID | PurePath):
        return str(value)
    raise NotAllowed
