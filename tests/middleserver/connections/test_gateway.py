"""The gateway's addresses over a real database: who comes in, and what is done once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lxml import etree
from sqlalchemy import Connection, Engine, event
from werkzeug.test import TestResponse

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.connections import errors
from chukan.tenants.middleserver.connections.data import shipped_rates
from chukan.tenants.middleserver.connections.desk import opened
from chukan.tenants.middleserver.connections.retention import sweep
from chukan.tenants.middleserver.connections.rules import Allowed, RateKind, rate_on
from chukan.tenants.middleserver.connections.web_views import make_gateway
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.transmission.ports import Features
from support.copies import Row, csv_file, organisation, right_row, xml_file
from support.gateway import (
    DEPARTMENT,
    NOW,
    Authority,
    Caller,
    Entrance,
    announcement,
    code_request,
    file_of,
    nothing_excluded,
    registration,
)


def error_of(response: TestResponse) -> str:
    if "xml" in response.content_type:
        return etree.fromstring(response.data).findtext("Error") or ""
    return str(json.loads(response.data)["error"])


def test_a_file_is_announced_sent_in_pieces_and_registered_for_the_night(caller: Caller) -> None:
    content = file_of(40)
    announced = caller.announce(content, 40)
    assert (announced.status_code, announced.headers["Upload-Offset"]) == (201, "0")
    upload = announced.headers["Location"]
    half = len(content) // 2
    sent = caller.send(upload, content[:half])
    assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, str(half))
    head = caller.ask("HEAD", upload)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (str(half), str(len(content)))
    assert caller.send(upload, content[half:], half).status_code == 204
    answer = caller.register(upload)
    assert answer.status_code == 200
    root = etree.fromstring(answer.data)
    assert root.findtext("MessageHeader/MSGTypeID") == "IF_DBM_X0011_S01"
    assert (root.findtext("State"), root.findtext("Records")) == ("received", "40")
    told: dict[str, Any] = json.loads(caller.ask("GET", upload).data)
    assert (told["state"], told["expected"], told["dataset"]) == ("received", 40, "0101")


def test_the_same_file_announced_again_is_given_its_upload(caller: Caller) -> None:
    content = file_of(3)
    first, second = caller.announce(content, 3), caller.announce(content, 3)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["Location"] == second.headers["Location"]


def test_a_piece_out_of_place_is_told_the_right_offset(caller: Caller) -> None:
    content = file_of(10)
    upload = caller.announce(content, 10).headers["Location"]
    assert caller.send(upload, content[:100]).status_code == 204
    wrong = caller.send(upload, content[200:], 200)
    assert (wrong.status_code, wrong.headers["Upload-Offset"]) == (409, "100")
    assert error_of(wrong) == "duplicate_copies.piece_out_of_place"
    assert caller.send(upload, content[:100]).status_code == 204


def test_a_damaged_piece_is_refused_and_nothing_of_it_kept(caller: Caller) -> None:
    content = file_of(10)
    upload = caller.announce(content, 10).headers["Location"]
    headers = announcement(content, 10) | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    damaged = caller.ask(
        "PATCH", upload, body=content[:50], headers={**headers, "Upload-Checksum": "sha256 " + "A" * 43 + "="}
    )
    assert damaged.status_code == 460
    assert caller.ask("HEAD", upload).headers["Upload-Offset"] == "0"


def test_a_piece_over_eight_mib_is_refused(caller: Caller) -> None:
    content = b"x" * ((8 << 20) + 70_000)
    upload = caller.announce(content, 3).headers["Location"]
    assert caller.send(upload, content[: (8 << 20) + 1]).status_code == 413
    assert caller.send(upload, content).status_code == 413


def test_two_organisations_and_two_departments_see_nothing_of_one_another(entrance: Entrance, caller: Caller) -> None:
    content = file_of(5)
    upload = caller.uploaded(content, 5)
    stranger, board = entrance.caller(), entrance.caller(caller.tenant, department="9900000000")
    for other in (stranger, board):
        assert other.ask("HEAD", upload).status_code == 404
        for method, path in (("GET", upload), ("DELETE", upload), ("GET", f"{upload}/errors")):
            assert error_of(other.ask(method, path)) == "duplicate_copies.upload_unknown"
        assert other.send(upload, content).status_code == 404
    assert stranger.register(upload).status_code == 404
    assert board.register(upload, unit="9900000000").status_code == 404
    assert json.loads(caller.ask("GET", upload).data)["state"] == "receiving"


def test_a_caller_without_a_registered_certificate_is_refused_and_recorded(entrance: Entrance) -> None:
    card = Authority("Clients").issue("unknown")
    before = entrance.refusals("connections.certificate_unknown")
    client = entrance.app.test_client()
    refused = client.get("/uploads/x", headers=card.headers())
    assert (refused.status_code, error_of(refused)) == (401, "connections.certificate_unknown")
    assert "登録されていません" in json.loads(refused.data)["message"]
    assert entrance.refusals("connections.certificate_unknown") == before + 1
    assert client.post("/uploads").status_code == 401


def test_a_fingerprint_that_is_not_the_certificates_is_refused(caller: Caller) -> None:
    forged = caller.ask("OPTIONS", "/uploads", headers={"X-Client-Fingerprint": "0" * 64})
    assert (forged.status_code, error_of(forged)) == (401, "connections.certificate_missing")


def test_a_server_that_ended_all_sessions_costs_no_request(entrance: Entrance, caller: Caller) -> None:
    """As a restart does: the next requests find nothing but connections that are gone."""
    for _ in range(2):
        assert caller.ask("OPTIONS", "/uploads").status_code == 204
    login = entrance.safe.database.names.process(ProcessKind.GATEWAY)
    with entrance.safe.database.superuser() as superuser:
        ended = superuser.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where usename = %s and datname = current_database()",
            (login,),
        ).fetchall()
    assert ended
    assert [caller.ask("OPTIONS", "/uploads").status_code for _ in range(5)] == [204] * 5


def test_who_calls_the_gate_and_the_rate_are_four_statements_and_no_transaction(caller: Caller) -> None:
    assert caller.ask("OPTIONS", "/uploads").status_code == 204
    seen: list[tuple[str, bool]] = []

    def note(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        seen.append((statement, driver(connection).autocommit))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert caller.ask("OPTIONS", "/uploads").status_code == 204
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(seen) == 4, seen
    assert all(is_alone for _, is_alone in seen)


def test_a_revoked_certificate_is_refused_from_the_same_moment_on(entrance: Entrance, caller: Caller) -> None:
    assert caller.ask("OPTIONS", "/uploads").status_code == 204
    entrance.systems.revoke(caller.card.fingerprint, reason="lost", now=entrance.clock.now())
    assert error_of(caller.ask("OPTIONS", "/uploads")) == "connections.certificate_revoked"
    with pytest.raises(errors.SystemRevokedAlready):
        entrance.systems.revoke(caller.card.fingerprint, reason="lost", now=entrance.clock.now())
    with pytest.raises(errors.SystemKnown):
        entrance.caller(caller.tenant, card=caller.card)


def test_an_expired_certificate_is_refused(entrance: Entrance) -> None:
    short = entrance.caller(card=entrance.authority.issue("short", days=2))
    entrance.at(NOW + timedelta(days=2) - timedelta(seconds=1))
    assert short.ask("OPTIONS", "/uploads").status_code == 204
    entrance.at(NOW + timedelta(days=2))
    assert error_of(short.ask("OPTIONS", "/uploads")) == "connections.certificate_expired"


@pytest.mark.parametrize(
    ("change", "field"), [({"unit": "1"}, "RequestSourceUnitCode"), ({"source": "A000000002"}, "SourceSystemID")]
)
def test_a_header_that_names_another_sender_is_refused_and_recorded(
    entrance: Entrance, caller: Caller, change: dict[str, str], field: str
) -> None:
    upload = caller.uploaded(file_of(2), 2)
    before = entrance.refusals("connections.sender_mismatch")
    refused = caller.register(upload, **change)
    assert (refused.status_code, error_of(refused)) == (403, "connections.sender_mismatch")
    assert etree.fromstring(refused.data).findtext("Field") == field
    assert entrance.refusals("connections.sender_mismatch") == before + 1


def test_what_a_system_was_not_registered_for_is_refused(entrance: Entrance) -> None:
    reader = entrance.caller(allowed=frozenset({Allowed.MANAGEMENT_INFORMATION}))
    assert error_of(reader.announce(file_of(1), 1)) == "connections.not_allowed"
    listed = reader.ask("GET", "/management-information")
    assert listed.status_code == 200
    assert listed.content_type.startswith("text/csv")
    sender = entrance.caller(allowed=frozenset({Allowed.UPLOADS}))
    assert error_of(sender.ask("GET", "/management-information")) == "connections.not_allowed"


def test_the_gate_stands_before_everything(entrance: Entrance, caller: Caller) -> None:
    entrance.at(NOW + timedelta(hours=11))  # 23:00 in Tokyo
    closed = caller.announce(file_of(1), 1)
    assert closed.status_code == 503
    told = json.loads(closed.data)
    assert (told["error"], told["reason"]) == ("gate.service_closed", "data_stop")
    assert told["next_opening"] == "2026-07-02T08:00:00+09:00"
    assert closed.headers["Retry-After"] == "Wed, 01 Jul 2026 23:00:00 GMT"


def test_the_same_message_is_answered_from_what_is_stored(caller: Caller) -> None:
    upload = caller.uploaded(file_of(4), 4)
    body = registration(upload)
    first, second = (caller.message("IF_DBM_20113_R01", body) for _ in range(2))
    assert first.status_code == second.status_code == 200
    # MSGID of the answer is random: only a stored answer is the same.
    assert first.data == second.data


def test_the_same_key_with_another_message_is_refused(caller: Caller) -> None:
    upload, key = caller.uploaded(file_of(4), 4), "key-1"
    assert caller.message("IF_DBM_20113_R01", registration(upload), Idempotency_Key=key).status_code == 200
    reused = caller.message("IF_DBM_20113_R01", registration(upload), Idempotency_Key=key)
    assert (reused.status_code, error_of(reused)) == (409, "connections.key_reused")
    malformed = caller.message("IF_DBM_20113_R01", registration(upload), Idempotency_Key="a b")
    assert (malformed.status_code, error_of(malformed)) == (400, "connections.header_malformed")


def test_a_refused_message_may_be_sent_again_once_its_reason_is_gone(caller: Caller) -> None:
    content = file_of(6)
    upload = caller.announce(content, 6).headers["Location"]
    body = registration(upload)
    assert error_of(caller.message("IF_DBM_20113_R01", body)) == "duplicate_copies.upload_incomplete"
    assert caller.send(upload, content).status_code == 204
    assert caller.message("IF_DBM_20113_R01", body).status_code == 200


def test_a_message_against_its_schema_is_told_line_element_and_reason_in_japanese(caller: Caller) -> None:
    upload = caller.uploaded(file_of(1), 1)
    body = registration(upload).replace(b"<RequestSourceUserID>user01</RequestSourceUserID>", b"\n")
    refused = caller.message("IF_DBM_20113_R01", body)
    root = etree.fromstring(refused.data)
    assert (refused.status_code, root.findtext("Error")) == (400, "formats.message_refused")
    fault = root.find("Fault")
    assert fault is not None
    assert fault.get("line") == "2"
    assert root.findtext("Hint")
    assert root.findtext("Reference")
    assert refused.content_type.startswith("application/problem+xml")


@pytest.mark.parametrize(
    ("asked", "kind", "status", "code"),
    [
        ("POST /if/IF_DBM_99999_R01", "application/xml", 404, "connections.address_unknown"),
        ("POST /if/IF_DBM_20113_R01", "text/plain", 415, "connections.content_type_wrong"),
        ("POST /if/IF_DBM_20113_R01", "application/xml", 400, "formats.document_malformed"),
        ("GET /nothing", "", 404, "connections.address_unknown"),
        ("PUT /uploads", "", 405, "connections.address_unknown"),
        ("POST /uploads", "", 400, "connections.header_malformed"),
        ("POST /network/messages", "", 404, "connections.address_unknown"),
    ],
)
def test_what_cannot_be_is_refused_in_one_shape(caller: Caller, asked: str, kind: str, status: int, code: str) -> None:
    method, path = asked.split()
    refused = caller.ask(method, path, body=b"<", headers={"Content-Type": kind})
    assert (refused.status_code, error_of(refused)) == (status, code)


def test_over_the_rate_an_organisation_waits_and_others_do_not(entrance: Entrance, caller: Caller) -> None:
    rate = rate_on(shipped_rates(), RateKind.MESSAGES, NOW.date())
    with entrance.safe.database.superuser() as superuser:
        superuser.execute(
            "insert into platform.request_rate values (%s, 'messages', %s, %s)", (caller.tenant, NOW, rate.requests - 1)
        )
    body = code_request("999999999999001", mode="1")
    assert caller.message("IF_FGU_X0011_R01", body).status_code == 200
    entrance.at(NOW + timedelta(seconds=15))
    over = caller.message("IF_FGU_X0011_R01", body)
    assert (over.status_code, over.headers["Retry-After"]) == (429, "45")
    assert caller.ask("OPTIONS", "/uploads").status_code == 204
    assert entrance.caller().message("IF_FGU_X0011_R01", body).status_code == 200
    entrance.at(NOW + timedelta(seconds=60))
    assert caller.message("IF_FGU_X0011_R01", body).status_code == 200


TEST_PERSON = "999999999999001"


def trial(caller: Caller, rows: Sequence[Row], *, form: FileForm = FileForm.CSV, expected: int = 0) -> tuple[str, Any]:
    """Send *rows* in test mode; return the upload's address and the answer."""
    content = csv_file(rows) if form is FileForm.CSV else xml_file(rows)
    name = f"trial_001.{form.value}"
    upload = caller.announce(content, expected or len(rows), name=name, form=form.value).headers["Location"]
    assert caller.send(upload, content).status_code == 204
    answer = caller.register(upload, mode="1", name=name)
    assert answer.status_code == 200, answer.data.decode()
    return upload, etree.fromstring(answer.data)


