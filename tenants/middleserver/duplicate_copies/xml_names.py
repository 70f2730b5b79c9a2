"""The elements of the attachment of IF_DBM_20113, as they are published (facts D.2)."""

from __future__ import annotations

from chukan.tenants.middleserver.duplicate_copies.records import CONTENT_FIELD, HEAD_FIELDS

ROOT = "SPIRegistrationDeleteList"
SEGMENT = "SegmentOfRegistrationDelete"
RECORD = "InformationOfSPIRegistrationDelete"
#: The elements of a record in their order; the segment is the file's.
FIELDS = (*(field for field in HEAD_FIELDS if field != SEGMENT), CONTENT_FIELD)
