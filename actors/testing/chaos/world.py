"""Callboard's own world: a whole server in memory, what runs in it, and what was seen of it.

Theory of operation: `open_world` opens an `actors.testing.memory_server` on a journal that commits as a disk does
(`actors.testing.tape`), with the trial as its observer. What happens is written down while it happens – runs, replies,
what peers and clients heard, what effects nodes had – and kept when all is closed, for the invariants to look at.

A house has one life, open when the scenario begins; or, with `mortal`, as many as the scenario opens, one after the
other over the same journal. `process/kill` ends a life as a kill ends a process: nothing of it is committed any more.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.client import Client
from actors.client import connect as connect_client
from actors.errors import ActorGone, JournalError, UnknownRun
from actors.handle import Run
from actors.registry import Registry
from actors.runtime import Runtime
from actors.settings import Settings
from actors.testing.cables import ROOM_BYTES, MemoryStream
from actors.testing.chaos.errors import Crashed, leaves
from actors.testing.chaos.trial import Trial
from actors.testing.chaos.witness import Witness
from actors.testing.flows import Graph
from actors.testing.memory_server import EPOCH_S, HOST, MemoryServer, Peer, memory_server
from actors.testing.tape import KILLED, TapeJournal
from protocol.messages import Control, ControlReply, Event, Json, NodeChanged, Snapshot, Summary
from protocol.states import NodeStatus, RunStatus

__all__ = ["Ended", "House", "open_world"]

PROMISE: Final = "the scenario's promise"

PATIENCE_S: Final = 3_600.0
"""Virtual seconds after which a scenario is hung, whatever its own deadlines are."""


@attrs.frozen
class Ended:
    """What became of a run."""

    id: str
    status: RunStatus | None
    """None: it has no ending, for it was cut from outside; the next process would go on with it."""
    events: tuple[Event, ...]
    """Those that were committed."""
    summary: Summary | None

    @property
    def results(self) -> Mapping[str, Json]:
        """Node id → its newest result."""
        return {
            event.node_id: event.result
            for event in self.events
            if isinstance(event, NodeChanged) and event.status is NodeStatus.SUCCESS
        }

    @property
    def result(self) -> Json:
        """The result of the node that succeeded last; None: none did."""
        return next(reversed(list(self.results.values())), None)


class _Ear(logging.Handler):
    """Keeps records of errors but the crashes that were put in."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        # Neither what the injection did is a bug, nor what is said in a process that was killed in this instant.
        if error is None or not all(isinstance(leaf, Crashed) or KILLED in str(leaf) for leaf in leaves(error)):
            self._heard.append(f"{record.name}: {record.getMessage()}{f': {error!r}' if error else ''}")


