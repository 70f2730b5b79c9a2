"""What is true of purging, without a database: which word confirms it."""

from __future__ import annotations

import unicodedata


def is_confirmed(typed: str, *, name: str, reference: str) -> bool:
    """Return whether *typed* names the organisation: by its whole name or its *reference* (code or id).

    Full-width digits and spaces around it make no difference; a part of the name does.
    """
    return _plain(typed) in {_plain(name), _plain(reference)}


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).strip()
