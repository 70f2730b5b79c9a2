"""Three hundred residents of two organisations get their codes over the simulated network, and no two are the same."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition, Caller
from chukan.tenants.middleserver.linkage_codes.cli import commands
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.rules import RequestState
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.transmission.cli import commands as transmission_commands
from chukan.tenants.middleserver.transmission.ports import Features
from chukan_simulators.national_network.client import running_network
from middleserver.linkage_codes.conftest import number
from national_network.organisation import eventually
from support.database import Database
from support.exchange_live import Live
from support.security import Place
from support.vault import file_safe

RESIDENTS = 300
QUICK = ("--business-day-seconds", "0.05", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.2")


def test_codes_come_for_everybody_and_differ_between_organisations(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="chukan")
    safe = file_safe(database, tmp_path)
    with running_network(tmp_path / "network", *QUICK) as network:
        live = Live(Place(safe), network, safe.key_file)
        place = live.place
        acquisition = Acquisition(place.sessions, place.vault)
        codes = LinkageCodes(place.sessions, place.vault, NotRecordedYet())
        network.ask("POST", "/residents/unknown", {"codes": ["90000000007"]})
        towns = [live.organisation(), live.organisation()]
        people = [number(each) for each in range(1, RESIDENTS + 1)]
        with live.listening(acquisition.features()):
            for tenant, institution in towns:
                told = acquisition.request(
                    Caller(tenant, "system:test", "test"), institution, people, now=live.now
                )  # fmt: skip
                network.register(
                    [
                        # The eighth of them has no resident record code.
                        {"ResidentRecordCode": None if int(person) == 8 else f"9{int(person):010}",
                         "ProcessingSerial": serial, "InstitutionCode": institution}
                        for person, serial in told.serials.items()
                    ]
                )  # fmt: skip
            assert live.relay(acquisition.features()).events.total() == 2
            eventually(lambda: network.status()["serials_due"] == 0, within=60)
            eventually(lambda: network.status()["deliveries_waiting"] == 0, within=60)
        found = []
        for tenant, _ in towns:
            counts = codes.overview(tenant).requests
            assert (counts[RequestState.ACQUIRED], counts[RequestState.UNKNOWN_PERSON]) == (RESIDENTS - 2, 2)
            with place.sessions.begin(tenant) as connection:
                known = [person for person in people if int(person) not in {7, 8}]
                found.append({person: codes.code_of(connection, tenant, person) for person in known})
        assert len(set(found[0].values()) | set(found[1].values())) == 2 * (RESIDENTS - 2)
    for code in (*found[0].values(), *found[1].values()):
        assert code not in caplog.text, "no code is ever logged"


def test_the_commands_ask_and_show_without_naming_a_person(database: Database, tmp_path: Path) -> None:
    safe = file_safe(database, tmp_path)
    with running_network(tmp_path / "network", *QUICK) as network:
        live = Live(Place(safe), network, safe.key_file)
        tenant, institution = live.organisation()
        live.place.ask(
            "insert into platform.organisation"
            " (code, kind, prefecture, name, kana, search_key, state, state_since, invented, tenant)"
            " values ('112101', 'city', '11', 'Invented City', 'x', 'x', 'active', now(), true, %s)",
            tenant,
        )
        acquisition = Acquisition(live.place.sessions, live.place.vault)

        def run(group: click.Command, *arguments: str) -> dict[str, object]:
            runner = CliRunner(env={"COLUMNS": "200"})
            result = runner.invoke(
                group, [*arguments, "--json"], obj=LoadedSettings(live.settings), catch_exceptions=False
            )
            assert result.exit_code == 0, result.output
            told: dict[str, object] = json.loads(result.stdout)
            return told

        linkage = commands((), lambda _sessions, _vault: NotRecordedYet())
        exchange = transmission_commands(lambda _sessions, _vault: _features(acquisition))
        people, serials = tmp_path / "people.txt", tmp_path / "serials.csv"
        people.write_text(f"{number(1)}\n{number(2)}\n", "utf-8")
        asked = ("request", "112101", str(people), "--serials", str(serials))
        assert run(linkage, *asked) == {"requested": 2, "under_way": 0, "acquired": 0}
        assert serials.stat().st_mode & 0o777 == 0o600
        assert run(linkage, "request", "112101", str(people)) == {"requested": 0, "under_way": 2, "acquired": 0}
        assert run(exchange, "status", "112101")["unsent"] == 1
        run(exchange, "stop", "112101", "--reason", "a drill")
        assert run(exchange, "relay") == {"tenants": 0}
        run(exchange, "resume", "112101")
        assert run(exchange, "relay")["accepted"] == 1
        assert run(exchange, "status", "112101")["unsent"] == 0
        status = run(linkage, "status", "112101")
        assert dict(status["requests"])["announced"] == 2  # type: ignore[call-overload]  # an object of JSON
        serial = serials.read_text("utf-8").splitlines()[1].split(",")[0]
        history = run(linkage, "history", "112101", serial)
        assert (history["state"], history["links"]) == ("announced", [])
        assert number(1) not in json.dumps([status, history])
        assert institution


def _features(acquisition: Acquisition) -> Features:
    return acquisition.features()
