"""What the connection test finds: steps and their outcomes, and what is wrong, where, and whose affair it is. Pure.

Source: A0-155.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a step went."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    #: It could not be tried: what it builds on failed, or the system is not registered for it.
    SKIP = "skip"


class Side(StrEnum):
    """Whose affair it is."""

    VENDOR = "vendor"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: in words, and what to do about it, both in the reader's language.

    ``file``, ``line`` (from 1; 0: none) and ``element`` tell where; ``error`` and ``reference`` are those of the
    gateway's refusal, if it refused.
    """

    what: str
    remedy: str
    side: Side = Side.VENDOR
    file: str = ""
    line: int = 0
    element: str = ""
    error: str = ""
    reference: str = ""

    @property
    def place(self) -> str:
        """Where it is, as one text; empty if it has no place."""
        line = str(self.line) if self.line else ""
        return ":".join(part for part in (self.file, line, self.element) if part)

    def shape(self) -> dict[str, object]:
        """Return the finding as programs are told of it."""
        return {
            "what": self.what,
            "remedy": self.remedy,
            "side": self.side.value,
            "file": self.file or None,
            "line": self.line or None,
            "element": self.element or None,
            "error": self.error or None,
            "reference": self.reference or None,
        }


class Failed(Exception):
    """A step went wrong; ``findings`` tells what, and is never empty."""

    def __init__(self, *findings: Finding) -> None:
        """Fail for *findings*."""
        super().__init__("; ".join(each.what for each in findings))
        self.findings = findings


class NotTried(Exception):
    """A step cannot be tried; ``reason`` tells why, in the reader's language."""

    def __init__(self, reason: str) -> None:
        """Skip the step for *reason*."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Result:
    """How one step went: its name, its title, what was seen (both in the reader's language), the row it comes from."""

    name: str
    title: str
    source: str
    outcome: Outcome
    seen: str = ""
    findings: Sequence[Finding] = ()

    def shape(self) -> dict[str, object]:
        """Return the result as programs are told of it."""
        return {
            "step": self.name,
            "title": self.title,
            "source": self.source,
            "outcome": self.outcome.value,
            "seen": self.seen,
            "findings": [each.shape() for each in self.findings],
        }


def passed(results: Sequence[Result]) -> bool:
    """Return whether something was tried and nothing of it failed."""
    outcomes = {each.outcome for each in results}
    return Outcome.PASS in outcomes and Outcome.FAIL not in outcomes


def count(results: Sequence[Result], outcome: Outcome) -> int:
    """Return how many steps ended with *outcome*."""
    return sum(each.outcome is outcome for each in results)


# -- the file that is sent ---------------------------------------------------------------------------------------

_HEADER = (
    "RecordIdentificationNumber,SegmentOfRegistrationDelete,IntegratedAddressNumber,SpecificPersonalInformationCode,"
    "DataSetIdentificationItemCode,DataSetRecordKey,SPIMajorVersion,ParentDataSetRecordKey,PublicationDate,"
    "PublishedEndDate,AdministrativeRegionCode,TimeAndDateOfUpdate"
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Of what the test's file is: information code, number of the dataset (4 digits) and version of the layout."""

    information: str
    number: str
    version: int

    @property
    def file(self) -> str:
        """The name of a file of it."""
        return f"DBM_20113_ATTACH_{self.information}_A000000001_{self.number}_001.csv"


def deletions(dataset: Dataset, persons: Sequence[str], *, key: str, day: str, region: str) -> bytes:
    """Return a file (CSV, UTF-8) of one deletion for each of *persons*: it needs no item of a layout.

    *key* is the record key of all, *day* (YYYY-MM-DD) that of publication, *region* the organisation's three digits.
    """
    about = f"{dataset.information},{dataset.number},{key},{dataset.version}"
    lines = (f"{place},2,{person},{about},,{day},,{region}," for place, person in enumerate(persons, 1))
    return "".join(f"{line}\r\n" for line in (_HEADER, *lines)).encode()
