"""What can be wrong with the operation of the middle servers."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class OperationsMalformed(ChukanError):
    """The shipped data of nights and retention cannot be used as they are written."""

    code = "operations.malformed"
    failure = Failure.CONFIGURATION
    message = mark("The file {file} cannot be used: {reason}.")
    hint = mark("Put the file in config right.")


class ExcludedItemsRefused(ChukanError):
    """A list of items that are not provided is not taken."""

    code = "operations.excluded_items_refused"
    failure = Failure.BAD_INPUT
    message = mark("The list of excluded items is not taken: line {line}, {field}.")
    hint = mark("Each line has information code, dataset, item code and first day; correct it and send the whole list.")


class SettingRefused(ChukanError):
    """An organisation's setting cannot have that value."""

    code = "operations.setting_refused"
    failure = Failure.BAD_INPUT
    message = mark("The setting {name} cannot be changed like that.")
    hint = mark("It takes a whole number from {least} to {most}, and a reason.")
