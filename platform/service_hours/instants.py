"""Instants on the command line: read with their offset, or ``now``; shown as the wall clock in Tokyo."""

from __future__ import annotations

from datetime import datetime

import click
from typing_extensions import override

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.messages import text


class InstantType(click.ParamType[datetime]):
    """An instant in ISO 8601 with its offset from UTC, or the word ``now``; an aware datetime in Tokyo."""

    name = "instant"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return *value* as an instant.

        Raises:
            NaiveInstant: it has no offset.
            click.BadParameter: it is no instant, or one that no calendar holds.
        """
        if value == "now":
            return as_tokyo(SystemClock().now())
        try:
            return as_tokyo(datetime.fromisoformat(str(value)))
        except (ValueError, OverflowError):
            self.fail(text("it is not an instant"), param, ctx)


INSTANT = InstantType()


def instant_text(instant: datetime) -> str:
    """Return *instant* in ISO 8601 with Tokyo's offset: ``2019-06-16T13:00:00+09:00``."""
    return as_tokyo(instant).isoformat()
