from __future__ import annotations

import time

import pytest

from gateway.errors import BadRequest, NodeProtocolError
from gateway.http1 import fields
from gateway.http1.fields import FieldMemo, Note, Rule, canonical, connection_note, members, split_field, without


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"A: b", b"A", b"b"),
        (b"A:b", b"A", b"b"),
        (b"A: \t b c\t ", b"A", b"b c"),
        (b"A:", b"A", b""),
        (b"A: :", b"A", b":"),
        (b"!#$%&'*+-.^_`|~09azAZ: x", b"!#$%&'*+-.^_`|~09azAZ", b"x"),
        (b"A: \xe4\xbd\xa0\xff\x80", b"A", b"\xe4\xbd\xa0\xff\x80"),
        (b"A: b\tc", b"A", b"b\tc"),
    ],
    ids=repr,
)
def test_good_lines(line: bytes, name: bytes, value: bytes) -> None:
    assert split_field(line, BadRequest) == (name, value)


BAD_LINES = {
    "space-before-colon": b"A : b",
    "tab-before-colon": b"A\t: b",
    "empty-name": b": b",
    "no-colon": b"A b",
    "empty": b"",
    "fold-space": b" folded",
    "fold-tab": b"\tfolded: x",
    "space-in-name": b"A B: c",
    "quote-in-name": b'"A": c',
    "slash-in-name": b"A/B: c",
    "bracket-in-name": b"A[0]: c",
    "non-ascii-name": b"\xc3\xa4: c",
    "nul-in-name": b"A\x00: c",
    "nul": b"A: \x00",
    "cr": b"A: b\rc",
    "lf": b"A: b\nc",
    "vertical-tab": b"A: \x0bb",
    "escape": b"A: \x1b[2J",
    "delete": b"A: \x7f",
    "trailing-cr": b"A: b\r",
    "trailing-form-feed": b"A: b\x0c",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_bad_lines(line: bytes) -> None:
    with pytest.raises(NodeProtocolError):
        split_field(line, NodeProtocolError)
    with pytest.raises(BadRequest):
        FieldMemo(lambda _: Rule(canonical), BadRequest).learn(line)


def test_a_value_full_of_blanks_takes_linear_time() -> None:
    line = b"A: x" + (b" " * 1000 + b"x") * 30
    start = time.process_time()
    for _ in range(10):
        split_field(line, BadRequest)
    assert time.process_time() - start < 0.1


def test_canonical_lines() -> None:
    assert canonical(b"hOsT", b"x") == b"hOsT: x\r\n"
    assert canonical(b"A", b"") == b"A:\r\n"


def test_members_of_a_list() -> None:
    assert members(b"Close, ,\tX-A ,", BadRequest) == [b"close", b"x-a"]
    assert members(b"", BadRequest) == []
    with pytest.raises(BadRequest):
        members(b"close; now", BadRequest)


@pytest.mark.parametrize(
    ("value", "flags", "names"),
    [
        (b"close", fields.CLOSE, []),
        (b"Keep-Alive", fields.KEEP_ALIVE, []),
        (b"Upgrade, close", fields.UPGRADES | fields.CLOSE, []),
        (b"TE, HTTP2-Settings", 0, []),
        (b"X-A, close, x_b", fields.CLOSE, [b"x-a", b"x-b"]),
        (b"", 0, []),
    ],
)
def test_connection_options(value: bytes, flags: int, names: list[bytes]) -> None:
    note = connection_note(value, frozenset({b"host"}), BadRequest)
    assert note == Note(fields.CONNECTION, b"", flags, frozenset(names))


@pytest.mark.parametrize("value", [b"host", b"close, HOST", b"h\xc3\xb6st", b"a b"], ids=repr)
def test_connection_must_not_name_everything(value: bytes) -> None:
    with pytest.raises(BadRequest):
        connection_note(value, frozenset({b"host"}), BadRequest)


def test_named_fields_go_in_any_spelling() -> None:
    lines = [b"X-A: 1\r\n", b"x_a: 2\r\n", b"X-AB: 3\r\n", b"B:\r\n"]
    assert without(lines, frozenset({b"x-a", b"b"})) == [b"X-AB: 3\r\n"]


@pytest.fixture
def calls() -> list[bytes]:
    return []


@pytest.fixture
def memo(calls: list[bytes]) -> FieldMemo:
    def classify(name: bytes) -> Rule:
        calls.append(name)
        return Rule(canonical, name != b"Cookie")

    return FieldMemo(classify, BadRequest)


def test_a_line_is_learned_once_and_a_name_too(memo: FieldMemo, calls: list[bytes]) -> None:
    assert memo.learn(b"A:  1 ") == b"A: 1\r\n"
    assert memo.lines == {b"A:  1 ": b"A: 1\r\n"}
    assert memo.learn(b"A: 2") == b"A: 2\r\n"
    assert calls == [b"A"]


def test_secrets_are_not_remembered(memo: FieldMemo) -> None:
    assert memo.learn(b"Cookie: secret") == b"Cookie: secret\r\n"
    assert not memo.lines


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MEMO_LINES", 8)


@pytest.mark.usefixtures("small")
def test_memory_is_bounded(memo: FieldMemo) -> None:
    for number in range(100):
        memo.learn(b"A%d: %d" % (number, number))
        assert len(memo.lines) <= 8


def test_long_lines_are_not_remembered(memo: FieldMemo) -> None:
    long = b"A: " + b"x" * 512
    assert memo.learn(long) == long + b"\r\n"
    assert not memo.lines


def test_bad_lines_are_not_remembered(memo: FieldMemo, calls: list[bytes]) -> None:
    for _ in range(2):
        with pytest.raises(BadRequest):
            memo.learn(b"A: \x00")
    assert not memo.lines
    assert calls == [b"A"]
