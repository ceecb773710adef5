"""A small runtime with the shape of the real one, for the kit to be tried on; `bug=` plants a mistake in it.

One run actor with its node tasks, a hub with subscribers, a connection that speaks WebSocket, and its client. Streams
are in memory and write a few bytes at a time.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio
import trio.testing
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream, wrap_server_stream

from actors.testing.chaos import Invariant, Trial, World

BUGS = {
    "lost event": "a subscriber hears all there is",
    "duplicate ending": "one ending",
    "half a frame": "no protocol error",
    "endless shield": "no deadlock",
    "leaked channel": "no channel left",
    "late subscription": "a subscriber hears all there is",
    "crash path": "no deadlock",
    "hasty stop": "the ending is last",
    "swallowed cancel": "no livelock",
    "forgotten timeout": "no deadlock",
    "forgotten scope": "no scope left",
    "stray task": "no task left",
}
"""What can be planted → the invariant that breaks."""

LONG_S = 60


class Short(trio.abc.Stream):
    """A stream that writes a few bytes at a time."""

    def __init__(self, inner: trio.StapledStream, size: int) -> None:
        self._inner, self._size = inner, size

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        for start in range(0, len(data), self._size):
            await self._inner.send_all(bytes(data[start : start + self._size]))

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._inner.receive_some(max_bytes))

    async def aclose(self) -> None:
        await self._inner.aclose()


@attrs.define(eq=False)
class Hub:
    """Fans events out."""

    trial: Trial
    bug: str
    inbox: trio.MemorySendChannel[str]
    events: trio.MemoryReceiveChannel[str]
    told: list[str] = attrs.field(factory=list)
    subscribers: dict[str, trio.MemorySendChannel[str]] = attrs.field(factory=dict)
    closed: bool = False

    async def live(self) -> None:
        scope = trio.CancelScope()
        self.trial.scope("hub", scope)
        try:
            with scope:
                async for event in self.events:
                    self.told.append(event)
                    for channel in self.subscribers.values():
                        channel.send_nowait(event)
        except Exception:  # noqa: BLE001  any crash
            pass
        finally:
            self.trial.unscope("hub")
            self.closed = True
            for channel in self.subscribers.values():
                channel.close()

    async def subscribe(self, who: str) -> tuple[list[str], trio.MemoryReceiveChannel[str]]:
        send, receive = trio.open_memory_channel[str](100)
        past = list(self.told)
        if self.bug == "late subscription":
            for _ in range(5):
                await trio.lowlevel.checkpoint()
        if self.closed:
            send.close()
        self.subscribers[who] = send
        return past, receive


@attrs.define(eq=False)
class Toy:
    """The world: the runtime and all that it did."""

    trial: Trial
    bug: str
    hub: Hub
    journal: list[str] = attrs.field(factory=list)
    heard: list[str] = attrs.field(factory=list)
    errors: list[str] = attrs.field(factory=list)
    _cut: bool = False
    """Whether the peer was sent a part of a frame."""
    patient: bool = True
    """Whether the client did not have to give up."""

    # The run actor

    async def run(self) -> None:
        scope = trio.CancelScope()
        status = "error"
        reports, inbox = trio.open_memory_channel[str](100)

        def stop() -> None:
            if self.bug == "hasty stop" and not self._ended:
                self._say("run stopped")
            scope.cancel()

        self.trial.scope("run:r1", scope)
        self.trial.action("run:r1/stop", stop)
        try:
            with scope:
                for batch in ("ab", "c"):
                    await self._generation(batch, reports, inbox)
                if self.bug == "duplicate ending":
                    await self._publish("run completed")
                    await trio.lowlevel.checkpoint()
                status = "completed"
            if scope.cancelled_caught:
                status = "stopped"
        except Exception:  # noqa: BLE001  any crash
            pass
        finally:
            while inbox.statistics().current_buffer_used:
                self._say(inbox.receive_nowait())
            if not self._ended or status != "completed":
                self._say(f"run {status}")
            if self.bug != "forgotten scope" or status == "completed":
                self.trial.unscope("run:r1")

    async def _generation(
        self, names: str, reports: trio.MemorySendChannel[str], inbox: trio.MemoryReceiveChannel[str]
    ) -> None:
        async with trio.open_nursery() as nursery:
            for name in names:
                await self._publish(f"{name} began")
                nursery.start_soon(self._node, name, reports, name=f"node {name}")
            for _ in names:
                await self._publish(await inbox.receive())

    async def _publish(self, event: str) -> None:
        self.journal.append(event)
        if self.bug == "lost event":
            await trio.lowlevel.checkpoint()
        self.hub.inbox.send_nowait(event)

    def _say(self, event: str) -> None:
        self.journal.append(event)
        self.hub.inbox.send_nowait(event)

    @property
    def _ended(self) -> bool:
        return any(event.startswith("run ") for event in self.journal)

    # A node

    async def _node(self, name: str, reports: trio.MemorySendChannel[str]) -> None:
        scope = trio.CancelScope()
        status: str | None = "cancelled"
        self.trial.scope(f"node:{name}", scope)
        try:
            with scope, trio.move_on_after(10) as timeout:
                await self._work(name)
                status = "success"
            if timeout.cancelled_caught:
                status = None if self.bug == "forgotten timeout" else "timeout"
        except Exception:  # noqa: BLE001  any crash
            status = None if self.bug == "crash path" else "error"
        finally:
            self.trial.unscope(f"node:{name}")
            if status is not None:
                reports.send_nowait(f"{name} {status}")

    async def _work(self, name: str) -> None:
        left = 3 if name == "a" else 1
        while left:
            try:
                await trio.sleep(1)
                left -= 1
            except trio.Cancelled:
                if self.bug == "endless shield":
                    with trio.CancelScope(shield=True):
                        await trio.sleep_forever()
                if self.bug != "swallowed cancel":
                    raise

    # A connection

    async def connection(self, stream: trio.abc.Stream) -> None:
        scope = trio.CancelScope()
        socket: WebSocketConnection | None = None
        self.trial.scope("conn:c1", scope)
        self.trial.action("conn:c1/disconnect", scope.cancel)
        async with trio.open_nursery() as nursery:
            try:
                with scope:
                    with trio.fail_after(5):
                        request = await wrap_server_stream(nursery, stream)
                        socket = await request.accept()
                    await self._tell(socket)
            except Exception:  # noqa: BLE001  any crash
                pass
            finally:
                self.trial.unscope("conn:c1")
                if self.bug != "leaked channel":
                    self.hub.subscribers.pop("c1", None)
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    if socket is not None and not self._cut:
                        await self._part(socket)
                await trio.aclose_forcefully(stream)
                nursery.cancel_scope.cancel()

    async def _tell(self, socket: WebSocketConnection) -> None:
        past, events = await self.hub.subscribe("c1")
        for event in past:
            await self._send(socket, event)
        while not (past and past[-1].startswith("run ")):
            past.append(await events.receive())
            await self._send(socket, past[-1])
        if self.bug == "leaked channel":
            self.hub.subscribers.pop("c1", None)

    async def _send(self, socket: WebSocketConnection, event: str) -> None:
        if self.bug == "half a frame":
            await socket.send_message(event)
        else:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 5) as whole:
                await socket.send_message(event)
            if whole.cancelled_caught:
                self._cut = True
                raise trio.TooSlowError

    async def _part(self, socket: WebSocketConnection) -> None:
        try:
            await socket.send_message("bye")
            await socket.aclose()
        except ConnectionClosed:
            pass

    # Its client

    async def client(self, stream: trio.abc.Stream) -> None:
        try:
            with trio.move_on_after(LONG_S) as patience:
                async with trio.open_nursery() as nursery:
                    with trio.fail_after(5):
                        socket = await wrap_client_stream(nursery, stream, "toy", "/")  # type: ignore[arg-type]
                    await self._listen(socket)
                    with trio.move_on_after(1):
                        await socket.aclose()
                    nursery.cancel_scope.cancel()
            self.patient = not patience.cancelled_caught
        except* (trio.TooSlowError, HandshakeError, ConnectionClosed):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _listen(self, socket: WebSocketConnection) -> None:
        try:
            while not (self.heard and self.heard[-1].startswith("run ")):
                message = await socket.get_message()
                if message == "bye":
                    break
                self.heard.append(str(message))
        except ConnectionClosed as closed:
            if closed.reason is not None and closed.reason.code not in (1000, 1006):
                self.errors.append(str(closed.reason))


def toy(bug: str = "") -> World[Toy]:
    """A world with this bug."""
    return partial(_open_toy, bug)


@asynccontextmanager
async def _open_toy(bug: str, trial: Trial) -> AsyncIterator[Toy]:
    yield Toy(trial, bug, Hub(trial, bug, *trio.open_memory_channel[str](100)))


async def watched_run(world: Toy) -> None:
    """A run, and a client that watches it."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.hub.live, name="hub")
        async with trio.open_nursery() as peers:
            peers.start_soon(world.client, Short(theirs, 24), name="client")
            peers.start_soon(world.connection, Short(ours, 5), name="connection")
            peers.start_soon(world.run, name="run")
        world.hub.inbox.close()
    if world.bug == "stray task" and world.trial.hit("run:*"):
        trio.lowlevel.spawn_system_task(trio.sleep_forever)


