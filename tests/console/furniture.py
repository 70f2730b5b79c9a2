"""What stands in the console for a visitor: people, tenants, an outage, runs, mails, hand-overs, and a request.

All of it is done by the services that operators use. Only the runs of the last day are put into the table: a service
runs a job at the present instant and at no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from chukan.platform.accounts.four_eyes import FourEyes
from chukan.platform.accounts.rules import Role
from chukan.platform.audit.actor import Actor
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.sink import FileSink
from chukan.platform.clock import TOKYO, SystemClock, as_tokyo, as_utc
from chukan.platform.component import Job
from chukan.platform.database.roles import ProcessKind
from chukan.platform.jobs import service as jobs
from chukan.platform.jobs.leader import Leader
from chukan.platform.mail.service import Outbox
from chukan.platform.mail.templates import TEST
from chukan.platform.mail.trail import MailAction
from chukan.platform.service_hours.data import shipped_schedule
from chukan.platform.service_hours.outages.rules import Outage, Span
from chukan.platform.service_hours.outages.service import PlannedOutages
from chukan.platform.service_hours.rules import DayClass
from chukan.platform.service_hours.services import STOPPED_BY_DEFAULT
from chukan.platform.settings import Settings
from chukan.platform.vault.signing import VaultSigner
from chukan.tenants.provisioning import purge
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision
from chukan.tenants.provisioning.lifecycle import act
from chukan.tenants.provisioning.service import ProvisioningAction
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.people.catalogue import matrices
from chukan.tenants.registry.people.rules import Role as HeldRole
from chukan.tenants.registry.people.service import People
from chukan.tenants.registry.service import Changes, Registry
from chukan.tenants.registry.values import Department, ReleaseGroup
from chukan.tenants.releases.rendering import head, render
from console.copies_furniture import CopiesFurniture
from console.exchange_furniture import ExchangeFurniture
from support.accounts import Office
from support.database import Database

#: Those with a tenant; Sapporo has people as well, and Fukuoka leaves.
SAPPORO, CHIYODA, YOKOHAMA, NAGOYA, FUKUOKA = "011002", "131016", "141003", "231002", "401307"
PROVISIONED = (SAPPORO, CHIYODA, YOKOHAMA, NAGOYA, FUKUOKA)
_PEOPLE = (
    ("佐藤 花子", Department.EXECUTIVE, HeldRole.VPN_ADMIN_PRIMARY),
    ("鈴木 一郎", Department.EXECUTIVE, HeldRole.VPN_ADMIN_DEPUTY),
    ("髙橋 直美", Department.EXECUTIVE, HeldRole.SYSTEM_ADMIN),
)
_RUNS = """
    insert into platform.job_run (job, scheduled_for, state, max_attempts, attempt, worker, started_at, finished_at,
                                  duration_ms, error)
    select job, due, case when fails then 'failed' else 'succeeded' end, 3, case when fails then 3 else 1 end,
           'chukan-1:431', due, due + make_interval(secs => took / 1000.0), took,
           case when fails then 'ConnectionError' end
    from (select name as job, due, usual + extract(minute from due)::int * 7 as took,
                 name = 'registry-dissolutions' and due = %(now)s - interval '9 hours' as fails
          from (values ('audit-seal', interval '1 minute', 310), ('mail-relay', interval '5 minutes', 120),
                       ('accounts-housekeeping', interval '2 hours', 80),
                       ('registry-dissolutions', interval '1 hour', 240),
                       ('vault-reencryption', interval '1 hour', 900)) as job(name, step, usual)
          cross join lateral generate_series(%(now)s - interval '1 day', %(now)s - interval '1 minute', step) as due
          order by due) as run
"""


def working_hour() -> datetime:
    """Return 10:20 in Tokyo of the next working day: the console's clock, whatever the hour of the test is."""
    calendar = shipped_schedule().calendar
    day = as_tokyo(SystemClock().now()).date() + timedelta(days=1)
    while calendar.day_class(day) is not DayClass.WEEKDAY:
        day += timedelta(days=1)
    return as_utc(datetime(day.year, day.month, day.day, 10, 20, tzinfo=TOKYO))


