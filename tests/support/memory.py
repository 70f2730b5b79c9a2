"""What a process holds in memory, as the kernel counts it."""

from __future__ import annotations

import re
from pathlib import Path


def private_kib(pid: int) -> int:
    """Return the memory that *pid* shares with nobody, in KiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return sum(int(kib) for kib in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE))
