"""`chukan demo copies`: what is registered, what is refused for which mistake, and nothing that runs afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from chukan.demo.contents import shipped_contents
from chukan.demo.place import Place
from chukan.platform.database.embedded import EmbeddedCluster
from demo.running import ask
from demo.tables import mistakes, results

pytestmark = pytest.mark.long
#: The mistakes of A1-017 and one more, as the error reports tell them: record, item, reason code.
MISTAKES = [
    ("6", "未申告区分 (X02_0101_020)", "required"),
    ("7", "相当年度 (X02_0101_010)", "item_version"),
    ("6", "保険者番号 (X31_0101_010)", "characters"),
    ("7", "保険者番号 (X31_0101_010)", "check_digit"),
    ("8", "保険者番号 (X31_0101_010)", "length"),
    ("9", "被保険者証記号番号 (X31_0101_020)", "individual_number"),
    ("6", "再交付日 (X08_0102_040)", "occurrences"),
    ("7", "再交付日 (X08_0102_040)", "length"),
    ("–", "–", "count"),
]


def test_copies_are_registered_or_refused_with_their_reasons_and_nothing_runs_afterwards(folder: Path) -> None:
    told = shown(folder)
    packages = shipped_contents().copies.packages
    assert f"Masters: {packages} packages, {packages} new" in told
    assert "Certificates for messages: 4, 4 new" in told
    assert "Connected systems: 2, 2 new" in told
    assert "298 acquired; 2 answered as unknown to the register network; 300 asked for now" in told
    assert "6 files, 6 sent now in" in told
    assert "6 files worked on" in told
    assert results(told) == [
        ("150", "150", "150", "0", "all registered"),
        ("150", "150", "150", "0", "all registered"),
        ("7", "7", "0", "2", "refused, all of it"),
        ("9", "9", "0", "4", "refused, all of it"),
        ("7", "7", "0", "2", "refused, all of it"),
        ("150", "135", "0", "1", "refused, all of it"),
    ]
    assert mistakes(told) == MISTAKES


def shown(folder: Path) -> str:
    """Run it to its end, see that nothing of it runs any more, and return what it printed."""
    done = ask("copies", "--directory", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is stopped." in done.stdout
    place = Place(folder.resolve())
    assert place.processes().alive() == []
    assert EmbeddedCluster(place.embedded).server_pid() is None
    return done.stdout
