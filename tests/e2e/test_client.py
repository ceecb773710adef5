"""The client on real sockets: through a proxy that cuts, and where addresses and ports are real."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio

from actors.client import ClientState, connect
from actors.errors import ServerRefused, ServerUnreachable
from actors.runtime import Runtime, open_runtime
from actors.server import serve
from actors.settings import Settings
from protocol.messages import RunEnded
from protocol.states import ENDED, RunStatus

CUTS = 200
"""At least so many connections are cut."""


@asynccontextmanager
async def served(**settings) -> AsyncIterator[tuple[str, Runtime]]:
    """A server on a port of its own."""
    async with trio.open_nursery() as nursery, open_runtime(settings=Settings(port=(0,), **settings)) as runtime:
        (address,) = await nursery.start(serve, runtime)
        yield address, runtime


@attrs.define(eq=False)
class Proxy:
    """Passes bytes on in both directions, and cuts each connection after some of them."""

    target: int
    dice: random.Random
    cuts: int = 0

    async def serve(self, task_status) -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, self._attend, 0, host="127.0.0.1"))
            task_status.started(listener.socket.getsockname()[1])

    async def _attend(self, client: trio.SocketStream) -> None:
        # Some die in their handshake; some live long enough for the largest frame there is.
        low, high = self.dice.choice(((4, 9), (9, 13), (12, 15), (12, 15), (13, 16), (13, 16)))
        left = [int(2 ** self.dice.uniform(low, high))]
        async with await trio.open_tcp_stream("127.0.0.1", self.target) as server, client:
            async with trio.open_nursery() as nursery:

                async def carry(source: trio.SocketStream, sink: trio.SocketStream) -> None:
                    try:
                        async for data in source:
                            part, left[0] = data[: left[0]], left[0] - len(data)
                            await sink.send_all(part)
                            if left[0] <= 0:
                                break
                    except trio.BrokenResourceError:
                        pass
                    nursery.cancel_scope.cancel()

                nursery.start_soon(carry, client, server)
                nursery.start_soon(carry, server, client)
        self.cuts += left[0] <= 0


def loop(turns: int) -> dict:
    """A loop whose body waits a moment."""
    return {
        "nodes": [
            {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
            {"id": "l", "type": "loop", "data": {"config": {"count": turns, "waitTime": 0}}},
            {"id": "w", "type": "wait", "data": {"config": {"duration": 5, "waitTime": 0}}},
        ],
        "edges": [
            {"source": "s", "target": "l"},
            {"source": "l", "target": "w", "sourceHandle": "body"},
            {"source": "w", "target": "l"},
        ],
    }


async def test_hundreds_of_cuts_cost_no_event_and_repeat_none():
    """Runs are started, paused, resumed and followed through a proxy that lets no connection live long."""
    heard: dict[str, list[int]] = {}

    async with served(rate_messages=100_000) as (address, runtime), trio.open_nursery() as proxied:
        proxy = Proxy(int(address.rpartition(":")[2]), random.Random(1))
        port = await proxied.start(proxy.serve)
        async with connect(f"ws://127.0.0.1:{port}") as client, trio.open_nursery() as nursery:

            async def go(name: str) -> None:
                number = 0
                while proxy.cuts < CUTS:
                    number += 1
                    run = await client.start(loop(10), workflow_id=f"{name}-{number}")
                    assert run.id is not None
                    seqs = heard[run.id] = []
                    async for event in run:
                        seqs.append(event.seq)
                        if event.seq == 20:
                            # It may have ended meanwhile: events are late behind a cut.
                            for steer in (run.pause, run.resume):
                                reply = await steer()
                                assert reply.ok or reply.was in ENDED
                    assert isinstance(event, RunEnded)
                    assert (await run.wait()).status is RunStatus.COMPLETED

            for name in "abc":
                nursery.start_soon(go, name)
        proxied.cancel_scope.cancel()
        assert proxy.cuts >= CUTS
        page = await runtime.list_runs(limit=1000)
        assert {row.run_id: list(range(1, row.last_seq + 1)) for row in page.runs} == heard


async def test_it_knows_every_spelling_of_an_address():
    """As the server prints it, as a WebSocket, with a slash at its end or a query."""
    async with served() as (address, _):
        for url in (address, f"{address}/", address.replace("http", "ws"), f"{address}/?client=%7B%7D"):
            async with connect(url) as client:
                assert (await client.status()).status == "running"


async def test_nobody_at_an_address_is_told():
    """How often it was tried, and what the system said."""
    with trio.socket.socket() as bound:
        await bound.bind(("127.0.0.1", 0))
        async with connect(f"ws://127.0.0.1:{bound.getsockname()[1]}", max_attempts=3) as client:
            with pytest.raises(ServerUnreachable, match=r"3 attempts"):
                await client.status()
    for url in ("127.0.0.1:8765", "ftp://127.0.0.1", "ws://"):
        with pytest.raises(ValueError, match="no address of a server"):
            async with connect(url):
                raise AssertionError


async def test_a_server_that_restarts_on_its_port_has_its_client_back():
    """1001 means come back; what was asked meanwhile is answered by the next one."""
    async with served(token="s3cret") as (address, _):
        port = int(address.rpartition(":")[2])
    async with connect(address, token="s3cret") as client:
        for _ in range(3):
            async with served_at(port):
                assert (await client.status()).uptime < 10
                assert client.state is ClientState.LIVE
            assert await client.wait_for(ClientState.AWAY) == ClientState.AWAY
        async with served_at(port), connect(address) as stranger:
            with pytest.raises(ServerRefused, match="a token is needed"):
                await stranger.status()


@asynccontextmanager
async def served_at(port: int) -> AsyncIterator[None]:
    """A server on this port, with a token."""
    settings = Settings(port=(port,), token="s3cret")
    async with trio.open_nursery() as nursery, open_runtime(settings=settings) as runtime:
        await nursery.start(serve, runtime)
        yield
