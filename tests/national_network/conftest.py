"""One network and one platform end for all tests; every test has organisations of its own."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chukan_simulators.national_network.client import RunningNetwork, running_network
from national_network.exchange import Town
from national_network.organisation import Organisation, Platform, PlatformEnd

CONFIG = Path(__file__).resolve().parents[2] / "config"
TOWN = "99{number:04}"
QUICK = ("--business-day-seconds", "0.01", "--redelivery-seconds", "0.05", "--redelivery-longest-seconds", "0.2")


@pytest.fixture(scope="session")
def small_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration with three packages of masters and few organisations, which are soon published."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "protocols").symlink_to(CONFIG / "protocols")
    shutil.copytree(CONFIG / "masters", folder / "masters")
    packages = (CONFIG / "masters/packages.toml").read_text("utf-8").split("[[packages]]")
    (folder / "masters/packages.toml").write_text("[[packages]]".join(packages[:4]), "utf-8")
    rows = (CONFIG / "organisations.csv").read_text("utf-8").splitlines(keepends=True)
    few = [row for row in rows if row.startswith(("code,", "010006,", "112101,", "131130,"))]
    (folder / "organisations.csv").write_text("".join(few), "utf-8")
    return folder


@pytest.fixture(scope="session")
def one_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    with running_network(tmp_path_factory.mktemp("network"), *QUICK) as network:
        yield network


@pytest.fixture(scope="session")
def end(one_network: RunningNetwork) -> Iterator[PlatformEnd]:
    """The platform's own server; the network knows where it is."""
    end = PlatformEnd()
    with end.listening(one_network) as url:
        one_network.ask("POST", "/platform", {"url": url})
        yield end


@pytest.fixture
def network(one_network: RunningNetwork) -> Iterator[RunningNetwork]:
    """A network that does nothing wrong."""
    yield one_network
    one_network.recover()
    one_network.set(hold=0, business_day_seconds=0.01)


@pytest.fixture
def platform(network: RunningNetwork) -> Platform:
    return Platform(network)


@pytest.fixture
def new_organisation(platform: Platform, end: PlatformEnd) -> Iterator[Callable[[], Organisation]]:
    """Make organisations that the platform end knows until the test has ended."""
    made = []

    def make() -> Organisation:
        organisation = Organisation(platform)
        end.organisations.append(organisation)
        made.append(organisation)
        return organisation

    yield make
    for organisation in made:
        organisation.answer = organisation.accept


@pytest.fixture
def organisation(new_organisation: Callable[[], Organisation]) -> Organisation:
    return new_organisation()


# Inquiries: networks that know whom the masters name.

_TOWNS = itertools.count(1)


@pytest.fixture(scope="session")
def linked_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration with a hundred invented towns for organisations."""
    folder = tmp_path_factory.mktemp("linked")
    for name in ("protocols", "masters"):
        (folder / name).symlink_to(CONFIG / name)
    header, *rows = (CONFIG / "organisations.csv").read_text("utf-8").splitlines()
    towns = [f"{TOWN.format(number=number)},city,99,例{number}市,れい" for number in range(1, 200)]
    kept = [row for row in rows if row.startswith(("010006,", "112101,"))]
    (folder / "organisations.csv").write_text("\n".join([header, *kept, *towns]) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="session")
def linked_network(tmp_path_factory: pytest.TempPathFactory, linked_config: Path) -> Iterator[RunningNetwork]:
    folder = tmp_path_factory.mktemp("linked_network")
    with running_network(folder, *QUICK, "--config", str(linked_config), "--publish", "12") as network:
        yield network


@pytest.fixture(scope="session")
def linked_end(linked_network: RunningNetwork) -> Iterator[PlatformEnd]:
    end = PlatformEnd()
    with end.listening(linked_network) as url:
        linked_network.ask("POST", "/platform", {"url": url})
        yield end


@pytest.fixture
def linked(linked_network: RunningNetwork) -> Iterator[RunningNetwork]:
    """A network that knows towns, and does nothing wrong."""
    yield linked_network
    linked_network.recover()


@pytest.fixture
def new_town(linked: RunningNetwork, linked_end: PlatformEnd) -> Callable[[], Town]:
    """Make organisations that the masters name."""
    return lambda: town_at(linked, linked_end)


def town_at(network: RunningNetwork, end: PlatformEnd) -> Town:
    code = TOWN.format(number=next(_TOWNS))
    organisation = Organisation(Platform(network), f"0220113{code}700")
    end.organisations.append(organisation)
    return Town(organisation, network)
