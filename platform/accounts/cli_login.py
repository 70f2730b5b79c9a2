"""``chukan login`` and ``chukan logout``: fifteen minutes in an operator's own name on the command line."""

from __future__ import annotations

import click

from chukan.platform.accounts.actor import token_file
from chukan.platform.accounts.desk import opened
from chukan.platform.accounts.errors import TokenFileUnsafe
from chukan.platform.accounts.login import Credentials
from chukan.platform.accounts.prompts import ask, ask_secret
from chukan.platform.accounts.rules import SessionKind
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, json_option, print_json, system_actor
from chukan.platform.messages import text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings


@click.command(cls=TranslatedCommand)
@click.argument("name", required=False)
@json_option
@pass_settings
def login(settings: Settings, *, name: str | None, as_json: bool) -> None:
    """Act in your own name for fifteen minutes; asks for password and code.

    Without a terminal the answers are read from standard input, one on each line.
    """
    given = Credentials(
        login=name or ask(text("Log-in name")),
        password=ask_secret(text("Password")),
        code=ask_secret(text("Code")),
        address=f"terminal:{system_actor()}",
    )
    with opened(settings) as desk:
        session = desk.login.log_in(given, SessionKind.COMMAND_LINE, now=SystemClock().now(), request=desk.request)
    token_file(settings).write(session.token)
    until = as_tokyo(session.expires_at).isoformat(timespec="seconds")
    if as_json:
        print_json({"operator": session.account, "expires_at": until})
    else:
        click.echo(text("Logged in until {until}.", until=until))


@click.command(cls=TranslatedCommand)
@json_option
@pass_settings
def logout(settings: Settings, *, as_json: bool) -> None:
    """End your session; commands act with the machine's own rights again."""
    file = token_file(settings)
    try:
        token = file.read()
    except TokenFileUnsafe:
        # Whoever put it there: it goes, and what it holds is not sent anywhere.
        token = None
    ended = False
    if token is not None:
        with opened(settings) as desk:
            ended = desk.sessions.log_out(token, now=SystemClock().now(), request=desk.request)
    removed = file.remove()
    if as_json:
        print_json({"ended": ended, "removed": removed})
    else:
        click.echo(text("Logged out.") if removed else text("Nobody was logged in."))
