"""``chukan demo isolation``: what keeps tenants apart, shown on a system of its own that is gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import psycopg
from psycopg import sql
from sqlalchemy import Engine, text

from chukan.platform.audit.findings import told
from chukan.platform.audit.rules import Action, AuditEntry
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.seals import SealKeys
from chukan.platform.audit.service import audited
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.verifier import Verified, verify
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, print_table
from chukan.platform.database.attack_runner import FACTS, Given, run_attacks
from chukan.platform.database.check import check_database
from chukan.platform.database.cli import print_findings, print_outcomes
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.engines import process_engine
from chukan.platform.database.errors import AssertionsBroken
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.database.tenants import Placement
from chukan.platform.identifiers import TenantId, new_request_id
from chukan.platform.messages import mark
from chukan.platform.messages import text as told_text
from chukan.platform.settings import (
    AuditSettings,
    DatabaseSettings,
    EmbeddedSettings,
    Environment,
    Settings,
    VaultSettings,
)
from chukan.platform.vault.credentials import VaultCredentials
from chukan.platform.vault.desk import opened
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import Vault
from chukan.platform.vault.signing import VaultSigner
from chukan.platform.vault.wrapping import initialise
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.releases.rendering import head, render


class DemoAction(Action):
    """What the demonstration records in its tenants' chains."""

    WRITE = "demo:fact:write"


@click.command(cls=TranslatedCommand)
def isolation() -> None:
    """Attack one tenant from another, then tamper with the audit trail and see it found."""
    with _system() as system:
        tenants = _make_tenants(system)
        _assert_all(system)
        _attack(system, *tenants)
        _tamper(system, tenants[1])
    _say(mark("Everything was stopped and removed."))


@dataclass
class _System:
    """A whole platform in a folder: database, keys, seals."""

    settings: Settings
    cluster: EmbeddedCluster
    actor: str = "system:demo"
    request: str = field(default_factory=new_request_id)
    _engines: ExitStack = field(default_factory=ExitStack)

    def engine(self, kind: ProcessKind) -> Engine:
        engine = process_engine(self.settings.database, kind)
        self._engines.callback(engine.dispose)
        return engine

    def credentials(self) -> VaultCredentials:
        worker, keep = self.engine(ProcessKind.WORKER), self.settings.vault.cache_seconds
        vault = Vault(worker, key_provider(self.settings.vault), cache_seconds=keep)
        return VaultCredentials(worker, vault, cache_seconds=keep)

    def sessions(self) -> TenantSessions:
        sessions = TenantSessions(self.settings.database, self.engine(ProcessKind.WORKER), self.credentials())
        self._engines.callback(sessions.close)
        return sessions

    def close(self) -> None:
        self._engines.close()


@contextmanager
def _system() -> Iterator[_System]:
    """Make a system in a new folder below /tmp, and remove it all at the end."""
    home = Path(tempfile.mkdtemp(prefix="chukan-demo-", dir="/tmp"))
    home.chmod(0o755)
    settings = Settings(
        environment=Environment.DEMO,
        database=DatabaseSettings(
            secrets_directory=home / "secrets",
            embedded=EmbeddedSettings(directory=home / "postgresql", max_connections=400),
        ),
        vault=VaultSettings(key_file=home / "secrets" / "wrapping-keys.json"),
        audit=AuditSettings(sink_directory=home / "audit"),
    )
    _say(mark("Starting PostgreSQL in {directory} ..."), directory=home)
    try:
        with serving(settings.database) as cluster:
            if cluster is None:
                raise RuntimeError("the demonstration's settings name no cluster of their own")
            system = _System(settings, cluster)
            try:
                with opened(settings, (), actor=system.actor) as desk:
                    initialise(desk.actor, desk.vault, desk.provider, now=SystemClock().now())
                yield system
            finally:
                system.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _make_tenants(system: _System) -> tuple[Placement, Placement]:
    script = render(None, head())
    with provisioner(system.settings, actor=system.actor) as desk:
        first, second = (desk.provision(script, tables=[FACTS]) for _ in range(2))
    sessions = system.sessions()
    for number in range(1, 6):
        for tenant in (first, second):
            act = AuditEntry(system.actor, DemoAction.WRITE, f"fact:{number}", system.request)
            with audited(lambda tenant=tenant: sessions.begin(tenant.tenant), act) as unit:  # type: ignore[misc]
                unit.connection.execute(
                    text("insert into secret_fact (content) values (:content)"), {"content": f"fact {number}"}
                )
    columns = (mark("Tenant"), mark("Log-in and schema"), mark("Facts it sees"))
    rows = [(str(tenant.tenant), tenant.role, _facts_seen(sessions, tenant.tenant)) for tenant in (first, second)]
    print_table(mark("Two tenants, each with a log-in, a schema and keys of its own"), columns, rows)
    return first, second


def _facts_seen(sessions: TenantSessions, tenant: TenantId) -> str:
    with sessions.connection(tenant) as connection:
        return str(connection.execute(text("select count(*) from secret_fact")).scalar_one())


def _assert_all(system: _System) -> None:
    findings = list(check_database(system.settings.database))
    print_findings(findings)
    if broken := sum(not finding.holds for finding in findings):
        raise AssertionsBroken(count=broken)


def _attack(system: _System, attacker: Placement, victim: Placement) -> None:
    outcomes = list(run_attacks(system.settings.database, Given(attacker, victim, system.credentials())))
    print_outcomes(outcomes)
    if broken := sum(not outcome.as_expected for outcome in outcomes):
        raise AssertionsBroken(count=broken)


def _tamper(system: _System, victim: Placement) -> None:
    """Seal the trail, verify it, change one record with a superuser's rights, and verify it again."""
    sink = FileSink(system.settings.audit.sink_directory)
    signer = VaultSigner(key_provider(system.settings.vault))
    Sealer(system.engine(ProcessKind.SCHEDULER), sink, signer).seal()
    auditor, keys = system.engine(ProcessKind.AUDITOR), SealKeys(signer.public_keys())
    clean = verify(auditor, sink, keys)
    _say(mark("The trail is sealed and verified: {entries} records, {findings} findings."), **_counts(clean))
    with psycopg.connect(system.cluster.superuser_conninfo(system.settings.database.name)) as superuser:
        superuser.execute(
            sql.SQL(
                "update platform.audit_entry set body = replace(body, 'fact:3', 'fact:9') where chain = %s and seq = 4"
            ),
            (victim.tenant,),
        )
    _say(mark("A superuser has changed record 4 of the second tenant. Verifying again ..."))
    tampered = verify(auditor, sink, keys)
    columns = (mark("Chain"), mark("Records"), mark("Proved up to"), mark("Seal"), mark("What is wrong"))
    print_table(mark("What the verifier found"), columns, [told(finding) for finding in tampered.findings])


def _counts(verified: Verified) -> dict[str, object]:
    return {"entries": verified.entries, "findings": len(verified.findings)}


def _say(message: str, **values: object) -> None:
    click.echo(told_text(message, **values))
