"""The register of delegations: each end declares, the register compares (A1-018)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store as organisations
from chukan.tenants.registry.delegations import store
from chukan.tenants.registry.delegations.errors import DeclarationRefused, DeclarationUnknown, DelegationUnclear
from chukan.tenants.registry.delegations.rules import (
    Declaration,
    Disagreement,
    End,
    Extent,
    Pair,
    Party,
    Unclear,
    affair_code,
    answering,
    disagreements,
    require_declarable,
)
from chukan.tenants.registry.delegations.words import unclear_label
from chukan.tenants.registry.people.store import departments
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.store import subject_of
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.registry.values import Department

#: An end as it is entered: the organisation's code or id, and which of its departments.
Named = tuple[str, Department]


class Delegations:
    """The register, for *actor*."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def declare(
        self,
        delegator: Named,
        delegate: Named,
        *,
        by: End,
        extent: Extent,
        affairs: Sequence[str],
        span: Span,
        now: datetime,
    ) -> Declaration:
        """Register what one end says: *affairs* (or all) of *delegator* are done by *delegate* in *span*.

        Raises:
            DeclarationRefused: it says nothing, or the same end has another word for some of these days.
            OrganisationUnknown: one of the two is not registered.
        Source: A1-018.
        """
        whose = delegator if by is End.DELEGATOR else delegate
        told = {"delegator": subject_of(delegator[0]), "delegate": subject_of(delegate[0]), "extent": extent.value}
        with self._actor.act(RegistryAction.DECLARE, subject_of(whose[0]), by=by.value, **told) as unit:
            codes = sorted({affair_code(affair) for affair in affairs})
            pair = _pair(unit.connection, delegator, delegate, as_tokyo(now).date())
            others = store.declarations(unit.connection, pair.delegator.organisation)
            require_declarable(pair, by, extent, affairs=codes, span=span, others=others)
            id_ = store.insert_declaration(unit.connection, pair, by, extent, affairs=codes, span=span, now=now)
            unit.note(declaration=str(id_), affairs=codes, since=str(span.since), until=str(span.until or ""))
        return Declaration(id_, pair, by, extent, frozenset(codes), span)

    def end(self, declaration: UUID, *, until: date) -> None:
        """Let a declaration hold no longer from the day *until* on.

        Raises:
            DeclarationUnknown: there is none that holds until then.
        """
        act = self._actor.act(RegistryAction.END_DECLARATION, f"declaration:{declaration}", until=str(until))
        with act as unit:
            if not store.end_declaration(unit.connection, declaration, until):
                raise DeclarationUnknown(declaration=declaration, day=until)

    def declarations(self, organisation: UUID | None = None) -> Sequence[Declaration]:
        """Return all declarations, or those in which *organisation* is an end."""
        with self._actor.engine.connect() as connection:
            return store.declarations(connection, organisation)

    def disagreements(self, day: date) -> Sequence[Disagreement]:
        """Return in what the ends of the delegations of *day* do not agree. Source: A1-018."""
        return disagreements(self.declarations(), day)

    def answering(self, delegator: Named, affair: str, day: date) -> Party:
        """Return who does *affair* of *delegator* on *day*; raises as ``who_answers``."""
        with self._actor.engine.connect() as connection:
            return who_answers(connection, delegator, affair, day)


def who_answers(connection: Connection, delegator: Named, affair: str, day: date) -> Party:
    """Return who does *affair* of *delegator* on *day*: itself where it is not delegated.

    Raises:
        DelegationUnclear: the ends do not agree, so that nobody may answer.
        DeclarationRefused: *affair* is no code of an affair.
    Source: A1-018.
    """
    organisation = organisations.get(connection, delegator[0], day)
    code = affair_code(affair)
    declared = store.declarations(connection, organisation.id)
    found = answering(Party(organisation.id, delegator[1]), code, declared, day)
    if isinstance(found, Unclear):
        reason = unclear_label(found)
        raise DelegationUnclear(affair=code, organisation=organisation.reference, day=day, reason=reason)
    return found


def _pair(connection: Connection, delegator: Named, delegate: Named, day: date) -> Pair:
    """Lock both ends in one order and return them."""
    found = {}
    for reference in sorted({delegator[0], delegate[0]}):
        found[reference] = organisations.get(connection, reference, day, lock=True)
    parties = []
    for reference, department in (delegator, delegate):
        organisation = found[reference]
        if department not in departments(connection, organisation.id):
            reason = text("{organisation} has no such department", organisation=organisation.label)
            raise DeclarationRefused(reason=reason)
        parties.append(Party(organisation.id, department))
    return Pair(*parties)
