"""Registering a union with its members.

| GET, POST | `/organisations/unions/new` | a union, and the codes of its members |
"""

from __future__ import annotations

import re

from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from chukan.platform.messages import mark
from chukan.platform.web import BaseForm, PageSet, done, here, page
from chukan.platform.web.fields import DayField
from chukan.tenants.registry.csv_files import plain
from chukan.tenants.registry.unions import UnionApplication, add_union
from chukan.tenants.registry.values import Kind, kind_label
from chukan.tenants.registry.web_common import Answer, actor, choices, pair, prefecture_choices, today

_UNIONS = [kind for kind in Kind if kind.is_union]


class UnionForm(BaseForm):
    """A union. Its name keeps the characters that it was typed in."""

    name = StringField(mark("Name"), [DataRequired(), Length(max=100)], filters=[lambda typed: (typed or "").strip()])
    kana = StringField(
        mark("Reading"),
        [DataRequired(), Length(max=100)],
        description=mark("In hiragana or katakana."),
        filters=[lambda typed: (typed or "").strip()],
    )
    kind = SelectField(mark("Kind"), [InputRequired()], choices=lambda: choices(_UNIONS, kind_label, mark("Choose")))
    prefecture = SelectField(
        mark("Prefecture of its seat"), [InputRequired()], choices=lambda: prefecture_choices(mark("Choose"))
    )
    members = TextAreaField(
        mark("Members"),
        [InputRequired(), Length(max=5000)],
        description=mark("The codes of two or more prefectures or municipalities, parted by spaces or lines."),
        render_kw={"rows": "5"},
    )
    since = DayField(mark("Members from"), [InputRequired()])
    code = StringField(
        mark("Code of the organisation"),
        [Length(max=10)],
        description=mark("If it has one."),
        filters=[lambda typed: plain(typed or "")],
    )

    def application(self) -> UnionApplication:
        """Return the same as the use case takes it."""
        return UnionApplication(
            name=self.name.data or "",
            kana=self.kana.data or "",
            kind=Kind(self.kind.data),
            prefecture=self.prefecture.data,
            members=[plain(each) for each in re.split(r"[\s,、，;]+", self.members.data or "") if each],
            since=self.since.data,
            code=self.code.data or None,
        )


def declare(pages: PageSet) -> None:
    """Declare the form and the act."""
    pair(pages, "/organisations/unions/new", ask_union, register_union)


def ask_union() -> Answer:
    """Ask for the union."""
    form = UnionForm()
    form.since.data = today()
    return page("registry/union.html", form=form)


def register_union() -> Answer:
    """Register the union."""
    form = UnionForm()
    made: list[str] = []

    def register() -> None:
        made.append(add_union(actor(), form.application(), now=here().now).reference)

    if not form.attempt(register):
        return page("registry/union.html", 422, form=form)
    return done("registry.organisation", mark("The union is registered."), reference=made[0])
