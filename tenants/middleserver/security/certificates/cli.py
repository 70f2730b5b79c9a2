"""``chukan certificates``: the organisations' certificates for signing and encryption."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import click

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.certificates.service import Certificates
from chukan.tenants.middleserver.security.certificates.store import StoredKey
from chukan.tenants.middleserver.security.certificates.words import told_state, told_use
from chukan.tenants.middleserver.security.desk import Connect, SecurityDesk, at_desk
from chukan.tenants.middleserver.security.organisations import tenant_of

#: What one command does with one certificate of a tenant.
Act = Callable[[Certificates, TenantId, str, datetime], None]


def commands(connect: Connect) -> click.Group:
    """Return the group ``chukan certificates``; *connect* opens the way to the network."""

    @click.group(cls=TranslatedGroup)
    def certificates() -> None:
        """The organisations' certificates for signing and encrypting messages."""

    certificates.add_command(_list(connect))
    certificates.add_command(_request(connect))
    certificates.add_command(
        _acting(
            connect,
            "activate",
            mark("Put a pending certificate in force; the old one is kept while messages need it."),
            mark("The certificate {kid} is in force."),
            lambda service, tenant, kid, now: service.activate(tenant, kid, now=now),
        )
    )
    certificates.add_command(
        _acting(
            connect,
            "retire",
            mark("End the overlap of a certificate that was replaced, once nothing needs it any more."),
            mark("The certificate {kid} is retired."),
            lambda service, tenant, kid, now: service.retire(tenant, kid, now=now),
        )
    )
    certificates.add_command(_revoke(connect))
    return certificates


def _list(connect: Connect) -> click.Command:
    @click.command("list", cls=TranslatedCommand)
    @click.argument("code")
    @json_option
    @needs("certificates:certificate:read")
    @pass_settings
    def list_certificates(settings: Settings, *, code: str, as_json: bool) -> None:
        """List an organisation's certificates, oldest first."""
        with at_desk(settings, connect) as desk:
            tenant = _tenant(desk, code)
            found = desk.keys.list(tenant)
        if as_json:
            print_json([_shape(key) for key in found])
            return
        columns = (mark("Certificate"), mark("Use"), mark("State"), mark("Valid from"), mark("Valid to"))
        rows = [
            (
                key.kid or "-",
                told_use(key.use),
                told_state(key.state),
                _day(key.not_before),
                _day(key.not_after),
            )
            for key in found
        ]
        print_table(mark("Certificates for messages"), columns, rows)

    return list_certificates


def _request(connect: Connect) -> click.Command:
    @click.command("request", cls=TranslatedCommand)
    @click.argument("code")
    @click.option("--use", type=click.Choice([use.value for use in KeyUse]), required=True, help="What it is for.")
    @json_option
    @needs("certificates:certificate:request")
    @pass_settings
    def request(settings: Settings, *, code: str, use: str, as_json: bool) -> None:
        """Make a key and have it certified; the certificate waits to be activated."""
        now = SystemClock().now()
        with at_desk(settings, connect) as desk, desk.network() as (_peers, _distribution, certificates):
            tenant = _tenant(desk, code)
            institution = desk.masters.catalogue(tenant).organisation(code).institution_code
            kid = certificates.request(tenant, institution, KeyUse(use), now=now)
        _tell(kid, mark("The certificate {kid} was issued, and waits to be activated."), as_json=as_json)

    return request


def _acting(connect: Connect, name: str, help_text: str, done: str, act: Act) -> click.Command:
    @click.command(name, cls=TranslatedCommand, help=help_text)
    @click.argument("code")
    @click.argument("kid")
    @json_option
    @needs("certificates:certificate:replace")
    @pass_settings
    def command(settings: Settings, *, code: str, kid: str, as_json: bool) -> None:
        with at_desk(settings, connect) as desk, desk.network() as (_peers, _distribution, certificates):
            act(certificates, _tenant(desk, code), kid, SystemClock().now())
        _tell(kid, done, as_json=as_json)

    return command


def _revoke(connect: Connect) -> click.Command:
    @click.command("revoke", cls=TranslatedCommand)
    @click.argument("code")
    @click.argument("kid")
    @click.option("--reason", required=True, help="Why; it stands in the history and in the audit trail.")
    @json_option
    @needs("certificates:certificate:revoke")
    @pass_settings
    def revoke(settings: Settings, *, code: str, kid: str, reason: str, as_json: bool) -> None:
        """Take a key that is no longer safe out of use at once; what is open under it fails."""
        with at_desk(settings, connect) as desk, desk.network() as (_peers, _distribution, certificates):
            certificates.revoke(_tenant(desk, code), kid, reason=reason, now=SystemClock().now())
        _tell(kid, mark("The certificate {kid} is revoked."), as_json=as_json)

    return revoke


def _tenant(desk: SecurityDesk, code: str) -> TenantId:
    with desk.actor.engine.connect() as connection:
        return tenant_of(connection, code, SystemClock().now())


def _tell(kid: str, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"kid": kid})
    else:
        click.echo(text(done, kid=kid))


def _day(instant: datetime | None) -> str:
    return f"{as_tokyo(instant):%Y-%m-%d}" if instant else "-"


def _shape(key: StoredKey) -> dict[str, object]:
    told = {"kid": key.kid, "use": key.use.value, "state": key.state.value}
    days = {"not_before": key.not_before, "not_after": key.not_after}
    return {**told, **{name: as_tokyo(at).isoformat() if at else None for name, at in days.items()}}
