"""The form of the files of a standard: what may stand in them, checked whole when they are read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel

from chukan.tenants.middleserver.security.masters.rules import (
    CheckRule,
    Form,
    ItemType,
    OrganisationKind,
    PackageKind,
    Publication,
    RevisionKind,
    Scope,
)

#: A version of a layout as entries name it: "4" or "4.1".
Place = Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4})?$")]
#: A version of packages: year and month of publication.
Version = Annotated[str, Field(pattern=r"^[0-9]{4}\.[0-9]{2}(\.[0-9]{1,3})?$")]
#: One side of a permission: a kind of organisations, or an institution code.
PartyName = Annotated[str, Field(pattern=r"^([0-9]{16}|municipality|prefecture|union|national)$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Known(_Entry):
    #: The first version of packages that holds it.
    package: Version = "0000.00"


class PackageEntry(_Entry):
    """A package: its place in the order, and what it is."""

    sequence: Annotated[int, Field(ge=1)]
    version: Version
    publication: Publication
    kind: PackageKind
    linkage_start: date
    published_at: datetime


class PackagesFile(_Entry):
    """``packages.toml``."""

    packages: list[PackageEntry]


class InformationEntry(_Known):
    """A kind of information."""

    number: Annotated[int, Field(ge=1)]
    code: Annotated[str, Field(pattern=r"^TM[0-9]{14}$")]
    name: str
    short_name: str = ""


class InformationFile(_Entry):
    """``information.toml``."""

    information: list[InformationEntry]


class InstitutionEntry(_Known):
    """An institution that is no local government."""

    institution_code: Annotated[str, Field(pattern=r"^[0-9]{16}$")]
    name: str
    kind: OrganisationKind


class AffairEntry(_Known):
    """An affair."""

    code: Annotated[str, Field(pattern=r"^JM[0-9]{14}$")]
    name: str


class ProcedureEntry(_Known):
    """A procedure of an affair."""

    code: Annotated[str, Field(pattern=r"^JT[0-9]{14}$")]
    affair: str
    name: str


class PermissionEntry(_Known):
    """Rows of the permission table: each of the inquirers may ask each of the providers for each information."""

    inquirers: list[PartyName]
    affair: str
    procedure: str
    providers: list[PartyName]
    information: list[int]


class OriginalUseEntry(_Known):
    """What one organisation does by its own ordinance, and what it may ask for."""

    institution_code: Annotated[str, Field(pattern=r"^[0-9]{16}$")]
    affair: Annotated[str, Field(pattern=r"^JM[0-9]{14}$")]
    procedure: Annotated[str, Field(pattern=r"^JT[0-9]{14}$")]
    name: str
    providers: list[PartyName]
    information: list[int]


class PartiesFile(_Entry):
    """``parties.toml``."""

    local_institution_code: str
    local_kinds: dict[str, OrganisationKind]
    institutions: list[InstitutionEntry] = []
    affairs: list[AffairEntry]
    procedures: list[ProcedureEntry]
    permissions: list[PermissionEntry]
    original_uses: list[OriginalUseEntry] = []


class CodeListsFile(RootModel[dict[str, dict[str, str]]]):
    """``code_lists.toml``: the meaning of each code of each list."""


class ConditionEntry(_Entry):
    """Holds where the item has one of the values."""

    item: str
    values: list[str]


class _Placed(_Entry):
    since: Place = "0"
    until: Place = "9999.9999"


class ItemEntry(_Placed):
    """An item, in the versions from ``since`` on until (exclusive) ``until``."""

    code: str
    name: str
    type: ItemType
    length: Annotated[int, Field(ge=1)]
    fixed: bool = False
    form: Form = Form.ANY
    negative: bool = True
    required: bool = False
    required_when: ConditionEntry | None = None
    absent_when: ConditionEntry | None = None
    occurs_max: Annotated[int, Field(ge=1)] = 1
    code_list: str | None = None
    check: CheckRule | None = None
    not_before: str | None = None
    version: Annotated[int, Field(ge=1)] = 1


class DatasetEntry(_Placed):
    """A dataset, in the versions from ``since`` on until (exclusive) ``until``."""

    number: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    name: str
    items: list[ItemEntry]
    added_on: date | None = None
    abolished_on: date | None = None
    everyone: bool = False


class LayoutEntry(_Known):
    """A version of the layout."""

    version: Annotated[int, Field(ge=1, le=9999)]
    minor: Annotated[int, Field(ge=0)] = 0
    valid_from: date
    valid_to: date | None = None
    linked_from: date
    revisions: list[RevisionKind]
    scope: Scope
    invented: bool = False


class LayoutFile(_Entry):
    """A file of ``layouts/``."""

    information: int
    layouts: list[LayoutEntry]
    datasets: list[DatasetEntry]
