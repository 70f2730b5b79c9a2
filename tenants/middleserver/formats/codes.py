"""The codes that stand in files and messages: their forms, and how they are read.

A code is kept as the text that it is on the wire, under a type of its own; the function of the same name reads it
and raises ``CodeMalformed`` without repeating the value. Texts that people read show digits in full width.

Source: facts D.2, D.3.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import NewType

from chukan.platform.clock import TOKYO, as_tokyo
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.formats.errors import CodeMalformed

#: 特定個人情報名コード: TM and the information number in 14 digits.
InformationCode = NewType("InformationCode", str)
#: 事務コード: JM and 14 digits.
AffairCode = NewType("AffairCode", str)
#: 事務手続コード: JT and 14 digits.
ProcedureCode = NewType("ProcedureCode", str)
#: 機関コード: an organisation on the network, 16 digits.
InstitutionCode = NewType("InstitutionCode", str)
#: 全国地方公共団体コード: an organisation in what people read, 6 digits.
OrganisationCode = NewType("OrganisationCode", str)
#: 団体内統合宛名番号: a person inside one organisation, 15 digits. Personal: in no log and no error.
AddressNumber = NewType("AddressNumber", str)
#: 部署コード: up to 20 letters and digits.
DepartmentCode = NewType("DepartmentCode", str)
#: ユーザーID: up to 20 letters and digits.
UserCode = NewType("UserCode", str)
#: 行政区コード: 3 digits, of the third to fifth of the organisation's code.
RegionCode = NewType("RegionCode", str)
#: データセットの識別項目コード: 4 digits.
DatasetNumber = NewType("DatasetNumber", str)
#: The id of a system in a message's header: a letter and 9 digits.
SystemId = NewType("SystemId", str)
#: 処理通番: up to 36 letters, digits and hyphens; its true form is not public, so this one is ours.
ProcessingSerial = NewType("ProcessingSerial", str)

#: 版番号 has up to four digits.
MAX_LAYOUT_VERSION = 9_999

_FULL_WIDTH = {ord(str(digit)): 0xFF10 + digit for digit in range(10)}
_ITEM = re.compile(r"[A-Za-z][0-9A-Za-z_-]{0,39}")


def information_code(value: str) -> InformationCode:
    """Return *value* as an information code; raises ``CodeMalformed``. Source: facts D.3."""
    return InformationCode(_checked(value, r"TM[0-9]{14}", mark("the information code"), "TM + 14"))


def information_code_of(number: int) -> InformationCode:
    """Return the information code of a 特定個人情報番号 (2 is TM00000000000002)."""
    return information_code(f"TM{number:014d}")


def information_number(code: InformationCode) -> int:
    """Return the 特定個人情報番号 that *code* stands for."""
    return int(code[2:])


def affair_code(value: str) -> AffairCode:
    """Return *value* as an affair code; raises ``CodeMalformed``. Source: facts D.3."""
    return AffairCode(_checked(value, r"JM[0-9]{14}", mark("the affair code"), "JM + 14"))


def procedure_code(value: str) -> ProcedureCode:
    """Return *value* as a procedure code; raises ``CodeMalformed``. Source: facts D.3."""
    return ProcedureCode(_checked(value, r"JT[0-9]{14}", mark("the procedure code"), "JT + 14"))


def institution_code(value: str) -> InstitutionCode:
    """Return *value* as an institution code; raises ``CodeMalformed``. Source: facts D.3."""
    return InstitutionCode(_checked(value, r"[0-9]{16}", mark("the institution code"), "16"))


def organisation_code(value: str) -> OrganisationCode:
    """Return *value* as a local government code; raises ``CodeMalformed``. Its check digit is the registry's."""
    return OrganisationCode(_checked(value, r"[0-9]{6}", mark("the local government code"), "6"))


def address_number(value: str) -> AddressNumber:
    """Return *value* as an address number; raises ``CodeMalformed``. Source: facts D.3."""
    return AddressNumber(_checked(value, r"[0-9]{15}", mark("the integrated address number"), "15"))


def department_code(value: str) -> DepartmentCode:
    """Return *value*, which may be padded with blanks, as a department; raises ``CodeMalformed``."""
    return DepartmentCode(_checked(value.rstrip(" "), r"[0-9A-Za-z_-]{1,20}", mark("the department code"), "1-20"))


