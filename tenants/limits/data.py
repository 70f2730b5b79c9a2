"""Reading the shipped limits: ``config/limits.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chukan.tenants.limits.errors import LimitsMalformed
from chukan.tenants.limits.inquiries import InquiryTerms
from chukan.tenants.limits.rules import LimitKind, UploadTerms

LIMITS_FILE = "limits.toml"
_Positive = Annotated[int, Field(gt=0)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sizes(_Data):
    bytes_per_kb: _Positive


class _Upload(_Data):
    kind: LimitKind
    flat_records: _Positive
    large_population: _Positive | None = None
    share_percent: _Positive
    kb_per_record: _Positive
    valid_from: date
    source: str


class _Inquiries(_Data):
    rows_per_request: _Positive
    overload_per_hour: _Positive
    most_per_hour: _Positive
    best_minutes_per_thousand: _Positive
    worst_minutes_per_thousand: _Positive
    valid_from: date
    source: str


class _LimitsFile(_Data):
    sizes: _Sizes
    upload: tuple[_Upload, ...]
    inquiries: tuple[_Inquiries, ...] = ()


@dataclass(frozen=True)
class Limits:
    """All terms, and how many bytes a kilobyte of theirs has."""

    upload: tuple[UploadTerms, ...]
    bytes_per_kb: int
    inquiries: tuple[InquiryTerms, ...] = ()

    def kilobytes(self, size: int) -> int:
        """Return the kilobytes that *size* bytes count as: a begun one is a whole one."""
        return -(-size // self.bytes_per_kb)


@cache
def shipped_limits() -> Limits:
    """Return the limits that the program ships.

    Raises:
        LimitsMalformed: the file is wrong.
    """
    return limits_of(tomllib.loads((files("chukan") / "config" / LIMITS_FILE).read_text("utf-8")))


def limits_of(content: Mapping[str, Any]) -> Limits:
    """Return the limits that the content of the file describes.

    Raises:
        LimitsMalformed: it is wrong, or states the terms of one kind twice from one day on.
    """
    try:
        stated = _LimitsFile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise LimitsMalformed(reason=f"{where}: {first['msg']}", detail=str(error)) from error
    terms = tuple(UploadTerms(**each.model_dump(exclude={"source"})) for each in stated.upload)
    known = {(each.kind, each.valid_from) for each in terms}
    if len(known) < len(terms):
        raise LimitsMalformed(reason="upload: the same kind twice from the same day on")
    inquiries = tuple(InquiryTerms(**each.model_dump(exclude={"source"})) for each in stated.inquiries)
    if len({each.valid_from for each in inquiries}) < len(inquiries):
        raise LimitsMalformed(reason="inquiries: twice from the same day on")
    if any(not each.is_ordered for each in inquiries):
        raise LimitsMalformed(reason="inquiries: the overload line or the best case lies above its counterpart")
    return Limits(terms, stated.sizes.bytes_per_kb, inquiries)
