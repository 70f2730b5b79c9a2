"""The toolkit's own pages as HTML, and that the check of pages sees what is wrong."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from support.html import check_page, faults

COMPONENTS = "/-/components"
CONFIRM = "/-/components/confirm"
FRAME = """<!DOCTYPE html>
<html lang="ja"><head><title>甲 - 所</title></head><body><main id="main">{}</main></body></html>"""


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def token_of(html: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html)
    assert found
    return found[1]


def sent(client: FlaskClient, path: str, **values: str | list[str]) -> tuple[int, str]:
    page = client.get(path, base_url="https://localhost").text
    answer = client.post(
        path,
        data={"csrf_token": token_of(page), **values},
        base_url="https://localhost",
        headers={"Referer": f"https://localhost{path}"},
    )
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (COMPONENTS, 200),
        (f"{COMPONENTS}?words=nothing", 200),
        (f"{COMPONENTS}?page=7&sort=-count", 200),
        (f"{COMPONENTS}?page=99", 200),
        (f"{COMPONENTS}?kind=zz&day=x&day=y&day=z", 422),
        (f"{COMPONENTS}?sort=nothing", 400),
        (CONFIRM, 200),
        ("/-/nowhere", 404),
        ("/-/components/%3Cscript%3E", 404),
    ],
)
def test_a_page_is_as_every_page_must_be(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    check_page(answer.text)


def test_a_form_with_errors_is_told_above_and_at_the_fields(client: FlaskClient) -> None:
    status, html = sent(client, COMPONENTS, day=["", "13", "x"], reason="長" * 201)
    assert status == 422
    check_page(html)
    assert "<title>エラー: 部品一覧 - " in html
    for link, message in (("name", "名前: 入力してください。"), ("reason", "理由: 200文字以内で入力してください。")):
        assert f'<a href="#{link}">{message}</a>' in html
        assert f'id="{link}-error"' in html
    assert 'aria-describedby="name-hint name-error"' in html
    assert 'value="13"' in html


def test_what_was_typed_comes_back_as_text(client: FlaskClient) -> None:
    _, html = sent(client, COMPONENTS, name="<script>alert(1)</script>", day=['"><b>', "", ""])
    check_page(html)
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert '"><b>' not in html


def test_a_form_that_was_right_leads_on_and_says_so(client: FlaskClient) -> None:
    status, _ = sent(client, COMPONENTS, name="甲", kind="a", chosen="", day=["令和8", "4", "1"])
    assert status == 303
    check_page(client.get(COMPONENTS, base_url="https://localhost").text)


def test_nothing_is_confirmed_without_the_word(client: FlaskClient) -> None:
    assert sent(client, CONFIRM, reason="点検", typed="000001")[0] == 422
    assert sent(client, CONFIRM, reason="点検", typed="")[0] == 422
    assert sent(client, CONFIRM, reason="点検", typed="000000")[0] == 303


def test_a_list_comes_as_csv(client: FlaskClient) -> None:
    answer = client.get(f"{COMPONENTS}?format=csv&kind=a")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.text.count("\r\n") == 63


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("<h1>甲</h1><h1>乙</h1>", "<h1>甲</h1>", "the h1 of a page is one"),
        ("<h1>乙</h1>", "<h1>甲</h1>", "begins with the h1"),
        ("<h1>甲</h1><h3>乙</h3>", "<h1>甲</h1><h2>乙</h2>", "h3 follows h1"),
        ('<h1>甲</h1><p id="a"><b id="a">', '<h1>甲</h1><p id="a"><b id="b"></b>', "stands there 2 times"),
        ('<h1>甲</h1><a href="#x">乙</a>', '<h1>甲</h1><a href="#main">乙</a>', "leads nowhere"),
        ('<h1 aria-describedby="x">甲</h1>', '<h1 aria-describedby="main">甲</h1>', "which is not there"),
        ('<h1>甲</h1><input name="n">', '<h1>甲</h1><label>乙<input name="n"></label>', "has no label"),
        ('<h1>甲</h1><label for="i"></label><input id="i">', '<h1>甲</h1><input aria-label="乙">', "has no label"),
        ('<h1>甲</h1><a href="/"></a>', '<h1>甲</h1><a href="/" aria-label="乙"></a>', "has no words"),
        ('<h1>甲</h1><img src="/x">', '<h1>甲</h1><img src="/x" alt="">', "has no alternative"),
        ('<h1>甲</h1><form method="get"></form>', '<h1>甲</h1><form method="get" action="/"></form>', "its action"),
        ('<h1>甲</h1><form method="post" action="/"></form>',
         '<h1>甲</h1><form method="post" action="/"><input type="hidden" name="csrf_token"></form>', "does not prove"),
        ('<h1>甲</h1><form method="get" action="/"><input type="hidden" name="csrf_token"></form>',
         '<h1>甲</h1><form method="get" action="/"></form>', "puts its proof"),
        ('<h1 style="x">甲</h1>', '<h1 class="x">甲</h1>', "has style"),
        ('<h1 onclick="x">甲</h1>', "<h1>甲</h1>", "has onclick"),
        ("<h1>甲</h1><script>1</script>", '<h1>甲</h1><script src="/x"></script>', "script inside"),
        ('<h1>甲</h1><img alt="" src="//h/x">', '<h1>甲</h1><img alt="" src="/h//x">', "leads outside"),
        ('<h1>甲</h1><a href="https://h">乙</a>', '<h1>甲</h1><a href="?a=b">乙</a>', "leads outside"),
        ('<h1>甲</h1><a href="javascript:x">乙</a>', '<h1>甲</h1><a href="/javascript">乙</a>', "leads outside"),
        ("<h1>甲</h1><p></div></p>", "<h1>甲</h1><p></p>", "line "),
    ],
)  # fmt: skip
def test_the_check_of_pages_sees_what_is_wrong(wrong: str, right: str, told: str) -> None:
    assert any(told in fault for fault in faults(FRAME.format(wrong)))
    check_page(FRAME.format(right))


def test_a_page_without_language_or_main_part_is_seen() -> None:
    found = faults("<!DOCTYPE html><html><head><title>甲 - 所</title></head><body><h1>甲</h1></body></html>")
    assert found == ["the page does not say its language", "the page has one main part"]
