"""The page ``docs/settings.md``, made from the model so that it cannot fall behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from itertools import groupby

from pydantic import SecretStr

from chukan.platform.messages import language
from chukan.platform.settings.leaves import Leaf, leaves
from chukan.platform.settings.model import Environment

_HEAD = """\
# Settings

Made by `python -m chukan.platform.settings.page`; a test compares it with the program.

Five layers make up the settings, and later ones win:

1. the defaults below;
2. `config/settings/<environment>.toml`, shipped with the program, for the environment in force
   ({environments});
3. the operator's own files: each `*.toml` in the folder that `CHUKAN_CONFIG_DIRECTORY` names, in the
   order of their names;
4. the environment variables below;
5. for every variable also its name with `_FILE` added: it names a file whose content (without one line
   break at the end) is the value. This is the form for secrets; a file that holds a secret must not be
   readable or writable by others than its owner and group.

The environment itself is `development` unless `CHUKAN_ENVIRONMENT` or a file of the operator's says
otherwise. Relative paths start from the folder in `CHUKAN_HOME`, or from the current one. Other variables
that begin with `CHUKAN_` are errors, and so are unknown keys in files.

`chukan config check` reports everything that is wrong at once and ends with exit code 78; `chukan config
show` prints what is in force and where each value comes from. Both take `--json`.

In TOML the part of a key before its last dot is the section: `logs.level` is `level` under `[logs]`.

## What production refuses

* an empty `database.url`, or one that points to the embedded database's socket: production has a cluster
  of its own;
* a `database.url` with a log-in (`user`, `password`, `passfile`, `service`): each process has a password
  file in `database.secrets_directory`;
* a `database.url` that names another machine without `sslmode=verify-full`, `verify-ca`, or `require`
  together with `channel_binding=require`: `require` alone encrypts to whoever answers;
* `vault.provider = "file"`;
* `mail.security = "none"`: mail leaves over TLS, to a server that proves who it is;
* `debug = true`;
* an `external_url` that is empty or not `https://` with a host name.

Trust authentication stands in the cluster's own files; `chukan database check` looks for it there.
"""


def page() -> str:
    """Return the whole page in Markdown, English."""
    environments = ", ".join(f"`{environment}`" for environment in Environment)
    with language("en"):
        return "\n".join((_HEAD.format(environments=environments), *_sections()))


def _sections() -> Iterator[str]:
    for section, members in groupby(leaves().values(), lambda leaf: leaf.key.rpartition(".")[0]):
        yield f"## `[{section}]`\n" if section else "## At the top\n"
        for leaf in members:
            yield from _entry(leaf)


def _entry(leaf: Leaf) -> Iterator[str]:
    yield f"### `{leaf.key}`\n"
    yield f"{leaf.meaning}\n"
    yield f"* expected: {leaf.expected()}"
    yield f"* default: {_default(leaf)}"
    yield f"* variable: `{leaf.variable}`\n"


def _default(leaf: Leaf) -> str:
    value = leaf.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, Enum):
        value = value.value
    return "empty" if value in {None, ""} else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
