"""A small site on a real socket of this machine, for nodes that speak HTTP; it keeps what it was asked."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import h11
import trio

__all__ = ["Asked", "Page", "Site", "open_site", "page"]


@attrs.frozen
class Asked:
    """A request that came whole."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Page:
    """An answer."""

    status: int = 200
    headers: Iterable[tuple[str, str]] = ()
    body: Iterable[bytes] = ()


def page(body: object = b"", status: int = 200, **headers: str) -> Page:
    """A page: bytes as they are, anything else as JSON; `content_type` is a header like any other."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if not isinstance(body, bytes):
        body, said = json.dumps(body).encode(), {"content-type": "application/json", **said}
    return Page(status, [*said.items(), ("content-length", str(len(body)))], [body])


Handler = Callable[[Asked], Awaitable[Page]]


@attrs.define(eq=False)
class Site:
    """What is served, at `127.0.0.1:port`."""

    port: int = 0
    pages: dict[str, Page | Handler] = attrs.field(factory=dict)
    """Path → what is answered."""
    asked: list[Asked] = attrs.field(factory=list)
    sent: int = 0
    """Bytes of bodies that were taken."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str, host: str | None = None) -> str:
        return f"http://{host or self.host}{path}"

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, as long as it is well."""
        peer = h11.Connection(h11.SERVER)
        async with stream:
            try:
                while True:
                    await self._exchange(peer, stream)
                    if peer.our_state is not h11.DONE or peer.their_state is not h11.DONE:
                        return
                    peer.start_next_cycle()
            except (h11.RemoteProtocolError, trio.BrokenResourceError):
                return

    async def _exchange(self, peer: h11.Connection, stream: trio.SocketStream) -> None:
        request, body = None, b""
        while True:
            event = peer.next_event()
            if event is h11.NEED_DATA:
                peer.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        asked = Asked(request.method.decode(), request.target.decode(), headers, body)
        self.asked.append(asked)
        found = self.pages.get(asked.target.partition("?")[0], page({"no": "page"}, 404))
        answer = found if isinstance(found, Page) else await found(asked)
        await self._send(peer, stream, h11.Response(status_code=answer.status, headers=list(answer.headers)))
        if asked.method != "HEAD":
            for chunk in answer.body:
                await self._send(peer, stream, h11.Data(data=chunk))
                self.sent += len(chunk)
        await self._send(peer, stream, h11.EndOfMessage())

    @staticmethod
    async def _send(peer: h11.Connection, stream: trio.SocketStream, event: h11.Event) -> None:
        await stream.send_all(peer.send(event) or b"")


@asynccontextmanager
async def open_site(**pages: Page | Handler) -> AsyncIterator[Site]:
    """A site until the block is left; `hello=…` is served at `/hello`."""
    site = Site(pages={f"/{name}": served for name, served in pages.items()})
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    site.port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, site.serve, [listener]))
        yield site
        nursery.cancel_scope.cancel()
