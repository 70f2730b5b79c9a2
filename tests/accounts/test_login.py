"""Logging in: what lets people in, what slows them down, and what an onlooker can learn from it."""

from __future__ import annotations

import signal
import threading
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from chukan.platform.accounts.errors import LoginDelayed, LoginRefused, SessionOver
from chukan.platform.accounts.limits import shipped_limits
from chukan.platform.accounts.login import Credentials, Login
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.accounts.secret_values import Passwords, matching_counter
from chukan.platform.clock import monotonic
from chukan.platform.vault.errors import VaultTampered
from support.accounts import PASSWORD, Member, Office
from support.program import ended
from support.vault import Safe

WRONG = "not the right words"


def fail(office: Office, login: str, count: int, *, code: str = "000000", address: str = "192.0.2.1") -> None:
    for _ in range(count):
        with pytest.raises(LoginRefused):
            office.try_in(login, WRONG, code, address=address)


def test_name_password_and_code_let_an_operator_in(office: Office) -> None:
    taro = office.member("taro", Role.HELPDESK)
    session = office.let_in(taro)
    actor = office.holder(session.token)
    assert actor.name == f"operator:{taro.account}"
    assert actor.signed
    assert actor.signed.login == "taro"
    assert office.entries("accounts:session:%") == [(actor.name, "accounts:session:log_in", "done")]


@pytest.mark.parametrize(
    ("login", "password", "shift"),
    [
        ("taro", WRONG, 0),
        ("taro", "", 0),
        ("taro", PASSWORD.upper(), 0),
        ("taro", PASSWORD, -90),
        ("taro", PASSWORD, 90),
        ("hanako", PASSWORD, 0),
        ("TARO", PASSWORD, 0),
        ("taro\x00", PASSWORD, 0),
        ("taro", "\udcff" + PASSWORD, 0),
        ("", "", 0),
        ("x" * 100_000, "y" * 100_000, 0),
    ],
)
def test_what_does_not_fit_lets_nobody_in_and_is_told_alike(
    office: Office, login: str, password: str, shift: int
) -> None:
    taro = office.member("taro")
    with pytest.raises(LoginRefused) as refused:
        office.try_in(login, password, taro.code(office.now + timedelta(seconds=shift)))
    assert refused.value.values == {}
    assert refused.value.detail == ""


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\x00", "9" * 100_000])
def test_a_code_of_another_form_is_just_wrong(office: Office, code: str) -> None:
    office.member("taro")
    with pytest.raises(LoginRefused):
        office.try_in("taro", PASSWORD, code)


@pytest.mark.parametrize("state", ["invited", "disabled"])
def test_an_account_that_is_not_active_lets_nobody_in(office: Office, state: str) -> None:
    taro = office.member("taro")
    if state == "disabled":
        office.operators().disable("taro", now=office.now)
    else:
        office.operators().disable("taro", now=office.now)
        office.operators().reset("taro", now=office.now)
    assert office.states() == {"taro": state}
    with pytest.raises(LoginRefused):
        office.let_in(taro)


# -- codes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "fits"), [(-31, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_code_fits_in_its_own_interval_and_the_ones_beside_it(office: Office, shift: int, *, fits: bool) -> None:
    taro = office.member("taro")
    code = taro.code(office.now + timedelta(seconds=shift))
    if fits:
        assert office.try_in("taro", PASSWORD, code).account == taro.account
    else:
        with pytest.raises(LoginRefused):
            office.try_in("taro", PASSWORD, code)


def test_a_code_works_once_and_no_older_one_after_it(office: Office) -> None:
    taro = office.member("taro")
    older, code = taro.code(office.now - timedelta(seconds=30)), taro.code(office.now)
    office.try_in("taro", PASSWORD, code)
    for used in (code, older):
        with pytest.raises(LoginRefused):
            office.try_in("taro", PASSWORD, used)
    office.later(seconds=30)
    assert office.let_in(taro).account == taro.account


def test_a_right_code_is_used_up_by_a_wrong_password(office: Office) -> None:
    taro = office.member("taro")
    with pytest.raises(LoginRefused):
        office.try_in("taro", WRONG, taro.code(office.now))
    with pytest.raises(LoginRefused):
        office.let_in(taro)


