"""``chukan connections``: which systems of the organisations may connect, by their certificates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chukan.platform.audit.actor import at_work
from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, needs, print_json, print_table
from chukan.platform.database.roles import ProcessKind
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.tenants.middleserver.connections.rules import Allowed, System
from chukan.tenants.middleserver.connections.service import Application, Systems
from chukan.tenants.middleserver.formats.codes import department_code, system_id
from chukan.tenants.middleserver.security.organisations import tenant_of

_ALLOWED_WORDS = {
    Allowed.UPLOADS: mark("files of duplicate copies"),
    Allowed.LINKAGE_CODES: mark("linkage codes"),
    Allowed.MANAGEMENT_INFORMATION: mark("management information"),
    Allowed.INQUIRIES: mark("inquiries of others"),
    Allowed.PROVISIONS: mark("decisions on provisions"),
}


@click.group(cls=TranslatedGroup)
def connections() -> None:
    """Systems of organisations that may connect."""


@connections.command("list", cls=TranslatedCommand)
@click.argument("code", required=False)
@json_option
@needs("connections:system:read")
@pass_settings
def list_systems(settings: Settings, *, code: str | None, as_json: bool) -> None:
    """List the systems of one organisation, or of all, with their certificates."""
    now = SystemClock().now()
    with at_work(settings, ProcessKind.WORKER) as actor:
        with actor.engine.connect() as connection:
            tenant = None if code is None else tenant_of(connection, code, now)
        found = Systems(actor).registered(tenant)
    if as_json:
        print_json([_shape(system) for system in found])
        return
    columns = (mark("Tenant"), mark("Department code"), mark("System id"), mark("Allowed"), mark("Valid until"),
               mark("Revoked at"), mark("Fingerprint"))  # fmt: skip
    print_table(mark("Connected systems"), columns, [_row(system) for system in found])


@connections.command("register", cls=TranslatedCommand)
@click.argument("code")
@click.argument("certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--department", required=True, help="The department's code, as messages name it.")
@click.option("--system", required=True, help="The system's id, as messages name it: a letter and nine digits.")
@click.option(
    "--allow", type=click.Choice([each.value for each in Allowed]), multiple=True, required=True,
    help="What it may do; may be given several times.",
)  # fmt: skip
@json_option
@needs("connections:system:register")
@pass_settings
def register(
    settings: Settings,
    *,
    code: str,
    certificate: Path,
    department: str,
    system: str,
    allow: Sequence[str],
    as_json: bool,
) -> None:
    """Register the client certificate (PEM) of an organisation's system."""
    now = SystemClock().now()
    with at_work(settings, ProcessKind.WORKER) as actor:
        with actor.engine.connect() as connection:
            tenant = tenant_of(connection, code, now)
        application = Application(
            tenant, department_code(department), system_id(system), frozenset(map(Allowed, allow))
        )  # fmt: skip
        made = Systems(actor).register(certificate.read_bytes(), application, file=certificate.name, now=now)
    if as_json:
        print_json(_shape(made))
    else:
        click.echo(text("Registered: {fingerprint}", fingerprint=made.fingerprint))


@connections.command("revoke", cls=TranslatedCommand)
@click.argument("fingerprint")
@click.option("--reason", required=True, help="Why; it stands in the audit trail.")
@json_option
@needs("connections:system:revoke")
@pass_settings
def revoke(settings: Settings, *, fingerprint: str, reason: str, as_json: bool) -> None:
    """Revoke a certificate; it is refused from this moment on."""
    with at_work(settings, ProcessKind.WORKER) as actor:
        revoked = Systems(actor).revoke(fingerprint, reason=reason, now=SystemClock().now())
    if as_json:
        print_json({"revoked": revoked.fingerprint})
    else:
        click.echo(text("Revoked: {fingerprint}", fingerprint=revoked.fingerprint))


def _shape(system: System) -> dict[str, object]:
    return {
        "id": str(system.id),
        "fingerprint": system.fingerprint,
        "tenant": str(system.tenant),
        "department": system.department,
        "system": system.system_id,
        "allowed": sorted(each.value for each in system.allowed),
        "valid_from": as_tokyo(system.valid_from).isoformat(),
        "valid_until": as_tokyo(system.valid_until).isoformat(),
        "revoked_at": as_tokyo(system.revoked_at).isoformat() if system.revoked_at else None,
    }


def _row(system: System) -> tuple[str, ...]:
    allowed = ", ".join(text(_ALLOWED_WORDS[each]) for each in sorted(system.allowed))
    revoked = f"{as_tokyo(system.revoked_at):%Y-%m-%d %H:%M}" if system.revoked_at else "-"
    until = f"{as_tokyo(system.valid_until):%Y-%m-%d}"
    return str(system.tenant), system.department, system.system_id, allowed, until, revoked, system.fingerprint
