"""Releasing: group by group, each schema a transaction of its own, in parallel, resumable at any schema.

A failing schema is recorded with what was wrong and does not stop the others; schemas at different
revisions live side by side, because revisions only expand.

Source: A0-002.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

import psycopg
from psycopg.errors import SerializationFailure
from sqlalchemy import Engine

from chukan.platform.audit.rules import Action, AuditEntry, Outcome, canonical_body
from chukan.platform.audit.service import Chain, append
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import RoleNames
from chukan.tenants.provisioning.scripts import message, run_message
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

    def __init__(self, engine: Engine, names: RoleNames, *, actor: str, request: str) -> None:
        self._engine = engine
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
            render(revision, target)  # an unknown revision is refused before anything is changed

        def bring(schema: store.Due) -> Applied:
            applied = self._bring(schema, target)
            progress(applied)
            return applied

        with ThreadPoolExecutor(workers) as threads:
            results = list(threads.map(bring, due))
        return Report(*(results.count(kind) for kind in Applied))

    def _bring(self, schema: store.Due, target: str) -> Applied:
        script = render(schema.revision, target)
        entry = self._entry(schema, target)
        try:
            with self._engine.connect() as connection:
                below = driver(connection)
                run_message(below, message(self._names, schema.placement, script, canonical_body(entry)))
                connection.commit()
        except SerializationFailure:
            return Applied.ALREADY
        except psycopg.Error as failure:
            self._record(schema, target, failure)
            return Applied.FAILED
        return Applied.DONE

    def _record(self, schema: store.Due, target: str, failure: psycopg.Error) -> None:
        """Keep what was wrong with the schema, where `releases status` and the trail show it."""
        told = failure.diag.message_primary or type(failure).__name__
        entry = self._entry(schema, target, outcome=Outcome.FAILED, sqlstate=failure.sqlstate or "")
        with self._engine.begin() as connection:
            store.record_failure(driver(connection), schema.placement.tenant, schema.revision, target, told)
            append(connection, entry, chain=Chain.PLATFORM)

    def _entry(self, schema: store.Due, target: str, *, outcome: Outcome = Outcome.DONE, **detail: str) -> AuditEntry:
        subject = f"tenant:{schema.placement.tenant}"
        told = {"from": schema.revision, "to": target, **detail}
        return AuditEntry(self._actor, ReleaseAction.APPLY, subject, self._request, outcome=outcome, detail=told)
