"""What workers and operators do: marks lead to work, counts and notices lie outside, and no content is shown."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from click.testing import CliRunner

from chukan.platform.component import Health
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings, VaultSettings
from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.middleserver.inquiries.checks import judge_pace
from chukan.tenants.middleserver.inquiries.cli import inquiries
from chukan.tenants.middleserver.inquiries.component import component
from chukan.tenants.middleserver.inquiries.desk import InquiryDesk
from chukan.tenants.middleserver.inquiries.projections import PaceOverview, pace_overview
from chukan.tenants.middleserver.inquiries.releasing import PACE
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.inquiries.work import Paced, count_hours, end_due, pace_due
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk
from chukan.tenants.middleserver.transmission.exchange_hours import Side, traffic
from support.inquiries import Asking, number

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


@pytest.fixture
def desk(asking: Asking) -> InquiryDesk:
    place = asking.wire.place
    return InquiryDesk(TransmissionDesk(place.actor, Settings(), place.sessions, place.vault), asking.inquiries)


def test_a_list_leaves_by_the_marks_that_it_left(asking: Asking, desk: InquiryDesk) -> None:
    told = asking.bulk(15)
    assert pace_due(desk, lambda: asking.now) == Paced(8, is_held=True)
    asking.relay()
    assert pace_due(desk, lambda: asking.now) == Paced(0, is_held=True)
    for serial in told.serials[:8]:
        asking.result(asking.inquiry(serial), "deferred", {"ExpectedOn": "2026-07-10"})
    assert pace_due(desk, lambda: asking.now) == Paced(7)
    assert asking.inquiries.status(asking.tenant, told.number).counts == {
        InquiryState.DEFERRED: 8,
        InquiryState.SENT: 7,
    }
    asking.relay()
    assert pace_due(desk, lambda: asking.now) == Paced(0)
    assert asking.wire.place.ask("select count(*) from platform.due where kind = %s", PACE) == [(0,)]


def test_an_organisation_that_fails_keeps_no_other_one_waiting(asking: Asking, desk: InquiryDesk) -> None:
    asking.bulk(1)
    place = asking.wire.place
    place.ask("update platform.certificate_projection set state = 'revoked' where tenant = %s", asking.tenant)
    other = place.tenant()
    place.ask("insert into platform.due (tenant, kind, at) values (%s, %s, now() - interval '1 day')", other, PACE)
    assert pace_due(desk, lambda: asking.now) == Paced(1)


def test_what_happens_is_counted_by_hour_and_counting_again_changes_nothing(asking: Asking, desk: InquiryDesk) -> None:
    engine = asking.wire.place.actor.engine
    first, second = asking.window(1), asking.window(2)
    asking.relay()
    asking.answer(first)

    def counted() -> dict[str, int]:
        count_hours(desk)
        with engine.connect() as connection:
            since = datetime(2020, 1, 1, tzinfo=UTC)
            found = traffic(connection, since, asking.tenant)
        return {each.event: each.count for each in found if each.side is Side.INQUIRER}

    assert counted() == {"release": 2, "answer": 1}
    assert counted() == {"release": 2, "answer": 1}
    place, tenant = asking.wire.place, asking.tenant
    assert place.ask("select state, count from platform.exchange_open where tenant = %s", tenant) == [("sent", 1)]
    days = "select event, sum(count)::int from platform.exchange_day where tenant = %s group by event order by event"
    assert place.ask(days, tenant) == [("answer", 1), ("release", 2)]
    asking.result(second, "refused", {"Reason": "barred"})
    asking.window(3)
    asking.relay()
    assert counted() == {"release": 3, "answer": 1, "refuse": 1}


def test_notice_is_given_once_a_day_that_ends_and_what_is_over_is_expired(asking: Asking, desk: InquiryDesk) -> None:
    registered(asking)
    asking.window()
    asking.window()
    asking.relay()
    # The last day is Friday 31 July: three business days before, Tuesday begins.
    asking.wire.clock.advance(datetime(2026, 7, 27, 14, 59, tzinfo=UTC) - asking.now)
    assert end_due(desk, asking.now) == 0
    asking.later(minutes=1)
    assert end_due(desk, asking.now) == 1
    assert end_due(desk, asking.now) == 0
    query = "select last_day, inquiries, mailed_at from platform.inquiry_expiry_notice where tenant = %s"
    (told,) = asking.wire.place.ask(query, asking.tenant)
    assert told[:2] == (date(2026, 7, 31), 2)
    mails = asking.wire.place.ask(
        "select recipient, content from platform.mail_outbox where template = 'inquiries.expiring'"
    )
    assert [recipient for recipient, _ in mails] == ["admin@town.example"]
    assert told[2] is not None
    assert "2 件" in message_from_bytes(bytes(mails[0][1]), policy=policy.default).get_content()  # type: ignore[call-overload]  # of the database
    asking.later(days=6)
    end_due(desk, asking.now)
    (status,) = {each.counts.get(InquiryState.EXPIRED) for each in asking.inquiries.recent(asking.tenant)}
    assert status == 1


@pytest.mark.parametrize(("minutes", "health"), [(None, Health.GREEN), (10, Health.GREEN), (10.1, Health.RED)])
def test_the_check_is_red_when_nobody_looks(minutes: float | None, health: Health) -> None:
    oldest = None if minutes is None else NOW - timedelta(minutes=minutes)
    assert judge_pace(PaceOverview(NOW, oldest)).health is health
    # Somebody looks, and lists of many organisations wait for their turns.
    instead = Health.AMBER if health is Health.RED else health
    assert judge_pace(PaceOverview(NOW, oldest, answered=1)).health is instead


def test_the_check_sees_what_is_due_and_not_what_is_stopped(asking: Asking) -> None:
    place = asking.wire.place
    asking.bulk(1)
    with place.actor.engine.connect() as connection:
        assert pace_overview(connection, PACE).oldest_due is not None
    asking.wire.exchange.stop(asking.tenant, reason="a drill")
    with place.actor.engine.connect() as connection:
        assert pace_overview(connection, PACE).oldest_due is None
    asking.wire.exchange.resume(asking.tenant)


def test_all_that_is_plugged_in_has_its_name() -> None:
    offered = component(Settings)
    assert [job.name for job in offered.jobs] == [
        "inquiries-pace", "inquiries-expiry", "inquiries-count", "inquiries-retention",
    ]  # fmt: skip
    assert [check.runbook for check in offered.checks] == ["inquiries-pace"]


def test_the_commands_show_no_person_and_take_back(asking: Asking) -> None:
    place = asking.wire.place
    registered(asking)
    keep_password(asking)
    settings = Settings(
        database=place.database.settings, vault=VaultSettings(key_file=place.safe.key_file)
    )  # fmt: skip
    found = asking.window(9)

    def run(*arguments: str) -> Any:
        result = CliRunner(env={"COLUMNS": "200"}).invoke(
            inquiries, [*arguments, "--json"], obj=LoadedSettings(settings), catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        assert number(9) not in result.output
        return json.loads(result.stdout)

    (listed,) = run("list", "112101")
    assert (listed["number"], listed["states"]["sent"]) == (found.reception, 1)
    shown = run("show", "112101", found.reception)
    assert shown["inquiries"][0] == {
        "serial": found.serial, "state": "sent", "provider": found.provider, "information": found.information,
        "requested_at": "2026-07-01T12:00:00+09:00", "last_valid_day": "2026-07-31", "ended_at": None,
        "expected_on": None, "reason": None,
    }  # fmt: skip
    assert run("cancel", "112101", found.serial, "--reason", "wrong_person") == {"at_once": 0, "asked": 1}
    assert asking.inquiry(found.serial).state is InquiryState.CANCELLING
    runner = CliRunner(env={"COLUMNS": "200"})
    for words in (["list", "112101"], ["show", "112101", found.reception]):
        told = runner.invoke(inquiries, words, obj=LoadedSettings(settings), catch_exceptions=False)
        assert told.exit_code == 0
        assert found.reception in told.output
    refused = runner.invoke(
        inquiries, ["cancel", "112101", found.serial, "--reason", "Not A Word"], obj=LoadedSettings(settings)
    )
    assert refused.exit_code == 2


def registered(asking: Asking) -> None:
    """Let the tenant be an organisation of the registry with one system administrator, and one who was it once."""
    ask = asking.wire.place.ask
    for table in ("role_assignment", "contact", "organisation_department", "organisation"):
        ask(f"delete from platform.{table}")  # noqa: S608 - a test's own names
    ask(
        "insert into platform.organisation"
        " (code, kind, prefecture, name, kana, search_key, state, state_since, invented, tenant)"
        " values ('112101', 'city', '11', 'Invented City', 'x', 'x', 'active', now(), true, %s)",
        asking.tenant,
    )
    ask(
        "insert into platform.organisation_department (organisation, department)"
        " select id, 'executive' from platform.organisation"
    )
    for name, role, until in (
        ("admin", "system_admin", None), ("former", "system_admin", "2026-07-01"), ("clerk", "clerical_contact", None),
    ):  # fmt: skip
        ask(
            "with person as (insert into platform.contact (organisation, department, name, email, telephone,"
            " created_at) select id, 'executive', 'x', %s, '0', now() from platform.organisation"
            " returning id, organisation)"
            " insert into platform.role_assignment (organisation, contact, role, since, until)"
            " select organisation, id, %s, '2026-01-01', cast(%s as date) from person",
            f"{name}@town.example", role, until,
        )  # fmt: skip


def keep_password(asking: Asking) -> None:
    """Let the vault know the tenant's password, as provisioning does."""
    place = asking.wire.place
    vault = place.safe.vault(ProcessKind.PROVISIONER)
    with place.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        place.safe.credentials(vault, ProcessKind.PROVISIONER).store(
            driver(connection), asking.tenant, place.database.credentials.password(asking.tenant)
        )
