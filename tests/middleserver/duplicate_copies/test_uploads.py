"""Receiving files: in pieces, resumable, sealed, once, and within the day's limit."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from chukan.platform.errors import ChukanError
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.duplicate_copies.errors import (
    DayLimitExceeded,
    FileDamaged,
    ManifestMalformed,
    PieceDamaged,
    PieceOutOfPlace,
    PieceTooLarge,
    UploadClosed,
    UploadIncomplete,
    UploadUnknown,
)
from chukan.tenants.middleserver.duplicate_copies.rules import MAX_PIECE_BYTES, UploadState
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from support.copies import Organisation, csv_file, manifest, right_row

CONTENT = csv_file([right_row(1), right_row(2)])


def sha(piece: bytes) -> str:
    return hashlib.sha256(piece).hexdigest()


def begin(place: Organisation, content: bytes = CONTENT, records: int = 2) -> UUID:
    return place.uploads.begin(place.caller, manifest(content, records), now=place.clock.now()).upload.id


def put(place: Organisation, upload: UUID, offset: int, piece: bytes) -> Upload:
    return place.uploads.put_piece(place.tenant, upload, offset, piece, sha(piece))


def complete(place: Organisation, upload: UUID) -> Upload:
    return place.uploads.complete(place.caller, upload, now=place.clock.now())


def actions(place: Organisation) -> list[tuple[str, str]]:
    with place.safe.database.superuser() as superuser:
        rows = superuser.execute(
            "select body::jsonb ->> 'action', body::jsonb ->> 'outcome' from platform.audit_entry "
            "where chain = %s order by seq offset 1",
            (place.tenant,),
        ).fetchall()
    return [(str(action).removeprefix("duplicate_copies:"), str(outcome)) for action, outcome in rows]


def test_a_file_is_received_in_pieces_and_completed(place: Organisation) -> None:
    upload = begin(place)
    assert put(place, upload, 0, CONTENT[:100]).received == 100
    assert put(place, upload, 100, CONTENT[100:]).received == len(CONTENT)
    done = complete(place, upload)
    assert (done.state, done.received_at) == (UploadState.RECEIVED, place.clock.now())
    assert [event.new for event in place.uploads.events(place.tenant, upload)] == [
        UploadState.RECEIVING,
        UploadState.RECEIVED,
    ]
    assert actions(place) == [("upload:begin", "done"), ("upload:complete", "done")]
    assert [each.id for each in place.uploads.recent(place.tenant)] == [upload]


def test_nothing_of_a_file_reaches_the_database_unsealed(place: Organisation) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT)
    with place.safe.database.superuser() as superuser:
        placement = superuser.execute("select schema from platform.tenant where id = %s", (place.tenant,)).fetchone()
        assert placement is not None
        for table in ("upload", "upload_piece", "upload_event"):
            query = sql.SQL("select t::text from {} t").format(sql.Identifier(placement[0], table))
            stored = " ".join(str(row[0]) for row in superuser.execute(query))
            assert CONTENT[:20].hex() not in stored
            assert sha(CONTENT) not in stored


def test_a_repeated_piece_changes_nothing(place: Organisation) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT[:100])
    assert put(place, upload, 0, CONTENT[:100]).received == 100
    assert place.count("upload_piece") == 1


@pytest.mark.parametrize(("offset", "piece"), [(0, CONTENT[1:101]), (50, CONTENT[50:150]), (101, CONTENT[101:])])
def test_a_piece_out_of_place_is_told_the_right_offset(place: Organisation, offset: int, piece: bytes) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT[:100])
    with pytest.raises(PieceOutOfPlace) as refused:
        put(place, upload, offset, piece)
    assert refused.value.values == {"expected": 100}


def test_a_piece_is_bounded_and_compared_with_its_digest(place: Organisation) -> None:
    upload = begin(place)
    with pytest.raises(PieceTooLarge):
        put(place, upload, 0, b"")
    with pytest.raises(PieceTooLarge):
        put(place, upload, 0, bytes(MAX_PIECE_BYTES + 1))
    with pytest.raises(PieceTooLarge):
        put(place, upload, 0, CONTENT + b"x")
    with pytest.raises(PieceDamaged):
        place.uploads.put_piece(place.tenant, upload, 0, CONTENT, sha(b"other"))
    assert place.uploads.status(place.tenant, upload).received == 0


def test_a_file_with_missing_pieces_or_other_bytes_is_not_completed(place: Organisation) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT[:100])
    with pytest.raises(UploadIncomplete):
        complete(place, upload)
    put(place, upload, 100, bytes(len(CONTENT) - 100))
    with pytest.raises(FileDamaged):
        complete(place, upload)
    assert place.uploads.status(place.tenant, upload).state is UploadState.RECEIVING


def test_completing_and_cancelling_twice_is_done_once(place: Organisation) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT)
    assert complete(place, upload) == complete(place, upload)
    for _ in range(2):
        assert place.uploads.cancel(place.caller, upload, now=place.clock.now()).state is UploadState.CANCELLED
    with pytest.raises(UploadClosed):
        complete(place, upload)
    with pytest.raises(UploadClosed):
        put(place, upload, 0, CONTENT)
    place.register()
    assert place.count("upload_piece") == 0


def test_an_unknown_upload_and_one_of_another_organisation_look_the_same(place: Organisation) -> None:
    with pytest.raises(UploadUnknown):
        place.uploads.status(place.tenant, uuid4())
    with pytest.raises(UploadUnknown):
        put(place, uuid4(), 0, b"x")


@pytest.mark.parametrize(
    "field",
    [
        {"name": "../x"}, {"name": ""}, {"information": "TM2"}, {"information": "TM00000000040000"}, {"dataset": "1"},
        {"size": 0}, {"size": -1}, {"sha256": "A" * 64}, {"records": 0}, {"department": "x" * 21},
    ],
)  # fmt: skip
def test_an_announcement_that_cannot_be_is_refused(place: Organisation, field: dict[str, object]) -> None:
    announced = replace(manifest(CONTENT, 2), **field)  # type: ignore[arg-type]
    with pytest.raises(ManifestMalformed) as refused:
        place.uploads.begin(place.caller, announced, now=place.clock.now())
    assert refused.value.values == {"field": next(iter(field))}


def test_a_broken_line_is_resumed_by_announcing_the_same_file(place: Organisation) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT[:100])
    again = place.uploads.begin(place.caller, manifest(CONTENT, 2), now=place.clock.now())
    assert (again.upload.id, again.upload.received, again.repeated) == (upload, 100, True)


def test_the_whole_file_is_refused_with_what_is_left_of_the_day(place: Organisation) -> None:
    place.limit = Amount(5, 1_000)
    place.send(CONTENT, 2)
    place.send(csv_file([right_row(3), right_row(4)]), 2)
    third = csv_file([right_row(5), right_row(6)])
    with pytest.raises(DayLimitExceeded) as refused:
        begin(place, third)
    assert refused.value.values["records"] == 1
    assert actions(place)[-1] == ("upload:begin", "refused")
    # One record still fits, and the next day everything does.
    place.send(csv_file([right_row(7)]), 1)
    place.clock.advance(timedelta(days=1))
    place.send(third, 2)


def test_the_size_binds_as_well(place: Organisation) -> None:
    place.limit = Amount(1_000, 1)
    with pytest.raises(DayLimitExceeded) as refused:
        begin(place, csv_file([right_row(number) for number in range(1, 20)]), 19)
    assert refused.value.values == {"records": 1_000, "kb": 1}


def test_an_exempt_organisation_goes_over_the_limit_and_is_marked(place: Organisation) -> None:
    place.limit, place.exempt = Amount(1, 1), True
    assert place.send(CONTENT, 2).exempt


def test_the_day_is_that_of_completion_in_tokyo(place: Organisation) -> None:
    place.limit = Amount(2, 1_000)
    place.send(CONTENT, 2)
    other = csv_file([right_row(3), right_row(4)])
    # 23:59:59 in Tokyo: the same day; a second later the next.
    place.clock.advance(timedelta(hours=11, minutes=59, seconds=59))
    with pytest.raises(DayLimitExceeded):
        begin(place, other)
    place.clock.advance(timedelta(seconds=1))
    place.send(other, 2)


def test_a_file_that_was_begun_in_time_and_no_longer_fits_waits_for_another_day(place: Organisation) -> None:
    place.limit = Amount(3, 1_000)
    late = csv_file([right_row(3), right_row(4)])
    upload = begin(place, late)
    put(place, upload, 0, late)
    place.send(CONTENT, 2)
    with pytest.raises(DayLimitExceeded):
        complete(place, upload)
    assert place.uploads.status(place.tenant, upload).state is UploadState.RECEIVING
    place.clock.advance(timedelta(days=1))
    assert complete(place, upload).state is UploadState.RECEIVED


def test_two_files_at_once_do_not_share_the_same_room(place: Organisation) -> None:
    place.limit = Amount(3, 1_000)
    files = [csv_file([right_row(number), right_row(number + 1)]) for number in (1, 3, 5, 7)]
    uploads = [begin(place, content) for content in files]
    for upload, content in zip(uploads, files, strict=True):
        put(place, upload, 0, content)

    def attempt(upload: UUID) -> bool:
        try:
            complete(place, upload)
        except ChukanError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(attempt, uploads)) == [False, False, False, True]


def test_one_file_completed_by_several_at_once_counts_once(place: Organisation) -> None:
    upload = begin(place)
    put(place, upload, 0, CONTENT)
    with ThreadPoolExecutor(4) as threads:
        states = [each.state for each in threads.map(lambda _: complete(place, upload), range(4))]
    assert set(states) == {UploadState.RECEIVED}
    with place.sessions.connection(place.tenant) as connection:
        row = connection.exec_driver_sql("select uploads, records, bytes from copy_day").one()
    assert tuple(row) == (1, 2, len(CONTENT))
