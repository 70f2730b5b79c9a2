"""Sessions on a tenant: each under the tenant's own log-in, from a small LRU of connections.

A shared log-in that switches roles is not isolation (isolation.md, design A), so every tenant's
statements run on connections that only that tenant's password opened. The LRU is bounded in number,
age and memory; a connection is reset by ``DISCARD ALL`` whenever it comes back. Callers beyond the
bounds wait in line, and are told to come back when the line is too long (503).

Work should be claimed and drained per tenant: a fresh connection costs milliseconds, and as many again
until its backend knows the tenant's tables; a kept one costs hundredths of that. So the LRU is to hold all
tenants that exchange within minutes: a backend holds 1.6 MB when it is fresh and about 3 MB when it has
served, so the 250 of the default are 750 MB at most for each process that serves so many, and what has
been idle for five minutes is closed. Where a tenant lives is remembered for a minute.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from chukan.platform.clock import monotonic
from chukan.platform.database.engines import address, connect, reset, session_options
from chukan.platform.database.errors import (
    DatabaseUnreachable,
    PlacementUnsupported,
    TenantBarred,
    TenantSessionsSaturated,
    TenantUnknown,
)
from chukan.platform.database.ports import CredentialSource
from chukan.platform.database.tables import Tenant
from chukan.platform.database.tenants import Placement
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings

#: Where a tenant lives hardly ever changes; a refused log-in is a reason to ask again, too.
_PLACEMENT_SECONDS = 60.0
#: A backend's memory is measured again after this many uses; in between the last figure stands.
_MEASURE_EVERY = 256
#: What a fresh backend was measured to hold (performance.md); stands until its first measure.
_FRESH_BACKEND_BYTES = 2 << 20


@dataclass(eq=False)
class _Backend:
    """One open connection of one tenant."""

    tenant: TenantId
    raw: psycopg.Connection
    pool: StaticPool
    opened_at: float
    last_used: float
    uses: int = 0
    bytes: int = _FRESH_BACKEND_BYTES


@dataclass(eq=False)
class _Waiter:
    """A caller in line; it is woken with either a kept connection or the right to open one."""

    tenant: TenantId
    woken: threading.Event = field(default_factory=threading.Event)
    grant: _Backend | _Slot | None = None


@dataclass(eq=False)
class _Slot:
    """The right to open a connection, after closing another tenant's idle one if there is a victim."""

    victim: _Backend | None = None


@dataclass(frozen=True)
class PoolStatistics:
    """How full the pool is: connections, bytes of server memory, callers in line, totals since the start."""

    open: int
    idle: int
    waiting: int
    bytes: int
    opened: int
    evicted: int
    refused: int