def test_of_many_attempts_with_one_code_one_gets_in(office: Office) -> None:
    taro = office.member("taro")
    outcomes: list[bool] = []

    def attempt(number: int) -> None:
        try:
            office.let_in(taro, address=f"192.0.2.{number}")
            outcomes.append(True)
        except (LoginRefused, LoginDelayed):
            outcomes.append(False)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]


# -- delays ---------------------------------------------------------------------------------------


def test_after_some_failures_the_next_attempt_waits_longer_each_time(office: Office) -> None:
    office.member("taro")
    fail(office, "taro", 4)
    for seconds in (2, 4, 8):
        with pytest.raises(LoginDelayed) as delayed:
            office.try_in("taro", WRONG, "000000")
        assert delayed.value.values == {"seconds": seconds}
        office.later(seconds=seconds)
        fail(office, "taro", 1)


def test_a_delayed_attempt_is_not_looked_at_and_not_counted(office: Office) -> None:
    taro = office.member("taro")
    fail(office, "taro", 4)
    before = office.entries()
    for _ in range(5):
        with pytest.raises(LoginDelayed):
            office.try_in("taro", PASSWORD, "000000")
    assert office.entries() == before
    office.later(seconds=2)
    assert office.let_in(taro).account == taro.account


def test_success_forgets_the_failures(office: Office) -> None:
    taro = office.member("taro")
    fail(office, "taro", 3)
    office.let_in(taro)
    fail(office, "taro", 4)


def test_names_that_nobody_has_are_delayed_as_known_ones(office: Office) -> None:
    office.member("taro")
    for login in ("taro", "nobody", "No Such Name", ""):
        fail(office, login, 4, address=f"of {login}")
        with pytest.raises(LoginDelayed) as delayed:
            office.try_in(login, WRONG, "000000", address=f"of {login}")
        assert delayed.value.values == {"seconds": 2}


def test_strangers_do_not_hold_up_who_has_the_code(office: Office) -> None:
    taro = office.member("taro")
    for number in range(10):
        fail(office, "taro", 1, address=f"198.51.100.{number}")
        office.later(seconds=1000)
    fail(office, "taro", 1, address="198.51.100.99")
    with pytest.raises(LoginDelayed):
        office.try_in("taro", PASSWORD, "000000")
    assert office.let_in(taro).account == taro.account


def test_who_has_the_code_and_not_the_password_is_delayed_too(office: Office) -> None:
    taro = office.member("taro")
    for _ in range(4):
        fail(office, "taro", 1, code=taro.code(office.later(seconds=30)))
    # Longer than an interval only after more of them; the code of the next interval fits already.
    with pytest.raises(LoginDelayed):
        office.try_in("taro", WRONG, taro.code(office.now + timedelta(seconds=30)))


def test_an_address_is_delayed_whatever_the_names_are(office: Office) -> None:
    taro = office.member("taro")
    for number in range(21):
        fail(office, f"name{number}", 1)
    with pytest.raises(LoginDelayed):
        office.let_in(taro)
    assert office.let_in(taro, address="192.0.2.2").account == taro.account


def test_an_address_does_not_clear_itself_by_logging_in(office: Office) -> None:
    taro = office.member("taro")
    fail(office, "other", 3)
    office.let_in(taro)
    with office.engine.connect() as connection:
        found = connection.execute(text("select failures from login_delay where kind = 'address'")).scalar_one()
    assert found == 3


def test_many_attempts_at_once_are_as_many_failures(office: Office) -> None:
    office.member("taro")
    heard: list[bool] = []

    def attempt(number: int) -> None:
        try:
            office.try_in("taro", WRONG, "000000", address=f"192.0.2.{number}")
        except LoginRefused:
            heard.append(True)
        except LoginDelayed:
            heard.append(False)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (heard.count(True), heard.count(False)) == (4, 8)


def test_an_attempt_whose_process_is_killed_counts(office: Office) -> None:
    office.member("taro")
    program = Path(__file__).with_name("log_in_and_die.py")
    killed = ended(program, office.safe.database.settings.model_dump_json(), str(office.safe.key_file), "taro")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert office.operators().unlock("taro") == 1


