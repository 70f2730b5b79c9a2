"""The page ``docs/logs.md``, made from the catalogue of fields so that it cannot fall behind it."""

from __future__ import annotations

import sys

from chukan.platform.logs.fields import FIELDS, Kind

_KINDS = {
    Kind.ID: "a UUID, a number or a short token, unless it looks like a person's (11 to 13 digits)",
    Kind.NUMBER: "a number below ten thousand million, or true or false",
    Kind.TEXT: "text of the program's own making; 11 digits or more in a row are masked, however grouped and in "
    "whatever script's digits",
    Kind.TEXTS: "a list of such texts",
}

_HEAD = """\
# Logs

Made by `python -m chukan.platform.logs.page`; a test compares it with the program.

Every process writes one JSON object a line (ASCII, so that no value can break a line or steer a
terminal), to standard error, or to files if `logs.directory` is set: `<process>.<day>.jsonl`, a new one
at midnight in Asia/Tokyo, mode 0640. Files are deleted when they ended `logs.retention_days` ago: by each
process when it begins a new one, and by `chukan logs prune`. A line that cannot be written to its file
goes to standard error.

## Whose line it is

`organisation`, `request` and `job` are bound once for all that happens inside a request or a job; a
thread or task of its own starts without them. A line that names one organisation inside the block of
another belongs to neither: it has no `organisation`, and `dropped` says so. `chukan logs show
--organisation ID [--since INSTANT] [--request ID]` prints the lines of one organisation and of nobody
else; with `--json` as they stand in the files. (A3-021)

## What is never written

* fields that are not listed here, and values of other kinds than listed: only the field's name is
  written, in `dropped`;
* texts of exceptions that are not our own, their SQL parameters, and local variables: an exception is its
  class, its causes' classes, our code and reference id (and our own detail, if no other library's
  exception is behind it), and the places in the code that it came through;
* the arguments of other libraries' messages: only the template is taken, from warnings on.

Names and addresses have no form that a program could recognise; they stay out because events are
constants and no field is meant for them. A test looks at every log call in the code for both.

## Kinds of fields
"""


def page() -> str:
    """Return the whole page in Markdown, English."""
    kinds = [f"* {kind.value}: {meaning}." for kind, meaning in _KINDS.items()]
    rows = [f"| `{field.name}` | {field.kind.value} | {field.meaning} |" for field in FIELDS.values()]
    table = ["| field | kind | meaning |", "|---|---|---|", *rows]
    return "\n".join((_HEAD, *kinds, "\n## Fields\n", *table, ""))


if __name__ == "__main__":
    sys.stdout.write(page())
