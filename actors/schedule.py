"""What a run does next: which node instances start, and what their outcomes mean.

Theory of operation: a `Schedule` is the synchronous half of the run actor; it has no task, awaits nothing and is only
called from the actor's own step. The `View` says which instances became due; the schedule decides what that means
(start, skip, wait for a slot), keeps what is in flight, in its waitTime or waiting for a retry, and turns loop nodes.
Everything it decides it says as events through the recorder, and only then does the view know of it – so the journal
can replay it. Nothing here is recursive: what an event makes due is put into a queue that `settle` works off.

An instance is in exactly one place: `_ready` (to be started), `in_flight` (its task runs), `_held` (its outcome is
noted, its waitTime runs), `_retries` (the delay before the next attempt runs), `_turning` (a loop node; its body runs).
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, Final, Protocol

import attrs
import trio

from actors.context import Fired
from actors.errors import NodeError
from actors.node import NodeTask, Port, Step
from actors.recorder import Recorder
from actors.reports import Outcome
from actors.simulated import ODDS
from actors.timers import RunClock, Timer, Timers
from protocol.graph import ERROR
from protocol.messages import Iteration, Json, NodeChanged
from protocol.states import NODE_ENDED, NodeStatus
from protocol.view import DONE, Due, Region, View, instance_key, loop_note

__all__ = ["Schedule", "passed_on"]

STEP: Final = 0.002
"""Seconds of work after which the run actor yields."""
STEP_STARTS: Final = 256
"""Nodes started after which it yields in any case: on a virtual clock work takes no time."""

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


@attrs.define(eq=False)
class _Held:
    """An outcome whose ports wait for the end of the waitTime."""

    region: Region
    fields: dict[str, Any]
    timer: Timer


@attrs.define(eq=False)
class _Turning:
    """A loop node instance; it holds no task."""

    step: Step
    region: Region
    """Where the loop node itself lives."""
    config: Any
    items: list[Json] | None
    turns: float
    """inf for a while."""
    turn: int = -1


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
        dry_run: loops take a count of 1 where theirs can not be known.
    """

    def __init__(
        self,
        view: View,
        steps: Mapping[str, Step],
        *,
        recorder: Recorder,
        spawn: Callable[[NodeTask], None],
        fail: Fail,
        port: Port,
        clock: RunClock,
        timers: Timers,
        slots: int,
        inputs: Mapping[str, Json],
        dry_run: bool,
    ) -> None:
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
        self._dry_run = dry_run
        self._due: deque[Due] = deque()
        self._ready: deque[_Ready] = deque()
        self._held: dict[Key, _Held] = {}
        self._retries: dict[Key, tuple[_Ready, Timer]] = {}
        self._turning: dict[Key, _Turning] = {}
        self._turned: deque[Region] = deque()
        self._cut: dict[Region, str] = {}
        self._began: dict[Key, float] = {}
        self._noted: dict[Key, set[str]] = {}
        """Instance → keys of the notes that it wrote for the case that it runs again."""
        self.in_flight: dict[Key, NodeTask] = {}
        """Instances whose task has not reported."""

    @property
    def idle(self) -> bool:
        """Nothing is left to do, now or later."""
        return not (
            self.in_flight or self._ready or self._held or self._retries or self._turning or self._due or self._turned
        )

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

    def settle(self) -> None:
        """Skip what is dead, turn loops whose turn is over, and queue what can start; until nothing is due."""
        while self._due or self._turned:
            batch: list[_Ready] = []
            while self._due:
                node_id, region, taken = self._due.popleft()
                if region in self._cut:
                    self._skip(node_id, region, "break")
                elif not taken:
                    self._skip(node_id, region, "branch")
                else:
                    batch.append(_Ready(self._steps[node_id], region))
            if self._slots == 1:
                # One at a time means depth first: what just became ready comes before what waits already.
                self._ready.extendleft(reversed(batch))
            else:
                self._ready.extend(batch)
            if self._turned:
                self._turn_over(self._turned.popleft())

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
            if not self._ended(ready.step.node.id, ready.region):
                self._start(ready)
                self.settle()
            count += 1
            if count % 16 == 0 and trio.lowlevel.current_clock().current_time() > until:
                return bool(self._ready)
        return False

    def outcome(self, outcome: Outcome, *, halting: bool) -> None:
        """A node's task has reported.

        Args:
            outcome: its report.
            halting: the run is stopping or failing: nothing follows any more.
        """
        task = outcome.task
        key = (task.node_id, task.iteration)
        del self.in_flight[key]
        if task.region in self._cut and (outcome.interrupted or outcome.error is not None):
            self._skip(task.node_id, task.region, "break")
        elif outcome.error is None and not outcome.interrupted:
            if task.region in self._cut or halting:
                fields = self._success(task.step, outcome.value) | {"fired": (), "values": None}
                self._finish(task.step, task.region, NodeStatus.SUCCESS, **fields)
            else:
                self._succeeded(task.step, task.region, outcome.value, attempt=task.attempt)
        elif outcome.timed_out:
            limit = task.step.node.settings.timeout or 0.0
            self._failed(task, NodeError(f"timed out after {limit:g} s", code="timeout"), halting=halting)
        elif task.cause is not None or outcome.interrupted:
            self._interrupted(outcome, halting=halting)
        elif outcome.error is not None:
            self._failed(task, outcome.error, halting=halting)

    def halt(self) -> None:
        """The run stops or fails: what is only waiting gets its end status now, what is in flight when it reports."""
        for (node_id, _), held in list(self._held.items()):
            held.timer.fire = None
            self._finish(
                self._steps[node_id], held.region, NodeStatus.SUCCESS, **held.fields | {"fired": (), "values": None}
            )
        self._held.clear()
        for (node_id, _), (ready, timer) in list(self._retries.items()):
            timer.fire = None
            self._skip(node_id, ready.region, "cancelled")
        self._retries.clear()
        for ready in self._ready:
            if (ready.step.node.id, ready.region.iteration) in self._began:
                self._skip(ready.step.node.id, ready.region, "cancelled")
        self._ready.clear()
        self._due.clear()
        self._turned.clear()

    def halted(self) -> None:
        """Nothing is in flight any more: the loop nodes end, inner ones first."""
        for node_id, iteration in sorted(self._turning, key=lambda key: -len(key[1])):
            self._skip(node_id, self._turning[node_id, iteration].region, "cancelled")
        self._turning.clear()
        self._due.clear()
        self._turned.clear()

    def abort(self) -> None:
        """A bug of the runtime: every instance that began gets an end status, whatever else was meant for it."""
        for node_id, iteration in list(self.in_flight):
            self._skip(node_id, self.in_flight[node_id, iteration].region, "cancelled")
        self.in_flight.clear()
        self.halt()

    def scope_of(self, node_id: str, region: Region) -> Callable[[str], Json]:
        """What an expression of a node may name: `nodes`, `inputs`, `vars`, `item`, `index`, `run`."""
        view = self._view

        def look_up(name: str) -> Json:
            match name:
                case "inputs":
                    return self._inputs_of(node_id, region)
                case "vars":
                    return view.variables
                case "item":
                    return region.item if region.loop is not None else None
                case "index":
                    return region.turn if region.loop is not None else None
                case "run":
                    return {"id": view.run_id, "workflow_id": view.workflow_id}
                case "nodes":
                    return _Nodes(view, region.iteration)
                case _:
                    raise KeyError(name)

        return look_up

    # Starting

    def _start(self, ready: _Ready) -> None:
        step, region = ready.step, ready.region
        node = step.node
        if node.settings.disabled:
            inputs = self._inputs_of(node.id, region)
            if node.id in self._view.workflow.bodies:
                self._skip_body(node.id, region, "disabled")
                fired: tuple[str, ...] = (DONE,)
            else:
                fired = step.fires
            self._finish(step, region, NodeStatus.SKIPPED, reason="disabled", result=passed_on(inputs), fired=fired)
            return
        key = (node.id, region.iteration)
        self._began.setdefault(key, self._clock.now())
        self._say.node(node.id, region.iteration, NodeStatus.RUNNING, attempt=ready.attempt)
        if node.kind == "loop" and node.id in self._view.workflow.bodies:
            self._begin_loop(step, region)
            return
        task = NodeTask(step, region, port=self._port, inputs=self._inputs_of(node.id, region), attempt=ready.attempt)
        self.in_flight[key] = task
        self._spawn(task)

    def _announce(self) -> None:
        """Say of everything that is ready but must wait for a slot that it does; of each once."""
        for ready in self._ready:
            if not ready.announced and (ready.step.node.id, ready.region.iteration) not in self._began:
                ready.announced = True
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

    def _succeeded(self, step: Step, region: Region, value: object, *, attempt: int) -> None:
        fields = self._success(step, value) | {"attempt": attempt}
        wait = 0.0 if self._dry_run else step.wait_time
        if wait <= 0:
            self._finish(step, region, NodeStatus.SUCCESS, **fields)
            self._control(step, region)
            return
        key = (step.node.id, region.iteration)

        def ended() -> None:
            del self._held[key]
            self._finish(step, region, NodeStatus.SUCCESS, **fields)
            self._control(step, region)
            self.settle()

        fields["duration"] = self._clock.now() - self._began[key]
        note = f"outcome/{instance_key(*key)}"
        self._say.note(note, {name: v for name, v in fields.items() if v is not None})
        self._noted.setdefault(key, set()).add(note)
        self._held[key] = _Held(region, fields, self._timers.at(self._clock.now() + wait, ended))

    def _interrupted(self, outcome: Outcome, *, halting: bool) -> None:
        task = outcome.task
        if outcome.error is not None:
            self._say.log(
                "warn",
                f"{task.node_id!r} was cancelled ({task.cause}) and raised {_describe(outcome.error)}",
                node_id=task.node_id,
                iteration=task.iteration,
            )
        if halting:
            self._skip(task.node_id, task.region, "cancelled")
            return
        self._say.node(task.node_id, task.iteration, NodeStatus.PENDING, attempt=task.attempt, reason="paused")
        self._ready.appendleft(_Ready(task.step, task.region, task.attempt))

    def _failed(self, task: NodeTask, error: BaseException, *, halting: bool) -> None:
        retry = task.step.node.settings.retry
        if halting or task.attempt >= retry.max_attempts:
            if halting and task.cause is not None:
                self._skip(task.node_id, task.region, "cancelled")
            else:
                self._error(task.step, task.region, error, attempt=task.attempt, halting=halting)
            return
        delay = min(retry.max_delay, retry.delay * retry.backoff ** min(task.attempt - 1, 64))
        if retry.jitter:
            delay *= 0.5 + task.random.random() / 2
        self._say.log(
            "warn",
            f"{task.node_id!r} failed (attempt {task.attempt} of {retry.max_attempts}): {_describe(error)}; "
            f"again in {delay:.3g} s",
            node_id=task.node_id,
            iteration=task.iteration,
        )
        key = (task.node_id, task.iteration)
        ready = _Ready(task.step, task.region, task.attempt + 1)

        def again() -> None:
            del self._retries[key]
            self._ready.appendleft(ready)

        self._retries[key] = (ready, self._timers.at(self._clock.now() + delay, again))

    def _error(self, step: Step, region: Region, error: BaseException, *, attempt: int, halting: bool) -> None:
        """The last attempt failed: through its error port, or past it, or the run fails."""
        message, code, kind = _describe(error), getattr(error, "code", None) or "node_failed", type(error).__name__
        said: dict[str, Any] = {"error": message, "code": code, "attempt": attempt}
        value = {"message": message, "type": kind, "attempts": attempt}
        if step.has_error_edge:
            said |= {"fired": (ERROR,), "values": {ERROR: value}}
        elif step.node.settings.on_error == "continue":
            ports = () if step.control or step.node.id in self._view.workflow.bodies else step.fires
            said |= {"fired": ports, "values": {port: {"error": value} for port in ports}}
        elif not halting:
            self._finish(step, region, NodeStatus.ERROR, **said)
            self._fail(error=message, code=code, node_id=step.node.id, cause=f"sibling_failed:{step.node.id}")
            return
        if halting:
            said |= {"fired": (), "values": None}
        self._finish(step, region, NodeStatus.ERROR, **said)

    def _skip(self, node_id: str, region: Region, reason: str) -> None:
        if self._ended(node_id, region):
            return
        if node_id in self._view.workflow.bodies and (node_id, region.iteration) not in self._began:
            self._skip_body(node_id, region, reason)
        self._finish(self._steps[node_id], region, NodeStatus.SKIPPED, reason=reason)

    def _finish(self, step: Step, region: Region, status: NodeStatus, **fields: Any) -> None:
        """An instance gets its end status."""
        key = (step.node.id, region.iteration)
        began = self._began.pop(key, None)
        if began is not None and status is not NodeStatus.SKIPPED:
            fields.setdefault("duration", self._clock.now() - began)
        for note in self._noted.pop(key, ()):
            self._say.note(note, None)
        self._say.node(step.node.id, region.iteration, status, **fields)
        self.resolved(region)

    def _ended(self, node_id: str, region: Region) -> bool:
        event: NodeChanged | None = region.nodes.get(node_id)
        return event is not None and event.status in NODE_ENDED

    # Loops

    def _begin_loop(self, step: Step, region: Region) -> None:
        turning = _Turning(step, region, None, None, 0)
        key = (step.node.id, region.iteration)
        self._turning[key] = turning
        try:
            config = turning.config = self._loop_config(step, region)
            match config.type:
                case "forEach":
                    turning.items = _items(config.items)
                    turning.turns = len(turning.items)
                case "while":
                    turning.turns = 1 if self._dry_run else math.inf
                case _:
                    turning.turns = config.count
        except NodeError as error:
            if not self._dry_run:
                del self._turning[key]
                self._error(step, region, error, attempt=1, halting=False)
                return
            turning.turns = 1
        self._next_turn(turning)

    def _loop_config(self, step: Step, region: Region) -> Any:
        if step.prepared is None:
            raise NodeError("its settings are not known")
        return step.prepared.resolve(self.scope_of(step.node.id, region))

    def _next_turn(self, turning: _Turning) -> None:
        step, region = turning.step, turning.region
        node_id = step.node.id
        turn = turning.turn + 1
        try:
            if turning.turns == math.inf and not self._goes_on(step, region, turn):
                turning.turns = turn
            if turn < turning.turns and turn >= (limit := getattr(turning.config, "max_iterations", 10_000)):
                raise NodeError(f"more than {limit} turns (maxIterations)", code="max_iterations")
        except NodeError as error:
            del self._turning[node_id, region.iteration]
            self._error(step, region, error, attempt=1, halting=False)
            return
        if turn >= turning.turns:
            self._loop_done(turning)
            return
        turning.turn = turn
        value: dict[str, Json] = {"node": node_id, "iteration": list(region.iteration), "turn": turn}
        if turning.items is not None:
            value["item"] = turning.items[turn]
        self._say.note(loop_note(node_id, region.iteration), value)
        turns = None if turning.turns == math.inf else int(turning.turns)
        percent = 100.0 * turn / turns if turns else 0.0
        message = f"turn {turn + 1} of {turns}" if turns else f"turn {turn + 1}"
        self._say.progress(node_id, region.iteration, percent, message)
        inner = self._view.turn(node_id, region.iteration)
        if inner is not None:
            self.resolved(inner)

    def _goes_on(self, step: Step, region: Region, turn: int) -> bool:
        """The condition of a `while`, before a turn; without one the run's random source decides."""
        condition: bool | None = self._loop_config(step, region).condition
        if condition is None:
            key = instance_key(step.node.id, region.iteration)
            return Random(f"{self._port.seed}/{key}/{turn}").random() < ODDS
        return condition

    def _loop_done(self, turning: _Turning) -> None:
        step, region = turning.step, turning.region
        del self._turning[step.node.id, region.iteration]
        results = self._view.results(step.node.id, region.iteration)
        if turning.turn < 0:
            self._skip_body(step.node.id, region, "no_iteration")
        self._succeeded(step, region, Fired({DONE: results}), attempt=1)

    def _turn_over(self, region: Region) -> None:
        cause = self._cut.pop(region, None)
        parent = self._turning.get((region.loop or "", region.iteration[:-1]))
        if parent is None or self._view.turn(region.loop or "", region.iteration[:-1]) is not region:
            return
        if cause == "outer":
            del self._turning[region.loop or "", region.iteration[:-1]]
            self._skip(parent.step.node.id, parent.region, "break")
        elif cause == "break":
            self._loop_done(parent)
        else:
            self._next_turn(parent)

    def _control(self, step: Step, region: Region) -> None:
        """`break` and `continue` end the turn they are in."""
        if self._dry_run or step.node.kind not in {"break", "continue"} or region.loop is None:
            return
        self._cut[region] = step.node.kind
        now = trio.current_time()
        for node_id, inner in self._view.open_instances(region):
            if inner is not region:
                self._cut.setdefault(inner, "outer")
            key = (node_id, inner.iteration)
            if (task := self.in_flight.get(key)) is not None:
                task.cancelling("break", now=now)
                if task.scope is not None:
                    task.scope.shield = False
                    task.scope.cancel()
            elif (held := self._held.pop(key, None)) is not None:
                held.timer.fire = None
                fields = held.fields | {"fired": (), "values": None}
                self._finish(self._steps[node_id], inner, NodeStatus.SUCCESS, **fields)
            elif key in self._turning:
                continue  # it ends when its own turn is resolved
            else:
                if (retry := self._retries.pop(key, None)) is not None:
                    retry[1].fire = None
                self._skip(node_id, inner, "break")
        self.resolved(region)

    def _skip_body(self, loop: str, region: Region, reason: str) -> None:
        """No turn was taken: the body's nodes, inner bodies included, are skipped where they stand."""
        bodies = self._view.workflow.bodies
        stack = [loop]
        while stack:
            for node_id in bodies[stack.pop()]:
                self._say.node(node_id, region.iteration, NodeStatus.SKIPPED, reason=reason)
                if node_id in bodies:
                    stack.append(node_id)


