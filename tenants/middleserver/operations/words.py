"""The words of nights."""

from __future__ import annotations

from types import MappingProxyType

from chukan.platform.messages import mark, text

PART_WORDS = MappingProxyType(
    {
        "waiting": mark("waits for its turn"),
        "running": mark("has its turn"),
        "finished": mark("all registered"),
        "carried_over": mark("carried over to the next night"),
        "failed": mark("could not be worked on"),
    }
)
RUN_WORDS = MappingProxyType({"running": mark("the night is being worked on"), "finished": mark("over")})


def told_part(state: str) -> str:
    """Return the word for the *state* of an organisation in a night, in the reader's language."""
    return text(PART_WORDS[state])


def told_run(state: str) -> str:
    """Return the word for the *state* of a night, in the reader's language."""
    return text(RUN_WORDS[state])
