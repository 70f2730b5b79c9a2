"""Packages of masters, made from the data files of config/masters (docs: the remarks in those files)."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from lxml import etree

from chukan_simulators.national_network.documents import PACKAGE, add, add_all, document

_Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """Which package: its place in the order, and what it is. Days are written YYYY-MM-DD."""

    sequence: int
    version: str
    publication: str
    kind: str
    linkage_start: str
    published_at: str

    @property
    def fields(self) -> Sequence[tuple[str, object]]:
        """Its elements in the order of the schema."""
        return (
            ("Sequence", self.sequence),
            ("Version", self.version),
            ("Publication", self.publication),
            ("Kind", self.kind),
            ("LinkageStart", self.linkage_start),
            ("PublishedAt", self.published_at),
        )


class MasterFiles:
    """The data files of a folder; ``organisations`` is the list of local governments that all take part."""

    def __init__(self, folder: Path, organisations: Path) -> None:
        self._folder = folder
        self._organisations_file = organisations

    def heads(self) -> list[Head]:
        """Return all packages, in the order in which they are published."""
        entries = sorted(self._read("packages.toml")["packages"], key=lambda each: int(each["sequence"]))
        return [_head(number, entry) for number, entry in enumerate(entries, start=1)]

    def package(self, head: Head, mid: UUID) -> etree._Element:
        """Return the document of the package *head*."""
        root = document("MasterPackage", PACKAGE, mid)
        add_all(root, head.fields)
        self._add_parties(root, head)
        for name, values in self._each(add(root, "CodeLists"), "CodeList", self._code_lists.items()):
            add(values, "Name", name[0])
            for code, meaning in name[1].items():
                add_all(add(values, "Value"), (("Code", code), ("Meaning", meaning)))
        layouts = add(root, "Layouts")
        for path in sorted((self._folder / "layouts").glob("*.toml")):
            self._add_layouts(layouts, head, tomllib.loads(path.read_text("utf-8")))
        self._add_permissions(root, head)
        return root

    def _add_parties(self, root: etree._Element, head: Head) -> None:
        for (code, own, name, kind), element in self._each(
            add(root, "Organisations"), "Organisation", self._organisation_rows(head)
        ):
            fields = (("InstitutionCode", code), ("LocalGovernmentCode", own), ("Name", name), ("Kind", kind))
            add_all(element, fields)
        for each, element in self._each(add(root, "Affairs"), "Affair", self._known(head, "affairs")):
            add_all(element, (("AffairCode", each["code"]), ("Name", each["name"])))
        for each, element in self._each(add(root, "Procedures"), "Procedure", self._known(head, "procedures")):
            fields_of = (("ProcedureCode", each["code"]), ("AffairCode", each["affair"]), ("Name", each["name"]))
            add_all(element, fields_of)
        known = (each for each in self._information if _is_known(each, head))
        for each, element in self._each(add(root, "InformationList"), "Information", known):
            add_all(element, (("InformationCode", each["code"]), ("Number", each["number"]), ("Name", each["name"])))
            add_all(element, (("ShortName", each.get("short_name")),))

    def _organisation_rows(self, head: Head) -> Iterator[tuple[str, str, str, str]]:
        pattern, kinds = self._parties["local_institution_code"], self._parties["local_kinds"]
        with self._organisations_file.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                yield pattern.format(code=row["code"]), row["code"], row["name"], kinds[row["kind"]]
        for each in self._known(head, "institutions"):
            yield each["institution_code"], "", each["name"], each["kind"]

    def _add_permissions(self, root: etree._Element, head: Head) -> None:
        rows = add(root, "Permissions")
        for each in self._known(head, "permissions"):
            for inquirer in each["inquirers"]:
                for provider, information in self._given(each):
                    fields = _party("Inquirer", inquirer), ("AffairCode", each["affair"])
                    add_all(
                        add(rows, "Permission"), (*fields, ("ProcedureCode", each["procedure"]), provider, information)
                    )
        if head.publication != "original_use":
            return
        uses = add(root, "OriginalUses")
        for each in self._known(head, "original_uses"):
            own = (
                ("InstitutionCode", each["institution_code"]),
                ("AffairCode", each["affair"]),
                ("ProcedureCode", each["procedure"]),
                ("Name", each["name"]),
            )
            for given in self._given(each):
                add_all(add(uses, "OriginalUse"), (*own, *given))

    def _given(self, entry: _Entry) -> Iterator[tuple[tuple[str, object], tuple[str, object]]]:
        codes = {each["number"]: each["code"] for each in self._information}
        for provider in entry["providers"]:
            for number in entry["information"]:
                yield _party("Provider", provider), ("InformationCode", codes[number])

    def _add_layouts(self, parent: etree._Element, head: Head, file: _Entry) -> None:
        codes = {each["number"]: each["code"] for each in self._information}
        for each, element in self._each(parent, "Layout", (one for one in file["layouts"] if _is_known(one, head))):
            fields = (
                ("InformationCode", codes[file["information"]]),
                ("Version", each["version"]),
                ("Minor", each.get("minor", 0)),
                ("ValidFrom", each["valid_from"]),
                ("ValidTo", _known_end(each.get("valid_to"), head)),
                ("LinkedFrom", each["linked_from"]),
                *(("Revision", revision) for revision in each["revisions"]),
                ("Scope", each["scope"]),
                ("Invented", _yes(each["invented"]) if "invented" in each else None),
            )
            add_all(element, fields)
            place = (each["version"], each.get("minor", 0))
            for dataset in file["datasets"]:
                if _is_in(dataset, place):
                    _add_dataset(element, head, dataset, place)

    def _known(self, head: Head, name: str) -> Iterator[_Entry]:
        return (each for each in self._parties.get(name, ()) if _is_known(each, head))

    @staticmethod
    def _each(parent: etree._Element, name: str, entries: Any) -> Iterator[tuple[Any, etree._Element]]:
        for entry in entries:
            yield entry, add(parent, name)

    @cached_property
    def _parties(self) -> _Entry:
        return self._read("parties.toml")

    @cached_property
    def _information(self) -> Sequence[_Entry]:
        entries: Sequence[_Entry] = self._read("information.toml")["information"]
        return entries

    @cached_property
    def _code_lists(self) -> Mapping[str, Mapping[str, str]]:
        return self._read("code_lists.toml")

    def _read(self, name: str) -> dict[str, Any]:
        return tomllib.loads((self._folder / name).read_text("utf-8"))


def _head(sequence: int, entry: _Entry) -> Head:
    linkage_start, published_at = str(entry["linkage_start"]), entry["published_at"].isoformat()
    return Head(sequence, entry["version"], entry["publication"], entry["kind"], linkage_start, published_at)


def _add_dataset(layout: etree._Element, head: Head, dataset: _Entry, place: tuple[int, int]) -> None:
    element = add(layout, "Dataset")
    fields = (
        ("Number", dataset["number"]),
        ("Name", dataset["name"]),
        ("AddedOn", dataset.get("added_on")),
        ("AbolishedOn", _known_end(dataset.get("abolished_on"), head)),
        ("Everyone", _yes(dataset.get("everyone", False))),
    )
    add_all(element, fields)
    for item in dataset["items"]:
        if _is_in(item, place):
            _add_item(add(element, "Item"), item)


def _add_item(element: etree._Element, item: _Entry) -> None:
    fields = (
        ("Code", item["code"]),
        ("Name", item["name"]),
        ("Type", item["type"]),
        ("Length", item["length"]),
        ("Fixed", _yes(item.get("fixed", False))),
        ("Form", item.get("form", "any")),
        ("Negative", _yes(item.get("negative", True))),
        ("Required", _yes(item.get("required", False))),
    )
    add_all(element, fields)
    for name, key in (("RequiredWhen", "required_when"), ("AbsentWhen", "absent_when")):
        if key in item:
            values = [("Value", value) for value in item[key]["values"]]
            add_all(add(element, name), (("ItemCode", item[key]["item"]), *values))
    rest = (
        ("OccursMax", item.get("occurs_max", 1)),
        ("CodeList", item.get("code_list")),
        ("Check", item.get("check")),
        ("NotBefore", item.get("not_before")),
        ("Version", item.get("version", 1)),
    )
    add_all(element, rest)


def _is_known(entry: _Entry, head: Head) -> bool:
    return "package" not in entry or str(entry["package"]) <= head.version


def _known_end(end: object, head: Head) -> str | None:
    return f"{end}" if end is not None and f"{end}" <= head.linkage_start else None


def _is_in(entry: _Entry, place: tuple[int, int]) -> bool:
    return _place(entry.get("since", "0.0")) <= place < _place(entry.get("until", "10000.0"))


def _place(written: str) -> tuple[int, int]:
    version, _, minor = written.partition(".")
    return int(version), int(minor or 0)


def _party(side: str, party: str) -> tuple[str, object]:
    return (f"{side}Code" if party.isdigit() else f"{side}Kind"), party


def _yes(value: object) -> str:
    return "true" if value else "false"
