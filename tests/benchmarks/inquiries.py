"""Inquiries from registration to the decrypted answer: how many a second, how long a counter waits, what they cost.

Run it: ``make bench NAME=inquiries``. In the environment ``TENANTS`` is the number of organisations (20; to make 200
takes some minutes), ``ROWS`` that of the inquiries of each measurement of lists (200, and five of each organisation at
least), ``ASKED`` how often a counter asks (15), ``BULK`` how many inquiries wait in the lists of all organisations
together meanwhile (4,000), and ``SECONDS`` the longest that each of the measurements may take (60): what is done by
then is what is told.
How it is built says ``benchmarks.exchange``: every part is a process of its own, on the cores of this machine.

- Lists: registered at as many organisations as the line says, with each one's ceilings and pacing off; from the first
  registration until the last answer is decrypted and stored, or the time is over. Beside it the floor: what has to be
  signed, verified, encrypted and decrypted for as many inquiries of the same size by anybody, and the commits that have
  to be durable, one after the other on one core, with nothing else.
- A counter: one inquiry at a time through the gateway, idle, and while lists of all organisations are under way.
- Processor time: of each part, for one inquiry.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median, quantiles
from threading import Event

import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from rich.table import Table

from benchmarks.exchange import PEOPLE, WAIT, Exchange, exchange, wait
from benchmarks.fleet import tenants
from benchmarks.measure import Measured, print_report
from chukan.platform.clock import SystemClock, monotonic
from chukan.tenants.middleserver.security.jose import SigningKey, Window, decrypt, encrypt, sign, verify

TENANTS = tenants(20)
ROWS, ASKED, BULK, SECONDS = (
    int(os.environ.get(name) or default)
    for name, default in (("ROWS", 200), ("ASKED", 15), ("BULK", 4_000), ("SECONDS", 60))
)
#: Organisations that exchange, as far as there are so many.
AMONG = (2, 20, 200)
#: Inquiries a second, on two cores with the network on the same ones: first, and then.
TO_REACH = (60, 150)
#: How much longer a counter may wait while lists are under way.
SLOWER = 2.0
#: Of one inquiry: queued; signed, and receipted; taken by the provider; signed, and receipted; taken by the inquirer.
COMMITS = 7
INQUIRY, REQUEST, ANSWER, RESULT = "IF_SKI_X0101_R01", "IF_TKY_X0201_R01", "IF_TKY_X0202_S01", "IF_SKI_X0102_S01"
#: Bytes of a permit, of the answer that only the inquirer can read, and of a receipt.
_PERMIT, _WITHIN, _RECEIPT = 1_100, 2_900, 500
_SIGNED_OF_PAYLOAD = 4 / 3
#: The shortest list: with fewer, registering it costs more than what is measured.
_EACH = 5
#: Looks a second at whether all is still; and how often a counter asks whatever it takes.
_STILL, _LEAST = 5, 2


@dataclass(frozen=True)
class Lists:
    """What became of lists: how many a second, beside the floor, and what one inquiry cost."""

    among: int
    rate: float
    floor: float
    #: Milliseconds of processor time, by part.
    cost: Mapping[str, float]
    transactions: float


def main() -> None:
    """Measure on a cluster of its own and print the reports."""
    with exchange(TENANTS) as made:
        warm_up(made)
        settle(made)
        idle = asked_for_long(made)
        lists = [listed(made, among) for among in AMONG if among <= TENANTS]
        print_report(f"Inquiries: {TENANTS} organisations", [line(each) for each in lists])
        print_costs(lists)
        for place in range(TENANTS):
            made.ask_many(place, max(1, BULK // TENANTS), TENANTS)
        before, begun = made.answered(), monotonic()
        busy = asked_for_long(made)
        rate = (made.answered() - before - len(busy)) / (monotonic() - begun)
        print_counter(idle, busy, rate)


def warm_up(made: Exchange) -> None:
    """Let every organisation have asked once, in every process."""
    before = made.answered()
    for place in range(TENANTS):
        made.ask_many(place, 1, TENANTS)
    wait(lambda: made.answered() - before >= TENANTS, "the exchange is warm", seconds=600)


def listed(made: Exchange, among: int) -> Lists:
    """Let so many organisations ask one another by lists, and measure until all is answered."""
    settle(made)
    each = max(_EACH, ROWS // among)
    floor = floor_rate(made)
    answered, worked, transactions = made.answered(), made.worked(), made.transactions()
    begun = monotonic()
    for place in range(among):
        made.ask_many(place, each, among)
    with suppress(TimeoutError):
        wait(lambda: made.answered() - answered >= each * among, "all answers", seconds=SECONDS)
    rows, took = made.answered() - answered, monotonic() - begun
    if not rows:
        raise TimeoutError(f"no answer within {took:.0f} seconds")
    cost = {part: 1_000 * seconds / rows for part, seconds in made.worked().since(worked).items()}
    return Lists(among, rows / took, floor, cost, (made.transactions() - transactions) / rows)


def settle(made: Exchange) -> None:
    """Return when nothing has been answered for a second, or when the time is over."""
    before, ends, still = made.answered(), monotonic() + SECONDS, 0
    while still < _STILL and monotonic() < ends:
        Event().wait(1 / _STILL)
        now = made.answered()
        before, still = now, still + 1 if now == before else 0


def asked_for_long(made: Exchange) -> list[float]:
    """Ask so often as is to be, but not beyond the time; return the seconds that each took, two of them at least."""
    took: list[float] = []
    ends = monotonic() + SECONDS
    while len(took) < ASKED and (monotonic() < ends or len(took) < _LEAST):
        took.append(asked(made, len(took)))
    return took


def asked(made: Exchange, number: int) -> float:
    """Ask once at a counter; return the seconds until the answer was there, or those of the whole wait."""
    took = made.ask_one(number % TENANTS, 1 + number % PEOPLE, TENANTS)
    return WAIT if took is None else took


# -- the floor -----------------------------------------------------------------------------------------


def floor_rate(made: Exchange, count: int = 100) -> float:
    """Return how many inquiries a second the work that nobody can leave out allows one core."""
    sizes = made.sizes()
    bodies = {kind: os.urandom(int(sizes[kind] / _SIGNED_OF_PAYLOAD)) for kind in (INQUIRY, REQUEST, ANSWER, RESULT)}
    further = (os.urandom(_PERMIT), *[os.urandom(_RECEIPT)] * 4)
    key = ec.generate_private_key(ec.SECP256R1())
    with made.database.superuser() as superuser:
        superuser.execute("create table public.bench_floor (content bytea)")
        begun = monotonic()
        for _ in range(count):
            tokens = [_signed(body, key) for body in (*bodies.values(), *further)]
            _sealed(_signed(os.urandom(_WITHIN), key), key)
            for token in (tokens[1], tokens[3]):
                _sealed(token, key)
            _kept(superuser, tokens[0])
        took = monotonic() - begun
        superuser.execute("drop table public.bench_floor")
    return count / took


def _signed(body: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    now = SystemClock().now()
    token = sign(body, SigningKey("floor", key), type=INQUIRY, now=now)
    verify(token, lambda _kid: key.public_key(), types={INQUIRY}, window=Window(now))
    return token


def _sealed(token: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    decrypt(encrypt(token, kid="floor", key=key.public_key()), lambda _kid: key)


def _kept(superuser: psycopg.Connection, token: bytes) -> None:
    for _ in range(COMMITS):
        superuser.execute("insert into public.bench_floor values (%s)", (token,))


# -- telling -------------------------------------------------------------------------------------------


def line(found: Lists) -> Measured:
    """Return the line of a report about lists."""
    return Measured(
        name=f"lists of {found.among} organisations at once",
        unit="inquiries",
        rate=found.rate,
        floor_name="cryptography and durable commits alone, one core",
        floor_rate=found.floor,
        ratio=found.rate / found.floor,
        note=f"to reach: {TO_REACH[0]} a second, then {TO_REACH[1]}; {found.transactions:.0f} transactions each",
    )


def print_counter(idle: Sequence[float], busy: Sequence[float], rate: float) -> None:
    """Print how long a counter waited; *rate*: how many inquiries of lists were answered a second meanwhile."""
    many = f"{len(idle)} and {len(busy)}"
    table = Table(title=f"A counter: {many} inquiries one after the other, in seconds", title_justify="left")
    for column in ("what", "median", "95 %", "busy / idle, 95 %", "to reach, at most", "not within the wait"):
        table.add_column(column, justify="left" if column == "what" else "right")
    ratio = _late(busy) / _late(idle)
    table.add_row("idle", f"{median(idle):.2f}", f"{_late(idle):.2f}", "", "", str(_missed(idle)))
    under_way = f"lists of {max(1, BULK // TENANTS)} at {TENANTS} organisations, {rate:.1f} a second"
    table.add_row(
        under_way, f"{median(busy):.2f}", f"{_late(busy):.2f}", f"{ratio:.2f}", f"{SLOWER:.2f}", str(_missed(busy))
    )  # fmt: skip
    _print(table)


def print_costs(lists: Sequence[Lists]) -> None:
    """Print what one inquiry costs, and the load average that all was taken under."""
    table = Table(title="Processor time of one inquiry, in milliseconds", title_justify="left")
    table.add_column("organisations", justify="right")
    parts = sorted(lists[0].cost)
    for part in (*parts, "together"):
        table.add_column(part, justify="right")
    for each in lists:
        figures = [*(each.cost[part] for part in parts), sum(each.cost.values())]
        table.add_row(str(each.among), *(f"{figure:.1f}" for figure in figures))
    _print(table)


def _late(waits: Sequence[float]) -> float:
    return quantiles(waits, n=20, method="inclusive")[-1]


def _missed(waits: Sequence[float]) -> int:
    return sum(each >= WAIT for each in waits)


def _print(table: Table) -> None:
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    console.print("load average: " + " ".join(f"{load:.2f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
