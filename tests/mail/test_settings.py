"""Production sends no mail in the clear."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from chukan.platform.settings import MailSettings, Settings
from chukan.platform.settings.production import refusals


@pytest.mark.parametrize(("security", "refused"), [("none", True), ("starttls", False), ("implicit", False)])
def test_production_refuses_mail_without_tls(security: str, *, refused: bool) -> None:
    settings = Settings(mail=MailSettings.model_validate({"security": security}))
    assert ("mail.security" in [refusal.key for refusal in refusals(settings)]) is refused


@pytest.mark.parametrize("address", ["", "x", "a b@x.jp", "a@x", "a@x.jp\n", "a..b@x.jp", "担当@x.jp", "<a@x.jp>"])
def test_a_sender_is_an_address(address: str) -> None:
    with pytest.raises(ValidationError):
        MailSettings(sender_address=address)
    if address:
        with pytest.raises(ValidationError):
            MailSettings(bounce_address=address)


@pytest.mark.parametrize("name", ["a\r\nBcc: x", "a\x00", "あ" * 61])
def test_a_sender_s_name_is_one_short_line(name: str) -> None:
    with pytest.raises(ValidationError):
        MailSettings(sender_name=name)
