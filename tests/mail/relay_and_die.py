"""A relay that is killed (SIGKILL, by itself) at an exact point; run by the tests.

Arguments: settings (JSON), where to die, at which mail. ``claimed``: a batch is claimed and nothing sent;
``unanswered``: the n-th mail's content is on its way; ``answered``: the server has said yes to the n-th mail,
and nothing of it is recorded; ``recording``: inside the n-th transaction that records.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail import relay, store
from chukan.platform.mail.adapters.smtp import SmtpSession
from chukan.platform.mail.desk import relay_of
from chukan.platform.settings import Settings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(inner: Callable[..., Any], count: int, *, after: bool) -> Callable[..., Any]:
    """Return *inner*, which kills this process at its *count*-th call, before or after it has done its work."""
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            die()
        result = inner(*args, **kwargs)
        if calls == count:
            die()
        return result

    return call


def main(settings_json: str, where: str, count: str) -> None:
    settings = Settings.model_validate_json(settings_json)
    relay.RECORD_WITHIN = 3600  # so that only the number of mails decides when outcomes are recorded
    if where == "claimed":
        SmtpSession.send = dying(SmtpSession.send, 1, after=False)  # type: ignore[method-assign]
    elif where == "unanswered":
        import smtplib

        smtplib.SMTP.send = dying(smtplib.SMTP.send, 4 * int(count) + 1, after=True)  # type: ignore[method-assign]
    elif where == "answered":
        SmtpSession.send = dying(SmtpSession.send, int(count), after=True)  # type: ignore[method-assign]
    elif where == "recording":
        store.record = dying(store.record, int(count), after=True)
    actor = Actor(process_engine(settings.database, ProcessKind.WORKER), "system:test", "relay")
    sys.stdout.write(f"{relay_of(settings, actor).run().as_json()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
