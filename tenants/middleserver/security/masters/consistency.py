"""Whether masters contradict themselves: what a schema cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.security.masters.errors import PackageMalformed
from chukan.tenants.middleserver.security.masters.rules import (
    Catalogue,
    Dataset,
    Form,
    Item,
    ItemType,
    Layout,
    Publication,
)

#: A contradiction: the place (codes and numbers alone) and the reason, for the catalogue of texts.
Contradiction = tuple[str, str]


def require_consistent(catalogue: Catalogue) -> None:
    """Do nothing if *catalogue* is whole.

    Raises:
        PackageMalformed: something is named twice, or names what is not there.
    """
    for place, reason in contradictions(catalogue):
        raise PackageMalformed(place=place, reason=text(reason))


def contradictions(catalogue: Catalogue) -> Iterator[Contradiction]:
    """Yield everything in which *catalogue* contradicts itself."""
    yield from _twice([each.institution_code for each in catalogue.organisations])
    yield from _twice([each.organisation_code for each in catalogue.organisations if each.organisation_code])
    yield from _twice([each.code for each in catalogue.affairs])
    yield from _twice([each.code for each in catalogue.procedures])
    yield from _twice([each.code for each in catalogue.information])
    yield from _twice([f"{each.information} {each.version}.{each.minor}" for each in catalogue.all_layouts])
    yield from _permissions(catalogue)
    known = {each.code for each in catalogue.information}
    for layout in catalogue.all_layouts:
        if layout.information not in known:
            yield layout.information, mark("a layout of an information that is not named")
        yield from _layout(layout)


def _permissions(catalogue: Catalogue) -> Iterator[Contradiction]:
    institutions = {each.institution_code for each in catalogue.organisations}
    procedures = {each.code: each.affair for each in catalogue.procedures}
    information = {each.code for each in catalogue.information}
    for each in catalogue.permissions:
        if procedures.get(each.procedure) != each.affair:
            yield f"{each.affair} {each.procedure}", mark("a permission for a procedure that the affair does not have")
        if each.information not in information:
            yield each.information, mark("a permission for an information that is not named")
        for party in (each.inquirer, each.provider):
            if party.code and party.code not in institutions:
                yield party.code, mark("a permission of an institution that is not named")
        if each.original_use and catalogue.head.publication is not Publication.ORIGINAL_USE:
            yield each.affair, mark("original use in a package that is published without")


def _layout(layout: Layout) -> Iterator[Contradiction]:
    place = f"{layout.information} {layout.version}.{layout.minor}"
    if layout.valid_to is not None and layout.valid_to < layout.valid_from:
        yield place, mark("it ends before it begins")
    if not layout.revisions:
        yield place, mark("a layout says what kind of revision it is")
    yield from _twice([f"{place} {dataset.number}" for dataset in layout.datasets])
    for dataset in layout.datasets:
        yield from _twice([f"{place} {dataset.number} {item.code}" for item in dataset.items])
        for item in dataset.items:
            for reason in _item(item, dataset, layout):
                yield f"{place} {dataset.number} {item.code}", reason


def _item(item: Item, dataset: Dataset, layout: Layout) -> Iterator[str]:
    if item.length < 1 or item.occurs_max < 1:
        yield mark("length and occurrences are at least 1")
    if (item.type is ItemType.CODE) != (item.code_list is not None):
        yield mark("an item has a code list if, and only if, it is of the type CD")
    elif item.code_list is not None and item.code_list not in layout.code_lists:
        yield mark("it names a code list that is not there")
    elif any(len(code) > item.length for code in layout.code_lists.get(item.code_list or "", ())):
        yield mark("its code list has values that are longer than the item")
    yield from _form(item)
    yield from _references(item, dataset)


def _form(item: Item) -> Iterator[str]:
    if item.type is not ItemType.TEXT and (item.form is not Form.ANY or item.check is not None):
        yield mark("only texts have a form or a check digit")
    if item.check is not None and item.form is not Form.DIGITS:
        yield mark("only digits have a check digit")
    if item.form is Form.DATE and item.length != len("yyyy-mm-dd"):
        yield mark("a date is ten characters long")


def _references(item: Item, dataset: Dataset) -> Iterator[str]:
    for condition in (item.required_when, item.absent_when):
        other = dataset.item(condition.item) if condition else None
        if condition and (other is None or other.occurs_max > 1 or other.code == item.code):
            yield mark("its condition names no other single item of the dataset")
    if item.not_before is not None:
        earlier = dataset.item(item.not_before)
        if earlier is None or earlier.form is not Form.DATE or item.form is not Form.DATE:
            yield mark("it is compared with what is no date of the dataset")


def _twice(names: Iterable[str]) -> Iterator[Contradiction]:
    yield from ((name, mark("it stands there twice")) for name, times in Counter(names).items() if times > 1)
