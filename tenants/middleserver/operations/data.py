"""Reading what is shipped: ``config/night_batch.toml``, ``config/retention.toml`` and ``config/escalation.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chukan.tenants.middleserver.operations.campaigns.rules import EscalationStep, Lack
from chukan.tenants.middleserver.operations.errors import OperationsMalformed
from chukan.tenants.middleserver.operations.rules import NightTerms, Precedence

NIGHTS_FILE, RETENTION_FILE, ESCALATION_FILE = "night_batch.toml", "retention.toml", "escalation.toml"
_Positive = Annotated[int, Field(gt=0)]


class Kept(StrEnum):
    """What is kept for a time."""

    ERROR_REPORTS = "error_reports"
    ABANDONED_UPLOADS = "abandoned_uploads"
    UPLOAD_PROJECTIONS = "upload_projections"
    EXCHANGE_HOURS = "exchange_hours"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Night(_Data):
    opens: time
    closes: time
    turn_minutes: _Positive
    order: Annotated[tuple[Precedence, ...], Field(min_length=1)]
    valid_from: date
    source: str


class _Nights(_Data):
    night: Annotated[tuple[_Night, ...], Field(min_length=1)]


class _Keep(_Data):
    what: Kept
    days: _Positive
    valid_from: date


class _Retention(_Data):
    keep: tuple[_Keep, ...]


class _Step(_Data):
    days_before_due: Annotated[int, Field(ge=0)]
    lacks: Lack


class _Escalation(_Data):
    valid_from: date
    source: str
    step: Annotated[tuple[_Step, ...], Field(min_length=1)]


class _Escalations(_Data):
    escalation: tuple[_Escalation, ...]


@cache
def shipped_nights() -> tuple[NightTerms, ...]:
    """Return the nights that the program ships; raises ``OperationsMalformed``."""
    return nights_of(_content(NIGHTS_FILE))


def nights_of(content: Mapping[str, Any]) -> tuple[NightTerms, ...]:
    """Return the nights that *content* describes.

    Raises:
        OperationsMalformed: it is wrong, or a night is stated twice or opens and closes at once.
    """
    try:
        stated = _Nights.model_validate(content).night
    except ValidationError as error:
        raise _malformed(NIGHTS_FILE, error) from error
    if len({each.valid_from for each in stated}) < len(stated) or any(each.opens == each.closes for each in stated):
        raise OperationsMalformed(file=NIGHTS_FILE, reason="night: valid_from twice, or no time between its times")
    return tuple(
        NightTerms(each.opens, each.closes, timedelta(minutes=each.turn_minutes), each.order, each.valid_from)
        for each in stated
    )


def kept_for(what: Kept, day: date) -> timedelta:
    """Return how long *what* is kept, as it holds on *day*; raises ``OperationsMalformed``."""
    held = [each for each in _keeps() if each.what is what and each.valid_from <= day]
    if not held:
        raise OperationsMalformed(file=RETENTION_FILE, reason=f"{what.value}: nothing holds on {day}")
    return timedelta(days=max(held, key=lambda each: each.valid_from).days)


def escalation_steps(day: date) -> tuple[EscalationStep, ...]:
    """Return when who is behind with a campaign, as it holds on *day*: nobody before the first entry.

    Raises:
        OperationsMalformed: the shipped file is wrong.
    """
    held = [each for each in _escalations() if each.valid_from <= day]
    if not held:
        return ()
    newest = max(held, key=lambda each: each.valid_from)
    return tuple(EscalationStep(each.days_before_due, each.lacks) for each in newest.step)


@cache
def _escalations() -> Sequence[_Escalation]:
    try:
        return _Escalations.model_validate(_content(ESCALATION_FILE)).escalation
    except ValidationError as error:
        raise _malformed(ESCALATION_FILE, error) from error


@cache
def _keeps() -> Sequence[_Keep]:
    try:
        return _Retention.model_validate(_content(RETENTION_FILE)).keep
    except ValidationError as error:
        raise _malformed(RETENTION_FILE, error) from error


def _content(file: str) -> Mapping[str, Any]:
    return tomllib.loads((files("chukan") / "config" / file).read_text("utf-8"))


def _malformed(file: str, error: ValidationError) -> OperationsMalformed:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return OperationsMalformed(file=file, reason=f"{where}: {first['msg']}", detail=str(error))
