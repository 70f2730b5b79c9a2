"""The death of a process at one of its statements, for tests of the whole exchange."""

from __future__ import annotations

from typing import Self

from sqlalchemy import Engine, event

from support.exchange import Died


class Death:
    """Ends a transaction at a statement: the *at*-th one that is sent to the database inside the block."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.came = False

    def __enter__(self) -> Self:
        event.listen(Engine, "before_cursor_execute", self._count)
        event.listen(Engine, "commit", self._commit)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._count)
        event.remove(Engine, "commit", self._commit)

    def _count(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            self.came = True
            raise Died

    def _commit(self, *_: object) -> None:
        self._count()
