"""``chukan duplicate-copies``: removing old versions and abolished datasets; no content is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chukan.platform.accounts.prompts import ask
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.platform.logs import get_logger
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies.bulk_deletion import BulkDeletion, Outlook
from chukan.tenants.middleserver.duplicate_copies.errors import DeletionIncomplete, DeletionNotConfirmed
from chukan.tenants.middleserver.duplicate_copies.ports import OpenRequests
from chukan.tenants.middleserver.duplicate_copies.rules import Target
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.formats.codes import MAX_LAYOUT_VERSION, dataset_number, information_code
from chukan.tenants.middleserver.security.organisations import hosted, tenant_of
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk, at_desk

#: Who knows which requests still need which copies, over open sessions and vault.
RequestsOf = Callable[[TenantSessions, Vault], OpenRequests]
_log = get_logger(__name__)


@dataclass
class Line:
    """What a deletion finds and does at one organisation; ``failure`` is the code of the error that ended it."""

    organisation: str
    tenant: TenantId
    outlook: Outlook | None = None
    removed: int = 0
    failure: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether there is something that may go today."""
        return self.outlook is not None and self.outlook.is_free and self.outlook.copies > 0

    @property
    def shape(self) -> dict[str, object]:
        """The answer for programs."""
        found = self.outlook
        return {
            "organisation": self.organisation,
            "copies": found.copies if found else None,
            "linked": found.is_linked if found else None,
            "waits_until": found.waits_until if found else None,
            "removed": self.removed,
            "failure": self.failure,
        }


def commands(requests: RequestsOf) -> click.Group:
    """Return the group ``chukan duplicate-copies``; *requests* knows what is still needed (A0-031)."""

    @click.group("duplicate-copies", cls=TranslatedGroup)
    def duplicate_copies() -> None:
        """The duplicate copies that organisations have registered."""

    duplicate_copies.add_command(_bulk_delete(requests))
    return duplicate_copies


def _bulk_delete(requests: RequestsOf) -> click.Command:
    @click.command("bulk-delete", cls=TranslatedCommand)
    @click.argument("code", nargs=-1)
    @click.option("--all", "everybody", is_flag=True, help="Every organisation that has a tenant.")
    @click.option("--information", required=True, help="The information code.")
    @click.option("--version", type=click.IntRange(0, MAX_LAYOUT_VERSION), help="Only this layout version of it.")
    @click.option("--dataset", help="Only this dataset of it: 0101.")
    @click.option("--dry-run", is_flag=True, help="Show what would be deleted and what still waits; delete nothing.")
    @click.option("--confirm", metavar="INFORMATION", help="The information code again, where nobody can be asked.")
    @json_option
    @needs("duplicate_copies:copies:delete")
    @pass_settings
    def bulk_delete(
        settings: Settings,
        *,
        code: tuple[str, ...],
        everybody: bool,
        information: str,
        version: int | None,
        dataset: str | None,
        dry_run: bool,
        confirm: str | None,
        as_json: bool,
    ) -> None:
        """Delete the copies of an old version or an abolished dataset for ever; may be interrupted, and run again."""
        if everybody == bool(code):
            raise click.UsageError(text("Name organisations, or say --all."))
        if version is None and dataset is None:
            raise click.UsageError(text("Name a version, a dataset, or both."))
        target = Target(information_code(information), version, dataset_number(dataset) if dataset else None)
        with at_desk(settings) as desk:
            deletion = BulkDeletion(desk.sessions, requests(desk.sessions, desk.vault))
            work = _Work(desk, deletion, target, SystemClock().now(), is_silent=as_json)
            lines = work.look(code)
            if not as_json:
                _tell(lines)
            if not dry_run and any(line.is_due for line in lines):
                _confirmed(target, lines, confirm)
                work.delete(lines)
        if as_json:
            print_json([line.shape for line in lines])
        elif not dry_run:
            click.echo(text("{count} copies were deleted.", count=sum(line.removed for line in lines)))
        if failed := sum(line.failure is not None for line in lines):
            raise DeletionIncomplete(failed=failed)

    return bulk_delete


@dataclass(frozen=True)
class _Work:
    """A deletion under way at all organisations; what fails at one keeps no other one waiting."""

    desk: TransmissionDesk
    deletion: BulkDeletion
    target: Target
    now: datetime
    is_silent: bool

    def look(self, codes: Sequence[str]) -> list[Line]:
        """Return what there is to delete at the organisations of *codes*, or at all."""
        with self.desk.actor.engine.connect() as connection:
            if codes:
                lines = [Line(code, tenant_of(connection, code, self.now)) for code in dict.fromkeys(codes)]
            else:
                lines = [Line(code, tenant) for code, tenant in hosted(connection)]
        with _bar(text("Counting"), len(lines), is_silent=self.is_silent) as advance:
            for line in lines:
                with _kept(line):
                    line.outlook = self.deletion.outlook(line.tenant, self.target, now=self.now)
                advance(1)
        return lines

    def delete(self, lines: Sequence[Line]) -> None:
        """Delete at those organisations where something may go; in the name of who runs the command."""
        due = [line for line in lines if line.is_due]
        total = sum(line.outlook.copies for line in due if line.outlook)
        with _bar(text("Deleting"), total, is_silent=self.is_silent) as advance:
            for line in due:
                caller = Caller(line.tenant, self.desk.actor.name, self.desk.actor.request)
                with _kept(line):
                    line.removed = self.deletion.run(caller, self.target, now=self.now, progress=advance)


@contextmanager
def _kept(line: Line) -> Iterator[None]:
    try:
        yield
    except ChukanError as error:
        _log.error("duplicate_copies.bulk_deletion_failed", organisation=line.tenant, exc_info=error)
        line.failure = error.code


@contextmanager
def _bar(label: str, total: int, *, is_silent: bool) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=is_silent, transient=True) as bar:
        yield partial(bar.advance, bar.add_task(label, total=total))


def _confirmed(target: Target, lines: Sequence[Line], typed: str | None) -> None:
    """Do nothing if an operator typed which information it is, *typed* or when asked.

    Raises:
        DeletionNotConfirmed: it was another one.
    """
    if typed is None:
        due = [line.outlook.copies for line in lines if line.is_due and line.outlook]
        warning = text(
            "This deletes {copies} copies at {organisations} organisations for ever.",
            copies=sum(due), organisations=len(due),
        )  # fmt: skip
        click.echo(warning, err=True)
        typed = ask(text("Type the information code"))
    if typed.strip() != target.information:
        raise DeletionNotConfirmed(information=target.information)


def _tell(lines: Sequence[Line]) -> None:
    columns = (mark("Organisation"), mark("Copies"), mark("What stands against it"))
    rows = [(line.organisation, str(line.outlook.copies) if line.outlook else "-", _told(line)) for line in lines]
    print_table(mark("What is to be deleted"), columns, rows)


def _told(line: Line) -> str:
    if line.outlook is None:
        return text("could not be looked at: {error}", error=line.failure or "-")
    if line.outlook.is_linked:
        return text("it is linked: requests of today are answered from it")
    if line.outlook.waits_until is not None:
        return text("requests are still valid; from {day} on", day=line.outlook.waits_until)
    return "-"
