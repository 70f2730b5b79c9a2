"""The document of a package (IF_SCM_X0002_S01, ours): read into a ``Catalogue``, and written from one.

Source: A0-006, A0-009, A2-008, A3-006.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from uuid import UUID

from chukan.platform.clock import as_tokyo, as_utc
from chukan.tenants.middleserver.formats.codes import system_id
from chukan.tenants.middleserver.formats.messages import (
    Element,
    MessageHeader,
    MessageMode,
    add,
    new_message,
    parse,
    render,
    value,
)
from chukan.tenants.middleserver.formats.xml import PACKAGE_LIMITS
from chukan.tenants.middleserver.security.masters.consistency import require_consistent
from chukan.tenants.middleserver.security.masters.rules import (
    Affair,
    Catalogue,
    CheckRule,
    Condition,
    Dataset,
    Form,
    Information,
    Item,
    ItemType,
    Layout,
    Organisation,
    OrganisationKind,
    PackageHead,
    PackageKind,
    Party,
    Permission,
    Procedure,
    Publication,
    RevisionKind,
    Scope,
)

PACKAGE = "IF_SCM_X0002_S01"
#: The ids of the network and of the platform in headers; ours, as the official ones are not public.
NETWORK_SYSTEM = system_id("N000000001")
PLATFORM_SYSTEM = system_id("P000000001")

CodeLists = Mapping[str, Mapping[str, str]]


def read_package(document: bytes) -> Catalogue:
    """Return the masters that *document* holds.

    Raises:
        DocumentTooLarge, DocumentForbidden, DocumentMalformed, MessageUnexpected, MessageRefused: as ``parse``.
        PackageMalformed: it contradicts itself.
    """
    root = parse(document, {PACKAGE}, limits=PACKAGE_LIMITS).root
    lists = {
        value(each, "Name"): {value(one, "Code"): value(one, "Meaning") for one in each.iterfind("Value")}
        for each in root.iterfind("CodeLists/CodeList")
    }
    catalogue = Catalogue(
        head=read_head(root),
        organisations=tuple(map(_organisation, root.iterfind("Organisations/Organisation"))),
        affairs=tuple(_affairs(root)),
        procedures=tuple(_procedures(root)),
        information=tuple(
            Information(
                value(each, "InformationCode"),
                int(value(each, "Number")),
                value(each, "Name"),
                value(each, "ShortName"),
            )
            for each in root.iterfind("InformationList/Information")
        ),
        all_layouts=tuple(_layout(each, lists) for each in root.iterfind("Layouts/Layout")),
        permissions=tuple(_permissions(root)),
    )
    require_consistent(catalogue)
    return catalogue


def read_head(element: Element) -> PackageHead:
    """Return what *element* (a package, or its entry in the list) says of the package."""
    return PackageHead(
        sequence=int(value(element, "Sequence")),
        version=value(element, "Version"),
        publication=Publication(value(element, "Publication")),
        kind=PackageKind(value(element, "Kind")),
        linkage_start=_day(value(element, "LinkageStart")),
        published_at=as_utc(datetime.fromisoformat(value(element, "PublishedAt"))),
    )


def write_package(catalogue: Catalogue, message_id: UUID) -> bytes:
    """Return the document of *catalogue*, whose lists are those of its layouts; raises as ``render``."""
    root = new_message(
        "MasterPackage",
        MessageHeader(message_id, PACKAGE, MessageMode.PRODUCTION, NETWORK_SYSTEM, PLATFORM_SYSTEM),
    )
    write_head(root, catalogue.head)
    _write_parties(root, catalogue)
    lists = {name: values for layout in catalogue.all_layouts for name, values in layout.code_lists.items()}
    parent = add(root, "CodeLists")
    for name, values in lists.items():
        element = add(parent, "CodeList")
        add(element, "Name", name)
        for code, meaning in values.items():
            _fill(add(element, "Value"), {"Code": code, "Meaning": meaning})
    parent = add(root, "Layouts")
    for layout in catalogue.all_layouts:
        _write_layout(add(parent, "Layout"), layout)
    _write_permissions(root, catalogue)
    return render(root)


def write_head(element: Element, head: PackageHead) -> None:
    """Append what *head* says to *element*."""
    _fill(
        element,
        {
            "Sequence": head.sequence,
            "Version": head.version,
            "Publication": head.publication.value,
            "Kind": head.kind.value,
            "LinkageStart": head.linkage_start.isoformat(),
            "PublishedAt": as_tokyo(head.published_at).isoformat(),
        },
    )


# -- reading -------------------------------------------------------------------------------------


def _organisation(element: Element) -> Organisation:
    return Organisation(
        institution_code=value(element, "InstitutionCode"),
        name=value(element, "Name"),
        kind=OrganisationKind(value(element, "Kind")),
        organisation_code=value(element, "LocalGovernmentCode") or None,
    )


def _affairs(root: Element) -> Iterator[Affair]:
    for each in root.iterfind("Affairs/Affair"):
        yield Affair(value(each, "AffairCode"), value(each, "Name"))
    own = {value(each, "AffairCode"): value(each, "Name") for each in root.iterfind("OriginalUses/OriginalUse")}
    for code, name in own.items():
        yield Affair(code, name, original_use=True)


def _procedures(root: Element) -> Iterator[Procedure]:
    for each in root.iterfind("Procedures/Procedure"):
        yield Procedure(value(each, "ProcedureCode"), value(each, "AffairCode"), value(each, "Name"))
    own = {
        value(each, "ProcedureCode"): (value(each, "AffairCode"), value(each, "Name"))
        for each in root.iterfind("OriginalUses/OriginalUse")
    }
    for code, (affair, name) in own.items():
        yield Procedure(code, affair, name)


def _permissions(root: Element) -> Iterator[Permission]:
    for each in root.iterfind("Permissions/Permission"):
        yield _permission(each, _party(each, "Inquirer"), original_use=False)
    for each in root.iterfind("OriginalUses/OriginalUse"):
        yield _permission(each, Party(code=value(each, "InstitutionCode")), original_use=True)


def _permission(element: Element, inquirer: Party, *, original_use: bool) -> Permission:
    return Permission(
        inquirer=inquirer,
        affair=value(element, "AffairCode"),
        procedure=value(element, "ProcedureCode"),
        provider=_party(element, "Provider"),
        information=value(element, "InformationCode"),
        original_use=original_use,
    )


def _party(element: Element, side: str) -> Party:
    if code := value(element, f"{side}Code"):
        return Party(code=code)
    return Party(kind=OrganisationKind(value(element, f"{side}Kind")))


def _layout(element: Element, lists: CodeLists) -> Layout:
    datasets = tuple(map(_dataset, element.iterfind("Dataset")))
    used = {item.code_list for dataset in datasets for item in dataset.items}
    return Layout(
        information=value(element, "InformationCode"),
        version=int(value(element, "Version")),
        minor=int(value(element, "Minor")),
        valid_from=_day(value(element, "ValidFrom")),
        valid_to=_day_or_none(value(element, "ValidTo")),
        linked_from=_day(value(element, "LinkedFrom")),
        revisions=frozenset(RevisionKind(each.text or "") for each in element.iterfind("Revision")),
        scope=Scope(value(element, "Scope")),
        invented=_truth(value(element, "Invented")),
        datasets=datasets,
        code_lists={name: values for name, values in lists.items() if name in used},
    )


def _dataset(element: Element) -> Dataset:
    return Dataset(
        number=value(element, "Number"),
        name=value(element, "Name"),
        items=tuple(map(_item, element.iterfind("Item"))),
        abolished_on=_day_or_none(value(element, "AbolishedOn")),
        added_on=_day_or_none(value(element, "AddedOn")),
        everyone=_truth(value(element, "Everyone")),
    )


def _item(element: Element) -> Item:
    # One pass over the children: a full standard has tens of thousands of items.
    told = {each.tag: each.text or "" for each in element}
    return Item(
        code=told["Code"],
        name=told["Name"],
        type=ItemType(told["Type"]),
        length=int(told["Length"]),
        fixed=_truth(told["Fixed"]),
        form=Form(told["Form"]),
        negative=_truth(told["Negative"]),
        required=_truth(told["Required"]),
        required_when=_condition(element.find("RequiredWhen")),
        absent_when=_condition(element.find("AbsentWhen")),
        occurs_max=int(told["OccursMax"]),
        code_list=told.get("CodeList"),
        check=CheckRule(told["Check"]) if told.get("Check") in set(CheckRule) else None,
        not_before=told.get("NotBefore"),
        version=int(told["Version"]),
    )


def _condition(element: Element | None) -> Condition | None:
    if element is None:
        return None
    return Condition(value(element, "ItemCode"), frozenset(each.text or "" for each in element.iterfind("Value")))


def _day(told: str) -> date:
    return date.fromisoformat(told[:10])


def _day_or_none(told: str) -> date | None:
    return _day(told) if told else None


def _truth(told: str) -> bool:
    return told.strip() in {"true", "1"}


# -- writing -------------------------------------------------------------------------------------


def _write_parties(root: Element, catalogue: Catalogue) -> None:
    own = {each.code for each in catalogue.affairs if each.original_use}
    parent = add(root, "Organisations")
    for organisation in catalogue.organisations:
        told: dict[str, str | int | None] = {
            "InstitutionCode": organisation.institution_code,
            "LocalGovernmentCode": organisation.organisation_code,
            "Name": organisation.name,
            "Kind": organisation.kind.value,
        }
        _fill(add(parent, "Organisation"), told)
    parent = add(root, "Affairs")
    for affair in catalogue.affairs:
        if not affair.original_use:
            _fill(add(parent, "Affair"), {"AffairCode": affair.code, "Name": affair.name})
    parent = add(root, "Procedures")
    for procedure in catalogue.procedures:
        if procedure.affair not in own:
            told = {"ProcedureCode": procedure.code, "AffairCode": procedure.affair, "Name": procedure.name}
            _fill(add(parent, "Procedure"), told)
    parent = add(root, "InformationList")
    for one in catalogue.information:
        told = {
            "InformationCode": one.code,
            "Number": one.number,
            "Name": one.name,
            "ShortName": one.short_name or None,
        }
        _fill(add(parent, "Information"), told)


def _write_permissions(root: Element, catalogue: Catalogue) -> None:
    names = {each.code: each.name for each in catalogue.affairs}
    parent = add(root, "Permissions")
    for each in _of(catalogue.permissions, original_use=False):
        element = add(parent, "Permission")
        _fill(element, _party_told("Inquirer", each.inquirer))
        _fill(element, {"AffairCode": each.affair, "ProcedureCode": each.procedure})
        _fill(element, {**_party_told("Provider", each.provider), "InformationCode": each.information})
    if catalogue.head.publication is not Publication.ORIGINAL_USE:
        return
    parent = add(root, "OriginalUses")
    for each in _of(catalogue.permissions, original_use=True):
        element = add(parent, "OriginalUse")
        told = {"InstitutionCode": each.inquirer.code, "AffairCode": each.affair, "ProcedureCode": each.procedure}
        _fill(element, {**told, "Name": names[each.affair]})
        _fill(element, {**_party_told("Provider", each.provider), "InformationCode": each.information})


def _of(permissions: Iterable[Permission], *, original_use: bool) -> Iterator[Permission]:
    return (each for each in permissions if each.original_use is original_use)


def _party_told(side: str, party: Party) -> dict[str, str | int | None]:
    return {f"{side}Kind": party.kind.value} if party.kind else {f"{side}Code": party.code}


def _write_layout(element: Element, layout: Layout) -> None:
    told: dict[str, str | int | None] = {
        "InformationCode": layout.information,
        "Version": layout.version,
        "Minor": layout.minor,
        "ValidFrom": layout.valid_from.isoformat(),
        "ValidTo": _date_told(layout.valid_to),
        "LinkedFrom": layout.linked_from.isoformat(),
    }
    _fill(element, told)
    for revision in sorted(layout.revisions):
        add(element, "Revision", revision.value)
    _fill(element, {"Scope": layout.scope.value, "Invented": _truth_told(told=layout.invented)})
    for dataset in layout.datasets:
        _write_dataset(add(element, "Dataset"), dataset)


def _write_dataset(element: Element, dataset: Dataset) -> None:
    told: dict[str, str | int | None] = {
        "Number": dataset.number,
        "Name": dataset.name,
        "AddedOn": _date_told(dataset.added_on),
        "AbolishedOn": _date_told(dataset.abolished_on),
        "Everyone": _truth_told(told=dataset.everyone),
    }
    _fill(element, told)
    for item in dataset.items:
        _write_item(add(element, "Item"), item)


def _write_item(element: Element, item: Item) -> None:
    told: dict[str, str | int | None] = {
        "Code": item.code,
        "Name": item.name,
        "Type": item.type.value,
        "Length": item.length,
        "Fixed": _truth_told(told=item.fixed),
        "Form": item.form.value,
        "Negative": _truth_told(told=item.negative),
        "Required": _truth_told(told=item.required),
    }
    _fill(element, told)
    for name, condition in (("RequiredWhen", item.required_when), ("AbsentWhen", item.absent_when)):
        if condition is not None:
            child = add(element, name)
            add(child, "ItemCode", condition.item)
            for one in sorted(condition.values):
                add(child, "Value", one)
    rest: dict[str, str | int | None] = {
        "OccursMax": item.occurs_max,
        "CodeList": item.code_list,
        "Check": item.check.value if item.check else None,
        "NotBefore": item.not_before,
        "Version": item.version,
    }
    _fill(element, rest)


def _fill(element: Element, told: Mapping[str, str | int | None]) -> None:
    for name, one in told.items():
        if one is not None:
            add(element, name, one)


def _date_told(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _truth_told(*, told: bool) -> str:
    return "true" if told else "false"
