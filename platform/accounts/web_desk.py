"""What the pages of accounts share: the desk, which is made once for each application, and who visits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from flask import current_app
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.desk import Desk, desk_on
from chukan.platform.accounts.errors import PersonNeeded
from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.operator_overview import OperatorOverview
from chukan.platform.accounts.request_overview import RequestOverview
from chukan.platform.accounts.service import Operators
from chukan.platform.web import BaseForm, Here, here

T = TypeVar("T")
_EXTENSION = "chukan.accounts"


class DeskKeeper:
    """Keeps the desk of one application: its ciphers and decoys are too dear to be made for each request.

    It is made at the first request that needs it, in the process that serves: a session with an HSM survives no fork.
    """

    def __init__(self, kinds: Sequence[FourEyesKind], limits: Limits | None) -> None:
        self._kinds = kinds
        self._limits = limits
        self._lock = threading.Lock()
        self._desk: Desk | None = None

    def install(self, state: BlueprintSetupState) -> None:
        """Let the pages of the application find this keeper."""
        state.app.extensions[_EXTENSION] = self

    def desk(self, visit: Here) -> Desk:
        """Return the desk over the engine of *visit*."""
        with self._lock:
            if self._desk is None or self._desk.engine is not visit.engine:
                self._desk = desk_on(visit.settings, visit.engine, self._kinds, self._limits)
            return self._desk


def desk() -> Desk:
    """Return the desk of the application that answers this request."""
    return desk_for(here())


def desk_for(visit: Here) -> Desk:
    """Return the desk of the present application for *visit*."""
    return cast("DeskKeeper", current_app.extensions[_EXTENSION]).desk(visit)


def me() -> Actor:
    """Return the operator who visits.

    Raises:
        PersonNeeded: nobody does, or the page is served to somebody else than operators.
    """
    visitor = here().visitor
    if not isinstance(visitor, Actor) or visitor.signed is None:
        raise PersonNeeded
    return visitor


def operators() -> Operators:
    """Return what the visitor can do to operators in this request."""
    return desk().operators(me(), here().request)


def operator_overview() -> OperatorOverview:
    """Return what the visitor may see of operators."""
    return OperatorOverview(here().engine, desk().limits, actor=me())


def request_overview() -> RequestOverview:
    """Return what the visitor may see of requests for a second person."""
    return RequestOverview(here().engine, desk().four_eyes.kinds, actor=me())


def attempted(form: BaseForm, act: Callable[[], T], *, field: str | None = None) -> T | None:
    """Return what *act* returned, or None where *form* now says why it was not done (status 422)."""
    answers: list[T] = []
    return answers[0] if form.attempt(lambda: answers.append(act()), field=field) else None


#: What a view returns.
Answer = ResponseReturnValue
