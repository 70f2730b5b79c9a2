"""What each role may do: ``config/roles.toml``, validated whole when it is read.

Source: A0-142 item 1.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from chukan.platform.accounts.errors import RolesExclude, RolesInvalid
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import Role, forbidden_pairs

FILE = "roles.toml"


@dataclass(frozen=True)
class RoleBook:
    """Which permissions each role holds, and which roles are never held with it."""

    permissions: Mapping[Role, frozenset[Permission]]
    excludes: Mapping[Role, frozenset[Role]]

    def permissions_of(self, roles: Iterable[str]) -> frozenset[Permission]:
        """Return what *roles* may do together; a role that is not known here may do nothing."""
        known = [Role(role) for role in roles if role in tuple(Role)]
        return frozenset[Permission]().union(*(self.permissions[role] for role in known))

    def require_compatible(self, roles: Iterable[Role]) -> None:
        """Refuse *roles* that one person must not hold together.

        Raises:
            RolesExclude: two of them exclude each other.
        """
        for first, second in forbidden_pairs(roles, self.excludes):
            raise RolesExclude(first=first.value, second=second.value)


def role_book_of(document: str) -> RoleBook:
    """Return what *document* (TOML) says.

    Raises:
        RolesInvalid: it is no TOML, a role or permission is unknown, doubled or missing; all of it is named.
    """
    try:
        tree = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise RolesInvalid(file=FILE, reasons=str(error)) from error
    if wrong := list(_wrong(tree)):
        raise RolesInvalid(file=FILE, reasons="; ".join(wrong))
    permissions = {role: frozenset(Permission(name) for name in tree[role]["permissions"]) for role in Role}
    excludes = {role: frozenset(Role(name) for name in tree[role].get("excludes", ())) for role in Role}
    return RoleBook(MappingProxyType(permissions), MappingProxyType(excludes))


@cache
def shipped_roles() -> RoleBook:
    """Return the roles that the program ships; raises as ``role_book_of``."""
    return role_book_of((files("chukan") / "config" / FILE).read_text("utf-8"))


def _wrong(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that is wrong with *tree*, each in a few words for whoever edits the file."""
    for missing in set(Role) - tree.keys():
        yield f"[{missing}] is missing"
    held: set[str] = set()
    for role, section in tree.items():
        if role not in tuple(Role):
            yield f"[{role}] is no role"
        elif not isinstance(section, dict):
            yield f"{role} is no section"
        else:
            yield from (f"[{role}] {key} is unknown" for key in section.keys() - {"permissions", "excludes"})
            yield from _wrong_list(role, section, "permissions", tuple(Permission))
            yield from _wrong_list(role, section, "excludes", tuple(name for name in Role if name != role))
            held.update(name for name in _list(section, "permissions") if isinstance(name, str))
    yield from (f"nobody may {permission.value}" for permission in Permission if permission.value not in held)


def _wrong_list(role: str, section: Mapping[str, Any], key: str, known: tuple[str, ...]) -> Iterator[str]:
    names = _list(section, key)
    if key == "permissions" and not names:
        yield f"[{role}] {key} is missing or empty"
    yield from (f"[{role}] {name} is unknown" for name in names if name not in known)
    yield from (f"[{role}] {name} stands there twice" for name in known if names.count(name) > 1)


def _list(section: Mapping[str, Any], key: str) -> list[Any]:
    found = section.get(key, [])
    return found if isinstance(found, list) else [found]
