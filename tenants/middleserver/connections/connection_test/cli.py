"""``chukan connection-test``: a vendor's system against the gateway, in test mode.

It needs neither database nor settings of the platform, and asks the gateway alone. Source: A0-155.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import click

from chukan.platform.clock import SystemClock
from chukan.platform.command_line import TranslatedCommand, json_option, print_json, print_table
from chukan.platform.messages import text
from chukan.tenants.middleserver.connections.connection_test.bench import Bench
from chukan.tenants.middleserver.connections.connection_test.certificates import Files
from chukan.tenants.middleserver.connections.connection_test.client import Address
from chukan.tenants.middleserver.connections.connection_test.documents import Sender
from chukan.tenants.middleserver.connections.connection_test.report import (
    FINDING_COLUMNS,
    FINDINGS,
    STEP_COLUMNS,
    TITLE,
    finding_rows,
    step_rows,
    verdict,
    write,
)
from chukan.tenants.middleserver.connections.connection_test.rules import Dataset
from chukan.tenants.middleserver.connections.connection_test.service import Report, tested
from chukan.tenants.middleserver.formats.codes import (
    dataset_number,
    information_code,
    layout_version,
    organisation_code,
    system_id,
)
from chukan.tenants.registry.rules import check_digit

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_HTTPS = 443
#: As the schemas of all messages have it.
_CODE = re.compile(r"[0-9A-Za-z]{1,20}")
_BODY = 5


@click.command("connection-test", cls=TranslatedCommand)
@click.option("--gateway", required=True, metavar="URL", help="The gateway's address: https://host:port")
@click.option("--certificate", required=True, type=_FILE, help="The system's client certificate (PEM).")
@click.option("--key", required=True, type=_FILE, help="Its private key (PEM, without passphrase).")
@click.option("--ca", required=True, type=_FILE, help="The authority of the gateway's certificate (PEM).")
@click.option("--organisation", required=True, metavar="CODE", help="The organisation's six-digit code.")
@click.option("--department", required=True, help="The department's code, as messages name it.")
@click.option("--system", required=True, help="The system's id, as messages name it: a letter and nine digits.")
@click.option("--user", default="user01", show_default=True, help="The user whom the test's messages name.")
@click.option(
    "--messages",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory with messages and attachments of your own, judged and then sent.",
)
@click.option(
    "--dataset",
    default="TM00000000000002/0101/2",
    show_default=True,
    metavar="CODE/DATASET/VERSION",
    help="Of what the test's file of duplicate copies is: information, dataset, version of the layout.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 600),
    default=30.0,
    show_default=True,
    help="How many seconds an answer is waited for.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the report to hand in: a page (.html), or JSON.",
)
@json_option
def connection_test(
    *,
    gateway: str,
    certificate: Path,
    key: Path,
    ca: Path,
    organisation: str,
    department: str,
    system: str,
    user: str,
    messages: Path | None,
    dataset: str,
    timeout: float,
    report: Path | None,
    as_json: bool,
) -> None:
    """Test the connection of an organisation's system with the gateway, message by message, in test mode.

    Exit code 0: nothing went wrong; 1: something did.
    """
    sender = Sender(
        _organisation(organisation), _plain("--department", department), system_id(system), _plain("--user", user)
    )  # fmt: skip
    bench = Bench(
        address=_address(gateway),
        files=Files(certificate, key, ca),
        sender=sender,
        dataset=_dataset(dataset),
        run=uuid4().hex[:12],
        now=SystemClock().now(),
        seconds=timeout,
    )
    about = {
        "gateway": gateway,
        "organisation": sender.organisation,
        "department": sender.department,
        "system": sender.system,
        "version": version("chukan"),
    }
    found = tested(bench, messages, about)
    if report is not None:
        write(found, report)
    if as_json:
        print_json(found.shape())
    else:
        _print(found)
    if not found.passed:
        raise click.exceptions.Exit(1)


def _print(report: Report) -> None:
    print_table(TITLE, STEP_COLUMNS, [cells for _, cells in step_rows(report.results)])
    if rows := list(finding_rows(report.results)):
        print_table(FINDINGS, FINDING_COLUMNS, rows)
    click.echo(verdict(report))


def _address(written: str) -> Address:
    """Return the host and port of an address; raises BadParameter, if it is none."""
    try:
        parts = urlsplit(written)
        port = parts.port or _HTTPS
    except ValueError as error:
        raise _misused("--gateway", text("https://host:port is expected")) from error
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise _misused("--gateway", text("https://host:port is expected"))
    return Address(parts.hostname, port)


def _organisation(written: str) -> str:
    code = organisation_code(written)
    if check_digit(code[:_BODY]) != int(code[_BODY]):
        raise _misused("--organisation", text("the check digit is wrong"))
    return code


def _plain(option: str, written: str) -> str:
    """Return a code in the form that messages ask for; raises BadParameter, if it is none."""
    if _CODE.fullmatch(written) is None:
        raise _misused(option, text("1 to 20 letters and digits are expected"))
    return written


def _dataset(written: str) -> Dataset:
    parts = written.split("/")
    if len(parts) != 3:
        raise _misused("--dataset", "TM00000000000002/0101/2")
    information, number, layout = parts
    return Dataset(information_code(information), dataset_number(number), layout_version(layout))


def _misused(option: str, why: str) -> click.BadParameter:
    return click.BadParameter(why, param_hint=option)
