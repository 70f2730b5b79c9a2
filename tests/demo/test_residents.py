"""Who lives in the demonstration, the files about them, and what is asked for: right, or wrong on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

from chukan.demo.contents import shipped_contents
from chukan.demo.open_gate import OpenGate
from chukan.demo.residents import File, moved_in, residents, right_file, wrong_files
from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.duplicate_copies.files import opened
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, Reason
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from chukan.tenants.middleserver.formats.codes import InformationCode
from chukan.tenants.middleserver.formats.individual_number import stands_in
from chukan.tenants.middleserver.gate import Closed, Gate
from chukan.tenants.middleserver.gate import Reason as GateReason
from chukan.tenants.middleserver.security.masters.rules import Catalogue
from chukan.tenants.middleserver.security.masters.standard import Standard

TODAY = date(2026, 11, 22)
CODE, REGION = "373648", "364"
PEOPLE = residents(1, 40)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    standard = Standard(Path(str(files("chukan") / "config" / "masters")))
    return standard.catalogue(standard.heads()[-1].sequence)


def faults(catalogue: Catalogue, file: File) -> list[list[Reason]]:
    """Return the reasons for which each record of *file* would be refused."""
    information = InformationCode(file.information)
    layouts = catalogue.layouts(information)
    read = opened(file.form, lambda offset: blocks(file.content[offset:]),
                  Terms(information, file.dataset, layouts, frozenset({REGION}), TODAY))  # fmt: skip
    found: list[list[Reason]] = []
    for batch in read.batches(None, None):
        for raw in batch.rows:
            record = read.record(raw, place=len(found) + 1, line=len(found) + 2)
            found.append([fault.reason for fault in read.check(record)])
    return found


def blocks(content: bytes) -> Iterator[bytes]:
    yield content


@pytest.mark.parametrize("form", list(FileForm))
def test_every_resident_stands_rightly_in_the_right_file(catalogue: Catalogue, form: FileForm) -> None:
    file = right_file(catalogue, CODE, PEOPLE, form, TODAY)
    assert faults(catalogue, file) == [[]] * len(PEOPLE)
    assert file.records == len(PEOPLE)
    assert file == right_file(catalogue, CODE, PEOPLE, form, TODAY), "the same in every run"


def test_every_mistake_stands_behind_right_records_and_is_found(catalogue: Catalogue) -> None:
    made = wrong_files(catalogue, CODE, PEOPLE, TODAY)
    found = [[reasons for reasons in faults(catalogue, file) if reasons] for file in made]
    assert found == [
        [[Reason.REQUIRED], [Reason.ITEM_VERSION]],
        [[Reason.CHARACTERS], [Reason.CHECK_DIGIT], [Reason.LENGTH], [Reason.INDIVIDUAL_NUMBER]],
        [[Reason.OCCURRENCES], [Reason.LENGTH]],
        [],
    ]
    *_others, left_out = made
    assert (left_out.records, len(faults(catalogue, left_out))) == (40, 36)
    assert len({file.name for file in made}) == len(made)


def test_what_could_be_an_individual_number_stands_in_one_file_alone(catalogue: Catalogue) -> None:
    made = [right_file(catalogue, CODE, PEOPLE, form, TODAY) for form in FileForm]
    holding = [
        file for file in (*made, *wrong_files(catalogue, CODE, PEOPLE, TODAY)) if stands_in(file.content.decode())
    ]
    assert [file.information for file in holding] == ["TM00000000000031"]


def test_the_last_resident_is_unknown_to_the_register_network() -> None:
    assert [person.record_code is None for person in PEOPLE] == [False] * 39 + [True]
    assert {person.number for person in PEOPLE} & {person.number for person in residents(41, 40)} == set()


def test_who_moved_in_is_the_same_person_at_another_address() -> None:
    people = moved_in(residents(41, 40), PEOPLE, 3)
    assert [person.record_code for person in people[:3]] == [person.record_code for person in PEOPLE[:3]]
    assert [person.address for person in people] == [person.address for person in residents(41, 40)]
    assert people[3:] == residents(41, 40)[3:]


def test_what_is_asked_for_is_permitted_but_for_what_is_to_be_refused(catalogue: Catalogue) -> None:
    wanted, (provider, inquirer) = shipped_contents().inquiries, shipped_contents().copies.municipalities
    codes = {
        "inquirer": catalogue.organisation(inquirer.code).institution_code,
        "provider": catalogue.organisation(provider.code).institution_code,
    }
    asked = (wanted.answered, wanted.missing, wanted.refused)
    assert [catalogue.permits(**codes, **each.model_dump()) for each in asked] == [True, True, False]
    assert wanted.listed + 2 <= wanted.moved, "whoever is asked for lived in the other municipality before"


@pytest.mark.parametrize("reason", [*GateReason, None])
def test_the_gate_of_the_demonstration_is_closed_to_who_is_not_served_alone(
    reason: GateReason | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = None if reason is None else Closed(reason, None)
    monkeypatch.setattr(Gate, "closed", lambda *_asked: closed)
    gate = OpenGate(create_engine("postgresql+psycopg://"))
    tenant, now = TenantId(uuid4()), datetime(2026, 11, 22, tzinfo=UTC)
    refusing = {GateReason.SUSPENDED, GateReason.CLOSING, GateReason.NOT_SERVED}
    assert gate.closed(tenant, Service.SYSTEM, now) == (closed if reason in refusing else None)
    assert gate.closes_at(tenant, Service.SYSTEM, now) is None
