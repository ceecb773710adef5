"""What a run does next: which node instances start, and what their outcomes mean.

Theory of operation: a `Schedule` is the synchronous half of the run actor; it has no task, awaits nothing and is only
called from the actor's own step. The `View` says which instances became due; the schedule decides what that means
(start, skip, wait for a slot), keeps what is in flight, in its waitTime or waiting for a retry, and turns loop nodes.
Everything it decides it says as events through the recorder, and only then does the view know of it – so the journal
can replay it. Nothing here is recursive: what an event makes due is put into a queue that `settle` works off.

An instance is in exactly one place: `_ready` (to be started), `in_flight` (its task runs), `_held` (its outcome is
noted, its waitTime runs), `_retries` (the delay before the next attempt runs), `_loops` (a loop node; its body runs).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import attrs
import trio

from actors.children import CHILD
from actors.context import Fired
from actors.errors import ActorsError, NodeError
from actors.loops import Loops, seeded, timed_out
from actors.node import IN_DOUBT, NodeTask, Port, Step, StepTable
from actors.recorder import Recorder
from actors.reports import Outcome, describe
from actors.timers import RunClock, Timer, Timers
from protocol.ancestry import Ancestry
from protocol.errors import ProtocolError
from protocol.graph import ERROR
from protocol.messages import Iteration, Json, NodeChanged
from protocol.states import NODE_ENDED, NodeStatus
from protocol.view import DONE, Due, Region, View, instance_key

__all__ = ["RETRY", "Schedule", "passed_on"]

STEP: Final = 0.002
"""Seconds of work after which the run actor yields."""
STEP_TURNS: Final = 64
"""Turns of loops after which it yields, too."""
STEP_STARTS: Final = 256
"""Nodes started after which it yields in any case: on a virtual clock work takes no time."""

RETRY: Final = "retry"
"""Name of the note of an instance whose next attempt waits: `{"attempt": n, "at": …}`."""

BREAKPOINT: Final = "breakpoint"
"""Reason of the `pending` of a node before which the run has stopped."""

Key = tuple[str, Iteration]


class Fail(Protocol):
    """A node fails its run."""

    def __call__(self, *, error: str, code: str, node_id: str | None, cause: str) -> None: ...


@attrs.define(eq=False)
class _Ready:
    step: Step
    region: Region
    attempt: int = 1
    announced: bool = False
    """It was said that it waits for a slot."""
    in_doubt: bool = False
    """A crash came while it ran: nobody knows how far it got."""


@attrs.define(eq=False)
class _Held:
    """An outcome whose ports wait for the end of the waitTime."""

    region: Region
    fields: dict[str, Any]
    timer: Timer


class Schedule:
    """Decides what runs next. See the module's docstring.

    Args:
        view: the state of the run.
        steps: node id → what to run.
        recorder: writes what is decided; the view knows it at once.
        spawn: starts a task in the current generation.
        fail: makes the run fail.
        port: what node tasks get of the run.
        clock: of the run; retries and waitTimes are on it.
        timers: on that clock.
        slots: nodes at a time; 1 means depth first.
        inputs: input port → value of the nodes where the run begins.
        stopped: told before which node with a breakpoint it stands; the run starts no more nodes then.
        dry_run: loops take a count of 1 where theirs can not be known.
        end_child: stops a run that was started by an instance which has its end now; given the run's id.
    """

    def __init__(
        self,
        view: View,
        steps: StepTable,
        *,
        recorder: Recorder,
        spawn: Callable[[NodeTask], None],
        fail: Fail,
        port: Port,
        clock: RunClock,
        timers: Timers,
        slots: int,
        inputs: Mapping[str, Json],
        stopped: Callable[[str], None],
        dry_run: bool,
        end_child: Callable[[str], None],
    ) -> None:
        self._end_child = end_child
        self._view = view
        self._steps = steps
        self._say = recorder
        self._spawn = spawn
        self._fail = fail
        self._port = port
        self._clock = clock
        self._timers = timers
        self._slots = slots
        self._inputs = inputs
        self._stopped = stopped
        self._dry_run = dry_run
        self._ancestry = Ancestry(view.workflow)
        self._due: deque[Due] = deque()
        self._ready: deque[_Ready] = deque()
        self._held: dict[Key, _Held] = {}
        self._retries: dict[Key, tuple[_Ready, Timer]] = {}
        self._turned: deque[Region] = deque()
        self._cut: dict[Region, str] = {}
        self._began: dict[Key, float] = {}
        self._noted: dict[Key, set[str]] = {}
        """Instance → keys of the notes that it wrote for the case that it runs again."""
        self._loops = Loops(
            view, schedule=self, recorder=recorder, clock=clock, timers=timers, port=port, dry_run=dry_run
        )
        self.in_flight: dict[Key, NodeTask] = {}
        """Instances whose task has not reported."""

    @property
    def idle(self) -> bool:
        """Nothing is left to do, now or later."""
        return not (
            self.in_flight or self._ready or self._held or self._retries or self._loops or self._due or self._turned
        )

    @property
    def unsettled(self) -> bool:
        """`settle` has left something to do."""
        return bool(self._turned)

    def enqueue(self, due: Iterable[Due]) -> None:
        """What became due; `settle` looks at it."""
        self._due.extend(due)

    def resolved(self, region: Region) -> None:
        """A member of `region` got its end status."""
        if region.loop is not None and region.unresolved == 0:
            self._turned.append(region)

    def noted(self, task: NodeTask, key: str) -> None:
        """A node wrote a note; it is deleted when the instance has its end status."""
        self._noted.setdefault((task.node_id, task.iteration), set()).add(key)

    def restore(self, step: Step, region: Region, *, began: float, noted: Iterable[str]) -> None:
        """An instance began in another process.

        Args:
            step: its node.
            region: where it lives.
            began: on the run's clock.
            noted: the keys of its notes.
        """
        key = (step.node.id, region.iteration)
        self._began[key] = began
        self._noted[key] = set(noted)

    def again(self, step: Step, region: Region, *, attempt: int, in_doubt: bool = False) -> None:
        """An instance that was cut runs again.

        Args:
            step: its node.
            region: where it lives.
            attempt: the number of the attempt that was cut.
            in_doubt: a crash cut it.
        """
        self._ready.append(_Ready(step, region, attempt, in_doubt=in_doubt))

    def crashed(self, step: Step, region: Region, *, attempt: int, times: int) -> None:
        """A crash interrupted an instance once too often: it is no accident, and not tried again."""
        error = NodeError(f"the server crashed {times} times while it ran", code="crashed")
        self._error(step, region, error, attempt=attempt, halting=False)

    def turns(self, node_id: str) -> bool:
        """Whether a loop node has a body."""
        return node_id in self._view.workflow.bodies

    def turning(self, step: Step, region: Region, *, attempt: int) -> None:
        """A loop node was in a turn in another process: it goes on with it."""
        self._loops.restore(step, region, attempt=attempt, began=self._began[step.node.id, region.iteration])
        inner = self._view.turn(step.node.id, region.iteration)
        if inner is None:
            return
        for node_id in self._view.workflow.bodies[step.node.id]:
            # What a `break` had begun when the crash came.
            event = inner.nodes.get(node_id)
            if event is not None and event.status is NodeStatus.SUCCESS and self._breaks(self._steps[node_id], inner):
                self._cut.setdefault(inner, self._steps[node_id].node.kind)

    def settle(self) -> None:
        """Skip what is dead, turn loops whose turn is over, and queue what can start; until nothing is due.

        A loop with nothing in it turns by itself, so after `STEP_TURNS` this leaves the rest to the next call.
        """
        turns = 0
        while self._due or (self._turned and turns < STEP_TURNS):
            batch: list[_Ready] = []
            while self._due:
                node_id, region, taken = self._due.popleft()
                if region in self._cut:
                    self.skip(node_id, region, "break")
                elif not taken:
                    self.skip(node_id, region, "branch")
                else:
                    batch.append(_Ready(self._steps[node_id], region))
            if self._slots == 1:
                # One at a time means depth first: what just became ready comes before what waits already.
                self._ready.extendleft(reversed(batch))
            else:
                self._ready.extend(batch)
            if self._turned:
                turns += 1
                region = self._turned.popleft()
                self._loops.turn_over(region, self._cut.pop(region, None))

    def start_ready(self) -> bool:
        """Start what can start, for at most `STEP` seconds. Returns whether it wants to go on."""
        until = trio.current_time() + STEP if self._ready else 0.0
        count = 0
        while self._ready:
            busy = len(self.in_flight) + len(self._held) + len(self._retries)
            if busy >= self._slots:
                self._announce()
                return False
            ready = self._ready.popleft()
            if self._view.breakpoints and self._stops(ready):
                self._ready.appendleft(ready)
                self._say.node(ready.step.node.id, ready.region.iteration, NodeStatus.PENDING, reason=BREAKPOINT)
                self._stopped(ready.step.node.id)
                return False
            if not self._ended(ready.step.node.id, ready.region):
                self._start(ready)
                self.settle()
            count += 1
            if count >= STEP_STARTS or (count % 16 == 0 and trio.current_time() > until):
                return bool(self._ready)
        return False

    def start_one(self) -> Key | None:
        """Start the first node that is ready, in the order of the graph; None: there is none, or no slot for it.

        A breakpoint does not stop it, and a disabled node is passed.
        """
        order = {node_id: place for place, node_id in enumerate(self._view.workflow.nodes)}
        while self._ready and len(self.in_flight) + len(self._held) + len(self._retries) < self._slots:
            ready = min(self._ready, key=lambda ready: order[ready.step.node.id])
            self._ready.remove(ready)
            node = ready.step.node
            if not self._ended(node.id, ready.region):
                self._start(ready)
                self.settle()
                if not node.settings.disabled:
                    return node.id, ready.region.iteration
        return None

    def holds(self, keys: Iterable[Key]) -> bool:
        """Whether one of these instances is in its waitTime."""
        return any(key in self._held for key in keys)

    def outcome(self, outcome: Outcome, *, halting: bool) -> None:
        """A node's task has reported.

        Args:
            outcome: its report.
            halting: the run is stopping or failing: nothing follows any more.
        """
        task = outcome.task
        step, region = task.step, task.region
        del self.in_flight[task.node_id, task.iteration]
        returned = outcome.error is None and not outcome.interrupted
        if returned and (halting or region in self._cut):
            # It is taken at its word, and nothing follows.
            fields = self._success(step, outcome.value) | _UNFIRED
            self._finish(step, region, NodeStatus.SUCCESS, attempt=task.attempt, **fields)
        elif returned:
            self.succeeded(step, region, outcome.value, attempt=task.attempt)
        elif region in self._cut:
            self.skip(task.node_id, region, "break")
        elif outcome.cause == "timeout":
            # A node that gave up by itself a moment before knows more about it.
            error = outcome.error if getattr(outcome.error, "code", None) == "timeout" else None
            self.failed(step, region, error or timed_out(step), attempt=task.attempt, halting=halting)
        elif outcome.cause is not None or outcome.error is None:
            self._interrupted(outcome, halting=halting)
        else:
            self.failed(step, region, outcome.error, attempt=task.attempt, halting=halting)

    def halt(self) -> None:
        """The run stops or fails: what is only waiting gets its end status now, what is in flight when it reports."""
        for (node_id, _), held in list(self._held.items()):
            held.timer.fire = None
            self._finish(self._steps[node_id], held.region, NodeStatus.SUCCESS, **held.fields | _UNFIRED)
        self._held.clear()
        for (node_id, _), (ready, timer) in list(self._retries.items()):
            timer.fire = None
            self.skip(node_id, ready.region, "cancelled")
        self._retries.clear()
        for ready in self._ready:
            if (ready.step.node.id, ready.region.iteration) in self._began:
                self.skip(ready.step.node.id, ready.region, "cancelled")
        self._ready.clear()
        self._loops.halt()
        self._due.clear()
        self._turned.clear()

    def halted(self) -> None:
        """Nothing is in flight any more: the loop nodes end, inner ones first."""
        for node_id, region in self._loops.abandon():
            self.skip(node_id, region, "cancelled")
        self._due.clear()
        self._turned.clear()

    def abort(self) -> None:
        """A bug of the runtime: every instance that began gets an end status, whatever else was meant for it."""
        self.in_flight.clear()
        self.halt()
        for key in [key for key in self._began if key not in self._loops]:
            if (region := self._view.region(*key)) is not None:
                self.skip(key[0], region, "cancelled")

    def close(self) -> None:
        """It decides nothing any more, and lets go of what refers to it."""
        del self._loops

    def scope_of(self, node_id: str, region: Region) -> Callable[[str], Json]:
        """What an expression of a node may name: see `actors.expressions.NAMES`."""
        view = self._view

        def look_up(name: str) -> Json:
            match name:
                case "inputs":
                    return self._inputs_of(node_id, region)
                case "vars":
                    return view.variables
                case "item" if region.loop is not None:
                    return region.item
                case "index" if region.loop is not None:
                    return region.turn
                case "secrets":
                    return self._port.secrets
                case "run":
                    return {"id": view.run_id, "workflow_id": view.workflow_id}
                case "nodes":
                    return _Nodes(view, self._ancestry, node_id, region.iteration)
                case _:
                    raise KeyError(name)

        return look_up

    # Starting

    def _stops(self, ready: _Ready) -> bool:
        """Whether the run stops before an instance: once, before its first attempt."""
        node = ready.step.node
        return (
            node.id in self._view.breakpoints
            and not node.settings.disabled
            and (node.id, ready.region.iteration) not in self._began
            and not self._ended(node.id, ready.region)
            and not self._stopped_at(ready)
        )

    def _stopped_at(self, ready: _Ready) -> bool:
        event: NodeChanged | None = ready.region.nodes.get(ready.step.node.id)
        return event is not None and event.reason == BREAKPOINT

    def _start(self, ready: _Ready) -> None:
        step, region = ready.step, ready.region
        node = step.node
        if node.settings.disabled:
            inputs = self._inputs_of(node.id, region)
            if node.id in self._view.workflow.bodies:
                self.skip_body(node.id, region, "disabled")
                fired: tuple[str, ...] = (DONE,)
            else:
                fired = step.fires
            self._finish(step, region, NodeStatus.SKIPPED, reason="disabled", result=passed_on(inputs), fired=fired)
            return
        key = (node.id, region.iteration)
        self._began.setdefault(key, self._clock.now())
        self._say.node(node.id, region.iteration, NodeStatus.RUNNING, attempt=ready.attempt)
        if node.kind == "loop" and node.id in self._view.workflow.bodies:
            self._loops.begin(step, region, attempt=ready.attempt)
            return
        inputs = self._inputs_of(node.id, region)
        task = NodeTask(step, region, port=self._port, inputs=inputs, attempt=ready.attempt, in_doubt=ready.in_doubt)
        self.in_flight[key] = task
        self._spawn(task)

    def _announce(self) -> None:
        """Say of everything that is ready but must wait for a slot that it does; of each once."""
        for ready in self._ready:
            if ready.announced or (ready.step.node.id, ready.region.iteration) in self._began:
                continue
            ready.announced = True
            if not self._stopped_at(ready):
                self._say.node(ready.step.node.id, ready.region.iteration, NodeStatus.PENDING, reason="concurrency")

    def _inputs_of(self, node_id: str, region: Region) -> dict[str, Json]:
        inputs = self._view.inputs(node_id, region)
        if region.loop is None and not inputs and node_id in self._view.workflow.starts:
            return dict(self._inputs)
        return inputs

    # What outcomes mean

    def _success(self, step: Step, value: object) -> dict[str, Any]:
        if isinstance(value, Fired):
            return {"result": value.result, "fired": tuple(value.ports), "values": value.ports}
        return {"result": value, "fired": () if step.control else step.fires}

    def succeeded(self, step: Step, region: Region, value: object, *, attempt: int) -> None:
        """The work is done: the outcome is noted at once, the ports are held for the waitTime."""
        fields = self._success(step, value) | {"attempt": attempt}
        wait = 0.0 if self._dry_run else step.wait_time
        if wait <= 0:
            self._finish(step, region, NodeStatus.SUCCESS, **fields)
            self._control(step, region)
            return
        now = self._clock.now()
        fields["duration"] = now - self._began[step.node.id, region.iteration]
        until = now + wait
        outcome = {name: value for name, value in fields.items() if value is not None}
        self.note(step, region, "outcome", {"fields": outcome, "until": until})
        self.hold(step, region, fields, until=until)

    def hold(self, step: Step, region: Region, fields: dict[str, Any], *, until: float) -> None:
        """The outcome is known; its ports wait for the end of the waitTime, on the run's clock."""
        key = (step.node.id, region.iteration)

        def ended() -> None:
            del self._held[key]
            self._finish(step, region, NodeStatus.SUCCESS, **fields)
            self._control(step, region)
            self.settle()

        self._held[key] = _Held(region, fields, self._timers.at(until, ended))

    def _interrupted(self, outcome: Outcome, *, halting: bool) -> None:
        task = outcome.task
        if outcome.error is not None:
            self._say.log(
                "warn",
                f"{task.node_id!r} was cancelled ({outcome.cause}) and raised {self._describe(outcome.error)}",
                node_id=task.node_id,
                iteration=task.iteration,
            )
        if halting:
            self.skip(task.node_id, task.region, "cancelled")
            return
        if outcome.cause == "shutdown":
            # The next process goes on with it; that it was cut in good order makes it no victim of a crash.
            self.note(task.step, task.region, "interrupted", value=True)
            return
        reason = "paused" if outcome.cause == "pause" else "interrupted"
        self._say.node(task.node_id, task.iteration, NodeStatus.PENDING, attempt=task.attempt, reason=reason)
        self._ready.appendleft(_Ready(task.step, task.region, task.attempt))

    def failed(self, step: Step, region: Region, error: BaseException, *, attempt: int, halting: bool = False) -> None:
        """An attempt failed: the next one comes after a delay on the run's clock, or it was the last."""
        node = step.node
        retry = node.settings.retry
        if attempt >= retry.max_attempts or getattr(error, "code", None) == IN_DOUBT:
            self._error(step, region, error, attempt=attempt, halting=halting)
            return
        if halting:
            self.skip(node.id, region, "cancelled")
            return
        delay = min(retry.max_delay, retry.delay * retry.backoff ** min(attempt - 1, 64))
        if retry.jitter:
            delay *= 0.5 + seeded(self._port.seed, node.id, region.iteration, attempt).random() / 2
        self._say.log(
            "warn",
            f"{node.id!r} failed (attempt {attempt} of {retry.max_attempts}): {self._describe(error)}; "
            f"again in {delay:.3g} s",
            node_id=node.id,
            iteration=region.iteration,
        )
        self._let_go(self._noted.get((node.id, region.iteration), ()))
        at = self._clock.now() + delay
        self.note(step, region, RETRY, {"attempt": attempt + 1, "at": at})
        self.retry(step, region, attempt=attempt + 1, at=at)

    def retry(self, step: Step, region: Region, *, attempt: int, at: float) -> None:
        """The next attempt is due at a time on the run's clock."""
        key = (step.node.id, region.iteration)
        ready = _Ready(step, region, attempt)

        def again() -> None:
            del self._retries[key]
            self._ready.appendleft(ready)

        self._retries[key] = (ready, self._timers.at(at, again))

    def _error(self, step: Step, region: Region, error: BaseException, *, attempt: int, halting: bool) -> None:
        """The last attempt failed: through its error port, or past it, or the run fails."""
        message, kind = self._describe(error), type(error).__name__
        # Other packages have a `code` as well, and mean something else by it.
        code = error.code if isinstance(error, ActorsError | ProtocolError) else NodeError.code
        if self._port.secrets:
            code = self._port.secrets.blot(str(code))
        said: dict[str, Any] = {"error": message, "code": code, "attempt": attempt}
        value = {"message": message, "type": kind, "attempts": attempt}
        if halting:
            said |= _UNFIRED
        elif step.has_error_edge:
            said |= {"fired": (ERROR,), "values": {ERROR: value}}
        elif step.node.settings.on_error == "continue":
            ports = () if step.control or step.node.id in self._view.workflow.bodies else step.fires
            said |= {"fired": ports, "values": {port: {"error": value} for port in ports}}
        else:
            self._finish(step, region, NodeStatus.ERROR, **said)
            self._fail(error=message, code=code, node_id=step.node.id, cause=f"sibling_failed:{step.node.id}")
            return
        self._finish(step, region, NodeStatus.ERROR, **said)

    def _describe(self, error: BaseException) -> str:
        text = describe(error)
        return self._port.secrets.blot(text) if self._port.secrets else text

    def skip(self, node_id: str, region: Region, reason: str) -> None:
        """An instance will not run, or was cut; one that has ended already stays as it is."""
        if self._ended(node_id, region):
            return
        if node_id in self._view.workflow.bodies and (node_id, region.iteration) not in self._began:
            self.skip_body(node_id, region, reason)
        self._finish(self._steps[node_id], region, NodeStatus.SKIPPED, reason=reason)

    def note(self, step: Step, region: Region, name: str, value: Json) -> None:
        """Note something of an instance that has begun; it is deleted when the instance has its end status."""
        key = (step.node.id, region.iteration)
        note = f"{name}/{instance_key(*key)}"
        self._say.note(note, value)
        self._noted.setdefault(key, set()).add(note)

    def _finish(self, step: Step, region: Region, status: NodeStatus, **fields: Any) -> None:
        """An instance gets its end status."""
        key = (step.node.id, region.iteration)
        began = self._began.pop(key, None)
        if began is not None and status is not NodeStatus.SKIPPED:
            fields.setdefault("duration", self._clock.now() - began)
        if notes := self._noted.pop(key, None):
            self._let_go(notes)
            for note in notes:
                self._say.note(note, None)
        self._say.node(step.node.id, region.iteration, status, **fields)
        self.resolved(region)

    def _let_go(self, notes: Iterable[str]) -> None:
        """An instance, or an attempt, is over: the runs that it has started end with it."""
        for note in notes:
            if note.startswith(CHILD):
                self._end_child(self._view.notes[note]["run_id"])

    def _ended(self, node_id: str, region: Region) -> bool:
        event: NodeChanged | None = region.nodes.get(node_id)
        return event is not None and event.status in NODE_ENDED

    # Turns of loops that end early

    def _control(self, step: Step, region: Region) -> None:
        """`break` and `continue` end the turn they are in."""
        if self._breaks(step, region):
            self.cut(region, step.node.kind)

    def _breaks(self, step: Step, region: Region) -> bool:
        return not self._dry_run and step.node.kind in {"break", "continue"} and region.loop is not None

    def cut(self, region: Region, cause: str) -> None:
        """End a turn: what has not begun is skipped now, what runs is cancelled, inner turns first.

        Args:
            region: the turn.
            cause: what becomes of its loop node when the last member has an end status: `break` ends the loop,
                `continue` takes the next turn, `timeout` fails it; `outer`: the turn around it is cut as well.
        """
        self._cut[region] = cause
        now = trio.current_time()
        for node_id, inner in self._view.open_instances(region):
            if inner is not region:
                self._cut[inner] = "outer"
            key = (node_id, inner.iteration)
            if (task := self.in_flight.get(key)) is not None:
                task.cancelling("break", now=now)
                if task.scope is not None:
                    task.scope.shield = False
                    task.scope.cancel()
            elif (held := self._held.pop(key, None)) is not None:
                held.timer.fire = None
                self._finish(self._steps[node_id], inner, NodeStatus.SUCCESS, **held.fields | _UNFIRED)
            elif key not in self._loops:  # a loop node ends when its own turn is resolved
                if (retry := self._retries.pop(key, None)) is not None:
                    retry[1].fire = None
                self.skip(node_id, inner, "break")
        self.resolved(region)

    def skip_body(self, loop: str, region: Region, reason: str) -> None:
        """No turn was taken: the body's nodes, inner bodies included, are skipped where they stand."""
        bodies = self._view.workflow.bodies
        stack = [loop]
        while stack:
            for node_id in bodies[stack.pop()]:
                self._say.node(node_id, region.iteration, NodeStatus.SKIPPED, reason=reason)
                if node_id in bodies:
                    stack.append(node_id)


