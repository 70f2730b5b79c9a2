"""The interface document says what the gateway does; the declared tables are the migrated ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chukan.platform.errors import ChukanError, error_types
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.data import shipped_rates, shipped_test_persons
from chukan.tenants.middleserver.connections.intake import CODES, REGISTRATION
from chukan.tenants.middleserver.connections.problem import status_of
from chukan.tenants.middleserver.connections.tables import ConnectedSystem, RequestRate, StoredAnswer
from chukan.tenants.middleserver.duplicate_copies import errors as copies
from chukan.tenants.middleserver.formats import errors as formats
from chukan.tenants.middleserver.formats.messages import parse
from support.gateway import Caller, Entrance, registration

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/interfaces/connections.md").read_text("utf-8")
ROW = re.compile(r"^\| ([0-9]{3}) \| (.*?) \|", re.MULTILINE)
#: What only operators and installations meet.
INSIDE = {
    errors.RateUnknown, errors.ConnectionDataMalformed, errors.FingerprintMalformed, errors.CertificateUnusable,
    errors.SystemKnown, errors.SystemUnknown, errors.SystemRevokedAlready, errors.GatewayFilesMissing,
    copies.UploadTakenOver, copies.DeletionTooEarly, copies.CopiesStillLinked, copies.DeletionNotConfirmed,
    copies.DeletionIncomplete, formats.SchemaUnknown, formats.IndividualNumberSuspected,
}  # fmt: skip
MODULES = {errors.__name__, copies.__name__, formats.__name__, "chukan.tenants.middleserver.gate"}


def told() -> dict[str, int]:
    """Return the status that the document gives each code."""
    return {code: int(status) for status, codes in ROW.findall(DOCUMENT) for code in re.findall(r"`([a-z_.]+)`", codes)}


def outside() -> list[type[ChukanError]]:
    return [each for each in error_types() if each.__module__ in MODULES and each not in INSIDE]


@pytest.mark.parametrize("error", outside(), ids=lambda error: error.code)
def test_every_code_stands_in_the_document_with_its_status(error: type[ChukanError]) -> None:
    made = error.__new__(error)
    assert told().get(error.code) == status_of(made)


def test_the_document_names_the_rates_and_test_persons_that_ship() -> None:
    persons = shipped_test_persons()
    assert f"{persons.first} to {persons.last}" in DOCUMENT
    messages, pieces, others = (rate.requests for rate in shipped_rates())
    assert f"{messages} messages, {pieces} pieces and {others} other requests a minute" in DOCUMENT


def test_the_worked_example_and_the_sample_follow_their_schemas() -> None:
    found = re.search(r"<CodeRequest>.*?</CodeRequest>", DOCUMENT, re.DOTALL)
    assert found is not None
    assert parse(found[0].encode(), {CODES}).value("IntegratedAddressNumber") == "000000000000001"
    sample = (ROOT / "docs/interfaces/samples/IF_DBM_20113_R01.xml").read_bytes()
    assert parse(sample, {REGISTRATION}).header.source == "A000000001"


@pytest.mark.parametrize("person", ["1" * 14, "1" * 16, "abc"])
def test_a_number_of_another_form_is_refused_by_the_schema(caller: Caller, person: str) -> None:
    found = re.search(r"<CodeRequest>.*?</CodeRequest>", DOCUMENT, re.DOTALL)
    assert found is not None
    body = found[0].replace("000000000000001", person).encode()
    refused = caller.message(CODES, body)
    assert refused.status_code == 400
    assert person not in refused.data.decode()


def test_a_doctype_is_refused_before_anything_is_read_of_it(caller: Caller) -> None:
    body = b'<!DOCTYPE x [<!ENTITY a "a">]>' + registration("/uploads/x")
    assert b"formats.document_forbidden" in caller.message(REGISTRATION, body).data


def test_the_declared_tables_are_the_migrated_ones(entrance: Entrance, caller: Caller) -> None:
    with entrance.safe.database.superuser() as superuser:
        row = superuser.execute("select schema from platform.tenant where id = %s", (caller.tenant,)).fetchone()
        assert row is not None
        for table, schema in ((ConnectedSystem, "platform"), (RequestRate, "platform"), (StoredAnswer, row[0])):
            found = superuser.execute(
                "select column_name, is_nullable = 'YES' from information_schema.columns"
                " where table_schema = %s and table_name = %s",
                (schema, table.__tablename__),
            ).fetchall()
            assert dict(found) == {column.name: bool(column.nullable) for column in table.__table__.columns}
