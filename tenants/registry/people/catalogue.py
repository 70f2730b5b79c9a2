"""Reading ``config/handover.toml``: which tasks a change of each role opens, by the day that it takes effect."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from chukan.tenants.registry.errors import CatalogueInvalid
from chukan.tenants.registry.people.rules import Matrix, MatrixTask, Role, Task

FILE = "config/handover.toml"


@cache
def matrices() -> Sequence[Matrix]:
    """Return the matrices of the shipped file.

    Raises:
        CatalogueInvalid: it is not as it must be.
    """
    return read_matrices((files("chukan") / "config" / "handover.toml").read_text("utf-8"))


def read_matrices(content: str) -> Sequence[Matrix]:
    """Return the matrices that *content* tells of, the oldest first.

    Raises:
        CatalogueInvalid: it is no TOML, a word in it is unknown, or a role of the eight opens nothing.
    """
    try:
        read = [_matrix(entry) for entry in tomllib.loads(content)["matrix"]]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise CatalogueInvalid(file=FILE, reason=str(error)) from error
    starts = [matrix.valid_from for matrix in read]
    if not read or sorted(set(starts)) != starts:
        raise CatalogueInvalid(file=FILE, reason="valid_from")
    for matrix in read:
        _require_whole(matrix)
    return read


def _matrix(entry: Mapping[str, Any]) -> Matrix:
    start = entry["valid_from"]
    if type(start) is not date:
        raise ValueError(f"valid_from = {start!r}")
    within = timedelta(days=int(entry["accounts_close_within_days"]))
    tasks = tuple(
        MatrixTask(
            int(task["row"]),
            frozenset(Role(role) for role in task["moves"]),
            tuple(Role(role) for role in task["acts"]),
            Task(task["task"]),
        )
        for task in entry["task"]
    )
    return Matrix(start, within, tasks)


def _require_whole(matrix: Matrix) -> None:
    for role in Role:
        opened = [each.task for each in matrix.tasks_for(role)]
        if not opened or len(set(opened)) != len(opened):
            raise CatalogueInvalid(file=FILE, reason=f"{matrix.valid_from}: {role.value}: {opened}")
    if any(not each.acts for each in matrix.tasks) or matrix.accounts_within < timedelta(0):
        raise CatalogueInvalid(file=FILE, reason=f"{matrix.valid_from}: acts, accounts_close_within_days")
