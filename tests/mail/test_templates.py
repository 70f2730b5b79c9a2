"""Nothing but what a template declares can be written into a mail."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.mail.errors import ValueRefused
from chukan.platform.mail.templates import TEST, Kind, Template
from chukan.platform.messages import language

SITE = "https://site.example.jp/"


def written(kind: Kind, value: Any) -> str:
    template = Template("tests.one", "Subject", "{value}", {"value": kind})
    return template.write({"value": value}, site=SITE).body.split("\n", maxsplit=1)[0]


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (Kind.ORGANISATION, "さいたま市", "さいたま市"),
        (Kind.ORGANISATION, "八ヶ岳・山麓事務組合（仮）", "八ヶ岳・山麓事務組合（仮）"),
        (Kind.ORGANISATION, "A" * 60, "A" * 60),
        (Kind.REFERENCE, "T-2026-0001", "T-2026-0001"),
        (Kind.REFERENCE, "1234567890", "1234567890"),
        (Kind.COUNT, 0, "0"),
        (Kind.COUNT, 1_788, "1,788"),
        (Kind.DATE, date(2026, 7, 1), "2026-07-01"),
        (Kind.INSTANT, datetime(2026, 6, 30, 15, 0, tzinfo=UTC), "2026-07-01 00:00 (Japan time)"),
        (Kind.PAGE, "/notices/12", "https://site.example.jp/notices/12"),
        (Kind.PAGE, "/", "https://site.example.jp/"),
    ],
)
def test_a_value_of_the_declared_kind_is_written(kind: Kind, value: object, told: str) -> None:
    assert written(kind, value) == told


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.ORGANISATION, ""),
        (Kind.ORGANISATION, " "),
        (Kind.ORGANISATION, "A" * 61),
        (Kind.ORGANISATION, "市\r\nBcc: x"),
        (Kind.ORGANISATION, "123456789012"),
        (Kind.ORGANISATION, "市 1"),
        (Kind.ORGANISATION, "a@b.jp"),
        (Kind.ORGANISATION, "\u202e市"),
        (Kind.ORGANISATION, 5),
        (Kind.REFERENCE, ""),
        (Kind.REFERENCE, "12345678901"),
        (Kind.REFERENCE, "123456789012"),
        (Kind.REFERENCE, "1234-5678-9012"),
        (Kind.REFERENCE, "T-1234_5678.901"),
        (Kind.REFERENCE, "田中"),
        (Kind.REFERENCE, "a b"),
        (Kind.REFERENCE, "a\n"),
        (Kind.REFERENCE, "-a"),
        (Kind.REFERENCE, "a" * 65),
        (Kind.COUNT, -1),
        (Kind.COUNT, 10**9),
        (Kind.COUNT, True),
        (Kind.COUNT, "1"),
        (Kind.DATE, datetime(2026, 7, 1, tzinfo=UTC)),
        (Kind.DATE, "2026-07-01"),
        (Kind.INSTANT, datetime(2026, 7, 1)),  # noqa: DTZ001 - a naive one is what is refused
        (Kind.INSTANT, date(2026, 7, 1)),
        (Kind.PAGE, "notices"),
        (Kind.PAGE, "https://evil.example"),
        (Kind.PAGE, "/notices?person=1"),
        (Kind.PAGE, "/persons/123456789012"),
        (Kind.PAGE, "/a b"),
        (Kind.PAGE, "/" + "a" * 201),
    ],
)
def test_a_value_of_another_kind_is_refused_and_not_repeated(kind: Kind, value: object) -> None:
    with pytest.raises(ValueRefused) as refused:
        written(kind, value)
    assert refused.value.values == {"template": "tests.one", "field": "value"}
    assert str(value) in {"", " ", "1", "a"} or str(value) not in str(refused.value) + refused.value.detail


@given(st.sampled_from([Kind.ORGANISATION, Kind.REFERENCE, Kind.PAGE]), st.text(max_size=100))
def test_no_value_breaks_a_line_or_carries_a_person_s_number(kind: Kind, value: str) -> None:
    try:
        told = written(kind, value)
    except ValueRefused:
        return
    assert told.isprintable() or "\u3000" in told
    assert sum(character.isdigit() for character in value) < 11 or kind is not Kind.ORGANISATION


@pytest.mark.parametrize("values", [{}, {"sent_at": datetime(2026, 7, 1, tzinfo=UTC), "name": "x"}, {"name": "x"}])
def test_a_value_that_is_missing_or_not_declared_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueRefused):
        TEST.write(values, site=SITE)


@pytest.mark.parametrize(
    ("name", "subject", "body", "fields"),
    [
        ("tests.one", "S", "{a}", {}),
        ("tests.one", "S", "B", {"a": Kind.COUNT}),
        ("tests.one", "{b}", "{a}", {"a": Kind.COUNT}),
        ("one", "S", "B", {}),
        ("Tests.one", "S", "B", {}),
    ],
)
def test_a_template_that_declares_other_places_than_its_texts_have_cannot_be_made(
    name: str, subject: str, body: str, fields: dict[str, Kind]
) -> None:
    with pytest.raises(ValueError, match=name):
        Template(name, subject, body, fields)


def test_a_mail_is_written_in_the_language_that_is_spoken_and_says_that_nobody_reads_replies() -> None:
    values = {"sent_at": datetime(2026, 7, 1, tzinfo=UTC)}
    japanese = TEST.write(values, site=SITE)
    with language("en"):
        english = TEST.write(values, site=SITE)
    assert "【試験】" in japanese.subject
    assert "返信" in japanese.body
    assert english.subject == "Test of outgoing mail"
    assert english.body.endswith("Replies to it are read by nobody.\n")
