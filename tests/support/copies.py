"""What the tests of duplicate copies share: a layout, files of it in both forms, and an organisation with uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from chukan.platform.clock import FixedClock
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.limits.rules import Amount
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.duplicate_copies.csv_reader import FIXED
from chukan.tenants.middleserver.duplicate_copies.night import Night, NightReport
from chukan.tenants.middleserver.duplicate_copies.ports import LimitedDay
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm
from chukan.tenants.middleserver.duplicate_copies.service import Manifest, Uploads
from chukan.tenants.middleserver.duplicate_copies.store import Upload
from chukan.tenants.middleserver.duplicate_copies.trail import Caller
from chukan.tenants.middleserver.duplicate_copies.validator import Terms
from chukan.tenants.middleserver.formats.codes import InformationCode
from chukan.tenants.middleserver.security.masters.rules import (
    CheckRule,
    Condition,
    Dataset,
    Form,
    Item,
    ItemType,
    Layout,
    RevisionKind,
    check_digit,
)
from support.database import Database
from support.tenants import provisioned
from support.vault import Safe

INFORMATION = InformationCode("TM00000000000002")
DATASET = "0101"
REGION = "210"
NOW = datetime(2019, 6, 10, 3, 0, tzinfo=UTC)
TODAY = date(2019, 6, 10)

#: One item of every kind, and those that the incidents of A1-017 were about. All of it is invented.
ITEMS = (
    Item("YEAR", "相当年度", ItemType.TEXT, 4, required=True, fixed=True, form=Form.DIGITS, version=2),
    Item("DECLARED", "申告区分", ItemType.CODE, 1, required=True, code_list="DECLARED"),
    Item("INCOME", "所得金額", ItemType.NUMBER, 13, required_when=Condition("DECLARED", frozenset({"1"})),
         absent_when=Condition("DECLARED", frozenset({"9"}))),
    Item("INSURER", "保険者番号", ItemType.TEXT, 8, required=True, fixed=True, form=Form.DIGITS,
         check=CheckRule.MODULUS_10_WEIGHT_2_1, version=4),
    Item("CARD", "被保険者証記号番号", ItemType.TEXT, 20),
    Item("ISSUED", "交付日", ItemType.TEXT, 10, form=Form.DATE),
    Item("REISSUED", "再交付日", ItemType.TEXT, 10, form=Form.DATE, not_before="ISSUED"),
    Item("SPOUSE", "控除対象配偶者区分", ItemType.CODE, 1, occurs_max=3),
    Item("NOTE", "備考", ItemType.TEXT, 40, occurs_max=2),
    Item("NAME", "名称", ItemType.TEXT, 10, form=Form.FULL_WIDTH),
    Item("PADDING", "余白", ItemType.TEXT, 700),
)  # fmt: skip


def layout(version: int = 4, *, items: Sequence[Item] = ITEMS, **changes: object) -> Layout:
    made = Layout(
        information=INFORMATION,
        version=version,
        valid_from=date(2019, 4, 1),
        linked_from=date(2019, 6, 17),
        datasets=(Dataset(DATASET, "個人住民税", tuple(items)),),
        revisions=frozenset({RevisionKind.MINOR}),
        code_lists={"DECLARED": {"1": "申告あり", "2": "申告なし", "9": "未申告"}},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


LAYOUTS = (layout(3, valid_to=date(2019, 6, 1)), layout())
TERMS = Terms(INFORMATION, DATASET, LAYOUTS, frozenset({REGION}), TODAY)
INSURER = "0613100" + check_digit(CheckRule.MODULUS_10_WEIGHT_2_1, "0613100")
RIGHT_ITEMS: Mapping[str, Sequence[str]] = {
    "YEAR": ["2019"],
    "DECLARED": ["1"],
    "INCOME": ["-1234567890123"],
    "INSURER": [INSURER],
    "ISSUED": ["2018-04-01"],
    "REISSUED": ["2019-05-31"],
}


@dataclass(frozen=True)
class Row:
    """One record of a test's file; ``items`` are values by item code, a nil one is ``\\N:<reason>``."""

    number: str
    address: str
    items: Mapping[str, Sequence[str]] = field(default_factory=lambda: RIGHT_ITEMS)
    segment: str = "1"
    information: str = INFORMATION
    dataset: str = DATASET
    key: str = "2019"
    version: str = "4"
    parent: str = ""
    published_from: str = "2019-06-17"
    published_to: str = ""
    region: str = REGION
    updated: str = "2019-06-01"
    item_versions: Mapping[str, str] = field(default_factory=dict)

    def head(self) -> tuple[str, ...]:
        return (
            self.number, self.segment, self.address, self.information, self.dataset, self.key, self.version,
            self.parent, self.published_from, self.published_to, self.region,
        )  # fmt: skip

    def version_of(self, code: str) -> str:
        known = {item.code: str(item.version) for item in ITEMS}
        return self.item_versions.get(code, known.get(code, "1"))


