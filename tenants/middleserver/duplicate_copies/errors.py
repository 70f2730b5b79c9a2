"""What can go wrong with an upload, each with what to do about it; none repeats what a file holds."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class UploadUnknown(ChukanError):
    """The organisation has no such upload."""

    code = "duplicate_copies.upload_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no upload {upload}.")
    hint = mark("Check the identifier; begin the upload anew.")


class ManifestMalformed(ChukanError):
    """An upload was announced with something that cannot be."""

    code = "duplicate_copies.manifest_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The announcement of the upload cannot be used: {field}.")
    hint = mark("See the interface document of duplicate copies.")


class UploadClosed(ChukanError):
    """The upload is beyond the state in which that could be done."""

    code = "duplicate_copies.upload_closed"
    failure = Failure.CONFLICT
    message = mark("The upload is {state}; that is not possible any more.")
    hint = mark("Ask for its status; send changes as a new upload.")


class PieceOutOfPlace(ChukanError):
    """A piece does not begin where the last one ended."""

    code = "duplicate_copies.piece_out_of_place"
    failure = Failure.CONFLICT
    message = mark("The piece does not follow: {expected} bytes have been received.")
    hint = mark("Go on from this offset.")


class PieceDamaged(ChukanError):
    """A piece is not the one that its digest names."""

    code = "duplicate_copies.piece_damaged"
    failure = Failure.BAD_INPUT
    retryable = True
    message = mark("The piece does not match its SHA-256 digest.")
    hint = mark("Send the piece again.")


class PieceTooLarge(ChukanError):
    """A piece is empty, too large, or reaches beyond the end that was announced."""

    code = "duplicate_copies.piece_too_large"
    failure = Failure.BAD_INPUT
    message = mark("The piece must have 1 to {limit} bytes.")
    hint = mark("Send the file in pieces of at most 8 MiB, and no more than was announced.")


class UploadIncomplete(ChukanError):
    """Not all of the file has been received."""

    code = "duplicate_copies.upload_incomplete"
    failure = Failure.CONFLICT
    message = mark("{received} of {size} bytes have been received.")
    hint = mark("Send the missing pieces first.")


class FileDamaged(ChukanError):
    """The whole file is not the one that was announced."""

    code = "duplicate_copies.file_damaged"
    failure = Failure.BAD_INPUT
    message = mark("The file does not match the SHA-256 digest that was announced.")
    hint = mark("Cancel the upload and begin it anew with the right file.")


class DayLimitExceeded(ChukanError):
    """The whole file does not fit into what is left of the organisation's day (A0-033, A0-034)."""

    code = "duplicate_copies.day_limit_exceeded"
    failure = Failure.REFUSED
    message = mark("The file is over today's upload limit: {records} records and {kb} KB are left.")
    hint = mark("Complete the upload tomorrow, or send a smaller file; exemptions are asked for at the helpdesk.")


class UploadTakenOver(ChukanError):
    """Another process registers the upload now."""

    code = "duplicate_copies.upload_taken_over"
    failure = Failure.CONFLICT
    retryable = True
    message = mark("The upload {upload} is being registered by another process.")
    hint = mark("Nothing is lost; the other process goes on.")


class DeletionTooEarly(ChukanError):
    """Requests that are still valid need what was to be deleted (A0-031)."""

    code = "duplicate_copies.deletion_too_early"
    failure = Failure.REFUSED
    message = mark("Requests that are still valid need these copies; they may be deleted from {day} on.")
    hint = mark("Repeat the deletion on that day or later.")


class CopiesStillLinked(ChukanError):
    """What was to be deleted is what requests are answered from today (A0-032)."""

    code = "duplicate_copies.copies_still_linked"
    failure = Failure.REFUSED
    message = mark("These copies are linked: requests of today are answered from them.")
    hint = mark("Delete versions and datasets that the masters no longer link; correct data by an upload.")


class DeletionNotConfirmed(ChukanError):
    """Something else was typed than the information whose copies would be deleted."""

    code = "duplicate_copies.deletion_not_confirmed"
    failure = Failure.BAD_INPUT
    message = mark("What was typed is not the information code {information}.")
    hint = mark("Nothing was deleted. Look at what would be deleted first: --dry-run.")


class DeletionIncomplete(ChukanError):
    """A bulk deletion failed at some of the organisations; the answer names them."""

    code = "duplicate_copies.deletion_incomplete"
    failure = Failure.UNAVAILABLE
    message = mark("It failed at {failed} organisations; at the others it is done.")
    hint = mark("Look at what is wrong there, and run it again: what is gone is gone.")
