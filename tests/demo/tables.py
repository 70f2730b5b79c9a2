"""The tables that the demonstration prints of duplicate copies and inquiries, read again."""

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


def rows(printed: str, title: str) -> list[tuple[str, ...]]:
    """Return the rows of the table *title*, each cell without the blanks around it; a row is one line."""
    lines = printed.partition(title)[2].partition("└")[0].splitlines()
    return [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in lines if line.startswith("│")]