class _Nodes(Mapping[str, Json]):
    """`nodes` in an expression: node id → `{"result": …}`, as an instance in `iteration` sees them."""

    def __init__(self, view: View, iteration: Iteration) -> None:
        self._view = view
        self._iteration = iteration

    def __getitem__(self, node_id: str) -> Json:
        event = self._view.newest(node_id, self._iteration)
        if event is None or event.status not in NODE_ENDED:
            raise KeyError(node_id)
        return {"result": event.result}

    def __iter__(self) -> Iterator[str]:
        return (node_id for node_id in self._view.workflow.nodes if self._has(node_id))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _has(self, node_id: str) -> bool:
        event = self._view.newest(node_id, self._iteration)
        return event is not None and event.status in NODE_ENDED


def passed_on(inputs: Mapping[str, Json]) -> Json:
    """What a node passes on that does nothing: its input, or all of them by port if it has several."""
    if len(inputs) == 1:
        (value,) = inputs.values()
        return value
    return dict(inputs) or None


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__ if isinstance(error, NodeError) else f"{type(error).__name__}: {error}"


def _items(value: Json) -> list[Json]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return [{"key": key, "value": item} for key, item in value.items()]
    raise NodeError(f"`items` must be a list, not {type(value).__name__}", code="bad_config")
