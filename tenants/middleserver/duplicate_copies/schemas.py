"""The schema of a dataset's content, written from its layout: for organisations that check before they send.

It says what XSD can say. Check digits, conditions between items, characters in full width and the guard against
Individual Numbers are beyond it, and are checked here alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from chukan.tenants.middleserver.duplicate_copies.records import NULL_REASONS
from chukan.tenants.middleserver.security.masters.rules import Form, Item, ItemType, Layout

#: The fragment of ``DuplicateCopyData`` stands in this element when it is checked by the schema.
CONTENT_ROOT = "DuplicateCopyContent"


def content_schema(layout: Layout, dataset: str) -> str:
    """Return the XSD of the fragment of *dataset* (four digits) in *layout*, inside an element ``CONTENT_ROOT``.

    Raises:
        ValueError: the layout has no such dataset.
    """
    found = layout.dataset(dataset)
    if found is None:
        raise ValueError(dataset)
    elements = "\n".join(line for item in found.items for line in _element(layout, item))
    reasons = "".join(f"<xs:enumeration value={quoteattr(reason)}/>" for reason in NULL_REASONS)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- {layout.information}, version {layout.version}, dataset {dataset}. Ours: written from the layout. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="Day">
    <xs:restriction base="xs:date"><xs:pattern value="[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"/></xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="ReasonOfNull"><xs:restriction base="xs:string">{reasons}</xs:restriction></xs:simpleType>
  <xs:element name="{CONTENT_ROOT}">
    <xs:complexType>
      <xs:sequence>
{elements}
      </xs:sequence>
    </xs:complexType>
  </xs:element>
{"".join(_type(layout, item) for item in found.items)}</xs:schema>
"""


def _element(layout: Layout, item: Item) -> Iterator[str]:
    del layout
    least = 1 if item.required else 0
    occurs = f'minOccurs="{least}" maxOccurs="{item.occurs_max}" nillable="true"'
    yield f"        <!-- {item.name.replace('--', '-')} -->"
    yield f'        <xs:element name="{item.code}" {occurs}>'
    yield "          <xs:complexType><xs:simpleContent>"
    yield f'            <xs:extension base="T_{item.code}">'
    yield f'              <xs:attribute name="Version" use="required" type="xs:string" fixed="{item.version}"/>'
    yield '              <xs:attribute name="TimeAndDateOfUpdate" use="required" type="Day"/>'
    yield '              <xs:attribute name="ReasonOfNull" type="ReasonOfNull"/>'
    yield "            </xs:extension>"
    yield "          </xs:simpleContent></xs:complexType>"
    yield "        </xs:element>"


def _type(layout: Layout, item: Item) -> str:
    base = "Day" if item.type is ItemType.TEXT and item.form is Form.DATE else "xs:string"
    facets = "".join(_facets(layout, item))
    restriction = f'<xs:restriction base="{base}">{facets}</xs:restriction>'
    return f'  <xs:simpleType name="T_{item.code}">{restriction}</xs:simpleType>\n'


def _facets(layout: Layout, item: Item) -> Iterator[str]:
    if item.type is ItemType.NUMBER:
        sign = "-?" if item.negative else ""
        yield f'<xs:pattern value="{sign}[0-9]{{1,{item.length}}}"/>'
        return
    if item.type is ItemType.TEXT and item.form is Form.DATE:
        return
    yield f'<xs:length value="{item.length}"/>' if item.fixed else '<xs:minLength value="1"/>'
    if not item.fixed:
        yield f'<xs:maxLength value="{item.length}"/>'
    if item.type is ItemType.CODE:
        if item.code_list is None:
            yield '<xs:pattern value="[0-9A-Za-z]+"/>'
        for code in layout.code_lists.get(item.code_list or "", {}):
            yield f"<xs:enumeration value={quoteattr(code)}/>"
    elif item.form is Form.DIGITS:
        yield '<xs:pattern value="[0-9]+"/>'
