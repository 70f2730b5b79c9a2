"""What the audit trail plugs in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from chukan.platform.audit import metrics
from chukan.platform.audit.cli import SignerOf, commands
from chukan.platform.audit.freshness import judge_freshness, judge_sink, limits_of, read_unsealed
from chukan.platform.audit.sealer import Sealer, counted
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.web import AS_RECORDED, People, pages
from chukan.platform.component import Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import AuditSettings, Settings

T = TypeVar("T")


def component(settings: Callable[[], Settings], *, signer: SignerOf, people: People = AS_RECORDED) -> Component:
    """Return commands, checks, metrics, pages and the sealing job.

    The vault's *signer*, and who the trail's actors are (*people*), are injected by the wiring.
    """

    def stale(_now: datetime) -> CheckResult:
        with engine_of(settings().database, ProcessKind.POLLER) as engine:
            # Both instants are the database's: another machine's clock has no say in this (decision 23).
            return judge_freshness(read_unsealed(engine), limits_of(settings().audit))

    def mismatch(_now: datetime) -> CheckResult:
        return _with_sealer(settings(), signer, lambda sealer: judge_sink(sealer.compare))

    def seal(_now: datetime) -> None:
        _with_sealer(settings(), signer, lambda sealer: counted(sealer.seal))

    return Component(
        name="audit",
        commands=(Command(commands(signer)),),
        checks=(
            Check("audit-seal-stale", "audit-seal-stale", timedelta(seconds=30), stale, readiness=True),
            # It asks for the sink and the scheduler's log-in, which a process that serves pages is not given.
            Check("audit-sink-mismatch", "audit-sink-mismatch", timedelta(seconds=30), mismatch, live=False),
        ),
        metrics=metrics.DOCUMENTED,
        pages=(pages(people),),
        jobs=(Job("audit-seal", seal, every=timedelta(seconds=AuditSettings().seal_every_seconds)),),
    )


def _with_sealer(settings: Settings, signer: SignerOf, act: Callable[[Sealer], T]) -> T:
    with engine_of(settings.database, ProcessKind.SCHEDULER) as engine:
        return act(Sealer(engine, FileSink(settings.audit.sink_directory), signer(settings)))
