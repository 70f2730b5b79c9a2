"""``chukan operators`` and ``chukan approve``: people, their roles, and what waits for a second person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import click

from chukan.platform.accounts.desk import Desk, opened
from chukan.platform.accounts.four_eyes import Approved, FourEyesKind
from chukan.platform.accounts.four_eyes import told_state as told_request_state
from chukan.platform.accounts.prompts import ask_secret
from chukan.platform.accounts.request_store import Request
from chukan.platform.accounts.rules import RequestState, Role
from chukan.platform.accounts.service import Invited, told_state
from chukan.platform.accounts.session_store import OpenSession
from chukan.platform.accounts.store import Operator
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json, print_table
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings

_ROLE = click.Choice([role.value for role in Role])
_command = TranslatedCommand


def operator_commands() -> click.Group:
    """Return the group ``operators``."""

    @click.group(cls=TranslatedGroup)
    def operators() -> None:
        """Invite operators, give them roles, and let them in again."""

    for command in (create, list_operators, enrol, reset, unlock, roles, disable, sessions):
        operators.add_command(command)
    return operators


@click.command(cls=_command)
@click.argument("login")
@click.option("--name", required=True, help="The person's name, as colleagues know it.")
@click.option("--number", required=True, help="The staff number: it tells one person from another.")
@click.option("--role", "chosen", type=_ROLE, multiple=True, help="A role; may be given several times.")
@json_option
@pass_settings
def create(settings: Settings, *, login: str, name: str, number: str, chosen: tuple[str, ...], as_json: bool) -> None:
    """Invite an operator; prints the invitation once."""
    wanted = [Role(role) for role in chosen]
    with opened(settings) as desk:
        operators = desk.operators(desk.actor())
        _tell_invitation(
            operators.create(login, name=name, number=number, roles=wanted, now=SystemClock().now()), as_json=as_json
        )


@click.command("list", cls=_command)
@json_option
@pass_settings
def list_operators(settings: Settings, *, as_json: bool) -> None:
    """List the operators with their roles and states."""
    with opened(settings) as desk:
        found = desk.operators(desk.actor()).list()
    if as_json:
        print_json([_operator_json(one) for one in found])
        return
    rows = [(one.login, one.name, one.number, told_state(one.state), ", ".join(sorted(one.roles))) for one in found]
    columns = (mark("Log-in name"), mark("Name"), mark("Staff number"), mark("State"), mark("Roles"))
    print_table(mark("Operators"), columns, rows)


@click.command(cls=_command)
@json_option
@pass_settings
def enrol(settings: Settings, *, as_json: bool) -> None:
    """Use an invitation: choose a password, and get the secret of your codes, once.

    Without a terminal the invitation and the password are read from standard input, one on each line.
    """
    token = ask_secret(text("Invitation"))
    password = ask_secret(text("New password"), twice=True)
    with opened(settings) as desk:
        made = desk.enrolment.enrol(token, password, now=SystemClock().now(), request=desk.request)
    if as_json:
        print_json({"operator": made.account, "login": made.login, "secret": made.secret, "uri": made.uri})
        return
    click.echo(
        text("{login} can log in now. Give this to your authenticator; it is not shown again:", login=made.login)
    )
    click.echo(made.uri)
    click.echo(text("Secret: {secret}", secret=made.secret))


@click.command(cls=_command)
@click.argument("login")
@json_option
@pass_settings
def reset(settings: Settings, *, login: str, as_json: bool) -> None:
    """Invite an operator anew, who lost password or device or was disabled."""
    with opened(settings) as desk:
        _tell_invitation(desk.operators(desk.actor()).reset(login, now=SystemClock().now()), as_json=as_json)


@click.command(cls=_command)
@click.argument("login")
@json_option
@pass_settings
def unlock(settings: Settings, *, login: str, as_json: bool) -> None:
    """Lift the delay after failed log-ins of an operator."""
    with opened(settings) as desk:
        count = desk.operators(desk.actor()).unlock(login)
    if as_json:
        print_json({"login": login, "failures_forgotten": count})
    else:
        click.echo(text("{count} failed log-ins of {login} are forgotten.", count=count, login=login))


@click.command(cls=_command)
@click.argument("login")
@click.option("--grant", type=_ROLE, multiple=True, help="A role to give; may be given several times.")
@click.option("--revoke", type=_ROLE, multiple=True, help="A role to take away; may be given several times.")
@json_option
@pass_settings
def roles(settings: Settings, *, login: str, grant: tuple[str, ...], revoke: tuple[str, ...], as_json: bool) -> None:
    """Give and take an operator's roles; their sessions end."""
    given, taken = {Role(role) for role in grant}, {Role(role) for role in revoke}
    if not (given or taken) or given & taken:
        raise click.UsageError(text("Name roles by --grant or --revoke, each in one of them."))
    with opened(settings) as desk:
        operators = desk.operators(desk.actor())
        waiting = operators.change_roles(login, grant=given, revoke=taken, now=SystemClock().now())
    if as_json:
        print_json({"login": login, "request": waiting})
    elif waiting is None:
        click.echo(text("The roles of {login} are changed.", login=login))
    else:
        click.echo(text("A second person is needed: chukan approve {request}", request=waiting))


