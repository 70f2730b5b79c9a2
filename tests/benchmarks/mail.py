"""Outgoing mail against its floor: the same mails handed to the same server by bare smtplib over one connection.

Run it: ``python tests/benchmarks/mail.py``. Ours is the whole way from the outbox: claimed, sent, recorded with
history and audit entry; queueing is measured by itself.
"""

from __future__ import annotations

import smtplib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import Measured, alone, alternate, print_report
from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail.desk import relay_of
from chukan.platform.mail.service import Outbox
from chukan.platform.mail.templates import TEST
from chukan.platform.settings import MailSettings, Settings
from chukan_simulators.mail_server.client import RunningMailServer, running_mail_server
from support.database import Database, fresh_database, running_cluster

MAILS = 1_788
ROUNDS = 5
SENDER = "no-reply@platform.example.jp"


def main() -> None:
    """Print the relay against bare smtplib, and how fast mails are queued."""
    with running_cluster() as running, fresh_database(*running) as database, running_mail_server() as server:
        settings = Settings(
            database=database.settings,
            mail=MailSettings(host="127.0.0.1", port=server.port, security="none", sender_address=SENDER),
        )
        lines = [relaying(database, settings, server), queueing(database, settings)]
        print_report(f"Mail, {MAILS} of about 1 KB", lines)


def relaying(database: Database, settings: Settings, server: RunningMailServer) -> Measured:
    """Send the mails of one round, which wait in the outbox until it begins."""
    relay = relay_of(settings, Actor(database.engine(ProcessKind.WORKER), "system:bench", "bench"))
    queue(database, settings)
    relay.run()
    contents = [each.content for each in server.mails()]
    for _ in range(ROUNDS + 1):
        queue(database, settings)
    with database.superuser() as superuser:
        superuser.execute("update platform.mail_outbox set due_at = due_at + interval '1 day' where state = 'queued'")
        superuser.execute("vacuum analyze platform.mail_outbox")

    def ours() -> int:
        with database.superuser() as superuser:
            superuser.execute(
                """
                update platform.mail_outbox set due_at = now() where id in (
                    select id from platform.mail_outbox where state = 'queued' order by id limit %s)
                """,
                (MAILS,),
            )
        return relay.run().events.total()

    def floor() -> int:
        with smtplib.SMTP("127.0.0.1", server.port, local_hostname="platform.example.jp") as client:
            for number, content in enumerate(contents):
                client.sendmail(SENDER, [recipient(number)], content)
        return len(contents)

    return alternate("relay", ours, floor, floor_name="bare smtplib", unit="mails", rounds=ROUNDS)


def queueing(database: Database, settings: Settings) -> Measured:
    """Write, fold and store mails to all organisations in one transaction."""

    def ours() -> int:
        queue(database, settings)
        return MAILS

    return alone("queue", ours, unit="mails", note="of the 3 s for all organisations, this comes first")


def queue(database: Database, settings: Settings) -> None:
    """Queue a mail to a contact of every organisation."""
    now = SystemClock().now()
    engine = database.engine(ProcessKind.CONSOLE)
    with engine.begin() as connection:
        mails = [(recipient(number), {"sent_at": now}) for number in range(MAILS)]
        Outbox.of(settings).enqueue_all(connection, TEST, mails, now=now)


def recipient(number: int) -> str:
    """Return the address of one organisation's contact."""
    return f"contact-{number}@city.example.lg.jp"


if __name__ == "__main__":
    main()
