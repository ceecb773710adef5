"""HTTP/1.1 for one peer: requests read and responses written with h11 over an OwnedStream, one after another.

Theory of operation: `HttpPeer` belongs to the task that serves the connection and owns neither task nor socket. All of
the wire's deadlines for HTTP are here: the head of a first request has `head_timeout`, a later one may be a minute in
coming and then has the same, and the pieces of a body, and of a response, may each take as long. What is too late, too
large or no HTTP is an `HttpError`, which is a response; after it, and after a body that nobody read, the connection is
not reused (`reusable()`), and its owner closes it.

An upgrade is not HTTP any more: `replay()` returns everything that was received since the request began, its head and
what came behind it, for whoever does the handshake.
"""

import email.utils
import http
import os
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs
import h11
import orjson
import trio

from actors.errors import ActorsError
from actors.settings import Settings
from actors.stream import OwnedStream
from protocol.messages import Json

__all__ = ["HttpError", "HttpPeer", "Request", "Response"]

HEAD_BYTES: Final = 16 * 2**10
"""The largest head of a request."""

KEEP_ALIVE_S: Final = 60.0
"""How long a connection may be idle between two requests."""

CHUNK_BYTES: Final = 64 * 2**10
"""Of a body, sent at once: the peer has `stall_timeout` for each."""

QUERY_FIELDS: Final = 100
"""The most parameters of a query."""

ALWAYS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""What says nothing else is for no cache, and nothing is what a browser guesses it to be."""

BODILESS: Final = frozenset({http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED})
"""Have no length either."""


class HttpError(ActorsError):
    """A request that is answered with an error: `{"error": {"code", "message"}}` and a fitting status.

    Args:
        status: the HTTP status.
        code: stable, for programs.
        message: for a person.
        headers: to add to the response.
        details: to add to the error object.
    """

    code = "http_error"

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **details: Json
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code  # type: ignore[misc]  # an instance is more precise than its class
        self.headers = dict(headers or {})
        self.details = details

    def response(self) -> "Response":
        """What is sent."""
        error = {"code": self.code, "message": str(self), **self.details}
        return Response.json({"error": error}, status=self.status, headers=self.headers)


@attrs.frozen(kw_only=True, eq=False)
class Request:
    """The head of a request."""

    method: str
    host: str
    """The authority that was asked: of the Host header, or of an absolute target."""
    path: str
    """As sent, still percent-encoded, without the query."""
    query: Mapping[str, str]
    """Decoded; the last one of a name wins."""
    headers: Mapping[str, str]
    """Lower-case name → value; several of a name are joined with a comma."""

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The WebSocket subprotocols offered, best first."""
        offered = (name.strip() for name in self.headers.get("sec-websocket-protocol", "").split(","))
        return tuple(name for name in offered if name)

    @property
    def upgrades(self) -> bool:
        """Whether it wants to speak WebSocket from here on."""
        wants = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return "upgrade" in wants and self.headers.get("upgrade", "").strip().lower() == "websocket"


