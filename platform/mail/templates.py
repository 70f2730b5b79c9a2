"""Templates: catalogue texts with places of declared kinds, so that nothing personal can be written into a mail.

There is no kind for free text and none for a person's name, on purpose: a mail says that there is something
to read and where, and whoever may read it logs in there. Mails cross networks that are not ours.

Source: A0-043, A0-086 (no personal data in mails, and nobody reads replies).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from chukan.platform.clock import as_tokyo
from chukan.platform.mail.errors import ValueRefused
from chukan.platform.messages import mark, text

#: What a template's place may be given.
Value = str | int | date | datetime

_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# A person's number has 11 digits or more, however grouped (resident record code, Individual Number).
_LONG_NUMBER = re.compile(r"\d(?:[._-]*\d){10,}")
_PAGE = re.compile(r"/[A-Za-z0-9/_.~-]{0,200}")
_ORGANISATION_PUNCTUATION = frozenset(" \u3000・ー（）()-－")
#: Closes every mail.
_FOOTER = mark("This mail was sent automatically. Replies to it are read by nobody.")


class Kind(StrEnum):
    """What a place of a template may hold."""

    #: Name of an organisation: letters, no digits, at most 60.
    ORGANISATION = "organisation"
    #: A number or code of ours, of a ticket, device or notice; never 11 digits or more.
    REFERENCE = "reference"
    #: How many.
    COUNT = "count"
    DATE = "date"
    #: An instant, told as the wall clock in Tokyo shows it.
    INSTANT = "instant"
    #: A page of ours, as its path; the address before it is the setting ``external_url``.
    PAGE = "page"


@dataclass(frozen=True)
class Written:
    """A mail as it is read: subject (one line) and body."""

    subject: str
    body: str


@dataclass(frozen=True)
class Template:
    """One kind of mail: ``<feature>.<name>``, two catalogue texts, and the kind of each of their places.

    Raises:
        ValueError: it declares other places than its texts have; the program cannot be imported.
    """

    name: str
    subject: str
    body: str
    fields: Mapping[str, Kind]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not of the form <feature>.<name>")
        places = {place for part in (self.subject, self.body) for _, place, _, _ in string.Formatter().parse(part)}
        if places - {None} != set(self.fields):
            raise ValueError(f"{self.name} declares {sorted(self.fields)}")

    def write(self, values: Mapping[str, Value], *, site: str) -> Written:
        """Return the mail with *values* in the language that is spoken; *site* stands before pages.

        Raises:
            ValueRefused: a value is missing, is not declared, or is not of the declared kind.
        """
        for field in sorted(values.keys() ^ self.fields.keys()):
            raise ValueRefused(template=self.name, field=field, detail="missing or not declared")
        shown = {field: self._shown(field, kind, values[field], site) for field, kind in self.fields.items()}
        return Written(text(self.subject, **shown), f"{text(self.body, **shown)}\n\n{text(_FOOTER)}\n")

    def _shown(self, field: str, kind: Kind, value: Value, site: str) -> str:
        told = _told(kind, value, site)
        if told is None:
            raise ValueRefused(template=self.name, field=field, detail=f"not of the kind {kind}")
        return told


def _told(kind: Kind, value: Value, site: str) -> str | None:
    """Return *value* as it is written, or None if it is not of *kind*."""
    told: str | None = None
    match kind, value:
        case Kind.COUNT, int() if not isinstance(value, bool) and 0 <= value < 10**9:
            told = f"{value:,}"
        case Kind.INSTANT, datetime() if value.tzinfo is not None:
            told = text("{time} (Japan time)", time=as_tokyo(value).strftime("%Y-%m-%d %H:%M"))
        case Kind.DATE, date() if not isinstance(value, datetime):
            told = value.isoformat()
        case Kind.REFERENCE, str() if _REFERENCE.fullmatch(value) and not _LONG_NUMBER.search(value):
            told = value
        case Kind.PAGE, str() if _PAGE.fullmatch(value) and not _LONG_NUMBER.search(value):
            told = site.rstrip("/") + value
        case Kind.ORGANISATION, str() if _names_organisation(value):
            told = value
    return told


def _names_organisation(value: str) -> bool:
    letters = all(unicodedata.category(c)[0] in "LM" or c in _ORGANISATION_PUNCTUATION for c in value)
    return letters and bool(value.strip()) and len(value) <= 60


#: What ``chukan mail test`` sends.
TEST = Template(
    name="mail.test",
    subject=mark("Test of outgoing mail"),
    body=mark("The platform sent this mail at {sent_at} to see whether mail arrives. There is nothing to do."),
    fields={"sent_at": Kind.INSTANT},
)
