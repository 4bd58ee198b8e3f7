"""The document: every case with what the gateway, nginx and HAProxy made of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.conformance import requests, responses
from tests.conformance.case import Case, RequestCase, RequestTable, ResponseCase, ResponseTable
from tests.conformance.cells import request_cell, response_cell
from tests.conformance.observe import observe_request, observe_response
from tests.conformance.proxies import Proxy
from tests.conformance.wire import Silence

PAGE = Path(__file__).resolve().parents[2] / "docs/conformance.md"
Table = RequestTable | ResponseTable
TABLES: tuple[Table, ...] = (*requests.TABLES, *responses.TABLES)
OTHERS_STRICTER = {
    "size of an answer's head: 30,000 octets": "Their buffers for it are 4 to 16 KiB unless told otherwise.",
}
"""What the gateway passes on and both others refuse, and why: nothing may be here without a reason."""
HEADER = "| case | RFC | Settlegate | nginx | HAProxy |\n| --- | --- | --- | --- | --- |"

INTRODUCTION = """\
# HTTP/1.1 conformance

Written by `python -m tests.conformance --write`; do not edit. `tests/conformance/` holds the cases.

{count} cases, each a rule of RFC 9110 or 9112 or a published attack. The same octets go to the gateway, to nginx
{nginx} and to HAProxy {haproxy} (Debian's packages with the settings their documentation recommends: connections to
the node kept, identity fields set, WebSocket), all before one node that records every octet. Requests come from a
client, answers from the node; to the gateway both are sent whole and again octet by octet, and both must end the same.

What is asked of the gateway in every case, and tested:

- The outcome is the one that the case states, to the status.
- What it forwards is read by two readers that share no code with it, a strict one and a lenient one (h11), as the same
  messages: those that the case intends, field by field, and not an octet more on any connection.
- A message that could be read in two ways is refused, and the connection closed: what stood behind it reaches no node.
- Half an answer never looks like a whole one.

What the cells say:

| cell | means |
| --- | --- |
| passed | the other side gets just what the case intends; where the gateway refuses: it is passed on in some form |
| passed, with / without / other … | passed, and this is what differs from what the gateway passes on |
| passed, **ambiguous** | passed on in a form that two readers frame differently, or that one of them refuses |
| passed, **and what it hides** | the smuggled request reached the node, or the smuggled answer the client |
| a status | the client is told that; the gateway closes the connection of a client it refuses |
| cut | the answer had begun and is cut, so that the client sees it; told 502 instead if nothing had gone out yet |
| closed | the connection is closed without an answer |
| hangs | neither an answer nor an end within seconds |

## Where the gateway is stricter, and why

"""


class Row(NamedTuple):
    case: Case
    ours: str
    nginx: str
    haproxy: str


def cell(proxy: Proxy, case: Case) -> str:
    """What the proxy makes of the case today."""
    try:
        return _cell(proxy, case)
    except Silence:
        return "hangs"


def _cell(proxy: Proxy, case: Case) -> str:
    if isinstance(case, RequestCase):
        return request_cell(case, observe_request(proxy, case))
    assert isinstance(case, ResponseCase)
    return response_cell(case, observe_response(proxy, case))


def worst_cell(proxy: Proxy, case: Case) -> str:
    """For proxies that pass on before they have judged: whether it gets through differs from time to time."""
    for _ in range(5):
        start = time.monotonic()
        text = cell(proxy, case)
        if passes(text) or time.monotonic() - start > 0.5:
            break
    return text


def passes(text: str) -> bool:
    return text.startswith("passed")


def compose(rows: Iterable[Row], versions: dict[str, str]) -> str:
    rows = list(rows)
    by_table = {table.name: [row for row in rows if row.case.table == table.name] for table in TABLES}
    text = INTRODUCTION.format(count=len(rows), **versions) + _summary(by_table) + _lenient(rows) + faults()
    for table in TABLES:
        side = "Requests" if isinstance(table, RequestTable) else "Answers"
        text += f"\n## {side}: {table.name}\n\n{table.why}\n\n{HEADER}\n"
        text += "".join(_line(row) for row in by_table[table.name])
    return text


def _summary(by_table: dict[str, list[Row]]) -> str:
    text = "Cases that the gateway refuses, and how many of them the others pass on:\n\n"
    text += "| cases | refused here | passed by nginx | passed by HAProxy | why |\n| --- | --- | --- | --- | --- |\n"
    for table in TABLES:
        refused = [row for row in by_table[table.name] if not passes(row.ours)]
        counts = [
            sum(passes(cells) for cells in column)
            for column in ([r.nginx for r in refused], [r.haproxy for r in refused])
        ]
        if any(counts):
            text += f"| {table.name} | {len(refused)} | {counts[0]} | {counts[1]} | {table.why} |\n"
    return text


def _lenient(rows: list[Row]) -> str:
    """Where both others refuse what the gateway passes on."""
    found = [row for row in rows if passes(row.ours) and not passes(row.nginx) and not passes(row.haproxy)]
    text = "\n## Where both others are stricter\n\n"
    if not found:
        return text + "Nowhere.\n"
    return text + "".join(
        f"- {_escape(row.case.id)}: {row.nginx} and {row.haproxy}. {OTHERS_STRICTER[row.case.id]}\n" for row in found
    )


def faults() -> str:
    """What the gateway does not do as its case says; each is an expected failure of the suite."""
    faulty = [case for table in TABLES for case in table.cases if case.fault]
    if not faulty:
        return ""
    text = "\n## Where the gateway falls short today\n\n"
    return text + "".join(f"- {_escape(case.id)}: {_escape(case.fault)}\n" for case in faulty)


def _line(row: Row) -> str:
    cells = " | ".join(re.sub(r"([|`])", r"\\\1", text) for text in (row.ours, row.nginx, row.haproxy))
    return f"| {_escape(row.case.name)} | {row.case.rfc} | {cells} |\n"


def _escape(text: str) -> str:
    return re.sub(r"([|*_`\[\]<>\\])", r"\\\1", text)


def our_column(text: str) -> dict[str, list[str]]:
    """Our cells of a document, by table."""
    columns: dict[str, list[str]] = {}
    for part in text.split("\n## ")[1:]:
        title, _, rest = part.partition("\n")
        if HEADER in rest:
            lines = rest.partition(HEADER + "\n")[2].splitlines()
            columns[title.partition(": ")[2]] = [re.split(r"(?<!\\)\| ", line)[3].strip() for line in lines if line]
    return columns
