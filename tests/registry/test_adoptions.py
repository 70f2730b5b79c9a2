"""Optional interfaces: an organisation uses them from a day on, and until a day (A0-101)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from chukan.platform.audit.actor import Actor
from chukan.tenants.registry.adoptions import adopt, adopted, drop
from chukan.tenants.registry.errors import OrganisationRefused
from chukan.tenants.registry.service import Registry
from registry.given import DAY, NOW, entries
from support.database import Database

INTERFACE = "IF_SKI_10734_Ｓ01"


def used(actor: Actor, registry: Registry, day: date) -> Sequence[str]:
    with actor.engine.connect() as connection:
        return adopted(connection, registry.get("011002", day).id, day)


def test_an_interface_is_used_from_one_day_until_another(few: Registry, actor: Actor, database: Database) -> None:
    adopt(actor, "011002", INTERFACE, on=DAY, now=NOW)
    adopt(actor, "012025", "IF_DBM_20113_R01", on=DAY, now=NOW)
    assert used(actor, few, DAY - timedelta(days=1)) == []
    assert used(actor, few, DAY) == ["IF_SKI_10734_S01"]
    drop(actor, "011002", INTERFACE, on=DAY + timedelta(days=9), now=NOW)
    assert used(actor, few, DAY + timedelta(days=8)) == ["IF_SKI_10734_S01"]
    assert used(actor, few, DAY + timedelta(days=9)) == []
    adopt(actor, "011002", INTERFACE, on=DAY + timedelta(days=9), now=NOW)
    assert used(actor, few, DAY + timedelta(days=9)) == ["IF_SKI_10734_S01"]
    assert entries(database)[-1]["detail"] == {"interface": "IF_SKI_10734_S01", "since": "2026-07-10"}


def test_what_is_used_is_not_adopted_again_and_what_is_not_is_not_dropped(few: Registry, actor: Actor) -> None:
    with pytest.raises(OrganisationRefused):
        drop(actor, "011002", INTERFACE, on=DAY, now=NOW)
    adopt(actor, "011002", INTERFACE, on=DAY, now=NOW)
    for day in (DAY, DAY - timedelta(days=9), DAY + timedelta(days=9)):
        with pytest.raises(OrganisationRefused):
            adopt(actor, "011002", INTERFACE, on=day, now=NOW)
    with pytest.raises(OrganisationRefused):
        drop(actor, "011002", INTERFACE, on=DAY - timedelta(days=1), now=NOW)
    assert used(actor, few, DAY) == ["IF_SKI_10734_S01"]
