"""Every point at which the exchange may break is broken by a test that exists."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from exchange.points import NETWORK_REFUSES, POINTS

ROOT = Path(__file__).resolve().parents[2]
NAMED = [(str(number), test) for number, point in POINTS.items() for test in point.tests]
NAMED += [(word, test) for word, tests in NETWORK_REFUSES.items() for test in tests]


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_no_point_is_left_out() -> None:
    assert list(POINTS) == [*range(1, 10), *range(27, 39)]
    assert all(point.tests for point in POINTS.values())


@pytest.mark.parametrize(("point", "test"), NAMED)
def test_each_named_test_exists(point: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert name.startswith("test_"), point
    assert name in functions_of(file), point
