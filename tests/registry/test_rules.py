"""What is true of organisations: codes, lifecycle, generation, address systems, spans, names compared."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chukan.platform.service_hours.rules import Generation
from chukan.tenants.registry.errors import CodeInvalid, OrganisationRefused, TransitionRefused
from chukan.tenants.registry.organisations_file import SHIPPED, read_organisations, shipped
from chukan.tenants.registry.rules import (
    ADDRESS_SYSTEMS,
    TRANSITIONS,
    LocalGovernmentCode,
    Span,
    Standing,
    after_dissolution,
    check_digit,
    concerns_of,
    departments_of,
    generation,
    interface_id,
    require_address_system,
    require_migration_day,
    require_prefecture,
    require_transition,
)
from chukan.tenants.registry.search_keys import _IDEOGRAPHS, _RADICALS, search_form, search_key, search_words
from chukan.tenants.registry.values import (
    AddressClass,
    AddressSystem,
    Concern,
    Department,
    Hosting,
    Kind,
    ReleaseGroup,
    State,
)

DAYS = st.dates(date(2015, 1, 1), date(2040, 1, 1))


@pytest.mark.parametrize(("five", "digit"), [("01100", 2), ("11210", 1), ("13000", 1), ("39405", 0), ("01224", 6)])
def test_the_check_digit_follows_the_ministry(five: str, digit: int) -> None:
    assert check_digit(five) == digit


@given(st.integers(1, 47), st.integers(0, 999))
def test_a_code_is_the_same_with_and_without_its_check_digit(prefecture: int, number: int) -> None:
    five = f"{prefecture:02}{number:03}"
    code = LocalGovernmentCode.parse(five)
    assert LocalGovernmentCode.parse(code) == code
    assert code[:5] == five
    assert code.prefecture == five[:2]


@given(st.integers(1, 47), st.integers(0, 999), st.integers(1, 9))
def test_a_wrong_check_digit_is_refused(prefecture: int, number: int, off: int) -> None:
    code = LocalGovernmentCode.parse(f"{prefecture:02}{number:03}")
    wrong = code[:5] + str((int(code[5]) + off) % 10)
    with pytest.raises(CodeInvalid):
        LocalGovernmentCode.parse(wrong)


@pytest.mark.parametrize("written", ["", "0110", "0110022", "00100", "48000", "99999", "0110O2", "-1100", "٠١١٠٠"])
def test_what_is_no_code_is_refused(written: str) -> None:
    with pytest.raises(CodeInvalid):
        LocalGovernmentCode.parse(written)


@pytest.mark.parametrize(("written", "number"), [("1", "01"), ("01", "01"), ("１３", "13"), ("47", "47")])
def test_a_prefecture_is_named_by_its_number(written: str, number: str) -> None:
    assert require_prefecture(written) == number


@pytest.mark.parametrize("written", ["", "0", "48", "東京都", "1.0", "013"])
def test_a_number_of_no_prefecture_is_refused(written: str) -> None:
    with pytest.raises(CodeInvalid):
        require_prefecture(written)


ALLOWED = {
    ("applied", "provisioning"),
    ("applied", "closed"),
    ("provisioning", "active"),
    ("active", "suspended"),
    ("active", "closing"),
    ("suspended", "active"),
    ("suspended", "closing"),
    ("closing", "closed"),
}


@pytest.mark.parametrize(("state", "to"), list(product(State, State)))
def test_a_state_is_followed_by_exactly_these(state: State, to: State) -> None:
    if (state.value, to.value) in ALLOWED:
        require_transition("011002", state, to, Hosting.PLATFORM)
    else:
        with pytest.raises(TransitionRefused):
            require_transition("011002", state, to, Hosting.PLATFORM)


@pytest.mark.parametrize("hosting", [Hosting.OWN, Hosting.JOINT])
def test_who_lives_elsewhere_is_never_provisioned(hosting: Hosting) -> None:
    with pytest.raises(OrganisationRefused):
        require_transition("011002", State.APPLIED, State.PROVISIONING, hosting)
    require_transition("011002", State.APPLIED, State.CLOSED, hosting)


@pytest.mark.parametrize("state", State)
def test_every_state_leads_to_the_end_and_a_dissolved_one_takes_an_allowed_step(state: State) -> None:
    reached, ahead = {state}, [state]
    while ahead:
        ahead = [to for to in TRANSITIONS[ahead.pop()] if to not in reached] + ahead
        reached |= set(ahead)
    assert State.CLOSED in reached
    step = after_dissolution(state)
    assert step is None or step in TRANSITIONS[state]


@pytest.mark.parametrize(
    ("migrates_on", "day", "expected"),
    [
        (None, date(2021, 7, 31), Generation.CURRENT),
        (None, date(2021, 8, 1), Generation.NEXT),
        (date(2021, 3, 1), date(2021, 2, 28), Generation.CURRENT),
        (date(2021, 3, 1), date(2021, 3, 1), Generation.NEXT),
        (date(2021, 8, 1), date(2021, 7, 31), Generation.CURRENT),
    ],
)
def test_the_generation_changes_on_the_day_of_the_migration(
    migrates_on: date | None, day: date, expected: Generation
) -> None:
    assert generation(migrates_on, day) is expected


@pytest.mark.parametrize("day", [date(2021, 2, 1), date(2021, 8, 1)])
def test_a_migration_lies_in_its_months(day: date) -> None:
    require_migration_day("011002", day)


@pytest.mark.parametrize("day", [date(2021, 1, 31), date(2021, 8, 2)])
def test_a_migration_outside_its_months_is_refused(day: date) -> None:
    with pytest.raises(OrganisationRefused):
        require_migration_day("011002", day)


@pytest.mark.parametrize(("kind", "system"), list(product(AddressClass, AddressSystem)))
def test_only_the_ways_of_a_class_lead_to_the_address_number(kind: AddressClass, system: AddressSystem) -> None:
    allowed = {
        ("all_unified", "number_added"),
        ("partly_unified", "largest_extended"),
        ("partly_unified", "link_server"),
        ("not_unified", "new_system"),
        ("not_unified", "link_server"),
    }
    assert (system in ADDRESS_SYSTEMS[kind]) is ((kind.value, system.value) in allowed)
    if (kind.value, system.value) not in allowed:
        with pytest.raises(OrganisationRefused):
            require_address_system("011002", kind, system)


@pytest.mark.parametrize("kind", Kind)
def test_only_unions_have_no_board_of_education(kind: Kind) -> None:
    is_union = kind in {Kind.PARTIAL_AFFAIRS_ASSOCIATION, Kind.WIDE_AREA_UNION}
    assert kind.is_union is is_union
    assert departments_of(kind) == ((Department.EXECUTIVE,) if is_union else tuple(Department))


@given(DAYS, st.none() | DAYS, DAYS, st.none() | DAYS)
def test_spans_overlap_where_they_share_a_day(a: date, b: date | None, c: date, d: date | None) -> None:
    one, other = Span(a, b), Span(c, d)
    candidates = [day + timedelta(days=off) for day in (a, b, c, d) if day is not None for off in (-1, 0)]
    assert one.overlaps(other) is any(day in one and day in other for day in candidates)
    assert one.overlaps(other) is other.overlaps(one)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("IF_SKI_10734_S01", "IF_SKI_10734_S01"),
        ("IF_SKI_10734_Ｓ01", "IF_SKI_10734_S01"),
        (" IF_DBM_20113_R01", "IF_DBM_20113_R01"),
        ("IF_DBM_X0001_R01", "IF_DBM_X0001_R01"),
    ],
)
def test_an_interface_id_is_read_as_documents_print_it(written: str, plain: str) -> None:
    assert interface_id(written) == plain


@pytest.mark.parametrize("written", ["", "IF_SKI_1073_S01", "IF_SKI_10734_T01", "FI_SKI_0001", "if_ski_10734_s01"])
def test_what_is_no_interface_id_is_refused(written: str) -> None:
    with pytest.raises(OrganisationRefused):
        interface_id(written)


FINE = Standing(Kind.TOWN, State.APPLIED, Hosting.PLATFORM, ReleaseGroup.FIRST, 5, 0, None)


@pytest.mark.parametrize(
    ("standing", "concerns"),
    [
        (FINE, ()),
        (Standing(Kind.TOWN, State.APPLIED, Hosting.PLATFORM, None, 5, 0, None), (Concern.NO_RELEASE_GROUP,)),
        (Standing(Kind.TOWN, State.APPLIED, Hosting.OWN, None, 5, 0, None), ()),
        (Standing(Kind.TOWN, State.APPLIED, Hosting.OWN, None, None, 0, None), (Concern.NO_POPULATION,)),
        (Standing(Kind.TOWN, State.APPLIED, Hosting.OWN, None, 0, 0, None), (Concern.ZERO_POPULATION,)),
        (Standing(Kind.WIDE_AREA_UNION, State.APPLIED, Hosting.OWN, None, None, 0, None), (Concern.NO_MEMBERS,)),
        (Standing(Kind.WIDE_AREA_UNION, State.APPLIED, Hosting.OWN, None, None, 2, None), ()),
        (Standing(Kind.TOWN, State.ACTIVE, Hosting.PLATFORM, ReleaseGroup.FIRST, 5, 0, None), (Concern.NO_TENANT,)),
        (Standing(Kind.TOWN, State.CLOSING, Hosting.PLATFORM, None, None, 0, None), ()),
        (Standing(Kind.TOWN, State.CLOSED, Hosting.PLATFORM, None, None, 0, None), ()),
    ],
)
def test_somebody_is_told_what_to_look_at(standing: Standing, concerns: tuple[Concern, ...]) -> None:
    assert concerns_of(standing) == concerns


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("住民", "住⺠"),
        ("東西", "東⻄"),
        ("長野県", "⻑野県"),
        ("自治体", "⾃治体"),
        ("ﾅｶﾞﾉ", "ながの"),
        ("ナガノ", "ながの"),
        ("ＡＢＣ１２", "abc12"),
        ("茅ヶ崎市", "茅ケ崎市"),
        ("りゆうおう", "りゅうおう"),
        ("梼原町", "檮原町"),
        ("龍ケ崎", "竜ヶ崎"),
        ("塩竈市", "塩釜市"),
        ("葛城市", "葛\U000e0100城市"),
        ("さいたま　市", "さいたま市"),
        ("がぎ", "か\u3099き\u3099"),
    ],
)
def test_forms_of_one_name_are_the_same_when_they_are_compared(one: str, other: str) -> None:
    assert search_form(one) == search_form(other)


@pytest.mark.parametrize(("one", "other"), [("かき", "がき"), ("東京", "西京"), ("大町", "太町"), ("1", "2")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert search_form(one) != search_form(other)


def test_every_radical_of_the_supplement_stands_for_a_letter() -> None:
    block = {chr(code) for code in range(0x2E80, 0x2EF4)}
    # U+2E80 (repeat) stands for no ideograph, and U+2E9A is no character.
    assert block - set(_RADICALS) == {"\u2e80", "\u2e9a"}
    assert len(_RADICALS) == len(_IDEOGRAPHS) == len(set(_RADICALS))
    assert not set(_IDEOGRAPHS) & block
    assert dict(zip(_RADICALS, _IDEOGRAPHS, strict=True)).items() >= {"⺠": "民", "⻄": "西", "⻑": "長"}.items()


LETTERS = st.text(st.sampled_from("あぁがガｶﾞァッっ民⺠龍竜ヶケ１1aＡ 　・町"), max_size=12)


@given(LETTERS)
def test_comparing_twice_changes_nothing(written: str) -> None:
    assert search_form(search_form(written)) == search_form(written)


NAMES = [(row.name, row.kana) for row in read_organisations(shipped(), SHIPPED)]


@given(st.sampled_from(NAMES), st.data())
def test_every_part_of_a_name_or_reading_finds_it(names: tuple[str, str], data: st.DataObject) -> None:
    written = data.draw(st.sampled_from(names))
    start = data.draw(st.integers(0, len(written) - 1))
    end = data.draw(st.integers(start + 1, len(written)))
    (word,) = search_words(written[start:end])
    assert word in search_key(*names)


def test_the_words_of_a_search_are_apart_and_signs_are_none() -> None:
    assert search_words("いけだ　ﾁｮｳ ・ 01") == ["イケダ", "チヨウ", "01"]
    assert search_words(" 　") == []