@click.command(cls=_command)
@click.argument("login")
@json_option
@pass_settings
def disable(settings: Settings, *, login: str, as_json: bool) -> None:
    """Disable an operator; their sessions and invitations end at once."""
    with opened(settings) as desk:
        desk.operators(desk.actor()).disable(login, now=SystemClock().now())
    if as_json:
        print_json({"login": login, "state": "disabled"})
    else:
        click.echo(text("{login} is disabled.", login=login))


@click.command(cls=_command)
@click.argument("login")
@click.option("--revoke", type=click.UUID, help="The session to end.")
@click.option("--revoke-all", is_flag=True, help="End all of them.")
@json_option
@pass_settings
def sessions(settings: Settings, *, login: str, revoke: UUID | None, revoke_all: bool, as_json: bool) -> None:
    """List an operator's open sessions, or end them."""
    now = SystemClock().now()
    with opened(settings) as desk:
        operators = desk.operators(desk.actor())
        ended = operators.revoke_sessions(login, revoke, now=now) if revoke or revoke_all else 0
        found = operators.sessions(login, now=now) if not (revoke or revoke_all) else []
    if as_json:
        print_json({"login": login, "ended": ended, "sessions": [_session_json(one) for one in found]})
    elif revoke or revoke_all:
        click.echo(text("{count} sessions of {login} were ended.", count=ended, login=login))
    else:
        columns = (mark("Session"), mark("Opened from"), mark("Opened at"), mark("Last used"), mark("Until"))
        rows = [
            (str(one.id), one.address, _told(one.started_at), _told(one.last_seen_at), _told(one.expires_at))
            for one in found
        ]
        print_table(mark("Open sessions"), columns, rows)


def approve_command(kinds: Sequence[FourEyesKind]) -> click.Command:
    """Return the command ``approve`` for requests of *kinds* and of our own."""

    @click.command(cls=_command)
    @click.argument("request", required=False, default="list", metavar="[list|ID]")
    @click.option("--reject", is_flag=True, help="Reject it instead.")
    @json_option
    @pass_settings
    def approve(settings: Settings, *, request: str, reject: bool, as_json: bool) -> None:
        """List what waits for a second person, approve it, or reject it."""
        if request == "list":
            if reject:
                raise click.UsageError(text("Name the request to reject."))
            with opened(settings, kinds) as desk:
                _list_requests(desk, as_json=as_json)
            return
        wanted = _request_id(request)
        with opened(settings, kinds) as desk:
            decided = _decide(desk, wanted, reject=reject)
        if as_json:
            print_json({"request": wanted, "state": decided.value})
        else:
            click.echo(text("The request {request} is {state}.", request=wanted, state=told_request_state(decided)))

    return approve


def _decide(desk: Desk, wanted: UUID, *, reject: bool) -> RequestState:
    """Decide, and carry out at once what its feature carries out at once; return where the request stands then."""
    actor, now = desk.actor(), SystemClock().now()
    if reject:
        return desk.four_eyes.reject(actor, wanted, now=now, request=desk.request).state
    approved = desk.four_eyes.approve(actor, wanted, now=now, request=desk.request)
    run = desk.four_eyes.kind(approved.kind).run
    if run is None:
        return approved.state
    run(Approved(desk.settings, wanted, actor))
    return RequestState.DONE


def _list_requests(desk: Desk, *, as_json: bool) -> None:
    found = desk.four_eyes.waiting(desk.actor(), now=SystemClock().now())
    if as_json:
        print_json([_request_json(one) for one in found])
        return
    kinds = {kind.name: kind for kind in desk.kinds}
    rows = [
        (
            str(one.id),
            text(kinds[one.kind].title) if one.kind in kinds else one.kind,
            json.dumps(one.payload, ensure_ascii=False),
            one.requested_by,
            _told(one.expires_at),
            told_request_state(one.state),
        )
        for one in found
    ]
    columns = (mark("Request id"), mark("Act"), mark("With"), mark("Asked by"), mark("Until"), mark("State"))
    print_table(mark("What waits for a second person"), columns, rows)


def _request_id(word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError as error:
        raise click.BadParameter(text("it is neither `list` nor the id of a request"), param_hint="ID") from error


def _request_json(one: Request) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind,
        "payload": one.payload,
        "state": one.state.value,
        "requested_by": one.requested_by,
        "requested_at": _told(one.requested_at),
        "expires_at": _told(one.expires_at),
        "decided_by": one.decided_by,
    }


def _session_json(one: OpenSession) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind.value,
        "address": one.address,
        "started_at": _told(one.started_at),
        "last_seen_at": _told(one.last_seen_at),
        "expires_at": _told(one.expires_at),
    }


def _operator_json(one: Operator) -> dict[str, object]:
    return {
        "id": one.id,
        "login": one.login,
        "name": one.name,
        "number": one.number,
        "state": one.state.value,
        "roles": sorted(one.roles),
    }


def _tell_invitation(made: Invited, *, as_json: bool) -> None:
    until = _told(made.expires_at)
    if as_json:
        print_json({"operator": made.account, "login": made.login, "invitation": made.token, "expires_at": until})
        return
    click.echo(
        text(
            "{login} is invited until {until}. Hand this over; it is not shown again: {token}",
            login=made.login,
            until=until,
            token=made.token,
        )
    )
    click.echo(text("They run `chukan operators enrol` with it."))


def _told(instant: datetime) -> str:
    return as_tokyo(instant).isoformat(timespec="seconds")
