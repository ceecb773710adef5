"""A run as its starter holds it: steer it, follow its events, wait for its end.

It holds no resource and needs no closing; it stays valid after the run's end, and after the runtime's.
"""

from collections.abc import AsyncGenerator, Iterable
from typing import Literal, TypeVar, cast

from actors.answers import answer_ended
from actors.errors import ActorGone
from actors.journal import Journal
from actors.run import RunActor
from protocol.graph import Workflow
from protocol.messages import Control, ControlReply, Event, InputReply, Json, NodeInput, Summary
from protocol.states import RunStatus
from protocol.view import View

__all__ = ["Run"]

R = TypeVar("R")


class Run:
    """One run, as its starter holds it. Valid after its end, too."""

    def __init__(self, actor: RunActor, journal: Journal) -> None:
        self._actor = actor
        self._journal = journal
        self.id = actor.plan.run_id
        self.workflow_id = actor.plan.workflow_id
        self.config = actor.plan.config
        self.starter = actor.plan.starter
        """The session that started it; "" if none did."""

    @property
    def status(self) -> RunStatus:
        """Its state now."""
        return self._actor.status

    @property
    def view(self) -> View:
        """Its state in full; read only, and ahead of what is durable."""
        return self._actor.view

    @property
    def workflow(self) -> Workflow:
        """The graph."""
        return self._actor.view.workflow

    async def begun(self) -> None:
        """Wait until its first event is durable, or it has turned out that there will be none."""
        await self._actor.begun.wait()
        await self._actor.durable()

    async def events(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """Its events after a seq, from the journal: replay, then live; ends after the ending.

        *Resource handling*: who leaves the loop before the end closes it:
        `async with contextlib.aclosing(run.events()) as events`.

        Raises:
            UnknownRun: it ended so long ago that its history is gone.
        """
        async with self._journal.follow(self.id, after) as events:
            async for event in events:
                yield event  # noqa: ASYNC119  trio closes a generator that is left; a follower owns no task

    async def pause(self, mode: Literal["now", "drain"] | None = None) -> ControlReply:
        """Pause it: accepted at once; `paused` comes as an event when nothing is in flight.

        Args:
            mode: `now` cuts what may be cut, `drain` waits for it; None: what the run's config says.

        Raises:
            Busy: too many commands wait for this run.
        """
        return await self._ask(Control(action="pause", mode=mode), ControlReply)

    async def resume(self, *, step: bool = False) -> ControlReply:
        """Go on after a pause.

        Args:
            step: with one node – the first of those that are ready, in the order of the graph –, and pause again when
                nothing is in flight. If none is ready yet, with the next that will be.

        Raises:
            Busy: too many commands wait for this run.
        """
        return await self._ask(Control(action="resume", step=step), ControlReply)

    async def stop(self, *, force: bool = False) -> ControlReply:
        """Stop it: accepted at once; `wait` returns when nothing of it runs any more.

        Args:
            force: drop the grace of atomic sections and clean-ups.

        Raises:
            Busy: too many commands wait for this run.
        """
        return await self._ask(Control(action="stop", force=force), ControlReply)

    async def set_breakpoints(self, node_ids: Iterable[str]) -> ControlReply:
        """Have these breakpoints from now on, and no others: the run pauses before each of these nodes.

        A node that is in flight is not stopped. One at whose breakpoint the run stands goes on with a resume, and with
        nothing else.

        Args:
            node_ids: of the graph; one that it has not is refused, and nothing is changed. Empty: none any more.

        Raises:
            Busy: too many commands wait for this run.
        """
        return await self._ask(Control(action="breakpoints", node_ids=tuple(node_ids)), ControlReply)

    async def send_input(self, node_id: str, value: Json) -> InputReply:
        """Answer a node that waits for a person, or that will.

        Raises:
            Busy: too many commands wait for this run.
        """
        return await self._ask(NodeInput(node_id=node_id, value=value, run_id=self.id), InputReply)

    async def wait(self) -> Summary:
        """Wait for its ending.

        Raises:
            ActorGone: its runtime ended first. In a durable journal it goes on with the next one.
        """
        await self._actor.ended.wait()
        summary = self._actor.view.summary
        if summary is None:
            raise ActorGone(f"run {self.id} has no ending: the runtime ended while it was {self.status}")
        return summary

    async def _ask(self, command: Control | NodeInput, answer: type[R]) -> R:
        try:
            return await self._actor.mailbox.ask(command, answer)
        except ActorGone:
            return cast("R", answer_ended(command, self._actor.record))  # noqa: ASYNC910  gone at once
