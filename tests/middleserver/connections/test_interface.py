"""The interface documents say what the gateway does; the declared tables are the migrated ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chukan.platform.errors import ChukanError, error_types
from chukan.tenants.middleserver import gate
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.data import shipped_rates, shipped_test_persons
from chukan.tenants.middleserver.connections.intake import CODES, REGISTRATION
from chukan.tenants.middleserver.connections.problem import status_of
from chukan.tenants.middleserver.connections.tables import ConnectedSystem, RequestRate, StoredAnswer
from chukan.tenants.middleserver.duplicate_copies import errors as copies
from chukan.tenants.middleserver.formats import errors as formats
from chukan.tenants.middleserver.formats.messages import parse
from chukan.tenants.middleserver.inquiries import errors as inquiries
from chukan.tenants.middleserver.provisions import errors as provisions
from chukan.tenants.middleserver.transmission.errors import StoppedByOperators
from support.gateway import Caller, Entrance, registration

ROOT = Path(__file__).parents[3]
INTERFACES = ROOT / "docs/interfaces"
DOCUMENT = (INTERFACES / "connections.md").read_text("utf-8")
ROW = re.compile(r"^\| ([0-9]{3}) \| (.*?) \|", re.MULTILINE)
#: What only operators and installations meet.
INSIDE = {
    errors.RateUnknown, errors.ConnectionDataMalformed, errors.FingerprintMalformed, errors.CertificateUnusable,
    errors.SystemKnown, errors.SystemUnknown, errors.SystemRevokedAlready, errors.GatewayFilesMissing,
    copies.UploadTakenOver, copies.DeletionTooEarly, copies.CopiesStillLinked, copies.DeletionNotConfirmed,
    copies.DeletionIncomplete, formats.SchemaUnknown, formats.IndividualNumberSuspected,
    inquiries.InquiryDataMalformed, provisions.ScopeWrong,
}  # fmt: skip
#: Which document tells of the errors of which modules.
TOLD_IN = {
    "connections.md": (errors, copies, formats, gate),
    "inquiries.md": (inquiries, provisions),
}


def told(document: str) -> dict[str, int]:
    """Return the status that the document gives each code."""
    rows = ROW.findall((INTERFACES / document).read_text("utf-8"))
    return {code: int(status) for status, codes in rows for code in re.findall(r"`([a-z_.]+)`", codes)}


def outside() -> list[tuple[str, type[ChukanError]]]:
    return [
        (document, error)
        for document, modules in TOLD_IN.items()
        for error in error_types()
        if (error.__module__ in {module.__name__ for module in modules} and error not in INSIDE)
        or error is StoppedByOperators
    ]


@pytest.mark.parametrize(("document", "error"), outside(), ids=lambda each: getattr(each, "code", each))
def test_every_code_stands_in_the_document_with_its_status(document: str, error: type[ChukanError]) -> None:
    assert told(document).get(error.code) == status_of(error.__new__(error))


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
