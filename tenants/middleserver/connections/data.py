"""What ships as data: the rates and the numbers of test persons."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chukan.tenants.middleserver.connections.errors import ConnectionDataMalformed
from chukan.tenants.middleserver.connections.rules import Rate, RateKind, TestPersons

RATES_FILE = "rates.toml"
PERSONS_FILE = "test_persons.toml"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Rate(_Data):
    kind: RateKind
    requests: int = Field(gt=0)
    seconds: int = Field(gt=0)
    valid_from: date


class _RatesFile(_Data):
    rates: tuple[_Rate, ...]


class _Persons(_Data):
    first: str = Field(pattern=r"^[0-9]{15}$")
    last: str = Field(pattern=r"^[0-9]{15}$")


class _PersonsFile(_Data):
    test_persons: _Persons


_File = TypeVar("_File", bound=_Data)


@cache
def shipped_rates() -> tuple[Rate, ...]:
    """Return the rates that the program ships; raises ConnectionDataMalformed."""
    return rates_of(_content(RATES_FILE))


@cache
def shipped_test_persons() -> TestPersons:
    """Return the numbers of test persons; raises ConnectionDataMalformed."""
    stated = _read(_PersonsFile, _content(PERSONS_FILE), PERSONS_FILE).test_persons
    return TestPersons(stated.first, stated.last)


def rates_of(content: Mapping[str, Any]) -> tuple[Rate, ...]:
    """Return the rates that the content of the file describes.

    Raises:
        ConnectionDataMalformed: it is wrong, states a kind twice from one day on, or leaves a kind out.
    """
    stated = _read(_RatesFile, content, RATES_FILE).rates
    known = {(each.kind, each.valid_from) for each in stated}
    if len(known) < len(stated) or {kind for kind, _ in known} != set(RateKind):
        raise ConnectionDataMalformed(
            file=RATES_FILE, reason="rates: a kind twice from one day on, or one that is missing"
        )
    return tuple(Rate(each.kind, each.requests, timedelta(seconds=each.seconds), each.valid_from) for each in stated)


def _content(file: str) -> Mapping[str, Any]:
    return tomllib.loads((files("chukan") / "config" / file).read_text("utf-8"))


def _read(form: type[_File], content: Mapping[str, Any], file: str) -> _File:
    try:
        return form.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ConnectionDataMalformed(file=file, reason=reason, detail=str(error)) from error