def right_row(place: int, /, **changes: object) -> Row:
    return replace(Row(str(place), f"{place:015d}"), **changes)  # type: ignore[arg-type]


def deletion(place: int, /, **changes: object) -> Row:
    return right_row(place, segment="2", items={}, updated="", **changes)


def csv_columns(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the columns that *rows* need: every item of the layout, and what else they hold."""
    columns = [(item.code, str(item.version)) for item in ITEMS for _ in range(item.occurs_max)]
    for row in rows:
        for code, values in row.items.items():
            wanted = (code, row.version_of(code))
            columns += [wanted] * (len(values) - columns.count(wanted))
    return columns


def csv_file(rows: Sequence[Row], *, columns: Sequence[tuple[str, str]] | None = None, newline: str = "\r\n") -> bytes:
    chosen = csv_columns(rows) if columns is None else columns
    header = ",".join([*FIXED, *(f"{code}:{version}" for code, version in chosen)])
    return "".join(line + newline for line in (header, *(csv_line(row, chosen) for row in rows))).encode()


def csv_line(row: Row, columns: Sequence[tuple[str, str]]) -> str:
    left = {code: list(values) for code, values in row.items.items()}
    cells = [
        left[code].pop(0) if left.get(code) and row.version_of(code) == version else "" for code, version in columns
    ]
    quoted = ('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"') else cell for cell in cells)
    return ",".join([*row.head(), row.updated, *quoted])


def fragment(row: Row) -> str:
    """Return the items of *row* as XML, in the order of the layout."""
    places = {item.code: place for place, item in enumerate(ITEMS)}
    parts = []
    for code in sorted(row.items, key=lambda code: places.get(code, len(places))):
        for value in row.items[code]:
            start = f"<{code} Version={quoteattr(row.version_of(code))} TimeAndDateOfUpdate={quoteattr(row.updated)}"
            if value.startswith("\\N:"):
                parts.append(f'{start} xsi:nil="true" ReasonOfNull={quoteattr(value[3:])}/>')
            else:
                parts.append(f"{start}>{escape(value)}</{code}>")
    return "".join(parts)


_XML_FIELDS = (
    "RecordIdentificationNumber", "IntegratedAddressNumber", "SpecificPersonalInformationCode",
    "DataSetIdentificationItemCode", "DataSetRecordKey", "SPIMajorVersion", "ParentDataSetRecordKey", "PublicationDate",
    "PublishedEndDate", "AdministrativeRegionCode",
)  # fmt: skip


def xml_record(row: Row) -> str:
    number, _segment, *others = row.head()
    fields = "".join(
        f"      <{name}>{escape(value)}</{name}>\n"
        for name, value in zip(_XML_FIELDS, (number, *others), strict=True)
        if value or not name.startswith(("Parent", "PublishedEnd"))
    )
    content = f"      <DuplicateCopyData><![CDATA[{fragment(row)}]]></DuplicateCopyData>\n" if row.items else ""
    name = "InformationOfSPIRegistrationDelete"
    return f"   <{name}>\n{fields}{content}   </{name}>\n"


def xml_file(rows: Sequence[Row]) -> bytes:
    segment = rows[0].segment if rows else "1"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<SPIRegistrationDeleteList>\n'
        f"   <SegmentOfRegistrationDelete>{segment}</SegmentOfRegistrationDelete>\n"
        f"{''.join(map(xml_record, rows))}</SPIRegistrationDeleteList>\n"
    ).encode()


def file_of(form: FileForm, rows: Sequence[Row]) -> bytes:
    return csv_file(rows) if form is FileForm.CSV else xml_file(rows)


def in_blocks(content: bytes, size: int = 1 << 20) -> Iterator[bytes]:
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


class FixedMasters:
    """Masters that know one information."""

    def __init__(self, layouts: Sequence[Layout] = LAYOUTS) -> None:
        self.known = tuple(layouts)

    def layouts(self, _tenant: TenantId, information: str) -> Sequence[Layout]:
        return self.known if information == INFORMATION else ()

    def regions(self, _tenant: TenantId) -> frozenset[str]:
        return frozenset({REGION})


@dataclass
class Organisation:
    """An organisation with the real schema, keys of its own, and everything that duplicate copies offer."""

    safe: Safe
    tenant: TenantId
    sessions: TenantSessions
    vault: Vault
    clock: FixedClock
    limit: Amount = field(default_factory=lambda: Amount(2_000_000, 20_000_000))
    exempt: bool = False
    masters: FixedMasters = field(default_factory=FixedMasters)

    @property
    def caller(self) -> Caller:
        return Caller(self.tenant, "system:test", "test")

    @property
    def uploads(self) -> Uploads:
        return Uploads(self.sessions, self.vault, LimitedDay(lambda _tenant, _day: (self.limit, self.exempt)))

    @property
    def copies(self) -> Copies:
        return Copies(self.sessions, self.vault)

    @property
    def night(self) -> Night:
        return Night(self.sessions, self.vault, self.masters, self.clock)

    def send(self, content: bytes, records: int, *, form: FileForm = FileForm.CSV, piece: int = 8 << 20) -> Upload:
        """Announce, send and complete a file."""
        begun = self.uploads.begin(self.caller, manifest(content, records, form), now=self.clock.now())
        if begun.repeated and begun.upload.state.value != "receiving":
            return begun.upload
        for offset in range(begun.upload.received, len(content), piece):
            part = content[offset : offset + piece]
            self.uploads.put_piece(self.tenant, begun.upload.id, offset, part, hashlib.sha256(part).hexdigest())
        return self.uploads.complete(self.caller, begun.upload.id, now=self.clock.now())

    def send_rows(self, rows: Sequence[Row], *, form: FileForm = FileForm.CSV) -> Upload:
        return self.send(file_of(form, rows), len(rows), form=form)

    def register(self, hours: float = 8) -> NightReport:
        return self.night.register(self.caller, deadline=self.clock.now() + timedelta(hours=hours))

    def report(self, upload: UUID) -> str:
        return "".join(self.uploads.error_report(self.caller, upload))

    def found(self, number: int, **options: object) -> list[dict[str, list[str | None]]]:
        """Return the items of the copies of the person *number*."""
        at = options.pop("at", date(2019, 7, 1))
        copies = self.copies.find(self.tenant, f"{number:015d}", INFORMATION, at=at, **options)  # type: ignore[arg-type]
        told: list[dict[str, list[str | None]]] = []
        for copy in copies:
            items: dict[str, list[str | None]] = {}
            for item in copy.items:
                items.setdefault(item.code, []).append(item.value)
            told.append(items)
        return told

    def count(self, table: str) -> int:
        queries = {
            "duplicate_copy": "select count(*) from duplicate_copy",
            "upload_piece": "select count(*) from upload_piece",
            "upload_error": "select count(*) from upload_error",
        }
        with self.sessions.connection(self.tenant) as connection:
            return int(connection.exec_driver_sql(queries[table]).scalar_one())


def manifest(content: bytes, records: int, form: FileForm = FileForm.CSV) -> Manifest:
    return Manifest(
        name=f"DBM_20113_ATTACH_{INFORMATION}_A000000001_{DATASET}_001.{form.value}",
        form=form,
        information=INFORMATION,
        dataset=DATASET,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        records=records,
        department="3595115400",
    )


def organisation(database: Database, safe: Safe) -> Organisation:
    tenant = provisioned(database).tenant
    safe.give_keys(tenant)
    sessions = database.sessions()
    return Organisation(safe, tenant, sessions, safe.vault(), FixedClock(NOW))


def settings_of(place: Organisation) -> tuple[str, Path]:
    """Return what a program of its own needs to serve the same organisation."""
    return place.safe.database.settings.model_dump_json(), place.safe.key_file
