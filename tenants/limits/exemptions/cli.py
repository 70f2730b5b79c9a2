"""``chukan limits exempt`` and ``chukan limits exemptions``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import click

from chukan.platform.accounts.desk import opened
from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.audit.actor import at_work
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, acting, json_option, needs, print_json, print_table
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.limits.exemptions import store
from chukan.tenants.limits.exemptions.service import Wanted, ask_for

_DAY = click.DateTime(["%Y-%m-%d"])


def exempt_command(kinds: Sequence[FourEyesKind]) -> click.Command:
    """Return ``chukan limits exempt``; *kinds* are those of ``service.kinds``."""

    @click.command("exempt", cls=TranslatedCommand)
    @click.argument("code")
    @click.option("--from", "first", type=_DAY, required=True, help="The first day of the exemption.")
    @click.option("--to", "last", type=_DAY, required=True, help="The last day of the exemption.")
    @click.option("--reason", required=True, help="Why the organisation has to send more than the limits allow.")
    @json_option
    @needs("limits:exemption:request")
    @pass_settings
    def exempt(settings: Settings, *, code: str, first: datetime, last: datetime, reason: str, as_json: bool) -> None:
        """Ask for an organisation to be exempted from the upload limits; a second operator approves it."""
        wanted = Wanted(code, first.date(), last.date(), reason)
        with opened(settings, kinds) as desk:
            acting(desk.engine)
            now = SystemClock().now()
            request = ask_for(desk.engine, desk.four_eyes, desk.actor(), wanted, now=now, request=desk.request)
        if as_json:
            print_json({**wanted.payload(), "request": request})
        else:
            click.echo(text("A second person is needed: chukan approve {request}", request=request))

    return exempt


@click.command("exemptions", cls=TranslatedCommand)
@json_option
@needs("limits:exemption:read")
@pass_settings
def exemptions(settings: Settings, *, as_json: bool) -> None:
    """List the exemptions from the upload limits that hold today or later."""
    with at_work(settings, ProcessKind.CONSOLE) as actor, actor.engine.connect() as connection:
        found = store.exemptions(connection, as_tokyo(SystemClock().now()).date())
    rows = [
        (each.organisation, str(each.first), str(_last(each.until)), each.reason, each.approved_by) for each in found
    ]
    if as_json:
        names = ("organisation", "first", "last", "reason", "approved_by")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    columns = (mark("Organisation"), mark("First day"), mark("Last day"), mark("Reason"), mark("Approved by"))
    print_table(mark("Exemptions from the upload limits"), columns, rows)


def _last(until: date) -> date:
    return until - timedelta(days=1)
