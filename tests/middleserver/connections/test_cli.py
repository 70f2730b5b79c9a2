"""``chukan connections``, as operators meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chukan.platform.settings.load import LoadedSettings
from chukan.tenants.middleserver.connections.component import component
from chukan.tenants.middleserver.connections.errors import SystemKnown
from chukan.tenants.middleserver.formats.errors import CodeMalformed
from support.gateway import Authority, Entrance

pytestmark = pytest.mark.usefixtures("english")


def run(entrance: Entrance, *args: str) -> Result:
    command = component(lambda: entrance.settings).commands[0]
    runner = CliRunner(env={"COLUMNS": "250"})
    return runner.invoke(command.command, args, obj=LoadedSettings(entrance.settings), catch_exceptions=False)


def answer(entrance: Entrance, *args: str) -> Any:
    result = run(entrance, *args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_certificate_is_registered_listed_and_revoked(entrance: Entrance, tmp_path: Path) -> None:
    entrance.organisation()
    with entrance.safe.database.superuser() as superuser:
        row = superuser.execute("select code from platform.organisation order by id desc limit 1").fetchone()
    assert row is not None
    card = Authority("Clients").issue("cli", days=20_000)
    (tmp_path / "client.pem").write_bytes(card.pem)
    asked = ("register", row[0], str(tmp_path / "client.pem"), "--department", "3595115400")
    rights = ("--allow", "uploads", "--allow", "linkage_codes")
    with pytest.raises(CodeMalformed):
        run(entrance, *asked, "--system", "wrong", *rights)
    made = answer(entrance, *asked, "--system", "A000000001", *rights)
    assert (made["fingerprint"], made["allowed"]) == (card.fingerprint, ["linkage_codes", "uploads"])
    with pytest.raises(SystemKnown):
        run(entrance, *asked, "--system", "A000000001", *rights)
    assert answer(entrance, "list", row[0]) == [made]
    listed = run(entrance, "list").stdout
    assert "A000000001" in listed
    assert answer(entrance, "revoke", card.fingerprint, "--reason", "lost") == {"revoked": card.fingerprint}
    assert answer(entrance, "list", row[0])[0]["revoked_at"] is not None