def test_an_operator_lifts_the_delay(office: Office) -> None:
    office.member("taro")
    fail(office, "taro", 4)
    assert office.operators().unlock("taro") == 4
    fail(office, "taro", 4)


def test_what_was_typed_is_stored_and_recorded_nowhere(office: Office) -> None:
    office.member("taro")
    typed = ("my.secret.typed.as.name", "another secret")
    with pytest.raises(LoginRefused):
        office.try_in(typed[0], typed[1], "424242")
    with office.safe.database.superuser() as superuser:
        rows = superuser.execute(
            "select body from platform.audit_entry union all select d::text from platform.login_delay d"
        )
        told = "\n".join(str(body) for (body,) in rows)
    assert "login:" in told
    assert not [word for word in (*typed, "424242") if word in told]
    assert not [word for word in (*typed, "424242") if word in repr(Credentials(*typed, "424242", "192.0.2.1"))]


# -- time -----------------------------------------------------------------------------------------


def test_known_and_unknown_names_take_the_same_time(safe: Safe) -> None:
    """At the shipped cost of a guess; the least of several is what load on the machine disturbs least."""
    office = Office(safe, limits=shipped_limits())
    office.member("taro")

    def seconds(name: str) -> float:
        office.later(days=2)
        begun = monotonic()
        with pytest.raises(LoginRefused):
            office.try_in(name, WRONG, "000000", address=name)
        return monotonic() - begun

    seconds("warm")
    known, unknown = zip(*((seconds("taro"), seconds("nobody")) for _ in range(5)), strict=True)
    assert min(known) == pytest.approx(min(unknown), rel=0.4)


def test_a_password_is_verified_for_unknown_names_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.member("taro")
    asked: list[str | None] = []
    verify = Passwords.verify

    def watched(self: Passwords, hashed: str | None, password: str) -> bool:
        asked.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(Passwords, "verify", watched)
    fail(office, "taro", 1)
    fail(office, "nobody", 1)
    assert len(asked) == 2
    assert asked[0]
    assert asked[1] is None
    assert not office.passwords.verify(None, WRONG)


def test_a_password_hashed_at_another_cost_is_hashed_anew_at_the_next_log_in(office: Office) -> None:
    taro = office.member("taro")
    dearer = office.limits.passwords.model_copy(update={"time_cost": 2})
    login = Login(office.engine, office.cipher, Passwords(dearer), office.sessions, office.limits)

    def hashed() -> str:
        with office.engine.connect() as connection:
            return str(connection.execute(text("select password_hash from account")).scalar_one())

    assert hashed().startswith("$argon2id$v=19$m=64,t=1,p=1$")
    given = Credentials("taro", PASSWORD, taro.code(office.now), "192.0.2.1")
    login.log_in(given, SessionKind.CONSOLE, now=office.now, request="test")
    assert hashed().startswith("$argon2id$v=19$m=64,t=2,p=1$")
    office.later(seconds=60)
    assert office.let_in(taro).account == taro.account


def test_the_shipped_cost_of_a_guess_is_that_of_the_standard() -> None:
    hashed = Passwords(shipped_limits().passwords).hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


# -- the vectors of the standard ------------------------------------------------------------------

RFC_SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert matching_counter(RFC_SECRET, code, now, after=0) == seconds // 30
    assert matching_counter(RFC_SECRET, code, now, after=seconds // 30) is None


def test_the_secret_of_the_codes_is_sealed_for_its_account(office: Office) -> None:
    taro, hanako = office.member("taro"), office.member("hanako")
    with office.safe.database.superuser() as superuser:
        stored = superuser.execute("select sealed from platform.account_totp").fetchall()
        assert not [sealed for (sealed,) in stored if taro.secret.encode() in sealed]
        superuser.execute(
            "update platform.account_totp set sealed ="
            " (select sealed from platform.account_totp where account = %s) where account = %s",
            (taro.account, hanako.account),
        )
    with pytest.raises(VaultTampered):
        office.let_in(Member(hanako.account, "hanako", taro.secret))


def test_whose_session_ended_is_asked_to_log_in(office: Office) -> None:
    taro = office.member("taro")
    session = office.let_in(taro)
    office.operators().disable("taro", now=office.now)
    with pytest.raises(SessionOver):
        office.holder(session.token)
