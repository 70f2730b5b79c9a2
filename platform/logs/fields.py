"""The catalogue of log fields: a line holds these and nothing else, so that no personal value slips in.

``docs/logs.md`` lists them; a field that is not here is left out of the line, and only its name is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What a field may hold, and with that how its value is cleaned."""

    #: A UUID, number or short token; written as it is, unless it has the form of a person's number.
    ID = "id"
    #: A number or a truth value; never 11 digits or more.
    NUMBER = "number"
    #: Text of our own making; runs of 11 digits or more are masked.
    TEXT = "text"
    #: A list of such texts.
    TEXTS = "texts"


@dataclass(frozen=True)
class LogField:
    """One field: its name, kind and meaning (with the unit, if it has one)."""

    name: str
    kind: Kind
    meaning: str


_ALL = (
    LogField("at", Kind.TEXT, "Instant of the line, ISO 8601 in UTC."),
    LogField("level", Kind.TEXT, "debug, info, warning, error or critical."),
    LogField("event", Kind.TEXT, "What happened: an English constant; values stand in the other fields."),
    LogField("process", Kind.TEXT, "Which process wrote the line: gateway, worker, command, …"),
    LogField("organisation", Kind.ID, "The tenant that the line belongs to; absent for the platform's own work."),
    LogField("request", Kind.ID, "Ties together all lines of one request or command."),
    LogField("job", Kind.ID, "Ties together all lines of one job."),
    LogField("logger", Kind.TEXT, "The module that wrote the line."),
    LogField("error", Kind.TEXT, "Code of an error of ours, as in docs/errors.md."),
    LogField("error_type", Kind.TEXT, "Class of the exception."),
    LogField("reference", Kind.ID, "Reference id that the person who met the error was given."),
    LogField("detail", Kind.TEXT, "Detail of an error of ours that has no other exception behind it."),
    LogField("frames", Kind.TEXTS, "Where the exception came from, outermost first: file:line function."),
    LogField("causes", Kind.TEXTS, "Classes of the exceptions behind it, nearest first."),
    LogField(
        "dropped",
        Kind.TEXTS,
        "Names of fields that were left out: not in this catalogue, or of a wrong kind.",
    ),
    LogField("action", Kind.TEXT, "Audited act, as in the audit trail."),
    LogField("attempt", Kind.NUMBER, "How many times it has been tried."),
    LogField("chain", Kind.ID, "Audit chain."),
    LogField("check", Kind.TEXT, "Name of a health check."),
    LogField("command", Kind.TEXT, "Name of a command, without its arguments."),
    LogField("count", Kind.NUMBER, "How many."),
    LogField("duration_ms", Kind.NUMBER, "How long it took, in milliseconds."),
    LogField("exit_code", Kind.NUMBER, "Exit code of a program."),
    LogField("health", Kind.TEXT, "Verdict of a health check."),
    LogField("key_version", Kind.NUMBER, "Version of a key."),
    LogField("limit", Kind.NUMBER, "The bound that was met."),
    LogField("memory_mb", Kind.NUMBER, "Memory, in MiB."),
    LogField("outcome", Kind.TEXT, "How an act ended."),
    LogField("path", Kind.TEXT, "A file or folder of the platform."),
    LogField("pid", Kind.NUMBER, "Process id."),
    LogField("port", Kind.NUMBER, "Network port."),
    LogField("reason", Kind.TEXT, "Why, as an English constant."),
    LogField("role", Kind.TEXT, "Database role."),
    LogField("sequence", Kind.NUMBER, "Number of an entry in its chain or of a message in its row."),
    LogField("signal", Kind.NUMBER, "Signal that ended a program."),
    LogField("sqlstate", Kind.TEXT, "PostgreSQL's error code."),
    LogField("stage", Kind.TEXT, "Step of an automatic reply: receive, fetch, build or send."),
    LogField("state", Kind.TEXT, "State that something is in or went into."),
    LogField("table", Kind.TEXT, "Database table."),
    LogField("version", Kind.TEXT, "Version of a program or a schema."),
    LogField("wrapping_key", Kind.ID, "Id of a wrapping key; never the key."),
)

FIELDS = MappingProxyType({field.name: field for field in _ALL})
