"""Purging: after it nothing of the tenant can be opened, and whatever is killed on the way ends there."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import click
import psycopg
import pytest
from psycopg import sql

from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import NotSecondPerson, PermissionLacking, PersonNeeded, RequestOver
from chukan.platform.accounts.rules import Role
from chukan.platform.clock import SystemClock
from chukan.platform.database.check import check_database
from chukan.platform.database.engines import address, driver
from chukan.platform.database.errors import CredentialMissing, TenantUnknown
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from chukan.platform.vault import store as vault_store
from chukan.platform.vault.cipher import DataKey
from chukan.platform.vault.errors import KeyDestroyed, ProviderKeyMissing
from chukan.platform.vault.keyring import unwrapped
from chukan.platform.vault.rules import KeyState, Purpose
from chukan.platform.vault.rules import Place as SealedPlace
from chukan.platform.vault.wrapping import destroy_wrapping_key, rotate_wrapping_key
from chukan.tenants.provisioning import purge as purge_module
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.errors import ConfirmationWrong, NotClosing, NotProvisioned, SchemaInUse
from chukan.tenants.provisioning.fleet import provision
from chukan.tenants.provisioning.purge import STEPS, ask, purge, purgeable
from chukan.tenants.provisioning.service import ProvisioningAction
from chukan.tenants.registry.errors import TransitionRefused
from chukan.tenants.registry.successions import close_dissolved
from chukan.tenants.releases.service import Releaser
from support.audit import Trail
from support.program import ended
from tenants.conftest import APPLIED, LEAVING, NAMES, SCRIPT, STAYING, Place

PROGRAM = Path(__file__).with_name("purge_and_die.py")
WHERE = SealedPlace("secret_fact", "sealed", uuid4())
SECRET = b"the number of somebody"


@pytest.fixture
def asker(place: Place) -> Actor:
    """An operator who may ask; the tenant is being closed."""
    place.move(ProvisioningAction.CLOSE)
    return place.office.actor(place.office.member("asker", Role.OPERATIONS))


def asked(place: Place, asker: Actor) -> UUID:
    now = place.office.now
    organisation = purgeable(place.office.engine, LEAVING, now=now)
    return ask(
        place.office.four_eyes, asker, organisation, typed=LEAVING, reason="it left", now=now, request="test"
    )  # fmt: skip


def approved(place: Place, asker: Actor) -> UUID:
    request = asked(place, asker)
    second = place.office.actor(place.office.member("second", Role.SECURITY))
    place.office.four_eyes.approve(second, request, now=place.office.now, request="test")
    return request


def carry_out(place: Place, request: UUID) -> None:
    with provisioner(place.settings, actor="system:test") as desk:
        purge(desk, request, now=SystemClock().now())


def purged(place: Place, asker: Actor) -> UUID:
    request = approved(place, asker)
    carry_out(place, request)
    return request


def state(place: Place, code: str = LEAVING) -> dict[str, object]:
    """Return all that a purge changes, as a superuser sees it."""
    row = place.ask(
        """
        select o.state, t.state,
            exists (select from pg_namespace where nspname = t.schema),
            exists (select from pg_roles where rolname = t.role),
            exists (select from platform.tenant_credential where tenant = t.id),
            exists (select from platform.tenant_release where tenant = t.id),
            (select count(*) from platform.data_key where owner = t.id and wrapped is not null),
            (select count(*) from platform.audit_entry where chain = t.id)
        from platform.organisation o join platform.tenant t on t.id = o.tenant where o.code = %s
        """,
        code,
    )
    names = ("organisation", "tenant", "schema", "role", "credential", "release", "keys", "entries")
    return dict(zip(names, row, strict=True))


WHOLE = {
    "organisation": "closing",
    "tenant": "closing",
    "schema": True,
    "role": True,
    "credential": True,
    "release": True,
    "keys": 2,
    "entries": 1,
}
GONE = {
    "organisation": "closed",
    "tenant": "closed",
    "schema": False,
    "role": False,
    "credential": False,
    "release": False,
    "keys": 0,
    "entries": 2,
}


def request_state(place: Place, request: UUID) -> object:
    return place.ask("select state from platform.four_eyes_request where id = %s", request)[0]


# -- what is gone, and what is not ----------------------------------------------------------------


def test_what_was_copied_before_cannot_be_opened_after(place: Place, asker: Actor) -> None:
    vault, tenant, neighbour = place.safe.vault(), place.tenant(), place.tenant(STAYING)
    copies = {owner: vault.seal(owner, WHERE, SECRET) for owner in (tenant, neighbour)}
    request = purged(place, asker)
    assert (state(place), request_state(place, request)) == (GONE, "done")
    later = place.safe.vault()
    with pytest.raises(KeyDestroyed):
        later.open(tenant, WHERE, copies[tenant])
    with pytest.raises(KeyDestroyed):
        later.seal(tenant, WHERE, SECRET)
    with pytest.raises(KeyDestroyed):
        later.blind_index(tenant, "address_number", "0012345")
    assert later.open(neighbour, WHERE, copies[neighbour]) == SECRET


def test_the_log_in_is_gone_and_its_password_with_it(place: Place) -> None:
    placement, neighbour = place.placement(), place.placement(STAYING)
    passwords = {
        each.role: place.safe.credentials(place.safe.vault()).password(each.tenant) for each in (placement, neighbour)
    }
    place.move(ProvisioningAction.CLOSE)
    purged(place, place.office.actor(place.office.member("asker", Role.OPERATIONS)))
    with pytest.raises(CredentialMissing):
        place.safe.credentials(place.safe.vault()).password(placement.tenant)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**address(place.database.settings), user=placement.role, password=passwords[placement.role])
    with psycopg.connect(
        **address(place.database.settings), user=neighbour.role, password=passwords[neighbour.role]
    ) as still:
        assert still.execute("select session_user").fetchone() == (neighbour.role,)


def test_a_key_out_of_a_backup_is_useless_once_its_wrapping_key_is_destroyed(place: Place, asker: Actor) -> None:
    tenant, provider = place.tenant(), place.safe.provider
    sealed = place.safe.vault().seal(tenant, WHERE, SECRET)
    with place.safe.actor().engine.connect() as connection:
        backup = vault_store.read_keys(driver(connection), tenant, Purpose.CONTENT)[0]
    purged(place, asker)
    # This is why the page on provisioning says what is done about backups.
    assert unwrapped(provider, backup).version == 1
    old = backup.wrapping_key
    assert old is not None
    rotate_wrapping_key(place.safe.actor(), provider, now=SystemClock().now())
    destroy_wrapping_key(place.safe.actor(), provider, old)
    with pytest.raises(ProviderKeyMissing):
        unwrapped(provider, backup)
    with pytest.raises(KeyDestroyed):
        place.safe.vault().open(tenant, WHERE, sealed)


def test_neighbours_are_untouched_and_the_isolation_holds(place: Place, asker: Actor) -> None:
    before = state(place, STAYING)
    purged(place, asker)
    assert state(place, STAYING) == before
    assert [finding.name for finding in check_database(place.settings.database) if not finding.holds] == []


def test_the_trail_names_all_of_it_and_verifies(place: Place, asker: Actor, tmp_path: Path) -> None:
    trail = Trail(place.database, tmp_path)
    tenant = place.tenant()
    trail.seal()
    request = purged(place, asker)
    trail.seal()
    assert trail.findings() == []
    assert place.entries(PLATFORM)[-2:] == [
        ("system:test", "tenants:tenant:purge", f"organisation:{LEAVING}", "done"),
        ("system:test", "vault:data_key:destroy", f"tenant:{tenant}", "done"),
    ]
    assert place.entries(tenant) == [
        ("system:test", "tenants:chain:open", f"tenant:{tenant}", "done"),
        ("system:test", "tenants:chain:end", f"tenant:{tenant}", "done"),
    ]
    with place.database.superuser() as superuser:
        details = superuser.execute(
            "select body::jsonb -> 'detail' from platform.audit_entry where body::jsonb ->> 'action' in"
            " ('tenants:tenant:purge', 'vault:data_key:destroy', 'tenants:chain:end') order by chain, seq"
        ).fetchall()
        event = superuser.execute(
            "select from_state, to_state, actor, reason from platform.organisation_event order by id desc limit 1"
        ).fetchone()
    approval = f"request:{request}"
    assert [detail for (detail,) in details] == [
        {"approval": approval, "tenant": str(tenant), "reason": "it left"},
        {"keys": 2},
        {"approval": approval, "reason": "it left"},
    ]
    assert event == ("closing", "closed", "system:test", "it left")


def test_a_purged_tenant_gets_no_release_no_password_and_no_second_life(place: Place, asker: Actor) -> None:
    tenant = place.tenant()
    purged(place, asker)
    with provisioner(place.settings, actor="system:test") as desk:
        report = Releaser(desk.engine, desk.names, actor="system:test", request="test").apply(None)
        assert (report.done, report.failed) == (0, 0)
        assert desk.tenants() == [place.tenant(STAYING)]
        with pytest.raises(TenantUnknown):
            desk.rotate_credential(tenant)
        with pytest.raises(TransitionRefused):
            provision(desk, [LEAVING], SCRIPT, now=SystemClock().now(), actor="system:test")
    for action in (ProvisioningAction.RESUME, ProvisioningAction.SUSPEND, ProvisioningAction.CLOSE):
        with pytest.raises(TransitionRefused):
            place.move(action)
    assert state(place) == GONE


# -- what is refused ------------------------------------------------------------------------------


def test_only_what_is_being_closed_can_be_purged(place: Place) -> None:
    for prepare in (None, ProvisioningAction.SUSPEND):
        if prepare:
            place.move(prepare)
        with pytest.raises(NotClosing):
            purgeable(place.office.engine, LEAVING, now=place.office.now)
    with pytest.raises(NotProvisioned):
        purgeable(place.office.engine, APPLIED, now=place.office.now)


def test_a_dissolved_organisation_is_purged_only_once_its_log_in_is_barred(place: Place) -> None:
    with place.database.superuser() as superuser:
        superuser.execute("update platform.organisation set dissolved_on = '2026-04-01' where code = %s", (LEAVING,))
    with place.database.engine(ProcessKind.WORKER).begin() as connection:
        assert close_dissolved(connection, now=SystemClock().now(), actor="system:test") == [LEAVING]
    with pytest.raises(NotClosing):
        purgeable(place.office.engine, LEAVING, now=place.office.now)
    place.move(ProvisioningAction.CLOSE)
    assert purgeable(place.office.engine, LEAVING, now=place.office.now).reference == LEAVING
    assert place.ask("select rolcanlogin from pg_roles where rolname = %s", place.placement().role) == (False,)
    with pytest.raises(TransitionRefused):
        place.move(ProvisioningAction.CLOSE)


@pytest.mark.parametrize("typed", ["", "yes", NAMES[STAYING], STAYING])
def test_who_types_another_name_has_asked_for_nothing(place: Place, asker: Actor, typed: str) -> None:
    now = place.office.now
    organisation = purgeable(place.office.engine, LEAVING, now=now)
    with pytest.raises(ConfirmationWrong):
        ask(place.office.four_eyes, asker, organisation, typed=typed, reason="x", now=now, request="test")
    assert place.ask("select count(*) from platform.four_eyes_request") == (0,)


def test_nothing_is_purged_that_was_not_approved(place: Place, asker: Actor) -> None:
    rejected, waiting = asked(place, asker), asked(place, asker)
    place.office.four_eyes.reject(asker, rejected, now=place.office.now, request="test")
    for request in (rejected, waiting, uuid4()):
        with pytest.raises(RequestOver):
            carry_out(place, request)
    same = place.office.actor(place.office.member("same", Role.SECURITY, number="no-asker"))
    with pytest.raises(NotSecondPerson):
        place.office.four_eyes.approve(same, waiting, now=place.office.now, request="test")
    assert state(place) == WHOLE
    refused = [entry[3] for entry in place.entries(PLATFORM) if entry[1] == "tenants:tenant:purge"]
    assert refused == ["refused"] * 3


def test_of_two_approved_requests_one_is_carried_out(place: Place, asker: Actor) -> None:
    first = approved(place, asker)
    second = asked(place, asker)
    approver = place.office.actor(place.office.member("third", Role.SECURITY))
    place.office.four_eyes.approve(approver, second, now=place.office.now, request="test")
    carry_out(place, first)
    with pytest.raises(NotClosing):
        carry_out(place, second)
    assert (request_state(place, first), request_state(place, second)) == ("done", "approved")
    with pytest.raises(RequestOver):
        carry_out(place, first)
    assert state(place) == GONE


# -- killed, failed, and at once ------------------------------------------------------------------


def start(place: Place, request: UUID, point: str) -> int:
    """Approve in a process of its own that dies at *point*; return how it ended."""
    done = ended(PROGRAM, place.settings.model_dump_json(), str(request), point)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.returncode


def wait_until_gone(place: Place) -> None:
    """Wait until the server has noticed that the killed process is gone."""
    query = (
        "select count(*) from pg_stat_activity"
        " where usename = %s and datname = current_database() and xact_start is not null"
    )
    role = place.database.names.process(ProcessKind.PROVISIONER)
    until(lambda: place.ask(query, role) == (0,))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20  # noqa: TID251 - a test's own patience
    while not holds():
        assert time.monotonic() < deadline  # noqa: TID251 - as above
        time.sleep(0.02)


def test_killed_before_any_step_nothing_is_changed_and_approving_again_ends_it(place: Place, asker: Actor) -> None:
    request = asked(place, asker)
    approver = place.log_in_as("second", Role.SECURITY)
    for point in range(1, len(STEPS) + 1):
        start(place, request, str(point))
        wait_until_gone(place)
        assert (state(place), request_state(place, request)) == (WHOLE, "approved"), point
    assert json.loads(place.chukan("approve", str(request), "--json").stdout)["state"] == "done"
    assert (state(place), request_state(place, request)) == (GONE, "done")
    assert place.entries(PLATFORM)[-2][:2] == (approver.name, "tenants:tenant:purge")


def test_killed_right_after_the_commit_all_of_it_is_done_and_approving_again_says_so(
    place: Place, asker: Actor
) -> None:
    request = asked(place, asker)
    place.log_in_as("second", Role.SECURITY)
    start(place, request, "committed")
    assert (state(place), request_state(place, request)) == (GONE, "done")
    with pytest.raises(RequestOver):
        place.chukan("approve", str(request))
    assert state(place) == GONE


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_step_that_fails_leaves_everything_as_it_was(
    place: Place, asker: Actor, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(under_way: purge_module.Purge) -> None:
        STEPS[number](under_way)
        raise RuntimeError("the step failed")

    request = approved(place, asker)
    steps = [failing if place_ == number else step for place_, step in enumerate(STEPS)]
    with monkeypatch.context() as patched:
        patched.setattr(purge_module, "STEPS", steps)
        with pytest.raises(RuntimeError):
            carry_out(place, request)
    assert (state(place), request_state(place, request)) == (WHOLE, "approved")
    assert place.entries(PLATFORM)[-1][1:] == ("tenants:tenant:purge", f"organisation:{LEAVING}", "failed")
    carry_out(place, request)
    assert state(place) == GONE


def test_somebody_who_reads_the_schema_holds_the_purge_up_and_nothing_is_changed(place: Place, asker: Actor) -> None:
    request = approved(place, asker)
    schema = place.placement().schema
    with psycopg.connect(place.database.cluster.superuser_conninfo(place.database.settings.name)) as reader:
        reader.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, "tenant_setting")))
        hurried = place.settings.model_copy(
            update={"database": place.settings.database.model_copy(update={"lock_timeout_ms": 100})}
        )
        with provisioner(hurried, actor="system:test") as desk, pytest.raises(SchemaInUse):
            purge(desk, request, now=SystemClock().now())
    assert (state(place), request_state(place, request)) == (WHOLE, "approved")
    carry_out(place, request)
    assert state(place) == GONE


def test_a_key_that_a_rotation_adds_meanwhile_is_destroyed_too(place: Place, asker: Actor) -> None:
    request, tenant = approved(place, asker), place.tenant()
    thread = threading.Thread(target=carry_out, args=(place, request))
    with place.database.engine(ProcessKind.WORKER).begin() as rotation:
        below = driver(rotation)
        vault_store.lock_key(below, tenant, Purpose.CONTENT)
        vault_store.move_keys(below, tenant, Purpose.CONTENT, KeyState.ACTIVE, KeyState.RETIRING)
        place.safe.vault().add_key(below, DataKey.generate(tenant, Purpose.CONTENT, 2))
        thread.start()
        until(lambda: waits(place))
    thread.join()
    assert place.ask("select count(*), count(wrapped) from platform.data_key where owner = %s", tenant) == (3, 0)
    assert state(place) == GONE


def waits(place: Place) -> bool:
    role = place.database.names.process(ProcessKind.PROVISIONER)
    query = "select count(*) from pg_stat_activity where usename = %s and wait_event_type = 'Lock'"
    return place.ask(query, role) != (0,)


def test_of_many_who_carry_it_out_at_once_one_does(place: Place, asker: Actor) -> None:
    request, outcomes = approved(place, asker), list[str]()

    def run() -> None:
        try:
            carry_out(place, request)
            outcomes.append("done")
        except RequestOver:
            outcomes.append("over")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "over", "over", "over"]
    assert state(place) == GONE


# -- the commands ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("english")
def test_two_operators_purge_by_two_commands(place: Place) -> None:
    place.move(ProvisioningAction.CLOSE)
    first = place.log_in_as("first", Role.OPERATIONS)
    told = place.chukan("tenants", "purge", LEAVING, "--reason", "it left", typed=f"{NAMES[LEAVING]}\n")
    assert "千代田区（東京都 131016）" in told.stderr
    request = told.stdout.strip().rpartition(" ")[2]
    assert told.stdout == f"A second person is needed: chukan approve {request}\n"
    with pytest.raises(PermissionLacking):
        place.chukan("approve", request)
    assert state(place) == WHOLE
    second = place.log_in_as("second", Role.SECURITY)
    listed = place.chukan("approve", "list").stdout
    assert "Purge a tenant" in listed
    assert "it left" in listed
    assert place.chukan("approve", request).stdout == f"The request {request} is carried out.\n"
    assert state(place) == GONE
    acts = [entry[:2] for entry in place.entries(PLATFORM)]
    assert (first.name, "accounts:request:ask") in acts
    assert [what for who, what in acts if who == second.name][-3:] == [
        "accounts:request:approve",
        "tenants:tenant:purge",
        "vault:data_key:destroy",
    ]


def test_programs_confirm_by_an_option(place: Place) -> None:
    place.move(ProvisioningAction.CLOSE)
    place.log_in_as("first", Role.OPERATIONS)
    ask_for = ("tenants", "purge", LEAVING, "--reason", "x", "--json", "--confirm")
    with pytest.raises(ConfirmationWrong):
        place.chukan(*ask_for, STAYING)
    with pytest.raises(ConfirmationWrong):
        place.chukan(*ask_for, "")
    answer = json.loads(place.chukan(*ask_for, LEAVING).stdout)
    assert answer["organisation"] == LEAVING
    assert request_state(place, UUID(answer["request"])) == "requested"


def test_without_an_answer_nothing_is_asked_for(place: Place) -> None:
    place.move(ProvisioningAction.CLOSE)
    place.log_in_as("first", Role.OPERATIONS)
    result = place.chukan("tenants", "purge", LEAVING, "--reason", "x", typed="")
    assert result.exit_code == 1
    assert place.ask("select count(*) from platform.four_eyes_request") == (0,)


def test_the_machine_is_no_person(place: Place) -> None:
    place.move(ProvisioningAction.CLOSE)
    with pytest.raises(PersonNeeded):
        place.chukan("tenants", "purge", LEAVING, "--reason", "x", "--confirm", LEAVING)


def test_a_reason_is_always_given(place: Place) -> None:
    result = place.chukan("tenants", "purge", LEAVING)
    assert result.exit_code == click.UsageError.exit_code
