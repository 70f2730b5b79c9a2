"""What can go wrong with reading the logs."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class LogsNotKept(ChukanError):
    """No folder of log files is set, so there is nothing to read or to delete."""

    code = "logs.not_kept"
    failure = Failure.CONFIGURATION
    message = mark("The logs are not kept in files here.")
    hint = mark("Set logs.directory, or look at the standard error of the processes.")


class LogsUnreadable(ChukanError):
    """The folder of log files cannot be read."""

    code = "logs.unreadable"
    failure = Failure.UNAVAILABLE
    message = mark("The log files in {directory} cannot be read.")
    hint = mark("Check logs.directory, and run the command as a user of the group that may read it.")
