"""A network that is killed goes on where it stopped: its keys, codes, masters, and what it still has to deliver."""

from __future__ import annotations

from pathlib import Path

from chukan_simulators.national_network.client import RunningNetwork, running_network
from national_network.conftest import town_at
from national_network.exchange import PENSION
from national_network.organisation import Organisation, Platform, PlatformEnd, eventually, new_resident

QUICK = ("--business-day-seconds", "0", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.1")


def kill(network: RunningNetwork) -> None:
    network.process.kill()
    network.process.wait(timeout=10)


def test_a_killed_network_goes_on_where_it_stopped(tmp_path: Path, small_config: Path) -> None:
    resident, end = new_resident(), PlatformEnd()
    with running_network(tmp_path, *QUICK, "--config", str(small_config), "--publish", "2") as before:
        platform = Platform(before)
        organisation = Organisation(platform)
        end.organisations.append(organisation)
        body = organisation.request("S-1")
        receipt = organisation.send(body)
        before.register(organisation.at_the_terminal("S-1", resident))
        before.set(hold=3)
        package = platform.ask("GET", "/masters/2").body
        keys = platform.ask("GET", "/keys").body
        # Nobody has said where the platform is: it waits.
        (delivery,) = eventually(lambda: before.deliveries(organisation.code))
        kill(before)
    with running_network(tmp_path, "--port", str(before.port)) as after, end.listening(after) as url:
        assert after.port == before.port
        assert platform.ask("GET", "/masters/2").body == package
        assert platform.ask("GET", "/keys").body == keys
        assert organisation.send(body).body == receipt.body
        assert (after.status()["settings"]["hold"], after.status()["published"]) == (3, 2)
        after.ask("POST", "/platform", {"url": url})
        eventually(lambda: organisation.inbox)
        assert organisation.opened(organisation.inbox[0])[0]["mid"] == delivery["mid"]
        first = organisation.entries()["S-1"]
        organisation.codes_for(after, {"S-2": resident})
        second = eventually(lambda: organisation.entries().get("S-2"))
        assert second == {"Result": "already_issued", "LinkageCode": first["LinkageCode"]}


def test_what_was_announced_before_a_restart_meets_what_is_registered_after_it(tmp_path: Path) -> None:
    end = PlatformEnd()
    with running_network(tmp_path, *QUICK) as before:
        organisation = Organisation(Platform(before))
        end.organisations.append(organisation)
        conv = "0198c0de-0000-4000-8000-000000000004"
        organisation.send(organisation.request("S-1", conv=conv))
    with running_network(tmp_path, "--port", str(before.port)) as after, end.listening(after) as url:
        after.ask("POST", "/platform", {"url": url})
        after.register(organisation.at_the_terminal("S-1", new_resident()))
        assert eventually(organisation.entries)["S-1"]["Result"] == "issued"
        # The conversation goes on too.
        assert organisation.send(organisation.request("S-2", conv=conv, seq=2))["Result"] == "accepted"


def test_an_inquiry_survives_the_death_of_the_network(tmp_path: Path, linked_config: Path) -> None:
    end, resident = PlatformEnd(), new_resident()
    with running_network(tmp_path, *QUICK, "--config", str(linked_config), "--publish", "12") as before:
        inquirer, provider = town_at(before, end), town_at(before, end)
        with end.listening(before) as url:
            before.ask("POST", "/platform", {"url": url})
            provider.knows(resident)
            code = inquirer.knows(resident)
        before.ask("POST", "/platform", {"url": ""})
        before.partner(PENSION, provides_from="2999-01-01", answers="silent")
        before.close(inquirer.code)
        inquiry = inquirer.inquire(provider.code, code)
        kill(before)
    with (
        running_network(tmp_path, "--port", str(before.port), "--config", str(linked_config)) as after,
        end.listening(after) as url,
    ):
        after.ask("POST", "/platform", {"url": url})
        assert after.partners()[PENSION]["provides_from"] == "2999-01-01"
        request = provider.request(inquiry.serial)
        assert provider.answer(request)["Result"] == "accepted"
        assert inquirer.unsealed(inquiry.result())["items"]
        assert [row["result"] for row in after.records(provider.code)] == ["provided"]
        # It still knows whom it closed, and that this serial was used.
        assert inquirer.organisation.send(inquiry.body).body == inquiry.receipt.body
        assert provider.inquire(inquirer.code, provider.codes[resident]).result()["Reason"] == "provider_closed"
