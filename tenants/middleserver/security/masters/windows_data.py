"""Reading ``config/change_windows.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chukan.tenants.middleserver.security.masters.errors import PackageMalformed
from chukan.tenants.middleserver.security.masters.windows import ChangeWindow

FILE = "change_windows.toml"


class _Window(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern=r"^[0-9]{4}\.[0-9]{2}$")]
    opens_on: date
    closes_on: date


class _Windows(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: tuple[_Window, ...]


@cache
def shipped_windows() -> tuple[ChangeWindow, ...]:
    """Return the windows that the program ships, the earliest first; raises as ``windows_of``."""
    return windows_of(tomllib.loads((files("chukan") / "config" / FILE).read_text("utf-8")))


def windows_of(content: Mapping[str, Any]) -> tuple[ChangeWindow, ...]:
    """Return the windows that *content* describes, the earliest first.

    Raises:
        PackageMalformed: it is wrong, a version has two windows, or a window closes before it opens.
    """
    try:
        stated = _Windows.model_validate(content).window
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise PackageMalformed(place=FILE, reason=reason, detail=str(error)) from error
    twice = len({each.version for each in stated}) < len(stated)
    if twice or any(each.closes_on <= each.opens_on for each in stated):
        raise PackageMalformed(place=FILE, reason="window: a version twice, or no day between its days")
    made = [ChangeWindow(each.version, each.opens_on, each.closes_on) for each in stated]
    return tuple(sorted(made, key=lambda each: each.opens_on))
