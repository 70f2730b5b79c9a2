"""``chukan demo up``: everything on one machine, in one folder, until it is told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

import click

from chukan.demo.children import mail_server, platform_processes, smtp_port
from chukan.demo.contents import shipped_contents
from chukan.demo.copies import Copies, copies_on
from chukan.demo.copies import Told as Copied
from chukan.demo.errors import DemonstrationRuns
from chukan.demo.exchange import Exchange
from chukan.demo.installation import Installation, own_settings, serving_installation
from chukan.demo.network import network_of, simulated_network
from chukan.demo.place import Place, held
from chukan.demo.processes import Processes, Running
from chukan.demo.report import print_copies, print_exchange, print_open, print_running, print_ways_in
from chukan.demo.steps import Size, Steps
from chukan.platform.clock import monotonic
from chukan.platform.messages import mark, text
from chukan.tenants.registry.values import ReleaseGroup

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WATCH_SECONDS = 0.5
#: Enough for what two municipalities do.
SMALL = Size(organisations=60, tenants=4)


@dataclass
class _Told:
    """Tells of each step when it has ended, and of all of them together."""

    begun: float = field(default_factory=monotonic)

    def step(self, title: str, act: Callable[[], T], found: Callable[[T], str]) -> T:
        """Do *act* and print how long it took and what was *found*."""
        begun = monotonic()
        result = act()
        told = {"seconds": _seconds(begun), "step": text(title), "found": found(result)}
        click.echo(text("{seconds} s  {step}: {found}", **told))
        return result

    def end(self) -> None:
        """Print how long everything took."""
        click.echo(text("{seconds} s  in all", seconds=_seconds(self.begun)))


class Shown(Enum):
    """What is gone through and told at the end: all of it, or one thing alone."""

    ALL = auto()
    COPIES = auto()
    EXCHANGE = auto()


def bring_up(home: Path, size: Size, *, until_ready: bool, shown: Shown = Shown.ALL) -> None:
    """Have everything in the folder *home* made, started and *shown*; then wait, unless *until_ready*.

    Told to end (SIGINT, SIGTERM, SIGHUP), it stops all that it started.

    Raises:
        DemonstrationRuns, FolderOfOthers, FolderUnusable: the folder is not for this, or not now.
        ProcessEnded, Stalled: something does not run as it should.
        KeyboardInterrupt: it was told to end before everything was there.
    """
    with _interruptible():
        try:
            with held(home) as place, ExitStack() as open_:
                click.echo(text("The demonstration is in {directory}.", directory=place.home))
                processes = _everything(place, size, open_, shown, until_ready=until_ready)
                if not until_ready:
                    _wait(processes)
        except KeyboardInterrupt:
            _say_stopped()
            raise
    _say_stopped()


def show(shown: Shown, home: Path) -> None:
    """Show one thing alone: in the demonstration that runs in *home*, or in a small one made for it.

    Raises:
        FolderOfOthers, FolderUnusable, ProcessEnded, Stalled, KeyboardInterrupt: as ``bring_up``.
        DemonstrationRuns: one is only just being made there.
    """
    try:
        bring_up(home, SMALL, until_ready=True, shown=shown)
    except DemonstrationRuns:
        place = Place(home.resolve())
        if not place.operators.exists():
            raise
        installation, network = Installation(own_settings(place)), network_of(place.logs / "network.out")
        try:
            with copies_on(place, installation, shipped_contents(), network) as copies:
                told = _Told()
                found = _copy(copies, told)
                if shown is Shown.COPIES:
                    print_copies(found)
                else:
                    print_exchange(_exchange(copies, told).found)
        finally:
            installation.close()


def _everything(place: Place, size: Size, open_: ExitStack, shown: Shown, *, until_ready: bool) -> Processes:
    """Make and start everything, and show what is to be *shown*; *open_* stops it."""
    told, processes = _Told(), place.processes()
    open_.callback(processes.stop)
    started = processes.launch(mail_server())
    national = processes.launch(simulated_network(place.network, shipped_contents().copies.packages))
    mail = told.step(mark("Simulated mail server"), partial(processes.ready, started), _where)
    told.step(mark("Simulated national network"), partial(processes.ready, national), _where)
    network = network_of(national.log)
    serving = serving_installation(place, smtp_port(mail), network)
    installation = told.step(mark("Database server"), lambda: open_.enter_context(serving), partial(_database, place))
    open_.callback(processes.stop)  # once more: all processes end before the database does
    steps = Steps(place, installation, shipped_contents(), size)
    told.step(mark("Keys of the vault"), steps.keys, str)
    # They need the keys and nothing else of what follows, and take their time to start.
    launched = [processes.launch(program) for program in platform_processes(installation)]
    message = steps.ask_for_mail()
    _fill(steps, told)
    for running in launched:
        told.step(mark("Started"), partial(processes.ready, running), _where)
    told.step(mark("Mail"), partial(steps.mail, message), str)
    with copies_on(place, installation, steps.contents, network) as copies:
        found = _copy(copies, told)
        exchanged = None if shown is Shown.COPIES else _exchange(copies, told)
        if exchanged is not None and not until_ready:
            told.step(mark("Traffic from now on"), exchanged.begin_traffic, str)
    told.step(mark("Audit trail"), steps.trail, str)
    told.step(mark("Checks"), steps.checks, str)
    told.end()
    if shown is not Shown.EXCHANGE:
        print_copies(found)
    if exchanged is not None:
        print_exchange(exchanged.found)
    if shown is not Shown.ALL:
        return processes
    print_running(place, processes.running)
    print_open(installation)
    print_ways_in(place, installation, steps.contents)
    return processes


def _fill(steps: Steps, told: _Told) -> None:
    told.step(mark("Operators"), steps.operators, str)
    told.step(mark("Organisations"), steps.organisations, str)
    told.step(mark("Unions (invented)"), steps.unions, str)
    told.step(mark("Groups of releases"), steps.groups, str)
    told.step(mark("Tenants provisioned"), steps.tenants, str)
    told.step(mark("Release to group 1"), partial(steps.release, ReleaseGroup.FIRST), str)
    told.step(mark("Release to group 2"), partial(steps.release, ReleaseGroup.SECOND), str)
    told.step(mark("Outage of next Sunday"), steps.outage, str)


def _copy(copies: Copies, told: _Told) -> list[Copied]:
    """Show the way of duplicate copies, and return what became of the files."""
    gateway = copies.installation.settings.gateway
    copies.network.deliver_to(f"https://{gateway.host}:{gateway.port}")
    told.step(mark("Masters"), copies.masters, str)
    told.step(mark("Certificates for messages"), copies.certificates, str)
    told.step(mark("Connected systems"), copies.systems, str)
    told.step(mark("The exchange at this hour"), copies.gate, str)
    told.step(mark("Linkage codes"), copies.codes, str)
    told.step(mark("Files of duplicate copies"), copies.uploads, str)
    told.step(mark("Night batch"), copies.night, str)
    return copies.outcome()


def _exchange(copies: Copies, told: _Told) -> Exchange:
    """Show inquiries between the municipalities, over their copies, and return what became of them."""
    exchange = Exchange(copies)
    told.step(mark("Automatic reply barred"), exchange.bar, str)
    with exchange.carried():
        told.step(mark("Inquiry at a counter"), exchange.counter, str)
        told.step(mark("Inquiry outside the permission table"), exchange.refused, str)
        told.step(mark("Inquiry about who is barred"), exchange.deferred, str)
        told.step(mark("List of inquiries"), exchange.bulk, str)
        told.step(mark("Decision of the provider's staff"), exchange.decision, str)
        told.step(mark("Provision records"), exchange.records, str)
        told.step(mark("Reconciliation"), exchange.reconciliation, str)
    return exchange


def _where(running: Running) -> str:
    return text("{process} runs as process {pid}", process=running.program.name, pid=running.pid)


def _database(place: Place, _installation: Installation) -> str:
    return text("PostgreSQL in {directory}", directory=place.system)


def _seconds(begun: float) -> str:
    return f"{monotonic() - begun:6.1f}"


def _wait(processes: Processes) -> None:
    """Wait until we are told to end.

    Raises:
        ProcessEnded: one of the processes ended by itself.
    """
    click.echo(text("Ctrl-C stops all of it."))
    with suppress(KeyboardInterrupt):
        while True:
            processes.require_all_alive()
            threading.Event().wait(_WATCH_SECONDS)


def _say_stopped() -> None:
    click.echo(text("Everything is stopped. The next run goes on from here; `chukan demo reset` clears it."))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let whatever tells us to end interrupt the block, once: what is being stopped then is stopped in peace."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