def user_code(value: str) -> UserCode:
    """Return *value*, which may be padded with blanks, as a user id; raises ``CodeMalformed``."""
    return UserCode(_checked(value.rstrip(" "), r"[0-9A-Za-z_.@-]{1,20}", mark("the user id"), "1-20"))


def region_code(value: str) -> RegionCode:
    """Return *value* as an administrative region code; raises ``CodeMalformed``. Source: facts D.2."""
    return RegionCode(_checked(value, r"[0-9]{3}", mark("the administrative region code"), "3"))


def region_of(code: OrganisationCode) -> RegionCode:
    """Return the region code of an organisation: the third to fifth digit of its code. Source: facts D.2."""
    return RegionCode(code[2:5])


def dataset_number(value: str) -> DatasetNumber:
    """Return *value* as a dataset's number; raises ``CodeMalformed``. Source: facts D.2."""
    return DatasetNumber(_checked(value, r"[0-9]{4}", mark("the dataset number"), "4"))


def layout_version(value: str) -> int:
    """Return the version of a layout (1 to 9999; leading zeros are accepted); raises ``CodeMalformed``."""
    version = int(_checked(value, r"[0-9]{1,4}", mark("the layout version"), "1-4"))
    if version == 0:
        raise _malformed(mark("the layout version"), "1-4")
    return version


def system_id(value: str) -> SystemId:
    """Return *value* as the id of a system; raises ``CodeMalformed``. Source: facts D.2."""
    return SystemId(_checked(value, r"[A-Z][0-9]{9}", mark("the system id"), "A + 9"))


def processing_serial(value: str) -> ProcessingSerial:
    """Return *value* as a processing serial; raises ``CodeMalformed``."""
    return ProcessingSerial(_checked(value, r"[0-9A-Za-z-]{1,36}", mark("the processing serial"), "1-36"))


def item_code(value: str) -> str:
    """Return *value* as an item's code, which names an XML element; raises ``CodeMalformed``."""
    if _ITEM.fullmatch(value) is None:
        raise _malformed(mark("the item code"), "A-z + 0-39")
    return value


def compact_date(value: str) -> date:
    """Return the day that eight digits name; raises ``CodeMalformed``. Source: facts D.3."""
    digits = _checked(value, r"[0-9]{8}", mark("the date"), "yyyyMMdd")
    return _day(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}", "yyyyMMdd")


def hyphenated_date(value: str) -> date:
    """Return the day that ``YYYY-MM-DD`` names; raises ``CodeMalformed``. Source: facts D.2."""
    return _day(_checked(value, r"[0-9]{4}-[0-9]{2}-[0-9]{2}", mark("the date"), "yyyy-MM-dd"), "yyyy-MM-dd")


def request_instant(value: str) -> datetime:
    """Return the instant (UTC) that 17 digits tell by Tokyo's clock, in milliseconds; raises ``CodeMalformed``."""
    form = "yyyyMMddHHmmssSSS"
    digits = _checked(value, r"[0-9]{17}", mark("the instant"), form)
    try:
        told = datetime.strptime(f"{digits}000+0900", "%Y%m%d%H%M%S%f%z")
    except ValueError as error:
        raise _malformed(mark("the instant"), form) from error
    return told.astimezone(UTC)


def compact_instant(instant: datetime) -> str:
    """Return *instant* (aware) in the 17 digits of Tokyo's clock, cut to milliseconds. Source: facts D.3."""
    return as_tokyo(instant).strftime("%Y%m%d%H%M%S%f")[:17]


def tokyo_day_begins(day: date) -> datetime:
    """Return the instant (UTC) at which *day* begins in Tokyo."""
    return datetime(day.year, day.month, day.day, tzinfo=TOKYO).astimezone(UTC)


def full_width(digits: str) -> str:
    """Return *digits* as messages to organisations print them: in full width. Source: facts D.3."""
    return digits.translate(_FULL_WIDTH)


def _checked(value: str, form: str, field: str, shown: str) -> str:
    if re.fullmatch(form, value) is None:
        raise _malformed(field, shown)
    return value


def _day(value: str, form: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise _malformed(mark("the date"), form) from error


def _malformed(field: str, form: str) -> CodeMalformed:
    return CodeMalformed(field=text(field), form=form)
