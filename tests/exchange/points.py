"""The points of the exchange at which something may break, and the tests that break it there.

The numbers are those of the list of faults in the design of this platform. A test is named by its file and function;
``test_points.py`` sees to it that each of them exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_RELAY = "tests/middleserver/transmission/test_relay.py"
_RECEPTION = "tests/middleserver/transmission/test_reception.py"
_LIVE = "tests/middleserver/transmission/test_live.py"
_HTTPS = "tests/middleserver/transmission/test_https.py"
_SWAPS = "tests/middleserver/transmission/test_certificate_swaps.py"
_MACHINE = "tests/exchange/test_state_machine.py"
_KILLS = "tests/exchange/test_kills.py"
_BROKEN = "tests/exchange/test_broken_messages.py"
_KILLED_RELAY = f"{_LIVE}::test_a_relay_that_is_killed_loses_nothing_and_repeats_the_same_bytes"
_KILLED_HERE = f"{_KILLS}::test_a_relay_that_is_killed_sends_once_what_it_had_not_or_the_same_bytes_again"
_KILLED_RECEPTION = f"{_KILLS}::test_a_reception_that_is_killed_has_had_no_effect_or_one_and_gives_one_receipt"


@dataclass(frozen=True)
class Point:
    """What breaks, and what is to come of it."""

    what: str
    tests: Sequence[str]


#: Killed is killed: SIGKILL to a process of its own.
POINTS: Mapping[int, Point] = {
    1: Point("relay killed before it has claimed", [_KILLED_HERE]),
    2: Point("relay killed after it has claimed", [_KILLED_RELAY]),
    3: Point("relay killed after it has sent", [_KILLED_RELAY]),
    4: Point("relay killed after the receipt came", [_KILLED_RELAY]),
    5: Point("relay killed while it stores the receipt", [_KILLED_RELAY]),
    6: Point("relay killed while a message waits for its next attempt", [_KILLED_HERE]),
    7: Point("reception killed before it commits", [_KILLED_RECEPTION]),
    8: Point("reception killed after it has committed, before the receipt", [_KILLED_RECEPTION]),
    9: Point(
        "reception killed while it drains what was held",
        [f"{_KILLS}::test_a_reception_that_is_killed_while_it_drains_takes_both_messages_when_the_first_comes_again"],
    ),
    27: Point(
        "one message a hundred times, at once",
        [f"{_BROKEN}::test_a_hundred_times_the_same_request_is_one_provision_and_one_receipt"],
    ),
    28: Point(
        "one id, another body",
        [
            f"{_RECEPTION}::test_one_id_with_other_bytes_is_refused_and_somebody_is_told",
            "tests/national_network/test_messages.py::test_the_same_message_id_with_other_bytes_is_a_conflict",
            f"{_MACHINE}::test_whatever_happens_the_promises_of_the_exchange_hold",
        ],
    ),
    29: Point(
        "out of order, overtaking, a gap that nobody fills",
        [
            f"{_RECEPTION}::test_what_comes_too_early_is_held_and_has_its_effect_in_its_turn",
            f"{_RECEPTION}::test_what_comes_far_too_early_is_asked_for_again",
            f"{_LIVE}::test_whatever_happens_to_a_delivery_each_answer_has_its_effect_once",
            f"{_RELAY}::test_what_the_network_lost_is_sent_again_before_the_next_one",
            f"{_BROKEN}::test_a_gap_that_nobody_fills_is_told",
        ],
    ),
    30: Point(
        "late, after the end of the conversation",
        [
            f"{_RECEPTION}::test_an_ended_conversation_has_no_effect_any_more",
            f"{_RELAY}::test_an_ended_conversation_takes_no_message",
            "tests/middleserver/inquiries/test_answers.py::test_the_network_s_word_of_the_expiry_comes_in_time_or_late_and_is_taken_once",
        ],
    ),
    31: Point(
        "forged: signature, another's key, alg none, kid, replayed, for another, TLS is not the signer",
        [
            f"{_RECEPTION}::test_whatever_is_wrong_is_refused_with_the_reason_and_no_effect",
            f"{_RECEPTION}::test_only_the_network_may_deliver",
            f"{_RECEPTION}::test_a_message_to_one_organisation_does_nothing_at_another",
            f"{_LIVE}::test_whatever_happens_to_a_delivery_each_answer_has_its_effect_once",
            "tests/middleserver/provisions/test_permits.py::test_a_permit_that_does_not_hold_is_refused_and_nothing_is_provided",
            "tests/middleserver/provisions/test_permits.py::test_a_changed_permit_does_not_hold",
            "tests/middleserver/inquiries/test_answers.py::test_an_answer_that_does_not_fit_has_no_effect_and_the_right_one_still_has",
            f"{_BROKEN}::test_a_wrong_permit_of_the_network_provides_nothing_and_stops_nobody_else",
        ],
    ),
    32: Point(
        "a signature that covers a part only",
        [
            "tests/middleserver/security/test_jose.py::test_no_changed_byte_is_accepted",
            "tests/middleserver/security/test_jose.py::test_a_header_that_is_not_agreed_is_refused_unverified",
            f"{_BROKEN}::test_a_document_that_is_wrapped_or_broken_is_refused_although_it_is_signed",
        ],
    ),
    33: Point(
        "bodies that are huge, empty, cut off, of another charset, with BOM or NUL",
        [
            f"{_RECEPTION}::test_what_is_for_nobody_is_answered_by_a_status_alone",
            f"{_RECEPTION}::test_a_message_that_is_too_large_is_receipted_as_such",
            "tests/middleserver/formats/test_xml.py::test_what_is_not_plain_xml_is_refused_in_japanese",
            f"{_BROKEN}::test_a_document_that_is_wrapped_or_broken_is_refused_although_it_is_signed",
            "tests/national_network/test_messages.py::test_what_is_no_jws_is_malformed",
        ],
    ),
    34: Point(
        "a peer that hangs, trickles, resets or stops in the middle",
        [
            f"{_HTTPS}::test_a_peer_that_does_not_answer_in_time_or_at_all_holds_nobody",
            "tests/national_network/test_faults.py::test_many_silent_clients_keep_nobody_out",
            "tests/middleserver/connections/test_serving.py::test_a_broken_line_keeps_nothing_of_the_piece_and_the_upload_goes_on",
            f"{_MACHINE}::test_whatever_happens_the_promises_of_the_exchange_hold",
        ],
    ),
    35: Point(
        "200 without a right receipt",
        [
            f"{_LIVE}::test_without_a_right_receipt_a_message_is_sent_again_and_arrives_once",
            f"{_LIVE}::test_a_network_that_keeps_signing_for_other_bytes_is_never_believed",
            f"{_RELAY}::test_without_a_valid_receipt_the_same_bytes_leave_again",
        ],
    ),
    36: Point(
        "messages that could be mixed up",
        [
            "tests/exchange/test_cross_talk.py::test_every_answer_is_that_to_its_question",
            "tests/middleserver/provisions/test_at_once.py::test_fifty_requests_at_once_each_get_their_own_answer",
            "tests/national_network/test_messages.py::test_receipts_of_many_at_once_are_not_mixed_up",
        ],
    ),
    37: Point(
        "a certificate that ends, is replaced or revoked in the middle",
        [
            f"{_SWAPS}::test_certificates_are_replaced_under_load_and_no_message_is_lost_or_refused",
            f"{_RECEPTION}::test_a_new_key_takes_over_in_the_middle_of_a_conversation_and_none_is_lost",
            "tests/middleserver/security/test_certificates.py::test_an_ended_certificate_signs_nothing",
            "tests/middleserver/security/test_certificates.py::test_a_revoked_key_is_out_of_use_at_once",
            "tests/national_network/test_messages.py::test_a_revoked_key_counts_for_nothing_at_once",
            f"{_RELAY}::test_an_organisation_that_cannot_sign_keeps_no_other_one_waiting",
        ],
    ),
    38: Point(
        "the keeper of keys is away",
        [
            "tests/middleserver/connections/test_gateway.py::test_a_gateway_whose_keeper_of_keys_is_gone_is_not_ready",
            f"{_BROKEN}::test_without_the_keeper_of_keys_nothing_is_sent_or_taken_and_nothing_lost",
        ],
    ),
}

#: What the simulated network refuses by its own lights, and the tests that see it do so.
NETWORK_REFUSES: Mapping[str, Sequence[str]] = {
    "signature": [
        "tests/national_network/test_inquiries.py::test_an_inquiry_with_a_broken_signature_is_refused",
        "tests/national_network/test_messages.py::test_a_signature_that_does_not_belong_to_the_bytes_is_refused",
        "tests/national_network/test_messages.py::test_the_algorithm_none_is_refused",
    ],
    "permit": [
        "tests/national_network/test_permits.py::test_a_hosted_provider_looks_at_permits_too",
        "tests/national_network/test_inquiries.py::test_a_wrong_answer_is_as_if_it_had_never_come",
    ],
    "schema": [
        "tests/national_network/test_inquiries.py::test_an_inquiry_against_the_schema_is_refused",
        "tests/national_network/test_messages.py::test_a_fault_of_the_schema_is_told_with_line_and_element_and_no_value",
    ],
}
