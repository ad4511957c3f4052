"""Turns requests into bytes on a socket and bytes into answers: HTTP/1.1 by hand, as probes may err."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

from blackhole.conformance.check import BrokenError, NotSeenError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LONGEST_BODY = 2**20
PUT_OFF = frozenset({429, 503})
PATIENCE = 3
LONGEST_WAIT = 1.0
_LONGEST_LINE = 64 * 1024
_MOST_HEADERS = 200


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`headers` beat those that would be set; an empty value leaves a header out."""

    path: str
    body: bytes = b""
    kind: str = PROTOBUF
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Header names are lower-case; of repeated ones the last counts."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient:
    """Asks one receiver. `seen`: every answer of the run, in order."""

    def __init__(
        self, host: str, port: int, prefix: str = "", token: str = "", *, secure: bool = False
    ) -> None:
        self._host = host
        self._port = port
        self._prefix = prefix
        self._secure = secure
        self.token = token
        self.seen: list[HttpAnswer] = []
        self._given_up: dict[tuple[str, str], str] = {}

    @contextmanager
    def giving_up_on(self, request: HttpRequest, name: str) -> Iterator[None]:
        """Where a rule breaks inside, checks that need the same are not run: one cause, one failure."""
        try:
            yield
        except BrokenError:
            self._given_up[request.path, request.kind] = name
            raise

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """One request on a connection of its own; as senders do, it comes again when it was put off."""
        self._check_given_up(request)
        for _ in range(PATIENCE):
            found = await self._send(request)
            wait = found.headers.get("retry-after", "")
            if found.status not in PUT_OFF or not wait.isdecimal():
                break
            await asyncio.sleep(min(int(wait), LONGEST_WAIT))
        return found

    def _check_given_up(self, request: HttpRequest) -> None:
        kind = request.kind.partition(";")[0].lower()
        if name := self._given_up.get((request.path, kind)):
            raise NotSeenError(f"{name} is not taken at all")

    async def _send(self, request: HttpRequest) -> HttpAnswer:
        async with self.connect() as connection:
            return await connection.ask(replace(request, headers={"Connection": "close", **request.headers}))

    @asynccontextmanager
    async def connect(self) -> "AsyncIterator[Connection]":
        context = ssl.create_default_context() if self._secure else None
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=context, limit=_LONGEST_LINE
        )
        try:
            yield Connection(self, reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def encode(self, request: HttpRequest) -> bytes:
        """The request as it goes over the wire. Raises NotSeenError when there is no point in it."""
        self._check_given_up(request)
        host = f"[{self._host}]" if ":" in self._host else self._host
        headers = {"Host": f"{host}:{self._port}", "User-Agent": "blackhole-conformance"}
        if request.kind:
            headers["Content-Type"] = request.kind
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if request.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif request.body or request.method in {"POST", "PUT"}:
            headers["Content-Length"] = str(len(request.body))
        headers |= request.headers
        lines = [f"{request.method} {self._prefix}{request.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value]
        body = _in_chunks(request.body) if request.chunked else request.body
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """One TCP connection; whoever needs several requests on it writes and reads by turns."""

    def __init__(
        self, client: HttpClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._client = client
        self._reader = reader
        self._writer = writer

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        # A receiver may answer, and stop reading, before it has the whole body.
        encoded = self._client.encode(request)
        with contextlib.suppress(ConnectionError):
            await self.write(encoded)
        return await self.read(without_body=request.method == "HEAD")

    async def write(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(pause)

    async def write_requests(self, requests: Sequence[HttpRequest]) -> None:
        await self.write(b"".join(self._client.encode(request) for request in requests))

    async def read(self, *, without_body: bool = False) -> HttpAnswer:
        """The next answer that is not an interim one. Raises EOFError, OSError or ValueError."""
        status, headers = await self._head()
        while status // 100 == 1:
            status, headers = await self._head()
        bodiless = without_body or status in {204, 304}
        body = b"" if bodiless else await self._body(headers)
        answer = HttpAnswer(status, headers, body)
        self._client.seen.append(answer)
        return answer

    async def read_interim(self) -> int:
        """The status of the next head, an interim one included."""
        status, _ = await self._head()
        return status

    async def _head(self) -> tuple[int, dict[str, str]]:
        line = await self._line()
        version, _, rest = line.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ValueError("it is not HTTP/1.1")
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = await self._line()
            if not line:
                return int(rest[:3]), headers
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        raise ValueError("too many headers")

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the connection was closed without an answer")
        return line.decode("latin-1").rstrip("\r\n")

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await self._chunks()
        if "content-length" in headers:
            return await self._reader.readexactly(_bounded(int(headers["content-length"])))
        body = await self._reader.read(LONGEST_BODY)
        while more := await self._reader.read(_bounded(LONGEST_BODY - len(body))):
            body += more
        return body

    async def _chunks(self) -> bytes:
        body = b""
        while size := int((await self._line()).partition(";")[0], 16):
            body += await self._reader.readexactly(_bounded(size))
            _bounded(len(body))
            await self._line()
        while await self._line():
            pass
        return body


def _in_chunks(body: bytes) -> bytes:
    """Two chunks, the first of them a single byte."""
    pieces = [piece for piece in (body[:1], body[1:]) if piece]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _bounded(length: int) -> int:
    if not 0 <= length <= LONGEST_BODY:
        raise ValueError(f"the answer is over {LONGEST_BODY} bytes")
    return length
