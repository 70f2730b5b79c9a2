"""The files of a standard (``config/masters``, or an operator's own folder): read into the masters of a package.

The files are for people who keep them: one entry stands in several versions of a layout, and a package is what was
known when it was published. docs/areas/masters.md describes them.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chukan.platform.clock import as_utc
from chukan.platform.messages import text
from chukan.tenants.middleserver.formats.codes import information_code_of
from chukan.tenants.middleserver.security.masters.consistency import require_consistent
from chukan.tenants.middleserver.security.masters.errors import PackageMalformed, PackageUnknown
from chukan.tenants.middleserver.security.masters.rules import (
    Affair,
    Catalogue,
    Condition,
    Dataset,
    Information,
    Item,
    Layout,
    Organisation,
    OrganisationKind,
    PackageHead,
    Party,
    Permission,
    Procedure,
    Publication,
)
from chukan.tenants.middleserver.security.masters.standard_files import (
    CodeListsFile,
    ConditionEntry,
    DatasetEntry,
    InformationFile,
    ItemEntry,
    LayoutEntry,
    LayoutFile,
    PackageEntry,
    PackagesFile,
    PartiesFile,
)

_File = TypeVar("_File", bound=BaseModel)
_Place = tuple[int, int]


class Standard:
    """The files of one folder, read once; the organisations are those of ``config/organisations.csv``."""

    def __init__(self, folder: Traversable | None = None, organisations: Traversable | None = None) -> None:
        """Read the shipped files, or those of *folder*.

        Raises:
            PackageMalformed: a file is missing or has another form; the place is the file's name.
        """
        shipped = files("chukan") / "config"
        self._folder = folder or shipped / "masters"
        self._packages = self._read("packages.toml", PackagesFile).packages
        self._information = self._read("information.toml", InformationFile).information
        self._parties = self._read("parties.toml", PartiesFile)
        self._code_lists = self._read("code_lists.toml", CodeListsFile).root
        names = sorted(path.name for path in (self._folder / "layouts").iterdir() if path.name.endswith(".toml"))
        self._layouts = [self._read(f"layouts/{name}", LayoutFile) for name in names]
        local = (organisations or shipped / "organisations.csv").read_text("utf-8")
        self._local = list(csv.DictReader(io.StringIO(local)))

    def heads(self) -> tuple[PackageHead, ...]:
        """Return what the packages say of themselves, in the order of their sequence."""
        return tuple(_head(entry) for entry in sorted(self._packages, key=lambda entry: entry.sequence))

    def catalogue(self, sequence: int) -> Catalogue:
        """Return the masters of the package *sequence*.

        Raises:
            PackageUnknown: there is none of that sequence.
            PackageMalformed: the files contradict themselves.
        """
        head = next((head for head in self.heads() if head.sequence == sequence), None)
        if head is None:
            raise PackageUnknown(sequence=sequence)
        catalogue = Catalogue(
            head=head,
            organisations=tuple(self._members(head)),
            affairs=tuple(self._affairs(head)),
            procedures=tuple(self._procedures(head)),
            information=tuple(
                Information(each.code, each.number, each.name, each.short_name)
                for each in self._information
                if each.package <= head.version
            ),
            all_layouts=tuple(layout for file in self._layouts for layout in self._layouts_of(file, head)),
            permissions=tuple(self._permissions(head)),
        )
        require_consistent(catalogue)
        return catalogue

    def _members(self, head: PackageHead) -> Iterator[Organisation]:
        for row in self._local:
            code = row["code"]
            kind = self._parties.local_kinds[row["kind"]]
            yield Organisation(self._parties.local_institution_code.format(code=code), row["name"], kind, code)
        for each in self._parties.institutions:
            if each.package <= head.version:
                yield Organisation(each.institution_code, each.name, each.kind)

    def _affairs(self, head: PackageHead) -> Iterator[Affair]:
        for each in self._parties.affairs:
            if each.package <= head.version:
                yield Affair(each.code, each.name)
        if head.publication is Publication.ORIGINAL_USE:
            for own in self._parties.original_uses:
                if own.package <= head.version:
                    yield Affair(own.affair, own.name, original_use=True)

    def _procedures(self, head: PackageHead) -> Iterator[Procedure]:
        for each in self._parties.procedures:
            if each.package <= head.version:
                yield Procedure(each.code, each.affair, each.name)
        if head.publication is Publication.ORIGINAL_USE:
            for own in self._parties.original_uses:
                if own.package <= head.version:
                    yield Procedure(own.procedure, own.affair, own.name)

    def _permissions(self, head: PackageHead) -> Iterator[Permission]:
        for each in self._parties.permissions:
            if each.package <= head.version:
                rows = _rows(each.inquirers, each.providers, each.information)
                yield from (Permission(asks, each.affair, each.procedure, gives, what) for asks, gives, what in rows)
        if head.publication is not Publication.ORIGINAL_USE:
            return
        for own in self._parties.original_uses:
            if own.package <= head.version:
                rows = _rows([own.institution_code], own.providers, own.information)
                yield from (
                    Permission(asks, own.affair, own.procedure, gives, what, original_use=True)
                    for asks, gives, what in rows
                )

    def _layouts_of(self, file: LayoutFile, head: PackageHead) -> Iterator[Layout]:
        for entry in file.layouts:
            if entry.package <= head.version:
                yield self._layout(file, entry, head)

    def _layout(self, file: LayoutFile, entry: LayoutEntry, head: PackageHead) -> Layout:
        place = (entry.version, entry.minor)
        datasets = tuple(_dataset(each, place, head) for each in file.datasets if _is_in(each.since, each.until, place))
        used = {item.code_list for dataset in datasets for item in dataset.items}
        return Layout(
            information=information_code_of(file.information),
            version=entry.version,
            minor=entry.minor,
            valid_from=entry.valid_from,
            valid_to=_known_end(entry.valid_to, head),
            linked_from=entry.linked_from,
            revisions=frozenset(entry.revisions),
            scope=entry.scope,
            invented=entry.invented,
            datasets=datasets,
            code_lists={name: values for name, values in self._code_lists.items() if name in used},
        )

    def _read(self, name: str, form: type[_File]) -> _File:
        try:
            return form.model_validate(tomllib.loads((self._folder / name).read_text("utf-8")))
        except FileNotFoundError as error:
            raise PackageMalformed(place=name, reason=text("the file is missing")) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PackageMalformed(place=name, reason=text("the file is no TOML: {error}", error=error)) from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = f"{name}: {'.'.join(map(str, first['loc']))}"
            raise PackageMalformed(place=place, reason=first["msg"]) from error


def _head(entry: PackageEntry) -> PackageHead:
    return PackageHead(
        sequence=entry.sequence,
        version=entry.version,
        publication=entry.publication,
        kind=entry.kind,
        linkage_start=entry.linkage_start,
        published_at=as_utc(entry.published_at),
    )


def _rows(
    inquirers: Iterable[str], providers: Iterable[str], information: Iterable[int]
) -> Iterator[tuple[Party, Party, str]]:
    for inquirer in inquirers:
        for provider in providers:
            for number in information:
                yield _party(inquirer), _party(provider), information_code_of(number)


def _party(name: str) -> Party:
    return Party(code=name) if name.isdigit() else Party(kind=OrganisationKind(name))


def _dataset(entry: DatasetEntry, place: _Place, head: PackageHead) -> Dataset:
    return Dataset(
        number=entry.number,
        name=entry.name,
        items=tuple(_item(item) for item in entry.items if _is_in(item.since, item.until, place)),
        abolished_on=_known_end(entry.abolished_on, head),
        added_on=entry.added_on,
        everyone=entry.everyone,
    )


def _item(entry: ItemEntry) -> Item:
    return Item(
        code=entry.code,
        name=entry.name,
        type=entry.type,
        length=entry.length,
        required=entry.required,
        occurs_max=entry.occurs_max,
        code_list=entry.code_list,
        check=entry.check,
        version=entry.version,
        fixed=entry.fixed,
        form=entry.form,
        negative=entry.negative,
        required_when=_condition(entry.required_when),
        absent_when=_condition(entry.absent_when),
        not_before=entry.not_before,
    )


def _condition(entry: ConditionEntry | None) -> Condition | None:
    return Condition(entry.item, frozenset(entry.values)) if entry else None


def _known_end(end: date | None, head: PackageHead) -> date | None:
    """Return *end* if the package knows of it: an end after its own linkage start is announced by a later one."""
    return end if end is not None and end <= head.linkage_start else None


def _is_in(since: str, until: str, place: _Place) -> bool:
    return _place(since) <= place < _place(until)


def _place(written: str) -> _Place:
    version, _, minor = written.partition(".")
    return int(version), int(minor or 0)
