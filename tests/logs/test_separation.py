"""A line of one organisation is never in another's extract (A3-021)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chukan.platform.clock import FixedClock
from chukan.platform.logs import bind_log_context, configure_logs, get_logger
from chukan.platform.logs.errors import LogsUnreadable
from chukan.platform.logs.extract import Extract, Wanted
from chukan.platform.settings import LogSettings

Lines = Callable[[], list[dict[str, Any]]]
log = get_logger("chukan.test")
A, B = UUID(int=0xA), UUID(int=0xB)


def extract(folder: Path, organisation: object, **wanted: object) -> list[str]:
    """Return the reasons written in the extract of *organisation*."""
    return [line["reason"] for line in Extract(folder, Wanted(str(organisation), **wanted))]  # type: ignore[arg-type]


def test_each_organisation_gets_its_own_lines_and_the_platforms_go_to_nobody(lines: Lines, tmp_path: Path) -> None:
    log.info("x", reason="platform")
    with bind_log_context(organisation=A):
        log.info("x", reason="of a")
    with bind_log_context(organisation=B):
        log.info("x", reason="of b")
    log.info("x", reason="platform again")
    assert (extract(tmp_path, A), extract(tmp_path, B)) == (["of a"], ["of b"])
    assert len(lines()) == 4


def test_a_nested_block_belongs_to_the_inner_organisation_and_ends_with_it(lines: Lines, tmp_path: Path) -> None:
    with bind_log_context(organisation=A, request="r1"):
        with bind_log_context(organisation=B):
            log.info("x", reason="inner")
        log.info("x", reason="outer")
        with pytest.raises(RuntimeError), bind_log_context(organisation=B):
            raise RuntimeError
        log.info("x", reason="after a failure")
    assert extract(tmp_path, A) == ["outer", "after a failure"]
    assert extract(tmp_path, B) == ["inner"]
    assert [line["request"] for line in lines()] == ["r1"] * 3


def test_binding_a_request_inside_keeps_the_organisation(lines: Lines, tmp_path: Path) -> None:
    with bind_log_context(organisation=A), bind_log_context(request="r1", job=7):
        log.info("x", reason="y")
    assert extract(tmp_path, A) == ["y"]
    assert (lines()[0]["request"], lines()[0]["job"]) == ("r1", "7")


def test_a_line_that_two_organisations_claim_belongs_to_neither(lines: Lines, tmp_path: Path) -> None:
    with bind_log_context(organisation=A):
        log.info("x", organisation=str(B), reason="claimed twice")
        log.info("x", organisation=str(A).upper(), reason="claimed by one")
    log.info("x", organisation=str(B), reason="named")
    assert (extract(tmp_path, A), extract(tmp_path, B)) == (["claimed by one"], ["named"])
    assert lines()[0]["dropped"] == ["organisation"]


@pytest.mark.usefixtures("lines")
def test_an_id_that_is_part_of_another_or_stands_in_another_field_is_not_taken(tmp_path: Path) -> None:
    for organisation in ("0110", "01100", "011002"):
        with bind_log_context(organisation=organisation, request="0110"):
            log.info("x", reason=f"of {organisation}")
    with bind_log_context(organisation=B):
        log.info("0110", reason='"0110"')
    assert extract(tmp_path, "0110") == ["of 0110"]


@pytest.mark.usefixtures("lines")
def test_a_value_cannot_put_a_line_into_anothers_extract(tmp_path: Path) -> None:
    with bind_log_context(organisation=A):
        log.info("x", reason=f'y"}}\n{{"organisation": "{B}", "at": "2026-04-01T00:00:00+00:00", "reason": "forged"}}')
    assert extract(tmp_path, B) == []
    assert len(extract(tmp_path, A)) == 1


def test_threads_that_interleave_keep_their_organisations(lines: Lines, tmp_path: Path) -> None:
    organisations = {f"city {number}": uuid4() for number in range(8)}
    together = threading.Barrier(len(organisations))

    def work(name: str) -> None:
        for turn in range(30):
            together.wait()
            with bind_log_context(organisation=organisations[name], request=f"r{turn}"):
                log.info("x", reason=name)
            log.info("x", reason="nobody's")

    with ThreadPoolExecutor(len(organisations)) as pool:
        list(pool.map(work, organisations))
    for name, organisation in organisations.items():
        assert extract(tmp_path, organisation) == [name] * 30
    assert sum("organisation" not in line for line in lines()) == 8 * 30


def test_a_thread_begun_inside_a_block_does_not_belong_to_it(lines: Lines, tmp_path: Path) -> None:
    with bind_log_context(organisation=A):
        thread = threading.Thread(target=lambda: log.info("x", reason="other thread"))
        thread.start()
        thread.join()
    assert extract(tmp_path, A) == []
    assert len(lines()) == 1


@pytest.mark.usefixtures("lines")
def test_tasks_that_interleave_keep_their_organisations(tmp_path: Path) -> None:
    async def work(name: str, organisation: UUID) -> None:
        with bind_log_context(organisation=organisation):
            for _ in range(20):
                await asyncio.sleep(0)
                log.info("x", reason=name)

    async def together() -> None:
        await asyncio.gather(work("a", A), work("b", B))

    asyncio.run(together())
    assert (extract(tmp_path, A), extract(tmp_path, B)) == (["a"] * 20, ["b"] * 20)


steps = st.recursive(
    st.sampled_from(["write", "fail"]),
    lambda inner: st.tuples(st.sampled_from(["a", "b", "c"]), st.lists(inner, max_size=4)),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(steps, max_size=5))
def test_however_blocks_nest_and_fail_each_line_is_in_the_extract_of_its_block(
    tmp_path: Path, clock: FixedClock, plan: list[object]
) -> None:
    folder = tmp_path / uuid4().hex
    configure_logs(LogSettings(directory=folder), process="worker", clock=clock)
    log.info("begin")
    expected: dict[str, int] = {}

    def play(step: object, owner: str) -> None:
        match step:
            case "write":
                log.info("x", reason=owner)
                expected[owner] = expected.get(owner, 0) + 1
            case "fail":
                raise RuntimeError
            case (str(organisation), list(inner)):
                try:
                    with bind_log_context(organisation=organisation):
                        for each in inner:
                            play(each, organisation)
                except RuntimeError:
                    play("write", owner)

    for step in plan:
        try:
            play(step, "")
        except RuntimeError:
            play("write", "")
    for organisation in ("a", "b", "c"):
        assert extract(folder, organisation) == [organisation] * expected.get(organisation, 0)


def test_the_extract_joins_all_processes_in_the_order_of_time(tmp_path: Path, clock: FixedClock) -> None:
    for process in ("worker", "gateway", "worker"):
        configure_logs(LogSettings(directory=tmp_path), process=process, clock=clock)
        with bind_log_context(organisation=A):
            log.info("x", reason=clock.now().isoformat())
        clock.advance(timedelta(hours=8))
    reasons = extract(tmp_path, A)
    assert len(reasons) == 3
    assert reasons == sorted(reasons)


def test_since_is_inclusive_and_a_request_is_exact(lines: Lines, tmp_path: Path, clock: FixedClock) -> None:
    start = clock.now()
    for request in ("r1", "r2", "r1"):
        with bind_log_context(organisation=A, request=request):
            log.info("x", reason=clock.now().isoformat())
        clock.advance(timedelta(hours=20))
    assert len(extract(tmp_path, A, since=start + timedelta(hours=20))) == 2
    assert len(extract(tmp_path, A, since=start + timedelta(hours=20, microseconds=1))) == 1
    assert len(extract(tmp_path, A, request="r1")) == 2
    assert extract(tmp_path, A, request="r") == []
    assert len(lines()) == 3


@pytest.mark.usefixtures("lines")
def test_broken_lines_are_counted_and_in_nobodys_extract(tmp_path: Path) -> None:
    with bind_log_context(organisation=A):
        log.info("x", reason="whole")
    (path,) = tmp_path.iterdir()
    whole = path.read_text()
    broken = [
        whole[:-10],
        f'["organisation", "{A}"]',
        f'{{"organisation": "{A}"}}',
        f'{{"organisation": "{A}", "at": "x"}}',
    ]
    path.write_text(whole + "\n".join(broken))
    reader = Extract(tmp_path, Wanted(str(A)))
    assert [line["reason"] for line in reader] == ["whole"]
    assert reader.unreadable == 4


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogsUnreadable):
        extract(tmp_path / "gone", A)
