"""``chukan database``: prepare a cluster, assert it, attack it."""

from __future__ import annotations

import click
import psycopg
from rich.progress import Progress, SpinnerColumn, TextColumn

from chukan.platform.command_line import TranslatedGroup, json_option, print_json, print_table
from chukan.platform.database.attack_runner import Outcome, run_attacks
from chukan.platform.database.attack_words import Expected
from chukan.platform.database.check import Finding, check_database
from chukan.platform.database.engines import url_without_secrets
from chukan.platform.database.errors import AssertionsBroken, DatabaseUnreachable, SuperuserNeeded
from chukan.platform.database.serving import serving
from chukan.platform.database.setup import initialise
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings


@click.group(cls=TranslatedGroup)
def database() -> None:
    """Prepare the database, and prove that it keeps tenants apart."""


@database.command()
@click.option(
    "--superuser-url",
    envvar="CHUKAN_SUPERUSER_URL",
    help="postgresql:// address of a superuser of your own cluster; used once, stored nowhere.",
)
@pass_settings
def init(settings: Settings, superuser_url: str | None) -> None:
    """Make roles, database, revokes and tables, or bring them up to date; may be repeated."""
    if not settings.database.url:
        with serving(settings.database):
            click.echo(text("The embedded database is prepared."))
        return
    if not superuser_url:
        raise SuperuserNeeded
    try:
        initialise(superuser_url, settings.database)
    except psycopg.OperationalError as failure:
        raise DatabaseUnreachable(detail=str(failure)) from failure
    click.echo(text("The database at {url} is prepared.", url=url_without_secrets(settings.database)))


@database.command()
@click.option("--attack", is_flag=True, help="Also run the attack cases against two scratch tenants.")
@json_option
@pass_settings
def check(settings: Settings, *, attack: bool, as_json: bool) -> None:
    """Assert everything that keeps tenants apart; the exit code says whether it holds."""
    with serving(settings.database):
        findings = list(check_database(settings.database))
        outcomes = _attack(settings) if attack else []
    if as_json:
        print_json({"assertions": [_finding(f) for f in findings], "attacks": [_outcome(o) for o in outcomes]})
    else:
        print_findings(findings)
        if attack:
            print_outcomes(outcomes)
    broken = sum(not finding.holds for finding in findings) + sum(not outcome.as_expected for outcome in outcomes)
    if broken:
        raise AssertionsBroken(count=broken)


def print_findings(findings: list[Finding]) -> None:
    """Print what holds and what does not, and what to do about it."""
    rows = [
        (
            text(f.name),
            text("holds") if f.holds else text("broken"),
            "" if f.holds else f"{f.summary()}\n{text(f.hint)}",
        )
        for f in findings
    ]
    print_table(mark("What keeps tenants apart"), (mark("Assertion"), mark("State"), mark("Found")), rows)


def print_outcomes(outcomes: list[Outcome]) -> None:
    """Print each attempt with what was expected and what came of it."""
    columns = (mark("No."), mark("Attempt"), mark("Expected"), mark("Got"), mark("Defence"))
    print_table(mark("Attacks of one tenant on another"), columns, [_row(outcome) for outcome in outcomes])
    held = sum(outcome.as_expected for outcome in outcomes)
    residual = sum(outcome.expected is Expected.RESIDUAL for outcome in outcomes)
    click.echo(
        text(
            "{held} of {all} as expected, {residual} of them residual (see docs/security.md).",
            held=held,
            all=len(outcomes),
            residual=residual,
        )
    )


def _attack(settings: Settings) -> list[Outcome]:
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), transient=True) as progress:
        task = progress.add_task("")
        outcomes = []
        for outcome in run_attacks(settings.database):
            progress.update(task, description=text(outcome.title))
            outcomes.append(outcome)
    return outcomes


def _row(outcome: Outcome) -> tuple[str, ...]:
    expected = text("residual") if outcome.expected is Expected.RESIDUAL else text("refused")
    sign = "✓" if outcome.as_expected else "✗"
    got = text("reached") if outcome.reached else text("refused ({found})", found=text(outcome.found))
    return (outcome.number, text(outcome.title), expected, f"{sign} {got}", text(outcome.defence))


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "assertion": finding.name,
        "holds": finding.holds,
        "breaking": list(finding.breaking),
        "hint": text(finding.hint),
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "number": outcome.number,
        "title": outcome.title,
        "expected": outcome.expected.value,
        "reached": outcome.reached,
        "found": outcome.found,
        "as_expected": outcome.as_expected,
    }
