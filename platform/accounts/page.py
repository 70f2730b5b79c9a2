"""The page ``docs/permissions.md``, made from the permissions and ``config/roles.toml``."""

from __future__ import annotations

import sys

from chukan.platform.accounts.permissions import MEANINGS, Permission
from chukan.platform.accounts.roles import RoleBook, shipped_roles
from chukan.platform.accounts.rules import Role

_HEAD = """\
# Permissions

Made by `python -m chukan.platform.accounts.page`; a test compares it with the program. (A0-142 item 1)

What an operator may do is the sum of what the roles allow; which role allows what is data, in
`config/roles.toml`. Permissions are named `<scope>:<resource>:<action>`. None of them opens what the
organisations keep: no such permission exists, and the console's log-in reaches no tenant's schema and no
tenant's key. Commands that run with the machine's own rights need no permission; they are bounded by the
files that the machine's user can read, and are recorded as `system:<user>`.
"""


def page() -> str:
    """Return the whole page in Markdown, English."""
    return f"{_HEAD}\n{_matrix(shipped_roles())}\n\n## Never held together\n\n{_exclusions(shipped_roles())}\n"


def _matrix(book: RoleBook) -> str:
    columns = ("permission", "allows to", *Role)
    rows = [
        (f"`{each.value}`", MEANINGS[each], *("✓" if each in book.permissions[role] else "" for role in Role))
        for each in Permission
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def _exclusions(book: RoleBook) -> str:
    lines = [
        f"* **{role}** and {', '.join(sorted(others))}: who examines the others' acts has none of their own to examine."
        for role, others in book.excludes.items()
        if others
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
