"""The hub: brings what the journal committed to everybody who asked for it.

Theory of operation: the hub knows every unfinished run (`open`) and every outlet that asked for something. Where the
two meet there is a subscription in the run's topic (`actors.topic`), one per outlet and run however many interests
match; a run nobody hears has no topic and costs a look-up per commit. A run that has ended is folded from the journal
for as long as somebody is being told of it.

Who may do what: `open`, `publish` and `progress` are called inside the step of a run actor and never await. `watch`,
`hear_all`, `unsubscribe` and `drop` are synchronous too, so a connection can call them at any line of its own end.
`subscribe` and `refill` may read the journal. Once a push was refused, `refill` brings that outlet on: its writer task
calls it whenever the outbox has drained (`actors.listener`). Everything in the hub is bounded by what others bound:
runs by the runtime, outlets by the server, wishes per outlet by `actors.interests`, frames per topic by `actors.ring`.

Lifetime: `open_hub` starts one task, the hub, shielded from cancels of the caller (whose own body is not), in whose
nursery live one flusher per topic in use and one task per outlet that must be told of history without having asked
itself. Leaving `open_hub` detaches the hub from the journal, delivers what was committed, and cancels that one scope:
what remains is state that nobody reads. Outlets belong to their connections; the hub never closes one. An outlet whose
`subscribe` or `refill` was cancelled has either been sent something whole or not at all, and is forgotten by `drop`.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from actors.arrears import Arrears
from actors.errors import UnknownRun
from actors.interests import EVERYWHERE, Interest, Position, position_of, scope_of
from actors.journal import Journal, Note
from actors.listener import Listener, Mark, Owed
from actors.observer import NULL, Observer
from actors.standing import Standing
from actors.subscription import Outlet, Subscription
from actors.topic import KnownRun
from actors.topics import Plan, Topics
from protocol.graph import Workflow
from protocol.messages import Event, NodeProgress, RunEnded, Snapshot, Subscribe, Unsubscribe, Unsubscribed

__all__ = ["Hub", "HubStatistics", "Outlet", "OutletStatistics", "Plan", "open_hub"]


@attrs.frozen(kw_only=True)
class HubStatistics:
    """What the hub holds now, and did so far."""

    runs: int
    """Unfinished ones."""
    topics: int
    """Runs that somebody hears."""
    outlets: int
    subscriptions: int
    lagging: int
    ring_events: int
    ring_bytes: int
    published: int
    """Events."""
    flushes: int
    pushes: int
    refused: int
    """Pushes that found an outbox full."""
    conflated: int
    """Events that slow outlets were spared."""


@attrs.frozen(kw_only=True)
class OutletStatistics:
    """What the hub holds for one outlet."""

    subscriptions: tuple[str, ...]
    """Types it asked for, in the order of first asking."""
    positions: dict[str, int]
    """Run id → newest seq that was handed to it."""
    lagging: int
    """Runs of which it has not got everything."""
    conflated: int
    """Events that it was spared so far."""


@asynccontextmanager
async def open_hub(
    journal: Journal, *, plan: Plan, observer: Observer = NULL, wall: Callable[[], float] = time.time
) -> AsyncIterator["Hub"]:
    """A hub that hears `journal` until the context is left.

    Args:
        journal: what it publishes is delivered; who lags is served from it.
        plan: the graph of a run that has ended.
        observer: told the scope of the hub, as `hub`.
        wall: the time, seconds since the epoch.

    *Resource handling*: leave it after the runs and the connections, and before the journal.
    """
    async with trio.open_nursery() as nursery:
        hub = Hub(journal, plan, wall)
        scope: trio.CancelScope = await nursery.start(hub.live)
        # Not before: a start that is cancelled has to end the hub.
        scope.shield = True
        observer.scope("hub", scope)
        journal.attach(hub)
        try:
            yield hub
        finally:
            journal.attach(None)
            hub.flush()
            observer.unscope("hub")
            scope.cancel()


class Hub:
    """The fan-out of all runs; see the theory of operation above. Made by `open_hub`."""

    def __init__(self, journal: Journal, plan: Plan, wall: Callable[[], float]) -> None:
        self._journal = journal
        self._wall = wall
        self._topics = Topics(journal, plan, finished=self._finished)
        self._arrears = Arrears(self._topics, journal, wall=wall)
        self._listeners: dict[Outlet, Listener] = {}
        self._everywhere: dict[Listener, None] = {}
        """Who hears something of all runs."""
        self._workflows: dict[str, dict[Listener, None]] = {}
        """Workflow id → who hears something of its runs."""

    async def live(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        """The hub's task. Never returns; `open_hub` shields, and cancels, the scope that it is told."""
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                self._topics.live(nursery)
                self._arrears.live(nursery)
                task_status.started(scope)
                try:
                    await trio.sleep_forever()
                finally:
                    self._topics.live(None)
                    self._arrears.live(None)

    def open(self, run_id: str, workflow_id: str, workflow: Workflow, *, last_seq: int = 0) -> None:
        """A run begins, or goes on: whoever waits for it is subscribed. Before anything of it is published.

        Args:
            run_id: the run.
            workflow_id: the client's key of the workflow.
            workflow: its graph.
            last_seq: what the journal holds of it already, when it is recovered.
        """
        if run_id in self._topics.runs:
            return
        self._topics.runs[run_id] = KnownRun(run_id, workflow_id, workflow, last_seq)
        for listener in {**self._everywhere, **self._workflows.get(workflow_id, {})}:
            self._hear(listener, [run_id])

    def close(self, run_id: str) -> None:
        """A run was opened, and does not begin after all: whoever waited for it waits for the next one. Idempotent."""
        if self._topics.runs.pop(run_id, None) is None:
            return
        topic = self._topics.in_use.get(run_id)
        for listener in self._listeners.values():
            if run_id in listener.subscriptions:
                listener.leave(run_id)
            else:
                listener.forget(run_id)
        if topic is not None:
            self._topics.release(topic)

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        """Hear a committed batch. Called by the journal; never raises, never waits."""
        run = self._topics.runs.get(run_id)
        if run is None:
            return
        self._topics.tally.published += len(events)
        if events:
            run.last_seq = events[-1].seq
            if isinstance(events[-1], RunEnded):
                del self._topics.runs[run_id]
        topic = self._topics.in_use.get(run_id)
        if topic is not None:
            topic.publish(events, notes)

    def progress(self, message: NodeProgress) -> None:
        """Hear how far a running node is. Nothing is kept of it but the newest."""
        topic = self._topics.in_use.get(message.run_id)
        if topic is not None:
            topic.progress(message)

    async def subscribe(self, outlet: Outlet, command: Subscribe, *, run_id: str | None, quiet: bool = False) -> None:
        """Let an outlet hear a run and the later ones of its workflow, or all runs.

        Replies `Subscribed`; then come the snapshot (if asked for, or there was no position, or it could not be
        honoured), the missed events, and live what follows. What the outbox has no room for comes with `refill`.
        What is wanted is noted before anything is awaited, so a run that begins meanwhile is heard.

        Args:
            outlet: who.
            command: what.
            run_id: the run that the command means (the latest of its workflow); None: there is none yet.
            quiet: no reply and no snapshot; all of that one run, from seq 1. Who hears it already stays where it is.

        Raises:
            BadField: a position over all runs, one that can not be read, or too many subscriptions.
            JournalError: the journal can not be read.
        """
        listener = self._listener(outlet)
        if quiet:
            if run_id is not None:
                listener.interests.want_run(run_id)
                await self._join(listener, command, run_id, Position(0), quiet=True)
            await trio.lowlevel.checkpoint()
            return
        position = position_of(command)
        scope = scope_of(command)
        if scope:
            listener.interests.add(scope, command.types, lossless=command.lossless)
            self._index(listener)
        if scope == EVERYWHERE:
            listener.confirm(command)
            self._hear(listener, list(self._topics.runs))
            await trio.lowlevel.checkpoint()
            return
        # A position in a run that is gone says nothing about the workflow's latest one.
        lost = Position(None, reset=True)
        for target, place in ((position.run_id or run_id, position), (run_id, lost)):
            if target is not None:
                try:
                    await self._join(listener, command, target, place)
                    return
                except UnknownRun:
                    continue
        known = position.run_id is not None or bool(position.seq) or position.reset
        listener.confirm(command, last_seq=0, from_seq=1, reset=known)
        await trio.lowlevel.checkpoint()

    def watch(self, outlet: Outlet, run_id: str) -> None:
        """Let the starter hear all of a run, from seq 1. No reply.

        Raises:
            UnknownRun: it was not opened, or has ended.
        """
        if run_id not in self._topics.runs:
            raise UnknownRun(f"no unfinished run {run_id}")
        listener = self._listener(outlet)
        listener.interests.want_run(run_id)
        self._hear(listener, [run_id], whole=True)

    def hear_all(self, outlet: Outlet, types: frozenset[str] | None) -> None:
        """Let an outlet hear every run, unasked: first the newest status of every node of unfinished ones, then live.

        Args:
            outlet: who.
            types: message types or groups, as its dialect names them; None: all.
        """
        listener = self._listener(outlet)
        listener.interests.want(EVERYWHERE, Interest(types))
        self._index(listener)
        self._hear(listener, list(self._topics.runs), brief=True)

    def unsubscribe(self, outlet: Outlet, command: Unsubscribe, *, run_id: str | None) -> None:
        """Let an outlet hear a workflow, all runs, or some types of them no more. Idempotent; replies `Unsubscribed`.

        Args:
            outlet: who.
            command: what; no types: all of it.
            run_id: the run that the command means, if there is one.
        """
        listener = self._listeners.get(outlet)
        if listener is not None:
            self._withdraw(listener, command, run_id)
        outlet.reply(
            Unsubscribed(
                workflow_id=command.workflow_id,
                reply_to=command.id or None,
                subscriptions=() if listener is None else listener.interests.asked,
            )
        )

    def position(self, outlet: Outlet, run_id: str) -> int | None:
        """The newest seq of a run that an outlet has got or is not to get; None: it does not hear the run."""
        listener = self._listeners.get(outlet)
        return listener.position(run_id) if listener is not None else None

    def mark(self, outlet: Outlet) -> Mark:
        """How far an outlet is. Once its peer is known to have got everything before this moment: `arrived`."""
        listener = self._listeners.get(outlet)
        return listener.mark() if listener is not None else Mark((), ())

    def arrived(self, outlet: Outlet, mark: Mark) -> bool:
        """An outlet's peer has got everything up to a mark. Returns whether that is news."""
        listener = self._listeners.get(outlet)
        return listener is not None and listener.arrived(mark)

    def standing(self, outlet: Outlet) -> Standing | None:
        """What another outlet needs to go on in the place of this one; None: this one wants nothing."""
        listener = self._listeners.get(outlet)
        standing = listener.standing(self._wall()) if listener is not None else None
        return standing if standing is not None and (standing.interests or standing.positions) else None

    def resume(self, outlet: Outlet, standing: Standing) -> None:
        """Let an outlet go on from a standing, beside what it hears already. No reply.

        What it missed of each run comes first, also of runs that began meanwhile. An explicit `subscribe` that comes
        before that has been sent is followed instead.
        """
        listener = self._listener(outlet)
        listener.interests.update(standing.interests)
        self._index(listener)
        heard = {*listener.subscriptions, *listener.owed}
        positions = {run_id: seq for run_id, seq in standing.positions.items() if run_id not in heard}
        owed = {run_id: Owed(seq, resumed=True) for run_id, seq in positions.items()}
        for run_id, run in self._topics.runs.items():
            wanted = listener.interests.of(run_id=run_id, workflow_id=run.workflow_id) is not None
            if wanted and run_id not in heard and run_id not in owed:
                owed[run_id] = Owed(0, resumed=True)
        self._review(listener)
        self._arrears.owe(listener, owed)
        if standing.interests.waits:
            self._arrears.look_back(listener, standing)

    def drop(self, outlet: Outlet) -> None:
        """The connection is gone. Idempotent."""
        listener = self._listeners.pop(outlet, None)
        if listener is None:
            return
        listener.gone = True
        self._everywhere.pop(listener, None)
        for workflow_id in listener.interests.workflows:
            self._unlist(workflow_id, listener)
        for run_id in list(listener.subscriptions):
            topic = self._topics.in_use[run_id]
            listener.leave(run_id)
            self._topics.release(topic)

    async def refill(self, outlet: Outlet) -> bool:
        """Bring on what lags, as far as the outbox takes it. To be called whenever the outbox has drained.

        Returns:
            Whether anything still lags: call again after the next drain.

        Raises:
            JournalError: the journal can not be read.
        """
        listener = self._listeners.get(outlet)
        if listener is None:
            await trio.lowlevel.checkpoint()
            return False
        return await listener.bring_on()

    async def snapshot(self, run_id: str) -> Snapshot:
        """The committed state of a run, ended or not.

        Raises:
            UnknownRun: no such run, or it was trimmed.
        """
        async with self._topics.held(run_id) as topic:
            topic.flush_all()
            return topic.snapshot()

    def flush(self) -> None:
        """Deliver at once what was published."""
        self._topics.flush()

    def statistics(self) -> HubStatistics:
        """What it holds now, and did so far."""
        topics = self._topics.in_use.values()
        held = [topic.held for topic in topics]
        return HubStatistics(
            runs=len(self._topics.runs),
            topics=len(topics),
            outlets=len(self._listeners),
            subscriptions=sum(topic.size for topic in topics),
            lagging=sum(topic.lagging for topic in topics),
            ring_events=sum(events for events, _ in held),
            ring_bytes=sum(size for _, size in held),
            published=self._topics.tally.published,
            flushes=self._topics.tally.flushes,
            pushes=self._topics.tally.pushes,
            refused=self._topics.tally.refused,
            conflated=self._topics.tally.conflated,
        )

    def heard_by(self, outlet: Outlet) -> OutletStatistics:
        """What it holds for one outlet; nothing for one that it does not know."""
        listener = self._listeners.get(outlet)
        if listener is None:
            return OutletStatistics(subscriptions=(), positions={}, lagging=0, conflated=0)
        subscriptions = listener.subscriptions.values()
        return OutletStatistics(
            subscriptions=listener.interests.asked,
            positions={each.run_id: self._topics.in_use[each.run_id].position(each) for each in subscriptions},
            lagging=sum(each.lags() for each in subscriptions),
            conflated=listener.conflated,
        )

    async def _join(
        self, listener: Listener, command: Subscribe, run_id: str, position: Position, *, quiet: bool = False
    ) -> None:
        """Reply, show the state, and place a subscription, in one synchronous step; then bring it on."""
        async with self._topics.held(run_id) as topic:
            if listener.gone:
                return
            topic.flush_all()
            head, run = topic.head, topic.run
            if not quiet and command.workflow_id != run.workflow_id:
                # A run was named, without its workflow or with another one.
                listener.interests.add(run.workflow_id, command.types, lossless=command.lossless)
                self._index(listener)
            reset = position.reset or (position.seq is not None and position.seq > head)
            cursor = head if reset or position.seq is None else position.seq
            if quiet:
                if run_id not in listener.subscriptions:
                    owed = listener.owed.get(run_id)
                    listener.place(topic, cursor=owed.cursor if owed is not None else cursor)
            else:
                listener.confirm(command, topic=topic, last_seq=head, from_seq=cursor + 1, reset=reset)
                if command.snapshot or position.seq is None or reset:
                    listener.show(topic)
                # Until a snapshot has arrived, its peer knows nothing.
                listener.place(topic, cursor=cursor, arrived=0 if position.seq is None or reset else cursor)
            self._review(listener)
            await listener.bring_on()

    def _withdraw(self, listener: Listener, command: Unsubscribe, run_id: str | None) -> None:
        scope = scope_of(command)
        named = self._topics.runs.get(run_id or "")
        if not scope and named is not None:
            scope = named.workflow_id
        listener.interests.remove(scope, command.types)
        if command.types is None or EVERYWHERE in command.types:
            for heard in [*listener.subscriptions, *listener.owed, *listener.ended]:
                if heard == run_id or self._of(heard) == scope:
                    listener.withdraw(heard)
        if scope not in listener.interests.workflows:
            self._unlist(scope, listener)
        self._index(listener)
        self._review(listener)

    def _hear(self, listener: Listener, run_ids: Sequence[str], *, brief: bool = False, whole: bool = False) -> None:
        """Subscribe a listener to unfinished runs: from now on, or all of it, or briefly what was.

        What needs the journal, or room in the outbox, is left to a task.
        """
        owed: dict[str, Owed] = {}
        for run_id in run_ids:
            run = self._topics.runs[run_id]
            if run_id in listener.subscriptions or run_id in listener.owed:
                continue
            now = run.last_seq or 0
            topic = self._topics.in_use.get(run_id)
            if now == 0 or (topic is not None and topic.live and not brief and not whole):
                topic = self._topics.of(run)
                topic.flush_all()
                listener.place(topic, cursor=topic.head)
            else:
                owed[run_id] = Owed(0 if brief or whole else now, brief=brief)
        self._review(listener)
        self._arrears.owe(listener, owed)

    def _listener(self, outlet: Outlet) -> Listener:
        listener = self._listeners.get(outlet)
        if listener is None:
            listener = self._listeners[outlet] = Listener(outlet, self._journal, self._topics.in_use)
        return listener

    def _index(self, listener: Listener) -> None:
        """List a listener where `open` looks."""
        if listener.interests.everywhere is None:
            self._everywhere.pop(listener, None)
        else:
            self._everywhere[listener] = None
        for workflow_id in listener.interests.workflows:
            self._workflows.setdefault(workflow_id, {})[listener] = None

    def _unlist(self, workflow_id: str, listener: Listener) -> None:
        waiting = self._workflows.get(workflow_id)
        if waiting is not None:
            waiting.pop(listener, None)
            if not waiting:
                del self._workflows[workflow_id]

    def _review(self, listener: Listener) -> None:
        for topic in listener.review():
            self._topics.release(topic)

    def _of(self, run_id: str) -> str | None:
        """The workflow of a run, as far as it is known here."""
        topic = self._topics.in_use.get(run_id)
        run = topic.run if topic is not None else self._topics.runs.get(run_id)
        return run.workflow_id if run is not None else None

    def _finished(self, subscription: Subscription) -> None:
        """A topic has nothing more for a subscription."""
        self._listeners[subscription.outlet].finish(subscription.run_id)
