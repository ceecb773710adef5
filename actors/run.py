"""The run actor: owns the state of one run, starts its nodes, and is the only writer of its events and its ending.

Theory of operation: started by the runtime, one task, which opens a shielded scope first, so that no outside cancel
kills it between an outcome and its record; only the runtime cancels it, and waits for it. Its mailbox holds commands
(64 slots; full: the sender is answered `busy`), the outcome of every running node, notes, log lines and wake-ups. The
loop: one message, then all that are there; start what became ready; hand the events of this step over to the journal
in one batch; after 2 ms of work yield. It never awaits the journal or a socket, but for the ending's commit.

*Generations.* Nodes run in the nursery of a generation: a task that is started with the run and with every resume that
does not find one. A pause `now`, a stop and a failure cancel the scope of every generation; shielded nodes (not
interruptible, in a section) go on inside it. A drain closes it when nothing is in flight, or only nodes that rest and
may be cut. A generation ends when all its nodes have, and reports that: the run is quiet when all have ended. A resume
that withdraws a drain goes on in the same generation, one that withdraws a `now` opens the next beside the leaving one.

*Breakpoints and steps.* Before a node with a breakpoint the schedule says that it waits there, `pending (breakpoint)`,
and the run drains. That event is all there is to know: an instance whose newest status it is has been stopped at, and
starts when the run goes on, after a crash too. A step is a resume that is *armed*: the next node that is ready starts
alone, and the run drains. What is armed is a note, `step`, deleted in the batch in which the node begins; so a crash
neither forgets a step nor takes two. The drain of a step waits for its node to the end, its sleep and its waitTime
included, or a step would never get past a `wait`, and the children that it has started; only a node that waits for a
person is cut, for answers that come meanwhile are kept.

The breakpoints that hold are a note as well, for they may be set while it runs. A log line goes with it, for those who
watch: no type of message that a client of old knows says such a thing, and to repeat the state would be to announce a
pause, or a resume, that nobody has asked for.

*The end.* When nothing is left to do the generation is closed; when it has ended, the driver closes what the run has
opened through it (a page, bounded), and `_end` writes the one ending – after that nothing of the run runs. A command
that comes while the ending is committed waits and is answered as to a run that has ended. Then the mailbox is closed,
and whoever still comes is answered from the record.

*A run that goes on.* A run that another process left is folded from the journal (`actors.recovery`) before its actor
begins, and goes on in the state in which it was: paused ones stay paused, what was running runs again.

*Children.* A node may start runs inside this one (`actors.children`). What is done to this run is done to them in the
same step – pause, resume, stop, a forced stop – whether the node runs at that moment or not, and a child is stopped
when its node has its end. So `paused` waits until every child is, and the ending until every child has ended.

*Shutdown.* A durable journal has a tomorrow: `leave` cancels the nodes outside of their atomic sections, records what
they did, and writes no run state and no ending. Else `halt` is a stop.

*Cancel.* The task ends early only through `halt_now` of the runtime (its shutdown grace is over): the nodes are
cancelled without grace, the journal has what was handed over, and no ending is claimed.
"""

import logging
import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.answers import (
    Record,
)
from actors.children import CHILD, PARENT_STOPPED, Children
from actors.context import DRIVER_NOTE
from actors.errors import Fenced
from actors.expressions import Scope
from actors.generations import Generations, Left, Strayed
from actors.journal import Claim, Journal, Ticket
from actors.mailbox import Ask, Mailbox
from actors.nagging import Nagging
from actors.node import NodeTask, Port, StepTable
from actors.observer import Observer
from actors.questions import Questions
from actors.recorder import Recorder
from actors.recovery import Past, restore
from actors.reports import Asked, LogLine, Noted, Outcome, Rested, Unasked, describe
from actors.schedule import RETRY, STEP, Schedule
from actors.secrets import NO_SECRETS, Secrets
from actors.steering import Steering
from actors.timers import RunClock, Timers
from protocol.execution import ExecutionConfig
from protocol.graph import Problem
from protocol.messages import (
    Control,
    Iteration,
    NodeProgress,
    RunChanged,
    RunEnded,
    RunStarted,
    Summary,
)
from protocol.states import ENDED, NodeStatus, RunStatus, Trigger, advance
from protocol.view import BREAKPOINTS, VAR, Due, View, instance_key

__all__ = ["Plan", "RunActor"]

