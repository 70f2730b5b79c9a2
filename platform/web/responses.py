"""What a view returns: a page, or the way to the next one after something was done."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from chukan.platform.messages import text


def page(template: str, status: int = 200, /, **values: Any) -> ResponseReturnValue:
    """Return *template* rendered with *values*; 422 is the status of a form that was not right."""
    return render_template(template, **values), status


def done(endpoint: str, message: str, /, *, told: dict[str, object] | None = None, **place: Any) -> ResponseReturnValue:
    """Say *message* (a marked text, its places filled from *told*) on the next page, and go there.

    The answer is 303, so that a reload does not act twice; *place* are the values of the next page's path.
    """
    flash(text(message, **(told or {})), "done")
    return redirect(url_for(endpoint, **place), 303)
