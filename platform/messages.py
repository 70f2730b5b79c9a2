"""The message catalogue: every text that a person reads comes through here.

Texts are written in English where they are used and translated by ``config/messages/<language>/*.po``
(gettext, read by Babel; one file a feature). A text may hold ``{named}`` places, which are filled after translation.
The reader's language is a context variable: a request sets it, the command line takes it from the
environment, and Japanese is the language where nobody said otherwise.
"""

from __future__ import annotations

import gettext as _gettext
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

DEFAULT_LANGUAGE = "ja"
#: The language that the texts are written in; it needs no catalogue.
SOURCE_LANGUAGE = "en"

_language: ContextVar[str] = ContextVar("chukan_language", default=DEFAULT_LANGUAGE)


def text(message: str, /, **values: object) -> str:
    """Return *message* in the reader's language, with ``{named}`` places filled from *values*.

    A message that has no translation is returned as it is: a reader is better served by English
    than by an error. A test asserts that no message lacks its Japanese.
    """
    translated = _catalogue(_language.get()).gettext(message) if message else message
    return translated.format(**values) if values else translated


def mark(message: str) -> str:
    """Return *message* unchanged: it marks a text for the catalogue that is translated later."""
    return message


@contextmanager
def language(code: str) -> Iterator[None]:
    """Speak *code* (``ja`` or ``en``) inside the block; unknown codes fall back to Japanese."""
    token = _language.set(code if code in available_languages() else DEFAULT_LANGUAGE)
    try:
        yield
    finally:
        _language.reset(token)


def language_of_environment(environment: Mapping[str, str]) -> str:
    """Return the language that a terminal asks for by ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``.

    Only a locale that names English is answered in English; ``C``, ``POSIX`` and silence are
    answered in Japanese, the language of the platform's operators.
    """
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(variable):
            return SOURCE_LANGUAGE if value.startswith("en") else DEFAULT_LANGUAGE
    return DEFAULT_LANGUAGE


@cache
def available_languages() -> frozenset[str]:
    """Return the languages that can be spoken: English and each folder of ``config/messages``."""
    return frozenset({SOURCE_LANGUAGE, *(path.name for path in _folder().iterdir() if path.is_dir())})


@cache
def _catalogue(code: str) -> _gettext.NullTranslations:
    if code == SOURCE_LANGUAGE:
        return _gettext.NullTranslations()
    merged = Catalog(locale=code)
    for path in sorted((_folder() / code).iterdir(), key=lambda path: path.name):
        with path.open("rb") as source:
            for entry in read_po(source, locale=code):
                if entry.id:
                    merged[entry.id] = entry
    compiled = BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return _gettext.GNUTranslations(compiled)


def _folder() -> Traversable:
    return files("chukan") / "config" / "messages"
