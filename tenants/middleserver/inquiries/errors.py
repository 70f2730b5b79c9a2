"""Why an inquiry cannot be registered, found or taken back; the wording of two of them is that of the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.formats.codes import AddressNumber, InformationCode, full_width


class LinkageCodeMissing(ChukanError):
    """The person has no linkage code; who asked is told the number, in full width, and no log is (facts D.3)."""

    code = "inquiries.linkage_code_missing"
    failure = Failure.NOT_FOUND
    message = mark("No linkage code has been acquired for the given integrated address number {number}.")
    hint = mark("Acquire the code first, and ask again when it is there.")

    def __init__(self, address: AddressNumber) -> None:
        """Refuse because of the person *address*."""
        super().__init__(number="-")
        self._address = address

    @override
    def told(self) -> str:
        """Return the message in the reader's language, with the number."""
        return text(self.message, number=full_width(self._address))


class InquiryNotPermitted(ChukanError):
    """The permission table has no such inquiry (A2-008; the wording is that of facts D.3)."""

    code = "inquiries.not_permitted"
    failure = Failure.REFUSED
    message = mark("Inquiries for the given information {information} are not permitted.")
    hint = mark("Affair, procedure, provider and information must stand together in the masters.")

    def __init__(self, information: InformationCode) -> None:
        """Refuse an inquiry for *information*."""
        super().__init__(information=full_width(information))


class ProviderUnknown(ChukanError):
    """The masters know no such provider."""

    code = "inquiries.provider_unknown"
    failure = Failure.BAD_INPUT
    message = mark("The given provider {institution} is not in the masters.")
    hint = mark("Give the institution code of an organisation that the masters name.")


class ProviderItself(ChukanError):
    """An organisation asks nobody but others."""

    code = "inquiries.provider_itself"
    failure = Failure.BAD_INPUT
    message = mark("The given provider is the inquirer itself.")
    hint = mark("Give another organisation; what you hold yourselves is not asked for through the network.")


class ConditionMalformed(ChukanError):
    """The condition names a period where it must not, or none where it must."""

    code = "inquiries.condition_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The condition of the inquiry is not whole.")
    hint = mark("For a period give days, a fiscal year or both, and the first day not after the last; else nothing.")


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one inquiry of a list; *row* counts from 1."""

    row: int
    error: ChukanError


class InquiriesRefused(ChukanError):
    """Some inquiries of a list are wrong; nothing of the list was registered."""

    code = "inquiries.list_refused"
    failure = Failure.BAD_INPUT
    message = mark("{count} inquiries of the list are wrong, the first of them in row {row}; none was registered.")
    hint = mark("Correct the rows that are named, and send the list again.")

    def __init__(self, faults: Sequence[RowFault]) -> None:
        """Refuse a list for its *faults*, of which there is at least one."""
        super().__init__(count=len(faults), row=faults[0].row)
        self.faults = tuple(faults)

    @override
    def as_json(self) -> dict[str, object]:
        """Return the shape in which machines are told of it: each row with its reason."""
        told = [{"row": each.row, "error": each.error.code, "message": each.error.told()} for each in self.faults]
        return {**super().as_json(), "faults": told}


class TooManyInquiries(ChukanError):
    """One request holds more inquiries than it may."""

    code = "inquiries.too_many"
    failure = Failure.BAD_INPUT
    message = mark("A request holds at most {limit} inquiries, and at least one.")
    hint = mark("Split it. The next part may follow at once: the platform lets them go one after the other.")

    def __init__(self, *, limit: int) -> None:
        """Refuse a request that holds none, or more than *limit*."""
        super().__init__(limit=limit)
        self.most = limit


class NotBeforeClose(ChukanError):
    """The list would not end before the service closes."""

    code = "inquiries.not_before_close"
    failure = Failure.REFUSED
    retryable = True
    message = mark("{rows} inquiries would not end before the service closes; {most} would.")
    hint = mark("Send fewer, or send them when the service opens again. Nothing was registered.")

    def __init__(self, *, rows: int, most: int) -> None:
        """Refuse *rows* inquiries, of which *most* would end in time."""
        super().__init__(rows=rows, most=most)
        self.most = most


class ReceptionUnknown(ChukanError):
    """The organisation has no request or inquiry of that number."""

    code = "inquiries.reception_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no inquiry under the number {number}.")
    hint = mark("Give the reception number of the request, or the processing serial of one inquiry.")


class NothingToCancel(ChukanError):
    """All inquiries of that number have ended, or are being taken back already."""

    code = "inquiries.nothing_to_cancel"
    failure = Failure.CONFLICT
    message = mark("Nothing under the number {number} can be taken back any more.")
    hint = mark("What has been answered stays; see its results.")


class InquiryDataMalformed(ChukanError):
    """The shipped numbers of inquiries cannot be used as they are written."""

    code = "inquiries.data_malformed"
    failure = Failure.CONFIGURATION
    message = mark("The numbers of inquiries cannot be used: {reason}.")
    hint = mark("Put config/inquiries.toml right.")
