"""Certificates, rates, test persons and headers, without a database."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.errors import ChukanError
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.answers import Reply
from chukan.tenants.middleserver.connections.data import rates_of, shipped_rates, shipped_test_persons
from chukan.tenants.middleserver.connections.rules import (
    Allowed,
    Rate,
    RateKind,
    System,
    checksum_of,
    fingerprint_of,
    idempotency_key,
    metadata_of,
    offset_of,
    rate_on,
)
from chukan.tenants.middleserver.formats.messages import MessageMode

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
REVOKED = datetime(2026, 6, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)


def system(*, revoked_at: datetime | None = None) -> System:
    return System(
        UUID(int=1), "0" * 64, TenantId(UUID(int=2)), "3595115400", "A000000001", frozenset({Allowed.UPLOADS}),
        START, END, START, revoked_at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "revoked_at", "refused"),
    [
        (START - MICRO, None, errors.CertificateExpired),
        (START, None, None),
        (END - MICRO, None, None),
        (END, None, errors.CertificateExpired),
        (REVOKED - MICRO, REVOKED, None),
        (REVOKED, REVOKED, errors.CertificateRevoked),
        (END, REVOKED, errors.CertificateRevoked),
    ],
)
def test_a_certificate_holds_from_its_first_instant_to_before_its_last(
    now: datetime, revoked_at: datetime | None, refused: type[ChukanError] | None
) -> None:
    found = system(revoked_at=revoked_at)
    if refused is None:
        found.require_valid(now)
    else:
        with pytest.raises(refused):
            found.require_valid(now)


def test_a_system_does_only_what_it_was_registered_for() -> None:
    system().require_allowed(Allowed.UPLOADS)
    with pytest.raises(errors.NotAllowed):
        system().require_allowed(Allowed.LINKAGE_CODES)


def test_a_message_names_the_department_and_system_of_the_certificate() -> None:
    system().require_sender(department="3595115400", system_id="A000000001")
    with pytest.raises(errors.SenderMismatch, match="RequestSourceUnitCode"):
        system().require_sender(department="9", system_id="A000000001")
    with pytest.raises(errors.SenderMismatch, match="SourceSystemID"):
        system().require_sender(department="3595115400", system_id="A000000002")


def test_a_fingerprint_is_taken_as_openssl_prints_it() -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    pairs = ":".join(digest[place : place + 2] for place in range(0, 64, 2)).upper()
    assert fingerprint_of(pairs) == digest
    for wrong in ("", digest[:-1], digest + "0", "g" * 64):
        with pytest.raises(errors.FingerprintMalformed):
            fingerprint_of(wrong)


def test_the_newest_rate_that_has_begun_holds() -> None:
    old, new = (
        Rate(RateKind.MESSAGES, count, timedelta(minutes=1), day)
        for count, day in ((10, date(2026, 1, 1)), (20, date(2026, 7, 1)))
    )
    assert rate_on([new, old], RateKind.MESSAGES, date(2026, 6, 30)) is old
    assert rate_on([old, new], RateKind.MESSAGES, date(2026, 7, 1)) is new
    with pytest.raises(errors.RateUnknown):
        rate_on([old, new], RateKind.MESSAGES, date(2025, 12, 31))
    with pytest.raises(errors.RateUnknown):
        rate_on([old], RateKind.PIECES, date(2026, 7, 1))


def test_the_shipped_rates_know_every_kind_from_the_first_day_on() -> None:
    for kind in RateKind:
        assert rate_on(shipped_rates(), kind, date(2019, 1, 1)).requests > 0


@pytest.mark.parametrize("change", [{"requests": 0}, {"seconds": 0}, {"kind": "others"}, {"surprise": 1}])
def test_rates_that_are_wrong_are_refused(change: dict[str, object]) -> None:
    row = {"requests": 1, "seconds": 1, "valid_from": date(2026, 1, 1)}
    rows = [{**row, "kind": kind.value} for kind in RateKind]
    assert len(rates_of({"rates": rows})) == len(RateKind)
    with pytest.raises(errors.ConnectionDataMalformed):
        rates_of({"rates": [{**rows[0], **change}, *rows[1:]]})


def test_test_mode_takes_test_persons_alone_and_production_none_of_them() -> None:
    persons = shipped_test_persons()
    test, other = persons.first, f"{int(persons.first) - 1:015d}"
    persons.require(MessageMode.TEST, [test, persons.last])
    persons.require(MessageMode.PRODUCTION, [other])
    for mode, people in ((MessageMode.TEST, [test, other]), (MessageMode.PRODUCTION, [other, persons.last])):
        with pytest.raises(errors.TestPersonsOnly):
            persons.require(mode, people)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True), st.text(), min_size=1))
def test_metadata_say_what_was_written(told: dict[str, str]) -> None:
    written = ", ".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
    assert metadata_of(written) == told


@given(st.text())
def test_headers_of_any_kind_are_read_or_refused_as_malformed(written: str) -> None:
    for read in (metadata_of, offset_of, checksum_of, idempotency_key):
        with suppress(errors.HeaderMalformed):
            # Anything but the refusal fails the test.
            assert read(written) is not None


@pytest.mark.parametrize("wrong", ["", "sha256", "sha1 " + "A" * 44, "sha256 AAAA", "sha256 !"])
def test_a_checksum_is_a_whole_sha256(wrong: str) -> None:
    digest = hashlib.sha256(b"piece").digest()
    assert checksum_of("sha256 " + base64.b64encode(digest).decode()) == digest.hex()
    with pytest.raises(errors.HeaderMalformed):
        checksum_of(wrong)


@given(st.integers(200, 599), st.text(), st.binary())
def test_a_stored_reply_is_the_reply(status: int, kind: str, body: bytes) -> None:
    assert Reply.unpacked(Reply(status, kind, body).packed()) == Reply(status, kind, body)
