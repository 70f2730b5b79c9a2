"""String-built SQL is kept out of the product (docs/security.md)."""

from __future__ import annotations

import ast
import textwrap

import pytest

from repository.sql_arguments import Declarations, string_built_sql
from repository.tree import parsed, product_modules, shown

HEAD = """
import sqlalchemy as sa
from psycopg import sql
from psycopg.sql import SQL, Composed, Identifier
from typing import LiteralString
from sqlalchemy import Executable, Select, delete, func, insert, select, text
"""

GOOD = [
    'c.execute("select 1")',
    'c.execute("select " "1")',
    'c.execute("select %s", (value,))',
    'c.execute(text("select 1"))',
    'c.execute(sa.text("select 1"))',
    "c.execute(select(Row).where(Row.id == value))",
    "c.execute(insert(Row).values(id=1).returning(Row.id))",
    "c.execute(TABLE.insert().values(id=1))",
    "c.scalars(select(func.count()))",
    'c.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))',
    'c.execute(SQL(", ").join([Identifier(name)]))',
    'c.exec_driver_sql(SQL("set role {}").format(Identifier(name)).as_string(None))',
    'c.execute(SQL("select ") + Identifier(name))',
    'STATEMENT = "select 1"\ndef f(c): c.execute(STATEMENT)',
    'def f(c):\n    s = SQL("x {}") if c else SQL("y {}")\n    c.execute(s.format(1))',
    "def f(c, s: SQL | Composed): c.execute(s)",
    "def f(c, s: Select[tuple[int]]): c.execute(s.limit(1))",
    "def f(c, s: Executable | None): c.execute(s)",
    'def f(c):\n    for s in ("select 1", "select 2"):\n        c.execute(s)',
    'def f(c):\n    for s in (SQL("a"), SQL("b").format(1)):\n        c.execute(s)',
    'def f(c):\n    for n, s in ((1, "a"), (2, "b")):\n        c.execute(s)',
    'X = {name: SQL(name) for name in ("select", "insert")}\ndef f(c): c.execute(X[c])',
    "def f(c):\n    s = select(Row)\n    s = s.where(Row.id == 1)\n    c.execute(s)",
    "class T:\n    ddl: SQL\ndef f(c, t: T): c.execute(t.ddl.format(1))",
    "class T:\n    all: tuple[SQL, ...]\ndef f(c, t: T):\n    for s in t.all:\n        c.execute(s)",
    'class T:\n    def __init__(self):\n        self._s = SQL("a")\n    def f(self, c): c.execute(self._s)',
    "def build(x) -> Composed: ...\ndef f(c): c.execute(build(1))",
    'def f(c):\n    role, owner = SQL("a"), SQL("b")\n    c.execute(owner)',
    'def f(cursor):\n    cursor.copy("copy t from stdin")',
    "class T:\n    ddl: SQL\nclass U:\n    ddl: str\ndef f(c, t: T): c.execute(t.ddl.format(1))",
    'def one(c, q: LiteralString): c.execute(q)\ndef f(c): one(c, "select 1")',
    'class T:\n    def one(self, q: LiteralString): c.execute(q)\n    def f(self): self.one(q="select 1")',
    "values.copy()\nshutil.copy(source, target)",
    'from chukan.platform.messages import text as told\ntold(f"{x}")',
]

BAD = [
    'c.execute(f"drop role {name}")',
    'c.execute("drop role " + name)',
    'c.execute("drop " + "role")',
    'c.execute("drop role %s" % name)',
    'c.execute("drop role {}".format(name))',
    'c.execute(", ".join(names))',
    'c.execute(text(f"set role {name}"))',
    "c.execute(text(name))",
    "c.execute(sa.text(name))",
    'c.execute(sql.SQL(f"drop role {name}"))',
    "c.execute(SQL(name))",
    'c.execute(SQL("a" + name))',
    "c.execute(SQL(name).format(1))",
    'c.execute(SQL("select ") + name)',
    "c.exec_driver_sql(name)",
    "c.executemany(name, rows)",
    "op.execute(statement=name)",
    "def f(c, s: str): c.execute(s)",
    "def f(c, s: SQL | str): c.execute(s)",
    "def f(c, s): c.execute(s)",
    'def f(c):\n    s = "select 1"\n    s += " from " + c\n    c.execute(s)',
    'def f(c, name):\n    s = "a"\n    if name:\n        s = name\n    c.execute(s)',
    'def f(c, names):\n    for s in ("a", names):\n        c.execute(s)',
    "def f(c, names):\n    for s in names:\n        c.execute(s)",
    "class T:\n    ddl: str\ndef f(c, t: T): c.execute(t.ddl)",
    "class T:\n    ddl: SQL\nclass U:\n    ddl: str\ndef f(c, t): c.execute(t.ddl)",
    "class T:\n    def __init__(self, s):\n        self._s = s\n    def f(self, c): c.execute(self._s)",
    "def build(x) -> str: ...\ndef f(c): c.execute(build(1))",
    "c.execute(open(path).read())",
    'def one(c, q: LiteralString): c.execute(q)\ndef f(c, x): one(c, "select " + x)',
    "def one(c, q: LiteralString): c.execute(q)\ndef f(c, x): one(c, q=x)",
    "class T:\n    def one(self, q: LiteralString): c.execute(q)\n    def f(self, x): self.one(x)",
    'def f(c):\n    s = "abc"\n    c.execute("select 1; drop"[c:])',
    'def f(cursor):\n    cursor.copy(f"copy {cursor} from stdin")',
    "c.execute(str(select(Row)) + name)",
    "with q() as s:\n    c.execute(s)",
]


def refused(code: str) -> list[tuple[int, str]]:
    tree = ast.parse(HEAD + textwrap.dedent(code))
    return string_built_sql(tree, Declarations.of([tree]))


@pytest.mark.parametrize("code", GOOD)
def test_a_literal_a_composition_or_a_construct_is_accepted(code: str) -> None:
    assert refused(code) == []


@pytest.mark.parametrize("code", BAD)
def test_sql_that_is_built_from_strings_is_refused(code: str) -> None:
    assert refused(code) != []


def test_the_product_builds_no_sql_from_strings() -> None:
    modules = {path: parsed(path) for path in product_modules()}
    declarations = Declarations.of(modules.values())
    found = [
        f"{shown(path)}:{line}: {source}"
        for path, tree in modules.items()
        for line, source in string_built_sql(tree, declarations)
    ]
    assert found == []
