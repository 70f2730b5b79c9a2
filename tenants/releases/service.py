"""Releasing: group by group, each schema a transaction of its own, in parallel, resumable at any schema.

A failing schema is recorded with what was wrong and does not stop the others; schemas at different
revisions live side by side, because revisions only expand.

Source: A0-002.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

import psycopg
from psycopg.errors import SerializationFailure
from sqlalchemy import Connection, Engine

from chukan.platform.audit.rules import Action, AuditEntry, Outcome, canonical_body
from chukan.platform.audit.service import Chain, append
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import RoleNames
from chukan.tenants.provisioning.scripts import Script, message, run_message
from chukan.tenants.releases import store
from chukan.tenants.releases.rendering import head, render


class ReleaseAction(Action):
    """What a release records, in the chain of the tenant whose schema it changed."""

    APPLY = "releases:schema:apply"


class Applied(Enum):
    """What came of one schema."""

    DONE = "done"
    #: Another run brought it along in the meantime.
    ALREADY = "already"
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """How many schemas were brought along, were there already, and failed."""

    done: int
    already: int
    failed: int


class Releaser:
    """Applies releases through the provisioner's *engine*, on behalf of *actor* in one *request*."""

    def __init__(
        self,
        engine: Engine,
        names: RoleNames,
        *,
        actor: str,
        request: str,
        scripts: Callable[[str | None, str], Script] = render,
    ) -> None:
        """Take the way between two revisions from *scripts*, which raises as ``render`` does."""
        self._engine = engine
        self._scripts = scripts
        self._names = names
        self._actor = actor
        self._request = request

    def apply(
        self,
        group: int | None,
        *,
        to: str | None = None,
        workers: int = 2,
        progress: Callable[[Applied], None] = lambda _applied: None,
    ) -> Report:
        """Bring the schemas of *group* (None: those without an organisation's group) to revision *to*.

        Raises:
            RevisionUnknown: *to* does not exist, or a schema stands at a revision that is not known here.
        """
        target = to or head()
        with self._engine.connect() as connection:
            due = store.due(driver(connection), group, target)
        for revision in {schema.revision for schema in due}:
            self._scripts(revision, target)  # an unknown revision is refused before anything is changed

        left = deque(due)

        def work() -> Counter[Applied]:
            done: Counter[Applied] = Counter()
            # One session for all its schemas: a message leaves nothing behind in it, and what the server has
            # prepared for the functions in it is worth as much as the release itself.
            with self._engine.connect() as connection:
                for schema in _taken(left):
                    applied = self._bring(connection, schema, target)
                    done[applied] += 1
                    progress(applied)
            return done

        with ThreadPoolExecutor(workers) as threads:
            running = [threads.submit(work) for _ in range(min(workers, len(due)))]
        done = sum((each.result() for each in running), Counter[Applied]())
        return Report(*(done[kind] for kind in Applied))

    def _bring(self, connection: Connection, schema: store.Due, target: str) -> Applied:
        content = message(
            self._names,
            schema.placement,
            self._scripts(schema.revision, target),
            canonical_body(self._entry(schema, target)),
        )
        below = driver(connection)
        try:
            run_message(below, content)
        except SerializationFailure:
            return Applied.ALREADY
        except psycopg.Error as failure:
            if below.broken:
                connection.invalidate()
            connection.rollback()
            self._record(connection, schema, target, failure)
            return Applied.FAILED
        return Applied.DONE

    def _record(self, connection: Connection, schema: store.Due, target: str, failure: psycopg.Error) -> None:
        """Keep what was wrong with the schema, where `releases status` and the trail show it."""
        told = failure.diag.message_primary or type(failure).__name__
        entry = self._entry(schema, target, outcome=Outcome.FAILED, sqlstate=failure.sqlstate or "")
        with connection.begin():
            store.record_failure(driver(connection), schema.placement.tenant, schema.revision, target, told)
            append(connection, entry, chain=Chain.PLATFORM)

    def _entry(self, schema: store.Due, target: str, *, outcome: Outcome = Outcome.DONE, **detail: str) -> AuditEntry:
        subject = f"tenant:{schema.placement.tenant}"
        told = {"from": schema.revision, "to": target, **detail}
        return AuditEntry(self._actor, ReleaseAction.APPLY, subject, self._request, outcome=outcome, detail=told)


def _taken(left: deque[store.Due]) -> Iterator[store.Due]:
    """Take from what is left until nothing is, beside other threads that do the same."""
    with suppress(IndexError):
        while True:
            yield left.popleft()
