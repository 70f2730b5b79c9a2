"""Why a master package, or a place in one, is refused."""

from __future__ import annotations

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark


class LayoutUnknown(ChukanError):
    """The masters in force know no such version of an information's layout."""

    code = "masters.layout_unknown"
    failure = Failure.BAD_INPUT
    message = mark("The masters in force hold no version {version} of the information {information}.")
    hint = mark("Use a version that the masters hold: chukan masters status names the package in force.")


class InformationUnknown(ChukanError):
    """The masters in force do not know an information code."""

    code = "masters.information_unknown"
    failure = Failure.NOT_FOUND
    message = mark("The masters in force do not know the information {information}.")
    hint = mark("Check the code, and that the newest masters have been applied: chukan masters status.")


class InstitutionUnknown(ChukanError):
    """The masters in force do not know an institution code."""

    code = "masters.institution_unknown"
    failure = Failure.NOT_FOUND
    message = mark("The masters in force do not know the institution {institution}.")
    hint = mark("Check the code, and that the newest masters have been applied: chukan masters status.")


class MastersMissing(ChukanError):
    """No master package has been applied for an organisation, so nothing can be judged by one."""

    code = "masters.missing"
    failure = Failure.UNAVAILABLE
    message = mark("No masters have been applied for this organisation yet.")
    hint = mark("Apply them: chukan masters apply.")


class PackageForged(ChukanError):
    """A package's signature, or what it says about itself, does not hold: it is not the network's."""

    code = "masters.package_forged"
    failure = Failure.TAMPERED
    message = mark("The master package {sequence} is not what the national network signed: {reason}.")
    hint = mark("It was not taken. Report it as a security event, and fetch the package again.")


class PackageOutOfOrder(ChukanError):
    """A package came before the one that precedes it, or would be applied before it."""

    code = "masters.package_out_of_order"
    failure = Failure.CONFLICT
    message = mark("The master package {sequence} cannot come now: the next one is {expected}.")
    hint = mark("Take the packages in the order of their sequence: chukan masters list shows what is there.")


class PackageOlder(ChukanError):
    """A package is older than what is in force."""

    code = "masters.package_older"
    failure = Failure.CONFLICT
    message = mark("The master package {sequence} is older than {current}, which is in force.")
    hint = mark("Masters are never taken back; what was wrong in one is put right by a newer one.")


class PackageConflicting(ChukanError):
    """Another package of the same sequence is already there."""

    code = "masters.package_conflicting"
    failure = Failure.TAMPERED
    message = mark("There is already another master package {sequence}; its content differs.")
    hint = mark("It was not taken. Report it as a security event: the network never changes a package.")


class PackageOriginMixed(ChukanError):
    """Masters of the network and of an operator's own would stand in one order."""

    code = "masters.package_origin_mixed"
    failure = Failure.CONFLICT
    message = mark("This installation takes its masters from elsewhere: from the network, or from its operators.")
    hint = mark("Masters that the network signs and masters that operators load cannot follow one another.")


class PackageMalformed(ChukanError):
    """A package, or a file of masters, contradicts itself."""

    code = "masters.package_malformed"
    failure = Failure.BAD_INPUT
    message = mark("The masters contradict themselves at {place}: {reason}.")
    hint = mark("Correct the file; of a package that the network sent, tell its operators.")


class PackageUnknown(ChukanError):
    """No such package has been received."""

    code = "masters.package_unknown"
    failure = Failure.NOT_FOUND
    message = mark("The master package {sequence} has not been received.")
    hint = mark("chukan masters list shows what is there; packages are fetched every few minutes.")


class WindowUnknown(ChukanError):
    """Nothing is known of when changes for a version are taken."""

    code = "masters.window_unknown"
    failure = Failure.NOT_FOUND
    message = mark("No time is known in which changes for the masters {version} are taken.")
    hint = mark("chukan masters windows lists the versions; their days stand in config/change_windows.toml.")