class TenantSessions:
    """The only door to tenants' data. One of these serves a whole process; it may be used by many threads."""

    def __init__(
        self,
        settings: DatabaseSettings,
        engine: Engine,
        credentials: CredentialSource,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Serve tenants whose placement *engine* (the process's own) can read.

        *now* gives seconds that never go back.
        """
        self._settings = settings
        self._limits = settings.tenant_sessions
        self._engine = engine
        self._credentials = credentials
        self._now = now
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, _Backend] = OrderedDict()
        self._open: Counter[TenantId] = Counter()
        self._bytes = 0
        self._waiting: deque[_Waiter] = deque()
        self._totals = Counter[str]()
        self._placements: dict[TenantId, tuple[float, Placement]] = {}
        self._closed = False

    @property
    def engine(self) -> Engine:
        """The process's own engine, for what belongs to no tenant."""
        return self._engine

    @contextmanager
    def connection(self, tenant: TenantId) -> Iterator[Connection]:
        """Lend a connection under the tenant's own log-in; what is not committed is rolled back.

        Raises:
            TenantSessionsSaturated: all connections stayed busy for ``wait_seconds``, or the line is full.
            TenantUnknown: there is no such tenant.
            PlacementUnsupported: it lives on a cluster that is not served here.
            CredentialMissing: this process may not reach it.
            TenantBarred: it is suspended, or being closed.
            DatabaseUnreachable: the server did not answer.
        """
        backend = self._acquire(tenant)
        try:
            lent = Connection(self._engine, connection=backend.pool.connect())
            try:
                yield lent
            finally:
                lent.close()
        finally:
            self._release(backend)

    @contextmanager
    def begin(self, tenant: TenantId) -> Iterator[Connection]:
        """Lend a connection in a transaction that commits at the end of the block; raises as ``connection``."""
        with self.connection(tenant) as connection, connection.begin():
            yield connection

    @contextmanager
    def session(self, tenant: TenantId) -> Iterator[Session]:
        """Lend an ORM session in a transaction that commits at the end of the block; raises as ``connection``."""
        with self.connection(tenant) as connection, Session(connection) as session, session.begin():
            yield session

    def statistics(self) -> PoolStatistics:
        """Return how full the pool is."""
        with self._lock:
            return PoolStatistics(
                open=self._open.total(),
                idle=len(self._idle),
                waiting=len(self._waiting),
                bytes=self._bytes,
                opened=self._totals["opened"],
                evicted=self._totals["evicted"],
                refused=self._totals["refused"],
            )

    def sweep(self) -> None:
        """Close what has been idle too long; every acquire and release does it as well."""
        with self._lock:
            victims = self._expired()
        self._close_all(victims)

    def close(self) -> None:
        """Close the idle connections now and the lent ones when they come back; lend no more."""
        with self._lock:
            self._closed = True
            victims = [self._take(backend) for backend in list(self._idle.values())]
        self._close_all(victims)

    # -- lending ---------------------------------------------------------------------------------

    def _acquire(self, tenant: TenantId) -> _Backend:
        with self._lock:
            victims = self._expired()
            grant = self._grant(tenant)
            waiter = None if grant else self._join_line(tenant)
        self._close_all(victims)
        if waiter is not None:
            grant = self._wait(waiter)
        if isinstance(grant, _Backend):
            return grant
        return self._open_backend(tenant, grant or _Slot())

    def _grant(self, tenant: TenantId) -> _Backend | _Slot | None:
        """Return a kept connection, the right to open one, or None if the caller has to wait. Holds the lock."""
        if self._closed:
            raise self._saturated()
        for backend in reversed(self._idle.values()):
            if backend.tenant == tenant:
                return self._take(backend, keep_open=True)
        if self._open[tenant] >= self._limits.max_per_tenant:
            return None
        victim = None
        if self._open.total() >= self._limits.max_open:
            if not self._idle:
                return None
            victim = self._take(next(iter(self._idle.values())))
            self._totals["evicted"] += 1
        self._open[tenant] += 1
        return _Slot(victim)

    def _join_line(self, tenant: TenantId) -> _Waiter:
        if len(self._waiting) >= self._limits.max_waiting:
            raise self._saturated()
        waiter = _Waiter(tenant)
        self._waiting.append(waiter)
        return waiter

    def _wait(self, waiter: _Waiter) -> _Backend | _Slot | None:
        waiter.woken.wait(self._limits.wait_seconds)
        with self._lock:
            if waiter.grant is None:
                self._waiting.remove(waiter)
                raise self._saturated()
            return waiter.grant

    def _serve_line(self) -> None:
        """Wake, in order of arrival, everybody in line who can be served now. Holds the lock."""
        for waiter in list(self._waiting):
            waiter.grant = None if self._closed else self._grant(waiter.tenant)
            if waiter.grant is not None:
                self._waiting.remove(waiter)
                waiter.woken.set()

    def _saturated(self) -> TenantSessionsSaturated:
        self._totals["refused"] += 1
        return TenantSessionsSaturated(retry_after_seconds=max(1, round(self._limits.wait_seconds)))

    def _release(self, backend: _Backend) -> None:
        usable = self._make_clean(backend)
        with self._lock:
            if usable and not self._closed:
                backend.last_used = self._now()
                self._idle[id(backend)] = backend
                victims = self._expired()
            else:
                self._forget_open(backend)
                victims = [backend]
            self._serve_line()
        self._close_all(victims)

    def _make_clean(self, backend: _Backend) -> bool:
        """Reset the session and return whether it may be lent again."""
        backend.uses += 1
        try:
            reset(backend.raw)
            if backend.uses % _MEASURE_EVERY == 0:
                self._measure(backend)
        except psycopg.Error:
            return False
        young = self._now() - backend.opened_at < self._limits.max_age_seconds
        return young and backend.bytes <= self._limits.max_backend_mb * (1 << 20)

    def _measure(self, backend: _Backend) -> None:
        with backend.raw.cursor() as cursor:
            row = cursor.execute("select platform_api.session_memory()").fetchone()
        reset(backend.raw)
        measured = int(row[0]) if row else _FRESH_BACKEND_BYTES
        with self._lock:
            self._bytes += measured - backend.bytes
            backend.bytes = measured

    # -- bookkeeping; the lock is held -------------------------------------------------------------

    def _take(self, backend: _Backend, *, keep_open: bool = False) -> _Backend:
        del self._idle[id(backend)]
        if not keep_open:
            self._forget_open(backend)
        return backend

    def _forget_open(self, backend: _Backend) -> None:
        self._open[backend.tenant] -= 1
        if not self._open[backend.tenant]:
            del self._open[backend.tenant]
        self._bytes -= backend.bytes

    def _expired(self) -> list[_Backend]:
        """Take out, oldest first, what was idle too long or makes the backends too large together."""
        limit = self._now() - self._limits.max_idle_seconds
        victims = []
        for backend in list(self._idle.values()):
            if backend.last_used >= limit and self._bytes <= self._limits.max_total_mb * (1 << 20):
                break
            victims.append(self._take(backend))
            self._totals["evicted"] += 1
        return victims

    # -- opening and closing; without the lock -----------------------------------------------------

    def _open_backend(self, tenant: TenantId, slot: _Slot) -> _Backend:
        try:
            if slot.victim is not None:
                self._close_all([slot.victim])
            raw = self._connect(tenant)
        except BaseException:
            with self._lock:
                self._open[tenant] -= 1
                self._serve_line()
            raise
        pool = StaticPool(lambda: raw, reset_on_return=None, dialect=self._engine.dialect)  # type: ignore[arg-type]  # psycopg is a DBAPI
        now = self._now()
        backend = _Backend(tenant=tenant, raw=raw, pool=pool, opened_at=now, last_used=now)
        with self._lock:
            self._bytes += backend.bytes
            self._totals["opened"] += 1
        return backend

    def _connect(self, tenant: TenantId) -> psycopg.Connection:
        placement = self._placement(tenant)
        try:
            return connect(self._arguments(placement))
        except DatabaseUnreachable as failure:
            self._placements.pop(tenant, None)
            if "not permitted to log in" in failure.detail:
                raise TenantBarred(tenant=tenant) from failure
            # The password may have been rotated since it was cached, or the tenant is gone; ask once more, then
            # believe the server.
            if "password authentication failed" not in failure.detail:
                raise
            self._credentials.forget(tenant)
            return connect(self._arguments(self._placement(tenant)))

    def _arguments(self, placement: Placement) -> dict[str, Any]:
        return {
            **address(self._settings),
            "user": placement.role,
            "password": self._credentials.password(placement.tenant),
            "options": session_options(
                search_path=f"{placement.schema},platform_api,pg_temp",
                statement_ms=self._limits.statement_timeout_ms,
                lock_ms=self._limits.lock_timeout_ms,
                idle_transaction_ms=self._limits.idle_in_transaction_timeout_ms,
            ),
        }

    def _placement(self, tenant: TenantId) -> Placement:
        expires, known = self._placements.get(tenant, (0.0, None))
        if known is not None and self._now() < expires:
            return known
        placement = self._asked_placement(tenant)
        self._placements[tenant] = (self._now() + _PLACEMENT_SECONDS, placement)
        return placement

    def _asked_placement(self, tenant: TenantId) -> Placement:
        query = select(Tenant.schema, Tenant.role, Tenant.cluster, Tenant.state).where(Tenant.id == tenant)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise TenantUnknown(tenant=tenant)
        if row.cluster != self._settings.cluster:
            raise PlacementUnsupported(tenant=tenant, cluster=row.cluster, served=self._settings.cluster)
        return Placement(tenant=tenant, schema=row.schema, role=row.role, cluster=row.cluster, state=row.state)

    @staticmethod
    def _close_all(backends: list[_Backend]) -> None:
        for backend in backends:
            with suppress(psycopg.Error):
                backend.raw.close()