def test_test_mode_checks_a_file_of_test_persons_and_gives_it_up(entrance: Entrance, caller: Caller) -> None:
    upload, root = trial(caller, [right_row(1, address=TEST_PERSON), right_row(2, address="999999999999999")])
    assert (root.findtext("MessageHeader/MSGMode"), root.findtext("State")) == ("1", "cancelled")
    assert json.loads(caller.ask("GET", upload).data)["faults"] == 0
    assert caller.ask("GET", f"{upload}/errors").data.count(b"\r\n") == 1
    assert entrance.count(caller.tenant, "select count(*) from {}.copy_day where records > 0") == 0
    assert entrance.count(caller.tenant, "select count(*) from {}.duplicate_copy") == 0
    assert error_of(caller.register(upload, name="trial_001.csv")) == "duplicate_copies.upload_closed"


@pytest.mark.parametrize("form", FileForm)
def test_test_mode_answers_with_the_error_report_of_the_night(
    entrance: Entrance, caller: Caller, form: FileForm
) -> None:
    wrong = [
        right_row(1, address=TEST_PERSON, region="999"),
        right_row(2, address=TEST_PERSON, key="2020"),
        right_row(2, address=TEST_PERSON, key="2021"),
        right_row(3, address=TEST_PERSON, key="2022", version="9"),
    ]
    upload, root = trial(caller, wrong, form=form)
    assert root.findtext("State") == "refused"
    told = caller.ask("GET", f"{upload}/errors").data.decode()
    assert [line.split(",")[5] for line in told.splitlines()[1:]] == ["region", "record_number", "version"]
    night = organisation(entrance.safe.database, entrance.safe)
    sent = night.send_rows([replace(row, address="000000000000001") for row in wrong], form=form)
    night.register()
    assert told == night.report(sent.id), "in test mode the report is the same"
    assert json.loads(caller.ask("GET", upload).data)["faults"] == 3
    assert caller.ask("GET", f"{upload}/errors").data.decode() == told
    assert etree.fromstring(caller.register(upload, mode="1", name=f"trial_001.{form.value}").data).findtext(
        "State"
    ) == "refused"  # fmt: skip


