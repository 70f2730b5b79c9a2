"""``chukan limits``: what an organisation may send, computed without a database."""

from __future__ import annotations

from collections.abc import Mapping

import click

from chukan.platform.clock import SystemClock, as_tokyo
from chukan.platform.command_line import TranslatedCommand, TranslatedGroup, json_option, print_json
from chukan.platform.messages import text
from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.errors import PopulationMissing
from chukan.tenants.limits.rules import Amount, LimitKind, daily_limit, decide, terms_on
from chukan.tenants.limits.words import reason_of


@click.group(cls=TranslatedGroup)
def limits() -> None:
    """Compute what an organisation may send."""


@limits.command(cls=TranslatedCommand)
@click.option("--kind", type=click.Choice([kind.value for kind in LimitKind]), required=True, help="The organisation.")
@click.option("--population", type=int, required=True, help="Its population; of a union, the members' together.")
@click.option("--records", type=int, help="Registrations and deletions of the file together.")
@click.option("--size-kb", type=int, help="The size of the file in KB.")
@click.option("--used-records", type=click.IntRange(0), default=0, help="Records of the same day before it.")
@click.option("--used-kb", type=click.IntRange(0), default=0, help="KB of the same day before it.")
@json_option
def upload(
    *,
    kind: str,
    population: int,
    records: int | None,
    size_kb: int | None,
    used_records: int,
    used_kb: int,
    as_json: bool,
) -> None:
    """Compute the day's upload limit, and whether a file still fits into it."""
    terms = terms_on(shipped_limits().upload, LimitKind(kind), as_tokyo(SystemClock().now()).date())
    try:
        limit = daily_limit(terms, population)
    except PopulationMissing as error:
        _tell({"max_records": None, "max_kb": None, "accepted": False, "reason": error.told()}, as_json=as_json)
        return
    # What is not given is not judged: one record, or one KB, fits wherever anything does.
    asked = Amount(1 if records is None else records, 1 if size_kb is None else size_kb)
    decision = decide(limit, Amount(used_records, used_kb), asked)
    reason = None if decision.accepted else reason_of(decision)
    answer = {"max_records": limit.records, "max_kb": limit.kb, "accepted": decision.accepted, "reason": reason}
    _tell(answer, as_json=as_json)


def _tell(answer: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    if answer["max_records"] is not None:
        click.echo(text("In a day at most {max_records} records and {max_kb} KB.", **answer))
    click.echo(text("It fits.") if answer["accepted"] else str(answer["reason"]))
