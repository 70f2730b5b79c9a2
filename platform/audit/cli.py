"""``chukan audit``: seal the trail, verify it, search it, and give an auditor the evidence."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from chukan.platform.audit import store
from chukan.platform.audit.actor import at_work
from chukan.platform.audit.errors import ChainUnknown, KeysUnusable, TrailTampered
from chukan.platform.audit.evidence import export as export_evidence
from chukan.platform.audit.findings import told
from chukan.platform.audit.ports import Signer
from chukan.platform.audit.rules import Action
from chukan.platform.audit.sealer import Sealed, Sealer, counted, watch
from chukan.platform.audit.seals import SealKeys
from chukan.platform.audit.sink import FileSink
from chukan.platform.audit.verifier import Verified
from chukan.platform.audit.verifier import verify as verify_trail
from chukan.platform.clock import TOKYO, as_tokyo
from chukan.platform.command_line import (
    TranslatedCommand,
    TranslatedGroup,
    json_option,
    needs,
    print_json,
    print_table,
)
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from chukan.platform.messages import mark, text
from chukan.platform.settings import Settings
from chukan.platform.settings.load import pass_settings

SignerOf = Callable[[Settings], Signer]


class AuditAction(Action):
    """What the audit trail records of its own commands."""

    REFILL = "audit:sink:refill"


def commands(signer: SignerOf) -> click.Group:
    """Return the group ``chukan audit``; *signer* gives the signer that the settings name."""

    @click.group(cls=TranslatedGroup)
    def audit() -> None:
        """Seal, verify and search the audit trail."""

    audit.add_command(_seal_command(signer))
    audit.add_command(_refill_command(signer))
    for command in (verify, list_entries, export):
        audit.add_command(command)
    return audit


def _seal_command(signer: SignerOf) -> click.Command:
    @click.command(cls=TranslatedCommand, name="seal")
    @click.option("--watch", "keep_on", is_flag=True, help="Keep sealing until the process is told to end.")
    @json_option
    @needs("audit:trail:seal")
    @pass_settings
    def seal(settings: Settings, *, keep_on: bool, as_json: bool) -> None:
        """Seal what was recorded since the last seal, in the database and in the seal folder."""
        with at_work(settings, ProcessKind.SCHEDULER) as actor:
            sealer = Sealer(actor.engine, FileSink(settings.audit.sink_directory), signer(settings))

            def print_sealed(sealed: Sealed) -> None:
                _print_sealed(sealed, as_json=as_json)

            if keep_on:
                watch(sealer.seal, print_sealed, _told_to_end(), settings.audit.seal_every_seconds)
            else:
                print_sealed(counted(sealer.seal))

    return seal


def _refill_command(signer: SignerOf) -> click.Command:
    @click.command(cls=TranslatedCommand, name="refill-sink")
    @click.option("--keys", "keys_file", type=click.Path(path_type=Path), help="The public keys that you keep.")
    @needs("audit:trail:seal")
    @pass_settings
    def refill(settings: Settings, keys_file: Path | None) -> None:
        """Write the seals that a lost seal folder held anew, from the database; recorded."""
        sink = FileSink(settings.audit.sink_directory)
        keys = read_keys(keys_file) if keys_file else SealKeys(signer(settings).public_keys())
        with (
            at_work(settings, ProcessKind.SCHEDULER) as actor,
            actor.act(AuditAction.REFILL, "platform:sink") as unit,
        ):
            written = Sealer(actor.engine, sink, signer(settings)).refill(keys)
            unit.note(seals=written)
        click.echo(text("{count} seals were written to {directory}.", count=written, directory=sink.directory))

    return refill


@click.command(cls=TranslatedCommand)
@click.option("--keys", "keys_file", type=click.Path(path_type=Path), help="The public keys that you keep.")
@click.option(
    "--witness",
    "witness_file",
    type=click.Path(path_type=Path),
    help="Checkpoints that were kept elsewhere, one on each line.",
)
@json_option
@needs("audit:trail:verify")
@pass_settings
def verify(settings: Settings, *, keys_file: Path | None, witness_file: Path | None, as_json: bool) -> None:
    """Verify the whole trail; reads only, and names the first bad record of each chain."""
    sink = FileSink(settings.audit.sink_directory)
    keys = read_keys(keys_file or sink.keys_path)
    witnesses = read_witnesses(witness_file, keys) if witness_file else None
    with at_work(settings, ProcessKind.AUDITOR) as actor:
        verified = verify_trail(actor.engine, sink, keys, witnesses=witnesses)
    if as_json:
        print_json(_verified_json(verified))
    else:
        _print_verified(verified)
    if verified.findings:
        raise TrailTampered(count=len(verified.findings) + verified.omitted)


@click.command(cls=TranslatedCommand, name="list")
@click.option("--organisation", default="platform", help="The tenant's id, or `platform`.")
@click.option("--action", help="An action, or the beginning of one that ends with a colon.")
@click.option("--since", type=click.DateTime(), help="From this time on (Japan).")
@click.option("--until", type=click.DateTime(), help="Before this time (Japan).")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, help="How many at most, newest first.")
@json_option
@needs("audit:entry:read")
@pass_settings
def list_entries(
    settings: Settings,
    *,
    organisation: str,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the newest entries of one organisation, or of the platform."""
    with at_work(settings, ProcessKind.AUDITOR) as actor, actor.engine.connect() as connection:
        found = store.search(
            connection,
            chain_of(organisation),
            action=action,
            since=_in_tokyo(since),
            until=_in_tokyo(until),
            limit=limit,
        )
    entries = [
        {"seq": row.seq, "recorded_at": as_tokyo(row.recorded_at).isoformat(), "login": row.login, **_body(row.body)}
        for row in found
    ]
    if as_json:
        print_json(entries)
        return
    columns = (mark("No."), mark("Time"), mark("Actor"), mark("Action"), mark("Subject"), mark("Outcome"))
    names = ("seq", "recorded_at", "actor", "action", "subject", "outcome")
    rows = [tuple(str(entry.get(name, "")) for name in names) for entry in entries]
    print_table(mark("Audit entries"), columns, rows)


