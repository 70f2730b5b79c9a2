"""The limits in ``config/accounts.toml``: lengths, lifetimes and delays, validated whole when they are read."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chukan.platform.accounts.errors import RolesInvalid
from chukan.platform.accounts.rules import DelayKind, DelayPolicy, SessionKind, SessionPolicy

FILE = "accounts.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PasswordLimits(_Section):
    """Lengths of passwords in characters, and what a guess costs (argon2id)."""

    minimum_length: int = Field(ge=8)
    maximum_length: int = Field(ge=64, le=1024)
    time_cost: int = Field(ge=1)
    memory_kib: int = Field(ge=64)
    parallelism: int = Field(ge=1, le=16)


class TokenLimits(_Section):
    """How long an invitation works."""

    valid_minutes: int = Field(ge=1, le=60)

    @property
    def valid(self) -> timedelta:
        """The same as a duration."""
        return timedelta(minutes=self.valid_minutes)


class SessionLimits(_Section):
    """How long one kind of session lives."""

    idle_minutes: int = Field(ge=1)
    absolute_minutes: int = Field(ge=1, le=1440)

    @property
    def policy(self) -> SessionPolicy:
        """The same as the rules take it."""
        return SessionPolicy(timedelta(minutes=self.idle_minutes), timedelta(minutes=self.absolute_minutes))


class DelayLimits(_Section):
    """How failures of one kind slow down the next attempt."""

    free_failures: int = Field(ge=0)
    first_seconds: int = Field(ge=1)
    longest_seconds: int = Field(ge=1, le=3600)
    forget_minutes: int = Field(ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.first_seconds <= self.longest_seconds < self.forget_minutes * 60:
            raise ValueError("first_seconds, longest_seconds and forget_minutes go up in this order")
        return self

    @property
    def policy(self) -> DelayPolicy:
        """The same as the rules take it."""
        return DelayPolicy(
            self.free_failures,
            timedelta(seconds=self.first_seconds),
            timedelta(seconds=self.longest_seconds),
            timedelta(minutes=self.forget_minutes),
        )


class Sessions(_Section):
    """The limits of each kind of session."""

    console: SessionLimits
    command_line: SessionLimits


class Delays(_Section):
    """The limits of each kind of delay."""

    account: DelayLimits
    device: DelayLimits
    address: DelayLimits


class FourEyesLimits(_Section):
    """How long a request waits for a second person, and then for being carried out."""

    valid_hours: int = Field(ge=1, le=24 * 31)

    @property
    def valid(self) -> timedelta:
        """The same as a duration."""
        return timedelta(hours=self.valid_hours)


class HousekeepingLimits(_Section):
    """How long what has ended is kept."""

    keep_ended_days: int = Field(ge=1)


class Limits(_Section):
    """All of them."""

    passwords: PasswordLimits
    tokens: TokenLimits
    sessions: Sessions
    delays: Delays
    four_eyes: FourEyesLimits
    housekeeping: HousekeepingLimits

    def session(self, kind: SessionKind) -> SessionPolicy:
        """Return how long a session of *kind* lives."""
        chosen: SessionLimits = getattr(self.sessions, kind.value)
        return chosen.policy

    def delay(self, kind: DelayKind) -> DelayPolicy:
        """Return how failures of *kind* slow down the next attempt."""
        chosen: DelayLimits = getattr(self.delays, kind.value)
        return chosen.policy

    @property
    def longest_memory(self) -> timedelta:
        """From which age on no failure counts, of whatever kind."""
        return max(self.delay(kind).forget_after for kind in DelayKind)


def limits_of(document: str) -> Limits:
    """Return the limits that *document* (TOML) holds.

    Raises:
        RolesInvalid: it is no TOML, or a limit is missing, unknown or out of bounds; all of them are named.
    """
    try:
        return Limits.model_validate(tomllib.loads(document))
    except tomllib.TOMLDecodeError as error:
        raise RolesInvalid(file=FILE, reasons=str(error)) from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise RolesInvalid(file=FILE, reasons="; ".join(wrong)) from error


@cache
def shipped_limits() -> Limits:
    """Return the limits that the program ships; raises as ``limits_of``."""
    return limits_of((files("chukan") / "config" / FILE).read_text("utf-8"))