@attrs.frozen(kw_only=True, eq=False)
class Response:
    """An answer."""

    status: int = 200
    body: bytes | trio.Path = b""
    """A path: the file is sent."""
    content_type: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def json(cls, value: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
        """A JSON body from plain values."""
        return cls(status=status, body=orjson.dumps(value), content_type="application/json", headers=headers or {})


class HttpPeer:
    """One HTTP conversation; see the theory of operation above."""

    def __init__(self, stream: OwnedStream, settings: Settings) -> None:
        self._stream = stream
        self._settings = settings
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._received = bytearray()
        """Since the request began."""
        self._first = True
        self._method = ""

    async def read_request(self) -> Request | None:
        """The head of the next request.

        Returns:
            None: the peer has ended, or said nothing for too long between two requests.

        Raises:
            HttpError: 400, 408, 431, 505.
            trio.BrokenResourceError: the peer is gone.
        """
        self._method = ""
        self._received = bytearray(self._h11.trailing_data[0])
        if not self._first and not self._received:
            with trio.move_on_after(KEEP_ALIVE_S) as idle:
                await self._receive()
            if idle.cancelled_caught:
                return None
        self._first = False
        with trio.move_on_after(self._settings.head_timeout):
            return await self._read_head()
        raise HttpError(408, "request_timeout", f"no complete request head within {self._settings.head_timeout:g} s")

    async def _read_head(self) -> Request | None:
        await trio.lowlevel.checkpoint()
        while True:  # noqa: ASYNC913  more bytes are awaited, or it ends
            match self._next_event():
                case h11.Request() as head:
                    if len(self._received) - len(self._h11.trailing_data[0]) > HEAD_BYTES:
                        raise HttpError(431, "head_too_large", f"the head of a request is {HEAD_BYTES} bytes at most")
                    self._method = head.method.decode()
                    return _request(head)
                case h11.ConnectionClosed():
                    return None
                case _:
                    await self._receive()

    async def read_body(self, request: Request) -> bytes:
        """The body of the request whose head was read last.

        Args:
            request: what `read_request` returned.

        Raises:
            HttpError: 400, 408, 413.
            trio.BrokenResourceError: the peer is gone.
        """
        limit = self._settings.max_message
        if int(request.headers.get("content-length", "0")) > limit:
            raise HttpError(413, "too_large", f"a body is {limit} bytes at most")
        body = bytearray()
        await trio.lowlevel.checkpoint()
        while True:  # noqa: ASYNC913  more bytes are awaited, or it ends
            match self._next_event():
                case h11.Data(data=data):
                    body += data
                    if len(body) > limit:
                        raise HttpError(413, "too_large", f"a body is {limit} bytes at most")
                case h11.EndOfMessage():
                    return bytes(body)
                case h11.NEED_DATA:
                    if self._h11.they_are_waiting_for_100_continue:
                        await self._send(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                    with trio.move_on_after(self._settings.head_timeout) as late:
                        await self._receive()
                    if late.cancelled_caught:
                        raise HttpError(408, "request_timeout", "the body of the request did not come")
                case _:
                    raise HttpError(400, "bad_request", "the request ended in its body")

    async def respond(self, response: Response) -> None:
        """Send a response.

        Raises:
            trio.BrokenResourceError: the peer is gone, or took nothing for `stall_timeout`.
            OSError: the file cannot be read.
        """
        body = response.body
        if isinstance(body, bytes):
            out = self._begin(response, len(body))
            # HEAD is GET without its body.
            for begin in range(0, 0 if self._method == "HEAD" else len(body), CHUNK_BYTES):
                await self._send(out, body[begin : begin + CHUNK_BYTES])
                out = b""
        else:
            async with await body.open("rb") as file:
                out = self._begin(response, await file.seek(0, os.SEEK_END))
                await file.seek(0)
                while self._method != "HEAD" and (chunk := await file.read(CHUNK_BYTES)):
                    await self._send(out, chunk)
                    out = b""
        await self._send(out + (self._h11.send(h11.EndOfMessage()) or b""))

    def _begin(self, response: Response, size: int) -> bytes:
        """The head of a response with a body of so many bytes."""
        headers = [*{**ALWAYS, **response.headers}.items(), ("Date", email.utils.formatdate(time.time(), usegmt=True))]
        if response.content_type is not None:
            headers.append(("Content-Type", response.content_type))
        if response.status not in BODILESS:
            headers.append(("Content-Length", str(size)))
        if self._h11.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        reason = http.HTTPStatus(response.status).phrase
        return self._h11.send(h11.Response(status_code=response.status, headers=headers, reason=reason)) or b""

    def reusable(self) -> bool:
        """Whether another request may follow on this connection; if so, it is awaited next."""
        try:
            self._h11.start_next_cycle()
        except h11.ProtocolError:
            return False
        return True

    def replay(self) -> tuple[bytes, bytes]:
        """The bytes of the request's head, and what came behind it already."""
        behind = self._h11.trailing_data[0]
        return bytes(self._received[: len(self._received) - len(behind)]), behind

    def _next_event(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            code = "head_too_large" if status == http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else "bad_request"
            raise HttpError(status, code, f"not an HTTP/1.1 request: {error}") from error

    async def _receive(self) -> None:
        data = await self._stream.receive_some(CHUNK_BYTES)
        if self._h11.their_state is h11.IDLE:
            self._received += data
        self._h11.receive_data(data)

    async def _send(self, head: bytes, data: bytes = b"") -> None:
        with trio.move_on_after(self._settings.stall_timeout):
            await self._stream.send_all(head + (self._h11.send(h11.Data(data=data)) or b"") if data else head)
            return
        raise trio.BrokenResourceError(f"the peer took nothing for {self._settings.stall_timeout:g} s")


def _request(head: h11.Request) -> Request:
    if head.http_version != b"1.1":
        raise HttpError(505, "http_version", "only HTTP/1.1 is spoken here")
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    target = head.target.decode("ascii")
    host = headers.get("host", "")
    try:
        parts = urlsplit(target if not target.startswith("//") else f"/{target.lstrip('/')}")
        query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=QUERY_FIELDS))
    except ValueError as error:
        raise HttpError(400, "bad_request", f"not a request target: {error}") from error
    if parts.scheme in {"http", "https"}:
        host = parts.netloc
    return Request(method=head.method.decode("ascii"), host=host, path=parts.path or "/", query=query, headers=headers)
