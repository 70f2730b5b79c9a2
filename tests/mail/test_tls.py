"""Mail leaves encrypted, to a server that proves who it is, or not at all; no password goes before that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from chukan.platform.mail.adapters.smtp import SmtpServer
from chukan.platform.mail.errors import ServerUnavailable, ServerUnsuitable
from chukan.platform.settings import MailSettings
from chukan_simulators.mail_server.client import RunningMailServer, running_mail_server

PASSWORD = "correct-horse-4417"  # noqa: S105 - the simulator's
MAIL = b"Subject: x\r\n\r\nbody\r\n"


class Trust:
    """A certificate authority, the server's certificate by it, and another authority."""

    def __init__(self, folder: Path) -> None:
        authority, other = trustme.CA(), trustme.CA()
        self.ca_file, self.other_ca_file = folder / "ca.pem", folder / "other.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        other.cert_pem.write_to_path(str(self.other_ca_file))
        self.certificate, self.of_another_host = folder / "server.pem", folder / "another.pem"
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(self.certificate)
        )
        authority.issue_cert("mail.example.jp").private_key_and_cert_chain_pem.write_to_path(str(self.of_another_host))


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def starttls(trust: Trust) -> Iterator[RunningMailServer]:
    with running_mail_server(
        tls="starttls", certificate=trust.certificate, user="platform", password=PASSWORD
    ) as server:
        yield server


def settings(server: RunningMailServer, trust: Trust, **changed: object) -> MailSettings:
    right: dict[str, object] = {
        "host": "localhost",
        "port": server.port,
        "ca_file": trust.ca_file,
        "username": "platform",
        "password": SecretStr(PASSWORD),
        "answer_seconds": 5,
    }
    return MailSettings.model_validate(right | changed)


def send(mail: MailSettings) -> int:
    with SmtpServer(mail).session() as session:
        return session.send("contact@city.example.lg.jp", MAIL).code


def test_mail_leaves_over_starttls_after_a_log_in(starttls: RunningMailServer, trust: Trust) -> None:
    starttls.forget()
    assert send(settings(starttls, trust)) == 250
    (received,) = starttls.mails()
    assert (received.encrypted, received.user) == (True, "platform")


def test_mail_leaves_over_implicit_tls(trust: Trust) -> None:
    with running_mail_server(tls="implicit", certificate=trust.certificate) as server:
        assert send(settings(server, trust, security="implicit", username="")) == 250
        assert server.mails()[0].encrypted
        with pytest.raises(ServerUnsuitable):
            send(settings(server, trust, security="implicit", ca_file=trust.other_ca_file))


def test_a_server_that_another_authority_vouches_for_gets_nothing(starttls: RunningMailServer, trust: Trust) -> None:
    starttls.forget()
    for ca_file in (trust.other_ca_file, None):
        with pytest.raises(ServerUnsuitable):
            send(settings(starttls, trust, ca_file=ca_file))
    assert starttls.mails() == []


def test_a_server_with_the_certificate_of_another_host_gets_nothing(trust: Trust) -> None:
    with running_mail_server(tls="starttls", certificate=trust.of_another_host) as server:
        with pytest.raises(ServerUnsuitable):
            send(settings(server, trust))
        assert server.mails() == []


def test_a_server_without_starttls_gets_neither_mail_nor_password(trust: Trust) -> None:
    """Whoever stands between us and the server could take the offer of TLS out of its greeting."""
    with running_mail_server(user="platform", password=PASSWORD) as server:
        with pytest.raises(ServerUnsuitable):
            send(settings(server, trust))
        assert server.mails() == []


def test_a_server_that_speaks_tls_at_once_is_not_waited_for_long(trust: Trust) -> None:
    with running_mail_server(tls="implicit", certificate=trust.certificate) as server, pytest.raises(ServerUnavailable):
        send(settings(server, trust, answer_seconds=0.5))


def test_a_wrong_password_is_a_matter_of_settings_and_is_told_to_nobody(
    starttls: RunningMailServer, trust: Trust
) -> None:
    with pytest.raises(ServerUnsuitable) as refused:
        send(settings(starttls, trust, password=SecretStr("wrong-9921")))
    assert "wrong-9921" not in repr(refused.value.as_json()) + refused.value.detail
    assert "535" in refused.value.told()


def test_a_server_that_wants_a_log_in_and_gets_none_blames_no_mail(starttls: RunningMailServer, trust: Trust) -> None:
    assert send(settings(starttls, trust, username="")) == 530


def test_a_ca_file_that_is_not_there_is_a_matter_of_settings(
    starttls: RunningMailServer, trust: Trust, tmp_path: Path
) -> None:
    with pytest.raises(ServerUnsuitable):
        send(settings(starttls, trust, ca_file=tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ServerUnsuitable):
        send(settings(starttls, trust, ca_file=tmp_path / "empty.pem"))
