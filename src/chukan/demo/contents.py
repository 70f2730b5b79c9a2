"""What the demonstration is made of: ``config/demonstration.toml``, validated whole when it is read."""

from __future__ import annotations

import tomllib
from datetime import date, time
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict

from chukan.platform.accounts.rules import Role
from chukan.tenants.registry.values import Kind

FILE = "demonstration.toml"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InventedOperator(_Data):
    """A person who can log in to the demonstration."""

    login: str
    name: str
    number: str
    roles: tuple[Role, ...]


class InventedUnion(_Data):
    """A union that does not exist, of members that do (their codes)."""

    name: str
    kana: str
    kind: Kind
    prefecture: str
    members: tuple[str, ...]


class ToProvision(_Data):
    """Who gets a tenant, in this order: so many of the unions, then these codes."""

    unions: int
    codes: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many tenants that are."""
        return self.unions + len(self.codes)


class SundayOutage(_Data):
    """The planned outage: wall-clock times in Tokyo, and a window in it in which the ordinary hours hold."""

    start: time
    end: time
    exception_start: time
    exception_end: time
    description: str


class FirstMail(_Data):
    """To whom the mail goes that shows that mail leaves."""

    recipient: str


class Municipality(_Data):
    """A municipality that exchanges data here, and an invented population of it."""

    code: str
    population: int


class ExchangedCopies(_Data):
    """What `chukan demo copies` does, and for whom: *residents* of each municipality, all of them invented."""

    residents: int
    packages: int
    department: str
    system: str
    population_as_of: date
    population_source: str
    #: The first of them also sends the files with the mistakes.
    municipalities: tuple[Municipality, ...]


class Asking(_Data):
    """What is asked for, and in which procedure: codes of the masters."""

    affair: str
    procedure: str
    information: str


class ExchangedInquiries(_Data):
    """What `chukan demo exchange` asks of the first municipality of the copies, in the name of the second."""

    moved: int
    listed: int
    per_second: float
    answered: Asking
    missing: Asking
    refused: Asking


class Contents(_Data):
    """All of it."""

    operators: tuple[InventedOperator, ...]
    unions: tuple[InventedUnion, ...]
    provisioned: ToProvision
    outage: SundayOutage
    mail: FirstMail
    copies: ExchangedCopies
    inquiries: ExchangedInquiries


def contents_of(document: dict[str, Any]) -> Contents:
    """Return the contents that *document* (parsed TOML) describes.

    Raises:
        pydantic.ValidationError: something in it is missing, unknown or wrong.
    """
    return Contents.model_validate(document)


@cache
def shipped_contents() -> Contents:
    """Return the contents that come with the program; raises as ``contents_of``."""
    return contents_of(tomllib.loads((files("chukan") / "config" / FILE).read_text("utf-8")))
