"""An organisation that splits, repeats, deletes, revises and cancels at random, with nights that are cut short.

Beside the platform stands a model of what must be found: a dictionary. Every step may be the last before a cut.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from typing_extensions import override

from chukan.tenants.middleserver.duplicate_copies import csv_reader, loading, xml_reader
from chukan.tenants.middleserver.duplicate_copies.errors import UploadIncomplete
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, UploadState
from support.copies import RIGHT_ITEMS, Organisation, Row, deletion, file_of, manifest, organisation, right_row
from support.vault import Safe

PERSONS = range(1, 6)


class Cut(Exception):
    """The night is cut here."""


@dataclass
class Sent:
    """A file as the model knows it: what it brings when it is registered, or that it is wrong."""

    content: bytes
    records: int
    form: FileForm
    effect: dict[int, int | None]
    wrong: bool
    upload: UUID | None = None
    offset: int = 0


@dataclass
class Model:
    """What must be found, and which complete files still wait, in their order."""

    incomes: dict[int, int] = field(default_factory=dict)
    waiting: list[Sent] = field(default_factory=list)

    def register(self, sent: Sent) -> None:
        for person, income in sent.effect.items() if not sent.wrong else ():
            if income is None:
                self.incomes.pop(person, None)
            else:
                self.incomes[person] = income


def row_of(place: int, person: int, income: int | None, *, wrong: bool) -> Row:
    address = f"{person:015d}"
    if income is None:
        return deletion(place, address=address)
    items = {**RIGHT_ITEMS, "INCOME": ["x" if wrong else str(income)]}
    return right_row(place, address=address, items=items)


class Organised(RuleBasedStateMachine):
    """One organisation of its own for every run."""

    safe: Safe

    def __init__(self) -> None:
        super().__init__()
        self.place: Organisation = organisation(self.safe.database, self.safe)
        self.model = Model()
        self.sending: Sent | None = None
        self.sent: list[Sent] = []

    @override
    def teardown(self) -> None:
        self.place.sessions.close()

    # -- sending -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.sending is None)
    @rule(
        effect=st.dictionaries(st.sampled_from(PERSONS), st.integers(0, 9), min_size=1),
        delete=st.booleans(),
        form=st.sampled_from(FileForm),
        wrong=st.integers(0, 5).map(lambda number: number == 0),
    )
    def announce(self, effect: dict[int, int], delete: bool, form: FileForm, wrong: bool) -> None:
        brought: dict[int, int | None] = {person: None if delete else income for person, income in effect.items()}
        rows = [row_of(place, *each, wrong=wrong) for place, each in enumerate(brought.items(), 1)]
        self.begin(Sent(file_of(form, rows), len(rows), form, brought, wrong and not delete))

    @precondition(lambda self: self.sending is None and self.sent)
    @rule(data=st.data())
    def send_the_same_again(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.sent))
        self.begin(Sent(old.content, old.records, old.form, old.effect, old.wrong))

    def begin(self, sent: Sent) -> None:
        announced = manifest(sent.content, sent.records, sent.form)
        begun = self.place.uploads.begin(self.place.caller, announced, now=self.place.clock.now())
        sent.upload, sent.offset = begun.upload.id, begun.upload.received
        if begun.upload.state is UploadState.RECEIVING:
            self.sending = sent
        else:
            # What is in force already: registering it once more must change nothing in the model either.
            after = Model(dict(self.model.incomes), [])
            for each in [*self.model.waiting, sent]:
                after.register(each)
            before = Model(dict(self.model.incomes), [])
            for each in self.model.waiting:
                before.register(each)
            assert after.incomes == before.incomes

    @precondition(lambda self: self.sending is not None)
    @rule(size=st.integers(1, 3_000), again=st.booleans())
    def send_a_piece(self, size: int, again: bool) -> None:
        sent = self.sending
        assert sent is not None
        assert sent.upload is not None
        piece = sent.content[sent.offset : sent.offset + size]
        for _ in range(1 + again if piece else 0):
            digest = hashlib.sha256(piece).hexdigest()
            told = self.place.uploads.put_piece(self.place.tenant, sent.upload, sent.offset, piece, digest)
            assert told.received == sent.offset + len(piece)
        sent.offset += len(piece)

    @precondition(lambda self: self.sending is not None)
    @rule()
    def complete(self) -> None:
        sent = self.sending
        assert sent is not None
        assert sent.upload is not None
        if sent.offset < len(sent.content):
            with pytest.raises(UploadIncomplete):
                self.place.uploads.complete(self.place.caller, sent.upload, now=self.place.clock.now())
            return
        self.place.uploads.complete(self.place.caller, sent.upload, now=self.place.clock.now())
        self.model.waiting.append(sent)
        self.sent.append(sent)
        self.sending = None

    @precondition(lambda self: self.sending is not None)
    @rule()
    def cancel(self) -> None:
        assert self.sending is not None
        assert self.sending.upload is not None
        self.place.uploads.cancel(self.place.caller, self.sending.upload, now=self.place.clock.now())
        self.sending = None

    # -- nights ------------------------------------------------------------------------------------------

    @rule()
    def register(self) -> None:
        report = self.place.register()
        assert report.left == 0
        assert [each.upload for each in report.files] == [sent.upload for sent in self.model.waiting]
        self.settle()

    @rule(after=st.integers(1, 6), copied=st.booleans())
    def register_and_be_cut(self, after: int, copied: bool) -> None:
        """Cut the night at its *after*-th chunk, before the commit or after it."""
        chunks = 0
        load = loading.load

        def cut(connection: Any, packed: bytes) -> None:
            nonlocal chunks
            chunks += 1
            if chunks == after and not copied:
                raise Cut
            load(connection, packed)
            if chunks == after:
                raise Cut

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loading, "load", cut)
            patch.setattr(csv_reader, "_BLOCK", 300)
            patch.setattr(xml_reader, "_BLOCK", 300)
            with suppress(Cut):
                self.place.register()
        self.settle()

    def settle(self) -> None:
        """Take over into the model what is registered or refused by now."""
        while self.model.waiting:
            sent = self.model.waiting[0]
            assert sent.upload is not None
            state = self.place.uploads.status(self.place.tenant, sent.upload).state
            if state not in {UploadState.REGISTERED, UploadState.REFUSED}:
                return
            assert state is (UploadState.REFUSED if sent.wrong else UploadState.REGISTERED)
            self.model.register(self.model.waiting.pop(0))

    @rule()
    def a_day_passes(self) -> None:
        self.place.clock.advance(timedelta(days=1))

    @invariant()
    def exactly_what_is_registered_is_found(self) -> None:
        for person in PERSONS:
            expected = self.model.incomes.get(person)
            found = [each["INCOME"] for each in self.place.found(person)]
            assert found == ([] if expected is None else [[str(expected)]])


def test_whatever_happens_what_is_registered_is_found(safe: Safe) -> None:
    class Machine(Organised):
        pass

    Machine.safe = safe
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=checks),
    )
