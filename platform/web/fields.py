"""Form fields that WTForms does not have: a day, an instant, and a word that is typed to confirm.

The inputs of a day share the field's name and arrive as a list in their order: year, month, day. The first one takes a
whole day as well, and any year that people write (令和8, R8, 2026). All refuse with messages of the catalogue.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from typing_extensions import override
from wtforms import Field, SelectMultipleField, StringField
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput

from chukan.platform.clock import as_tokyo
from chukan.platform.errors import ChukanError
from chukan.platform.messages import mark, text
from chukan.platform.web.dates import instant_on, japanese_year, parse_day, parse_time

TYPED_WRONG = mark("What you typed is not the same.")


class DayField(Field):
    """A day, asked for in three inputs; ``data`` is a ``date`` or None."""

    #: How many inputs hold the day, in front of those that a field below may add.
    DAY_PARTS = 3

    #: What was typed, input by input; empty where the form was not sent.
    typed: Sequence[str] = ()

    @property
    def parts(self) -> list[str]:
        """What each input shows: what was typed, or the parts of ``data``."""
        if self.typed:
            return [*self.typed, *[""] * self._count()][: self._count()]
        return self._written(self.data) if self.data is not None else [""] * self._count()

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        self.typed = [str(each) for each in valuelist]
        if not any(each.strip() for each in self.typed):
            self.data = None
            return
        try:
            self.data = self._read([each.strip() for each in self.typed])
        except ChukanError as error:
            self.data = None
            raise ValueError(f"{error.told()} {error.hinted()}") from error

    @override
    def post_validate(self, form: Any, validation_stopped: bool) -> None:
        # DataRequired and Optional clear what was said about inputs that were filled in, but wrongly.
        if self.process_errors:
            self.errors = list(self.process_errors)

    def _count(self) -> int:
        return self.DAY_PARTS

    def _read(self, typed: Sequence[str]) -> date | datetime:
        return parse_day(_joined(typed))

    def _written(self, value: Any) -> list[str]:
        return [japanese_year(value).removesuffix("年"), str(value.month), str(value.day)]


class InstantField(DayField):
    """A day and a time by Tokyo's clock, asked for in four inputs; ``data`` is aware, in UTC, or None.

    24:00 is the end of the day that it stands beside.
    """

    @override
    def _count(self) -> int:
        return self.DAY_PARTS + 1

    @override
    def _read(self, typed: Sequence[str]) -> datetime:
        *day, clock = typed if len(typed) > 1 else typed[0].rsplit(maxsplit=1)
        after: timedelta = parse_time(clock)
        return instant_on(parse_day(_joined(day)), after)

    @override
    def _written(self, value: Any) -> list[str]:
        local = as_tokyo(value)
        return [*super()._written(local.date()), f"{local:%H:%M}"]


class ChoicesField(SelectMultipleField):
    """Any number of a few choices, each a box to tick."""

    option_widget = CheckboxInput()


class TypedField(StringField):
    """A word that must be typed before something that cannot be undone; the view sets ``expected`` first."""

    expected: str = ""

    @override
    def pre_validate(self, form: Any) -> None:
        # Widths are made alike for the comparison alone: nobody is asked to type in full width.
        if not self.expected or _alike(self.data or "") != _alike(self.expected):
            raise ValidationError(text(TYPED_WRONG))


def _joined(typed: Sequence[str]) -> str:
    """Return the inputs of a day as one: what stands in the first alone is a whole day."""
    filled = [each for each in typed if each]
    return filled[0] if len(filled) == 1 else "-".join(_without_unit(each) for each in typed)


def _without_unit(part: str) -> str:
    return part.rstrip("年月日 　")


def _alike(word: str) -> str:
    return unicodedata.normalize("NFKC", word).strip()
