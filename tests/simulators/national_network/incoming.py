"""A message that an organisation sent, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from chukan_simulators.national_network.documents import text_of


class Refused(Exception):
    """A message is refused, as if it had never come; ``reason`` is a word of the protocol, ``detail`` is for people."""

    def __init__(self, reason: str, detail: str = "", expected: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.expected = expected


def must(condition: object, detail: str) -> None:
    """Do nothing if *condition* holds; else refuse the content of the message, as *detail* says."""
    if not condition:
        raise Refused("content", detail)


@dataclass(frozen=True)
class Sent:
    """A message of an organisation, in its conversation and at its place in it."""

    sender: str
    conv: str
    seq: int
    root: etree._Element
    #: The certificate with which it was signed.
    kid: str

    @property
    def mode(self) -> str:
        """Whether it is of production or a test."""
        return text_of(self.root, "MessageHeader/MSGMode")

    def __getitem__(self, name: str) -> str:
        """Return the text of the element *name* (``Condition/Kind``: one of its parts), "" if it is not there."""
        return self._told.get(name, "")

    @cached_property
    def _told(self) -> dict[str, str]:
        told = {str(child.tag): child.text or "" for child in self.root}
        condition = self.root.find("Condition")
        if condition is not None:
            told |= {f"Condition/{part.tag}": part.text or "" for part in condition}
        return told