@dataclass
class Furniture:
    """What furnishes a database, at the instant ``office.now``."""

    database: Database
    office: Office
    settings: Settings

    def place(self, all_jobs: Sequence[Job]) -> None:
        """Furnish it, in the order in which it would have happened."""
        registry = Registry(self.console)
        registry.import_organisations(shipped(), "organisations.csv", now=self.now)
        registry.change(PROVISIONED, Changes(group=ReleaseGroup(1)), now=self.now)
        with provisioner(self.settings, actor="system:test") as desk:
            provision(desk, PROVISIONED, render(None, head()), now=self.now, actor="system:test")
            act(desk, ProvisioningAction.CLOSE, FUKUOKA, now=self.now, reason="契約の終了")
        self.hand_overs()
        self.plan_outage()
        self.send_mails()
        self.run_jobs(all_jobs)
        with self.database.superuser() as superuser:
            CopiesFurniture(superuser, self.console, self.now).place()
            ExchangeFurniture(superuser, self.console, self.now).place()
        self.ask_for_purge()
        self.seal()

    @property
    def now(self) -> datetime:
        """The instant at which everything is done."""
        return self.office.now

    @property
    def console(self) -> Actor:
        """The machine, at work in the console."""
        return Actor(self.database.engine(ProcessKind.CONSOLE), "system:test", "test")

    def hand_overs(self) -> None:
        """Have somebody leave next week, and let the tasks of another hand-over be overdue."""
        people, today, held = People(self.console, matrices()), as_tokyo(self.now).date(), list[UUID]()
        for name, department, role in _PEOPLE:
            told = {"name": name, "email": "tantou@city.example.jp", "telephone": "011-000-0000"}
            person = people.add_contact(SAPPORO, department, now=self.now, **told)
            held.append(people.appoint(person.id, role, since=date(2026, 4, 1)).id)
        for assignment, days, leaves in ((held[0], 7, True), (held[1], -5, False)):
            on = today + timedelta(days=days)
            people.open_change(assignment, effective_on=on, successor=None, leaves=leaves, now=self.now)

    def plan_outage(self) -> None:
        """Plan an outage for the next Sunday, usable for an hour in between."""
        desk = PlannedOutages(self.console.engine, shipped_schedule().outages, actor="system:test", request="test")
        today = as_tokyo(self.now).replace(hour=0, minute=0)
        sunday = today + timedelta(days=6 - today.weekday())
        span = Span(sunday + timedelta(hours=9), sunday + timedelta(hours=16))
        window = Span(sunday + timedelta(hours=12), sunday + timedelta(hours=13))
        desk.plan(Outage(span, frozenset(STOPPED_BY_DEFAULT), (window,), "データベースの更新"), now=self.now)

    def send_mails(self) -> None:
        """Put two mails into the outbox."""
        worker = Actor(self.database.engine(ProcessKind.WORKER), "system:test", "test")
        outbox = Outbox.of(self.settings)
        with worker.act(MailAction.TEST, "mail:outbox") as unit:
            for name in ("kanri", "jouhou"):
                outbox.enqueue(unit.connection, TEST, f"{name}@city.example.jp", {"sent_at": self.now}, now=self.now)

    def run_jobs(self, all_jobs: Sequence[Job]) -> None:
        """Have a scheduler lead, a day full of runs, and one run that a worker really made."""
        leader = Leader(
            self.database.engine(ProcessKind.SCHEDULER), list(all_jobs), holder="chukan-1:412", lease=timedelta(hours=8)
        )
        assert leader.keep()
        with self.database.superuser() as superuser:
            superuser.execute(_RUNS, {"now": self.now})
        job = next(job for job in all_jobs if job.name == "job-history")
        wanted = jobs.request_run(self.console.engine, job, actor="system:test", request="test")
        worker = self.database.engine(ProcessKind.WORKER)
        run = jobs.start_run(worker, wanted, 1, worker="chukan-1:431")
        assert run is not None
        jobs.end_attempt(worker, run, None, duration=timedelta(seconds=2.5))

    def ask_for_purge(self) -> None:
        """Have one operator ask for what another one must approve."""
        asker = self.office.actor(self.office.member("asker", Role.OPERATIONS))
        engine = self.office.engine
        leaving = purge.purgeable(engine, FUKUOKA, now=self.now)
        four_eyes = FourEyes(engine, purge.kinds(), self.office.limits)
        told = {"typed": leaving.name, "reason": "保存期間の満了", "request": "test"}
        purge.ask(four_eyes, asker, leaving, now=self.now, **told)

    def seal(self) -> None:
        """Seal the trail, as the scheduler does every minute."""
        sink, signer = FileSink(self.settings.audit.sink_directory), VaultSigner(self.office.safe.provider)
        Sealer(self.database.engine(ProcessKind.SCHEDULER), sink, signer).seal()
