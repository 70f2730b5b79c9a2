"""Linkage codes: one for each person and organisation, when both ways have met, and only to whom they belong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chukan_simulators.national_network.client import RunningNetwork
from national_network.organisation import NETWORK, Organisation, PlatformEnd, eventually, new_resident, new_serial


def told(organisation: Organisation, count: int) -> dict[str, dict[str, str]]:
    """Return what the network told of each serial, as soon as it is *count*."""
    return dict(eventually(lambda: len(entries := organisation.entries()) >= count and entries))


def test_a_code_is_delivered_in_the_conversation_of_the_request(
    network: RunningNetwork, organisation: Organisation, end: PlatformEnd
) -> None:
    conv = "0198c0de-0000-4000-8000-000000000001"
    organisation.codes_for(network, {"S-1": new_resident()}, conv=conv)
    assert told(organisation, 1)["S-1"]["Result"] == "issued"
    header, root = organisation.opened(organisation.inbox[0])
    assert (header["typ"], header["from"], header["to"]) == ("IF_FGU_X0002_S01", NETWORK, organisation.code)
    assert (header["conv"], header["seq"]) == (conv, 1)
    assert (root.findtext("MessageHeader/MSGID"), root.findtext("InstitutionCode")) == (
        header["mid"],
        organisation.code,
    )
    assert end.callers == {NETWORK}
    (delivery,) = eventually(
        lambda: [row for row in network.deliveries(organisation.code) if row["state"] == "receipted"]
    )
    assert delivery["result"] == "accepted"
    assert network.codes(organisation.code) == {"issued": 1}


def test_two_organisations_get_different_codes_for_the_same_resident(
    network: RunningNetwork, new_organisation: Callable[[], Organisation]
) -> None:
    resident, both = new_resident(), (new_organisation(), new_organisation())
    for organisation in both:
        organisation.codes_for(network, {"S-1": resident})
    one, other = (told(organisation, 1)["S-1"] for organisation in both)
    assert (one["Result"], other["Result"]) == ("issued", "issued")
    assert one["LinkageCode"] != other["LinkageCode"]


def test_a_resident_who_is_asked_for_twice_has_the_same_code(
    network: RunningNetwork, organisation: Organisation
) -> None:
    resident = new_resident()
    organisation.codes_for(network, {"S-1": resident})
    first = told(organisation, 1)["S-1"]
    organisation.codes_for(network, {"S-2": resident, "S-3": new_resident()})
    entries = told(organisation, 3)
    assert entries["S-2"] == {"Result": "already_issued", "LinkageCode": first["LinkageCode"]}
    assert entries["S-3"]["LinkageCode"] != first["LinkageCode"]


def test_whom_the_register_does_not_know_gets_no_code(network: RunningNetwork, organisation: Organisation) -> None:
    stranger = new_resident()
    network.ask("POST", "/residents/unknown", {"codes": [stranger]})
    organisation.codes_for(network, {"S-1": stranger, "S-2": None, "S-3": new_resident()})
    entries = told(organisation, 3)
    assert entries["S-1"] == entries["S-2"] == {"Result": "unknown_person"}
    assert entries["S-3"]["Result"] == "issued"


def test_a_code_can_be_refused_with_a_reason(network: RunningNetwork, organisation: Organisation) -> None:
    network.order("refuse_code", institution=organisation.code, times=1, reason="register_closed")
    organisation.codes_for(network, {"S-1": new_resident()})
    assert told(organisation, 1)["S-1"] == {"Result": "refused", "Reason": "register_closed"}


def test_test_mode_has_codes_of_its_own(network: RunningNetwork, organisation: Organisation) -> None:
    resident = new_resident()
    organisation.codes_for(network, {"S-1": resident})
    organisation.codes_for(network, {"S-2": resident}, mode="1")
    entries = told(organisation, 2)
    assert (entries["S-1"]["Result"], entries["S-2"]["Result"]) == ("issued", "issued")
    assert entries["S-1"]["LinkageCode"] != entries["S-2"]["LinkageCode"]
    modes = {organisation.opened(body)[1].findtext("MessageHeader/MSGMode") for body in organisation.inbox}
    assert modes == {"0", "1"}


def test_the_register_may_be_first(network: RunningNetwork, organisation: Organisation) -> None:
    network.register(organisation.at_the_terminal("S-1", new_resident()))
    assert network.codes(organisation.code) == {"unannounced": 1}
    organisation.send(organisation.request("S-1"))
    assert told(organisation, 1)["S-1"]["Result"] == "issued"


def test_the_register_says_what_became_of_each_request(network: RunningNetwork, organisation: Organisation) -> None:
    serial, resident = new_serial(), new_resident()
    right = organisation.at_the_terminal(serial, resident)
    answers = network.register(
        [
            right,
            right,
            right | {"ResidentRecordCode": new_resident()},
            right | {"ResidentRecordCode": "123"},
            right | {"InstitutionCode": None},
            "nonsense",
        ]
    )
    assert [answer["Result"] for answer in answers] == [
        *("taken", "repeated", "conflict"),
        *("malformed", "malformed", "malformed"),
    ]


def test_a_code_takes_up_to_seven_business_days(network: RunningNetwork, organisation: Organisation) -> None:
    network.set(business_day_seconds=100_000)
    organisation.codes_for(network, {f"S-{number}": new_resident() for number in range(200)})
    assert network.codes(organisation.code)["waiting"] >= 199
    arrived = []
    for _ in range(7):
        network.ask("POST", "/time", {"business_days": 1})
        eventually(lambda: network.status()["serials_due"] == 0)
        arrived.append(network.codes(organisation.code).get("issued", 0))
    assert arrived == sorted(arrived)
    assert 0 < arrived[0] < arrived[3] < 200
    assert arrived[6] == 200


def test_a_code_is_encrypted_to_the_newest_key(
    network: RunningNetwork, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    time.sleep(1.1)  # Certificates count their beginning in seconds.
    organisation.encryption.append(organisation.certified("enc"))
    organisation.codes_for(network, {"S-1": new_resident()})
    told(organisation, 1)
    assert network.deliveries(organisation.code)[0]["enc_kid"] == organisation.encryption[1].kid
    monkeypatch.setattr(organisation, "encryption", organisation.encryption[:1])
    with pytest.raises(ValueError, match="unpack"):
        organisation.decrypted(organisation.inbox[0])


def test_many_codes_come_in_few_messages(network: RunningNetwork, organisation: Organisation) -> None:
    network.set(business_day_seconds=0)
    residents = {f"S-{number}": new_resident() for number in range(1000)}
    organisation.codes_for(network, residents)
    entries = told(organisation, 1000)
    assert {entry["Result"] for entry in entries.values()} == {"issued"}
    assert len({entry["LinkageCode"] for entry in entries.values()}) == 1000
    assert len(organisation.inbox) <= 3
