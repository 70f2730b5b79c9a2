"""From a file to visible encrypted rows, against the floors: COPY alone, and expat alone.

Run it: ``python tests/benchmarks/duplicate_copies.py [records] [--profile]`` (``make bench NAME=duplicate_copies``);
with ``--large`` two million records are registered too, and the memory that it took is told beside that of a few.
The COPY floor loads the same packed rows into the same table with the same index, in the same chunks. The expat floor
reads the same XML, the records' contents too, with handlers that only collect the texts.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from xml.parsers import expat

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.measure import Measured, print_report
from chukan.platform.clock import monotonic
from chukan.tenants.middleserver.duplicate_copies import loading
from chukan.tenants.middleserver.duplicate_copies.files import opened
from chukan.tenants.middleserver.duplicate_copies.night import Outcome
from chukan.tenants.middleserver.duplicate_copies.records import Right
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from middleserver.duplicate_copies.large_files import register
from support.copies import RIGHT_ITEMS, TERMS, Organisation, Row, file_of, in_blocks, organisation, right_row
from support.database import fresh_database, running_cluster
from support.vault import file_safe

RECORDS = 10_000
ROUNDS = 5
AT_ONCE = 3
FEW, MANY, LARGE = 20_000, 200_000, 2_000_000
#: Fills a record up to the kilobyte of the other benchmarks.
FILLER = "あ" * 250
CHUNK = 4_000


def main(records: int, *, profiled: bool, large: bool) -> None:
    """Print both forms against their floors, three organisations at once against one, and the memory of large files."""
    rows = [row(number) for number in range(1, records + 1)]
    with bench_organisations(AT_ONCE) as places:
        place = places[0]
        lines = [measured(place, form, file_of(form, rows), records) for form in FileForm]
        lines += [at_once(places, form, file_of(form, rows), records) for form in FileForm]
        lines += [in_memory(place, FileForm.CSV, LARGE if large else MANY)]
        print_report(f"Registering duplicate copies, {records} records", lines)
        if profiled:
            for form in FileForm:
                profile(place, form, file_of(form, rows), records)


@contextmanager
def bench_organisations(count: int) -> Iterator[Sequence[Organisation]]:
    """Lend organisations in a database of this run's own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cluster() as running,
        fresh_database(*running) as database,
    ):
        safe = file_safe(database, Path(folder))
        yield [organisation(database, safe) for _ in range(count)]


def row(number: int) -> Row:
    """Return a right record; three records belong to one person."""
    items = {**RIGHT_ITEMS, "PADDING": [FILLER]}
    return right_row(number, address=f"{number // 3:015d}", key=f"K{number}", items=items)


def measured(place: Organisation, form: FileForm, content: bytes, records: int) -> Measured:
    """Register the file and do what its floor does in turn, and compare them round by round."""
    is_csv = form is FileForm.CSV
    ours_rates, floor_rates = [], []
    for turn in range(ROUNDS + 1):
        if is_csv:
            packed = packed_rows(place, form, content)
            floor_rate = rate(records, lambda packed=packed: copied(place, packed))  # type: ignore[misc]
        else:
            floor_rate = rate(records, lambda: parsed(content))
        clear(place)
        place.send(content, records, form=form)
        ours_rate = rate(records, lambda: registered(place, records))
        clear(place)
        if turn:  # the first round does not count
            ours_rates.append(ours_rate)
            floor_rates.append(floor_rate)
    return Measured(
        name=f"{form.value}, {len(content) // records} bytes a record",
        unit="records",
        rate=median(ours_rates),
        floor_name="COPY" if is_csv else "expat",
        floor_rate=median(floor_rates),
        ratio=median(ours / floor for ours, floor in zip(ours_rates, floor_rates, strict=True)),
        to_reach=0.35 if is_csv else 0.6,
    )


def at_once(places: Sequence[Organisation], form: FileForm, content: bytes, records: int) -> Measured:
    """Register one file of each of *places* in one process at the same time, against one organisation's alone."""
    ours_rates, floor_rates = [], []
    for turn in range(ROUNDS + 1):
        for place in places:
            clear(place)
            place.send(content, records, form=form)
        floor_rate = rate(records, lambda: registered(places[0], records))
        clear(places[0])
        places[0].send(content, records, form=form)
        ours_rate = rate(records * len(places), lambda: registered_at_once(places, records))
        if turn:  # the first round does not count
            ours_rates.append(ours_rate)
            floor_rates.append(floor_rate)
    for place in places:
        clear(place)
    return Measured(
        name=f"{form.value}, {len(places)} organisations at once in one process",
        unit="records",
        rate=median(ours_rates),
        floor_name="one alone",
        floor_rate=median(floor_rates),
        ratio=median(ours / floor for ours, floor in zip(ours_rates, floor_rates, strict=True)),
    )


