"""Why the course of an inquiry is not looked up."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class TraceNumberWrong(ChukanError):
    """What was typed is neither a processing serial nor a reception number."""

    code = "traces.number_wrong"
    failure = Failure.BAD_INPUT
    message = mark("{number} is neither a processing serial nor a reception number.")
    hint = mark("A processing serial has 20 letters and digits, a reception number 22 digits.")
