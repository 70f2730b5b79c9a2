"""Messages are written and read by their schemas, header and all."""

from __future__ import annotations

from uuid import UUID

import pytest

from chukan.platform.messages import language
from chukan.tenants.middleserver.formats.codes import system_id
from chukan.tenants.middleserver.formats.errors import MessageRefused, MessageUnexpected, SchemaUnknown
from chukan.tenants.middleserver.formats.messages import (
    Element,
    MessageHeader,
    MessageMode,
    add,
    new_message,
    parse,
    render,
)

TYPE = "IF_FGU_X0001_R01"
HEADER = MessageHeader(
    UUID(int=7), TYPE, MessageMode.TEST, system_id("P000000001"), system_id("N000000001"), reception_number="42"
)


def a_request(header: MessageHeader = HEADER, *serials: str) -> Element:
    root = new_message("CodeAcquisitionRequest", header)
    add(root, "InstitutionCode", "0220113112101700")
    for serial in serials or ("A-1",):
        entry = add(root, "Entry")
        add(entry, "ProcessingSerial", serial)
        add(entry, "RequestedAt", "2026-07-01T12:00:00+09:00")
    return root


def test_a_message_comes_back_as_it_was_written() -> None:
    message = parse(render(a_request()), {TYPE})
    assert message.header == HEADER
    assert message.value("Entry/ProcessingSerial") == "A-1"
    assert message.value("Entry/Nothing") == ""


def test_the_header_stands_in_the_published_order() -> None:
    names = ["MSGID", "MSGTypeID", "MSGMode", "SourceSystemID", "DestinationSystemID", "ReceptionNumber"]
    assert list(HEADER.elements()) == names


def test_another_type_is_not_accepted_and_odd_names_are_not_repeated() -> None:
    with pytest.raises(MessageUnexpected, match=TYPE):
        parse(render(a_request()), {"IF_SCM_X0001_S01"})
    for document in (b"<a/>", b"<a><MessageHeader><MSGTypeID>../../etc</MSGTypeID></MessageHeader></a>"):
        with pytest.raises(MessageUnexpected, match=r"type \? is"):
            parse(document, {TYPE})


def test_every_fault_of_a_message_is_told_with_its_place() -> None:
    document = render(a_request()).replace(b"0220113112101700", b"personal").replace(b"<MSGMode>1", b"<MSGMode>9")
    with pytest.raises(MessageRefused) as refused, language("ja"):
        parse(document, {TYPE})
    told = refused.value.as_json()["faults"]
    assert isinstance(told, list)
    assert [each["element"].rsplit("/", 1)[1] for each in told] == ["MSGMode", "InstitutionCode"]
    assert "personal" not in f"{told}{refused.value}"


def test_a_serial_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(MessageRefused) as refused, language("ja"):
        render(a_request(HEADER, "A-1", "A-1"))
    assert "一意" in refused.value.faults[0].reason


def test_what_we_write_is_judged_like_what_we_read() -> None:
    root = a_request()
    add(root, "Surplus")
    with pytest.raises(MessageRefused):
        render(root)


def test_a_message_without_a_schema_is_never_written() -> None:
    header = MessageHeader(UUID(int=7), "IF_ZZZ_X0001_R01", MessageMode.TEST, HEADER.source, HEADER.destination)
    with pytest.raises(SchemaUnknown):
        render(a_request(header))
