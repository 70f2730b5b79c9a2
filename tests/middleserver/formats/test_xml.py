"""Documents from outside are bounded and judged in words; nothing of theirs is repeated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chukan.platform.errors import ChukanError
from chukan.platform.messages import language
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    Fault,
    SchemaUnknown,
)
from chukan.tenants.middleserver.formats.xml import MAX_FAULTS, Limits, Schema, parsed, scan, schema

LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
OUTSIDE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'

SCHEMA = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="r"><xs:complexType><xs:sequence>
    <xs:element name="n" type="xs:positiveInteger" maxOccurs="200"/>
    <xs:element name="s"><xs:simpleType><xs:restriction base="xs:string">
      <xs:minLength value="2"/><xs:maxLength value="4"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="e" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="a"/><xs:enumeration value="b"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="p" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
      <xs:pattern value="[0-9]{3}"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="l" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
      <xs:length value="3"/></xs:restriction></xs:simpleType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    path = tmp_path_factory.mktemp("schema") / "small.xsd"
    path.write_text(SCHEMA, encoding="utf-8")
    return Schema(path)


def faults(schema: Schema, document: str) -> list[Fault]:
    return [*schema.faults(parsed(document.encode()))]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (LAUGHS, DocumentForbidden),
        (OUTSIDE, DocumentForbidden),
        (b"<!DOCTYPE a><a/>", DocumentForbidden),
        (b"<?php x?><a/>", DocumentForbidden),
        (b'<?xml version="1.0" encoding="Shift_JIS"?><a/>', DocumentForbidden),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), DocumentMalformed),
        ("<a/>".encode("utf-16"), DocumentMalformed),
        ("<a/>".encode("utf-16-le"), DocumentMalformed),
        (b"", DocumentMalformed),
        (b"<a>", DocumentMalformed),
        (b"<a></b>", DocumentMalformed),
        (b"<a/><a/>", DocumentMalformed),
        (b"<a>&x;</a>", DocumentMalformed),
        (b"<a b='1' b='2'/>", DocumentMalformed),
        (b"<a>\xff</a>", DocumentMalformed),
        (b"<a>\x00</a>", DocumentMalformed),
        (b"not xml", DocumentMalformed),
    ],
)
def test_what_is_not_plain_xml_is_refused_in_japanese(document: bytes, error: type[ChukanError]) -> None:
    with pytest.raises(error) as refused, language("ja"):
        parsed(document)
    with language("ja"):
        assert not re.search(r"[a-z]{4,}", refused.value.told().replace("UTF-8", ""))


@pytest.mark.parametrize(
    ("document", "limits"),
    [
        (b"<a>" + b"x" * 100 + b"</a>", Limits(max_bytes=100)),
        (b"<a>" * 5 + b"</a>" * 5, Limits(max_depth=4)),
        (b"<a>" + b"<b/>" * 10 + b"</a>", Limits(max_elements=10)),
        (b"<a b='1' c='2' d='3'/>", Limits(max_attributes=2)),
    ],
)
def test_each_limit_is_kept_to_the_last(document: bytes, limits: Limits) -> None:
    with pytest.raises(DocumentTooLarge):
        scan(document, limits)
    scan(document, Limits(len(document), 5, 11, 3))


def test_a_document_keeps_its_text_and_loses_its_comments() -> None:
    root = parsed("<r><!-- 個人 --><n>１</n></r>".encode())
    assert [(each.tag, each.text) for each in root] == [("n", "１")]


@pytest.mark.parametrize(
    ("body", "element", "words"),
    [
        ("<n>x-secret</n><s>ab</s>", "/r/n", "スキーマの型に合いません"),
        ("<n>0</n><s>ab</s>", "/r/n", "スキーマの型に合いません"),
        ("<n>1</n><s>abcde</s>", "/r/s", "4文字より長い"),
        ("<n>1</n><s>a</s>", "/r/s", "2文字より短い"),
        ("<n>1</n><s>ab</s><e>secret</e>", "/r/e", "許された値"),
        ("<n>1</n><s>ab</s><p>secret</p>", "/r/p", "定める形式"),
        ("<n>1</n><s>ab</s><l>secret</l>", "/r/l", "3文字ではありません"),
        ("<n>1</n>", "/r", "要素が足りません。必要な要素: n"),
        ("<s>ab</s>", "/r/s", "ここには別の要素が必要です: n"),
        ("<n>1</n><s>ab</s><z>secret</z>", "/r/z", "ここには別の要素が必要です: e, p, l"),
        ("<n>1</n><s>ab</s>secret", "/r", "要素だけが許されます"),
        ("<n secret='1'>1</n><s>ab</s>", "/r/n", "属性"),
        ("<n>1<b/></n><s>ab</s>", "/r/n", "他の要素を含められません"),
    ],
)
def test_a_fault_names_line_element_and_reason_in_japanese(small: Schema, body: str, element: str, words: str) -> None:
    with language("ja"):
        found = faults(small, f"<r>\n{body}</r>")
    assert (found[0].line, found[0].element) == (1 if element == "/r" else 2, element)
    assert words in found[0].reason
    assert "secret" not in f"{found}"


def test_another_root_is_a_fault_too(small: Schema) -> None:
    assert faults(small, "<q/>")[0].element == "/q"


def test_no_more_faults_are_told_than_help(small: Schema) -> None:
    assert len(faults(small, f"<r>{'<n>x</n>' * 150}<s>ab</s></r>")) == MAX_FAULTS


def test_every_schema_that_ships_compiles() -> None:
    folder = Path(__file__).parents[3] / "config" / "protocols"
    ids = sorted(path.stem for path in folder.glob("IF_*.xsd"))
    assert "IF_SCM_X0002_S01" in ids
    for name in ids:
        assert isinstance(schema(name), Schema)


@pytest.mark.parametrize("name", ["IF_NOT_X0001_R01", "../network_types", "network_types", ""])
def test_there_is_no_schema_for_other_names(name: str) -> None:
    with pytest.raises(SchemaUnknown):
        schema(name)