@click.command(cls=TranslatedCommand)
@click.argument("organisation")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="A new folder, or a new file that ends with .zip."
)
@click.option("--keys", "keys_file", type=click.Path(path_type=Path), help="The public keys that you keep.")
@json_option
@needs("audit:evidence:export")
@pass_settings
def export(settings: Settings, *, organisation: str, output: Path, keys_file: Path | None, as_json: bool) -> None:
    """Write the evidence of one organisation, with the program that verifies it without the platform."""
    keys = read_keys(keys_file or FileSink(settings.audit.sink_directory).keys_path)
    with at_work(settings, ProcessKind.AUDITOR) as actor:
        exported = export_evidence(actor.engine, chain_of(organisation), output, keys)
    if as_json:
        print_json({"path": exported.path, "entries": exported.entries, "last_seal": exported.last_seal})
        return
    click.echo(
        text(
            "{entries} entries, proved by {seals} seals up to seal {last}, were written to {path}.",
            entries=exported.entries,
            seals=exported.seals,
            last=exported.last_seal,
            path=exported.path,
        )
    )


def chain_of(organisation: str) -> UUID:
    """Return the chain that *organisation* names: a tenant's id, or ``platform``.

    Raises:
        ChainUnknown: it is neither.
    """
    try:
        return PLATFORM if organisation == "platform" else UUID(organisation)
    except ValueError as error:
        raise ChainUnknown(chain=organisation) from error


def read_keys(path: Path) -> SealKeys:
    """Return the pinned public keys in *path*.

    Raises:
        KeysUnusable: the file is missing or holds something else.
    """
    try:
        return SealKeys.from_text(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise KeysUnusable(file=path, detail=str(error)) from error


def read_witnesses(path: Path, keys: SealKeys) -> dict[int, str]:
    """Return the checkpoints in *path* by their number; each must be signed by a pinned key.

    Raises:
        KeysUnusable: the file cannot be read.
        SealInvalid: a line is no checkpoint.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise KeysUnusable(file=path, detail=str(error)) from error
    return {keys.read(line).number: line for line in lines}


def _told_to_end() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set: the seal in hand is finished first."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _in_tokyo(wall: datetime | None) -> datetime | None:
    return wall.replace(tzinfo=TOKYO) if wall else None


def _body(body: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(body)
    return found


def _print_sealed(sealed: Sealed, *, as_json: bool) -> None:
    if as_json:
        print_json({"seal": sealed.number, "chains": sealed.chains, "anchored": sealed.anchored})
    elif sealed.number is None:
        click.echo(text("Nothing was recorded since the last seal."))
    else:
        click.echo(text("Seal {number} covers {chains} chains.", number=sealed.number, chains=sealed.chains))


def _print_verified(verified: Verified) -> None:
    if verified.findings:
        columns = (mark("Chain"), mark("Record"), mark("Proved up to"), mark("Seal"), mark("Finding"))
        print_table(mark("What is wrong with the audit trail"), columns, [told(one) for one in verified.findings])
        if verified.omitted:
            click.echo(text("{count} more findings are not listed.", count=verified.omitted))
    click.echo(
        text(
            "{entries} entries in {chains} chains and {seals} seals were read; {unsealed} entries are not sealed yet.",
            entries=verified.entries,
            chains=verified.chains,
            seals=verified.seals,
            unsealed=verified.unsealed,
        )
    )
    if not verified.findings:
        click.echo(text("The audit trail is intact."))


def _verified_json(verified: Verified) -> dict[str, object]:
    return {
        "intact": not verified.findings,
        "chains": verified.chains,
        "entries": verified.entries,
        "unsealed": verified.unsealed,
        "seals": verified.seals,
        "omitted": verified.omitted,
        "findings": [
            {
                "kind": one.kind.value,
                "chain": one.chain,
                "first": one.first,
                "last": one.last,
                "proved": one.proved,
                "seal": one.seal,
                "where": one.where.value if one.where else None,
                "detail": one.detail,
                "message": told(one)[-1],
            }
            for one in verified.findings
        ],
    }
