"""Masters: published one package after the other, signed once, and listed."""

from __future__ import annotations

import hashlib
from uuid import uuid4

from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import LIST, PACKAGE, add, add_all, document, written
from chukan_simulators.national_network.faults import FORGERIES, Fault, Point, forged
from chukan_simulators.national_network.jose import taken_apart
from chukan_simulators.national_network.keys import Keys
from chukan_simulators.national_network.masters import Head, MasterFiles

#: What the header of a list and of a package holds.
_FIELDS = frozenset({"alg", "kid", "typ", "iat", "from"})


class Publisher:
    """What is published; what could be is in the data files."""

    def __init__(self, context: Context, keys: Keys, files: MasterFiles) -> None:
        self._context = context
        self._keys = keys
        self._files = files

    def published(self) -> list[Head]:
        """Return the packages that were published, oldest first."""
        rows = self._context.store.found_all("select * from package order by sequence")
        names = ("sequence", "version", "publication", "kind", "linkage_start", "published_at")
        return [Head(*(row[name] for name in names)) for row in rows]

    def publish(self) -> Head | None:
        """Publish the next package; None if the data files hold no more."""
        done = len(self.published())
        left = self._files.heads()[done:]
        if not left:
            return None
        head = left[0]
        root = self._files.package(head, uuid4())
        self._context.schemas.check(PACKAGE, root)
        signed = self._keys.signed(PACKAGE, written(root))
        with self._context.store.transaction() as connection:
            connection.execute(
                "insert into package values (?, ?, ?, ?, ?, ?, ?)",
                (*(value for _, value in head.fields), signed),
            )
        return head

    def listing(self) -> bytes:
        """Return the signed list of packages."""
        wrong = self._context.menu.served(frozenset({Fault.WRONG_DIGEST}), Point.MASTERS)
        root = document("MasterPackageList", LIST, uuid4())
        for head in self.published():
            content = self._content(head.sequence) or b""
            digest = hashlib.sha256(content[1:] if wrong else content).hexdigest()
            add_all(add(root, "Package"), (*head.fields, ("Digest", digest), ("Size", len(content))))
        self._context.schemas.check(LIST, root)
        return self._as_ordered(self._keys.signed(LIST, written(root)), Point.MASTERS)

    def package(self, sequence: int) -> bytes | None:
        """Return the signed package *sequence*; None if it is not published."""
        content = self._content(sequence)
        if content and self._context.menu.served(frozenset({Fault.OUT_OF_ORDER}), Point.PACKAGE):
            content = self._content(sequence + 1) or self._content(sequence - 1) or content
        return None if content is None else self._as_ordered(content, Point.PACKAGE)

    def _content(self, sequence: int) -> bytes | None:
        row = self._context.store.found_one("select bytes from package where sequence = ?", sequence)
        return None if row is None else bytes(row["bytes"])

    def _as_ordered(self, content: bytes, at: Point) -> bytes:
        order = self._context.menu.served(FORGERIES, at)
        return forged(taken_apart(content, _FIELDS), order.fault) if order else content
