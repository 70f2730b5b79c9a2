"""Exemptions take two people and hold on their days alone; limits rest on the registry's population."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from chukan.platform.accounts.errors import RequestOver
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings
from chukan.tenants.limits.budget import RegisteredLimits, limit_of
from chukan.tenants.limits.errors import PopulationMissing
from chukan.tenants.limits.exemptions import store
from chukan.tenants.limits.exemptions.errors import ExemptionRefused, OrganisationGone
from chukan.tenants.limits.exemptions.service import KIND, MOST_DAYS, Wanted, ask_for, grant, kinds
from chukan.tenants.limits.exemptions.store import Base
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.duplicate_copies.ports import DayBudget, LimitedDay, Use
from chukan.tenants.registry.values import Kind
from support.accounts import Office
from support.database import fresh_database
from support.vault import Safe, file_safe

DAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def safe(cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Safe]:
    with fresh_database(*cluster) as database:
        yield file_safe(database, tmp_path_factory.mktemp("keys"))


def union_of(safe: Safe, name: str, populations: list[int | None]) -> TenantId:
    """Register a union with a tenant whose members have these populations; return the tenant."""
    tenant = safe.database.create_tenant().tenant
    with safe.database.superuser() as superuser:
        union = _organisation(superuser, name, tenant)
        for place, population in enumerate(populations):
            member = _organisation(superuser, f"{name}-{place}", None)
            superuser.execute(
                "insert into platform.union_member (union_id, member, since) values (%s, %s, '2020-04-01')",
                (union, member),
            )
            if population is not None:
                superuser.execute(
                    "insert into platform.population (organisation, as_of, value, source) "
                    "values (%s, '2020-10-01', %s, 'test'), (%s, '2015-10-01', 9, 'test')",
                    (member, population, member),
                )
    return tenant


def _organisation(superuser: psycopg.Connection, name: str, tenant: TenantId | None) -> UUID:
    row = superuser.execute(
        "insert into platform.organisation (kind, prefecture, name, kana, search_key, tenant, state, state_since) "
        "values ('wide_area_union', '01', %s, '', '', %s, 'active', now()) returning id",
        (name, tenant),
    ).fetchone()
    assert row is not None
    made: UUID = row[0]
    return made


def test_a_union_may_send_what_its_members_together_allow(safe: Safe) -> None:
    tenant = union_of(safe, "three", [3_762, 14_345, 15_844])
    limits = RegisteredLimits(safe.database.engine(ProcessKind.GATEWAY))
    assert limits.standing(tenant, DAY) == (Amount(2_000_000, 101_853), False)
    budget: DayBudget = LimitedDay(limits.standing)
    assert budget.decide(tenant, DAY, used=Use(0, 0), asked=Use(2_000_000, 101_853 << 10)).accepted
    assert not budget.decide(tenant, DAY, used=Use(0, 0), asked=Use(1, (101_853 << 10) + 1)).accepted


@pytest.mark.parametrize("populations", [[], [3_762, None]], ids=["no members", "a member without population"])
def test_a_union_without_a_whole_population_is_refused(safe: Safe, populations: list[int | None]) -> None:
    tenant = union_of(safe, f"lacking {len(populations)}", populations)
    with pytest.raises(PopulationMissing):
        RegisteredLimits(safe.database.engine(ProcessKind.GATEWAY)).standing(tenant, DAY)


@pytest.mark.parametrize(
    ("kind", "population", "limit"),
    [
        (Kind.DESIGNATED_CITY, 3_778_318, Amount(3_778_318, 37_783_180)),
        (Kind.SPECIAL_WARD, 948_147, Amount(2_000_000, 9_481_470)),
        (Kind.PREFECTURE, 2_000_000, Amount(2_000_000, 2_000_000)),
        (Kind.VILLAGE, 169, Amount(2_000_000, 1_690)),
    ],
)
def test_every_registered_kind_has_its_limit(kind: Kind, population: int, limit: Amount) -> None:
    assert limit_of(Base("132012", kind.value, None, population, 0, 0), DAY) == limit


def test_an_organisation_sends_until_the_day_before_its_dissolution() -> None:
    base = Base("132012", Kind.CITY.value, DAY, 100, 0, 0)
    assert limit_of(base, DAY - timedelta(days=1)).kb == 1_000
    with pytest.raises(OrganisationGone):
        limit_of(base, DAY)


def test_an_exemption_holds_once_another_operator_approved_it_and_on_its_days_alone(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], tmp_path: Path
) -> None:
    with fresh_database(*cluster) as own:
        safe = file_safe(own, tmp_path)
        declared = kinds(Permission.ORGANISATION_CHANGE, Permission.TENANT_PURGE_APPROVE)
        # The database judges by its own clock whether an approval has expired.
        office = Office(safe, declared, now=SystemClock().now())
        tenant = union_of(safe, "vendor change", [1_000])
        with safe.database.superuser() as superuser:
            row = superuser.execute("select id from platform.organisation where tenant = %s", (tenant,)).fetchone()
        assert row is not None
        today = as_tokyo(office.now).date()
        office.member("root", Role.ADMINISTRATOR)
        asker = office.actor(office.member("asker", Role.OPERATIONS))
        second = office.actor(office.member("second", Role.SECURITY))
        wanted = Wanted(str(row[0]), today, today + timedelta(days=1), "change of vendor")

        for wrong in (
            Wanted(wanted.organisation, today - timedelta(days=1), today, "x"),
            Wanted(wanted.organisation, today, today - timedelta(days=1), "x"),
            Wanted(wanted.organisation, today, today + timedelta(days=MOST_DAYS), "x"),
            Wanted(wanted.organisation, today, today, ""),
        ):
            with pytest.raises(ExemptionRefused):
                ask_for(office.engine, office.four_eyes, asker, wrong, now=office.now, request="test")
        request = ask_for(office.engine, office.four_eyes, asker, wanted, now=office.now, request="test")
        limits = RegisteredLimits(safe.database.engine(ProcessKind.GATEWAY))
        assert not limits.standing(tenant, today)[1]

        office.four_eyes.approve(second, request, now=office.now, request="test")
        grant(office.engine, request, actor=second.name, now=office.now, trace="test")

        days = [today + timedelta(days=offset) for offset in (-1, 0, 1, 2)]
        assert [limits.standing(tenant, day)[1] for day in days] == [False, True, True, False]
        decision = LimitedDay(limits.standing).decide(tenant, today, used=Use(0, 0), asked=Use(3_000_000, 1))
        assert decision.verdict.value == "exempted"
        with office.engine.connect() as connection:
            assert [each.reason for each in store.exemptions(connection, today)] == ["change of vendor"]
            assert store.exemptions(connection, today + timedelta(days=2)) == []
        assert "limits:exemption:grant" in safe.actions()
        with pytest.raises(RequestOver):
            grant(office.engine, request, actor=second.name, now=office.now, trace="test")
        assert KIND in {kind.name for kind in office.four_eyes.kinds}
