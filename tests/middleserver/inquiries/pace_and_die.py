"""A worker that is killed (SIGKILL, by itself) while it lets inquiries leave; run by the tests.

Arguments: settings (JSON), tenant, where to die. ``queued``: the first message is in the outbox; ``counted``: all are,
and what left is counted; ``noted``: the history is written; ``committing``: the transaction is committed, and nothing
after it was done.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.platform.settings import Settings
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.data import shipped_data
from chukan.tenants.middleserver.inquiries.people import LinkedPeople
from chukan.tenants.middleserver.inquiries.releasing import Releasing
from chukan.tenants.middleserver.transmission.desk import desk_for
from chukan.tenants.middleserver.transmission.service import Outbox


class AlwaysOpen:
    def closed(self, _tenant: TenantId, _service: Service, _now: datetime) -> None:
        return None

    def closes_at(self, _tenant: TenantId, _service: Service, _now: datetime) -> None:
        return None


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        inner(*args, **kwargs)
        die()

    return call


def main(settings_json: str, tenant: str, where: str) -> None:
    settings = Settings.model_validate_json(settings_json)
    if where == "queued":
        Outbox.enqueue = after(Outbox.enqueue)  # type: ignore[method-assign]
    elif where == "counted":
        store.left = after(store.left)
    elif where == "noted":
        store.note = after(store.note)
    actor = Actor(process_engine(settings.database, ProcessKind.WORKER), "system:test", "pace")
    with desk_for(actor, settings) as desk:
        people = LinkedPeople(desk.vault)
        releasing = Releasing(desk.sessions, desk.vault, people, AlwaysOpen(), shipped_data())
        releasing.pace(TenantId(UUID(tenant)), now=SystemClock().now(), actor="system:test", request="pace")
        die()


main(*sys.argv[1:])