STEPPING: Final = "step"
"""Key of the note that a step waits for a node to start."""
TICK: Final = 1e-6
"""Seconds by which a timer may be early: the sum of two floats can fall short of what was waited for."""
NAMED_NODES: Final = 10
"""How many a log line names."""
_logger: Final = logging.getLogger(__name__)


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """What one run is started with."""

    run_id: str
    workflow_id: str
    config: ExecutionConfig
    steps: StepTable
    warnings: Sequence[Problem]
    seed: int
    starter: str
    """The session that started it."""
    parent: str
    """The run inside which it runs; "" if it is nobody's child."""
    depth: int
    """How many runs are around it."""
    slots: int
    """Nodes at a time."""
    grace: float
    """stopGrace, seconds."""
    atomic_limit: float
    """Seconds after which a pause that waits for an atomic section warns."""
    secrets: Secrets = NO_SECRETS


@attrs.frozen
class _Wake:
    """Look again: something that was waited for has come."""


@attrs.frozen
class _Warning:
    """A warning from outside about a node."""

    message: str
    node_id: str


@attrs.frozen
class _Halt:
    """Stop, whatever the state: the runtime ends, or the run around it lets it go."""

    cause: str


@attrs.frozen
class _Order:
    """What the run around this one was told goes for this one, too."""

    control: Control


@attrs.frozen
class _Leave:
    """The runtime ends: come to rest, and leave the run to the next process."""


