"""What every page must be, whatever it shows: ``check_page(html)`` says what is wrong with it.

The parser is the one that browsers use; the rules are those of docs/areas/web.md and of the content policy.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

_NEEDS_LABEL = {"input", "select", "textarea"}
_NO_LABEL = {"hidden", "submit", "button", "reset", "image"}
_ADDRESSES = ("href", "src", "action", "formaction", "poster", "data", "srcset")
_OUTSIDE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//|\s*(?:javascript|data):", re.IGNORECASE)
#: References to other elements of the page, by attribute.
_REFERENCES = ("aria-labelledby", "aria-describedby", "aria-controls", "for")


def check_page(html: str) -> None:
    """Assert that *html* is a page as every page must be; the error lists everything that is wrong."""
    found = faults(html)
    assert not found, "\n".join(found)


def faults(html: str) -> list[str]:
    """Return what is wrong with the page *html*."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    root = parser.parse(html)
    unparsed = [f"line {place[0]}: {code} {values}" for place, code, values in parser.errors]
    return [
        *unparsed,
        *_headings(root),
        *_ids(root),
        *_labels(root),
        *_forms(root),
        *_code_and_addresses(root),
    ]


def words_of(element: Element) -> str:
    """Return the words inside *element*, blanks run together."""
    return " ".join("".join(element.itertext()).split())


def _headings(root: Element) -> Iterator[str]:
    headings = [words_of(each) for each in root.iter("h1")]
    titles = [words_of(each) for each in root.findall("head/title")]
    if len(headings) != 1 or not headings[0]:
        yield f"the h1 of a page is one: {headings}"
    elif not titles or not titles[0].removeprefix("エラー: ").startswith(f"{headings[0]} - "):
        yield f"the title {titles} begins with the h1 {headings}"
    if not root.get("lang"):
        yield "the page does not say its language"
    if [each.get("id") for each in root.iter("main")] != ["main"]:
        yield "the page has one main part"
    levels = [int(each.tag[1]) for each in root.iter() if re.fullmatch("h[1-6]", str(each.tag))]
    below = [level for level in levels if level != 1]
    skips = [(before, after) for before, after in zip([1, *below], below, strict=False) if after > before + 1]
    yield from (f"h{after} follows h{before}" for before, after in skips)


def _ids(root: Element) -> Iterator[str]:
    counted = Counter(each.get("id") for each in root.iter() if each.get("id") is not None)
    yield from (
        f"the id {name!r} stands there {times} times" for name, times in counted.items() if times > 1 or not name
    )
    for each in root.iter():
        for name in _REFERENCES:
            for target in (each.get(name) or "").split():
                if target not in counted:
                    yield f"{each.tag}[{name}] leads to {target!r}, which is not there"
        href = each.get("href") or ""
        if href.startswith("#") and href[1:] not in counted:
            yield f"the link {href} leads nowhere"


def _labels(root: Element) -> Iterator[str]:
    labelled = {each.get("for") for each in root.iter("label") if words_of(each)}
    inside = {id(field) for label in root.iter("label") for field in label.iter() if words_of(label)}
    for each in root.iter():
        if each.tag in _NEEDS_LABEL and each.get("type") not in _NO_LABEL:
            named = each.get("aria-label") or each.get("aria-labelledby")
            if each.get("id") not in labelled and id(each) not in inside and not named:
                yield f"{each.tag} {each.get('name')!r} has no label"
        if each.tag in {"a", "button"} and not (words_of(each) or each.get("aria-label")):
            yield f"{each.tag} {each.get('href') or each.get('name')!r} has no words"
        if each.tag == "img" and each.get("alt") is None:
            yield f"img {each.get('src')!r} has no alternative"


def _forms(root: Element) -> Iterator[str]:
    for form in root.iter("form"):
        method = (form.get("method") or "").lower()
        if not form.get("action") or method not in {"get", "post"}:
            yield f"a form says its action and its method: {form.attrib}"
        names = {each.get("name") for each in form.iter("input")}
        if method == "post" and "csrf_token" not in names:
            yield f"the form to {form.get('action')} does not prove where it came from"
        if method == "get" and "csrf_token" in names:
            yield f"the form to {form.get('action')} puts its proof into the address"


def _code_and_addresses(root: Element) -> Iterator[str]:
    for each in root.iter():
        if each.tag == "style" or (each.tag == "script" and not each.get("src")):
            yield f"{each.tag} inside the page"
        for name, value in each.attrib.items():
            if name == "style" or name.startswith("on"):
                yield f"{each.tag} has {name}={value!r}"
            if name.rsplit("}", maxsplit=1)[-1] in _ADDRESSES and _OUTSIDE.match(value):
                yield f"{each.tag} leads outside: {name}={value!r}"
