"""A relay that is killed (SIGKILL, by itself) at an exact point; run by the tests.

Arguments: settings (JSON), where to die. ``claimed``: before anything is sent; ``sent``: the request is with the
network, and its answer is not read; ``answered``: the receipt is here, and nothing of it is recorded; ``recording``:
inside the transaction that records it.
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
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.transmission import outbox_store
from chukan.tenants.middleserver.transmission.adapters import https
from chukan.tenants.middleserver.transmission.desk import desk_for
from chukan.tenants.middleserver.transmission.ports import Features


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        inner(*args, **kwargs)
        die()

    return call


def main(settings_json: str, where: str) -> None:
    settings = Settings.model_validate_json(settings_json)
    if where == "claimed":
        https.HttpsNetwork.send = die  # type: ignore[assignment,method-assign]
    elif where == "sent":
        https._bounded = die  # type: ignore[assignment]
    elif where == "answered":
        https.HttpsNetwork.send = after(https.HttpsNetwork.send)  # type: ignore[method-assign]
    elif where == "recording":
        outbox_store.settle = after(outbox_store.settle)
    actor = Actor(process_engine(settings.database, ProcessKind.WORKER), "system:test", "relay")
    with desk_for(actor, settings) as desk, desk.relay(Features()) as relay:
        sys.stdout.write(f"{relay.run().as_json()}\n")


main(*sys.argv[1:])
