"""Every log call in the product: the event is a constant, and its fields are in the catalogue."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from chukan.platform.logs.fields import FIELDS

ROOT = Path(__file__).parents[2]
AREAS = ("platform", "tenants", "vpn", "monitoring", "helpdesk", "src/chukan")
METHODS = {"debug", "info", "warning", "error", "critical", "exception"}
NOT_FIELDS = {"exc_info"}
#: Written by the pipe alone, from the record and the exception: ``exc_info=error`` tells all that may be told.
OF_THE_PIPE = {"at", "level", "process", "logger", "event", "error_type", "detail", "frames", "causes", "dropped"}


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls on loggers that *tree* gets from ``get_logger``."""
    loggers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func).rsplit(".", maxsplit=1)[-1] == "get_logger"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            owner = ast.unparse(node.func.value)
            if owner in loggers or owner.startswith("get_logger("):
                yield node


def faults(tree: ast.Module) -> list[str]:
    """Return what is wrong with the log calls of *tree*."""
    found = []
    for call in calls(tree):
        event = call.args[0] if call.args else None
        if len(call.args) != 1 or not (isinstance(event, ast.Constant) and isinstance(event.value, str)):
            found.append(f"{call.lineno}: the event is no constant")
        elif not event.value.isascii():
            found.append(f"{call.lineno}: the event is not English")
        names = [keyword.arg or "**" for keyword in call.keywords]
        allowed = FIELDS.keys() - OF_THE_PIPE | NOT_FIELDS
        found += [f"{call.lineno}: no field {name}" for name in names if name not in allowed]
        found += [f"{call.lineno}: {each.arg} is put together" for each in call.keywords if _put_together(each.value)]
    return found


def _put_together(value: ast.expr) -> bool:
    """Return whether *value* is text made on the spot, which may quote anything (an exception, a row)."""
    made_by = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
    texts = [part for part in ast.walk(value) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    joined = isinstance(value, ast.JoinedStr) or (isinstance(value, ast.BinOp) and bool(texts))
    return joined or made_by in {"str", "repr", "format"}


def test_every_log_call_has_a_constant_event_and_known_fields() -> None:
    files = [path for area in AREAS for path in (ROOT / area).rglob("*.py") if not path.is_symlink()]
    seen = 0
    wrong = []
    for path in files:
        tree = ast.parse(path.read_text())
        seen += len(list(calls(tree)))
        wrong += [f"{path.relative_to(ROOT)}:{fault}" for fault in faults(tree)]
    assert seen >= 4
    assert wrong == []


@pytest.mark.parametrize(
    ("call", "count"),
    [
        ('log.info("x", count=1)', 0),
        ('log.exception("x", exc_info=error)', 0),
        ('log.info(f"found {name}")', 1),
        ('log.info("found " + name)', 1),
        ("log.info(name)", 1),
        ('log.info("found %s", name)', 1),
        ('log.info("氏名")', 1),
        ('log.info("x", name=name)', 1),
        ('log.info("x", **values)', 1),
        ('log.info("x", reason=str(error))', 1),
        ('log.info("x", reason=f"of {name}")', 1),
        ('log.info("x", reason="of " + name)', 1),
        ('log.info("x", duration_ms=(after - before) * 1000)', 0),
        ('log.info("x", detail=error.detail)', 1),
        ('get_logger(__name__).info("x", name=name)', 1),
    ],
)
def test_a_wrong_call_is_noticed(call: str, count: int) -> None:
    assert len(faults(ast.parse(f"log = get_logger(__name__)\n{call}\n"))) == count
