"""For the tests of messages of existing systems: a gateway whose organisations exchange, and the parts of messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from lxml import etree
from typing_extensions import override
from werkzeug.test import TestResponse

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.identifiers import TenantId
from chukan.platform.settings import DatabaseSettings, Settings
from chukan.platform.settings.model import GatewaySettings
from chukan.tenants.middleserver.connections import desk
from chukan.tenants.middleserver.formats.messages import parse
from chukan.tenants.middleserver.provisions import desk as provision_desk
from chukan.tenants.middleserver.security.masters.rules import Catalogue
from support.copies import LAYOUTS
from support.database import fresh_database
from support.gateway import DEPARTMENT, SYSTEM, Entrance
from support.inquiries import PROVIDER, FixedMasters
from support.security import Place
from support.vault import file_safe

#: The first test person.
TESTED = 999_999_999_999_000


class Masters(FixedMasters):
    """Masters with the towns of these tests and a layout."""

    @override
    def catalogue(self, tenant: TenantId) -> Catalogue:
        return replace(super().catalogue(tenant), all_layouts=LAYOUTS)


class Exchange(Entrance):
    """A gateway that waits for a long time, but with one request alone."""

    @property
    @override
    def settings(self) -> Settings:
        return super().settings.model_copy(update={"gateway": GatewaySettings(threads=2, inquiry_wait_seconds=30)})


class Towns(Place):
    """Organisations that the gateway knows."""

    def __init__(self, entrance: Entrance) -> None:
        self.entrance = entrance
        super().__init__(entrance.safe)

    @override
    def tenant(self) -> TenantId:
        return self.entrance.organisation()


@contextmanager
def exchange(cluster: tuple[EmbeddedCluster, DatabaseSettings], folder: Path) -> Iterator[Entrance]:
    """Lend a gateway over a database of its own; its organisations share masters."""
    masters = Masters([f"0220113112101{number}" for number in range(701, 720)] + [PROVIDER])
    with fresh_database(*cluster) as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk, "Catalogues", lambda _engine, **_: masters)
        patch.setattr(provision_desk, "Masters", lambda _engine, **_: masters)
        made = Exchange(file_safe(database, folder))
        yield made
        made.close()


def head(kind: str, mode: str = "0", **told: str) -> str:
    return (
        f"<MessageHeader><MSGID>{told.get('id', uuid4())}</MSGID><MSGTypeID>{kind}</MSGTypeID><MSGMode>{mode}</MSGMode>"
        f"<SourceSystemID>{SYSTEM}</SourceSystemID><DestinationSystemID>B000000001</DestinationSystemID>"
        f"</MessageHeader><RequestSourceUnitCode>{told.get('unit', DEPARTMENT)}</RequestSourceUnitCode>"
        "<RequestSourceUserID>user01</RequestSourceUserID>"
    )


def right(answer: TestResponse) -> etree._Element:
    """Return the tree of an answer that follows its own schema."""
    assert answer.status_code == 200, answer.data.decode()
    root = etree.fromstring(answer.data)
    return parse(answer.data, {root.findtext("MessageHeader/MSGTypeID") or ""}).root


def wrong(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, etree.fromstring(answer.data).findtext("Error") or ""
