"""Each command of ``chukan tenants`` asks who acts: the trail names them, and their roles bind them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from chukan.platform.accounts.errors import PermissionLacking, PersonNeeded, SessionOver
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role
from chukan.platform.command_line import needs_of, system_actor
from chukan.platform.identifiers import PLATFORM
from chukan.tenants.provisioning.cli import commands
from tenants.conftest import APPLIED, LEAVING, SCRIPT, Place


class Told(NamedTuple):
    """A command, who may give it, and what the trail records of it."""

    arguments: tuple[str, ...]
    role: Role
    action: str


#: In an order in which each one is possible after those before it.
COMMANDS = (
    Told(("provision", APPLIED), Role.OPERATIONS, "tenants:tenant:provision"),
    Told(("rotate-credentials", "--all"), Role.SECURITY, "tenants:credential:rotate"),
    Told(("suspend", LEAVING, "--reason", "x"), Role.OPERATIONS, "tenants:tenant:suspend"),
    Told(("resume", LEAVING, "--reason", "x"), Role.OPERATIONS, "tenants:tenant:resume"),
    Told(("close", LEAVING, "--reason", "x"), Role.OPERATIONS, "tenants:tenant:close"),
    Told(("purge", LEAVING, "--reason", "x", "--confirm", LEAVING), Role.OPERATIONS, "accounts:request:ask"),
)


def test_every_command_is_in_the_table_and_needs_a_permission_that_there_is() -> None:
    group = commands(lambda: SCRIPT)
    assert sorted(group.commands) == sorted(told.arguments[0] for told in COMMANDS)
    for command in group.commands.values():
        needed = needs_of(command)
        assert needed is not None
        assert needed.all
        assert {Permission(permission) for permission in needed.all} == needed.all


def test_an_operator_with_the_permission_is_named_by_the_trail(place: Place) -> None:
    members = {role: place.office.member(role.value, role) for role in (Role.OPERATIONS, Role.SECURITY)}
    for told in COMMANDS:
        place.office.later(seconds=60)
        actor = place.log_in(members[told.role])
        place.chukan("tenants", *told.arguments)
        done = [
            who for who, action, _, outcome in place.entries(PLATFORM) if (action, outcome) == (told.action, "done")
        ]
        assert actor.name in done, told
    assert place.entries(place.tenant(APPLIED))[0][0].startswith("operator:")


def test_an_operator_without_it_is_refused_which_the_trail_says_too(place: Place) -> None:
    actor = place.log_in_as("helper", Role.HELPDESK)
    before = place.ask("select array_agg(state order by code) from platform.organisation")
    for told in COMMANDS:
        with pytest.raises(PermissionLacking):
            place.chukan("tenants", *told.arguments)
        who, _, subject, outcome = place.entries(PLATFORM)[-1]
        assert (who, outcome) == (actor.name, "refused"), told
        assert subject.endswith(f"/tenants/{told.arguments[0]}")
    assert place.ask("select array_agg(state order by code) from platform.organisation") == before


def test_an_operator_whose_session_is_over_does_not_become_the_machine(place: Place) -> None:
    place.log_in_as("over", Role.OPERATIONS, Role.SECURITY)
    place.office.operators().revoke_sessions("over", now=place.office.now)
    entries = len(place.entries(PLATFORM))
    for told in COMMANDS:
        with pytest.raises(SessionOver):
            place.chukan("tenants", *told.arguments)
    assert len(place.entries(PLATFORM)) == entries


def test_nobody_logged_in_is_the_machine(place: Place) -> None:
    place.log_in_as("somebody", Role.HELPDESK)
    place.log_out()
    place.chukan("tenants", "suspend", LEAVING, "--reason", "x")
    assert place.entries(PLATFORM)[-1][:2] == (system_actor(), "tenants:tenant:suspend")


def test_the_machine_cannot_ask_for_a_purge_and_is_not_asked_to_confirm_one(place: Place) -> None:
    place.log_in_as("onlooker", Role.HELPDESK)
    place.log_out()
    with pytest.raises(PersonNeeded):
        place.chukan("tenants", "purge", LEAVING, "--reason", "x")
    assert place.entries(PLATFORM)[-1] == (
        system_actor(), "accounts:request:ask", "kind:tenants:tenant:purge", "refused"
    )  # fmt: skip
