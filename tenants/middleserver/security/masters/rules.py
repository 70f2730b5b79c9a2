"""What masters say: organisations, affairs, layouts with their versions, and who may ask whom for what.

A package of masters is complete, not a difference, so what is in force for an organisation is one ``Catalogue``,
which never changes. Days are of Asia/Tokyo; intervals are half open: ``valid_to`` is the first day after.

Source: A0-004, A0-006, A0-009, A0-022 to A0-025, A0-030, A0-031, A2-008, A3-006.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from chukan.tenants.middleserver.security.masters.errors import InformationUnknown, InstitutionUnknown, LayoutUnknown


class ItemType(StrEnum):
    """How a value is written (A3-006)."""

    #: Text; ``length`` counts characters.
    TEXT = "X"
    #: A signed whole number; ``length`` counts digits without the sign.
    NUMBER = "S9"
    #: A code of the item's code list; ``length`` counts characters.
    CODE = "CD"


class Form(StrEnum):
    """What a text consists of, where that is more than its length."""

    ANY = "any"
    #: Digits in half width.
    DIGITS = "digits"
    #: A day: YYYY-MM-DD.
    DATE = "date"
    #: Characters in full width.
    FULL_WIDTH = "full_width"


class CheckRule(StrEnum):
    """How the last digit of a number follows from the others."""

    #: 検証番号 of an insurer's number (保険者番号): weights 2, 1, 2, … from the right, digits of the products added,
    #: modulus 10. Known in general, not from the sources of this project.
    MODULUS_10_WEIGHT_2_1 = "modulus_10_weight_2_1"


class RevisionKind(StrEnum):
    """How a layout differs from the one before it (A0-022 to A0-025, A0-030, A0-031)."""

    #: Items added, in force from a day in the past on: the old version is linked no more from the linkage start.
    MAJOR_RETROACTIVE = "major_retroactive"
    MAJOR = "major"
    DATASET_ADDED = "dataset_added"
    #: Requests that were made before stay valid, and are answered from the abolished dataset.
    DATASET_ABOLISHED = "dataset_abolished"
    MINOR = "minor"


class Scope(StrEnum):
    """What has to be registered anew for a revision."""

    LATEST_ONLY = "latest_only"
    FULL_HISTORY = "full_history"


class Publication(StrEnum):
    """In which of its two states a package is published; the second follows the first (A0-009)."""

    #: 配信マスター（独自利用分含まず）
    COMMON = "common"
    #: 配信マスター（独自利用分含む）
    ORIGINAL_USE = "original_use"


class PackageKind(StrEnum):
    """Why a package is published (A0-004): affairs and layouts once a year, organisations in between."""

    ANNUAL = "annual"
    PERIODIC = "periodic"


class OrganisationKind(StrEnum):
    """The kinds of organisations that the permission table names together."""

    MUNICIPALITY = "municipality"
    PREFECTURE = "prefecture"
    UNION = "union"
    NATIONAL = "national"


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds for a record in which the single item *item* has one of *values*."""

    item: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a dataset: its element's name, how it is written, and when it has to be there.

    ``length`` is the largest, or with ``fixed`` the only one. ``code_list`` names a list of the layout. ``version``
    is the item's own, which its element repeats (項目の版番号). ``not_before`` names an item none of whose values may
    be after this one (both dates). An item is written ``occurs_max`` times at most.
    """

    code: str
    name: str
    type: ItemType
    length: int
    required: bool = False
    occurs_max: int = 1
    code_list: str | None = None
    check: CheckRule | None = None
    version: int = 1
    fixed: bool = False
    form: Form = Form.ANY
    negative: bool = True
    required_when: Condition | None = None
    absent_when: Condition | None = None
    not_before: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A part of an information that is registered and provided as one record.

    ``everyone`` says that a record is owed for every person concerned, also where there is nothing to tell (the
    undeclared of A1-017). From ``abolished_on`` on it is linked no more, but kept for requests still valid.
    """

    number: str
    name: str
    items: tuple[Item, ...]
    abolished_on: date | None = None
    added_on: date | None = None
    everyone: bool = False

    def item(self, code: str) -> Item | None:
        """Return the item of *code*, if there is one."""
        return next((item for item in self.items if item.code == code), None)

    def is_linked(self, on: date) -> bool:
        """Return whether new requests of the day *on* are answered from it."""
        return (self.added_on is None or self.added_on <= on) and (self.abolished_on is None or on < self.abolished_on)


@dataclass(frozen=True, slots=True)
class Layout:
    """One version of an information's layout.

    ``version`` is the 版番号 of the element SPIMajorVersion; ``minor`` counts the minor revisions of it. Facts from
    ``valid_from`` on are written by it, and it is linked from ``linked_from`` on: a retroactive revision begins to
    be valid before it is linked. ``invented`` says that its datasets and items are ours, for want of the standard.
    """

    information: str
    version: int
    valid_from: date
    linked_from: date
    datasets: tuple[Dataset, ...]
    revisions: frozenset[RevisionKind]
    valid_to: date | None = None
    scope: Scope = Scope.LATEST_ONLY
    minor: int = 0
    invented: bool = False
    code_lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False, repr=False)

    @property
    def revision(self) -> RevisionKind:
        """Its gravest kind of revision: one information may have several at once (A0-024)."""
        return min(self.revisions, key=_GRAVEST_FIRST.index)

    @property
    def is_retroactive(self) -> bool:
        """Whether requests from before ``linked_from`` can no longer be answered from that day on (A0-030, A1-014)."""
        return RevisionKind.MAJOR_RETROACTIVE in self.revisions

    def dataset(self, number: str) -> Dataset | None:
        """Return the dataset of *number*, if there is one."""
        return next((dataset for dataset in self.datasets if dataset.number == number), None)


