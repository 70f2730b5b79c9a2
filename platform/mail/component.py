"""What outgoing mail plugs in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from chukan.platform.component import Check, CheckResult, Command, Component, Job
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail import metrics, store
from chukan.platform.mail.checks import judge_backlog, judge_dead_letters
from chukan.platform.mail.cli import mail
from chukan.platform.mail.desk import relay_of, worker
from chukan.platform.mail.errors import ServerNotSet
from chukan.platform.mail.pages.web import PAGES
from chukan.platform.mail.relay import counted
from chukan.platform.settings import MailSettings, Settings

_TIMEOUT = timedelta(seconds=10)


def component(settings: Callable[[], Settings]) -> Component:
    """Return commands, pages, checks, metrics and the relay's job, for the outbox that *settings* name."""

    def stale(_now: datetime) -> CheckResult:
        return judge_backlog(_backlog(settings()), timedelta(minutes=settings().mail.stale_after_minutes))

    def dead(_now: datetime) -> CheckResult:
        return judge_dead_letters(_backlog(settings()))

    def relay(_now: datetime) -> None:
        # Where no server is set, mails wait, and the check says so; the job has not failed.
        with worker(settings(), actor="system:mail-relay") as actor, suppress(ServerNotSet):
            counted(relay_of(settings(), actor).run)

    return Component(
        name="mail",
        commands=(Command(mail),),
        checks=(
            Check("mail-outbox-stale", "mail-outbox-stale", _TIMEOUT, stale),
            Check("mail-dead-letters", "mail-dead-letters", _TIMEOUT, dead),
        ),
        collectors=(metrics.MailCollector,),
        metrics=metrics.DOCUMENTED,
        pages=(PAGES,),
        jobs=(Job("mail-relay", relay, timedelta(seconds=MailSettings().relay_every_seconds)),),
    )


def _backlog(settings: Settings) -> store.Backlog:
    engine = process_engine(settings.database, ProcessKind.POLLER)
    try:
        with engine.connect() as connection:
            return store.backlog(connection)
    finally:
        engine.dispose()
