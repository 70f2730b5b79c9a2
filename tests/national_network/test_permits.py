"""A network that is wrong, or a forger, sends permits that do not withstand a check: the faults on permits."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from lxml import etree

from chukan_simulators.national_network.client import RunningNetwork
from national_network.exchange import Exchange, Inquiry, Request, Town, fields_of
from national_network.organisation import NETWORK, Organisation, eventually, new_resident

NewTown = Callable[[], Town]
FORGERIES = ("forge_signature", "forge_body", "forge_key", "forge_kid", "forge_algorithm")


def part(token: str, number: int) -> bytes:
    text = token.split(".")[number]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unverified(request: Request) -> tuple[dict[str, Any], dict[str, str]]:
    """Return header and elements of the permit of *request*, whoever signed it."""
    token = request.fields["Permit"]
    return json.loads(part(token, 0)), fields_of(etree.fromstring(part(token, 1)))


def asked(network: RunningNetwork, new_town: NewTown, fault: str, **order: Any) -> Exchange:
    """Return an exchange whose request came with a permit as *fault* makes it."""
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    code = inquirer.knows(resident)
    network.order(fault, on="permits", institution=provider.code, times=1, **order)
    inquiry = inquirer.inquire(provider.code, code)
    (request,) = eventually(provider.requests)
    return Exchange(inquirer, provider, resident, inquiry, request)


@pytest.mark.parametrize("fault", FORGERIES)
def test_a_forged_permit_does_not_pass_a_check(linked: RunningNetwork, new_town: NewTown, fault: str) -> None:
    one = asked(linked, new_town, fault)
    with pytest.raises((JoseError, KeyError)):
        one.provider.organisation.platform.verified(one.request.fields["Permit"].encode())
    # The request around it is the network's, and the next permit is right.
    again = one.inquirer.inquire(one.provider.code, one.inquirer.codes[one.resident])
    assert one.provider.request(again.serial).permit["ProcessingSerial"] == again.serial


def test_a_permit_signed_by_an_organisation_is_not_of_the_network(linked: RunningNetwork, new_town: NewTown) -> None:
    one = asked(linked, new_town, "permit_by_organisation")
    token, platform = one.request.fields["Permit"], one.provider.organisation.platform
    header, _ = unverified(one.request)
    assert header["from"] == NETWORK
    with pytest.raises(KeyError):
        platform.verified(token.encode())
    # The network knows the certificate, as an organisation's, and the signature is right.
    answer = platform.ask("GET", f"/certificates/{header['kid']}")
    assert (answer.status, answer.headers["Certificate-State"]) == (200, "valid")
    found = jws.deserialize_compact(token, ECKey.import_key(answer.body), algorithms=["ES256"], registry=_REGISTRY)
    assert found.headers() == header


_REGISTRY = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)

# What each of them says that is not so: the element, and what it should be.
WRONG: Mapping[str, tuple[str, Callable[[Exchange], str]]] = {
    "wrong_inquirer": ("InquirerInstitution", lambda one: one.inquirer.code),
    "wrong_provider": ("ProviderInstitution", lambda one: one.provider.code),
    "wrong_person": ("LinkageCode", lambda one: one.provider.codes[one.resident]),
    "wrong_item": ("Information", lambda _: "TM00000000000002"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_permit_is_rightly_signed(linked: RunningNetwork, new_town: NewTown, fault: str) -> None:
    one = asked(linked, new_town, fault)
    element, right = WRONG[fault]
    permit = one.provider.request(one.inquiry.serial).permit
    assert permit[element] != right(one)
    others = {name: told(one) for name, told in WRONG.values() if name != element}
    assert {name: permit[name] for name in others} == others


def test_a_permit_for_another_person_is_for_one_whom_the_provider_knows(
    linked: RunningNetwork, new_town: NewTown
) -> None:
    inquirer, provider, resident, other = new_town(), new_town(), new_resident(), new_resident()
    known = {provider.knows(each): each for each in (resident, other)}
    linked.order("wrong_person", on="permits", institution=provider.code, times=1)
    inquiry = inquirer.inquire(provider.code, inquirer.knows(resident))
    assert known[provider.request(inquiry.serial).permit["LinkageCode"]] == other


def test_an_expired_permit_is_over_today(linked: RunningNetwork, new_town: NewTown) -> None:
    one = asked(linked, new_town, "expired_permit")
    permit = one.provider.request(one.inquiry.serial).permit
    assert permit["IssuedAt"] < permit["ValidUntil"] <= one.request.fields["RequestedAt"]


def test_a_replayed_permit_is_that_of_the_inquiry_before(linked: RunningNetwork, new_town: NewTown) -> None:
    inquirer, provider, resident = new_town(), new_town(), new_resident()
    provider.knows(resident)
    code = inquirer.knows(resident)
    first = inquirer.inquire(provider.code, code)
    before = provider.request(first.serial)
    linked.order("replay_permit", on="permits", institution=provider.code, times=1)
    second = inquirer.inquire(provider.code, code)
    request = provider.request(second.serial)
    assert request.fields["Permit"] == before.fields["Permit"]
    assert request.permit["ProcessingSerial"] == first.serial != second.serial


@pytest.mark.parametrize("fault", ["forge_body", "wrong_item", "expired_permit"])
def test_a_provider_that_refuses_the_permit_is_understood(
    linked: RunningNetwork, new_town: NewTown, fault: str
) -> None:
    one = asked(linked, new_town, fault)
    assert one.provider.answer(one.request, "refused", Reason="permit")["Result"] == "accepted"
    result = one.inquiry.result()
    assert (result["Result"], result["Reason"]) == ("refused", "permit")


@pytest.mark.parametrize(
    "fault",
    [*FORGERIES, "permit_by_organisation", "wrong_inquirer", "wrong_provider", "expired_permit"],
)
def test_a_hosted_provider_looks_at_permits_too(linked: RunningNetwork, new_town: NewTown, fault: str) -> None:
    inquirer, provider, resident = new_town(), "0220113112101700", new_resident()
    linked.partner(provider)
    linked.order(fault, on="permits", institution=provider, times=1)
    results = [asked_of(inquirer, provider, resident) for _ in range(2)]
    assert [(each["Result"], each.get("Reason")) for each in results] == [("refused", "permit"), ("provided", None)]


def asked_of(inquirer: Town, provider: str, resident: str) -> dict[str, str]:
    inquiry: Inquiry = inquirer.inquire(provider, inquirer.knows(resident))
    return inquiry.result()


def test_an_organisation_is_none_of_the_networks_signers(new_town: NewTown) -> None:
    listed = json.loads(new_town().organisation.platform.ask("GET", "/keys").body)["keys"]
    own: Organisation = new_town().organisation
    assert own.signing.kid not in {key["kid"] for key in listed}