def _endings(world: Toy) -> list[str]:
    return [event for event in world.journal if event.startswith("run ")]


def _one_ending(world: Toy) -> Iterator[str]:
    if len(_endings(world)) != 1:
        yield f"the run ended {len(_endings(world))} times: {world.journal}"


def _ending_last(world: Toy) -> Iterator[str]:
    if _endings(world) and not world.journal[-1].startswith("run "):
        yield f"after the ending came {world.journal[-1]!r}: {world.journal}"


def _ends(world: Toy) -> Iterator[str]:
    for event in world.journal:
        name, _, what = event.partition(" ")
        if what == "began" and sum(other.startswith(f"{name} ") for other in world.journal) != 2:
            yield f"{name} began: {world.journal}"


def _hears(world: Toy) -> Iterator[str]:
    spared = world.trial.hit("conn:*") or world.trial.hit("hub")
    whole = not spared and world.trial.injection.aim.kind != "skip"
    if world.heard != (world.journal if whole else world.journal[: len(world.heard)]) or not world.patient:
        yield f"{world.heard} of {world.journal}"


INVARIANTS = [
    Invariant("one ending", _one_ending),
    Invariant("the ending is last", _ending_last),
    Invariant("every node that began has one end", _ends),
    Invariant("a subscriber hears all there is", _hears),
    Invariant("no channel left", lambda world: list(world.hub.subscribers)),
    Invariant("no protocol error", lambda world: world.errors),
]
