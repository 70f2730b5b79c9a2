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
from chukan.tenants.registry.population_file import PopulationFile, read_population
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
        alive, read = _read(unit.connection, content, file, as_of, now)
        if read.bad and not partial:
            raise FileRefused(file=file, rows=read.bad)
        recorded = _record(unit.connection, {alive[code]: value for code, value in read.values.items()}, as_of, source)
        done = PopulationImported(recorded, len(read.values) - recorded, read.bad, read.warnings)
        unit.note(recorded=recorded, unchanged=done.unchanged, bad=len(read.bad), warnings=len(read.warnings))
    return done


@dataclass(frozen=True, slots=True)
class Previewed:
    """What an import would do to one organisation: the value that holds on its day, and the one that comes."""

    code: str
    name: str
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do: values that would be recorded, how many are there already, and what needs a look."""

    changes: Sequence[Previewed]
    unchanged: int
    bad: Sequence[BadRow]
    warnings: Sequence[BadRow]


def preview_population(
    connection: Connection, content: bytes, file: str, *, as_of: date, source: str, now: datetime
) -> Preview:
    """Return what ``import_population`` would do, without doing it.

    Raises:
        FileUnreadable: the file as a whole makes no sense, or its day lies ahead.
    """
    alive, read = _read(connection, content, file, as_of, now)
    known = _known(connection, as_of)
    there = store.of_ids(connection, [alive[code] for code in read.values], as_of)
    changes = [
        Previewed(str(code), there[alive[code]].name, there[alive[code]].population, value)
        for code, value in read.values.items()
        if known.get(alive[code]) != (value, source)
    ]
    return Preview(changes, len(read.values) - len(changes), read.bad, read.warnings)


def populations_of(connection: Connection, organisation: UUID) -> Sequence[tuple[date, int, str, datetime]]:
    """Return every value of an organisation: day, value, source, instant of its recording; the newest first."""
    query = select(Population.as_of, Population.value, Population.source, Population.recorded_at)
    found = query.where(Population.organisation == organisation)
    order = (Population.as_of.desc(), Population.recorded_at.desc())
    return [(row.as_of, row.value, row.source, row.recorded_at) for row in connection.execute(found.order_by(*order))]


def _read(
    connection: Connection, content: bytes, file: str, as_of: date, now: datetime
) -> tuple[Mapping[str, UUID], PopulationFile]:
    """Return the organisations that exist on *as_of* by code, and what the file says of them."""
    if as_of > as_tokyo(now).date():
        raise FileUnreadable(file=file, reason=text("{day} lies ahead", day=as_of))
    alive = store.alive_codes(connection, as_of)
    return alive, read_population(content, file, alive.keys())


def _known(connection: Connection, as_of: date) -> Mapping[UUID, tuple[int, str]]:
    """Return the newest value of the day *as_of* and its source, by organisation."""
    newest = (
        select(Population.organisation, Population.value, Population.source)
        .where(Population.as_of == as_of)
        .ext(distinct_on(Population.organisation))
        .order_by(Population.organisation, Population.recorded_at.desc())
    )
    return {row.organisation: (row.value, row.source) for row in connection.execute(newest)}


def _record(connection: Connection, values: Mapping[UUID, int], as_of: date, source: str) -> int:
    """Add the values that are not already what is known of that day from that source; return how many."""
    known = _known(connection, as_of)
    rows = [
        {"organisation": organisation, "as_of": as_of, "value": value, "source": source}
        for organisation, value in values.items()
        if known.get(organisation) != (value, source)
    ]
    if rows:
        connection.execute(insert(Population), rows)
    return len(rows)
