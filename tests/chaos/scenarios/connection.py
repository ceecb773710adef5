"""One connection from its first byte to its last: handshake, takeover, replay, batch, and what closes it."""

from functools import partial
from typing import Any, Final

import trio

from actors.testing import chaos
from actors.testing.chaos.world import House
from actors.testing.flows import flow
from actors.testing.memory_server import Message, Peer
from tests.chaos.scenarios.kinds import house
from tests.chaos.scenarios.scenario import FAULTS, Scenario
from tests.chaos.scenarios.visitors import ALIVE, company, end, follower, lonely, order, start, starter, visit

__all__ = ["SCENARIOS"]

CHAIN: Final = flow("s >> a >> b", a="work", b="work")

UPGRADE: Final = (
    b"GET /ws/me HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""All that a client has to say to be upgraded."""
NORMAL: Final = 1000
CLOSE: Final = bytes([0x88, 0x80, 0, 0, 0, 0])
"""A client's close frame, without a code."""


async def handshake(house: House) -> None:
    """Whoever goes, or is silent, in the midst of a handshake leaves nothing; who comes later is served."""

    async def say(data: bytes, *, wait: bool) -> None:
        try:
            stream = await house.server.dial()
        except ConnectionRefusedError:
            return
        try:
            await stream.send_all(data)
            while wait and await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with company(house) as nursery:
        for data in (b"", UPGRADE[:40], UPGRADE, UPGRADE + CLOSE[:3], UPGRADE + CLOSE):
            nursery.start_soon(partial(say, data, wait=False))
        for data in (UPGRADE[:40], UPGRADE + CLOSE, b"GET / HTTP/1.1\r\n\r\n"):
            nursery.start_soon(partial(say, data, wait=True))
        nursery.start_soon(partial(visit, house, starter(CHAIN), session="comes"))


async def takeover(house: House) -> None:
    """A second connection with the same id goes on where the first one was, which is closed."""
    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(CHAIN), session="me"))
        await trio.sleep(0.5)
        nursery.start_soon(partial(visit, house, starter(CHAIN), session="me"))
    house.expect(_codes(house) == [4409] or house.trial.struck, f"they were closed by {_codes(house)}")


def _codes(house: House) -> list[int]:
    """By which the server has closed connections, those apart that ended in good order."""
    codes = [peer.closed.code for peer in house.peers if peer.closed is not None]
    return [code for code in codes if code != NORMAL]


async def windows(house: House) -> None:
    """Two windows with one fixed id, which come back at once when they are closed, end up sharing it."""
    async with company(house) as nursery:
        for _ in range(2):
            nursery.start_soon(partial(visit, house, starter(CHAIN), session="me", stubborn=True))
    house.expect(_codes(house) == [4409] * 3 or house.trial.struck, f"they were closed by {_codes(house)}")


async def naive(house: House) -> None:
    """A client that knows nothing of seq and only comes back with its id misses nothing."""
    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(CHAIN), session="me"))
        await _cut_twice(house)


async def exact(house: House) -> None:
    """A client that says where it was gets what follows, and nothing twice."""
    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(CHAIN), session="starts"))
        nursery.start_soon(partial(visit, house, follower(), session="me"))
        await _cut_twice(house)


async def _cut_twice(house: House) -> None:
    """The second time the client comes back before the server has found out."""
    await trio.sleep(0.5)
    house.server.cut()
    await trio.sleep(0.6)
    house.server.cut(server_knows=False)


async def batch(house: House) -> None:
    """A frame may hold several messages, for who asked for that, by its query or by its subprotocol."""
    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, starter(CHAIN), "/ws?batch=1", session="me"))
        await trio.sleep(0.5)
        nursery.start_soon(
            partial(visit, house, follower(), session="other", subprotocols=("callboard.snake.v1.batch",))
        )


