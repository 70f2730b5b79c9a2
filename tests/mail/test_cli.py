"""``chukan mail``, its checks, metrics and job, as an operator and the monitoring meet them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry, generate_latest

from chukan.platform.component import Health
from chukan.platform.database.roles import ProcessKind
from chukan.platform.mail.component import component
from chukan.platform.mail.errors import NotRetryable, ServerUnavailable
from chukan.platform.mail.metrics import MailCollector
from chukan.platform.mail.relay import Relayed, watch
from chukan.platform.mail.rules import MailState
from chukan.platform.settings.load import LoadedSettings
from mail.office import NOW, Office

CITY = [f"contact{number}@city{number}.example.lg.jp" for number in range(5)]

pytestmark = pytest.mark.usefixtures("english")


def run(office: Office, *args: str, given: bytes | None = None) -> Result:
    """Run ``chukan mail …`` in English; what it raises goes on to the test, as to the program's edge."""
    group = component(lambda: office.settings).commands[0].command
    runner = CliRunner(env={"COLUMNS": "240"})
    return runner.invoke(group, args, obj=LoadedSettings(office.settings), catch_exceptions=False, input=given)


def answer(office: Office, *args: str, given: bytes | None = None) -> Any:
    return json.loads(run(office, *args, "--json", given=given).stdout)


def health(office: Office) -> dict[str, Health]:
    return {check.name: check.run(NOW).health for check in component(lambda: office.settings).checks}


def grow_old(office: Office, minutes: int) -> None:
    with office.database.superuser() as superuser:
        superuser.execute(
            "update platform.mail_outbox set queued_at = queued_at - make_interval(mins => %s)", (minutes,)
        )


def test_an_operator_sends_looks_and_sends_again(office: Office) -> None:
    office.changed["max_attempts"] = 1
    office.server.order("greylist", recipient=CITY[0])
    office.server.order("unknown_recipient", recipient=CITY[1])
    office.queue(*CITY[:3])
    told = run(office, "relay", "--once").stdout
    assert told == "1 sent, 0 put off, 1 bounced, 1 given up, 0 not tried.\n"
    found = answer(office, "list")
    assert [(mail["recipient"], mail["state"]) for mail in found] == [
        (CITY[2], "sent"),
        (CITY[1], "bounced"),
        (CITY[0], "dead"),
    ]
    assert found[0]["queued_at"].endswith("+09:00")
    assert [mail["recipient"] for mail in answer(office, "list", "--state", "dead")] == [CITY[0]]
    assert "550 5.1.1 No such user here" in run(office, "list").stdout

    office.server.recover()
    assert answer(office, "retry", found[2]["id"]) == {"retried": [found[2]["id"]]}
    with pytest.raises(NotRetryable):
        run(office, "retry", found[0]["id"])
    assert run(office, "retry", "--bounced", "--dead").stdout == "1 mails are queued again.\n"
    assert answer(office, "relay")["sent"] == 2
    assert office.states() == {MailState.SENT: 3}


def test_a_command_that_is_called_wrongly_does_nothing(office: Office) -> None:
    assert run(office, "retry").exit_code == 2
    assert run(office, "retry", "no-mail").exit_code == 2
    assert run(office, "relay", "--once", "--watch").exit_code == 2
    assert run(office, "list", "--state", "lost").exit_code == 2


def test_a_report_is_taken_in_from_a_file_and_from_standard_input(office: Office, tmp_path: Path) -> None:
    office.server.order("returned", recipient=CITY[0])
    office.server.order("delayed", recipient=CITY[1])
    first, _second = office.queue(*CITY[:2])
    office.run()
    returned, delayed = office.server.reports()
    (tmp_path / "report").write_bytes(returned)
    told = answer(office, "bounce", str(tmp_path / "report"))
    assert (told["mail"]["message_id"], told["fate"], told["undeliverable"]) == (first, "failed", True)
    assert "bounced" in run(office, "bounce", "-", given=returned).stdout
    assert "delayed" in run(office, "bounce", "-", given=delayed).stdout
    assert [mark["recipient"] for mark in answer(office, "recipients")] == [CITY[0]]
    assert CITY[0] in run(office, "recipients").stdout
    assert answer(office, "recipients", "--lift", CITY[0]) == []


def test_a_test_mail_goes_the_way_of_all_mails_and_says_what_the_server_said(office: Office) -> None:
    told = answer(office, "test", CITY[0])
    (received,) = office.server.mails()
    assert (told["state"], told["message_id"]) == ("sent", received.message_id)
    assert "【試験】" in str(received.message["Subject"])
    office.server.order("unknown_recipient")
    assert "bounced: 550 5.1.1 No such user here" in run(office, "test", CITY[1]).stdout
    office.changed["port"] = 1
    with pytest.raises(ServerUnavailable):
        run(office, "test", CITY[2])
    assert office.mails()[-1].state is MailState.QUEUED
    assert ("mail:outbox:test", "done") in office.recorded()


