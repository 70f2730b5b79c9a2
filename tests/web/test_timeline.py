"""The timeline: round times of Tokyo's clock, and spans where and when they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.clock import TOKYO, NaiveInstant, as_tokyo
from chukan.platform.web.cells import Mark, Status
from chukan.platform.web.timeline import LEFT, RIGHT, ROW, WIDTH, Span, Timeline, ticks

DAY = datetime(2026, 4, 1, tzinfo=TOKYO)
OK = Status(Mark.OK, "正常")
RIGHT_END = WIDTH - RIGHT


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def span(start: float, end: float | None, lane: str = "甲") -> Span:
    return Span(lane, "題", at(start), None if end is None else at(end), OK)


def line(*spans: Span, now: float = 12, lanes: tuple[str, ...] = ()) -> Timeline:
    return Timeline("line", "題", "要約", at(0), at(24), at(now), spans, lanes)


def test_the_day_is_drawn_from_edge_to_edge() -> None:
    drawn = line(span(0, 24)).drawn[0]
    assert (drawn.x, drawn.width) == (LEFT, RIGHT_END - LEFT)


def test_a_span_is_drawn_by_its_share_of_the_time() -> None:
    drawn = line(span(6, 12)).drawn[0]
    assert drawn.x == pytest.approx(LEFT + (RIGHT_END - LEFT) / 4)
    assert drawn.width == pytest.approx((RIGHT_END - LEFT) / 4)
    assert drawn.told == "題 正常 4/1 06:00-4/1 12:00"


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [(-2, -1, False), (-2, 0, True), (-2, 30, True), (23, 30, True), (24, 25, False), (23.999, 24, True)],
)
def test_only_what_lies_in_the_time_is_shown_and_is_cut_at_its_edges(start: float, end: float, shown: bool) -> None:
    drawn = line(span(start, end)).drawn
    assert bool(drawn) is shown
    for each in drawn:
        assert each.x >= LEFT
        assert each.x + each.width <= RIGHT_END


def test_a_span_without_an_end_reaches_to_now() -> None:
    drawn = line(span(6, None), now=18).drawn[0]
    assert drawn.width == pytest.approx((RIGHT_END - LEFT) / 2)
    assert line(span(20, None), now=18).drawn[0].width == 3


def test_a_span_of_a_moment_is_still_seen() -> None:
    assert line(span(6, 6)).drawn[0].width == 3
    assert line(span(24 - 1e-6, 24)).drawn[0].x == RIGHT_END - 3


def test_spans_that_overlap_are_drawn_below_one_another_and_others_beside() -> None:
    found = line(span(0, 10), span(5, 8), span(8, 12), span(10, 11))
    tops = [each.y for each in found.drawn]
    assert [round((top - tops[0]) / ROW) for top in tops] == [0, 1, 1, 0]
    assert found.drawn_lanes[0].height >= 2 * ROW


@given(st.lists(st.tuples(st.integers(0, 47), st.integers(1, 10), st.sampled_from("甲乙")), max_size=25))
def test_no_two_spans_cover_one_another(spans: list[tuple[int, int, str]]) -> None:
    found = line(*(span(start / 2, (start + length) / 2, lane) for start, length, lane in spans))
    drawn = found.drawn
    for place, one in enumerate(drawn):
        for other in drawn[place + 1 :]:
            apart = one.x + one.width <= other.x + 0.02 or other.x + other.width <= one.x + 0.02
            assert apart or abs(one.y - other.y) >= ROW
    bottoms = [lane.y + lane.height for lane in found.drawn_lanes]
    assert all(each.y + 16 <= found.height for each in drawn)
    assert bottoms == sorted(bottoms)


def test_lanes_keep_their_order_and_those_without_a_span() -> None:
    found = line(span(1, 2, "丙"), span(0, 1, "乙"), lanes=("甲", "乙"))
    assert [lane.name for lane in found.drawn_lanes] == ["甲", "乙", "丙"]


def test_a_long_name_is_cut_beside_the_picture_alone() -> None:
    found = line(span(1, 2, "とても長い名前のジョブの系列の一つ"))
    assert found.drawn_lanes[0].name == "とても長い名前のジョブの系…"
    assert found.shown[0].lane == "とても長い名前のジョブの系列の一つ"
    assert line(span(1, 2, "accounts-housekeeping")).drawn_lanes[0].name == "accounts-housekeeping"


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (at(0), at(24), ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]),
        (at(9.5), at(10.5), ["09:30", "09:40", "09:50", "10:00", "10:10", "10:20"]),
        (at(22.8), at(25.25), ["23:00", "23:15", "23:30", "23:45", "00:00", "00:15", "00:30", "00:45", "01:00"]),
        (at(0), at(24 * 7), ["00:00"] * 7),
    ],
)
def test_lines_stand_at_round_times(since: datetime, until: datetime, expected: list[str]) -> None:
    assert [f"{as_tokyo(each):%H:%M}" for each in ticks(since.astimezone(UTC), until)] == expected[:10]


@given(begin=st.integers(0, 60 * 24 * 3650), minutes=st.integers(1, 60 * 24 * 800))
def test_lines_are_few_and_inside(begin: int, minutes: int) -> None:
    since = DAY + timedelta(minutes=begin)
    until = since + timedelta(minutes=minutes)
    found = ticks(since, until)
    assert len(found) <= 11
    assert all(since <= each < until for each in found)
    assert list(found) == sorted(found)


def test_where_a_day_begins_it_is_named() -> None:
    labels = {tick.label: tick.is_day for tick in line(span(0, 1)).ticks}
    assert labels["4/1（水）"] is True
    assert labels["03:00"] is False


def test_the_legend_explains_what_is_shown_and_nothing_else() -> None:
    late = Status(Mark.WARNING, "遅延")
    spans = [
        Span("甲", "題", at(begin), at(begin + 1), state) for begin, state in ((1, late), (2, OK), (3, late), (30, OK))
    ]
    assert line(*spans).legend == [OK, late]
    assert line(spans[0], spans[3]).legend == [late]


def test_now_is_marked_where_it_is_shown() -> None:
    assert line(now=0).now_at == LEFT
    assert line(now=24).now_at is None
    assert line(now=-1).now_at is None


def test_what_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="a span ends"):
        line(span(2, 1))
    with pytest.raises(ValueError, match="a timeline ends"):
        Timeline("line", "題", "要約", at(0), at(0), at(0), [])
    with pytest.raises(ValueError, match="no id"):
        Timeline("A line", "題", "要約", at(0), at(1), at(0), [])
    with pytest.raises(NaiveInstant):
        Timeline("line", "題", "要約", datetime(2026, 4, 1), at(1), at(0), [])  # noqa: DTZ001 - the point
