"""Whatever is done to a file, the answer is a `ConfigError` or a configuration, and no secret is repeated.

Secrets are planted where a secret belongs and below keys that nobody knows.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.check import check
from gateway.config import load_gateway
from settings.errors import ConfigError

PLANTED = "%pl4nt3d%"
EXAMPLE = (Path(__file__).parents[2] / "deploy" / "gateway.example.yaml").read_text(encoding="utf-8")
SEEDED = EXAMPLE.replace("community: public", f"community: '{PLANTED}'").replace(
    "\nadmin:", f"\nunknown: '{PLANTED}'\nadmin:"
).replace("from: gateway@example,", f"from: gateway@example, username: me, password: '{PLANTED}',")  # fmt: skip
assert SEEDED.count(PLANTED) == 3
LINES = SEEDED.splitlines(keepends=True)

_PIECES = st.sampled_from(
    ["{", "}", "[", "]", ":", ": ", ",", "\n", "  ", "- ", "#", "'", '"',
     "&a ", "*a", "<<: ", "!secret ", "!x ", "|\n", "> ",
     "0", "true", "off", "null", "\t", "%", "@", "---\n", "?", "=", "é", "\u2028", "\x00", "1e999", "~", "x" * 300]
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A few characters put in or taken out, or lines moved, doubled, dropped and indented."""
    text = SEEDED
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["cut", "put", "swap"])):
            case "cut":
                text = text[:at] + text[at + draw(st.integers(1, 30)) :]
            case "put":
                text = text[:at] + draw(_PIECES) + text[at:]
            case "swap":
                lines = text.splitlines(keepends=True) or [""]
                one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                lines[one], lines[other] = draw(st.sampled_from(["", "  "])) + lines[other], lines[one]
                text = "".join(lines)
    return text


def said(path: Path) -> str:
    try:
        return repr(load_gateway(path))
    except ConfigError as error:
        return f"{error}{error!r}"


def holds(path: Path, octets: bytes) -> None:
    path.write_bytes(octets)
    assert "pl4nt3d" not in said(path)
    report = check(path)
    assert "pl4nt3d" not in repr(report)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts())
def test_mutated_examples(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    holds(tmp_path_factory.getbasetemp() / "mutated.yaml", text.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_octets(tmp_path_factory: pytest.TempPathFactory, octets: bytes) -> None:
    holds(tmp_path_factory.getbasetemp() / "octets.yaml", octets)


@pytest.mark.parametrize("number", range(0, len(LINES), 3))
def test_a_line_lost(number: int, tmp_path: Path) -> None:
    holds(tmp_path / "a.yaml", "".join(LINES[:number] + LINES[number + 1 :]).encode())
    holds(tmp_path / "a.yaml", "".join(LINES[:number]).encode())


@pytest.mark.parametrize("colon", [index for index, character in enumerate(SEEDED) if character == ":"][::7])
def test_a_colon_lost(colon: int, tmp_path: Path) -> None:
    holds(tmp_path / "a.yaml", (SEEDED[:colon] + SEEDED[colon + 1 :]).encode())
    holds(tmp_path / "a.yaml", (SEEDED[: colon + 1] + SEEDED[colon + 2 :]).encode())
