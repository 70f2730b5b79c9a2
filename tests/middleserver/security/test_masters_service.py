"""Packages are taken in verified and in order, and put in force organisation by organisation."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.exc import ProgrammingError

from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.formats.errors import MessageRefused
from chukan.tenants.middleserver.security.jose import SigningKey
from chukan.tenants.middleserver.security.masters import service, store
from chukan.tenants.middleserver.security.masters.errors import (
    MastersMissing,
    PackageConflicting,
    PackageForged,
    PackageOlder,
    PackageOriginMixed,
    PackageOutOfOrder,
    PackageUnknown,
)
from chukan.tenants.middleserver.security.masters.package import PACKAGE, write_package
from chukan.tenants.middleserver.security.masters.service import Masters
from support.security import NOW, Network, Place

#: Changes one byte of a stored package, and lets the digest be what the place says.
TAMPER = "update platform.master_package set content = set_byte(content, 900, get_byte(content, 900) # 1), digest = {}"


def sequences(place: Place) -> list[int]:
    return [each.head.sequence for each in place.masters.held()]


def pull(place: Place) -> list[int]:
    return [head.sequence for head in place.distribution.pull(place.network, now=place.network.now)]


def refused(place: Place) -> list[tuple[object, ...]]:
    return place.ask("select sequence, error from platform.master_refusal order by at")


def test_what_is_published_is_fetched_once_and_in_order(place: Place) -> None:
    place.network.publish(1, 2)
    assert pull(place) == [1, 2]
    assert pull(place) == []
    place.network.publish(3)
    assert pull(place) == [3]
    assert place.masters.package(2) == place.network.standard.catalogue(2)
    assert place.safe.actions().count("masters:package:receive") == 3


def test_the_same_package_again_changes_nothing(place: Place) -> None:
    place.network.publish(1)
    token = place.network.published[0][1]
    for _ in range(2):
        assert place.distribution.receive(token, now=NOW).sequence == 1
    assert sequences(place) == [1]


def test_a_package_of_another_signer_is_refused_and_noted(place: Place) -> None:
    thief = SigningKey(place.network.key.kid, ec.generate_private_key(ec.SECP256R1()))
    token = place.network.signed(write_package(place.network.standard.catalogue(1), uuid4()), PACKAGE, thief)
    with pytest.raises(PackageForged):
        place.distribution.receive(token, now=NOW)
    assert sequences(place) == []
    assert refused(place) == [(None, "masters.package_forged")]


def test_one_changed_letter_is_found_out(place: Place) -> None:
    place.network.publish(1)
    token = bytearray(place.network.published[0][1])
    token[len(token) // 2] = ord("A") if token[len(token) // 2] != ord("A") else ord("B")
    with pytest.raises(PackageForged):
        place.distribution.receive(bytes(token), now=NOW)


def test_a_package_that_is_signed_but_malformed_is_refused(place: Place) -> None:
    document = write_package(place.network.standard.catalogue(1), uuid4()).replace(b"<Length>4<", b"<Length>four<", 1)
    with pytest.raises(MessageRefused):
        place.distribution.receive(place.network.signed(document, PACKAGE), now=NOW)
    assert sequences(place) == []


def test_a_package_out_of_order_is_refused(place: Place) -> None:
    place.network.publish(2, 1)
    with pytest.raises(PackageOutOfOrder):
        pull(place)
    for _catalogue, token in place.network.published[:1]:
        with pytest.raises(PackageOutOfOrder):
            place.distribution.receive(token, now=NOW)
    assert sequences(place) == []


def test_a_list_that_says_another_digest_is_refused(place: Place) -> None:
    place.network.publish(1)
    place.network.digests[1] = "00" * 32
    with pytest.raises(PackageForged):
        pull(place)
    assert refused(place) == [(1, "masters.package_forged")]


def test_a_list_that_forgets_a_package_is_refused(place: Place) -> None:
    place.network.publish(1, 2)
    pull(place)
    place.network.published.pop()
    with pytest.raises(PackageForged):
        pull(place)


def test_a_list_of_yesterday_is_refused(place: Place) -> None:
    place.network.publish(1)
    with pytest.raises(PackageForged):
        place.distribution.pull(place.network, now=NOW + timedelta(days=1, seconds=1))


def test_a_package_is_never_replaced(place: Place) -> None:
    place.network.publish(1)
    pull(place)
    again = place.network.signed(write_package(place.network.standard.catalogue(1), uuid4()), PACKAGE)
    with pytest.raises(PackageConflicting):
        place.distribution.receive(again, now=NOW)
    place.network.digests[1] = "00" * 32
    with pytest.raises(PackageConflicting):
        pull(place)


@pytest.mark.usefixtures("english")
def test_masters_that_are_stored_are_verified_whenever_they_are_read(place: Place) -> None:
    place.network.publish(1)
    pull(place)
    place.ask(TAMPER.format("digest"))
    with pytest.raises(PackageForged, match="digest"):
        Masters(place.actor.engine).package(1)
    place.ask(TAMPER.format("sha256(set_byte(content, 901, get_byte(content, 901) # 1))").replace("900", "901"))
    with pytest.raises(PackageForged, match="sign"):
        Masters(place.actor.engine, place.network).package(1)


def test_what_was_tampered_with_is_not_put_in_force(place: Place) -> None:
    tenant = place.tenant()
    place.network.publish(1)
    pull(place)
    place.ask("update platform.master_package set linkage_start = linkage_start + 1")
    with pytest.raises(PackageForged):
        place.distribution.apply([tenant])
    assert place.ask("select * from platform.master_standing") == []


def test_an_organisation_takes_the_first_and_then_the_second(place: Place) -> None:
    one, other = place.tenant(), place.tenant()
    place.network.publish(1, 2, 3, 4)
    pull(place)
    with pytest.raises(MastersMissing):
        place.masters.catalogue(one)
    place.distribution.apply_one(one, 1)
    with pytest.raises(PackageOutOfOrder):
        place.distribution.apply_one(one, 3)
    place.distribution.apply_one(one, 2)
    with pytest.raises(PackageOlder):
        place.distribution.apply([one], to=1)
    assert place.masters.catalogue(one).head.sequence == 2
    done = place.distribution.apply([one, other])
    assert (done.packages, done.organisations, done.already) == (4, 2, 0)
    assert place.distribution.apply([one, other]).already == 2
    assert place.masters.catalogue(one) is place.masters.catalogue(other)
    history = place.ask("select tenant, sequence from platform.master_application order by applied_at")
    assert history == [(one, 1), (one, 2), (one, 3), (one, 4), (other, 3), (other, 4)]


def test_who_judges_many_messages_believes_for_a_moment_where_an_organisation_stands(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.network.publish(1, 2)
    pull(place)
    tenant, now = place.tenant(), 100.0
    monkeypatch.setattr(service, "monotonic", lambda: now)
    believing = Masters(place.actor.engine, place.network, believed_seconds=1)
    with pytest.raises(MastersMissing):
        believing.catalogue(tenant)
    for step in (1, 2):
        place.distribution.apply([tenant], to=step)
        assert place.masters.catalogue(tenant).head.sequence == step
        assert believing.catalogue(tenant).head.sequence == 1
    now += 1
    assert believing.catalogue(tenant).head.sequence == 2


def test_an_unknown_package_cannot_be_applied(place: Place) -> None:
    tenant = place.tenant()
    with pytest.raises(PackageUnknown):
        place.distribution.apply([tenant])
    with pytest.raises(PackageUnknown):
        place.masters.package(1)


def test_two_who_apply_at_once_apply_once(place: Place) -> None:
    tenant = place.tenant()
    place.network.publish(1, 2)
    pull(place)
    with place.actor.engine.begin() as connection:
        assert store.advance(connection, tenant, expected=None, to=1, actor="system:test")
        assert not store.advance(connection, tenant, expected=None, to=1, actor="system:test")
        assert not store.advance(connection, tenant, expected=2, to=1, actor="system:test")
        assert store.advance(connection, tenant, expected=1, to=2, actor="system:test")


def test_an_operators_own_masters_and_the_networks_do_not_mix(place: Place) -> None:
    standard = place.network.standard
    assert place.distribution.load(standard.catalogue(1)).sequence == 1
    assert place.distribution.load(standard.catalogue(1)).sequence == 1
    with pytest.raises(PackageOutOfOrder):
        place.distribution.load(standard.catalogue(3))
    place.network.publish(1, 2)
    with pytest.raises(PackageOriginMixed):
        place.distribution.receive(place.network.published[1][1], now=NOW)
    assert place.masters.package(1) == standard.catalogue(1)
    assert "masters:package:load" in place.safe.actions()


def test_masters_are_changed_by_the_worker_alone(place: Place) -> None:
    place.network.publish(1)
    pull(place)
    for kind in (ProcessKind.CONSOLE, ProcessKind.GATEWAY, ProcessKind.POLLER):
        engine = place.database.engine(kind)
        assert Masters(engine).package(1).head.sequence == 1
        with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
            connection.exec_driver_sql("insert into platform.master_standing values (uuidv7(), 1)")
    with pytest.raises(ProgrammingError, match="permission denied"), place.actor.engine.begin() as connection:
        connection.exec_driver_sql("update platform.master_package set content = ''")


def test_standings_count_those_that_have_none(place: Place) -> None:
    one, _other = place.tenant(), place.tenant()
    place.network.publish(1)
    pull(place)
    place.distribution.apply([one])
    with place.actor.engine.connect() as connection:
        found = [(each.sequence, each.organisations) for each in store.standings(connection)]
        assert set(store.living(connection)) == {one, _other}
    assert found == [(None, 1), (1, 1)]


def test_no_network_no_package(place: Place) -> None:
    place.network.publish(1)
    offline = type(place.distribution)(place.actor, place.masters)
    with pytest.raises(PackageForged):
        offline.receive(place.network.published[0][1], now=NOW)
    with pytest.raises(PackageForged):
        offline.pull(Network(), now=NOW)