class RunActor:
    """One run. Made by the runtime; see the theory of operation above.

    Args:
        plan: what it is started with.
        view: its state, fresh or as another process left it; nobody else changes it.
        journal: takes its events.
        mailbox: its own.
        make_port: what its nodes get, from the actor and what their expressions may name.
        progress: hears how far nodes are.
        wall: the time, seconds since the epoch.
        observer: is told its scope, as `run:<id>`, and how to pause, resume and stop it, and to set breakpoints.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        view: View,
        journal: Journal,
        mailbox: Mailbox,
        make_port: "Callable[[RunActor, Callable[[NodeTask], Scope]], Port]",
        progress: Callable[[NodeProgress], None],
        wall: Callable[[], float],
        observer: Observer,
    ) -> None:
        self.plan = plan
        self.view = view
        self.mailbox = mailbox
        self.status = view.status
        self.begun = trio.Event()
        """Set when its first event has a seq and is handed to the journal, or the actor is gone."""
        self.ended = trio.Event()
        """Set when the ending is durable, or the actor is gone."""
        self.leaving = False
        """It comes to rest without an ending: the next process goes on with it."""
        self.abandoned: list[str] = []
        self.children: Children[RunActor] = Children()
        """The unfinished runs inside this one."""
        self.on_move: Callable[[], None] | None = None
        """Called when its state has changed: the run around it looks at that."""
        self._observer = observer
        self._clock = RunClock()
        self._timers = Timers()
        self._generations = Generations(mailbox, observer)
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope(shield=True)
        self._drain = False
        self._stepping = False
        """A step waits for a node that is ready."""
        self._stepped: set[tuple[str, Iteration]] = set()
        """Instances that were stepped to since the run was paused last: a drain waits for them to their end."""
        self._cause: str | None = None
        self._fault: dict[str, str | None] = {}
        self._started_at = 0.0
        self._decided = False
        self._waking = False
        self._wall = wall
        self._recorder = Recorder(view, journal=journal, due=self._enqueue, progress=progress, wall=wall)
        self._schedule = Schedule(
            view,
            plan.steps,
            recorder=self._recorder,
            spawn=self._generations.spawn,
            fail=self._fail,
            port=(port := make_port(self, self._expression_scope)),
            clock=self._clock,
            timers=self._timers,
            slots=plan.slots,
            inputs=plan.config.inputs,
            stopped=self._at_breakpoint,
            dry_run=plan.config.dry_run,
            end_child=self.children.stop,
        )
        self._driver = port.driver
        self._questions = Questions(self._recorder, noted=self._schedule.noted, secrets=plan.secrets)
        self._steering = Steering(self, recorder=self._recorder, questions=self._questions)
        self._replies = self._steering.replies
        self._nagging = Nagging(self._recorder, grace=plan.grace, atomic_limit=plan.atomic_limit)

    @property
    def in_flight(self) -> list[str]:
        """Ids of the nodes whose task runs."""
        return list(dict.fromkeys(task.node_id for task in self.tasks))

    @property
    def tasks(self) -> Collection[NodeTask]:
        """What runs."""
        return self._schedule.in_flight.values()

    @property
    def record(self) -> Record:
        """What is known of it from outside, and kept when it is over."""
        return Record(
            run_id=self.plan.run_id,
            workflow_id=self.plan.workflow_id,
            status=self.status,
            summary=self.view.summary,
            replies=self._replies,
            breakpoints=tuple(self.view.notes.get(BREAKPOINTS, ())),
        )

    def warn(self, message: str, key: str) -> None:
        """Say in the run's log what the watchdog found."""
        self.mailbox.report(_Warning(message, key.partition("/")[0]))

    @property
    def clock(self) -> RunClock:
        """The run's clock."""
        return self._clock

    async def live(self, claim: Claim, past: Past | None = None) -> None:  # noqa: ASYNC910  it awaits its nursery
        """The actor's task. Ends after its ending, or when it has left.

        Args:
            claim: the right to write the run.
            past: what another process did of it; the view is its view.
        """
        self._recorder.begin(claim)
        label = f"run:{self.plan.run_id}"
        self._observer.scope(label, self._scope)
        for action in ("pause", "resume", "stop"):
            self._observer.action(f"{label}/{action}", partial(self.mailbox.offer, Control(action=action)))
        self._observer.action(f"{label}/breakpoints", self._toggle_breakpoints)
        try:
            with self._scope:
                await self._supervise(past)
        finally:
            self._observer.unscope(label)
            self.dismiss()

    def _toggle_breakpoints(self) -> None:
        """Somebody outside sets one before every node; or clears them, if there are any."""
        node_ids = () if self.view.breakpoints else tuple(self.view.workflow.nodes)
        self.mailbox.offer(Control(action="breakpoints", node_ids=node_ids))

    def dismiss(self) -> None:
        """It is over, or never lived because the journal did not take it: what is left of it is its view and record."""
        self.mailbox.close()
        self.begun.set()
        self.ended.set()
        self.on_move = None
        # These refer to it in turn. Without them its memory is free as soon as nobody asks for it any more; with them,
        # only when the garbage collector comes, and of a server with much to do that is minutes later.
        self._schedule.close()
        del self._driver, self._schedule, self._steering, self._questions, self._timers, self._nagging, self._recorder

    def halt(self, cause: str = "shutdown") -> None:
        """Stop with the usual grace: the runtime ends, or (`parent_stopped`) the run around this one lets it go."""
        self.mailbox.report(_Halt(cause))

    def order(self, control: Control) -> None:
        """The run around this one was told to pause, to resume, or to stop by force: so is this one."""
        self.mailbox.report(_Order(control))

    def adopt(self, child: "RunActor") -> None:
        """From now on `child` runs inside this one, and does what this one does; at once, too."""
        self.children.add(child.plan.run_id, child)
        child.on_move = self._look
        run_id = child.plan.run_id
        if self.leaving:
            child.leave()
        elif self.status in _HALTING or self._has_let_go(run_id):
            child.halt(PARENT_STOPPED)
        elif self.status in {RunStatus.PAUSING, RunStatus.PAUSED} and not self._steps_over(run_id):
            child.order(Control(action="pause", mode="drain" if self._drain else "now"))
        elif STEPPING not in self.view.notes:
            # A step that waits for its node leaves alone what other nodes have started.
            child.order(Control(action="resume"))

    def _has_let_go(self, run_id: str) -> bool:
        """Whether no node will ask for a child: its instance has its end, or runs again and starts another one.

        A crash may have come between that and the stop of the child.
        """
        notes = self.view.notes
        retries = {name.removeprefix(f"{RETRY}/"): note for name, note in notes.items() if name.startswith(f"{RETRY}/")}
        for key, note in notes.items():
            if key.startswith(CHILD) and note["run_id"] == run_id:
                return any(
                    key.startswith(f"{CHILD}{instance}/") and retry["attempt"] > note["attempt"]
                    for instance, retry in retries.items()
                )
        return True

    def name_child(self) -> str:
        """The id of the next run inside this one; never twice the same, also after a restart."""
        number = self.view.notes.get(_CHILDREN, 0) + 1
        self._recorder.note(_CHILDREN, number)
        return f"{self.plan.run_id}.{number}"

    @property
    def children_noted(self) -> Sequence[str]:
        """The ids of children, ended or not, whose results a node may still ask for."""
        notes = self.view.notes
        if _CHILDREN not in notes:
            return ()
        return [note["run_id"] for key, note in notes.items() if key.startswith(CHILD)]

    def orphan(self, run_id: str) -> None:
        """A child has ended, or is gone."""
        self.children.remove(run_id)
        self._look()

    def _look(self) -> None:
        self.mailbox.report(_Wake())

    def leave(self) -> None:
        """The runtime ends: come to rest, without an ending."""
        self.mailbox.report(_Leave())

    async def durable(self) -> None:  # noqa: ASYNC910  as a ticket that is done
        """Wait until all that was said so far is durable."""
        if (ticket := self.written()) is not None:
            await ticket

    def halt_now(self) -> None:
        """The runtime's own grace is over: cancel everything. No ending is claimed."""
        for task in self.tasks:
            task.cut()
            if task.scope is not None:
                task.scope.shield = False
        self._scope.cancel()

    def written(self) -> Ticket | None:
        """The ticket of all that was said so far; None: it is durable already, or nobody writes it any more."""
        return None if self.ended.is_set() else self._recorder.written()

    def node_progress(self, task: NodeTask, percent: float, message: str) -> None:
        """A running node says how far it is; what it left behind, a thread for instance, may say so after the end."""
        if task.cause is None and not self.ended.is_set():
            self._recorder.progress(task.node_id, task.iteration, percent, message, attempt=task.attempt)

    def _expression_scope(self, task: NodeTask) -> Scope:
        return self._schedule.scope_of(task.node_id, task.region)

    # What the schedule asks for

    def _enqueue(self, due: Sequence[Due]) -> None:
        self._schedule.enqueue(due)

    def _fail(self, *, error: str, code: str, node_id: str | None, cause: str) -> None:
        """Something failed the run; the first cause of an ending wins."""
        if self.status in _HALTING or self.status in ENDED:
            return
        self._fault = {"error": error, "code": code, "node_id": node_id}
        self._halting(Trigger.FAIL, cause)

    # The actor's loop

    async def _supervise(self, past: Past | None) -> None:  # noqa: ASYNC910  ditto
        try:
            try:
                await self._live(past)
            finally:
                with trio.CancelScope(shield=True):
                    await self._driver.close()
            if self.leaving:
                await self.durable()
            elif not self._scope.cancel_called:
                await self._end()
        except* Exception as bugs:  # noqa: BLE001  told as `internal_error`
            # Ctrl-C in a node, and being cut off, are no bugs: they go on to whoever runs the program.
            await self._crashed(bugs.exceptions[0] if len(bugs.exceptions) == 1 else bugs)

    async def _live(self, past: Past | None) -> None:  # noqa: ASYNC910  ditto
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                if past is None or past.view.status is RunStatus.PENDING:
                    self._begin()
                else:
                    self._go_on(past)
                await self._serve(nursery)
            except BaseException as error:
                # Nobody serves the mailbox any more: who waits in a section for an answer has its grace, no more.
                self._cancel("internal_error" if isinstance(error, Exception) else "shutdown")
                raise
            nursery.cancel_scope.cancel()

    def _begin(self) -> None:
        plan, workflow = self.plan, self.view.workflow
        self._started_at = self._wall()
        self._move(Trigger.START)
        self._recorder.event(RunStarted, total_nodes=workflow.total_nodes, warnings=tuple(plan.warnings))
        self._recorder.log(
            "info", f"run {plan.run_id} started: {workflow.total_nodes} nodes" + (", dry run" * plan.config.dry_run)
        )
        if plan.config.seed is None:
            self._recorder.log("info", f"random seed {plan.seed}; give it as config.seed to have the same run again")
        for name, value in plan.config.variables.items():
            self._recorder.note(f"{VAR}{name}", plan.secrets.blot_json(value))
        if plan.config.breakpoints:
            self._note_breakpoints(plan.config.breakpoints)
        for node_id in (name for name in workflow.nodes if name in workflow.unreachable):
            self._recorder.node(node_id, (), NodeStatus.SKIPPED, reason="unreachable")
        self._set_deadline()
        # What was said before there was a first event is applied right after it, before any node.
        for ask in self._pending_commands():
            self._steering.obey(ask, was=RunStatus.PENDING if self.status is RunStatus.RUNNING else self.status)
        if self.status not in _HALTING:
            self._schedule.enqueue(self.view.begin())
        self._recorder.flush()
        self.begun.set()

    def _go_on(self, past: Past) -> None:
        """Where another process left it."""
        view = self.view
        self._clock.start_at(past.elapsed)
        self._started_at = view.started_at or past.at
        self._cause, self._fault = past.cause, past.fault
        self._steering.restore(view.notes)
        if self.plan.config.breakpoints and BREAKPOINTS not in view.notes:
            # It began in an earlier version, which did not note them.
            self._note_breakpoints(self.plan.config.breakpoints)
        self._recorder.log("info", f"run {self.plan.run_id} goes on after a restart; it was {self.status}")
        again = restore(
            past, self.plan.steps, schedule=self._schedule, recorder=self._recorder, questions=self._questions
        )
        if again:
            more = f" and {len(again) - NAMED_NODES} more" if len(again) > NAMED_NODES else ""
            self._recorder.log("info", f"what was running runs again: {', '.join(again[:NAMED_NODES])}{more}")
        if self.status in _HALTING:
            self._schedule.halt()
        else:
            self._set_deadline()
            self._schedule.settle()
        if self.status is RunStatus.PAUSED:
            self._clock.stop()
        self._stepping = STEPPING in view.notes
        self._recorder.flush()
        self.begun.set()

    def _set_deadline(self) -> None:
        if (limit := self.plan.config.timeout) is not None:
            self._timers.at(limit, lambda: self._timed_out(limit))

    async def _serve(self, nursery: trio.Nursery) -> None:
        """Until the run is over: messages, timers, starts, one batch to the journal; again."""
        while True:
            self._take_all()
            if self._goes_on and not self._generations.ready and not self._schedule.idle:
                await self._generations.open(nursery)
            more = self._advance()
            self._recorder.flush()
            if self._over():
                return  # noqa: ASYNC910  a generation has been awaited, or nothing had to run
            if more:
                await trio.lowlevel.checkpoint()
            else:
                await self._wait()

    def _take_all(self) -> None:
        """Take the messages that are there, for about `STEP`, and what the timers have."""
        until, count = math.inf, 0
        while self.mailbox.waiting:
            self._take(self.mailbox.receive_nowait())
            count += 1
            if count % 16 == 0:
                # A clock costs as much as some messages, so it is not asked for a few.
                now = trio.current_time()
                if now > until:
                    break
                until = min(until, now + STEP)
        if self._timers and self.status is not RunStatus.PAUSED:
            # What had become due when it came to rest comes with the resume.
            self._timers.run_due(self._clock.now() + TICK)
        if self._nagging:
            self._nagging.run_due()

    def _advance(self) -> bool:
        """Start nodes, for about `STEP`. Returns whether there is more to do at once."""
        if self.status in _HALTING:
            self._close_if_quiet()
            return False
        if self.leaving:
            return self.mailbox.waiting
        self._schedule.settle()
        self._rest_if_quiet()
        more = False
        if self.status is RunStatus.RUNNING and self._generations.ready and not self._congested():
            if self._stepping:
                self._step()
            else:
                more = self._schedule.start_ready()
        self._close_if_quiet()
        # A run that is paused, or about to be, turns no loop.
        return more or self.mailbox.waiting or (self.status is RunStatus.RUNNING and self._schedule.unsettled)

    @property
    def _goes_on(self) -> bool:
        """Nodes may be started."""
        return self.status is RunStatus.RUNNING and not self.leaving

    async def _wait(self) -> None:
        if not self._timers and not self._nagging:
            self._take(await self.mailbox.receive())
            return
        deadline = min(self._clock.trio_time(self._timers.next_due()), self._nagging.next_due())
        with trio.move_on_at(deadline):
            self._take(await self.mailbox.receive())

    def _take(self, message: object) -> None:
        match message:
            case Outcome():
                self._outcome(message)
            case Ask():
                self._steering.obey(message, was=self.status)
            case Noted():
                self._noted(message)
            case LogLine():
                task = message.task
                self._recorder.log(
                    message.level,
                    message.message,
                    node_id=task.node_id,
                    iteration=task.iteration,
                    context=message.context,
                )
            case Left():
                self._left(message)
            case Strayed():
                self._recorder.log("warn", f"left behind by a node, and cancelled: {message.tasks}")
            case Asked():
                # One that was told to leave asks nobody any more, unless it is in a section that a pause waits for.
                task = message.task
                if task.cause is None or (task.cause == "pause" and task.in_atomic):
                    self._questions.ask(message)
            case Unasked():
                self._questions.withdraw(message.task, message.key)
            case _Halt():
                self._halting_once(message.cause)
            case _Order():
                self._ordered(message.control)
            case _Leave():
                self._leave()
            case _Warning():
                self._recorder.log("warn", message.message, node_id=message.node_id)
            case Rested() | _Wake():
                pass
            case _:
                raise AssertionError(f"no such message: {message!r}")

    def _over(self) -> bool:
        """Nothing runs and nothing will."""
        if self._generations:
            return False
        if self.leaving:
            return True
        return not self.children and (self.status in _HALTING or (self.status in _ALIVE and self._schedule.idle))

    # Generations

    def _left(self, left: Left) -> None:
        self._generations.left(left.generation)
        if left.error is not None:
            error = self.plan.secrets.blot(
                f"a node left something behind: {describe(left.error).partition(chr(10))[0]}"
            )
            self._fail(error=error, code="left_behind", node_id=None, cause="left_behind")
        self._rest_if_quiet()

    def _rest_if_quiet(self) -> None:
        """Nothing is in flight any more, or nothing was yet: a pause can follow a resume in the same step."""
        if self.leaving or self._generations:
            return
        if self.status is RunStatus.PAUSING and not self._schedule.idle and self.children.paused:
            if self._stepped and self._schedule.holds(self._stepped):
                return
            self._stepped.clear()
            self._move(Trigger.QUIET)
            self._clock.stop()
            view = self.view
            self._recorder.event(RunChanged, status=self.status, reason=view.reason, node_id=view.paused_at)

    def _close_if_quiet(self) -> None:
        """Let the current generation end when there is nothing left for it to do."""
        in_flight = self._schedule.in_flight
        if self.status is RunStatus.PAUSING and self._drain:
            if self._generations.ready and all(map(self._may_be_cut, in_flight.values())):
                self._cancel("pause")
        elif not in_flight and (self.status is not RunStatus.RUNNING or self._schedule.idle):
            self._generations.close()

    def _may_be_cut(self, task: NodeTask) -> bool:
        """A drain does not wait for a node that rests, unless it was stepped to and will wake by itself."""
        if not (task.resting and task.step.interruptible):
            return False
        return (task.node_id, task.iteration) not in self._stepped or self._questions.asked_by(task)

    def _cancel(self, cause: str) -> None:
        """Cancel every generation; a pause leaves alone what it may not cut."""
        now = trio.current_time()
        pause = cause == "pause"
        for task in self.tasks:
            if pause and not task.step.interruptible:
                continue
            task.cancelling(cause, now=now)
            if task.scope is not None:
                task.scope.shield = False
        self._generations.cancel()

    # Commands

    def _pending_commands(self) -> list[Ask[Any, Any]]:
        """What came before the first node or after the last one: commands, and wake-ups that mean nothing then."""
        asks: list[Ask[Any, Any]] = []
        while True:
            try:
                message = self.mailbox.receive_nowait()
            except trio.WouldBlock:
                return asks
            if isinstance(message, Ask):
                asks.append(message)
            elif isinstance(message, _Halt):
                self._halting_once(message.cause)
            elif isinstance(message, _Order):
                self._ordered(message.control)
            elif isinstance(message, _Leave):
                self._leave()

    def pause_early(self) -> None:
        """Before the first node: there is nothing to wait for."""
        self._move(Trigger.PAUSE)
        self._recorder.event(RunChanged, status=self.status, in_flight=())
        self._move(Trigger.QUIET)
        self._clock.stop()
        self._recorder.event(RunChanged, status=self.status)

    def pause(self, mode: str | None) -> None:
        """Nothing new starts; `now` cuts what may be cut, `drain` waits for it; None: what the run's config says."""
        self.walk_on()
        self._stepped.clear()
        self._pause(drain=(mode or self.plan.config.pause_mode) == "drain")

    def _pause(self, *, drain: bool, **why: str | None) -> None:
        self._move(Trigger.PAUSE)
        self._drain = drain
        self._recorder.event(RunChanged, status=self.status, in_flight=tuple(self.in_flight), **why)
        self.children.pause("drain" if drain else "now")
        if not drain:
            self._cancel("pause")
        self._nagging.pausing(self)

    def resume(self, *, step: bool) -> None:
        """Go on; `step`: with one node, then pause again."""
        self._move(Trigger.RESUME)
        self._clock.go()
        self._drain = False
        self._recorder.event(RunChanged, status=self.status, reason="step" if step else None)
        if step:
            self._stepping = True
            self._recorder.note(STEPPING, True)
        else:
            self.children.resume()
        self._questions.hand_over()

    def walk_on(self) -> None:
        """A step that waits for its node is none any more."""
        if self._stepping:
            self._stepping = False
            self._recorder.note(STEPPING, None)

    def _step(self) -> None:
        """Start the one node of a step, if one is ready, and drain."""
        key = self._schedule.start_one()
        if key is not None:
            self.walk_on()
            self._stepped.add(key)
            self._pause(drain=True, reason="step", node_id=key[0])
            for child in self.children.unfinished:
                if self._steps_over(child.plan.run_id):
                    child.order(Control(action="resume"))

    def _steps_over(self, run_id: str) -> bool:
        """Whether a child was started by a node that was stepped to: it is part of the step."""
        begins = tuple(f"{CHILD}{instance_key(*key)}/" for key in self._stepped)
        return any(key.startswith(begins) and note["run_id"] == run_id for key, note in self.view.notes.items())

    def _at_breakpoint(self, node_id: str) -> None:
        """The schedule stops before a node."""
        self._pause(drain=True, reason="breakpoint", node_id=node_id)

    def stop_before(self, node_ids: Collection[str]) -> None:
        """Have these breakpoints from now on, and no others. What waits at one goes on waiting for a resume."""
        if held := self._note_breakpoints(node_ids):
            more = f" and {len(held) - NAMED_NODES} more" * (len(held) > NAMED_NODES)
            said = f"breakpoints: {', '.join(held[:NAMED_NODES])}{more}"
        else:
            said = "no breakpoints"
        self._recorder.log("info", said, context={BREAKPOINTS: held})

    def _note_breakpoints(self, node_ids: Collection[str]) -> Sequence[str]:
        """Those that nodes have, in the order of the graph."""
        held = list(self.view.in_order(node_ids))
        self._recorder.note(BREAKPOINTS, held)
        return held

    def stop(self) -> None:
        """End it."""
        self._halting_once("stop")

    def force(self) -> None:
        """Of a run that ends: drop the grace of sections."""
        if self.status in _HALTING:
            for task in self.tasks:
                task.cut()
            self.children.force()

    @property
    def held(self) -> bool:
        """The run around it was paused, and nothing inside it goes on before that does."""
        return _HELD in self.view.notes

    def _ordered(self, control: Control) -> None:
        """The run around this one was told so. What somebody has paused by hand before stays paused afterwards."""
        was, held = self.status, self.view.notes.get(_HELD)
        if control.action == "resume":
            if held is None:
                return
            self._recorder.note(_HELD, None)
            if held == _BY_HAND:
                return
        self._steering.obey(Ask(control, _unheard, _unheard), was=was)
        if control.action == "pause" and held is None and self.status in _RESTING:
            self._recorder.note(_HELD, _BY_HAND if was in _RESTING else True)

    def _halting_once(self, cause: str) -> None:
        if self.status not in _HALTING and self.status not in ENDED:
            self._halting(Trigger.STOP, cause)

    def _halting(self, trigger: Trigger, cause: str) -> None:
        """Stop or fail: nothing new starts, what runs is cancelled, the rest of the story is the generations' end."""
        self._move(trigger)
        self._cause = cause
        self._clock.go()
        self._recorder.event(RunChanged, status=self.status, cancelled_by=cause, **self._fault)
        if trigger is Trigger.STOP:
            self._recorder.log("info", "stopping" if cause == "stop" else f"stopping ({cause})")
        self._schedule.halt()
        self._cancel(cause)
        self.children.stop_all()
        self._nagging.halting(self)

    def _leave(self) -> None:
        """Nothing new starts, what runs is cancelled; a run that is about to end does so."""
        if self.status in _HALTING or self.status in ENDED:
            return
        self.leaving = True
        self._cancel("shutdown")
        self._nagging.halting(self)

    def _timed_out(self, limit: float) -> None:
        self._fail(error=f"the run took longer than {limit:g} s", code="timeout", node_id=None, cause="timeout")

    # Reports

    def _outcome(self, outcome: Outcome) -> None:
        self._questions.withdraw(outcome.task)
        self._schedule.outcome(outcome, halting=self.status in _HALTING)
        if self.status in _HALTING:
            self._close_if_quiet()
        else:
            self._schedule.settle()

    def _noted(self, message: Noted) -> None:
        if not message.key.startswith(VAR) and message.key != DRIVER_NOTE:
            self._schedule.noted(message.task, message.key)
        self._recorder.note(message.key, message.value)
        if message.written is not None:
            message.written(self._recorder.written())

    # State

    def _move(self, trigger: Trigger) -> None:
        self.status = advance(self.status, trigger)
        if self.on_move is not None:
            self.on_move()

    def _congested(self) -> bool:
        """Whether too much is on its way to the journal; if so, a wake-up comes when there is room."""
        ticket = self._recorder.congestion()
        if ticket is None or self._nursery is None:
            return False
        if not self._waking:
            self._waking = True
            self._nursery.start_soon(self._wake_after, ticket)
        return True

    async def _wake_after(self, ticket: Ticket) -> None:
        await ticket
        self._waking = False
        self.mailbox.report(_Wake())

    # The ending

    async def _end(self) -> None:
        """Write the one ending, wait until it is durable, answer whoever asked meanwhile."""
        if self.status in _HALTING:
            self._schedule.halted()
        trigger = Trigger.HALTED if self.status in _HALTING else Trigger.FINISH
        final = advance(self.status, trigger)
        error = self._fault.get("error")
        match final:
            case RunStatus.COMPLETED:
                message = "completed"
            case RunStatus.STOPPED:
                message = "stopped" if self._cause == "stop" else f"stopped ({self._cause})"
            case _:
                message = f"failed: {error}"
        self._recorder.log("error" if final is RunStatus.FAILED else "info", message)
        self._decided = True
        await self._recorder.end(
            RunEnded,
            close=final,
            status=final,
            message=message,
            summary=self._summary(final),
            results=self.view.outputs() if final is RunStatus.COMPLETED else None,
            **(self._fault if final is RunStatus.FAILED else {}),
        )
        self._move(trigger)
        for ask in self._pending_commands():
            self._steering.obey(ask, was=self.status)

    def _summary(self, status: RunStatus) -> Summary:
        tally = self.view.counts()
        began = tally[NodeStatus.SUCCESS] + tally[NodeStatus.ERROR] + tally[NodeStatus.SKIPPED]
        return Summary(
            status=status,
            duration=self._clock.now(),
            total_nodes=self.view.total,
            succeeded=tally[NodeStatus.SUCCESS],
            failed=tally[NodeStatus.ERROR],
            skipped=tally[NodeStatus.SKIPPED],
            not_begun=self.view.total - began,
            started_at=self._started_at,
            ended_at=self._wall(),
            cancelled_by=self._cause,
            abandoned=tuple(self.abandoned) or None,
            **self._fault,
        )

    async def _crashed(self, error: BaseException) -> None:  # noqa: ASYNC910  as the journal does
        """A bug of the runtime: this run fails with `internal_error`, nobody else notices."""
        if isinstance(error, Fenced):
            # Whoever has it now tells its ending.
            _logger.warning("run %s is executed elsewhere now: %s", self.plan.run_id, error)
            return  # noqa: ASYNC910  nothing is left to do here
        _logger.error("run %s: a bug of the runtime", self.plan.run_id, exc_info=error)
        if self._decided or self.status in ENDED:
            return  # noqa: ASYNC910  it is told already
        self._decided = True
        self._fault = {
            "error": self.plan.secrets.blot(f"a bug of callboard: {type(error).__name__}: {error}"),
            "code": "internal_error",
            "node_id": None,
        }
        if self.status not in _HALTING:
            if self.status is RunStatus.PENDING:
                self._move(Trigger.START)
            self._move(Trigger.FAIL)
            self._cause = "internal_error"
            self._recorder.event(RunChanged, status=self.status, cancelled_by=self._cause, **self._fault)
        for step in (self._schedule.abort, self.children.end, self._end):
            try:
                if (rest := step()) is not None:
                    await rest
            except Exception:  # a second bug must not keep the first from being told
                _logger.exception("run %s: its ending could not be written", self.plan.run_id)


_HALTING: Final = frozenset({RunStatus.STOPPING, RunStatus.FAILING})
_ALIVE: Final = frozenset({RunStatus.RUNNING, RunStatus.PAUSING})
_RESTING: Final = frozenset({RunStatus.PAUSING, RunStatus.PAUSED})
_CHILDREN: Final = "children"
"""The note that counts the runs that were started inside this one."""
_HELD: Final = "held"
"""The note of a run whose parent was paused: it goes on with that, and not before."""
_BY_HAND: Final = "by hand"
"""Its value if the run had been paused already: then it does not go on with its parent."""


def _unheard(answer: object) -> None:
    """Nobody waits for it."""
