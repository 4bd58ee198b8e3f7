"""Tables of what nodes answer."""

from __future__ import annotations

from tests.conformance.case import ResponseTable
from tests.conformance.responses.endings import ENDINGS, SURPLUS, WITHOUT_BODY
from tests.conformance.responses.fields import FIELDS, INTERIM, LIMITS, SWITCHING
from tests.conformance.responses.framing import CHUNKS, CODINGS, LENGTHS, TRAILERS
from tests.conformance.responses.status_lines import STATUS_LINES, VERSIONS

TABLES: tuple[ResponseTable, ...] = (
    STATUS_LINES, VERSIONS, LENGTHS, CODINGS, CHUNKS, TRAILERS, WITHOUT_BODY, SURPLUS, ENDINGS, FIELDS, INTERIM,
    SWITCHING, LIMITS,
)  # fmt: skip