@pytest.mark.parametrize(("keys", "expected", "reason"), [(["1", "2"], 3, "count"), (["1", "1"], 2, "duplicate_key")])
def test_test_mode_judges_the_file_as_a_whole(caller: Caller, keys: list[str], expected: int, reason: str) -> None:
    rows = [right_row(place, address=TEST_PERSON, key=key) for place, key in enumerate(keys, 1)]
    upload, root = trial(caller, rows, expected=expected)
    assert root.findtext("State") == "refused"
    assert f",{reason}," in caller.ask("GET", f"{upload}/errors").data.decode()


def test_test_mode_tells_of_a_file_that_cannot_be_read(caller: Caller) -> None:
    upload = caller.uploaded(b"no,header\r\n1,2\r\n", 1)
    assert etree.fromstring(caller.register(upload, mode="1").data).findtext("State") == "refused"
    assert ",header," in caller.ask("GET", f"{upload}/errors").data.decode()


def test_test_mode_refuses_a_file_with_a_real_person(caller: Caller) -> None:
    upload = caller.uploaded(csv_file([right_row(1, address=TEST_PERSON), right_row(2)]), 2)
    assert error_of(caller.register(upload, mode="1")) == "connections.test_persons_only"
    assert json.loads(caller.ask("GET", upload).data)["state"] == "receiving"


