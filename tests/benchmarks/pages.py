"""The console's pages: their time in a big installation beside that in a small one, request by request in turn.

The server's time of a page is what Flask's test client waits for the whole console: session, permissions, checks,
queries, template. The operator is logged in by a real session. The big installation has every local government and
1,000,000 records in its audit trail, the small one 20 organisations and 2,000 records; how they are filled says
``benchmarks.filled``. ``TENANTS`` and ``RECORDS`` in the environment make the big one smaller.

Where others use the machine too, waiting for a core is most of a page's time. So the processor time that a page costs
stands beside it: of the console, and of the database's processes that serve it.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median, quantiles
from unittest import mock
from urllib.parse import urlencode

from flask import Flask
from flask.testing import FlaskClient
from rich.console import Console as Screen
from rich.table import Table

from benchmarks.filled import OPERATORS, VISITOR, fill_trail, hosted_sides, put_organisations_to_work
from benchmarks.fleet import ALL, flushing_cluster, tenants
from chukan.console.application import console_application
from chukan.platform.accounts.rules import Role
from chukan.platform.accounts.session_cookie import COOKIE
from chukan.platform.audit.actor import Actor
from chukan.platform.audit.sealer import Sealer
from chukan.platform.audit.sink import FileSink
from chukan.platform.clock import SystemClock, as_tokyo, monotonic
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import AuditSettings, DatabaseSettings, EmbeddedSettings, Settings, VaultSettings
from chukan.platform.vault.signing import VaultSigner
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.service import Registry
from chukan.wiring import components
from support.accounts import Office
from support.database import Database, fresh_database
from support.vault import file_safe

FEW, MANY = (20, 2_000), (tenants(ALL), int(os.environ.get("RECORDS") or 1_000_000))
REQUESTS, WARM_UP = 100, 5
#: The 95th percentile that a page is to stay under, in milliseconds.
TO_REACH = 100
HOST = "console.test"


@dataclass(frozen=True)
class Cost:
    """What a page cost: milliseconds until it was there, and milliseconds of processor time."""

    took: float
    worked: float


@dataclass
class Installation:
    """A console over a database of some size."""

    client: FlaskClient
    database: Database
    codes: Sequence[str]
    now: datetime
    random: Random = field(default_factory=lambda: Random(1788))  # noqa: S311 - the same in each run
    servers: Sequence[Path] = ()

    def get(self, path: str) -> Cost:
        """Open a page and return what it cost.

        Raises:
            RuntimeError: it did not come.
        """
        started, worked = monotonic(), self._worked()
        answer = self.client.get(path, base_url=f"https://{HOST}/")
        took = monotonic() - started
        if answer.status_code != 200:
            raise RuntimeError((path, answer.status_code))
        return Cost(1_000 * took, 1_000 * (self._worked() - worked))

    def look_for_servers(self) -> None:
        """Find the database's processes that serve this console now."""
        with self.database.superuser() as superuser:
            found = superuser.execute(
                "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            self.servers = [Path(f"/proc/{pid}/schedstat") for (pid,) in found]

    def _worked(self) -> float:
        """Return the seconds of processor time that this process and the database's have had so far."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        theirs = sum(int(each.read_text().split()[0]) for each in self.servers if each.exists())
        return own.ru_utime + own.ru_stime + theirs / 1e9

    def code(self) -> str:
        """Return some organisation's code."""
        return self.random.choice(self.codes)

    def operator(self) -> str:
        """Return how the trail names some operator."""
        return f"operator:{self.random.choice(OPERATORS)}"

    def request(self) -> str:
        """Return how the trail names some request."""
        return f"req-{self.random.randint(0, FEW[1] // 4 - 1):08x}"

    def month(self) -> dict[str, str]:
        """Return the filters for some month of the trail."""
        begin = as_tokyo(self.now - timedelta(days=self.random.randint(60, 700)))
        return {"since": f"{begin:%Y-%m-%d} 00:00", "until": f"{begin + timedelta(days=30):%Y-%m-%d} 00:00"}


#: What is opened, and its address in an installation.
PAGES: Sequence[tuple[str, Callable[[Installation], str]]] = (
    ("overview", lambda _: "/"),
    ("organisations", lambda _: "/organisations"),
    ("organisations, by a word", lambda _: _query("/organisations", words="市")),
    ("organisations, needing attention", lambda _: _query("/organisations", need="anything")),
    ("organisation", lambda installed: f"/organisations/{installed.code()}"),
    ("audit, newest", lambda _: "/audit"),
    ("audit, by whom", lambda installed: _query("/audit", actor=installed.operator())),
    ("audit, to whom", lambda installed: _query("/audit", subject=f"organisation:{installed.code()}")),
    ("audit, one request", lambda installed: _query("/audit", request_id=installed.request())),
    ("audit, whose and what, a month", lambda installed: _query("/audit", action="vault:", **installed.month())),
    ("audit, the platform's chain", lambda _: _query("/audit", chain="platform", action="registry:")),
    ("audit, who never did it", lambda _: _query("/audit", actor=f"operator:{VISITOR}", action="vault:")),
)  # fmt: skip


def main() -> None:
    """Measure on a cluster of its own and print the report."""
    with flushing_cluster() as running, ExitStack() as stack:
        few, many = (stack.enter_context(installation(running, *size)) for size in (FEW, MANY))
        report([(name, *in_turn(few, many, path)) for name, path in PAGES])


def in_turn(
    few: Installation, many: Installation, path: Callable[[Installation], str]
) -> tuple[Sequence[Cost], Sequence[Cost]]:
    """Open a page in both in turn; return what each cost, without those that warmed them up."""
    for each in (few, many):
        for _ in range(WARM_UP):
            each.get(path(each))
        each.look_for_servers()
    pairs = [(few.get(path(few)), many.get(path(many))) for _ in range(REQUESTS)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def report(lines: Sequence[tuple[str, Sequence[Cost], Sequence[Cost]]]) -> None:
    """Print the table, and the load average that the figures were taken under."""
    title = "Pages in milliseconds: {:,} organisations and {:,} records, beside {:,} and {:,}".format(*MANY, *FEW)
    table = Table(title=title, title_justify="left")
    table.add_column("page")
    names = ("few: median", "95 %", "processor", "many: median", "95 %", "processor", "many / few", "to reach, 95 %")
    for column in names:
        table.add_column(column, justify="right")
    for name, few, many in lines:
        ratio = median(cost.took for cost in many) / median(cost.took for cost in few)
        table.add_row(name, *_figures(few), *_figures(many), f"{ratio:.2f}", str(TO_REACH))
    screen = Screen(width=None if sys.stdout.isatty() else 180)
    screen.print(table)
    screen.print("load average: " + " ".join(f"{load:.2f}" for load in os.getloadavg()))


def _figures(costs: Sequence[Cost]) -> Sequence[str]:
    """Return the median and the 95th percentile of the time, and the median of the processor time."""
    took = [cost.took for cost in costs]
    figures = median(took), quantiles(took, n=20, method="inclusive")[-1], median(cost.worked for cost in costs)
    return [f"{figure:.1f}" for figure in figures]


@contextmanager
def installation(
    cluster: tuple[EmbeddedCluster, DatabaseSettings], organisations: int, records: int
) -> Iterator[Installation]:
    """Lend a console over *organisations* and *records*, with an operator logged in who may open every page."""
    now = SystemClock().now()
    with fresh_database(*cluster) as database, tempfile.TemporaryDirectory(prefix="chukan-bench-") as folder:
        header, *rows = shipped().decode().splitlines()
        chosen = rows[:: len(rows) // organisations][:organisations]
        codes, hosted = [row.split(",")[0] for row in chosen], hosted_sides(database, organisations)
        fill_trail(database, records, codes, hosted, now=now)
        office = Office(file_safe(database, Path(folder)), now=now)
        Registry(Actor(office.engine, "system:bench", "bench")).import_organisations(
            "\n".join([header, *chosen]).encode(), "organisations.csv", now=now
        )
        put_organisations_to_work(database, hosted, now=now)
        settings = _settings(database, office, Path(folder))
        sink, signer = FileSink(settings.audit.sink_directory), VaultSigner(office.safe.provider)
        Sealer(database.engine(ProcessKind.SCHEDULER), sink, signer).seal()
        with database.superuser() as superuser:
            # As the database does by itself within minutes.
            superuser.execute("vacuum analyze")
        yield Installation(_client(_console(settings, database), office), database, codes, now)


def _settings(database: Database, office: Office, folder: Path) -> Settings:
    """Return the settings under which every process of this database works."""
    url = f"postgresql:///{database.settings.name}?host={database.cluster.sockets}"
    own = database.settings.model_copy(update={"url": url, "embedded": EmbeddedSettings()})
    vault, audit = VaultSettings(key_file=office.safe.key_file), AuditSettings(sink_directory=folder / "sink")
    return Settings(database=own, vault=vault, audit=audit)


def _console(settings: Settings, database: Database) -> Flask:
    # The checks ask for the settings by themselves, as they do in a worker.
    with mock.patch("chukan.wiring._settings", return_value=settings):
        known = components()
    console, poller = database.engine(ProcessKind.CONSOLE), database.engine(ProcessKind.POLLER)
    return console_application(settings, console, poller, known)


def _client(app: Flask, office: Office) -> FlaskClient:
    member = office.member("tanaka", Role.ADMINISTRATOR, Role.OPERATIONS, Role.SECURITY)
    client = app.test_client()
    client.set_cookie(COOKIE, office.let_in(member).token, domain=HOST, secure=True)
    return client


def _query(path: str, **asked: str) -> str:
    return f"{path}?{urlencode(asked)}"


if __name__ == "__main__":
    main()
