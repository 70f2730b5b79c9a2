"""What may stand in the way of the demonstration."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class FolderOfOthers(ChukanError):
    """The folder holds something that the demonstration did not make, and would delete at a reset."""

    code = "demo.folder_of_others"
    failure = Failure.BAD_INPUT
    message = mark("{directory} holds other things than a demonstration.")
    hint = mark("Name an empty or a new folder with --directory.")


class FolderUnusable(ChukanError):
    """The folder cannot be written by this user."""

    code = "demo.folder_unusable"
    failure = Failure.CONFIGURATION
    message = mark("{directory} cannot be used: {reason}")
    hint = mark("Name another folder with --directory, or work as the user who made this one.")


class DemonstrationRuns(ChukanError):
    """Another process runs the demonstration in this folder."""

    code = "demo.runs_already"
    failure = Failure.CONFLICT
    message = mark("The demonstration in {directory} is running already.")
    hint = mark("Stop it with Ctrl-C where it runs, or stop and clear it: chukan demo reset")


class ProcessEnded(ChukanError):
    """A process of the demonstration ended by itself."""

    code = "demo.process_ended"
    message = mark("The process {process} ended by itself (exit code {exit_code}).")
    hint = mark("Its last words are in {log}. The next `make demo` goes on from here.")


class Stalled(ChukanError):
    """Something that was to happen did not, in the time that it may take."""

    code = "demo.stalled"
    failure = Failure.UNAVAILABLE
    retryable = True
    message = mark("{what} did not get ready within {seconds} seconds.")
    hint = mark("The logs are in {log}. The next `make demo` goes on from here; `make demo-reset` begins anew.")


class AnswerUnexpected(ChukanError):
    """The gateway or the simulated network refused what the demonstration asked of it."""

    code = "demo.answer_unexpected"
    message = mark("{path} was answered with {status}.")
    hint = mark("The logs are in the folder of the demonstration; `make demo-reset` begins anew.")


class NothingThere(ChukanError):
    """Nothing runs in the folder, or nobody was enrolled in it."""

    code = "demo.nothing_there"
    failure = Failure.NOT_FOUND
    message = mark("There is no demonstration in {directory} that one could log in to.")
    hint = mark("Start one with `make demo`, or name its folder with --directory.")
