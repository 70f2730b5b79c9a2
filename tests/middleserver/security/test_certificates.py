"""Replacing a certificate loses nothing: both keys overlap, and an old one goes only when nothing needs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chukan.platform.messages import language
from chukan.tenants.middleserver.security.certificates.errors import (
    CertificateInUse,
    CertificatePending,
    CertificateRefused,
    CertificateStateWrong,
    CertificateUnknown,
    NoActiveCertificate,
    OverlapNotOver,
)
from chukan.tenants.middleserver.security.certificates.rules import (
    LADDER,
    OVERLAP,
    TRANSITIONS,
    KeyState,
    KeyUse,
    Rung,
    days_left,
    may_follow,
    retirement,
    rung,
    step_of,
)
from chukan.tenants.middleserver.security.certificates.x509 import accepted, new_key, private_bytes, public_key_of
from chukan.tenants.middleserver.security.errors import KeyUnknown
from chukan.tenants.middleserver.security.jose import Window, encrypt, verify
from support.security import INSTITUTION, NOW, Network, Place

KIND = "IF_FGU_X0001_R01"
SIGN, ENCRYPT = KeyUse.SIGN, KeyUse.ENCRYPT


# -- rules ---------------------------------------------------------------------------------------


def test_a_key_comes_to_an_end_and_stays_there() -> None:
    assert set(TRANSITIONS) == set(KeyState)
    for state in (KeyState.RETIRED, KeyState.REVOKED):
        assert not TRANSITIONS[state]
    assert [state for state in KeyState if may_follow(state, KeyState.ACTIVE)] == [KeyState.PENDING]
    assert [state for state in KeyState if may_follow(state, KeyState.RETIRED)] == [KeyState.RETIRING]


@pytest.mark.parametrize(
    ("waited", "count", "allowed"),
    [
        (OVERLAP - timedelta(seconds=1), 0, False),
        (OVERLAP, 0, True),
        (OVERLAP, 1, False),
        (timedelta(days=400), 1, False),
        (timedelta(0), 3, False),
    ],
)
def test_an_old_key_goes_after_the_overlap_when_nothing_is_open(
    waited: timedelta, count: int, *, allowed: bool
) -> None:
    found = retirement(retiring_since=NOW - waited, open_count=count, now=NOW)
    assert (found.allowed, found.open_count) == (allowed, count)


#: Midnight in Tokyo, so that days and instants turn at once.
END = datetime(2026, 12, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "expected", "step"),
    [
        (timedelta(days=61), Rung.FINE, None),
        (timedelta(days=60), Rung.SOON, 60),
        (timedelta(days=31), Rung.SOON, 60),
        (timedelta(days=30), Rung.SOON, 30),
        (timedelta(days=15), Rung.SOON, 30),
        (timedelta(days=14), Rung.URGENT, 14),
        (timedelta(days=8), Rung.URGENT, 14),
        (timedelta(days=7), Rung.URGENT, 7),
        (timedelta(days=2), Rung.URGENT, 7),
        (timedelta(days=1), Rung.URGENT, 1),
        (timedelta(seconds=1), Rung.URGENT, 1),
        (timedelta(0), Rung.EXPIRED, 1),
    ],
)
def test_the_end_becomes_more_urgent_step_by_step(before: timedelta, expected: Rung, step: int | None) -> None:
    assert rung(END, END - before) is expected
    assert step_of(days_left(END, END - before)) == step
    assert LADDER == (60, 30, 14, 7, 1)


# -- what the issuer answers ---------------------------------------------------------------------


def test_a_certificate_is_for_our_key_our_name_and_five_years() -> None:
    network, key = Network(), new_key()
    right = network.certificate(key.public_key(), INSTITUTION)
    found = accepted(right, key, INSTITUTION, NOW)
    assert public_key_of(found.der) == key.public_key()
    assert len(found.kid) == 32
    assert (found.not_before, found.not_after) == (NOW, NOW.replace(year=2031))
    for pem, institution, now in (
        ("no certificate", INSTITUTION, NOW),
        (network.certificate(new_key().public_key(), INSTITUTION), INSTITUTION, NOW),
        (network.certificate(ec.generate_private_key(ec.SECP384R1()).public_key(), INSTITUTION), INSTITUTION, NOW),
        (right, "9" * 16, NOW),
        (right, INSTITUTION, NOW.replace(year=2031)),
        (Network(years=6).certificate(key.public_key(), INSTITUTION), INSTITUTION, NOW),
    ):
        with pytest.raises(CertificateRefused):
            accepted(pem, key, institution, now)


def test_a_certificate_of_29_february_may_end_on_the_28th() -> None:
    network, key = Network(now=datetime(2024, 2, 29, 3, tzinfo=UTC), years=4), new_key()
    leap = network.certificate(key.public_key(), INSTITUTION)
    assert accepted(leap, key, INSTITUTION, network.now).not_after == datetime(2028, 2, 29, 3, tzinfo=UTC)


# -- on the database -----------------------------------------------------------------------------


def test_replacing_a_signing_certificate_overlaps_and_then_ends(place: Place) -> None:
    tenant = place.tenant()
    with pytest.raises(NoActiveCertificate):
        place.keys.signer(tenant, now=NOW)
    old = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    with pytest.raises(NoActiveCertificate):
        place.keys.signer(tenant, now=NOW)
    place.certificates.activate(tenant, old, now=NOW)
    new = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    assert place.keys.signer(tenant, now=NOW).kid == old
    place.certificates.activate(tenant, new, now=NOW)
    assert place.keys.signer(tenant, now=NOW).kid == new
    assert place.keys.accepted_kids(tenant, SIGN) == {old, new}
    with pytest.raises(OverlapNotOver):
        place.certificates.retire(tenant, old, now=NOW + OVERLAP - timedelta(seconds=1))
    place.network.needed[old] = 3
    with pytest.raises(CertificateInUse) as refused:
        place.certificates.retire(tenant, old, now=NOW + OVERLAP)
    with language("ja"):
        assert "3件" in refused.value.told()
    place.network.needed.clear()
    place.certificates.retire(tenant, old, now=NOW + OVERLAP)
    assert place.keys.accepted_kids(tenant, SIGN) == {new}
    events = place.ask_of(tenant, "select state from {}.org_key_event order by id")
    assert [state for (state,) in events] == ["pending", "active", "pending", "retiring", "active", "retired"]


def test_what_is_signed_is_verified_by_the_certificate_that_was_issued(place: Place) -> None:
    tenant = place.tenant()
    kid = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    place.certificates.activate(tenant, kid, now=NOW)
    stored = next(key for key in place.keys.list(tenant) if key.kid == kid)
    assert stored.certificate is not None
    public = public_key_of(stored.certificate)
    token = place.keys.signer(tenant, now=NOW).sign(b"<a/>", type=KIND, now=NOW, headers={"seq": 1})
    found = verify(token, lambda one: public if one == kid else None, types={KIND}, window=Window(NOW))
    assert found.payload == b"<a/>"


def test_what_was_encrypted_to_the_old_key_is_opened_until_it_retires(place: Place) -> None:
    tenant = place.tenant()
    kids = []
    for _ in range(2):
        kid = place.certificates.request(tenant, INSTITUTION, ENCRYPT, now=NOW)
        stored = next(key for key in place.keys.list(tenant) if key.kid == kid)
        assert stored.certificate is not None
        token = encrypt(b"signed", kid=kid, key=public_key_of(stored.certificate))
        assert place.keys.openers(tenant).open(token) == b"signed"
        kids.append((kid, token))
        place.certificates.activate(tenant, kid, now=NOW)
    (old, before), (_new, after) = kids
    assert place.keys.openers(tenant).open(before) == b"signed"
    place.certificates.retire(tenant, old, now=NOW + OVERLAP)
    with pytest.raises(KeyUnknown):
        place.keys.openers(tenant).open(before)
    assert place.keys.openers(tenant).open(after) == b"signed"


def test_a_lost_answer_is_asked_for_again_with_the_same_key(place: Place) -> None:
    tenant = place.tenant()
    place.network.lost_answers = 1
    with pytest.raises(ConnectionError):
        place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    waiting = place.keys.list(tenant)
    assert [(key.state, key.kid) for key in waiting] == [(KeyState.PENDING, None)]
    kid = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    assert [(key.id, key.kid) for key in place.keys.list(tenant)] == [(waiting[0].id, kid)]
    with pytest.raises(CertificatePending):
        place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    assert place.certificates.request(tenant, INSTITUTION, ENCRYPT, now=NOW) != kid


def test_an_ended_certificate_signs_nothing(place: Place) -> None:
    tenant = place.tenant()
    kid = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    over = NOW.replace(year=2031)
    with pytest.raises(CertificateStateWrong):
        place.certificates.activate(tenant, kid, now=over)
    place.certificates.activate(tenant, kid, now=NOW)
    assert place.keys.signer(tenant, now=over - timedelta(seconds=1)).kid == kid
    with pytest.raises(NoActiveCertificate):
        place.keys.signer(tenant, now=over)


def test_a_revoked_key_is_out_of_use_at_once(place: Place) -> None:
    tenant = place.tenant()
    kid = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    place.certificates.activate(tenant, kid, now=NOW)
    place.network.needed[kid] = 5
    for _ in range(2):
        place.certificates.revoke(tenant, kid, reason="鍵の漏えい", now=NOW)
    assert place.network.revoked == [(kid, "鍵の漏えい")] * 2
    with pytest.raises(NoActiveCertificate):
        place.keys.signer(tenant, now=NOW)
    for act in (place.certificates.activate, place.certificates.retire):
        with pytest.raises(CertificateStateWrong):
            act(tenant, kid, now=NOW)
    assert place.keys.accepted_kids(tenant, SIGN) == frozenset()


def test_a_certificate_that_is_not_there_is_said_so(place: Place) -> None:
    tenant = place.tenant()
    for act in (place.certificates.activate, place.certificates.retire):
        with pytest.raises(CertificateUnknown):
            act(tenant, "0" * 32, now=NOW)
    with pytest.raises(CertificateUnknown):
        place.certificates.revoke(tenant, "0" * 32, reason="x", now=NOW)


def test_the_private_key_is_sealed_and_the_console_sees_no_key(place: Place) -> None:
    tenant = place.tenant()
    kid = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    curve = "2a8648ce3d030107"
    sealed = place.ask_of(tenant, "select position('2a8648ce3d030107' in encode(private_key, 'hex')) from {}.org_key")
    assert sealed == [(0,)]
    assert curve in private_bytes(new_key()).hex()
    seen = place.ask("select tenant, kid, use, state, not_after from platform.certificate_projection")
    assert seen == [(tenant, kid, "sign", "pending", NOW.replace(year=2031))]
    place.certificates.activate(tenant, kid, now=NOW)
    assert place.ask("select state from platform.certificate_projection") == [("active",)]


def test_every_act_stands_in_the_organisations_own_chain(place: Place) -> None:
    tenant = place.tenant()
    kid = place.certificates.request(tenant, INSTITUTION, SIGN, now=NOW)
    with pytest.raises(CertificateStateWrong):
        place.certificates.retire(tenant, kid, now=NOW)
    place.certificates.activate(tenant, kid, now=NOW)
    told = place.ask(
        "select body::jsonb ->> 'action', body::jsonb ->> 'outcome' from platform.audit_entry"
        " where chain = %s and body::jsonb ->> 'action' like 'certificates:%%' order by seq",
        tenant,
    )
    prefix = "certificates:certificate"
    assert told == [
        (f"{prefix}:request", "done"),
        (f"{prefix}:issue", "done"),
        (f"{prefix}:retire", "refused"),
        (f"{prefix}:activate", "done"),
    ]


def test_the_tables_need_no_others_for_what_is_too_large(place: Place) -> None:
    tenant = place.tenant()
    rows = place.ask_of(
        tenant,
        "select relname from pg_class where relnamespace = '{}'::regnamespace and reltoastrelid <> 0"
        " and starts_with(relname, 'org_key')",
    )
    assert rows == []
