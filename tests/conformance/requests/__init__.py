"""Tables of what clients send."""

from __future__ import annotations

from tests.conformance.case import RequestTable
from tests.conformance.requests.chunks import CHUNKS, EXTENSIONS, TRAILERS
from tests.conformance.requests.codings import CODINGS, HIDDEN_CODINGS
from tests.conformance.requests.desync import DESYNC
from tests.conformance.requests.fields import LINE_ENDS, NAMES, VALUES
from tests.conformance.requests.hops import CONNECTION, EXPECT, MAX_FORWARDS, UPGRADE
from tests.conformance.requests.hosts import ABSOLUTE, HOSTS
from tests.conformance.requests.identity import IDENTITY, IDENTITY_TRAILERS
from tests.conformance.requests.lengths import LENGTHS
from tests.conformance.requests.limits import LIMITS
from tests.conformance.requests.pipelines import PIPELINES
from tests.conformance.requests.start_lines import EMPTY_LINES, METHODS, REQUEST_LINES, VERSIONS
from tests.conformance.requests.targets import TARGETS

FRAMING: tuple[RequestTable, ...] = (LENGTHS, CODINGS, HIDDEN_CODINGS, CHUNKS, EXTENSIONS, TRAILERS, DESYNC)
HEADS: tuple[RequestTable, ...] = (
    REQUEST_LINES, VERSIONS, METHODS, EMPTY_LINES, HOSTS, ABSOLUTE, TARGETS, NAMES, VALUES, LINE_ENDS, LIMITS,
)  # fmt: skip
PASSING: tuple[RequestTable, ...] = (
    CONNECTION, UPGRADE, EXPECT, MAX_FORWARDS, PIPELINES, IDENTITY, IDENTITY_TRAILERS,
)  # fmt: skip
TABLES = FRAMING + HEADS + PASSING
