"""Results of the network: each has its effect once, in the state where it may; what is forged has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.formats.messages import MessageMode
from chukan.tenants.middleserver.inquiries.errors import NothingToCancel, ReceptionUnknown
from chukan.tenants.middleserver.inquiries.rules import InquiryState
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.provision_records import store as record_store
from chukan.tenants.middleserver.security.certificates.rules import KeyUse
from chukan.tenants.middleserver.security.jose import SigningKey
from chukan.tenants.middleserver.transmission.errors import MessageUnknown
from support.inquiries import STRANGER, Asking, Authority, InquiryNetwork, Provider


def state(asking: Asking, found: Inquiry) -> str:
    return asking.inquiry(found.serial).state.value


def recorded(asking: Asking, found: Inquiry) -> tuple[str, bool]:
    with asking.wire.place.sessions.begin(asking.tenant) as connection:
        (fact,) = record_store.of_serial(connection, found.serial)
    return fact.result.value, fact.answered_at is not None


def test_a_window_inquiry_leaves_at_once_and_is_answered(asking: Asking) -> None:
    found = asking.window()
    assert found.state is InquiryState.SENT
    asking.relay()
    assert asking.inquiry(found.serial).received_at is not None
    permit = uuid4()
    assert asking.result(found, "provided", asking.provided(found, permit=permit))["Result"] == "accepted"
    page = asking.inquiries.results(asking.caller, found.reception)
    (result,) = page.results
    assert page.status.is_complete
    assert (result.state, result.permit) == (InquiryState.ANSWERED, permit)
    assert [(each.code, each.value) for each in result.records[0].items] == [("INCOME", "1234567")]
    assert (result.records[0].dataset, result.records[0].version) == ("0101", 4)
    assert recorded(asking, found) == ("provided", True)
    assert asking.events(found.serial) == ["release", "answer"]


def test_what_the_network_refused_outright_cannot_be_sent_again_behind_the_inquirer_s_back(asking: Asking) -> None:
    """The inquirer knows that it was refused: a provider that answers it after all gives to nobody who asks."""
    asking.wire.network.refuse["IF_SKI_X0101_R01"] = "content"
    found = asking.window()
    asking.relay()
    assert (state(asking, found), asking.inquiry(found.serial).reason) == ("refused", "network_content")
    asking.wire.network.refuse.clear()
    ((message,),) = asking.wire.place.ask_of(asking.tenant, "select id from {}.outbox where state = 'refused'")
    with pytest.raises(MessageUnknown):
        asking.wire.exchange.retry(asking.tenant, UUID(str(message)), now=asking.now)
    asking.relay()
    assert isinstance(asking.wire.network, InquiryNetwork)
    assert asking.wire.network.documents == []


@pytest.mark.parametrize("result", ["provided", "refused", "cancelled", "expired"])
def test_what_the_network_says_after_our_own_expiry_holds(asking: Asking, result: str) -> None:
    """It was provided in time and was long on its way: the exchange was stopped over the last day, for instance."""
    found = asking.window()
    asking.relay()
    asking.later(days=3)
    at = as_tokyo(asking.now).isoformat(timespec="seconds")
    parts = {"provided": asking.provided(found), "refused": {"Reason": "no_record"}}.get(result, {})
    asking.later(days=30)
    assert asking.inquiries.expire(asking.tenant, now=asking.now, actor="system:test", request="test") == 1
    assert (state(asking, found), asking.inquiry(found.serial).reason) == ("expired", "network_silent")
    assert asking.result(found, result, {**parts, "ProvidedAt": at})["Result"] == "accepted"
    ended = {"provided": "answered"}.get(result, result)
    assert (state(asking, found), recorded(asking, found)) == (ended, (result, True))
    (told,) = asking.inquiries.results(asking.caller, found.reception).results
    assert (len(told.records), told.reason) == ((1, None) if result == "provided" else (0, parts.get("Reason")))
    assert asking.answer(found)["Reason"] == "closed"


def test_the_answer_is_kept_sealed(asking: Asking) -> None:
    found = asking.window()
    asking.answer(found)
    (row,) = asking.wire.place.ask_of(asking.tenant, "select signed from {}.inquiry_answer")
    assert isinstance(row[0], bytes)
    assert b"1234567" not in row[0]


def test_an_answer_may_come_before_the_receipt_was_written_down(asking: Asking) -> None:
    found = asking.window()
    asking.answer(found)
    asking.relay()
    assert state(asking, found) == "answered"


def test_deferred_is_told_with_its_day_and_the_answer_follows(asking: Asking) -> None:
    found = asking.window()
    told = {"Reason": "no_record", "ExpectedOn": "2026-07-10", "Explanation": "台帳を確認しています。"}
    assert asking.result(found, "deferred", told)["Result"] == "accepted"
    (result,) = asking.inquiries.results(asking.caller, found.reception).results
    assert (result.state, str(result.expected_on), result.reason, result.explanation) == (
        InquiryState.DEFERRED, "2026-07-10", "no_record", "台帳を確認しています。",
    )  # fmt: skip
    assert recorded(asking, found) == ("deferred", False)
    assert asking.result(found, "deferred", {"ExpectedOn": "2026-07-17"})["Result"] == "accepted"
    asking.later(days=9)
    assert asking.answer(asking.inquiry(found.serial))["Result"] == "accepted"
    assert recorded(asking, found) == ("provided", True)


@pytest.mark.parametrize(("result", "reason"), [("refused", "barred"), ("refused", "partner_not_started"),
                                                ("expired", None), ("cancelled", None)])  # fmt: skip
def test_an_end_without_an_answer_is_an_end(asking: Asking, result: str, reason: str | None) -> None:
    found = asking.window()
    assert asking.result(found, result, {"Reason": reason})["Result"] == "accepted"
    assert (state(asking, found), asking.inquiry(found.serial).reason) == (result, reason)
    assert recorded(asking, found) == (result, True)
    assert asking.answer(found)["Reason"] == "closed"


def test_the_same_result_in_another_message_has_no_second_effect(asking: Asking) -> None:
    found = asking.window()
    asking.answer(found)
    assert asking.answer(found)["Reason"] == "closed"
    assert asking.events(found.serial) == ["release", "answer"]


Forgery = Callable[[Asking, Inquiry], dict[str, str]]


def _other_key(asking: Asking, found: Inquiry) -> dict[str, str]:
    real = asking.provider.signing(asking.provider.certificate(asking.authority))
    return asking.provided(found, key=SigningKey(real.kid, ec.generate_private_key(ec.SECP256R1())))


def _other_authority(asking: Asking, found: Inquiry) -> dict[str, str]:
    whole = asking.authority
    asking.authority = Authority()
    told = asking.provided(found)
    asking.authority = whole
    return told


def _other_receiver(asking: Asking, found: Inquiry) -> dict[str, str]:
    return asking.provided(found, under=(asking.organisation.encryption[0], _stranger()))


def _unknown_kid(asking: Asking, found: Inquiry) -> dict[str, str]:
    return asking.provided(found, under=("0" * 32, asking.organisation.encryption[1]))


def _stranger() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def _cut(asking: Asking, found: Inquiry) -> dict[str, str]:
    told = asking.provided(found)
    return {**told, "EncryptedAnswer": told["EncryptedAnswer"][:-8]}


def _stranger_beside(asking: Asking, found: Inquiry) -> dict[str, str]:
    """One that nobody vouches for stands beside the right one, and signed."""
    forged = _other_authority(asking, found)
    return {
        **forged,
        "ProviderCertificate": asking.provided(found)["ProviderCertificate"] + forged["ProviderCertificate"],
    }


FORGERIES: dict[str, Forgery] = {
    "signed by another key": _other_key,
    "a certificate that nobody vouches for": _other_authority,
    "another institution's certificate": lambda a, f: a.provided(f, provider=Provider(STRANGER)),
    "a certificate for encryption": lambda a, f: a.provided(f, provider=Provider(unit="enc")),
    "encrypted to another one": _other_receiver,
    "encrypted to a key of nobody": _unknown_kid,
    "cut": _cut,
    "another serial": lambda a, f: a.provided(f, ProcessingSerial="0" * 20),
    "another inquirer": lambda a, f: a.provided(f, InquirerInstitution=STRANGER),
    "another provider": lambda a, f: a.provided(f, ProviderInstitution=STRANGER),
    "another information": lambda a, f: a.provided(f, Information="TM00000000000031"),
    "for another receiver": lambda a, f: a.provided(f, headers={"from": f.provider, "to": STRANGER}),
    "signed before it was asked for": lambda a, f: a.provided(f, signed_at=a.now - timedelta(minutes=6)),
    "signed in the future": lambda a, f: a.provided(f, signed_at=a.now + timedelta(minutes=6)),
    "against its schema": lambda a, f: a.provided(f, change=lambda d: d.replace(b"<Version>4<", b"<Version>x<")),
    "a second certificate that nobody vouches for": _stranger_beside,
    "no answer in it": lambda _a, _f: {},
    "no certificate": lambda a, f: {**a.provided(f), "ProviderCertificate": ""},
}


def test_an_answer_may_lie_for_weeks_before_the_network_can_deliver_it(asking: Asking) -> None:
    found = asking.window()
    parts = {**asking.provided(found), "ProvidedAt": as_tokyo(asking.now).isoformat(timespec="seconds")}
    asking.later(days=29)
    assert asking.result(found, "provided", parts)["Result"] == "accepted"


def test_an_answer_that_waited_while_the_provider_s_certificate_was_replaced_is_taken(asking: Asking) -> None:
    found = asking.window()
    parts = asking.provided(found)
    newer = asking.provided(found, provider=Provider())["ProviderCertificate"]
    parts["ProviderCertificate"] = newer + parts["ProviderCertificate"]
    assert asking.result(found, "provided", parts)["Result"] == "accepted"


@pytest.mark.parametrize("how", FORGERIES)
def test_an_answer_that_does_not_fit_has_no_effect_and_the_right_one_still_has(asking: Asking, how: str) -> None:
    found = asking.window()
    assert asking.result(found, "provided", FORGERIES[how](asking, found))["Reason"] == "content"
    assert state(asking, found) == "sent"
    assert asking.answer(found)["Result"] == "accepted"


@pytest.mark.parametrize(
    ("result", "parts"),
    [
        ("refused", {}),
        ("deferred", {"ProvidedAt": "2026-07-01T12:00:00+09:00"}),
        ("expired", {"ProvidedAt": None}),
        ("cancelled", {"Reason": "other"}),
        ("refused", {"Reason": "other", "ExpectedOn": "2026-07-10"}),
        ("provided", {"ProcessingSerial": "9" * 20}),
        ("expired", {"ProviderInstitution": STRANGER}),
    ],
)
def test_a_result_that_is_not_whole_or_not_its_own_is_refused(
    asking: Asking, result: str, parts: dict[str, str | None]
) -> None:
    found = asking.window()
    assert asking.result(found, result, parts)["Reason"] == "content"
    assert state(asking, found) == "sent"


def test_a_result_of_the_test_mode_or_of_no_inquiry_is_refused(asking: Asking) -> None:
    found = asking.window()
    assert asking.result(found, "expired", mode=MessageMode.TEST)["Reason"] == "content"
    assert asking.result(found, "expired", conv=uuid4())["Reason"] == "content"


def test_what_was_provided_after_the_last_day_is_refused(asking: Asking) -> None:
    found = asking.window()
    late = as_tokyo(asking.now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=31)
    parts = asking.provided(found)
    assert asking.result(found, "provided", {**parts, "ProvidedAt": late.isoformat()})["Reason"] == "content"
    last = (late - timedelta(seconds=1)).isoformat()
    assert asking.result(found, "provided", {**parts, "ProvidedAt": last})["Result"] == "accepted"


def test_a_conversation_under_way_survives_a_new_certificate(asking: Asking) -> None:
    found = asking.window()
    place = asking.wire.place
    asking.wire.place.network.now = asking.now
    kid = place.certificates.request(asking.tenant, asking.organisation.institution, KeyUse.ENCRYPT, now=asking.now)
    place.certificates.activate(asking.tenant, kid, now=asking.now)
    # The provider answers to the certificate that its permit named, which is the one before.
    assert asking.answer(found)["Result"] == "accepted"


# -- what the network says of what left ------------------------------------------------------------


def test_an_inquiry_that_the_network_refuses_outright_has_ended(asking: Asking) -> None:
    found = asking.window()
    asking.wire.network.refuse["IF_SKI_X0101_R01"] = "content"
    asking.relay()
    assert (state(asking, found), asking.inquiry(found.serial).reason) == ("refused", "network_content")
    assert recorded(asking, found) == ("refused", True)


# -- taking back -----------------------------------------------------------------------------------


def test_what_has_left_is_taken_back_when_the_network_says_so(asking: Asking) -> None:
    found = asking.window()
    told = asking.inquiries.cancel(asking.caller, found.reception, now=asking.now)
    assert (told.at_once, told.asked, state(asking, found)) == (0, 1, "cancelling")
    asking.relay()
    assert isinstance(asking.wire.network, InquiryNetwork)
    assert len(asking.wire.network.documents) == 2
    assert asking.result(found, "cancelled")["Result"] == "accepted"
    assert state(asking, found) == "cancelled"
    assert recorded(asking, found) == ("cancelled", True)
    assert asking.events(found.serial) == ["release", "ask_cancel", "cancel"]
    with pytest.raises(NothingToCancel):
        asking.inquiries.cancel(asking.caller, found.serial, now=asking.now)


def test_what_is_deferred_while_it_is_taken_back_is_recorded_as_the_network_records_it(asking: Asking) -> None:
    found = asking.window()
    asking.inquiries.cancel(asking.caller, found.serial, now=asking.now)
    assert asking.result(found, "deferred", {"ExpectedOn": "2026-07-10"})["Result"] == "accepted"
    assert (state(asking, found), recorded(asking, found)) == ("cancelling", ("deferred", False))
    assert asking.result(found, "cancelled")["Result"] == "accepted"


def test_an_answer_that_crosses_the_cancellation_is_an_answer(asking: Asking) -> None:
    found = asking.window()
    asking.inquiries.cancel(asking.caller, found.serial, now=asking.now)
    assert asking.answer(found)["Result"] == "accepted"
    assert state(asking, found) == "answered"


@pytest.mark.parametrize("deferred", [False, True])
def test_a_cancellation_that_the_network_refuses_leaves_all_as_it_was(asking: Asking, *, deferred: bool) -> None:
    found = asking.window()
    asking.relay()
    if deferred:
        asking.result(found, "deferred", {"ExpectedOn": "2026-07-10"})
    asking.inquiries.cancel(asking.caller, found.serial, now=asking.now)
    asking.wire.network.refuse["IF_SKI_X0103_R01"] = "content"
    asking.relay()
    assert state(asking, found) == ("deferred" if deferred else "sent")
    assert asking.answer(found)["Result"] == "accepted"


def test_of_a_list_what_waits_is_taken_back_at_once(asking: Asking) -> None:
    told = asking.bulk(30)
    assert asking.pace() == 20
    cancelled = asking.inquiries.cancel(asking.caller, told.number, now=asking.now)
    assert (cancelled.at_once, cancelled.asked) == (10, 20)
    counts = asking.inquiries.status(asking.tenant, told.number).counts
    assert counts == {InquiryState.CANCELLED: 10, InquiryState.CANCELLING: 20}
    assert asking.pace() == 0


def test_nothing_unknown_is_taken_back(asking: Asking) -> None:
    with pytest.raises(ReceptionUnknown):
        asking.inquiries.cancel(asking.caller, "0" * 22, now=asking.now)


# -- the end of the thirty days ---------------------------------------------------------------------


def test_what_the_network_is_silent_about_is_expired_a_day_later(asking: Asking) -> None:
    found = asking.window()

    def expire() -> int:
        return asking.inquiries.expire(asking.tenant, now=asking.now, actor="system:test", request="test")

    # Asked on 1 July at noon: the last day is the 31st, the grace ends with 1 August.
    asking.wire.clock.advance(timedelta(days=31, hours=11, minutes=59))
    assert expire() == 0
    asking.later(minutes=1)
    assert expire() == 1
    assert (state(asking, found), asking.inquiry(found.serial).reason) == ("expired", "network_silent")
    assert expire() == 0
    assert recorded(asking, found) == ("expired", True)


def test_the_network_s_word_of_the_expiry_comes_in_time_or_late_and_is_taken_once(asking: Asking) -> None:
    found = asking.window()
    asking.wire.clock.advance(timedelta(days=32))
    asking.inquiries.expire(asking.tenant, now=asking.now, actor="system:test", request="test")
    assert asking.answer(found)["Reason"] == "content", "nothing is taken after the end"
    assert asking.result(found, "expired")["Result"] == "accepted"
    assert asking.result(found, "expired")["Reason"] == "closed"
    assert asking.events(found.serial) == ["release", "expire", "expire"]


def test_what_is_about_to_end_is_counted_by_its_last_day(asking: Asking) -> None:
    asking.window()
    asking.later(days=1)
    asking.window()
    asking.window()
    last = as_tokyo(asking.now).date() + timedelta(days=29)
    asking.later(days=27)
    ending = asking.inquiries.ending(asking.tenant, before=last + timedelta(days=2), now=asking.now)
    assert ending == {last: 1, last + timedelta(days=1): 2}