class _Nodes(Mapping[str, Json]):
    """`nodes` in an expression: ancestor's id → `{"result": …}`, as an instance in `iteration` sees them.

    A node beside it may have ended by chance; it is not there, so that the same graph gives the same answer.
    """

    def __init__(self, view: View, ancestry: Ancestry, node_id: str, iteration: Iteration) -> None:
        self._view = view
        self._ancestry = ancestry
        self._node_id = node_id
        self._iteration = iteration

    def __getitem__(self, node_id: str) -> Json:
        event = self._find(node_id)
        if event is None:
            raise KeyError(node_id)
        return {"result": event.result}

    def __iter__(self) -> Iterator[str]:
        return (node_id for node_id in self._view.workflow.nodes if self._find(node_id) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _find(self, node_id: str) -> NodeChanged | None:
        event = self._view.newest(node_id, self._iteration)
        if event is None or event.status not in NODE_ENDED:
            return None
        return event if self._ancestry.precedes(node_id, self._node_id) else None


def passed_on(inputs: Mapping[str, Json]) -> Json:
    """What a node passes on that does nothing: its input, or all of them by port if it has several."""
    if len(inputs) == 1:
        (value,) = inputs.values()
        return value
    return dict(inputs) or None


_UNFIRED: Final[dict[str, Any]] = {"fired": (), "values": None}
"""Of an end status after which nothing follows."""
