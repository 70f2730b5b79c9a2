"""What the demonstration sees to, one step at a time.

Each step asks the database what is there already and does the rest, so that a run goes on wherever an earlier
one ended or was killed. It returns in a few words what it found and did.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chukan.demo.contents import Contents, SundayOutage
from chukan.demo.errors import Stalled
from chukan.demo.front import checks
from chukan.demo.installation import ACTOR, Installation
from chukan.demo.people import enrol_all
from chukan.demo.place import Place
from chukan.demo.rules import chosen, group_of, next_sunday
from chukan.platform.audit.errors import SealerBusy, TrailTampered
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.seals import SealKeys
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.verifier import verify
from chukan.platform.clock import TOKYO, as_tokyo, monotonic
from chukan.platform.component import Health
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.mail import store as mails
from chukan.platform.mail.rules import MailState
from chukan.platform.mail.service import Outbox
from chukan.platform.mail.templates import TEST
from chukan.platform.mail.trail import MailAction
from chukan.platform.messages import text
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage, OutageState, Span
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.services import STOPPED_BY_DEFAULT
from chukan.platform.vault.desk import desk_for
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.signing import VaultSigner
from chukan.platform.vault.wrapping import initialise
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision
from chukan.tenants.registry.organisations_file import SHIPPED, read_organisations, shipped
from chukan.tenants.registry.service import Changes, Registry
from chukan.tenants.registry.store import Filter, Registered
from chukan.tenants.registry.unions import UnionApplication, add_union
from chukan.tenants.registry.values import ReleaseGroup
from chukan.tenants.releases import store as releases
from chukan.tenants.releases.errors import SchemasFailed
from chukan.tenants.releases.rendering import head, render, revisions
from chukan.tenants.releases.service import Releaser

_AT_ONCE = 2
#: Organisations whose group is entered in one transaction.
_BATCH = 200
_MAIL_SECONDS = 60.0
_SEAL_SECONDS = 30.0
_CHECKS_SECONDS = 30.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Size:
    """How much of it: organisations (unions not counted) and tenants."""

    organisations: int
    tenants: int


@dataclass
class Steps:
    """The steps on one running installation."""

    place: Place
    installation: Installation
    contents: Contents
    size: Size

    def keys(self) -> str:
        """Make the keys that a new installation needs."""
        installation = self.installation
        with desk_for(installation.actor(ProcessKind.WORKER), installation.settings, ()) as desk:
            made = initialise(desk.actor, desk.vault, desk.provider, now=installation.now())
        return text("{new} new", new=len(made))

    def operators(self) -> str:
        """Invite and enrol the operators."""
        enrolled = enrol_all(self.installation, self.place.operators, self.contents.operators)
        return text("{count}, {new} new", count=len(self.contents.operators), new=enrolled)

    def organisations(self) -> str:
        """Register the organisations that are shipped."""
        now = self.installation.now()
        rows = {str(row.code): row for row in read_organisations(shipped(), SHIPPED)}
        wanted = chosen(list(rows), self._needed(), self.size.organisations)
        there = {each.code for each in self._registered()}
        new = [code for code in wanted if code not in there]
        if new:
            head_line, *lines = shipped().decode("utf-8").splitlines(keepends=True)
            content = "".join([head_line, *(line for line in lines if line.partition(",")[0] in wanted)])
            self._registry().import_organisations(content.encode(), SHIPPED, now=now)
        return text("{count}, {new} new", count=f"{len(wanted):,}", new=f"{len(new):,}")

    def unions(self) -> str:
        """Register the invented unions with their members."""
        there = {each.name for each in self._registered()}
        new = [union for union in self.contents.unions if union.name not in there]
        for union in new:
            application = UnionApplication(**union.model_dump(), invented=True)
            add_union(self.installation.actor(ProcessKind.CONSOLE), application, now=self.installation.now())
        return text("{count}, {new} new", count=len(self.contents.unions), new=len(new))

    def groups(self) -> str:
        """Enter the release group of every organisation that has none."""
        without = [each for each in self._registered() if each.group is None]
        with bar(text("Groups of releases"), len(without)) as advance:
            for group in ReleaseGroup:
                own = [each.reference for each in without if group_of(each.prefecture) is group]
                for start in range(0, len(own), _BATCH):
                    batch = own[start : start + _BATCH]
                    self._registry().change(batch, Changes(group=group), now=self.installation.now())
                    advance(len(batch))
        return text("{new} new", new=f"{len(without):,}")

    def tenants(self) -> str:
        """Provision the tenants, as the release before the newest left them."""
        now, settings = self.installation.now(), self.installation.settings
        references = self._to_provision()
        without = {each.reference for each in self._registered() if each.tenant is None}
        new = [reference for reference in references if reference in without]
        script = render(None, _release_before())
        with bar(text("Provisioning"), len(new)) as advance, provisioner(settings, actor=ACTOR) as desk:
            provision(
                desk, new, script, now=now, actor=ACTOR, workers=_AT_ONCE, progress=lambda _provisioned: advance(1)
            )
        return text("{count}, {new} new", count=len(references), new=len(new))

    def release(self, group: ReleaseGroup) -> str:
        """Bring the schemas of one group to the newest release."""
        engine = self.installation.engine(ProcessKind.PROVISIONER)
        names = RoleNames(self.installation.settings.database.role_prefix)
        with engine.connect() as connection:
            due = len(releases.due(driver(connection), int(group), head()))
        releaser = Releaser(engine, names, actor=ACTOR, request=self.installation.request)
        with bar(text("Releasing"), due) as advance:
            report = releaser.apply(int(group), workers=_AT_ONCE, progress=lambda _applied: advance(1))
        if report.failed:
            raise SchemasFailed(count=report.failed, revision=head())
        return text("{done} schemas brought to {revision}", done=report.done, revision=head())

    def outage(self) -> str:
        """Plan the outage of the next Sunday."""
        now, engine = self.installation.now(), self.installation.engine(ProcessKind.CONSOLE)
        shipped_outages = shipped_schedule().outages
        planning = PlannedOutages(engine, shipped_outages, actor=ACTOR, request=self.installation.request)
        wanted = _sunday(self.contents.outage, now)
        planned = [each for each in planning.listed(ending_after=now) if each.state is OutageState.PLANNED]
        day = f"{as_tokyo(wanted.span.start):%Y-%m-%d %H:%M}"
        if any(each.outage.clashes(wanted) for each in planned):
            return text("{start}, planned before", start=day)
        planning.plan(wanted, now=now)
        return text("{start}, planned now", start=day)

    def ask_for_mail(self) -> str:
        """Have a mail wait for the worker, and return its Message-ID; each run has a mail server of its own."""
        now, outbox = self.installation.now(), Outbox.of(self.installation.settings)
        with self.installation.actor(ProcessKind.WORKER).act(MailAction.TEST, "mail:outbox") as unit:
            values = {"sent_at": now}
            message = outbox.enqueue(unit.connection, TEST, self.contents.mail.recipient, values, now=now)
            unit.note(mail=message)
        return message

    def mail(self, message: str) -> str:
        """See the mail leave that was asked for."""
        until = monotonic() + _MAIL_SECONDS
        while self._state_of(message) is not MailState.SENT:
            if monotonic() > until:
                raise Stalled(what="mail", seconds=round(_MAIL_SECONDS), log=self.place.logs)
            threading.Event().wait(_LOOK_SECONDS)
        return text("sent to {recipient}", recipient=self.contents.mail.recipient)

    def trail(self) -> str:
        """Seal the audit trail and verify all of it."""
        settings = self.installation.settings
        sink, signer = FileSink(settings.audit.sink_directory), VaultSigner(key_provider(settings.vault))
        sealer = Sealer(self.installation.engine(ProcessKind.SCHEDULER), sink, signer)
        until = monotonic() + _SEAL_SECONDS
        while True:
            try:
                sealer.seal()
                break
            except SealerBusy:  # the worker's own sealing
                if monotonic() > until:
                    raise
                threading.Event().wait(_LOOK_SECONDS)
        verified = verify(self.installation.engine(ProcessKind.AUDITOR), sink, SealKeys(signer.public_keys()))
        if verified.findings:
            raise TrailTampered(count=len(verified.findings) + verified.omitted)
        return text(
            "intact: {entries} records in {chains} chains", entries=f"{verified.entries:,}", chains=verified.chains
        )

    def checks(self) -> str:
        """See the console call itself ready: its checks are those that monitoring asks."""
        until = monotonic() + _CHECKS_SECONDS
        while True:
            is_ready, found = checks(self.installation.settings)
            if is_ready:
                break
            if monotonic() > until:
                raise Stalled(what="console", seconds=round(_CHECKS_SECONDS), log=self.place.logs)
            threading.Event().wait(_LOOK_SECONDS)
        wanting = ", ".join(f"{name} ({health.value})" for name, health in found if health is not Health.GREEN)
        good = text("{count} green", count=sum(health is Health.GREEN for _name, health in found))
        return f"{good}, {wanting}" if wanting else good

    def _registry(self) -> Registry:
        return Registry(self.installation.actor(ProcessKind.CONSOLE))

    def _registered(self) -> Sequence[Registered]:
        return self._registry().find(Filter(), as_tokyo(self.installation.now()).date())

    def _needed(self) -> set[str]:
        """Return the codes without which the demonstration cannot be."""
        members = (member for union in self.contents.unions for member in union.members)
        return {*self.contents.provisioned.codes, *members}

    def _to_provision(self) -> list[str]:
        ids = {each.name: each.reference for each in self._registered() if each.invented}
        unions = [ids[union.name] for union in self.contents.unions[: self.contents.provisioned.unions]]
        needed = [each.code for each in self.contents.copies.municipalities]
        return chosen([*unions, *self.contents.provisioned.codes], needed, self.size.tenants)

    def _state_of(self, message: str) -> MailState:
        with self.installation.engine(ProcessKind.WORKER).connect() as connection:
            (found,) = mails.standing(connection, message_id=message)
        return found.state


def _release_before() -> str:
    """Return the revision before the newest one, or the newest if it is the first."""
    known = [revision for revision, _purpose in revisions()]
    return known[-2] if len(known) > 1 else known[-1]


def _sunday(outage: SundayOutage, now: datetime) -> Outage:
    day = next_sunday(as_tokyo(now).date())

    def at(wall: time) -> datetime:
        return datetime.combine(day, wall, TOKYO)

    window = Span(at(outage.exception_start), at(outage.exception_end))
    span = Span(at(outage.start), at(outage.end))
    return Outage(span, frozenset(STOPPED_BY_DEFAULT), (window,), outage.description)


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a step is, for as long as it runs; nothing where there is nothing to do, or nobody to look."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console()
    with Progress(*columns, console=console, disable=total == 0 or not console.is_terminal, transient=True) as shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.advance(task, done)