class House:
    """A server in memory and all that was seen of it. Made by `open_world`.

    Args:
        trial: of this run.
        kinds: given the house, makes the registry, so that nodes can say to it what they do.
        settings: limits and deadlines.
        room: bytes that a connection holds in each direction.
    """

    def __init__(
        self, trial: Trial, kinds: Callable[["House"], Registry], settings: Settings, *, room: int = ROOM_BYTES
    ) -> None:
        self.trial = trial
        self.witness = Witness(self._wall)
        """What nodes made of their cancels."""
        self.registry = self.witness.watch(kinds(self))
        self.settings = settings
        self.journal = TapeJournal()
        self.server: MemoryServer
        self.runs: dict[str, Run] = {}
        """Every run that lived, by id: the handle of its last life."""
        self.peers: list[Peer] = []
        """All that ever connected."""
        self.seen: list[list[Event]] = []
        """What each `followed` saw, in its order."""
        self.snapshots: list[Snapshot] = []
        self.effects: Counter[str] = Counter()
        """Idempotency key → how often it happened."""
        self.stops: dict[str, float] = {}
        """Run id → the wall clock when it was told to stop first."""
        self.faults: list[str] = []
        """What is no WebSocket, in words."""
        self.errors: list[str] = []
        """What the runtime logged as an error."""
        self.lives = 0
        """Processes, if it is mortal, that had the journal."""
        self.killed = False
        """Whether one of them was killed."""
        self.active = trial.active
        self._room = room
        self._life = trio.CancelScope()
        self._began = trio.current_time()

    @property
    def runtime(self) -> Runtime:
        """The one of now."""
        return self.server.runtime

    # For scenarios

    def submit(
        self,
        graph: Graph,
        *,
        inputs: Mapping[str, Json] | None = None,
        config: Mapping[str, Json] | None = None,
        run_id: str | None = None,
    ) -> Run:
        """Start a run, which has not begun when this returns.

        Args:
            graph: as a client sends it; `actors.testing.flows.flow` writes one in a line.
            inputs: of the graph.
            config: the rest of its ExecutionConfig.
            run_id: None: `r1`, `r2` and so on.
        """
        given = {"seed": 1, **({"inputs": dict(inputs)} if inputs else {}), **(config or {})}
        run_id = run_id or f"r{len(self.runs) + 1}"
        return self.runtime.submit(graph, config=given, workflow_id=f"w-{run_id}", run_id=run_id)

    async def start(self, graph: Graph, **options: Any) -> Run:
        """Start a run; it has begun when this returns. Arguments as `submit`."""
        run = self.submit(graph, **options)
        await run.begun()
        return run

    async def run(self, graph: Graph, **options: Any) -> Ended:
        """Start a run and wait for its end. Arguments as `submit`."""
        return await self.end(await self.start(graph, **options))

    async def end(self, run: Run) -> Ended:
        """Wait for the end of a run; one that has none was cut by the injection, or that is a violation."""
        summary: Summary | None = None
        if self.trial.injection.aim.subject.endswith(("/pause", "/breakpoints")):
            # What was paused by the injection stays so until somebody comes.
            with trio.move_on_after(PATIENCE_S):
                await run.wait()
            for paused in self.runtime.unfinished():
                if self.trial.injection.aim.subject.endswith("/breakpoints"):
                    await paused.set_breakpoints(())
                await paused.resume()
        try:
            with trio.fail_after(PATIENCE_S):
                summary = await run.wait()
        except ActorGone:
            if not self.cut(run.id):
                raise
        return self.ended(run.id, summary)  # noqa: ASYNC910  one that has ended is not waited for

    async def end_all(self) -> None:  # noqa: ASYNC910  without a run there is nothing to wait for
        """Wait for the end of every run that is unfinished."""
        for run in self.runtime.unfinished():
            await self.end(run)

    def ended(self, run_id: str, summary: Summary | None = None) -> Ended:
        """What is known of a run."""
        status = self.journal.status(run_id) if run_id in self.journal.run_ids else None
        return Ended(run_id, status, tuple(self.journal.events(run_id)), summary)

    def cut(self, run_id: str) -> bool:
        """Whether the injection struck something that a run can not survive: it, one around it, the hub, a crash."""
        trial, parent = self.trial, run_id.rpartition(".")[0]
        if parent and self.cut(parent):
            return True
        return trial.hit(f"run:{run_id}*") or self.killed or (trial.struck and trial.injection.aim.kind == "crash")

    def knows(self, node_id: str, status: NodeStatus) -> bool:
        """Whether it is durable, in any run, that a node was so."""
        events = (event for run_id in self.journal.run_ids for event in self.journal.events(run_id))
        return any(isinstance(e, NodeChanged) and (e.node_id, e.status) == (node_id, status) for e in events)

    def effect(self, key: str) -> None:
        """A node says that its effect has happened, under its idempotency key."""
        self.effects[key] += 1

    @asynccontextmanager
    async def followed(self, run: Run) -> AsyncIterator[None]:
        """Follow a run meanwhile, as somebody who embeds the runtime does: to its ending, if it has one."""
        seen: list[Event] = []
        self.seen.append(seen)

        async def follow() -> None:
            async with aclosing(run.events()) as events:
                async for event in events:
                    seen.append(event)  # noqa: PERF401  what was seen until a cancel counts

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, name="follower")
            yield
            if run.view.ending is None:
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def connect(self, path: str = "/ws", **options: Any) -> AsyncIterator[Peer]:
        """A raw client; see `MemoryServer.connect`."""
        async with self.server.connect(path, **options) as peer:
            self.peers.append(peer)
            yield peer

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        """The Python client, which comes back to the server of the next life, too; see `actors.client.connect`."""
        async with connect_client(f"ws://{HOST}", dial=self._dial, wall=self._wall, **options) as client:
            yield client

    async def _dial(self) -> MemoryStream:
        return await self.server.dial()

    def expect(self, holds: bool, text: str) -> None:  # noqa: FBT001  a condition
        """A promise of the scenario."""
        if not holds:
            self.trial.fail(PROMISE, text)

    def expect_unless_hit(self, pattern: str, check: Callable[[], object]) -> None:
        """A promise that the injection may break by what it struck.

        Args:
            pattern: labels, as `node:upper`.
            check: gives something true, or raises nothing.
        """
        if not self.trial.hit(pattern) and not check():
            self.trial.fail(PROMISE, f"does not hold, though no {pattern} was struck")

    @contextmanager
    def ear(self) -> Iterator[None]:
        """Write down what the runtime logs as an error, and keep it off the screen."""
        logger = logging.getLogger("actors")
        handler = _Ear(self.errors)
        propagate, logger.propagate = logger.propagate, False
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagate

    # The observer: the trial, with an ear at it

    def scope(self, label: str, scope: trio.CancelScope) -> None:
        """Part of the observer."""
        kind, _, name = label.partition(":")
        if kind == "run" and (run := self.runtime.run(name)) is not None:
            self.runs[name] = run
        self.trial.scope(label, scope)

    def unscope(self, label: str) -> None:
        """Part of the observer."""
        self.trial.unscope(label)

    def action(self, label: str, fn: Callable[[], object]) -> None:
        """Part of the observer."""
        kind, _, rest = label.partition(":")
        run_id, _, verb = rest.rpartition("/")
        if (kind, verb) == ("run", "stop"):
            fn = partial(self._stop, run_id)
        self.trial.action(label, fn)

    def _stop(self, run_id: str) -> None:
        """As the runtime's own, and the answer is heard: a stop that was accepted has to happen."""

        def heard(reply: ControlReply) -> None:
            if reply.ok:
                self.stops.setdefault(run_id, self.runtime.wall())

        try:
            self.runtime.control(Control(action="stop", run_id=run_id), heard)
        except UnknownRun:
            pass

    # Its lives

    async def live(self, body: Callable[[], Awaitable[object]]) -> None:  # noqa: ASYNC910  the server awaits
        """One life: open a server over the journal, which goes on with what is unfinished; close it after the body.

        A kill ends the body wherever it is.
        """
        if self.lives:
            self.journal = self.journal.again()
        self.lives += 1
        self._life = trio.CancelScope()
        self.trial.action("process/kill", self._kill)
        self.trial.scope("process", self._life)
        try:
            with self._life:
                async with self.open():
                    await body()
        except* JournalError:
            # Whoever waited for something to become durable is told so, and has died as well.
            if not self.journal.killed:
                raise
        finally:
            self.trial.unscope("process")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open the server, and close it."""
        async with memory_server(
            registry=self.registry,
            settings=self.settings,
            observer=self,
            journal=self.journal,
            wall=self._wall,
            room=self._room,
        ) as self.server:
            self.trial.action("network/cut", self.server.cut)
            self.server.faults = self.faults
            try:
                yield
            finally:
                if not self._life.cancel_called:
                    with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE_S):
                        await self._look()

    def _kill(self) -> None:
        if not self.journal.closed:
            self.killed = True
            self.journal.kill()
            self._life.cancel()

    def _wall(self) -> float:
        return EPOCH_S + trio.current_time() - self._began

    async def _look(self) -> None:  # noqa: ASYNC910  without a run there is nothing to look at
        """Take a snapshot of every run, as a client would."""
        for run_id in self.journal.run_ids:
            self.snapshots.append(await self.runtime.snapshot(run_id))


@asynccontextmanager
async def open_world(
    trial: Trial,
    *,
    registry: Registry | Callable[[House], Registry] | None = None,
    settings: Settings | None = None,
    mortal: bool = False,
    room: int = ROOM_BYTES,
) -> AsyncIterator[House]:
    """A world for scenarios of callboard: a server in memory, and an eye on all that happens in it.

    Args:
        trial: of this run.
        registry: the kinds, or what makes them, given the house; default: the built-in ones.
        settings: limits and deadlines.
        mortal: whether the scenario opens the lives of the house itself.
        room: bytes that a connection holds in each direction; a peer that does not read is felt the earlier.
    """
    kinds = registry if callable(registry) else lambda _: registry or Registry.builtin()
    house = House(trial, kinds, settings or Settings(), room=room)
    with house.ear():
        if mortal:
            yield house
        else:
            async with house.open():
                yield house
