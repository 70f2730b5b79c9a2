"""An inquiry is permitted or refused, passed on under a permit, answered once, and ends for both sides alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from chukan.platform.clock import SystemClock
from chukan_simulators.national_network.client import RunningNetwork
from national_network.exchange import (
    INSURER,
    JAPAN,
    PENSION,
    PENSION_OF_TAX,
    Exchange,
    Inquiry,
    Town,
    begun,
    day,
    new_inquiry_serial,
    second,
)
from national_network.organisation import eventually, new_resident

NewTown = Callable[[], Town]


def test_an_inquiry_is_answered_by_the_provider_and_readable_by_the_inquirer_alone(new_town: NewTown) -> None:
    one = begun(new_town)
    request, inquiry = one.request, one.inquiry
    assert request.fields["InquirerInstitution"] == one.inquirer.code
    assert request.fields["InquirerName"].startswith("例")
    assert request.root.findtext("Condition/Kind") == "0"
    assert one.provider.answer(request)["Result"] == "accepted"
    result = inquiry.result()
    assert (result["Result"], result["ProviderInstitution"]) == ("provided", one.provider.code)
    found = one.inquirer.unsealed(result)
    assert found["items"] == {"X02_0101_010": f"of {one.provider.code}"}
    assert (found["ProcessingSerial"], found["PermitID"]) == (inquiry.serial, request.permit["PermitID"])
    assert result["ValidUntil"] == request.permit["ValidUntil"]


def test_the_permit_names_the_request_in_every_field(new_town: NewTown) -> None:
    one = begun(new_town, RequestedAt=f"{day(1)}T23:59:59+09:00")
    permit = one.request.permit
    assert permit["ProcessingSerial"] == one.inquiry.serial
    assert (permit["InquirerInstitution"], permit["ProviderInstitution"]) == (one.inquirer.code, one.provider.code)
    assert permit["LinkageCode"] == one.provider.knows(one.resident) != one.inquirer.knows(one.resident)
    assert permit["Information"] == "TM00000000000002"
    # Thirty days, the first not counted.
    assert (one.request.fields["RequestedAt"], permit["ValidUntil"]) == (
        f"{day(1)}T23:59:59+09:00",
        f"{day(1, 31)}T00:00:00+09:00",
    )
    assert permit["EncryptionKid"] == one.inquirer.organisation.encryption[0].kid


def test_an_answer_is_encrypted_to_the_newest_key_of_the_inquirer(new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    code = inquirer.knows(resident)
    newer = inquirer.organisation.certified("enc")
    inquirer.organisation.encryption.append(newer)
    inquiry = inquirer.inquire(provider.code, code)
    request = provider.request(inquiry.serial)
    assert request.permit["EncryptionKid"] in {each.kid for each in inquirer.organisation.encryption}
    provider.answer(request)
    assert inquirer.unsealed(inquiry.result())["items"]


def test_test_mode_stays_test_mode(new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident, mode="1")
    inquiry = inquirer.inquire(provider.code, inquirer.knows(resident, mode="1"), mode="1")
    request = provider.request(inquiry.serial)
    assert request.root.findtext("MessageHeader/MSGMode") == "1"
    # A code of the test is none in production.
    other = inquirer.inquire(provider.code, inquirer.codes[resident])
    assert other.result()["Reason"] == "code_unknown"


# What the network refuses by a result: what is asked, and the reason.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an organisation that nobody knows": ({"ProviderInstitution": "9999999999999999"}, "provider_unknown"),
    "an information that this procedure has not": ({"Information": "TM00000000000008"}, "permission"),
    "a procedure of another affair": ({"Affair": "JM90000000000001"}, "permission"),
    "a provider of another kind": ({"ProviderInstitution": "0220113010006700"}, "permission"),
    "a code that was not given": ({"LinkageCode": "A" * 32}, "code_unknown"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_permitted_is_refused_to_the_inquirer(linked: RunningNetwork, new_town: NewTown, name: str) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    changed, reason = REFUSED[name]
    inquiry = inquirer.inquire(provider.code, changed.get("LinkageCode", inquirer.knows(resident)), **changed)
    assert inquiry.receipt["Result"] == "accepted"
    result = inquiry.result()
    assert (result["Result"], result["Reason"]) == ("refused", reason)
    assert "ValidUntil" not in result
    (record,) = linked.records(inquirer.code)
    assert (record["result"], record["answered_at"], record["asked"]) == ("refused", result["ProvidedAt"], 0)
    assert provider.requests() == []


def test_a_code_of_another_organisation_is_unknown(new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    inquirer.knows(resident)
    inquiry = inquirer.inquire(provider.code, provider.knows(resident))
    assert inquiry.result()["Reason"] == "code_unknown"


def test_a_person_whom_the_provider_does_not_know_is_unknown(new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    inquiry = inquirer.inquire(provider.code, inquirer.knows(new_resident()))
    assert inquiry.result()["Reason"] == "code_unknown"


def test_a_closed_provider_is_not_asked(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    linked.close(provider.code)
    assert inquirer.inquire(provider.code, inquirer.knows(resident)).result()["Reason"] == "provider_closed"
    linked.close(provider.code, closed=False)
    inquiry = inquirer.inquire(provider.code, inquirer.knows(resident))
    assert provider.request(inquiry.serial).permit


def test_an_affair_of_ones_own_is_permitted_to_its_organisation_alone(
    linked: RunningNetwork, new_town: NewTown
) -> None:
    own = {"Affair": "JM91000000000001", "Procedure": "JT91000000000001"}
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    assert inquirer.inquire(provider.code, inquirer.knows(resident), **own).result()["Reason"] == "permission"
    linked.partner("0220113112101700")
    told = {"affair": own["Affair"], "procedure": own["Procedure"]}
    asked = linked.partner_inquires("0220113112101700", provider.code, "TM00000000000002", resident, **told)
    assert provider.request(asked["serial"]).permit["Affair"] == own["Affair"]


# What the receipt refuses as content: what is changed, and what the detail says of it.
CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "in the name of another": ({"InquirerInstitution": PENSION}, "InquirerInstitution"),
    "a later place": ({"seq": 2}, "sequence"),
    "the present with a year": ({"Condition": {"Kind": "0", "Year": "2026"}}, "Kind"),
    "a period without one": ({"Condition": {"Kind": "1"}}, "Kind"),
    "a period that ends first": ({"Condition": {"Kind": "1", "From": "2026-04-02", "To": "2026-04-01"}}, "From"),
    "from the future": ({"RequestedAt": second(SystemClock().now() + timedelta(days=1))}, "RequestedAt"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_a_wrong_inquiry_is_as_if_it_had_never_come(linked: RunningNetwork, new_town: NewTown, name: str) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    changed, detail = CONTENT[name]
    inquiry = inquirer.inquire(provider.code, inquirer.knows(resident), **changed)
    assert (inquiry.receipt["Result"], inquiry.receipt["Reason"] in {"content", "sequence"}) == ("refused", True)
    assert detail in inquiry.receipt.fields.get("Detail", "") + inquiry.receipt["Reason"]
    assert linked.inquiries(inquirer.code) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"ProcessingSerial": "a" * 20},
        {"LinkageCode": "abc"},
        {"RequestedAt": "2026-11-21T10:00:00Z"},
        {"RequestedAt": "2026-11-21T10:00:00.5+09:00"},
        {"NonDisclosure": None},
        {"Condition": {"Kind": "2"}},
        {"Resident": "90000000000"},
    ],
    ids=str,
)
def test_an_inquiry_against_the_schema_is_refused(new_town: NewTown, changed: dict[str, Any]) -> None:
    inquirer, provider = new_town(), new_town()
    inquiry = inquirer.inquire(provider.code, "A" * 32, **changed)
    assert (inquiry.receipt.status, inquiry.receipt["Reason"]) == (422, "schema")


def test_an_inquiry_with_a_broken_signature_is_refused(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    told = inquirer.inquiry(provider.code, "A" * 32)
    one, other = (inquirer.message("InformationInquiry", "IF_SKI_X0101_R01", told) for _ in range(2))
    receipt = inquirer.organisation.send(one.rpartition(b".")[0] + b"." + other.rpartition(b".")[2])
    assert receipt["Reason"] == "signature"
    assert linked.inquiries(inquirer.code) == []


def test_a_serial_serves_one_inquiry(new_town: NewTown) -> None:
    inquirer, provider, serial = new_town(), new_town(), new_inquiry_serial()
    first = inquirer.inquire(provider.code, "A" * 32, ProcessingSerial=serial)
    assert first.receipt["Result"] == "accepted"
    assert inquirer.organisation.send(first.body).body == first.receipt.body
    again = inquirer.inquire(provider.code, "A" * 32, ProcessingSerial=serial)
    assert again.receipt["Reason"] == "content"
    # It is another organisation's serial too.
    assert provider.inquire(inquirer.code, "A" * 32, ProcessingSerial=serial).receipt["Result"] == "accepted"


def test_a_second_inquiry_in_a_conversation_is_refused(new_town: NewTown) -> None:
    inquirer, provider = new_town(), new_town()
    first = inquirer.inquire(provider.code, "A" * 32)
    again = inquirer.inquire(provider.code, "A" * 32, conv=first.conv, seq=2)
    assert again.receipt["Reason"] == "content"


# Answers.


def test_a_refusal_of_the_provider_is_passed_on(new_town: NewTown) -> None:
    one = begun(new_town)
    told = {"Reason": "barred", "Explanation": "例", "ProvidedAt": second()}
    assert one.provider.answer(one.request, "refused", **told)["Result"] == "accepted"
    result = one.inquiry.result()
    assert {name: result[name] for name in told} == told
    assert "EncryptedAnswer" not in result


def test_a_deferred_answer_is_followed_by_another_one(linked: RunningNetwork, new_town: NewTown) -> None:
    one = begun(new_town)
    assert one.provider.answer(one.request, "deferred", ExpectedOn="2026-12-01")["Result"] == "accepted"
    first = one.inquiry.result()
    assert (first["Result"], first["ExpectedOn"]) == ("deferred", "2026-12-01")
    assert linked.records(one.inquirer.code)[0]["result"] == "deferred"
    assert one.provider.answer(one.request, "deferred", seq=2)["Result"] == "accepted"
    assert one.provider.answer(one.request, seq=3)["Result"] == "accepted"
    assert [
        each["Result"] for each in eventually(lambda: len(one.inquiry.results()) == 3 and one.inquiry.results())
    ] == [
        "deferred",
        "deferred",
        "provided",
    ]


def other_key(one: Exchange) -> dict[str, Any]:
    return {"EncryptedAnswer": one.provider.sealed(one.request, kid=one.provider.organisation.encryption[0].kid)}


def other_receiver(one: Exchange) -> dict[str, Any]:
    return {"EncryptedAnswer": one.provider.sealed(one.request, to=one.provider.code)}


def other_type(one: Exchange) -> dict[str, Any]:
    return {"EncryptedAnswer": one.provider.sealed(one.request, typ="IF_TKY_X0202_S01")}


def after_its_end(one: Exchange) -> dict[str, Any]:
    return {"ProvidedAt": one.request.permit["ValidUntil"]}


WRONG_ANSWERS: dict[str, Callable[[Exchange], dict[str, Any]]] = {
    "another conversation": lambda _: {"conv": "0198c0de-0000-4000-8000-00000000000a"},
    "another serial": lambda _: {"ProcessingSerial": "0" * 20},
    "another inquirer": lambda _: {"InquirerInstitution": PENSION},
    "another permit": lambda _: {"PermitID": "0198c0de-0000-4000-8000-00000000000b"},
    "no reason to provide": lambda _: {"Reason": "other"},
    "provided without an instant": lambda _: {"ProvidedAt": None},
    "provided without datasets": lambda _: {"Datasets": None},
    "provided without anything": lambda _: {"EncryptedAnswer": None},
    "provided and expected": lambda _: {"ExpectedOn": "2026-12-01"},
    "not sealed": lambda _: {"EncryptedAnswer": "open"},
    "sealed for another key": other_key,
    "sealed for another receiver": other_receiver,
    "sealed as something else": other_type,
    "too late": after_its_end,
    "from the future": lambda _: {"ProvidedAt": second(SystemClock().now() + timedelta(minutes=30))},
}


def test_a_wrong_answer_is_as_if_it_had_never_come(new_town: NewTown) -> None:
    one = begun(new_town)
    for name, change in WRONG_ANSWERS.items():
        receipt = one.provider.answer(one.request, **change(one))
        assert (name, receipt["Result"], receipt["Reason"]) == (name, "refused", "content")
    assert one.provider.answer(one.request, "refused", Reason=None)["Reason"] == "content"
    assert one.inquiry.results() == []
    assert one.provider.answer(one.request)["Result"] == "accepted"


def test_nobody_answers_for_another_provider(new_town: NewTown) -> None:
    one, stranger = begun(new_town), new_town()
    assert stranger.answer(one.request)["Reason"] == "content"
    assert one.inquiry.results() == []


def test_there_is_one_final_answer(new_town: NewTown) -> None:
    one = begun(new_town)
    one.provider.answer(one.request)
    one.inquiry.result()
    receipt = one.provider.answer(one.request, "refused", seq=2)
    assert (receipt.status, receipt["Reason"]) == (409, "closed")
    assert len(one.inquiry.results()) == 1


def test_what_the_receipt_of_the_provider_refuses_is_refused_to_the_inquirer(new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    for reason, told in (("content", "permit"), ("schema", "other")):
        provider.organisation.answer = refusing(provider, reason)
        result = inquirer.inquire(provider.code, inquirer.knows(resident)).result()
        assert (result["Result"], result["Reason"]) == ("refused", told)


def refusing(town: Town, reason: str) -> Callable[[bytes], tuple[int, bytes] | None]:
    return lambda body: (422, town.organisation.receipt(body, result="refused", reason=reason))


# Taking back.


def over(one: Exchange) -> dict[str, str]:
    """Return what the provider is told of the end of the request."""
    ends = [fields for conv, fields in one.provider.delivered("IF_TKY_X0204_R01") if conv == one.request.conv]
    return ends[0] if ends else {}


def test_an_inquiry_can_be_taken_back(linked: RunningNetwork, new_town: NewTown) -> None:
    one = begun(new_town)
    assert one.inquiry.cancel()["Result"] == "accepted"
    result, end = one.inquiry.result(), eventually(lambda: over(one))
    assert (result["Result"], end["Kind"], end["PermitID"]) == (
        "cancelled",
        "cancelled",
        one.request.permit["PermitID"],
    )
    (record,) = linked.records(one.inquirer.code)
    assert record["answered_at"] == result["ProvidedAt"] == end["At"]
    eventually(lambda: all(row["state"] == "receipted" for row in linked.deliveries(one.provider.code)))
    assert one.provider.answer(one.request)["Reason"] == "closed"
    eventually(lambda: all(row["state"] == "receipted" for row in linked.deliveries(one.inquirer.code)))
    assert one.inquiry.cancel(seq=3)["Reason"] == "closed"


def test_an_answer_that_crosses_the_cancellation_has_no_effect(new_town: NewTown) -> None:
    one = begun(new_town)
    own = one.provider.organisation
    own.answer = lambda _: (500, b"")
    one.inquiry.cancel()
    assert one.provider.answer(one.request)["Result"] == "accepted"
    own.answer = own.accept
    assert eventually(lambda: over(one))["Kind"] == "cancelled"
    assert [each["Result"] for each in one.inquiry.results()] == ["cancelled"]


def test_a_cancellation_that_crosses_the_answer_has_no_effect(linked: RunningNetwork, new_town: NewTown) -> None:
    one = begun(new_town)
    own = one.inquirer.organisation
    own.answer = lambda _: (500, b"")
    one.provider.answer(one.request)
    assert one.inquiry.cancel()["Result"] == "accepted"
    own.answer = own.accept
    assert one.inquiry.result()["Result"] == "provided"
    assert over(one) == {}
    eventually(lambda: all(row["state"] == "receipted" for row in linked.deliveries(one.inquirer.code)))
    assert one.inquiry.cancel(seq=3)["Reason"] == "closed"


def test_nobody_takes_back_the_inquiry_of_another(new_town: NewTown) -> None:
    one, stranger = begun(new_town), new_town()
    other = Inquiry(stranger, one.inquiry.serial, one.inquiry.conv, b"", one.inquiry.receipt)
    assert other.cancel(seq=1)["Reason"] == "content"
    assert one.inquiry.cancel(fields={"ProcessingSerial": "0" * 20})["Reason"] == "content"
    assert one.inquiry.results() == []


def test_a_cancellation_before_its_inquiry_waits_for_it(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    code = inquirer.knows(resident)
    first = inquirer.inquire("9999999999999999", code)
    linked.set(hold=2)
    try:
        serial, conv = new_inquiry_serial(), first.conv[:-4] + "0000"
        waiting = Inquiry(inquirer, serial, conv, b"", first.receipt)
        assert waiting.cancel()["Result"] == "held"
        inquirer.inquire(provider.code, code, conv=conv, ProcessingSerial=serial)
        assert waiting.result()["Result"] == "cancelled"
    finally:
        linked.set(hold=0)


# Outside institutions are asked with the procedure that the table has for them.


def test_a_partner_answers_by_itself(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer = new_town()
    code = inquirer.knows(new_resident())
    result = inquirer.inquire(PENSION, code, **PENSION_OF_TAX).result()
    assert result["Result"] == "provided"
    found = inquirer.unsealed(result)
    assert set(found["items"]) == {"X52_0101_010", "X52_0101_020", "X52_0101_030"}
    assert linked.partner_requests(PENSION)[-1]["state"] == "provided"


def test_an_insurer_is_not_asked_what_it_has_not(new_town: NewTown) -> None:
    inquirer = new_town()
    code = inquirer.knows(new_resident())
    assert inquirer.inquire(INSURER, code, **PENSION_OF_TAX).result()["Reason"] == "permission"


def test_instants_are_japanese() -> None:
    assert second(datetime(2026, 11, 21, 23, 0, 0, 999, tzinfo=JAPAN)) == "2026-11-21T23:00:00+09:00"
