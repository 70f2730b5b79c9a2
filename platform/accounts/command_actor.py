"""Who acts, as every feature's commands ask (``acting`` in ``platform/command_line.py``).

A command that is refused for want of a permission leaves an entry in the platform's chain, as a refused act does:
somebody who tries doors is seen. The auditor's log-in records nothing at all, so what is refused under it stands
in the log alone.

Source: A0-142 item 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
from sqlalchemy import Engine

from chukan.platform.accounts.actor import Actor, current_actor
from chukan.platform.accounts.permissions import Permission
from chukan.platform.audit import store
from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.command_line import CommandActor
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings


def command_actor(settings: Settings, engine: Engine) -> CommandActor:
    """Return who runs the present command, to a command of any feature; raises as ``current_actor``."""
    return _Asked(current_actor(settings, engine), engine)


@dataclass(frozen=True)
class _Asked:
    actor: Actor
    engine: Engine

    @property
    def name(self) -> str:
        """What the trail records."""
        return self.actor.name

    def require(self, permission: str) -> None:
        """Let the actor pass, or refuse and record it.

        Raises:
            PermissionLacking: none of the roles holds *permission*.
            ValueError: there is no such permission.
        """
        wanted = Permission(permission)
        if self.actor.may(wanted) or not self._can_record():
            self.actor.require(wanted)
            return
        command = click.get_current_context().command_path.replace(" ", "/")
        act = AuditEntry(self.name, wanted, f"command:{command}", new_request_id())
        with audited(self.engine.begin, act, chain=Chain.PLATFORM):
            self.actor.require(wanted)

    def _can_record(self) -> bool:
        with self.engine.connect() as connection:
            return store.may_append(connection)
