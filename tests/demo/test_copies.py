"""`chukan demo copies` and `exchange`: what is registered, refused, asked and answered, and nothing runs afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from chukan.demo.contents import shipped_contents
from chukan.demo.place import Place
from chukan.platform.database.embedded import EmbeddedCluster
from demo.running import ask
from demo.tables import mistakes, results, rows

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


#: How many, the state, and the reason: the counter, no row in the permission table, the barred, the list, the decision.
OUTCOMES = [
    ("1", "answered", "–"),
    ("1", "refused", "inquiries.not_permitted"),
    ("1", "will be answered later", "staff_decision"),
    ("24", "answered", "–"),
    ("1", "will be answered later", "staff_decision"),
    ("1", "answered", "–"),
]
#: Of what is registered as the first municipality's first resident.
ITEMS = [
    ("相当年度", "X02_0101_010", "2019"),
    ("未申告区分", "X02_0101_020", "0 申告あり"),
    ("年税額", "X02_0101_030", "1000"),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_copies_are_registered_or_refused_and_then_asked_for(folder: Path) -> None:
    told = shown("copies", folder)
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

    asked = shown("exchange", folder)
    assert "300 asked for now" not in asked
    assert "6 files, 0 sent now" in asked
    assert "Automatic reply barred: 1 person of 直島町, 1 new" in asked
    assert_exchanged(asked, inquiries=27)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_inquiries_are_asked_anew_by_each_run(folder: Path) -> None:
    first = shown("exchange", folder)
    assert "6 files, 6 sent now in" in first, "the copies were not there"
    assert_exchanged(first, inquiries=27)
    second = shown("exchange", folder)
    assert "Automatic reply barred: 1 person of 直島町, 0 new" in second
    assert_exchanged(second, inquiries=2 * 27)
    assert serial_of(first) != serial_of(second)


def assert_exchanged(told: str, *, inquiries: int) -> None:
    """See in what was *told* that all was asked, answered and recorded; so many *inquiries* left up to now."""
    assert [row[1:4] for row in rows(told, "Inquiries, and what became of them")] == OUTCOMES
    assert "refused at once: 指定された特定個人情報名「TM" in told, "the gateway speaks Japanese to the systems"
    assert "one because of barred_person, which is provided: answered" in told
    assert rows(told, "The answer (all of it invented)")[:3] == ITEMS
    recorded = rows(told, "What three parties recorded of it")
    assert [row for row in recorded if len(set(row[1:])) > 1] == []
    assert ("Result", *["provided"] * 3) in recorded
    assert f"the three of {serial_of(told)} agree in every field" in told
    # Each is recorded by the inquirer and by the provider.
    assert f"{2 * inquiries} records compared with the network's, 0 differ; 0 open cases" in told


def serial_of(told: str) -> str:
    """Return the processing serial of the inquiry at the counter."""
    return rows(told, "What three parties recorded of it")[0][1]


def shown(what: str, folder: Path) -> str:
    """Run it to its end, see that nothing of it runs any more, and return what it printed."""
    done = ask(what, "--directory", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is stopped." in done.stdout
    place = Place(folder.resolve())
    assert place.processes().alive() == []
    assert EmbeddedCluster(place.embedded).server_pid() is None
    return done.stdout
