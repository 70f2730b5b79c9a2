"""Reading how inquiries leave: ``config/inquiries.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.inquiries import inquiry_terms_on
from chukan.tenants.middleserver.inquiries.errors import InquiryDataMalformed
from chukan.tenants.middleserver.inquiries.pacing import Pacing, Together

DATA_FILE = "inquiries.toml"
_Positive = Annotated[int, Field(gt=0)]


class WhenClosed(StrEnum):
    """What becomes of a list that is registered while the service is closed."""

    REFUSED = "refused"
    HELD = "held"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Pacing(_Data):
    window_share: _Positive
    portion: _Positive
    settle_minutes: _Positive
    opening_minutes: Annotated[int, Field(ge=0, le=120)]
    when_closed: WhenClosed


class _Together(_Data):
    line_seconds: Annotated[float, Field(gt=0, le=60)]
    silent_seconds: Annotated[float, Field(ge=1, le=600)]
    least: _Positive
    most: _Positive


class _Expiry(_Data):
    notice_business_days: _Positive
    grace_hours: Annotated[int, Field(ge=0)]


class _Retention(_Data):
    answer_days: _Positive
    valid_from: date


class InquiryData(_Data):
    """What the file says."""

    pacing: _Pacing
    together: _Together
    expiry: _Expiry
    retention: Annotated[tuple[_Retention, ...], Field(min_length=1)]

    def pacing_on(self, day: date) -> Pacing:
        """Return by which numbers inquiries leave on *day* (Asia/Tokyo).

        Raises:
            InquiryLimitUnknown: no limits hold on that day.
        """
        terms = inquiry_terms_on(shipped_limits().inquiries, day)
        stated = self.pacing
        return Pacing.of(
            terms,
            window_share=stated.window_share,
            portion=stated.portion,
            settle_minutes=stated.settle_minutes,
        )

    @property
    def of_all_lists(self) -> Together:
        """The ceiling of what lists of all organisations have under way together."""
        stated = self.together
        return Together(
            line=timedelta(seconds=stated.line_seconds),
            least=stated.least,
            most=max(stated.least, stated.most),
            silent=timedelta(seconds=stated.silent_seconds),
        )

    def answers_kept(self, day: date) -> timedelta:
        """Return for how long what a provider gave is kept on *day* (Asia/Tokyo)."""
        held = [each for each in self.retention if each.valid_from <= day] or [self.retention[0]]
        return timedelta(days=max(held, key=lambda each: each.valid_from).answer_days)

    @property
    def grace(self) -> timedelta:
        """How long the network may stay silent after the last day."""
        return timedelta(hours=self.expiry.grace_hours)


@cache
def shipped_data() -> InquiryData:
    """Return what the program ships.

    Raises:
        InquiryDataMalformed: the file is wrong.
    """
    return data_of(tomllib.loads((files("chukan") / "config" / DATA_FILE).read_text("utf-8")))


def data_of(content: Mapping[str, Any]) -> InquiryData:
    """Return what the content of the file says.

    Raises:
        InquiryDataMalformed: it is wrong.
    """
    try:
        return InquiryData.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InquiryDataMalformed(reason=f"{where}: {first['msg']}", detail=str(error)) from error