_GRAVEST_FIRST = tuple(RevisionKind)


@dataclass(frozen=True, slots=True)
class Information:
    """A kind of information that is exchanged (特定個人情報)."""

    code: str
    number: int
    name: str
    short_name: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation as the network knows it; ``organisation_code`` is None for one that is no local government."""

    institution_code: str
    name: str
    kind: OrganisationKind
    organisation_code: str | None = None


@dataclass(frozen=True, slots=True)
class Affair:
    """What an organisation does by law or, ``original_use``, by its own ordinance (独自利用)."""

    code: str
    name: str
    original_use: bool = False


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure of an affair."""

    code: str
    affair: str
    name: str


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a permission: all organisations of a kind, or one institution."""

    kind: OrganisationKind | None = None
    code: str | None = None

    def __post_init__(self) -> None:
        if (self.kind is None) == (self.code is None):
            raise ValueError("a party is a kind of organisations or one institution")

    @property
    def key(self) -> str:
        """What tells this party from all others."""
        return self.code or f"{self.kind}"


@dataclass(frozen=True, slots=True)
class Permission:
    """One row of the permission table: who may ask whom, for what affair, for what information (A2-008).

    ``original_use`` marks what an organisation's own ordinance allows.
    """

    inquirer: Party
    affair: str
    procedure: str
    provider: Party
    information: str
    original_use: bool = False


@dataclass(frozen=True, slots=True)
class PackageHead:
    """What a package says of itself; packages are numbered 1, 2, 3, … without a gap."""

    sequence: int
    version: str
    publication: Publication
    kind: PackageKind
    linkage_start: date
    published_at: datetime


@dataclass(frozen=True)
class Catalogue:
    """All masters of one package; it never changes, and is shared by whoever stands at that package."""

    head: PackageHead
    organisations: tuple[Organisation, ...] = ()
    affairs: tuple[Affair, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    information: tuple[Information, ...] = ()
    all_layouts: tuple[Layout, ...] = ()
    permissions: tuple[Permission, ...] = ()

    def layouts(self, information: str) -> tuple[Layout, ...]:
        """Return all layouts of *information*, oldest version first; empty if there is none."""
        return self._layouts.get(information, ())

    def layout(self, information: str, version: int) -> Layout:
        """Return the newest minor revision of *version* of the layout of *information*.

        Raises:
            LayoutUnknown: there is no such version.
        """
        found = [layout for layout in self.layouts(information) if layout.version == version]
        if not found:
            raise LayoutUnknown(information=information, version=version)
        return found[-1]

    def current(self, information: str, on: date) -> Layout | None:
        """Return the layout by which *information* is linked on the day *on*; None if it is not linked then.

        Source: A0-030, A0-031.
        """
        linked = [
            layout
            for layout in self.layouts(information)
            if layout.linked_from <= on and (layout.valid_to is None or on < layout.valid_to)
        ]
        return linked[-1] if linked else None

    def named(self, information: str) -> Information:
        """Return what *information* is.

        Raises:
            InformationUnknown: the masters do not know it.
        """
        found = self._information.get(information)
        if found is None:
            raise InformationUnknown(information=information)
        return found

    def organisation(self, code: str) -> Organisation:
        """Return the organisation of the institution code *code*, or of the local government code *code*.

        Raises:
            InstitutionUnknown: the masters do not know it.
        """
        found = self._by_code.get(code)
        if found is None:
            raise InstitutionUnknown(institution=code)
        return found

    def permits(self, *, inquirer: str, affair: str, procedure: str, provider: str, information: str) -> bool:
        """Return whether the institution *inquirer* may ask the institution *provider* for *information*.

        Institutions that the masters do not know may nothing. Source: A2-008.
        """
        asking, giving = self._by_code.get(inquirer), self._by_code.get(provider)
        if asking is None or giving is None:
            return False
        return any(
            (one, affair, procedure, other, information) in self._permitted
            for one in (asking.institution_code, asking.kind.value)
            for other in (giving.institution_code, giving.kind.value)
        )

    @cached_property
    def _layouts(self) -> Mapping[str, tuple[Layout, ...]]:
        ordered: dict[str, list[Layout]] = {}
        for layout in sorted(self.all_layouts, key=lambda layout: (layout.version, layout.minor)):
            ordered.setdefault(layout.information, []).append(layout)
        return {information: tuple(layouts) for information, layouts in ordered.items()}

    @cached_property
    def _information(self) -> Mapping[str, Information]:
        return {each.code: each for each in self.information}

    @cached_property
    def _by_code(self) -> Mapping[str, Organisation]:
        by_own_code = {each.organisation_code: each for each in self.organisations if each.organisation_code}
        return {**by_own_code, **{each.institution_code: each for each in self.organisations}}

    @cached_property
    def _permitted(self) -> frozenset[tuple[str, str, str, str, str]]:
        return frozenset(
            (each.inquirer.key, each.affair, each.procedure, each.provider.key, each.information)
            for each in self.permissions
        )


def satisfies(rule: CheckRule, digits: str) -> bool:
    """Return whether the last of *digits* is what *rule* makes of the others."""
    match rule:
        case CheckRule.MODULUS_10_WEIGHT_2_1:
            return digits.isascii() and digits.isdigit() and digits[-1] == check_digit(rule, digits[:-1])


def check_digit(rule: CheckRule, digits: str) -> str:
    """Return the digit that *rule* puts behind *digits* (digits in half width)."""
    match rule:
        case CheckRule.MODULUS_10_WEIGHT_2_1:
            products = (int(digit) * (2, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
            return str(-sum(product // 10 + product % 10 for product in products) % 10)
