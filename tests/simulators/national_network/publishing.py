"""Masters: published one package after the other, signed once, and listed."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import uuid4

from lxml import etree

from chukan_simulators.national_network import clock
from chukan_simulators.national_network.context import Context
from chukan_simulators.national_network.documents import LIST, PACKAGE, add, add_all, document, written
from chukan_simulators.national_network.faults import FORGERIES, Fault, Point, forged
from chukan_simulators.national_network.jose import taken_apart
from chukan_simulators.national_network.keys import Keys
from chukan_simulators.national_network.masters import Head, MasterFiles
from chukan_simulators.national_network.permissions import NOBODY_KNOWN, PermissionTable

#: What the header of a list and of a package holds.
_FIELDS = frozenset({"alg", "kid", "typ", "iat", "from"})


class Publisher:
    """What is published; what could be is in the data files."""

    def __init__(self, context: Context, keys: Keys, files: MasterFiles) -> None:
        self._context = context
        self._keys = keys
        self._files = files
        self._read: tuple[int, etree._Element | None] = (0, None)
        self._table = NOBODY_KNOWN
        self._look_again = 0.0

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
        self._look_again = 0.0
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

    def in_force(self) -> etree._Element | None:
        """Return the document of the newest package whose day of linkage has come; it is read once."""
        today = clock.day(self._context.time()).isoformat()
        query = "select sequence, bytes from package where linkage_start <= ? order by sequence desc limit 1"
        row = self._context.store.found_one(query, today)
        if row is None:
            return None
        sequence, root = self._read
        if root is None or sequence != row["sequence"]:
            payload = taken_apart(bytes(row["bytes"]), _FIELDS).payload
            root = etree.fromstring(payload, etree.XMLParser(resolve_entities=False, huge_tree=True))
            self._read = (int(row["sequence"]), root)
            self._table = PermissionTable.of(root)
        return root

    def table(self) -> PermissionTable:
        """Return the permission table in force."""
        now = self._context.time()
        if now >= self._look_again:
            # Only a new day, or a new package, brings another one.
            self._table = NOBODY_KNOWN if self.in_force() is None else self._table
            self._look_again = clock.start_of(clock.day(now) + timedelta(days=1))
        return self._table

    def _content(self, sequence: int) -> bytes | None:
        row = self._context.store.found_one("select bytes from package where sequence = ?", sequence)
        return None if row is None else bytes(row["bytes"])

    def _as_ordered(self, content: bytes, at: Point) -> bytes:
        order = self._context.menu.served(FORGERIES, at)
        return forged(taken_apart(content, _FIELDS), order.fault) if order else content