def registered_at_once(places: Sequence[Organisation], records: int) -> None:
    """Run a night for each of *places* at the same time."""
    with ThreadPoolExecutor(len(places)) as pool:
        for night in [pool.submit(registered, place, records) for place in places]:
            night.result()


def in_memory(place: Organisation, form: FileForm, records: int) -> Measured:
    """Register a large file in a process of its own, and tell the most memory that it held beside that for a few."""
    *_, few = register(place, form, FEW, "right")
    clear(place)
    begun = monotonic()
    *_, most = register(place, form, records, "right")
    seconds = monotonic() - begun
    clear(place)
    note = f"{most >> 10} MiB at most, {few >> 10} for {FEW:,}; uploading counted"
    return Measured(name=f"{form.value}, {records:,} records", unit="records", rate=records / seconds, note=note)


def rate(units: int, work: Callable[[], object]) -> float:
    """Return how many *units* a second *work* does."""
    started = monotonic()
    work()
    return units / (monotonic() - started)


def registered(place: Organisation, records: int) -> None:
    """Run a night that registers one file."""
    report = place.register()
    assert [(file.outcome, file.registered) for file in report.files] == [(Outcome.REGISTERED, records)]


def packed_rows(place: Organisation, form: FileForm, content: bytes) -> list[bytes]:
    """Return the file's rows sealed and packed, which is no part of the floor."""
    file = opened(form, lambda offset: in_blocks(content[offset:]), TERMS)
    found: list[Right] = []
    for batch in file.batches(None, None):
        found += [right for raw in batch.rows if (right := file.quick(raw)) is not None]
    upload = replace(any_upload(place, form), number=1 << 30)
    packer = loading.Packer(place.vault, place.tenant, upload)
    places = list(enumerate(found, 1))
    return [packer.pack(places[begin : begin + CHUNK]) for begin in range(0, len(places), CHUNK)]


def any_upload(place: Organisation, form: FileForm) -> Upload:
    """Return an upload that rows can be packed for."""
    upload = place.send(file_of(form, [row(1)]), 1, form=form)
    place.uploads.cancel(place.caller, upload.id, now=place.clock.now())
    return upload


def copied(place: Organisation, packed: list[bytes]) -> None:
    """Load rows that are packed already."""
    for part in packed:
        with place.sessions.begin(place.tenant) as connection:
            loading.load(connection, part)


def parsed(content: bytes) -> None:
    """Read the file and the content of each record, collecting texts and doing nothing else."""
    texts: list[str] = []
    inner: list[str] = []

    def collecting(texts: list[str]) -> expat.XMLParserType:
        parser = expat.ParserCreate("UTF-8")
        parser.buffer_text, parser.buffer_size = True, 1 << 16
        parser.StartElementHandler = lambda _name, _attributes: texts.clear()
        parser.CharacterDataHandler = texts.append
        return parser

    def end(name: str) -> None:
        if name == "DuplicateCopyData":
            inner.append("".join(texts))

    outer = collecting(texts)
    outer.EndElementHandler = end
    for block in in_blocks(content):
        outer.Parse(block)
        for fragment in inner:
            collecting([]).Parse(f"<_ xmlns:xsi='x'>{fragment}</_>", True)
        inner.clear()


def clear(place: Organisation) -> None:
    """Take everything away again, the day's use too."""
    with place.sessions.begin(place.tenant) as connection:
        for statement in (
            "delete from duplicate_copy",
            "delete from upload_piece",
            "delete from upload",
            "delete from copy_day",
        ):
            connection.exec_driver_sql(statement)
    place.clock.advance(timedelta(hours=1))


def profile(place: Organisation, form: FileForm, content: bytes, records: int) -> None:
    """Print where the time of one night goes."""
    place.send(content, records, form=form)
    profiler = cProfile.Profile()
    profiler.runcall(registered, place, records)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)
    clear(place)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    main(numbers[0] if numbers else RECORDS, profiled="--profile" in sys.argv, large="--large" in sys.argv)
