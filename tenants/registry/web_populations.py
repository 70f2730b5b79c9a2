"""Importing populations: a file is looked at line by line before anything of it is taken.

| GET, POST | `/organisations/population` | the file, its day and source; then what would be taken, and what not |
| POST | `/organisations/population/apply` | what was looked at is taken |
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import date
from typing import cast

from flask_wtf.file import FileField, FileRequired  # type: ignore[import-untyped]  # it has no annotations
from typing_extensions import override
from wtforms import BooleanField, HiddenField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from chukan.platform.messages import mark, text
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.cells import Link
from chukan.platform.web.fields import DayField
from chukan.tenants.registry.errors import BadRow
from chukan.tenants.registry.populations import Preview, Previewed, import_population, preview_population
from chukan.tenants.registry.web_common import CHANGE, Answer, actor, organisation_link, pair

#: It travels with the page of the preview, a third larger, and must fit into what a form may hold.
MAX_UPLOAD = 1024 * 1024
#: How many lines of each kind the preview shows; the file says the rest.
SHOWN = 200


class PopulationForm(BaseForm):
    """A file, the day on which people were counted, and who counted them."""

    file = FileField(
        mark("File"),
        [FileRequired(mark("Choose a file."))],
        description=mark(
            "CSV in UTF-8 or Shift_JIS with the columns 団体コード and 人口 (or code and population); up to 1 MiB."
        ),
    )
    as_of = DayField(mark("As of"), [InputRequired()], description=mark("The day on which people were counted."))
    source = StringField(
        mark("Source"),
        [DataRequired(), Length(max=200)],
        filters=[lambda typed: (typed or "").strip()],
        description=mark("Where the numbers are from."),
    )


class ApplyForm(BaseForm):
    """What was looked at, on its way back."""

    name = HiddenField(validators=[InputRequired(), Length(max=255)])
    content = HiddenField(validators=[InputRequired()])
    as_of = HiddenField(validators=[InputRequired()])
    source = HiddenField(validators=[InputRequired(), Length(max=200)])
    partial = BooleanField(mark("Take the other lines, although these cannot be taken."))

    @property
    @override
    def all_errors(self) -> list[tuple[str, str]]:
        """Every error, none of them at a field: nobody filled these in."""
        return [("", message) for _, message in super().all_errors]

    def validate_as_of(self, field: HiddenField) -> None:
        """Refuse a day that is none."""
        try:
            date.fromisoformat(field.data or "")
        except ValueError as error:
            raise ValidationError(text("it is not a day like 2026-04-01")) from error

    def validate_content(self, field: HiddenField) -> None:
        """Refuse a file that is none."""
        try:
            b64decode(field.data or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValidationError(text("Choose the file once more.")) from error


def declare(pages: PageSet) -> None:
    """Declare the form, the preview and the act."""
    pair(pages, "/organisations/population", ask_population, look_at_population)
    pages.post("/organisations/population/apply", needs=CHANGE)(apply_population)


def ask_population() -> Answer:
    """Ask for the file."""
    return page("registry/population.html", form=PopulationForm())


def look_at_population() -> Answer:
    """Show what would be taken of a file, and what not."""
    form = PopulationForm()
    content = form.file.data.read(MAX_UPLOAD + 1) if form.file.data else b""
    if len(content) > MAX_UPLOAD:
        form.file.validators = [_too_large]
    seen: list[Preview] = []

    def look() -> None:
        with here().engine.connect() as connection:
            told = {"as_of": form.as_of.data, "source": form.source.data or "", "now": here().now}
            seen.append(preview_population(connection, content, _name(form), **told))

    if not form.attempt(look, field="file"):
        return page("registry/population.html", 422, form=form)
    back = ApplyForm(
        formdata=None,
        name=_name(form),
        content=b64encode(content).decode("ascii"),
        as_of=form.as_of.data.isoformat(),
        source=form.source.data,
    )
    return _preview_page(seen[0], back, form.as_of.data)


def apply_population() -> Answer:
    """Take what was looked at; it is read and judged again."""
    form = ApplyForm()
    taken: list[int] = []

    def take() -> None:
        imported = import_population(
            actor(),
            b64decode(form.content.data or ""),
            form.name.data or "",
            as_of=date.fromisoformat(form.as_of.data or ""),
            source=form.source.data or "",
            partial=bool(form.partial.data),
            now=here().now,
        )
        taken.extend([imported.recorded, imported.unchanged])

    if not form.attempt(take):
        return page("registry/population_refused.html", 422, form=form)
    told: dict[str, object] = {"recorded": taken[0], "unchanged": taken[1]}
    message = mark("{recorded} populations recorded, {unchanged} as they were.")
    return done("registry.organisations", message, told=told)


def _preview_page(seen: Preview, form: ApplyForm, as_of: date) -> Answer:
    changes = sorted(seen.changes, key=_difference, reverse=True)
    return page(
        "registry/population_preview.html",
        form=form,
        seen=seen,
        as_of=as_of,
        bad=_lines(seen.bad),
        warnings=_lines(seen.warnings),
        changes=[_row(each) for each in changes[:SHOWN]],
        shown=SHOWN,
    )


def _difference(change: Previewed) -> float:
    """Return how much a value differs from the one before, so that slips of the pen stand first."""
    if change.before is None or change.before == change.after:
        return 0.0
    if change.before == 0:
        return float("inf")
    return abs(change.after - change.before) / change.before


def _row(change: Previewed) -> list[object]:
    link: Link = organisation_link(change.name, change.code)
    difference = None if change.before is None else change.after - change.before
    return [change.code, link, change.before, change.after, difference]


def _lines(rows: Sequence[BadRow]) -> list[list[object]]:
    return [[str(row.line), row.found, row.reason] for row in rows[:SHOWN]]


def _name(form: PopulationForm) -> str:
    return cast("str", form.file.data.filename)[:255] if form.file.data else ""


def _too_large(_form: object, _field: object) -> None:
    raise ValidationError(text("it is larger than {limit} MiB", limit=MAX_UPLOAD // 2**20))
