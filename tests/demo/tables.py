"""The tables that the demonstration prints of duplicate copies, read again."""

from __future__ import annotations

import re


def results(printed: str) -> list[tuple[str, ...]]:
    """Return what the first table says: announced, in the file, registered, mistakes, result."""
    return [tuple(map(str.strip, row)) for row in re.findall(
        r"^│ \S+ +│ [^│]+│ (\d+) +│ (\d+) +│ (\d+) +│ (\d+) +│ ([^│]+)│$", printed, re.MULTILINE)]  # fmt: skip


def mistakes(printed: str) -> list[tuple[str, ...]]:
    """Return what the second table says: record, item and reason code; further lines of a row are left aside."""
    rows = re.findall(
        r"^│ [^│]+│ (\d+|–) +│ ([^│]+)│ ([a-z_]+) +│ [^│]+│ [^│]+│$", printed.partition("Why they")[2], re.MULTILINE
    )
    return [tuple(map(str.strip, row)) for row in rows]
