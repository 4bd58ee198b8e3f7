from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, NodeProtocolError
from gateway.http1 import LAST_CHUNK, ChunkReader, chunk_head, encode_chunk, last_chunk
from gateway.http1.chunks import LONGEST_SIZE_LINE, SPARE_OVERHEAD


def read(
    data: bytes, *sizes: int, view: bool = False, reader: ChunkReader | None = None
) -> tuple[bytes, int, ChunkReader]:
    """Feed in pieces of the sizes given, then the rest; (payload, octets used, reader)."""
    reader = reader or ChunkReader()
    out: list[bytes | memoryview] = []
    used = at = 0
    for size in (*sizes, len(data)):
        piece = data[at : at + size]
        at += len(piece)
        used += reader.feed(memoryview(piece) if view else piece, out)
        assert used == at or reader.done, "everything is used until the body ends"
    return b"".join(out), used, reader


def octets(data: bytes) -> tuple[int, ...]:
    return (1,) * len(data)


def splits(data: bytes) -> list[tuple[int, ...]]:
    """Octet by octet, and in two pieces in every way."""
    return [octets(data), *((size,) for size in range(len(data)))]


GOOD: dict[str, tuple[bytes, bytes, bytes]] = {
    "empty": (b"0\r\n\r\n", b"", b""),
    "one": (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    "two": (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", b""),
    "hex": (b"1a\r\n" + b"x" * 26 + b"\r\n00\r\n\r\n", b"x" * 26, b""),
    "upper-hex": (b"1A\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n", b"x" * 26, b""),
    "leading-zeros": (b"0000000000000005\r\nhello\r\n0000\r\n\r\n", b"hello", b""),
    "line-ends-in-payload": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", b""),
    "extension": (b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b"hello", b""),
    "quoted-extension": (b'5 ; a="\x80,;"\r\nhello\r\n0\r\n\r\n', b"hello", b""),
    "trailer": (b"0\r\nX-Sum:  1 \r\nx-b:2\r\n\r\n", b"", b"X-Sum: 1\r\nx-b: 2\r\n"),
    "filtered-trailers": (
        b"0\r\nContent-Length: 5\r\nA: 1\r\nX-Institution_Id: H1\r\nAuthorization: x\r\nTransfer-Encoding: chunked\r\n"
        b"Host: evil\r\nB:\r\nConnection: a\r\n\r\n",
        b"",
        b"A: 1\r\nB:\r\n",
    ),
}


@pytest.mark.parametrize(("data", "payload", "trailers"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("view", [False, True], ids=["bytes", "view"])
def test_good_bodies(data: bytes, payload: bytes, trailers: bytes, view: bool) -> None:
    for sizes in splits(data):
        got, used, reader = read(data + b"GET /", *sizes, view=view)
        assert (got, used, reader.done, reader.trailers) == (payload, len(data), True, trailers)


def test_nothing_is_used_after_the_end() -> None:
    _, _, reader = read(LAST_CHUNK)
    assert reader.feed(b"5\r\nhello\r\n", []) == 0


BAD = {
    "no-size": b"\r\nhello",
    "no-digits": b"x\r\n",
    "extension-only": b";a\r\n",
    "sign": b"+5\r\nhello\r\n",
    "negative": b"-5\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n",
    "underscore": b"1_0\r\n",
    "leading-blank": b" 5\r\nhello\r\n",
    "trailing-blank": b"5 \r\nhello\r\n",
    "comma": b"5,a\r\nhello\r\n",
    "seventeen-digits": b"00000000000000005\r\nhello\r\n",
    "64-bits": b"ffffffffffffffff\r\n",
    "63-bits": b"8000000000000000\r\n",
    "bare-lf": b"5\nhello\n",
    "bare-lf-after-extension": b"5;a\nhello",
    "bare-cr": b"5\rhello",
    "cr-in-extension": b"5;a\rb\r\n",
    "cr-cr-lf": b"5\r\r\n",
    "nul-in-extension": b"5;\x00\r\n",
    "lf-in-quoted-extension": b'5;a="\n"\r\n',
    "chunk-too-long": b"5\r\nhello!\r\n",
    "chunk-too-short": b"6\r\nhello\r\n0\r\n\r\n",
    "lf-after-chunk": b"5\r\nhello\n0\r\n\r\n",
    "cr-after-chunk": b"5\r\nhello\r0\r\n\r\n",
    "cr-cr-lf-after-chunk": b"5\r\nhello\r\r\n0\r\n\r\n",
    "lf-after-last": b"0\r\n\n",
    "cr-after-last": b"0\r\n\rG",
    "trailer-no-colon": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "trailer-space-before-colon": b"0\r\nA : b\r\n\r\n",
    "trailer-folded": b"0\r\nA: b\r\n c\r\n\r\n",
    "trailer-bare-lf": b"0\r\nA: b\n\r\n\r\n",
    "trailer-bare-cr": b"0\r\nA: b\rc\r\n\r\n",
    "trailer-nul": b"0\r\nA: \x00\r\n\r\n",
    "dropped-trailer-is-judged": b"0\r\nHost: \x01\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
@pytest.mark.parametrize("error", [BadRequest, NodeProtocolError])
def test_bad_bodies(data: bytes, error: type[BadRequest | NodeProtocolError]) -> None:
    for sizes in splits(data):
        with pytest.raises(error):
            read(data, *sizes, reader=ChunkReader(error))


AT_ONCE = [
    b"x",
    b";",
    b"5\n",
    b"5\rx",
    b"5;\x00",
    b"5\r\nhellox",
    b"5\r\nhello\n",
    b"0\r\n\n",
    b"0\r\nA\n",
    b"0\r\nA: b\rc",
]


@pytest.mark.parametrize("data", AT_ONCE, ids=repr)
def test_what_nothing_can_mend_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(BadRequest):
        read(data)


@pytest.mark.parametrize(("extra", "good"), [(0, True), (1, False)])
def test_a_size_line_has_a_limit(extra: int, good: bool) -> None:
    line = b"1;" + b"x" * (LONGEST_SIZE_LINE - 4 + extra) + b"\r\n"
    for sizes in ((), octets(line), (1,), (LONGEST_SIZE_LINE,), (LONGEST_SIZE_LINE - 1,)):
        if good:
            assert read(line + b"a\r\n0\r\n\r\n", *sizes)[0] == b"a"
        else:
            with pytest.raises(BadRequest):
                read(line + b"a\r\n0\r\n\r\n", *sizes)


def test_extensions_cost_in_proportion_to_the_payload() -> None:
    small = b"1;" + b"x" * 1000 + b"\r\na\r\n"
    with pytest.raises(BadRequest):
        read(small * 20)
    large = b"200;" + b"x" * 1000 + b"\r\n" + b"a" * 512 + b"\r\n"
    assert len(read(large * 100 + LAST_CHUNK)[0]) == 51200


def test_a_large_chunk_earns_no_credit() -> None:
    large = chunk_head(10**6) + b"a" * 10**6 + b"\r\n"
    small = b"1;" + b"x" * 1000 + b"\r\na\r\n"
    with pytest.raises(BadRequest):
        read(large + small * (SPARE_OVERHEAD // 980 + 1))


def test_one_octet_chunks_are_fine() -> None:
    assert read(b"1\r\na\r\n" * 50000 + LAST_CHUNK)[0] == b"a" * 50000


@pytest.mark.parametrize(("size", "good"), [(0, True), (1, False)])
def test_trailers_have_a_limit(size: int, good: bool) -> None:
    lines = b"A: b\r\nB: " + b"x" * (90 - 11 + size) + b"\r\n"
    data = b"0\r\n" + lines + b"\r\n"
    assert len(lines) == 90 + size
    for sizes in ((), octets(data)):
        reader = ChunkReader(trailers=90)
        if good:
            assert read(data, *sizes, reader=reader)[2].trailers == lines
        else:
            with pytest.raises(BadRequest):
                read(data, *sizes, reader=reader)


def test_an_endless_trailer_is_refused_before_its_end() -> None:
    with pytest.raises(BadRequest):
        read(b"0\r\nA: " + b"x" * 200, reader=ChunkReader(trailers=100))


def test_trailers_have_a_number() -> None:
    data = b"0\r\nA: b\r\nHost: c\r\n\r\n"
    assert read(data, reader=ChunkReader(fields=2))[2].done
    with pytest.raises(BadRequest):
        read(data, reader=ChunkReader(fields=1))


def test_payload_is_not_copied() -> None:
    data = memoryview(b"5\r\nhello\r\n0\r\n\r\n")
    out: list[bytes | memoryview] = []
    ChunkReader().feed(data, out)
    assert isinstance(out[0], memoryview)
    assert out[0].obj is data.obj
    whole = b"x" * 100
    reader = ChunkReader()
    reader.feed(b"ff\r\n", [])
    out.clear()
    assert reader.feed(whole, out) == 100
    assert out[0] is whole


def test_time_is_linear_in_the_number_of_octets() -> None:
    """Tiny pieces of long lines, tiny chunks in one large piece: neither is looked at again and again."""
    line = b"1;" + b"x" * 4000 + b"\r\n"
    start = time.process_time()
    read(line, *octets(line))
    read(memoryview(b"1\r\na\r\n" * 20000).tobytes() + LAST_CHUNK, view=True)
    assert time.process_time() - start < 2


def test_its_repr_states_the_state() -> None:
    reader = ChunkReader()
    assert repr(reader) == "<ChunkReader size, 0 left>"
    reader.feed(b"5\r\nhe", [])
    assert repr(reader) == "<ChunkReader payload, 3 left>"
    reader.feed(b"llo", [])
    assert repr(reader) == "<ChunkReader payload end, 0 left>"
    reader.feed(b"\r\n0\r\n", [])
    assert repr(reader) == "<ChunkReader trailer, 0 left>"
    reader.feed(b"\r\n", [])
    assert repr(reader) == "<ChunkReader done, 0 left>"


def test_writing_chunks() -> None:
    assert chunk_head(26) == b"1a\r\n"
    assert encode_chunk([b"he", memoryview(b"llo")]) == b"5\r\nhello\r\n"
    assert encode_chunk([]) == encode_chunk([b""]) == b""
    assert last_chunk() == LAST_CHUNK == b"0\r\n\r\n"
    assert last_chunk(b"A: b\r\n") == b"0\r\nA: b\r\n\r\n"


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(1, 20), max_size=30), st.booleans())
def test_any_split_gives_the_same_payload(pieces: list[bytes], sizes: list[int], view: bool) -> None:
    body = b"".join(encode_chunk([piece]) for piece in pieces) + last_chunk(b"X-Sum: 1\r\n")
    payload, used, reader = read(body + b"next", *sizes, view=view)
    assert (payload, used, reader.trailers) == (b"".join(pieces), len(body), b"X-Sum: 1\r\n")


FRAGMENTS = st.sampled_from(
    [b"5", b"0", b"a", b"\r\n", b"\r", b"\n", b";x", b" ", b"hello", b"A: b", b"\x00", b"1\r\n"]
)


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join), st.lists(st.integers(1, 4), max_size=12))
def test_any_split_gives_the_same_verdict(data: bytes, sizes: list[int]) -> None:
    def outcome(*split: int) -> object:
        try:
            payload, used, reader = read(data, *split)
        except BadRequest:
            return "refused"
        return payload, used, reader.done, reader.trailers

    assert outcome() == outcome(*sizes) == outcome(*octets(data))
