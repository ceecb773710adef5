"""A run on a server, as a client holds it: follow its events, steer it, wait for its end.

Theory of operation: a `RemoteRun` owns no task and no connection. Its events come in by `hear`, called by the client's
task, and wait in a `Feed` for `async for`, which asks for more when it has made room. Nothing is asked of the server
until somebody iterates or waits. `wait` takes no event away: where the feed is full it lets the rest pass, and looks
for the ending. Who breaks out of a loop may go on later, with the next event; who does not leaves at most `ROOM` events
behind, and then the server is asked to send no more. A cancel while `__anext__` waits loses nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol, Self, TypeVar

import attrs
import trio

from actors.errors import ActorsError, Busy, HistoryLost, UnknownRun
from actors.feed import Feed, Place
from protocol.messages import (
    Command,
    Control,
    ControlReply,
    Event,
    InputReply,
    Json,
    NodeInput,
    Progress,
    Reply,
    RunChanged,
    RunEnded,
    RunStarted,
    Snapshot,
    Subscribed,
    Summary,
)
from protocol.states import RunStatus

__all__ = ["Home", "RemoteRun", "joined"]

MAX_GAPS: Final = 3
"""Times that what follows one seq is asked for again, before it counts as lost."""

R = TypeVar("R", bound=Reply)


class Home(Protocol):
    """The client that a run is of."""

    def check(self) -> None:
        """Raise why the client is over, if it is."""

    def follow(self, run: "RemoteRun") -> None:
        """Ask for what follows `run.last`, now or when the server is there, and again after each reconnect."""

    def leave(self, run: "RemoteRun") -> None:
        """Ask for nothing any more. Idempotent."""

    async def ask(self, command: Command, answer: type[R]) -> R:
        """Send a command, and wait for its answer."""
        ...


class RemoteRun:
    """One run; see the theory of operation above. Made by `Client.start` and `Client.run`.

    Args:
        home: the client.
        run_id: None: the latest run of the workflow, or its next one.
        workflow_id: the client's key of the workflow; "" where none was said.
        after: the newest seq that its user has seen.
    """

    def __init__(self, home: Home, *, run_id: str | None, workflow_id: str, after: int = 0) -> None:
        self.id = run_id
        """None: it is not known yet which run that is."""
        self.workflow_id = workflow_id
        self.status: RunStatus | None = None
        """The newest that was heard; None: nothing was heard yet."""
        self.progress: Progress | None = None
        """The newest that was heard."""
        self.feed = Feed(after)
        self._home = home
        self._summary: Summary | None = None
        self._newest = 0
        """The newest seq that was heard, taken or not."""
        self._parts: list[Snapshot] | None = None
        """Of the snapshot that a reset has announced."""
        self._gaps = (0, 0)
        """(seq, how often what follows it was missing)."""
        self._trouble: ActorsError | None = None
        self._waiters = 0
        self._iterating = False
        self._news = trio.lowlevel.ParkingLot()
        """Who iterates."""
        self._end = trio.lowlevel.ParkingLot()
        """Who waits for the ending."""

    def __repr__(self) -> str:
        return f"<RemoteRun {self.id or self.workflow_id!r} at seq {self.feed.last}>"

    # For its user.

    def __aiter__(self) -> Self:
        """Its events behind `after`: each once, in order of seq, over every reconnect; the last is the ending."""
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            UnknownRun: the server knows no such run.
            HistoryLost: events are gone. To iterate again is to go on behind them.
            ServerRefused, ServerUnreachable: the client is over, and everything that had come was taken.
            trio.ClosedResourceError: the client was closed.
            trio.BusyResourceError: another task iterates over this run.
        """
        await trio.lowlevel.checkpoint()
        if self._iterating:
            raise trio.BusyResourceError("another task iterates over this run")
        self._iterating = True
        try:
            while (item := self.feed.pop()) is None:
                if self.feed.place is Place.ENDED:
                    raise StopAsyncIteration
                self._want()
                await self._news.park()
        finally:
            self._iterating = False
        if self.feed.place is Place.FULL and self.feed.stalled:
            self._home.follow(self)
        if isinstance(item, ActorsError):
            raise item
        return item

    async def wait(self) -> Summary:
        """Wait for its ending. Takes no event away from who iterates, or will.

        Raises:
            UnknownRun, HistoryLost: the server does not know the run (any more).
            ServerRefused, ServerUnreachable: the client is over.
            trio.ClosedResourceError: the client was closed.
        """
        await trio.lowlevel.checkpoint()
        before = self._trouble
        self._waiters += 1
        try:
            while self._summary is None:
                if self._trouble is not before and self._trouble is not None:
                    raise self._trouble
                self._want()
                await self._end.park()
            return self._summary
        finally:
            self._waiters -= 1
            self._rest()

    async def pause(self, mode: Literal["now", "drain"] | None = None) -> ControlReply:
        """Pause it: accepted at once; `paused` comes as an event when nothing is in flight.

        Args:
            mode: `now` cuts what may be cut, `drain` waits for it; None: what the run's config says.

        Raises:
            Busy: too many commands wait, here or for this run.
            UnknownRun: the server knows no such run.
            CommandRefused: for any other reason.
            ServerRefused, ServerUnreachable, trio.ClosedResourceError: the client is over.
        """
        return await self._control(Control(action="pause", mode=mode))

    async def resume(self, *, step: bool = False) -> ControlReply:
        """Go on after a pause. Raises what `pause` raises.

        Args:
            step: with one node – the first of those that are ready, in the order of the graph –, and pause again when
                nothing is in flight. If none is ready yet, with the next that will be.
        """
        return await self._control(Control(action="resume", step=step))

    async def stop(self, *, force: bool = False) -> ControlReply:
        """Stop it: accepted at once; `wait` returns when nothing of it runs any more. Raises what `pause` raises.

        Args:
            force: drop the grace of atomic sections and clean-ups.
        """
        return await self._control(Control(action="stop", force=force))

    async def set_breakpoints(self, node_ids: Iterable[str]) -> ControlReply:
        """Have these breakpoints from now on, and no others: the run pauses before each of these nodes.

        A node that is in flight is not stopped. One at whose breakpoint the run stands goes on with a resume, and with
        nothing else. Raises what `pause` raises.

        Args:
            node_ids: of the graph; one that it has not is refused, and nothing is changed. Empty: none any more.
        """
        return await self._control(Control(action="breakpoints", node_ids=tuple(node_ids)))

    async def send_input(self, node_id: str, value: Json) -> InputReply:
        """Answer a node that waits for a person, or that will. Raises what `pause` raises."""
        command = NodeInput(node_id=node_id, value=value, run_id=self.id, workflow_id=self.workflow_id)
        return _unless_busy(await self._home.ask(command, InputReply))

    async def _control(self, command: Control) -> ControlReply:
        command = attrs.evolve(command, run_id=self.id, workflow_id=self.workflow_id)
        reply = _unless_busy(await self._home.ask(command, ControlReply))
        self.status = reply.status or self.status
        return reply

    def _want(self) -> None:
        """Have the server send what comes next, if it is not going to."""
        self._home.check()
        if self.feed.place in (Place.IDLE, Place.FULL):
            self._home.follow(self)

    def _rest(self) -> None:
        """Ask for nothing any more if nobody could have it."""
        place = self.feed.place
        if place is Place.ENDED or (place is Place.FULL and not self._waiters) or place is Place.IDLE:
            self._home.leave(self)

    # For its client, each in one synchronous step.

    def hear(self, event: Event) -> None:
        """An event of this run has come; not always the next one."""
        if event.seq > self._newest:
            self._newest = event.seq
            self.workflow_id = event.workflow_id
            if isinstance(event, RunStarted | RunChanged | RunEnded):
                self.status = event.status
        if isinstance(event, RunEnded):
            self._summary = event.summary
            self._end.unpark_all()
        if not self.feed.take(event):
            self._ask_again()
        self._news.unpark_all()
        self._rest()

    def confirmed(self, reply: Subscribed) -> None:
        """The server has answered to the newest subscription, or told of a reset of its own accord."""
        if reply.run_id is None and self.id is None:
            self.feed.confirm(0)  # The workflow has no run yet.
        elif reply.run_id != self.id:
            self._lose(None)
        elif reply.reset:
            self._parts = []
        else:
            self.feed.confirm(reply.last_seq or 0)

    def show(self, part: Snapshot) -> None:
        """A snapshot that nobody has asked for: the one that a reset has announced, or a part of it."""
        if self._parts is not None:
            self._parts.append(part)
            if part.part == part.parts:
                self._lose(joined(self._parts))

    def fail(self, error: ActorsError) -> None:
        """It cannot be followed; whoever wants to may try again."""
        self._parts = None
        self._trouble = error
        self.feed.interrupt(error)
        self.wake()
        self._rest()

    def wake(self) -> None:
        """Whoever waits has to look what is the matter."""
        self._news.unpark_all()
        self._end.unpark_all()

    def _lose(self, snapshot: Snapshot | None) -> None:
        after, name = self.feed.last, self.id or self.workflow_id
        if snapshot is None and not after:
            self.fail(UnknownRun(f"run {name!r} is not known to the server"))
            return
        text = f"what followed seq {after} of run {name!r} is gone from the server"
        error = HistoryLost(text, run_id=name, after=after, snapshot=snapshot)
        if snapshot is None:
            self.fail(error)
            return
        self._parts = None
        self._newest, self.status, self._summary = snapshot.last_seq, snapshot.status, snapshot.summary
        self.feed.interrupt(error)
        self.feed.jump(snapshot.last_seq, ended=snapshot.summary is not None)
        self.wake()
        self._rest()

    def _ask_again(self) -> None:
        """The next event is missing, though nothing was to be left out."""
        last, (seq, times) = self.feed.last, self._gaps
        self._gaps = (last, times + 1 if seq == last else 1)
        if self._gaps[1] > MAX_GAPS:
            text = f"the server leaves out what follows seq {last} of run {self.id!r}"
            self.fail(HistoryLost(text, run_id=self.id or "", after=last))
        else:
            self._home.follow(self)


def joined(parts: Sequence[Snapshot]) -> Snapshot:
    """The whole snapshot that a server sent in parts."""
    return attrs.evolve(
        parts[0],
        nodes={node_id: node for part in parts for node_id, node in part.nodes.items()},
        edges={edge_id: edge for part in parts for edge_id, edge in part.edges.items()},
        variables={name: value for part in parts for name, value in part.variables.items()},
        part=None,
        parts=None,
    )


def _unless_busy(reply: R) -> R:
    """The reply, unless it says that nobody has looked at the command."""
    if isinstance(reply, ControlReply | InputReply) and reply.code == Busy.code:
        raise Busy(reply.error or "too many commands wait for this run")
    return reply
