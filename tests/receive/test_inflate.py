"""Compressed bodies are inflated up to the limit and no further."""

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole.errors import TooLargeError, UndecodableError, UnsupportedError
from blackhole.receive import inflate
from blackhole.receive.inflate import coding, expand

LIMIT = 2**20


def raw_deflate(body: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(body) + engine.flush()


FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
}


@pytest.mark.parametrize("form", FORMS)
@given(body=st.binary(max_size=2000), times=st.integers(1, 200))
def test_what_was_compressed_comes_back(form: str, body: bytes, times: int) -> None:
    name, compress = FORMS[form]
    assert expand(compress(body * times), name, LIMIT) == body * times


@given(parts=st.lists(st.binary(max_size=100), min_size=1, max_size=20))
def test_gzip_members_follow_one_another(parts: list[bytes]) -> None:
    assert expand(b"".join(map(gzip.compress, parts)), "gzip", LIMIT) == b"".join(parts)


def test_a_body_of_many_pieces_comes_back() -> None:
    body = random.Random(1).randbytes(LIMIT)
    assert (
        expand(gzip.compress(body[: LIMIT // 2]) + gzip.compress(body[LIMIT // 2 :]), "gzip", LIMIT) == body
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_limit_is_exact(form: str) -> None:
    name, compress = FORMS[form]
    assert len(expand(compress(bytes(LIMIT)), name, LIMIT)) == LIMIT
    with pytest.raises(TooLargeError, match=str(LIMIT)):
        expand(compress(bytes(LIMIT + 1)), name, LIMIT)


def test_a_bomb_is_not_inflated() -> None:
    engine = zlib.compressobj(wbits=31)
    bomb = b"".join(engine.compress(bytes(2**20)) for _ in range(300)) + engine.flush()
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        expand(bomb, "gzip", LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * LIMIT


def test_endless_members_are_refused() -> None:
    with pytest.raises(UndecodableError, match="goes on"):
        expand(gzip.compress(b"") * (inflate.MOST_MEMBERS + 1), "gzip", LIMIT)


@pytest.mark.parametrize("form", FORMS)
def test_every_truncation_is_refused(form: str) -> None:
    name, compress = FORMS[form]
    whole = compress(b"some telemetry" * 20)
    for end in range(len(whole)):
        with pytest.raises(UndecodableError):
            expand(whole[:end], name, LIMIT)


@pytest.mark.parametrize("form", FORMS)
@given(rest=st.binary(min_size=1, max_size=30))
def test_bytes_after_the_end_are_refused(form: str, rest: bytes) -> None:
    name, compress = FORMS[form]
    with pytest.raises(UndecodableError):
        expand(compress(b"x") + rest, name, LIMIT)


@given(body=st.binary(max_size=300))
def test_random_bytes_are_refused_or_inflated_but_nothing_else_happens(body: bytes) -> None:
    for name in ("gzip", "deflate"):
        try:
            assert len(expand(body, name, LIMIT)) <= LIMIT
        except (UndecodableError, TooLargeError):
            continue


@pytest.mark.parametrize("size", [10, inflate.INLINE_LIMIT + 1, 8 * 2**20])
def test_small_bodies_stay_in_the_loop_and_large_ones_leave_it(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = 0

    async def counted(function: Callable[..., bytes], *args: object) -> bytes:
        nonlocal threads
        threads += 1
        return function(*args)

    monkeypatch.setattr("asyncio.to_thread", counted)
    packed = gzip.compress(bytes(size))
    assert anyio.run(inflate.inflate, packed, "gzip", 16 * 2**20) == bytes(size)
    assert threads == (size > inflate.INLINE_LIMIT)


@pytest.mark.parametrize(
    ("header", "name"),
    [("", ""), ("identity", ""), (" GZIP ", "gzip"), ("x-gzip", "gzip"), ("deflate", "deflate")],
)
def test_known_codings(header: str, name: str) -> None:
    assert coding(header) == name


@pytest.mark.parametrize("header", ["zstd", "br", "gzip, gzip", "snappy", "\x00"])
def test_other_codings_are_refused_and_the_known_ones_named(header: str) -> None:
    with pytest.raises(UnsupportedError, match="gzip, deflate or none"):
        coding(header)
