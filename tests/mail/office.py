"""What the mail tests share: queue mails, relay them, and look where they stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chukan.platform.audit.actor import Actor
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from chukan.platform.mail import store
from chukan.platform.mail.adapters.smtp import SmtpServer
from chukan.platform.mail.ports import MailServer
from chukan.platform.mail.relay import Relay, Relayed, RelayPolicy
from chukan.platform.mail.rules import MailEvent, MailState
from chukan.platform.mail.service import Outbox
from chukan.platform.mail.store import Standing
from chukan.platform.mail.templates import Kind, Template
from chukan.platform.settings import MailSettings, Settings
from chukan_simulators.mail_server.client import RunningMailServer
from support.database import Database

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
#: A template whose texts are in no catalogue; they are read in English.
NOTICE = Template(
    "tests.notice", "通知 {number}", "通知があります: {page}", {"number": Kind.REFERENCE, "page": Kind.PAGE}
)


@dataclass
class Office:
    """A database with an outbox, and the server that its mail goes to."""

    database: Database
    server: RunningMailServer
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        mail = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "security": "none",
            "sender_address": "no-reply@platform.example.jp",
            "bounce_address": "bounces@platform.example.jp",
            "answer_seconds": 5,
        }
        return Settings(
            database=self.database.settings,
            external_url="https://site.example.jp",
            mail=MailSettings.model_validate(mail | self.changed),
        )

    @property
    def actor(self) -> Actor:
        return Actor(self.database.engine(ProcessKind.WORKER), "system:test", "test")

    def queue(self, *recipients: str) -> list[str]:
        """Queue a notice to each recipient (one, if none is named); return their Message-IDs."""
        mails = [
            (to, {"number": f"No-{number}", "page": f"/notices/{number}"})
            for number, to in enumerate(recipients or ("contact@city.example.lg.jp",))
        ]
        with self.database.engine(ProcessKind.CONSOLE).begin() as connection:
            return Outbox.of(self.settings).enqueue_all(connection, NOTICE, mails, now=NOW)

    def relay(self, server: MailServer | None = None) -> Relay:
        mail = self.settings.mail
        return Relay(self.actor, server or SmtpServer(mail), RelayPolicy.of(mail), draw=lambda: 1.0)

    def run(self) -> Relayed:
        return self.relay().run()

    def mails(self) -> list[Standing]:
        """Return where all mails stand, oldest first."""
        with self.actor.engine.connect() as connection:
            return store.standing(connection, limit=10_000)[::-1]

    def states(self) -> Counter[MailState]:
        return Counter(mail.state for mail in self.mails())

    def one(self) -> Standing:
        (mail,) = self.mails()
        return mail

    def history(self, mail: UUID) -> list[MailEvent]:
        with self.database.superuser() as superuser:
            rows = superuser.execute("select event from platform.mail_event where mail = %s order by id", (mail,))
            return [MailEvent(event) for (event,) in rows]

    def let_time_pass(self) -> None:
        """Let the database believe that every wait and every lease has ended."""
        with self.database.superuser() as superuser:
            superuser.execute("update platform.mail_outbox set due_at = now() where state in ('queued', 'sending')")

    def waits(self) -> list[float]:
        """Return the seconds that waiting mails still wait, oldest mail first."""
        query = "select extract(epoch from due_at - now()) from platform.mail_outbox where state = 'queued' order by id"
        with self.database.superuser() as superuser:
            return [float(seconds) for (seconds,) in superuser.execute(query)]

    def recorded(self) -> list[tuple[str, str]]:
        """Return action and outcome of the platform's audit entries, oldest first."""
        with self.database.superuser() as superuser:
            return superuser.execute(
                "select body::jsonb ->> 'action', body::jsonb ->> 'outcome' from platform.audit_entry "
                "where chain = %s order by seq",
                (PLATFORM,),
            ).fetchall()