@pytest.mark.parametrize("form", FileForm)
def test_production_refuses_a_file_with_a_test_person(caller: Caller, form: FileForm) -> None:
    rows = [right_row(1), right_row(2, address=TEST_PERSON)]
    content, name = csv_file(rows) if form is FileForm.CSV else xml_file(rows), f"real_001.{form.value}"
    upload = caller.announce(content, 2, name=name, form=form.value).headers["Location"]
    caller.send(upload, content[:700])
    caller.send(upload, content[700:], 700)
    assert error_of(caller.register(upload, name=name)) == "connections.test_persons_only"
    assert json.loads(caller.ask("GET", upload).data)["state"] == "receiving"


def test_the_report_of_a_trial_is_forgotten_with_the_answers(entrance: Entrance, caller: Caller) -> None:
    upload, _ = trial(caller, [right_row(1, address=TEST_PERSON, region="999")])
    engine = entrance.safe.database.engine(ProcessKind.WORKER)
    answers = entrance.services.answers
    assert sweep(engine, answers, NOW + timedelta(hours=71)) == 0
    assert sweep(engine, answers, NOW + timedelta(hours=73)) >= 2
    assert entrance.count(caller.tenant, "select count(*) from {}.stored_answer") == 0
    assert b",region," not in caller.ask("GET", f"{upload}/errors").data


