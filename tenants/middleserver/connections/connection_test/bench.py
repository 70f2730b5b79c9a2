"""What the steps share, and how they are run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.middleserver.connections.connection_test.certificates import Files, Own
from chukan.tenants.middleserver.connections.connection_test.client import Address, Gateway, Unreachable
from chukan.tenants.middleserver.connections.connection_test.documents import Sender
from chukan.tenants.middleserver.connections.connection_test.rules import (
    Dataset,
    Failed,
    Finding,
    NotTried,
    Outcome,
    Result,
)
from chukan.tenants.middleserver.connections.connection_test.talk import Talk
from chukan.tenants.middleserver.connections.connection_test.words import finding_of
from chukan.tenants.middleserver.connections.data import shipped_test_persons
from chukan.tenants.middleserver.formats.codes import OrganisationCode, region_of


@dataclass
class Bench:
    """What is tested, with what, and what earlier steps have left for later ones; ``now`` is UTC."""

    address: Address
    files: Files
    sender: Sender
    dataset: Dataset
    run: str
    now: datetime
    seconds: float
    own: Own | None = None
    online: Talk | None = None
    upload: str = ""
    content: bytes = b""
    listed: str = ""
    #: Message types that were answered as they have to be.
    answered: list[str] = field(default_factory=list)

    @property
    def talk(self) -> Talk:
        """The conversation with the gateway; raises NotTried, if there is none."""
        if self.online is None:
            raise NotTried(text("There is no connection to the gateway."))
        return self.online

    @property
    def gateway(self) -> Gateway:
        """The gateway; raises NotTried, if it is not connected."""
        return self.talk.gateway

    @property
    def region(self) -> str:
        """The organisation's region code."""
        return region_of(OrganisationCode(self.sender.organisation))

    @property
    def today(self) -> str:
        """The day in Tokyo, YYYY-MM-DD."""
        return as_tokyo(self.now).date().isoformat()


def person(place: int) -> str:
    """Return the test person in a *place*, from 0."""
    return str(int(shipped_test_persons().first) + place)


@dataclass(frozen=True)
class Step:
    """One step: its name, its title, the requirement that it comes from, and what it does.

    ``run`` returns in words what was seen, and raises Failed, NotTried or Unreachable.
    """

    name: str
    title: str
    source: str
    run: Callable[[Bench], str]


def run(steps: Sequence[Step], bench: Bench) -> list[Result]:
    """Take the *steps* one after the other; none of them ends the test."""
    return [taken(step.name, text(step.title), step.source, step.run, bench) for step in steps]


def taken(name: str, title: str, source: str, act: Callable[[Bench], str], bench: Bench) -> Result:
    """Return how the step *name* with its *title* (in the reader's language) went, which *act* takes."""
    try:
        return Result(name, title, source, Outcome.PASS, act(bench))
    except NotTried as skipped:
        return Result(name, title, source, Outcome.SKIP, skipped.reason)
    except Failed as failed:
        findings: Sequence[Finding] = failed.findings
    except Unreachable as error:
        findings = [finding_of(error)]
    return Result(name, title, source, Outcome.FAIL, findings[0].what, findings)
