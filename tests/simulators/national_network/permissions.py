"""The permission table: who may ask whom for what, as a published package of masters says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from chukan_simulators.national_network.documents import text_of

_Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Party:
    """Who takes part: institution code, name and kind."""

    code: str
    name: str
    kind: str


@dataclass(frozen=True)
class Asked:
    """The five fields of an inquiry."""

    inquirer: str
    affair: str
    procedure: str
    provider: str
    information: str


@dataclass(frozen=True)
class PermissionTable:
    """The table of one package."""

    parties: Mapping[str, Party]
    #: Inquirer and provider are kinds or institution codes.
    rows: frozenset[_Row]

    @classmethod
    def of(cls, package: etree._Element) -> PermissionTable:
        """Return the table of the document *package*."""
        found = (
            Party(text_of(each, "InstitutionCode"), text_of(each, "Name"), text_of(each, "Kind"))
            for each in package.iterfind("Organisations/Organisation")
        )
        rows = {_row(each, _either(each, "Inquirer")) for each in package.iterfind("Permissions/Permission")}
        own = {_row(each, text_of(each, "InstitutionCode")) for each in package.iterfind("OriginalUses/OriginalUse")}
        return cls({party.code: party for party in found}, frozenset(rows | own))

    def permits(self, asked: Asked) -> bool:
        """Return whether a row, by kind or by code, permits *asked*."""
        inquirer, provider = self.parties.get(asked.inquirer), self.parties.get(asked.provider)
        if inquirer is None or provider is None:
            return False
        return any(
            (asker, asked.affair, asked.procedure, giver, asked.information) in self.rows
            for asker in (inquirer.code, inquirer.kind)
            for giver in (provider.code, provider.kind)
        )

    def way(self, inquirer: str, provider: str, information: str) -> tuple[str, str] | None:
        """Return an affair and a procedure in which *inquirer* may ask *provider* for *information*, if any."""
        askers, givers = (
            {party.code, party.kind} if (party := self.parties.get(code)) else set() for code in (inquirer, provider)
        )
        found = sorted(
            (affair, procedure)
            for asker, affair, procedure, giver, item in self.rows
            if item == information and asker in askers and giver in givers
        )
        return found[0] if found else None


#: Before anything was published.
NOBODY_KNOWN = PermissionTable({}, frozenset())


def _row(each: etree._Element, inquirer: str) -> _Row:
    affair, procedure = text_of(each, "AffairCode"), text_of(each, "ProcedureCode")
    return inquirer, affair, procedure, _either(each, "Provider"), text_of(each, "InformationCode")


def _either(each: etree._Element, side: str) -> str:
    return text_of(each, f"{side}Code") or text_of(each, f"{side}Kind")
