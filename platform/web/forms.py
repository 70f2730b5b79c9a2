"""Forms: WTForms fields, our words, and one way for what a service refuses to come back to the person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_wtf import FlaskForm  # type: ignore[import-untyped]  # it has no annotations
from typing_extensions import override

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import text

#: Refusals that the person at the form can do something about; the others are error pages.
_TELLS = {Failure.BAD_INPUT, Failure.CONFLICT, Failure.NOT_FOUND, Failure.REFUSED, Failure.UNAUTHENTICATED}


class _Catalogue:
    """WTForms' own messages through our catalogue, which holds their Japanese."""

    def gettext(self, message: str) -> str:
        return text(message)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        return text(singular if count == 1 else plural)


class BaseForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF is not typed
    """A form of ours: labels and hints are marked texts, translated by the macros that draw it."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # as above
        """Where its messages come from."""

        @override
        def get_translations(self, form: Any) -> _Catalogue:
            return _Catalogue()

    def attempt(self, act: Callable[[], object], *, field: str | None = None) -> bool:
        """Do *act* if everything is filled in rightly; tell a refusal at *field*, or above the form.

        Returns:
            Whether it was done; if not, the form says why and is to be shown again with status 422.

        Raises:
            ChukanError: one that the person at the form can do nothing about.
        """
        if not self.validate():
            return False
        try:
            act()
        except ChukanError as error:
            if error.failure not in _TELLS:
                raise
            self._refuse(field, f"{error.told()} {error.hinted()}")
            return False
        return True

    @property
    def all_errors(self) -> list[tuple[str, str]]:
        """Every error as (id of the field, message); the id is empty where it is about the whole."""
        return [("", message) for message in self.form_errors] + [
            (field.id, message) for field in self for message in _flat(field.errors)
        ]

    def _refuse(self, field: str | None, message: str) -> None:
        if field is None:
            self.form_errors: list[str] = [*self.form_errors, message]
        else:
            self[field].errors = [*self[field].errors, message]


def _flat(errors: Any) -> list[str]:
    """Return the messages of a field; those of a list or of a form in a form lie deeper."""
    if isinstance(errors, dict):
        return [message for inner in errors.values() for message in _flat(inner)]
    return [message for each in errors for message in ([each] if isinstance(each, str) else _flat(each))]
