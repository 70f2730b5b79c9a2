"""Masters are complete packages, signed once, in an order without a gap; and the ways in which they can be wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joserfc.errors import JoseError
from lxml import etree

from chukan.tenants.middleserver.security.masters.package import read_package
from chukan.tenants.middleserver.security.masters.standard import Standard
from chukan_simulators.national_network.client import RunningNetwork, running_network
from chukan_simulators.national_network.documents import PACKAGE, Invalid, Schemas, written
from chukan_simulators.national_network.masters import MasterFiles
from national_network.organisation import Platform

CONFIG = Path(__file__).resolve().parents[2] / "config"
FILES = MasterFiles(CONFIG / "masters", CONFIG / "organisations.csv")
SCHEMAS = Schemas(CONFIG / "protocols")


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory, small_config: Path) -> Iterator[RunningNetwork]:
    """A network that has published three packages."""
    with running_network(
        tmp_path_factory.mktemp("masters"), "--config", str(small_config), "--publish", "3"
    ) as network:
        yield network


@pytest.fixture
def network(publishing: RunningNetwork) -> Iterator[RunningNetwork]:
    yield publishing
    publishing.recover()


@pytest.fixture
def platform(network: RunningNetwork) -> Platform:
    return Platform(network)


def listed(platform: Platform) -> list[dict[str, str]]:
    header, payload = platform.verified(platform.ask("GET", "/masters").body)
    assert header["typ"] == "IF_SCM_X0001_S01"
    return [
        {str(field.tag): field.text or "" for field in entry} for entry in etree.fromstring(payload).iterfind("Package")
    ]


def package(platform: Platform, sequence: int) -> tuple[bytes, etree._Element]:
    answer = platform.ask("GET", f"/masters/{sequence}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jose")
    header, payload = platform.verified(answer.body)
    assert header["typ"] == PACKAGE
    return answer.body, SCHEMAS.read(PACKAGE, payload)


def test_the_list_says_what_there_is(platform: Platform) -> None:
    entries = listed(platform)
    assert [entry["Sequence"] for entry in entries] == ["1", "2", "3"]
    assert [(entry["Version"], entry["Publication"]) for entry in entries] == [
        ("2018.07", "common"),
        ("2018.07", "original_use"),
        ("2018.11", "common"),
    ]
    assert platform.ask("GET", "/masters/4").status == 404
    assert platform.ask("GET", "/masters/0").status == 404


def test_a_package_is_what_the_list_says_and_never_changes(platform: Platform) -> None:
    for entry in listed(platform):
        content, root = package(platform, int(entry["Sequence"]))
        assert (hashlib.sha256(content).hexdigest(), str(len(content))) == (entry["Digest"], entry["Size"])
        assert package(platform, int(entry["Sequence"]))[0] == content
        for name in ("Sequence", "Version", "Publication", "Kind", "LinkageStart", "PublishedAt"):
            assert root.findtext(name) == entry[name]


def test_the_second_publication_adds_original_use_and_nothing_else(platform: Platform) -> None:
    common, original = (package(platform, sequence)[1] for sequence in (1, 2))
    assert common.find("OriginalUses") is None
    assert len(original.findall("OriginalUses/OriginalUse")) > 0
    for part in ("Organisations", "Affairs", "Procedures", "InformationList", "CodeLists", "Layouts", "Permissions"):
        one, other = common.find(part), original.find(part)
        assert one is not None
        assert other is not None
        assert len(one) > 0
        assert etree.tostring(one) == etree.tostring(other)


def test_everything_that_the_shipped_data_make_is_valid_and_refers_to_itself() -> None:
    heads = FILES.heads()
    assert [head.sequence for head in heads] == list(range(1, len(heads) + 1))
    # One of each version: the other publication differs in its last part alone.
    for head in heads[1::2]:
        root = FILES.package(head, uuid4())
        SCHEMAS.check(PACKAGE, root)
        assert head.publication == "original_use"
        assert _missing(root) == set()


def _missing(root: etree._Element) -> set[str]:
    """Return what entries refer to and the package does not have."""

    def texts(path: str) -> set[str]:
        return {element.text or "" for element in root.iterfind(path)}

    own = texts("OriginalUses/OriginalUse/AffairCode")
    references = {
        "InformationList/Information/InformationCode": texts("Permissions//InformationCode")
        | texts("Layouts/Layout/InformationCode"),
        "Affairs/Affair/AffairCode": (texts("Permissions//AffairCode") | texts("Procedures//AffairCode")) - own,
        "Procedures/Procedure/ProcedureCode": texts("Permissions//ProcedureCode"),
        "CodeLists/CodeList/Name": texts("Layouts//Item/CodeList"),
        "Organisations/Organisation/InstitutionCode": texts("OriginalUses//InstitutionCode"),
    }
    return {code for path, codes in references.items() for code in codes - texts(path)}


@pytest.mark.parametrize("place", [0, -1])
def test_the_product_reads_a_package_as_it_reads_the_data_files_itself(place: int) -> None:
    """Two programs that share no code made the same of the same files."""
    head = FILES.heads()[place]
    read = read_package(written(FILES.package(head, uuid4())))
    own = Standard().catalogue(head.sequence)
    for part in fields(own):
        one, other = getattr(read, part.name), getattr(own, part.name)
        assert one == other or sorted(map(repr, one)) == sorted(map(repr, other)), part.name


def test_an_end_that_is_not_reached_yet_is_left_to_a_later_package() -> None:
    early, late = (FILES.package(head, uuid4()) for head in (FILES.heads()[0], FILES.heads()[-1]))
    for root, known in ((early, "2018.07"), (late, "2099.01")):
        ends = {end.text or "" for name in ("ValidTo", "AbolishedOn") for end in root.iter(name)}
        assert ends
        assert max(ends) <= (root.findtext("LinkageStart") or ""), known


def test_a_network_publishes_until_there_is_no_more(tmp_path: Path, small_config: Path) -> None:
    with running_network(tmp_path, "--config", str(small_config)) as network:
        assert listed(Platform(network)) == []
        heads = [network.publish() for _ in range(4)]
        assert [head and head["sequence"] for head in heads] == [1, 2, 3, None]


def test_a_key_of_the_network_can_be_replaced(network: RunningNetwork, platform: Platform) -> None:
    new = network.ask("POST", "/keys/rotate")
    header, _ = platform.verified(platform.ask("GET", "/masters").body)
    assert header["kid"] == new
    # What was signed before stays as it was, and its key is still listed.
    before, _ = platform.verified(platform.ask("GET", "/masters/1").body)
    assert before["kid"] != new


@pytest.mark.parametrize("fault", ["forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm"])
@pytest.mark.parametrize(("point", "path"), [("masters", "/masters"), ("package", "/masters/1")])
def test_a_forged_package_does_not_pass_a_check(
    network: RunningNetwork, platform: Platform, fault: str, point: str, path: str
) -> None:
    network.order(fault, on=point, times=1)
    with pytest.raises((JoseError, KeyError)):
        platform.verified(platform.ask("GET", path).body)
    platform.verified(platform.ask("GET", path).body)


@pytest.mark.parametrize(("asked", "given"), [(1, "2"), (2, "3"), (3, "2")])
def test_another_package_can_come_than_was_asked_for(
    network: RunningNetwork, platform: Platform, asked: int, given: str
) -> None:
    network.order("out_of_order", on="package", times=1)
    assert package(platform, asked)[1].findtext("Sequence") == given
    assert package(platform, asked)[1].findtext("Sequence") == str(asked)


def test_a_list_can_name_other_digests(network: RunningNetwork, platform: Platform) -> None:
    network.order("wrong_digest", on="masters", times=1)
    wrong, right = listed(platform), listed(platform)
    assert all(one["Digest"] != other["Digest"] for one, other in zip(wrong, right, strict=True))


@pytest.mark.parametrize(
    "content",
    [
        b"<MasterPackage/>",
        b"<MasterPackage>",
        b'<!DOCTYPE MasterPackage [<!ENTITY a "b">]><MasterPackage/>',
        b"",
    ],
)
def test_what_is_no_package_is_invalid(content: Any) -> None:
    with pytest.raises(Invalid, match="line"):
        SCHEMAS.read(PACKAGE, content)
