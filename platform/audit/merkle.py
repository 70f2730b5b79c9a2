"""The Merkle tree of RFC 6962, section 2.1: root and inclusion path. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash (32 bytes) of *leaves*, which are the leaves' data, in order."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    *_, top = _levels(leaves)
    return top[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of ``leaves[index]`` (RFC 6962, 2.1.1): its siblings from bottom to top."""
    path = []
    for level in _levels(leaves):
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index //= 2
    return path


def _levels(leaves: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the hashes level by level; a last one without a partner moves up as it is.

    That is the RFC's recursion (split at the largest power of two) from below.
    """
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    yield level
    while len(level) > 1:
        pairs = zip(level[0::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
        yield level