async def dialects(house: House) -> None:
    """Three clients of one run, each in its own dialect; one starts it, one pauses it, one resumes it."""
    begun, paused = trio.Event(), trio.Event()

    async def flat(peer: Peer) -> None:
        graph = {"id": "w", **CHAIN, "config": {"seed": 1}}
        if not begun.is_set():
            await peer.send({"type": "execute_workflow", "id": "1", "workflow": graph})
            await peer.receive("workflow_execution_started", "workflow_execution_error")
            begun.set()
        await end(peer)

    async def camel(peer: Peer) -> None:
        await peer.send(_camel("subscribe", "1", afterSeq=0))
        if not paused.is_set():
            await order(peer, _camel("pause", "2"), "workflow.pause", "error")
            paused.set()
        await end(peer)

    async def snake(peer: Peer) -> None:
        await peer.send({"type": "workflow.subscribe", "id": "1", "workflow_id": "w", "payload": {"after_seq": 0}})
        await trio.sleep(1)
        await order(peer, {"type": "workflow.resume", "id": "2", "workflow_id": "w"}, "workflow.resume", "error")
        await end(peer)

    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, flat, "/ws/flat"))
        await begun.wait()
        nursery.start_soon(partial(visit, house, camel, "/", session="camel"))
        await paused.wait()
        nursery.start_soon(partial(visit, house, snake, session="snake"))


def _camel(verb: str, id: str, **payload: Any) -> Message:
    return {"type": f"workflow.{verb}", "id": id, "workflowId": "w", "payload": payload}


async def mistakes(house: House) -> None:
    """Whatever a peer says is answered once, and costs it nothing."""

    async def blunder(peer: Peer) -> None:
        for number, said in enumerate(("{", "[]", '{"type": "nonsense", "id": "9"}'), 1):
            await peer.send(said)
            error = await peer.receive("error")
            house.expect(bool(error["payload"]["code"]), f"mistake {number} has no code")
        await order(peer, {"type": "workflow.pause", "id": "1", "workflow_id": "unknown"}, "error")
        await order(peer, start(flow("s >> a", a="none such"), id="2"), "execution.error")
        await order(peer, ALIVE)

    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, blunder, session="me", dialect="snake"))


async def stalled(house: House) -> None:
    """A peer that takes nothing is closed in the end, is nobody's concern, and comes back for all of it."""
    listen = starter(CHAIN)

    async def stare(peer: Peer) -> None:
        if len(house.peers) == 1:
            await peer.send(start(CHAIN))
            await trio.sleep(6)
        await listen(peer)

    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, stare, session="me", backlog=0))
        await trio.sleep(0.1)
        nursery.start_soon(partial(visit, house, follower(), session="other"))
    house.expect(_codes(house) == [4008] or house.trial.struck, f"they were closed by {_codes(house)}")


async def deserted(house: House) -> None:
    """A run whose starter goes and does not come back is stopped, when that was asked for and its session expires."""
    graph = {**flow("s >> a", a=("wait", {"duration": 60_000})), "config": {"onDisconnect": "stop"}}

    async def leave(peer: Peer) -> None:
        await peer.send({"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": graph})
        await peer.receive("workflow.start")

    async with company(house) as nursery:
        nursery.start_soon(partial(visit, house, leave, session="leaves", dialect="snake"))
    for run in house.runtime.unfinished():
        ended = await house.end(run)
        stopped = ended.status == "stopped" or lonely(house)
        house.expect(stopped, f"nobody stopped it: {ended.status}")


_scenario = partial(Scenario, faults=(*FAULTS, chaos.Crash("conn:*")))
"""A connection that fails by a bug is closed by 1011; its peer comes back."""

SCENARIOS: Final = (
    _scenario("handshake", handshake, world=house()),
    _scenario("takeover", takeover, world=house()),
    _scenario("two windows", windows, world=house()),
    _scenario("naive", naive, world=house()),
    _scenario("exact", exact, world=house()),
    _scenario("batch", batch, world=house()),
    _scenario("dialects", dialects, world=house()),
    _scenario("mistakes", mistakes, world=house()),
    _scenario("stalled", stalled, world=house(room=300, outbox=500, stall_timeout=5.0)),
    _scenario("deserted", deserted, world=house(resume_window=5.0)),
)
"""All of them."""
