"""Populations: imported from CSV with a date and a source; a correction is added, nothing is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import BadRow, FileRefused, FileUnreadable
from chukan.tenants.registry.population_file import read_population
from chukan.tenants.registry.tables import Population
from chukan.tenants.registry.trail import RegistryAction


@dataclass(frozen=True, slots=True)
class PopulationImported:
    """What an import of populations did; ``bad`` lines were left out, ``warnings`` need a second look."""

    recorded: int
    unchanged: int
    bad: Sequence[BadRow]
    warnings: Sequence[BadRow]


def import_population(
    actor: Actor, content: bytes, file: str, *, as_of: date, source: str, partial: bool, now: datetime
) -> PopulationImported:
    """Record what *content* says of *as_of*, the day that the *source* counted people on.

    With *partial* the lines that can be taken are; without it one bad line stops all of them.

    Raises:
        FileUnreadable: the file as a whole makes no sense, or its day lies ahead.
        FileRefused: lines cannot be taken, and *partial* is False; nothing was imported.
    """
    act = actor.act(RegistryAction.IMPORT_POPULATION, "organisations:many", as_of=str(as_of), source=source)
    with act as unit:
        if as_of > as_tokyo(now).date():
            raise FileUnreadable(file=file, reason=text("{day} lies ahead", day=as_of))
        alive = store.alive_codes(unit.connection, as_of)
        read = read_population(content, file, alive.keys())
        if read.bad and not partial:
            raise FileRefused(file=file, rows=read.bad)
        recorded = _record(unit.connection, {alive[code]: value for code, value in read.values.items()}, as_of, source)
        done = PopulationImported(recorded, len(read.values) - recorded, read.bad, read.warnings)
        unit.note(recorded=recorded, unchanged=done.unchanged, bad=len(read.bad), warnings=len(read.warnings))
    return done


def populations_of(connection: Connection, organisation: UUID) -> Sequence[tuple[date, int, str, datetime]]:
    """Return every value of an organisation: day, value, source, instant of its recording; the newest first."""
    query = select(Population.as_of, Population.value, Population.source, Population.recorded_at)
    found = query.where(Population.organisation == organisation)
    order = (Population.as_of.desc(), Population.recorded_at.desc())
    return [(row.as_of, row.value, row.source, row.recorded_at) for row in connection.execute(found.order_by(*order))]


def _record(connection: Connection, values: Mapping[UUID, int], as_of: date, source: str) -> int:
    """Add the values that are not already what is known of that day from that source; return how many."""
    newest = (
        select(Population.organisation, Population.value, Population.source)
        .where(Population.as_of == as_of)
        .ext(distinct_on(Population.organisation))
        .order_by(Population.organisation, Population.recorded_at.desc())
    )
    known = {row.organisation: (row.value, row.source) for row in connection.execute(newest)}
    rows = [
        {"organisation": organisation, "as_of": as_of, "value": value, "source": source}
        for organisation, value in values.items()
        if known.get(organisation) != (value, source)
    ]
    if rows:
        connection.execute(insert(Population), rows)
    return len(rows)
