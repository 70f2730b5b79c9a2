"""Institutions outside: they provide by themselves and inquire on command, each from its own day on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from chukan_simulators.national_network.client import RunningNetwork
from national_network.exchange import INSURER, PENSION, PENSION_OF_TAX, Town, day, second
from national_network.organisation import eventually, new_resident

NewTown = Callable[[], Town]
TAX_OF_PENSION = {"information": "TM00000000000002"}


@pytest.fixture
def pension(linked: RunningNetwork) -> Iterator[str]:
    """The pension service, as it is shipped."""
    yield PENSION
    linked.partner(PENSION, inquires_from="2019-04-15", provides_from="2019-06-17", answers="provided")


def outcome(network: RunningNetwork, institution: str, serial: str) -> dict[str, str]:
    def found() -> list[dict[str, str]]:
        rows = network.partner_inquiries(institution)
        return [row for row in rows if row["serial"] == serial and row["result"] is not None]

    return dict(eventually(found)[0])


def test_the_pension_service_may_inquire_before_it_may_provide(linked: RunningNetwork) -> None:
    partners = linked.partners()
    assert partners[PENSION]["inquires_from"] == "2019-04-15" < partners[PENSION]["provides_from"] == "2019-06-17"
    assert partners[INSURER]["inquires_from"] is None


@pytest.mark.parametrize(("later", "told"), [(-1, ""), (0, ""), (1, "partner_not_started")])
def test_nobody_asks_a_partner_before_its_day(
    linked: RunningNetwork, new_town: NewTown, pension: str, later: int, told: str
) -> None:
    linked.partner(pension, provides_from=day(1, later))
    inquirer = new_town()
    code = inquirer.knows(new_resident())
    # It counts by the day of the request in Japan.
    asked = inquirer.inquire(pension, code, RequestedAt=f"{day(1)}T00:00:00+09:00", **PENSION_OF_TAX)
    assert asked.result().get("Reason", "") == told


def test_a_partner_that_never_provides_is_not_asked(linked: RunningNetwork, new_town: NewTown, pension: str) -> None:
    linked.partner(pension, provides_from=None)
    inquirer = new_town()
    told = inquirer.inquire(pension, inquirer.knows(new_resident()), **PENSION_OF_TAX).result()
    assert told["Reason"] == "partner_not_started"
    # It may inquire all the same.
    provider, resident = new_town(), new_resident()
    provider.knows(resident)
    asked = linked.partner_inquires(pension, provider.code, **TAX_OF_PENSION, resident=resident)
    assert provider.request(asked["serial"]).permit


def test_a_partner_does_not_inquire_before_its_day(linked: RunningNetwork, new_town: NewTown, pension: str) -> None:
    linked.partner(pension, inquires_from="2999-01-01")
    provider, resident = new_town(), new_resident()
    provider.knows(resident)
    asked = linked.partner_inquires(pension, provider.code, **TAX_OF_PENSION, resident=resident)
    assert asked["receipt"] == "accepted"
    assert outcome(linked, pension, asked["serial"])["reason"] == "partner_not_started"
    assert provider.requests() == []


def test_a_partner_inquires_on_command_and_reads_the_answer(
    linked: RunningNetwork, new_town: NewTown, pension: str
) -> None:
    provider, resident = new_town(), new_resident()
    provider.knows(resident)
    asked = linked.partner_inquires(
        pension, provider.code, **TAX_OF_PENSION, resident=resident, condition={"Kind": "1", "Year": "2026"}
    )
    request = provider.request(asked["serial"])
    assert request.fields["InquirerName"] == "年金給付機関（例）"
    assert (request.root.findtext("Condition/Year"), request.permit["Affair"]) == ("2026", "JM90000000000007")
    provider.answer(request)
    found = outcome(linked, pension, asked["serial"])
    assert (found["result"], json.loads(found["records"])) == (
        "provided",
        [{"Dataset": "0101", "RecordKey": "R1", "Items": [["X02_0101_010", f"of {provider.code}"]]}],
    )


def test_a_partner_does_not_believe_a_wrong_signature_within(
    linked: RunningNetwork, new_town: NewTown, pension: str
) -> None:
    provider, stranger, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    serial = linked.partner_inquires(pension, provider.code, **TAX_OF_PENSION, resident=resident)["serial"]
    request = provider.request(serial)
    # Rightly encrypted, and signed by somebody who was not asked.
    assert provider.answer(request, EncryptedAnswer=stranger.sealed(request))["Result"] == "accepted"
    eventually(lambda: [row for row in linked.deliveries(pension) if row["state"] == "refused"])
    (row,) = (row for row in linked.partner_inquiries(pension) if row["serial"] == serial)
    assert row["result"] is None


def test_a_partner_can_take_its_time(linked: RunningNetwork, new_town: NewTown, pension: str) -> None:
    linked.partner(pension, answers="deferred")
    inquirer = new_town()
    inquiry = inquirer.inquire(pension, inquirer.knows(new_resident()), **PENSION_OF_TAX)
    assert inquiry.result()["Result"] == "deferred"
    assert linked.partner_answers(pension, inquirer.code, inquiry.serial, "provided") == "accepted"
    assert inquirer.unsealed(inquiry.result(2))["items"]
    assert linked.partner_answers(pension, inquirer.code, inquiry.serial, "refused", Reason="other") == "closed"


def test_a_partner_can_be_silent_and_is_told_that_it_is_over(
    linked: RunningNetwork, new_town: NewTown, pension: str
) -> None:
    linked.partner(pension, answers="silent")
    inquirer = new_town()
    inquiry = inquirer.inquire(pension, inquirer.knows(new_resident()), **PENSION_OF_TAX)
    eventually(lambda: [row for row in linked.partner_requests(pension) if row["serial"] == inquiry.serial])
    inquiry.cancel()
    assert inquiry.result()["Result"] == "cancelled"
    eventually(lambda: linked.partner_requests(pension)[-1]["state"] == "cancelled")


def test_a_partner_can_refuse(linked: RunningNetwork, new_town: NewTown, pension: str) -> None:
    linked.partner(pension, answers="refused")
    inquirer = new_town()
    told = inquirer.inquire(pension, inquirer.knows(new_resident()), **PENSION_OF_TAX).result()
    assert (told["Result"], told["Reason"]) == ("refused", "no_record")


def test_who_has_a_system_of_its_own_is_not_hosted(linked: RunningNetwork, new_town: NewTown) -> None:
    with pytest.raises(ValueError, match="system of its own"):
        linked.partner(new_town().code)
    with pytest.raises(ValueError, match="not hosted"):
        linked.partner_inquires("0220113990199700", PENSION, "TM00000000000052", new_resident())
    with pytest.raises(ValueError, match="HostUnfit"):
        linked.partner(PENSION, answers="perhaps")
    with pytest.raises(ValueError, match="ValueError"):
        linked.partner(PENSION, provides_from=second())
