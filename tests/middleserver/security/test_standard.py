"""The masters that ship: the eight kinds of information, and every package as a document and back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from chukan.tenants.middleserver.formats.codes import information_code_of, item_code
from chukan.tenants.middleserver.security.masters.errors import PackageMalformed, PackageUnknown
from chukan.tenants.middleserver.security.masters.order import require_next
from chukan.tenants.middleserver.security.masters.package import read_package, write_package
from chukan.tenants.middleserver.security.masters.rules import CheckRule, ItemType, PackageHead
from chukan.tenants.middleserver.security.masters.standard import Standard

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="module")
def standard() -> Standard:
    return Standard()


def test_the_eight_numbers_of_the_sources_ship_with_their_names(standard: Standard) -> None:
    information = standard.catalogue(6).information
    assert [each.number for each in information] == [2, 4, 8, 16, 21, 31, 44, 52]
    assert [each.code for each in information] == [information_code_of(each.number) for each in information]
    assert standard.catalogue(6).named("TM00000000000016").name == "児童扶養手当法による児童扶養手当の支給に関する情報"
    assert all(standard.catalogue(6).layouts(each.code) for each in information)


def test_the_packages_that_ship_follow_one_another(standard: Standard) -> None:
    newest: PackageHead | None = None
    for head in standard.heads():
        require_next(newest, head)
        newest = head
    assert newest is not None
    assert newest.sequence == 12


@pytest.mark.parametrize("sequence", range(1, 13))
def test_a_package_is_read_as_it_was_written(standard: Standard, sequence: int) -> None:
    catalogue = standard.catalogue(sequence)
    assert read_package(write_package(catalogue, UUID(int=sequence))) == catalogue


def test_everything_invented_is_marked_as_such(standard: Standard) -> None:
    for layout in standard.catalogue(12).all_layouts:
        assert layout.invented
        for dataset in layout.datasets:
            assert all(item_code(item.code).startswith("X") for item in dataset.items)


def test_the_forms_that_the_sources_name_are_kept(standard: Standard) -> None:
    items = {
        item.name: item
        for dataset in standard.catalogue(6).layout("TM00000000000002", 2).datasets
        for item in dataset.items
    }
    assert (items["相当年度"].type, items["相当年度"].length) == (ItemType.TEXT, 4)
    assert (items["年税額"].type, items["年税額"].length) == (ItemType.NUMBER, 13)
    assert (items["控除対象配偶者区分"].type, items["控除対象配偶者区分"].length) == (ItemType.CODE, 1)
    care = standard.catalogue(6).layout("TM00000000000004", 1).datasets
    assert [each.number for each in care] == ["0101", "0102", "0201", "0202", "0300", "0400"]


def test_what_went_wrong_in_the_past_can_be_told_from_right(standard: Standard) -> None:
    """Each example of A1-017 has an item whose rule it breaks."""
    catalogue = standard.catalogue(6)

    def item(information: int, name: str) -> object:
        layout = catalogue.layouts(information_code_of(information))[-1]
        return next(item for dataset in layout.datasets for item in dataset.items if item.name == name)

    for insurer in (item(31, "保険者番号"), item(4, "保険者番号")):
        assert getattr(insurer, "check", None) is CheckRule.MODULUS_10_WEIGHT_2_1
        assert getattr(insurer, "fixed", None) is True
    assert getattr(item(8, "再交付日"), "occurs_max", None) == 1
    assert getattr(item(8, "再交付日"), "not_before", None) == getattr(item(8, "手帳交付日"), "code", "")
    assert getattr(item(8, "手帳交付日"), "occurs_max", 0) > 1
    assert getattr(item(2, "控除対象配偶者区分"), "version", None) == 2
    tax = catalogue.layout("TM00000000000002", 2).dataset("0101")
    assert tax is not None
    assert tax.everyone
    assert getattr(item(2, "未申告区分"), "required", None) is True


def test_a_package_that_does_not_ship_is_said_so(standard: Standard) -> None:
    with pytest.raises(PackageUnknown):
        standard.catalogue(13)


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _changed(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        told = (folder / name).read_text("utf-8")
        assert old in told
        (folder / name).write_text(told.replace(old, new, 1), "utf-8")

    return change


TAX = "layouts/tm02_local_tax.toml"


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (_without("parties.toml"), "parties.toml"),
        (_changed("information.toml", "[[information]]", "[[information"), "information.toml"),
        (_changed(TAX, "length = 4", "length = 0"), f"{TAX}: datasets.0.items.0.length"),
        (_changed(TAX, "length = 4", "size = 4"), f"{TAX}: datasets.0.items.0"),
        (_changed(TAX, 'code_list = "declaration"', 'code_list = "nothing"'), "X02_0101_020"),
        (_changed(TAX, "X02_0101_040", "X02_0101_030"), "X02_0101_030"),
        (_changed("parties.toml", "information = [2]", "information = [3]"), "TM00000000000003"),
    ],
)
def test_a_damaged_standard_is_refused_with_the_place(
    tmp_path: Path, damage: Callable[[Path], None], place: str
) -> None:
    folder = tmp_path / "masters"
    shutil.copytree(CONFIG / "masters", folder)
    damage(folder)
    with pytest.raises(PackageMalformed, match=place.replace(".", r"\.")):
        Standard(folder).catalogue(6)