def test_codes_for_test_persons_are_invented_and_stored_nowhere(entrance: Entrance, caller: Caller) -> None:
    answer = caller.message("IF_FGU_X0011_R01", code_request("999999999999001", mode="1"))
    entry = etree.fromstring(answer.data).find("Entry")
    assert entry is not None
    assert [child.text for child in entry] == ["999999999999001", "requested", "TEST-999999999999001"]
    assert entrance.count(caller.tenant, "select count(*) from {}.code_request") == 0
    for people, mode in ((["000000000000001"], "1"), (["999999999999001"], "0")):
        refused = caller.message("IF_FGU_X0011_R01", code_request(*people, mode=mode))
        assert (refused.status_code, error_of(refused)) == (403, "connections.test_persons_only")
        assert people[0] not in refused.data.decode()


def test_a_message_names_the_file_that_was_announced(caller: Caller) -> None:
    upload = caller.uploaded(file_of(1), 1)
    assert error_of(caller.register(upload, name="other.csv")) == "connections.file_mismatch"
    unknown = caller.register(f"/uploads/{uuid4()}")
    assert (unknown.status_code, error_of(unknown)) == (404, "duplicate_copies.upload_unknown")


def test_a_file_is_cancelled_and_its_error_report_is_a_csv(caller: Caller) -> None:
    upload = caller.uploaded(file_of(1), 1)
    report = caller.ask("GET", f"{upload}/errors")
    assert report.status_code == 200
    assert report.data.count(b"\r\n") == 1
    assert caller.ask("DELETE", upload).status_code == 204
    assert json.loads(caller.ask("GET", upload).data)["state"] == "cancelled"
    assert DEPARTMENT not in upload


def test_metadata_that_cannot_be_are_refused(caller: Caller) -> None:
    for change in ({"form": "pdf"}, {"records": "-1"}, {"dataset": "1"}, {"surprise": "1"}, {"sha256": "x"}):
        refused = caller.announce(file_of(1), 1, **change)
        assert (refused.status_code, error_of(refused)) == (400, "duplicate_copies.manifest_malformed")


def test_a_gateway_is_ready_while_database_and_keeper_of_keys_answer(entrance: Entrance) -> None:
    client = entrance.app.test_client()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["red"]) == (200, [])
    assert set(ready.get_json()["checks"]) == {"database-reachable", "vault-key-provider"}


def test_a_gateway_whose_keeper_of_keys_is_gone_is_not_ready(entrance: Entrance, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(entrance.safe.key_file.read_bytes())
    keys.chmod(0o600)
    settings = entrance.settings
    moved = settings.model_copy(update={"vault": settings.vault.model_copy(update={"key_file": keys})})
    with ExitStack() as stack:
        services = opened(moved, lambda _sessions, _vault: Features(), stack, entrance.clock, excluded=nothing_excluded)
        keys.unlink()
        refused = make_gateway(services).test_client().get("/readyz")
    assert (refused.status_code, refused.get_json()["red"]) == (503, ["vault-key-provider"])
