"""What masters say is found, and packages come in one order alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.tenants.middleserver.security.masters.consistency import contradictions
from chukan.tenants.middleserver.security.masters.errors import (
    InformationUnknown,
    InstitutionUnknown,
    LayoutUnknown,
    PackageMalformed,
    PackageOlder,
    PackageOutOfOrder,
    PackageUnknown,
)
from chukan.tenants.middleserver.security.masters.order import owes_second, plan, require_next
from chukan.tenants.middleserver.security.masters.rules import (
    Catalogue,
    CheckRule,
    Condition,
    Dataset,
    Form,
    Item,
    ItemType,
    OrganisationKind,
    PackageHead,
    PackageKind,
    Party,
    Publication,
    RevisionKind,
    Scope,
    check_digit,
    satisfies,
)
from chukan.tenants.middleserver.security.masters.standard import Standard

KAZO, SHIBUYA, SAITAMA = "0220113112101700", "0220113131130700", "0220113110001700"
PENSION, DIGITAL = "9000000000000001", "1419900000002200"
CHILD = ("JM90000000000001", "JT01010000000214")
TAX, WELFARE = "TM00000000000002", "TM00000000000016"
RULE = CheckRule.MODULUS_10_WEIGHT_2_1
WEDNESDAY = datetime(2019, 4, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def standard() -> Standard:
    return Standard()


@pytest.fixture(scope="module")
def masters(standard: Standard) -> Catalogue:
    return standard.catalogue(6)


@pytest.fixture(scope="module")
def before(standard: Standard) -> Catalogue:
    return standard.catalogue(4)


def head(sequence: int, version: str = "2019.06", publication: Publication = Publication.COMMON) -> PackageHead:
    return PackageHead(sequence, version, publication, PackageKind.ANNUAL, date(2019, 6, 17), WEDNESDAY)


# -- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "version"),
    [
        (date(2017, 7, 17), None),
        (date(2017, 7, 18), 3),
        (date(2019, 6, 16), 3),
        (date(2019, 6, 17), 4),
        (date(2030, 1, 1), 4),
    ],
)
def test_number_16_is_linked_by_version_3_until_the_linkage_starts(
    masters: Catalogue, on: date, version: int | None
) -> None:
    found = masters.current(WELFARE, on)
    assert (found.version if found else None) == version


def test_a_retroactive_revision_is_valid_before_it_is_linked(masters: Catalogue) -> None:
    layout = masters.layout(WELFARE, 4)
    assert layout.is_retroactive
    assert layout.valid_from < layout.linked_from == date(2019, 6, 17)
    assert layout.revision is RevisionKind.MAJOR_RETROACTIVE
    assert RevisionKind.DATASET_ABOLISHED in layout.revisions


def test_the_newest_minor_revision_stands_for_its_version(masters: Catalogue) -> None:
    assert masters.layout(TAX, 2).minor == 1
    assert [(each.version, each.minor) for each in masters.layouts(TAX)] == [(1, 0), (2, 0), (2, 1)]
    current = masters.current(TAX, date(2019, 6, 16))
    assert current is not None
    assert current.minor == 0


def test_an_abolished_dataset_is_linked_until_the_day_before(masters: Catalogue) -> None:
    dataset = masters.layout("TM00000000000031", 1).dataset("0103")
    assert dataset is not None
    assert dataset.is_linked(date(2019, 6, 16))
    assert not dataset.is_linked(date(2019, 6, 17))


def test_an_added_dataset_is_linked_from_its_day_on(masters: Catalogue) -> None:
    dataset = masters.layout("TM00000000000044", 1).dataset("0101")
    assert dataset is not None
    assert not dataset.is_linked(date(2019, 6, 16))
    assert dataset.is_linked(date(2019, 6, 17))


def test_a_package_does_not_know_the_ends_that_a_later_one_announces(before: Catalogue, masters: Catalogue) -> None:
    assert before.layout(WELFARE, 3).valid_to is None
    assert masters.layout(WELFARE, 3).valid_to == date(2019, 6, 17)
    with pytest.raises(LayoutUnknown):
        before.layout(WELFARE, 4)


def test_what_is_not_there_is_said_so(masters: Catalogue) -> None:
    with pytest.raises(LayoutUnknown):
        masters.layout(TAX, 9)
    with pytest.raises(InformationUnknown):
        masters.named("TM00000000000099")
    with pytest.raises(InstitutionUnknown):
        masters.organisation("9999999999999999")
    assert masters.layouts("TM00000000000099") == ()
    assert masters.current("TM00000000000099", date(2020, 1, 1)) is None
    assert masters.layout(TAX, 2).dataset("9999") is None


def test_an_organisation_is_found_by_either_code(masters: Catalogue) -> None:
    assert masters.organisation(KAZO) is masters.organisation("112101")
    assert masters.organisation("112101").kind is OrganisationKind.MUNICIPALITY
    assert masters.organisation(DIGITAL).organisation_code is None


@pytest.mark.parametrize(
    ("asked", "permitted"),
    [
        ((KAZO, *CHILD, SHIBUYA, TAX), True),
        ((SAITAMA, *CHILD, SHIBUYA, TAX), False),
        ((KAZO, *CHILD, SAITAMA, TAX), False),
        ((KAZO, *CHILD, SHIBUYA, WELFARE), False),
        ((KAZO, CHILD[0], "JT90000000000002", SHIBUYA, TAX), False),
        ((KAZO, "JM01000000121000", CHILD[1], SHIBUYA, TAX), False),
        ((KAZO, "JM01000000121000", "JT01010000000001", PENSION, "TM00000000000052"), True),
        ((KAZO, "JM01000000121000", "JT01010000000001", DIGITAL, "TM00000000000052"), False),
        ((PENSION, "JM90000000000007", "JT90000000000007", KAZO, TAX), True),
        ((DIGITAL, "JM90000000000007", "JT90000000000007", KAZO, TAX), False),
        ((KAZO, "JM91000000000001", "JT91000000000001", SHIBUYA, TAX), True),
        ((SHIBUYA, "JM91000000000001", "JT91000000000001", KAZO, TAX), False),
        (("9999999999999999", *CHILD, SHIBUYA, TAX), False),
        ((KAZO, *CHILD, "9999999999999999", TAX), False),
    ],
)
def test_the_permission_table_asks_for_all_of_it(
    masters: Catalogue, asked: tuple[str, ...], *, permitted: bool
) -> None:
    inquirer, affair, procedure, provider, information = asked
    found = masters.permits(
        inquirer=inquirer, affair=affair, procedure=procedure, provider=provider, information=information
    )
    assert found is permitted


def test_original_use_needs_the_package_that_is_published_with_it(standard: Standard) -> None:
    asked = {"inquirer": KAZO, "affair": "JM91000000000001", "procedure": "JT91000000000001"}
    for sequence, permitted in ((1, False), (2, True), (5, False), (6, True)):
        catalogue = standard.catalogue(sequence)
        assert catalogue.permits(**asked, provider=SHIBUYA, information=TAX) is permitted


def test_a_party_is_a_kind_or_an_institution() -> None:
    for kind, code in ((None, None), (OrganisationKind.UNION, KAZO)):
        with pytest.raises(ValueError, match="a party is"):
            Party(kind, code)


# -- check digits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digits", "right"), [("138057", True), ("138058", False), ("13806", False), ("13805７", False)]
)
def test_the_check_digit_of_an_insurers_number(digits: str, *, right: bool) -> None:
    assert satisfies(RULE, digits) is right


@given(st.text("0123456789", min_size=5, max_size=7))
def test_exactly_one_digit_is_right(digits: str) -> None:
    assert [last for last in "0123456789" if satisfies(RULE, digits + last)] == [check_digit(RULE, digits)]


@given(st.text("0123456789", min_size=5, max_size=7), st.integers(0, 6), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_always_found(digits: str, place: int, other: str) -> None:
    whole = digits + check_digit(RULE, digits)
    place %= len(digits)
    if whole[place] != other:
        assert not satisfies(RULE, whole[:place] + other + whole[place + 1 :])


# -- contradictions ------------------------------------------------------------------------------


def an_item(**changes: object) -> Item:
    return replace(Item("A", "あ", ItemType.TEXT, 10), **changes)  # type: ignore[arg-type]  # of a test's own making


@pytest.mark.parametrize(
    "item",
    [
        an_item(length=0),
        an_item(occurs_max=0),
        an_item(type=ItemType.CODE),
        an_item(code_list="yes_no"),
        an_item(type=ItemType.CODE, code_list="nowhere"),
        an_item(type=ItemType.NUMBER, form=Form.DIGITS),
        an_item(check=RULE),
        an_item(form=Form.DATE, length=8),
        an_item(required_when=Condition("Z", frozenset("1"))),
        an_item(absent_when=Condition("A", frozenset("1"))),
        an_item(form=Form.DATE, not_before="Z"),
        an_item(not_before="B"),
    ],
)
def test_an_item_that_contradicts_itself_is_found(masters: Catalogue, item: Item) -> None:
    layout = masters.layout(TAX, 2)
    broken = replace(layout, datasets=(Dataset("0101", "x", (item, an_item(code="B"))),))
    assert [*contradictions(replace(masters, all_layouts=(broken,)))]


def test_what_is_named_twice_or_nowhere_is_found(masters: Catalogue) -> None:
    layout = masters.layout(TAX, 2)
    permission = masters.permissions[0]
    broken = [
        replace(masters, organisations=masters.organisations[:1] * 2, permissions=()),
        replace(masters, affairs=masters.affairs * 2),
        replace(masters, information=masters.information * 2),
        replace(masters, information=()),
        replace(masters, all_layouts=masters.all_layouts * 2),
        replace(masters, all_layouts=(replace(layout, revisions=frozenset()),)),
        replace(masters, all_layouts=(replace(layout, valid_to=date(2000, 1, 1)),)),
        replace(masters, all_layouts=(replace(layout, datasets=layout.datasets * 2),)),
        replace(masters, permissions=(replace(permission, procedure="JT00000000000000"),)),
        replace(masters, permissions=(replace(permission, inquirer=Party(code="1" * 16)),)),
        replace(masters, head=replace(masters.head, publication=Publication.COMMON)),
    ]
    for catalogue in broken:
        assert [*contradictions(catalogue)]


# -- order ---------------------------------------------------------------------------------------


SECOND = head(2, publication=Publication.ORIGINAL_USE)


@pytest.mark.parametrize(
    ("newest", "offered", "error"),
    [
        (None, head(1), None),
        (None, head(2), PackageOutOfOrder),
        (None, head(1, publication=Publication.ORIGINAL_USE), PackageMalformed),
        (head(1), SECOND, None),
        (head(1), head(2, "2019.10"), PackageMalformed),
        (head(1), head(2, "2019.10", Publication.ORIGINAL_USE), PackageMalformed),
        (head(1), replace(SECOND, kind=PackageKind.PERIODIC), PackageMalformed),
        (head(1), replace(SECOND, linkage_start=date(2019, 6, 18)), PackageMalformed),
        (head(1), head(1), PackageOlder),
        (head(1), head(3), PackageOutOfOrder),
        (SECOND, head(3, "2019.10"), None),
        (SECOND, head(3, "2019.06"), PackageMalformed),
        (SECOND, head(3, "2018.11"), PackageMalformed),
        (SECOND, head(3, "2019.6.1"), None),
        (SECOND, head(3, "2019.10", Publication.ORIGINAL_USE), PackageMalformed),
    ],
)
def test_packages_follow_one_another_in_one_way(
    newest: PackageHead | None, offered: PackageHead, error: type[Exception] | None
) -> None:
    if error is None:
        require_next(newest, offered)
    else:
        with pytest.raises(error):
            require_next(newest, offered)


@pytest.mark.parametrize(
    ("current", "target", "expected"),
    [
        (None, 1, [1]),
        (None, 2, [1, 2]),
        (None, 3, [3]),
        (None, 4, [3, 4]),
        (1, 4, [2, 3, 4]),
        (4, 4, []),
        (3, 2, PackageOlder),
        (None, 5, PackageUnknown),
        (4, 5, PackageUnknown),
    ],
)
def test_an_organisation_takes_every_package_after_its_own(
    current: int | None, target: int, expected: list[int] | type[Exception]
) -> None:
    held = [head(1), SECOND, head(3, "2019.10"), head(4, "2019.10", Publication.ORIGINAL_USE)]
    if isinstance(expected, list):
        assert plan(current, target, held) == expected
    else:
        with pytest.raises(expected):
            plan(current, target, held)


def test_who_took_the_first_owes_the_second() -> None:
    assert owes_second(head(1), [head(1), SECOND])
    assert not owes_second(head(1), [head(1)])
    assert not owes_second(SECOND, [head(1), SECOND, head(3, "2019.10")])


def test_scopes_and_kinds_of_revisions_are_those_of_the_sources(masters: Catalogue) -> None:
    def told(information: int) -> tuple[set[str], str]:
        layout = masters.layouts(f"TM{information:014d}")[-1]
        return {revision.value for revision in layout.revisions}, layout.scope.value

    assert told(16) == ({"major_retroactive", "dataset_abolished"}, Scope.FULL_HISTORY)
    assert told(4) == ({"dataset_added"}, Scope.LATEST_ONLY)
    assert told(44) == ({"dataset_added"}, Scope.FULL_HISTORY)
    assert told(31)[0] == {"minor", "dataset_abolished"}
    assert told(2) == ({"minor"}, Scope.LATEST_ONLY)
    assert told(21) == ({"major_retroactive"}, Scope.FULL_HISTORY)
    assert masters.layouts(TAX)[1].is_retroactive