# -- keeping on -----------------------------------------------------------------------------------


def test_a_relay_that_watches_goes_on_after_a_failure_until_it_is_told_to_end() -> None:
    outcomes: Iterator[Relayed | ServerUnavailable] = iter([Relayed(), ServerUnavailable(reason="x"), Relayed()])
    told: list[Relayed] = []
    waits: list[float] = []

    def look() -> Relayed:
        outcome = next(outcomes)
        if isinstance(outcome, ServerUnavailable):
            raise outcome
        return outcome

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 3

    watch(look, told.append, wait, 5.0)
    assert (len(told), waits) == (2, [5.0, 5.0, 5.0])


def test_a_watching_relay_sends_what_comes_and_ends_on_sigterm(office: Office) -> None:
    office.changed["relay_every_seconds"] = 0.1
    program = (
        "import sys\n"
        "from chukan.platform.mail.cli import mail\n"
        "from chukan.platform.settings import Settings\n"
        "from chukan.platform.settings.load import LoadedSettings\n"
        "mail(['relay', '--watch', '--json'], obj=LoadedSettings(Settings.model_validate_json(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", program, office.settings.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout is not None
        for number in range(2):
            office.queue(CITY[number])
            told = [process.stdout.readline() for _ in range(8)]
            assert json.loads("".join(told))["sent"] == 1
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        watchdog.cancel()
    assert office.states() == {MailState.SENT: 2}


def test_the_job_sends_what_is_due(office: Office) -> None:
    office.queue(*CITY)
    job = component(lambda: office.settings).jobs[0]
    office.changed["host"] = ""
    job.run(NOW)
    assert office.states() == {MailState.QUEUED: 5}
    del office.changed["host"]
    job.run(NOW)
    assert office.states() == {MailState.SENT: 5}


# -- checks and metrics ---------------------------------------------------------------------------


def test_mail_that_leaves_is_green(office: Office) -> None:
    office.queue(*CITY)
    assert health(office) == {"mail-outbox-stale": Health.GREEN, "mail-dead-letters": Health.GREEN}
    office.run()
    grow_old(office, 10_000)
    assert health(office)["mail-outbox-stale"] is Health.GREEN


def test_mail_that_nobody_tries_to_send_is_red_after_the_time_that_is_set(office: Office) -> None:
    office.queue()
    grow_old(office, 29)
    assert health(office)["mail-outbox-stale"] is Health.GREEN
    grow_old(office, 2)
    assert health(office)["mail-outbox-stale"] is Health.RED


def test_mail_that_its_server_puts_off_is_amber(office: Office) -> None:
    office.server.order("greylist")
    office.queue()
    office.run()
    grow_old(office, 31)
    assert health(office)["mail-outbox-stale"] is Health.AMBER


def test_a_dead_letter_is_amber_until_somebody_sends_it_again(office: Office) -> None:
    office.changed["max_attempts"] = 1
    office.server.order("greylist")
    office.queue()
    office.run()
    assert health(office)["mail-dead-letters"] is Health.AMBER
    answer(office, "retry", "--dead")
    assert health(office)["mail-dead-letters"] is Health.GREEN


def test_the_metrics_tell_what_waits_and_for_how_long(office: Office) -> None:
    registry = CollectorRegistry()
    registry.register(MailCollector(office.database.engine(ProcessKind.POLLER)))
    office.queue(*CITY[:2])
    grow_old(office, 60)
    exposed = generate_latest(registry).decode()
    assert 'chukan_mail_outbox{state="queued"} 2.0' in exposed
    assert 'chukan_mail_outbox{state="dead"} 0.0' in exposed
    age = next(line for line in exposed.splitlines() if line.startswith("chukan_mail_oldest_unsent_seconds "))
    assert 3600 <= float(age.split()[1]) < 3660
    office.run()
    exposed = generate_latest(registry).decode()
    assert 'chukan_mail_outbox{state="queued"} 0.0' in exposed
    assert "chukan_mail_oldest_unsent_seconds 0.0" in exposed


def test_an_act_is_recorded_without_the_recipient(office: Office) -> None:
    answer(office, "test", CITY[0])
    office.server.order("unknown_recipient")
    office.queue(CITY[1])
    answer(office, "relay")
    with office.database.superuser() as superuser:
        bodies = [body for (body,) in superuser.execute("select body from platform.audit_entry").fetchall()]
    assert len(bodies) == 3
    assert not [body for body in bodies if "city" in body]
    assert UUID(json.loads(bodies[2])["detail"]["bounced"][0]) == office.mails()[1].id
