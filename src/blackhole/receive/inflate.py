"""Turns a compressed body into the bytes inside it, and stops as soon as they pass the limit."""

import asyncio
import zlib

from blackhole.errors import TooLargeError, UndecodableError, UnsupportedError

INLINE_BYTES = 64 * 1024
INLINE_LIMIT = 2**20
MOST_MEMBERS = 1024
_PIECE = 64 * 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15
_CODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


def coding(header: str) -> str:
    """`gzip`, `deflate` or an empty text for none. Raises UnsupportedError."""
    known = _CODINGS.get(header.strip().lower())
    if known is None:
        raise UnsupportedError("this content encoding is not accepted: send gzip, deflate or none")
    return known


async def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The inflated body; what takes long is done in a thread. Raises TooLargeError or UndecodableError."""
    if len(body) <= INLINE_BYTES:
        try:
            return expand(body, encoding, min(limit, INLINE_LIMIT))
        except TooLargeError:
            if limit <= INLINE_LIMIT:
                raise
    return await asyncio.to_thread(expand, body, encoding, limit)


def expand(body: bytes, encoding: str, limit: int) -> bytes:
    """Inflates all gzip members, or one deflate stream (zlib's form, or the raw one that some send)."""
    window = _GZIP if encoding == "gzip" else _ZLIB if _is_zlib(body) else _RAW
    engine = zlib.decompressobj(window)
    out: list[bytes] = []
    size, members, rest = 0, 1, memoryview(body)
    while rest:
        # Small pieces, because zlib copies what a finished member leaves over.
        piece, rest = bytes(rest[:_PIECE]), rest[_PIECE:]
        while piece:
            if engine.eof:
                members += 1
                if window != _GZIP or members > MOST_MEMBERS:
                    raise UndecodableError(f"the {encoding} body goes on after its end: send one stream")
                engine = zlib.decompressobj(window)
            try:
                out.append(engine.decompress(piece, limit - size + 1))
            except zlib.error:
                raise UndecodableError(f"the body is not valid {encoding}") from None
            size += len(out[-1])
            if size > limit:
                raise too_large(limit)
            piece = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not engine.eof:
        raise UndecodableError(f"the {encoding} body ends early")
    return b"".join(out)


def too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the request is larger than {limit} bytes: send smaller batches")


def _is_zlib(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and not (body[0] << 8 | body[1]) % 31
