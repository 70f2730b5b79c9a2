"""The bytes of an uploaded file, opened piece by piece: one piece in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.duplicate_copies import store
from chukan.tenants.middleserver.duplicate_copies.store import Upload


def piece_name(upload: UUID, offset: int) -> str:
    """Return the id of the piece of *upload* that begins at *offset*."""
    return f"{upload}/{offset}"


class Pieces:
    """One file."""

    def __init__(self, sessions: TenantSessions, vault: Vault, tenant: TenantId, upload: Upload) -> None:
        self._sessions = sessions
        self._cipher = vault.column(tenant, "upload_piece", "content")
        self._tenant = tenant
        self._upload = upload
        #: Offsets at which pieces begin, as far as they are known, so that a reading need not begin at the first.
        self._starts = [0]
        #: The piece that was opened last: a file is begun with its head, and read on from there.
        self._last: tuple[int, bytes] | None = None

    def from_offset(self, offset: int) -> Iterator[bytes]:
        """Yield the file's bytes from *offset* on, a piece at a time.

        Raises:
            VaultTampered: a piece is missing or was changed.
        """
        start = max(known for known in self._starts if known <= offset)
        while start < self._upload.size:
            piece = self._piece(start)
            following = start + len(piece)
            if following not in self._starts:
                self._starts.append(following)
            if following > offset:
                yield piece[max(0, offset - start) :]
            start = following

    def _piece(self, start: int) -> bytes:
        if self._last is None or self._last[0] != start:
            self._last = (start, self._opened(start))
        return self._last[1]

    def _opened(self, start: int) -> bytes:
        name = piece_name(self._upload.id, start)
        with self._sessions.connection(self._tenant) as connection:
            sealed = store.piece(connection, name)
        if sealed is None:
            raise VaultTampered(place="upload_piece.content", detail=f"tenant {self._tenant}: a piece is missing")
        return self._cipher.open(name, sealed)
