"""What two municipalities' systems send to the gateway: the inquirer's and the provider's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from lxml import etree

from chukan.demo.contents import Asking
from chukan.demo.copies import XML, Copies, Town
from chukan.tenants.middleserver.connections.inquiries import (
    LIST,
    LIST_ANSWER,
    RESULTS,
    RESULTS_ANSWER,
    SINGLE,
    SINGLE_ANSWER,
)
from chukan.tenants.middleserver.connections.provisions import (
    BARS,
    BARS_ANSWER,
    DECISION,
    DECISION_ANSWER,
    WAITING,
    WAITING_ANSWER,
)
from chukan.tenants.middleserver.formats.messages import Element, Message, add, parse, render, value


@dataclass(frozen=True)
class Question:
    """What is asked of the provider about the person with this address number at the inquirer."""

    address: str
    about: Asking


class Pair:
    """The inquirer's and the provider's system. Each answer is what the gateway gave, valid by its schema.

    All of it raises AnswerUnexpected where the gateway refuses.
    """

    def __init__(self, copies: Copies, inquirer: Town, provider: Town) -> None:
        self._copies = copies
        self._inquirer = inquirer
        self._provider = provider
        self._institution = copies.institution(provider)

    # -- the inquirer's ------------------------------------------------------------------------------

    def ask(self, question: Question) -> Message:
        """Ask at a counter; the gateway waits for the result for some seconds."""
        return _told(self._inquirer, SINGLE, self._single(question), SINGLE_ANSWER)

    def ask_again(self, number: str) -> Message:
        """Ask for the result of the request *number* of one inquiry."""
        root = self._copies.message("SingleInquiryRequest", SINGLE)
        add(root, "ReceptionNumber", number)
        return _told(self._inquirer, SINGLE, root, SINGLE_ANSWER)

    def ask_in_vain(self, question: Question) -> Element:
        """Ask for what may not be asked for, and return the problem that the gateway tells."""
        path, document = f"/if/{SINGLE}", render(self._single(question))
        answer = self._inquirer.system.ask("POST", path, document, XML, expected={HTTPStatus.FORBIDDEN})
        return etree.fromstring(answer.body)

    def send_list(self, questions: Sequence[Question]) -> Message:
        """Register a list."""
        root = self._copies.message("InquiryListRequest", LIST)
        for each in questions:
            self._add(root, each)
        return _told(self._inquirer, LIST, root, LIST_ANSWER)

    def standing(self, number: str) -> dict[str, int]:
        """Return how many inquiries of the request *number* are in which state, by the file for that."""
        root = self._copies.message("InquiryResultsRequest", RESULTS)
        add(add(root, "StatusRequestFile"), "ReceptionNumber", number)
        answer = _told(self._inquirer, RESULTS, root, RESULTS_ANSWER)
        counts = answer.root.iterfind("StatusResultFile/Request/StateCount")
        return {value(each, "State"): int(value(each, "Count")) for each in counts}

    def results(self, number: str) -> Iterator[Element]:
        """Return what became of each inquiry of the request *number*, page by page."""
        following = "1"
        while following:
            root = self._copies.message("InquiryResultsRequest", RESULTS)
            add(root, "ReceptionNumber", number)
            add(root, "From", following)
            answer = _told(self._inquirer, RESULTS, root, RESULTS_ANSWER)
            yield from answer.root.iterfind("Result")
            following = answer.value("Next")

    # -- the provider's ------------------------------------------------------------------------------

    def bar(self, address: str, reason: str) -> int:
        """Bar the provider's person *address* from automatic replies; return how many that are newly."""
        root = self._copies.message("AutomaticReplyBarRequest", BARS)
        barred = add(root, "Bar")
        add(barred, "Reason", reason)
        add(add(barred, "Scope"), "IntegratedAddressNumber", address)
        return int(_told(self._provider, BARS, root, BARS_ANSWER).value("Count"))

    def waiting(self) -> list[Element]:
        """Return what waits for the provider's staff, that whose term ends first first."""
        root = self._copies.message("WaitingProvisionsRequest", WAITING)
        return list(_told(self._provider, WAITING, root, WAITING_ANSWER).root.iterfind("Provision"))

    def provide(self, serial: str) -> None:
        """Decide to provide what is registered to the inquirer, who asked for it under *serial*."""
        root = self._copies.message("ProvisionDecisionRequest", DECISION)
        add(root, "ProcessingSerial", serial)
        add(root, "InquirerInstitution", self._copies.institution(self._inquirer))
        add(root, "Provide")
        _told(self._provider, DECISION, root, DECISION_ANSWER)

    # -- how -----------------------------------------------------------------------------------------

    def _single(self, question: Question) -> Element:
        root = self._copies.message("SingleInquiryRequest", SINGLE)
        self._add(root, question)
        return root

    def _add(self, root: Element, question: Question) -> None:
        inquiry = add(root, "Inquiry")
        add(inquiry, "IntegratedAddressNumber", question.address)
        add(inquiry, "SpecificPersonalInformationCode", question.about.information)
        add(inquiry, "Affair", question.about.affair)
        add(inquiry, "Procedure", question.about.procedure)
        add(add(inquiry, "Condition"), "Kind", 0)
        add(inquiry, "ProviderInstitution", self._institution)


def _told(town: Town, kind: str, root: Element, answer: str) -> Message:
    return parse(town.system.ask("POST", f"/if/{kind}", render(root), XML).body, {answer})
