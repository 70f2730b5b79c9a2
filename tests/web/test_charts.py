"""Charts: the scale of the axis, and that everything is drawn where it belongs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.web.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, BarChart, LineChart, Series, scale


def bars(*values: Sequence[float | None], labels: Sequence[str] = ()) -> BarChart:
    names = labels or [str(place) for place in range(len(values[0]))]
    return BarChart("chart", "題", "要約", names, [Series(f"系列{place}", each) for place, each in enumerate(values)])


@pytest.mark.parametrize(
    ("largest", "values"),
    [
        (0, [0, 1]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3, 4, 5]),
        (6, [0, 2, 4, 6]),
        (99, [0, 20, 40, 60, 80, 100]),
        (100, [0, 20, 40, 60, 80, 100]),
        (101, [0, 50, 100, 150]),
        (1788, [0, 500, 1000, 1500, 2000]),
    ],
)
def test_the_scale_has_round_steps(largest: float, values: list[float]) -> None:
    assert scale(largest) == pytest.approx(values)


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_the_scale_reaches_the_largest_value_and_not_much_further(largest: float) -> None:
    found = scale(largest)
    assert found[0] == 0
    assert 2 <= len(found) <= 7
    assert found[-1] >= largest * 0.99999
    assert found[-2] < largest


@pytest.mark.parametrize("largest", [-1, math.inf, math.nan])
def test_what_no_axis_reaches_is_refused(largest: float) -> None:
    with pytest.raises(ValueError, match="no axis"):
        scale(largest)


@pytest.mark.parametrize("values", [[-1], [math.nan], [math.inf], [1, 2]])
def test_what_cannot_be_drawn_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="系列0"):
        bars(values, labels=["甲"])


def test_a_chart_has_one_to_four_series_and_an_id() -> None:
    for series in ([], [Series("甲", [1])] * 5):
        with pytest.raises(ValueError, match="series"):
            LineChart("chart", "題", "要約", ["甲"], series)
    with pytest.raises(ValueError, match="no id"):
        LineChart("1 x", "題", "要約", ["甲"], [Series("甲", [1])])


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=7, max_size=7), min_size=1, max_size=4))
def test_bars_stand_on_the_base_inside_the_picture_beside_one_another(values: list[list[int]]) -> None:
    drawn = list(bars(*values).bars)
    assert len(drawn) == 7 * len(values)
    for bar in drawn:
        assert bar.x >= LEFT - 0.01
        assert bar.x + bar.width <= WIDTH - RIGHT + 0.01
        assert TOP - 0.01 <= bar.y <= HEIGHT - BOTTOM
        assert bar.y + bar.height == pytest.approx(HEIGHT - BOTTOM, abs=0.02)
    for before, after in pairwise(drawn):
        assert before.x + before.width <= after.x + 0.02


def test_a_taller_bar_is_a_larger_value() -> None:
    small, none, large = list(bars([10, 0, 20]).bars)
    assert large.height == pytest.approx(2 * small.height, abs=0.02)
    assert none.height == 0
    assert (small.told, large.told) == ("0: 10", "2: 20")


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    chart = LineChart("chart", "題", "要約", list("abcde"), [Series("甲", [1, 2, None, 3, 4])], unit="件")
    ((series, path),) = chart.paths
    assert series == 1
    assert re.sub(r"[\d. ]", "", path) == "MLML"
    assert [point.told for point in chart.points] == ["a: 1件", "b: 2件", "d: 3件", "e: 4件"]
    assert chart.table[2] == ["c", None]


def test_nothing_to_draw_is_known_as_such() -> None:
    assert bars([None, None]).is_empty
    assert bars([], labels=[]).is_empty
    assert not bars([0]).is_empty


@given(st.lists(st.text(alphabet="0123456789年月令和", min_size=1, max_size=12), min_size=1, max_size=60))
def test_labels_under_the_axis_do_not_touch(labels: list[str]) -> None:
    axis = bars([1] * len(labels), labels=labels).axis
    assert axis[0].label == labels[0]
    for before, after in pairwise(axis):
        # In the picture's 12 units of type a digit is not as wide as a full-width letter.
        reach = sum(7 if letter.isascii() else 12 for letter in before.label + after.label) / 2
        assert after.at - before.at > reach
