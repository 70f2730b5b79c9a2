"""What can be wrong with campaigns and their slots."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class CampaignUnknown(ChukanError):
    """There is no such campaign."""

    code = "campaigns.unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no campaign for the revision {revision}.")
    hint = mark("List them with: chukan campaigns list")


class CampaignRefused(ChukanError):
    """A campaign cannot be made as its file describes it."""

    code = "campaigns.refused"
    failure = Failure.BAD_INPUT
    message = mark("The campaign cannot be made: {reason}.")
    hint = mark("Correct the file; docs/areas/operations.md shows one.")


class CampaignDelegationRefused(ChukanError):
    """A number that an organisation took over cannot count in a campaign, or does not."""

    code = "campaigns.delegation_refused"
    failure = Failure.CONFLICT
    message = mark("The delegated number #{information} cannot be changed in the campaign: {reason}.")
    hint = mark("See what the campaign asks for with: chukan campaigns list")


class SlotRefused(ChukanError):
    """A slot cannot be booked."""

    code = "campaigns.slot_refused"
    failure = Failure.CONFLICT
    message = mark("The slot cannot be booked: {reason}; {left} records are left in that night.")
    hint = mark("Choose another night or fewer records.")


class SlotUnknown(ChukanError):
    """There is no such slot that is still booked."""

    code = "campaigns.slot_unknown"
    failure = Failure.NOT_FOUND
    message = mark("There is no booked slot {slot}.")
    hint = mark("List them with: chukan campaigns slots")
