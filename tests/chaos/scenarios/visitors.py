"""Peers as people write them: they come back when their connection is lost, and leave when they have heard enough.

What strikes may cost a visitor its connection, never what it came for. Some things nobody can do without: a cancelled
`hub` brings nothing to anybody any more, a cancelled `server` takes no connection, a run that was cut has no ending in
this life. In production nobody has these scopes in hand; a visitor goes home then, and only the runs are held to more.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected

from actors.testing.chaos.world import House
from actors.testing.flows import Graph
from actors.testing.memory_server import Message, Peer
from protocol.states import RunStatus

__all__ = [
    "ALIVE",
    "PATIENCE_S",
    "company",
    "end",
    "endings",
    "follower",
    "listener",
    "lonely",
    "look_after",
    "order",
    "resume_all",
    "start",
    "starter",
    "subscribe",
    "visit",
]

ALIVE: Final[Message] = {"type": "heartbeat", "id": "0", "workflow_id": ""}
"""A command that changes nothing; whoever has an answer to it is known to the server."""

ENDINGS: Final = frozenset({"execution.complete", "execution.error", "workflow_completed", "workflow_failed"})

REST_S: Final = 20.0
"""For which a paused run is left alone."""
PATIENCE_S: Final = 100.0
"""After that a visitor waits for nothing."""
BACK_S: Final = 0.3
"""Until a visitor is back."""

UNWANTED: Final = range(4400, 4500)
"""Close codes."""

GONE: Final = (ConnectionClosed, ConnectionRefusedError, ConnectionRejected, trio.TooSlowError)
"""How it shows that a connection, or the server, is not there."""

Visit = Callable[[Peer], Awaitable[object]]


def lonely(house: House) -> bool:
    """Whether the injection struck down what nobody can do without."""
    trial = house.trial
    return trial.injection.aim.kind in {"cancel", "crash"} and any(map(trial.hit, ("hub", "server", "run:*")))


@asynccontextmanager
async def company(house: House) -> AsyncIterator[trio.Nursery]:
    """Visitors, who are all waited for; and then the runs."""
    with trio.move_on_after(PATIENCE_S) as patience:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_after, house)
            async with trio.open_nursery() as visitors:
                yield visitors
            nursery.cancel_scope.cancel()
    house.expect(not patience.cancelled_caught or lonely(house), "somebody waits for ever")
    await resume_all(house)
    await house.end_all()


async def look_after(house: House) -> None:
    """What was paused stays so until somebody comes."""
    while True:
        await trio.sleep(REST_S)
        await resume_all(house)


async def resume_all(house: House) -> None:
    """Whoever was to do it may have gone."""
    for run in house.runtime.unfinished():
        if run.status in {RunStatus.PAUSING, RunStatus.PAUSED}:
            await run.resume()


async def visit(house: House, hear: Visit, path: str = "/ws", *, stubborn: bool = False, **options: Any) -> None:
    """Connect until `hear` has returned, or the server wants to see this visitor no more.

    Args:
        house: where.
        hear: given each connection.
        path: of it.
        stubborn: come back even if one is not wanted.
        options: as of `House.connect`.
    """
    while True:
        try:
            async with house.connect(path, **options) as peer:
                await hear(peer)
                return
        except GONE as gone:
            reason = gone.reason if isinstance(gone, ConnectionClosed) else None
            if reason is not None and reason.code in UNWANTED and not stubborn:
                return
        await trio.sleep(BACK_S)


def endings(*visits: Peer) -> set[str]:
    """The runs of which these have heard the ending."""
    heard = (message for visit in visits for message in visit.heard)
    return {message["id"].rpartition(":")[0] for message in heard if "seq" in message and message["type"] in ENDINGS}


async def end(peer: Peer, *, pace: float = 0.0) -> None:
    """Hear the ending of a run.

    Args:
        peer: who hears it, or has.
        pace: seconds between two messages that are taken.
    """
    while not endings(peer):
        await peer.receive()
        await trio.sleep(pace)


async def order(peer: Peer, command: Message, *types: str) -> Message:
    """Say something, and hear what is answered; of these types."""
    await peer.send(command)
    while True:
        message = await peer.receive(*types)
        said = {**message, **message.get("payload", {})}
        if command["id"] in {said.get("reply_to"), said.get("replyTo")}:
            return message


def start(graph: Graph, *, id: str = "1", workflow_id: str = "w", request_id: str | None = None) -> Message:
    """The command, as snake says it."""
    request = {} if request_id is None else {"request_id": request_id}
    payload = {**graph, "config": {"seed": 1}, **request}
    return {"type": "workflow.start", "id": id, "workflow_id": workflow_id, "payload": payload}


def subscribe(*, id: str = "1", workflow_id: str = "w", **payload: Any) -> Message:
    """The command, as snake says it."""
    return {"type": "workflow.subscribe", "id": id, "workflow_id": workflow_id, "payload": payload}


def starter(graph: Graph, *, pace: float = 0.0, **options: Any) -> Visit:
    """Starts a run and hears it to its end. Who comes back only listens, if anything of the run was heard before."""
    visits: list[Peer] = []

    async def hear(peer: Peer) -> None:
        answered = any("seq" in message for visit in visits for message in visit.heard)
        visits.append(peer)
        if not answered:
            await peer.send(start(graph, **options))
        await end(peer, pace=pace)

    return hear


def follower(*, pace: float = 0.0, workflow_id: str = "w", **payload: Any) -> Visit:
    """Subscribes to a workflow, and hears its run to the end; who comes back says where it was."""
    visits: list[Peer] = []

    async def hear(peer: Peer) -> None:
        heard = [message["id"] for visit in visits for message in visit.heard if "seq" in message]
        visits.append(peer)
        place = {"after": heard[-1]} if heard else {"after_seq": 0}
        await peer.send(subscribe(workflow_id=workflow_id, **payload, **place))
        await end(peer, pace=pace)

    return hear


def listener(count: int, *commands: Message, here: trio.Event | None = None) -> Visit:
    """Hears so many runs to their ends.

    Args:
        count: of runs.
        commands: said first, each time it comes; all are answered.
        here: set when the server is known to know of it; before that, what happens is not for it.
    """
    visits: list[Peer] = []

    async def hear(peer: Peer) -> None:
        visits.append(peer)
        for command in commands:
            await order(peer, command)
        if here is not None:
            here.set()
        while len(endings(*visits)) < count:
            await peer.receive()

    return hear
