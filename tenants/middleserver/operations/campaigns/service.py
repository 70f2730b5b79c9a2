"""Campaigns: made from a file, their slots booked and released, their progress told.

Source: A0-008, A0-010, A0-025, A1-010 to A1-012.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from chukan.platform.audit.actor import Actor
from chukan.platform.audit.rules import Action
from chukan.platform.messages import text
from chukan.tenants.middleserver.operations.campaigns import rules, store
from chukan.tenants.middleserver.operations.campaigns.errors import (
    CampaignDelegationRefused,
    CampaignRefused,
    CampaignUnknown,
    SlotRefused,
    SlotUnknown,
)
from chukan.tenants.middleserver.operations.campaigns.rules import Campaign, Number, Readiness, Scope, Standing
from chukan.tenants.middleserver.operations.campaigns.store import Slot
from chukan.tenants.middleserver.operations.campaigns.words import told_delegation_objection, told_objection
from chukan.tenants.registry import store as registry

_Positive = Annotated[int, Field(gt=0)]


class CampaignAction(Action):
    """What is recorded of campaigns."""

    CREATE = "campaigns:campaign:create"
    BOOK = "campaigns:slot:book"
    RELEASE = "campaigns:slot:release"
    DELEGATE = "campaigns:campaign:delegate"
    WITHDRAW = "campaigns:campaign:withdraw"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Number(_Data):
    information: Annotated[int, Field(gt=0, lt=1 << 15)]
    mandatory: bool
    scope: Scope
    large: bool = False


class _Campaign(_Data):
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    opens_on: date
    due_on: date
    night_capacity: _Positive
    number: Annotated[tuple[_Number, ...], Field(min_length=1)]


@dataclass(frozen=True)
class OrganisationProgress:
    """How far one organisation is with a campaign, and which mandatory numbers are missing."""

    organisation: str
    name: str
    prefecture: str
    readiness: Readiness
    missing: Sequence[int]
    standings: Sequence[Standing]


def campaign_of(content: str) -> Campaign:
    """Return the campaign that a TOML file describes.

    Raises:
        CampaignRefused: it is wrong, its days are in the wrong order, or a number stands twice.
    """
    try:
        stated = _Campaign.model_validate(tomllib.loads(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CampaignRefused(reason=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except tomllib.TOMLDecodeError as error:
        raise CampaignRefused(reason=str(error)) from error
    numbers = tuple(Number(each.information, each.mandatory, each.scope, each.large) for each in stated.number)
    if stated.opens_on >= stated.due_on or len({each.information for each in numbers}) < len(numbers):
        raise CampaignRefused(reason="opens_on, due_on, number")
    return Campaign(stated.revision, stated.title, stated.opens_on, stated.due_on, stated.night_capacity, numbers)


class Campaigns:
    """What operators see and do, under the console's log-in."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def create(self, campaign: Campaign) -> None:
        """Make *campaign*.

        Raises:
            CampaignRefused: there is one for its revision.
        """
        with self._actor.act(CampaignAction.CREATE, f"campaign:{campaign.revision}") as unit:
            if not store.add(unit.connection, campaign, actor=self._actor.name):
                raise CampaignRefused(reason=campaign.revision)
            unit.note(due_on=campaign.due_on.isoformat(), numbers=len(campaign.numbers))

    def all(self) -> Sequence[Campaign]:
        """Return all campaigns, the latest to open first."""
        with self._actor.engine.connect() as connection:
            return store.campaigns(connection)

    def slots(self, revision: str) -> Sequence[Slot]:
        """Return the booked slots by night; raises ``CampaignUnknown``."""
        with self._actor.engine.connect() as connection:
            _found(connection, revision)
            return store.slots(connection, revision)

    def book(
        self, revision: str, information: int, organisation: str, *, night: date, records: int, today: date
    ) -> UUID:
        """Book *records* of *information* for *organisation* (code or id) in *night*; return the slot's id.

        Raises:
            CampaignUnknown, OrganisationUnknown, CodeInvalid: there is none.
            SlotRefused: the rules object, or the organisation has a slot of that number in that night.
        """
        with self._actor.act(CampaignAction.BOOK, f"campaign:{revision}") as unit:
            connection = unit.connection
            if not store.lock(connection, revision):
                raise CampaignUnknown(revision=revision)
            campaign = _found(connection, revision)
            registered = registry.get(connection, organisation, today)
            taken = store.booked(connection, revision, night)
            left = max(0, campaign.night_capacity - taken)
            against = rules.objection(campaign, information, night, records=records, booked=taken, today=today)
            if against is not None:
                raise SlotRefused(reason=told_objection(against), left=left)
            slot = store.book(
                connection, revision, information=information, organisation=registered.id, night=night,
                records=records, actor=self._actor.name,
            )  # fmt: skip
            if slot is None:
                raise SlotRefused(reason=text("the organisation has one already"), left=left)
            unit.note(slot=str(slot), organisation=registered.reference, night=night.isoformat(), records=records)
        return slot

    def release(self, slot: UUID) -> None:
        """Give *slot* back; raises ``SlotUnknown``."""
        with self._actor.act(CampaignAction.RELEASE, f"slot:{slot}") as unit:
            if not store.release(unit.connection, slot, actor=self._actor.name):
                raise SlotUnknown(slot=slot)

    def delegate(self, revision: str, organisation: str, information: int, *, from_day: date, today: date) -> None:
        """Let *information* count for *organisation* (code or id), which takes it over on *from_day*.

        Said again, it corrects the day.

        Raises:
            CampaignUnknown, OrganisationUnknown, CodeInvalid: there is none.
            CampaignDelegationRefused: it is mandatory anyway, or begins when the campaign is over.
        Source: A1-010.
        """
        with self._actor.act(CampaignAction.DELEGATE, f"campaign:{revision}") as unit:
            campaign = _found(unit.connection, revision)
            registered = registry.get(unit.connection, organisation, today)
            against = rules.delegation_objection(campaign, information, from_day)
            if against is not None:
                raise CampaignDelegationRefused(information=information, reason=told_delegation_objection(against))
            store.take_over(
                unit.connection, revision, information=information, organisation=registered.id, from_day=from_day,
                actor=self._actor.name,
            )  # fmt: skip
            unit.note(organisation=registered.reference, information=information, since=from_day.isoformat())

    def withdraw(self, revision: str, organisation: str, information: int, *, today: date) -> None:
        """Take back that *information* counts for *organisation*, where it was entered by mistake.

        Raises:
            CampaignUnknown, OrganisationUnknown, CodeInvalid: there is none.
            CampaignDelegationRefused: it was not entered.
        """
        with self._actor.act(CampaignAction.WITHDRAW, f"campaign:{revision}") as unit:
            _found(unit.connection, revision)
            registered = registry.get(unit.connection, organisation, today)
            if not store.withdraw(unit.connection, revision, information=information, organisation=registered.id):
                reason = text("the organisation has not taken it over")
                raise CampaignDelegationRefused(information=information, reason=reason)
            unit.note(organisation=registered.reference, information=information)

    def progress(self, revision: str, *, today: date) -> Sequence[OrganisationProgress]:
        """Return how far every active organisation is on *today* (Asia/Tokyo); raises ``CampaignUnknown``."""
        return self.followed(revision, today=today)[1]

    def followed(self, revision: str, *, today: date) -> tuple[Campaign, Sequence[OrganisationProgress]]:
        """Return the campaign with its progress on *today* (Asia/Tokyo); raises ``CampaignUnknown``."""
        with self._actor.engine.connect() as connection:
            campaign = _found(connection, revision)
            return campaign, progress_of(connection, campaign, today)


def progress_of(connection: Connection, campaign: Campaign, today: date) -> Sequence[OrganisationProgress]:
    """Return how far every active organisation is with *campaign*, by prefecture and code."""
    return [
        OrganisationProgress(
            each.organisation,
            each.name,
            each.prefecture,
            rules.readiness(each.standings, campaign.due_on, today),
            rules.missing(each.standings),
            each.standings,
        )
        for each in store.progress(connection, campaign, today)
    ]


def _found(connection: Connection, revision: str) -> Campaign:
    for campaign in store.campaigns(connection):
        if campaign.revision == revision:
            return campaign
    raise CampaignUnknown(revision=revision)
