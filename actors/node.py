"""The node actor: one attempt of one node – its task, its scope, its context, its one report.

Theory of operation: the run actor makes a `NodeTask` and starts its `run` in the nursery of a generation. The task
waits until what came before it is durable (if its kind has effects), resolves its config, calls the kind's coroutine,
and reports exactly one `Outcome` into the run's mailbox, in a `finally`, with no checkpoint between the result and the
report. A report always fits, so a task that is being cancelled never waits. It knows nothing of the hub, the journal or
other nodes: notes, log lines and questions are reports too, and only the run actor writes them.

A cancel comes from the generation's scope, or from the task's own (a timeout, a turn of a loop that is broken off, a
kind that a pause may not cut); the run actor tells `cancelling` why *before* it cancels. Sections:

- `atomic` and `run_sync` shield until `stopGrace` after a cancel that is not a pause;
- `cleanup` shields until `stopGrace` after any cancel, a pause included.

Both work by a deadline on a shielded scope, and a section that was cut raises: it ends in a checkpoint of the scope
around it, which is cancelled. What a cancel at any line leaves behind: one report, the sleeps' remainders in it, the
`once` intents and results that the journal already has.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, TypeVar

import attrs
import trio

from actors.children import CHILD, Ending, Family
from actors.context import Allowed, Artifacts, Child, Driver, Fired
from actors.errors import NodeError
from actors.expressions import Scope
from actors.journal import Ticket
from actors.mailbox import Mailbox
from actors.observer import Observer
from actors.registry import Prepared
from actors.reports import Asked, LogLine, Noted, Outcome, Rested, Unasked, to_json
from actors.schemas import check_schema
from actors.secrets import NO_SECRETS, Secrets
from protocol.graph import Node
from protocol.messages import Iteration, Json, Level, Waiting
from protocol.states import RunStatus
from protocol.view import VAR, Region, instance_key

__all__ = ["IN_DOUBT", "NodeTask", "Port", "Step", "StepTable"]

IN_DOUBT: Final = "in_doubt"
"""Code of the error of a node that may have acted already, and must not act twice."""
SLEEP_NOTED: Final = 1.0
"""Seconds from which on a sleep is noted when it begins: a crash repeats less than that."""

LOG_LINES_PER_SECOND: Final = 1_000
"""Of one node; what is more is counted and said in one line."""
MAX_MESSAGE: Final = 64 * 2**10
"""Characters of one log message; a longer one is cut."""

T = TypeVar("T")


@attrs.define(eq=False)
class Step:
    """A node of the graph made ready to run, once per run."""

    node: Node
    prepared: Prepared | None
    """None: a dry run that simulates it, or a kind that the run actor does itself."""
    fires: tuple[str, ...]
    """The ports that it fires if its kind declares none."""
    wait_time: float
    """Seconds after the work."""
    has_error_edge: bool
    control: bool
    """Its kind declares control ports."""
    effects: bool
    work: Callable[[Any], Awaitable[object]]
    """The kind's coroutine function, or its simulation."""

    interruptible: bool
    """A pause may cut it, as far as that can be told before its expressions are resolved."""

    timeout: float | None = None
    """Seconds of one attempt; None: it has no end, or its kind sees to it."""


class StepTable(Protocol):
    """Node id → its step. Asked for one by one: it may make them only then."""

    def __getitem__(self, node_id: str, /) -> Step: ...


@attrs.define(eq=False)
class Port:
    """All that a node's task has of its run."""

    run_id: str
    workflow_id: str
    mailbox: Mailbox
    notes: Mapping[str, Json]
    variables: Mapping[str, Json]
    written: Callable[[], Ticket | None]
    """The ticket of everything that the run has said so far; None: nothing is on its way."""
    progress: "Callable[[NodeTask, float, str], None]"
    scope: "Callable[[NodeTask], Scope]"
    """What expressions of a node may name."""
    wall: Callable[[], float]
    now: Callable[[], float]
    """The run's clock."""
    driver: Driver
    artifacts: Artifacts
    allowed: Allowed
    observer: Observer
    seed: int
    grace: float
    """stopGrace, seconds."""
    max_result: int
    """Bytes of a result as JSON."""
    abandoned: Callable[[str], None]
    """A thread could not be ended."""
    family: Family
    """The runs inside the run."""
    secrets: Secrets = NO_SECRETS
    """Given to nodes, and blotted out of what they say."""


@attrs.define(eq=False)
class _Child:
    """A child of a run, as the node sees it that started it."""

    run_id: str
    _task: "NodeTask"

    async def results(self) -> Mapping[str, Json]:
        """See `actors.context.Child`."""
        ending = await self._task.child_ended(self.run_id)
        summary = ending.summary
        match summary.status:
            case RunStatus.COMPLETED:
                return ending.results
            case RunStatus.STOPPED:
                raise NodeError(f"run {self.run_id}, inside this one, was stopped", code="child_stopped")
        where = f" at {summary.node_id!r}" if summary.node_id is not None else ""
        raise NodeError(f"run {self.run_id}, inside this one, failed{where}: {summary.error}", code=summary.code)


class NodeTask:
    """One attempt of one node, and the `NodeContext` that its coroutine gets."""

    __slots__ = (
        "_acts",
        "_asks",
        "_at_most_once",
        "_config",
        "_error",
        "_lines",
        "_memory",
        "_random",
        "_second",
        "_sections",
        "_sleeps",
        "_value",
        "_vars",
        "attempt",
        "cancelled_at",
        "cause",
        "idempotency_key",
        "in_doubt",
        "inputs",
        "iteration",
        "key",
        "node_id",
        "port",
        "region",
        "resting",
        "scope",
        "step",
    )

    def __init__(
        self,
        step: Step,
        region: Region,
        *,
        port: Port,
        inputs: Mapping[str, Json],
        attempt: int,
        in_doubt: bool = False,
    ) -> None:
        self.step = step
        self.region = region
        self.port = port
        self.inputs = inputs
        self.attempt = attempt
        self.in_doubt = in_doubt
        """A crash came while this attempt ran in another process."""
        self.node_id = step.node.id
        self.iteration: Iteration = region.iteration
        self.key = instance_key(self.node_id, self.iteration)
        self.idempotency_key = f"{port.run_id}/{self.key}"
        self.scope: trio.CancelScope | None = None
        """Its own scope, where it needs one."""
        self.cause: str | None = None
        """Why it is being cancelled; told before the cancel."""
        self.cancelled_at = math.inf
        self.resting = 0
        self._at_most_once = False
        self._config: object = None
        self._value: object = None
        self._error: BaseException | None = None
        self._memory: dict[str, Json] = {}
        """Notes that matter only if it runs again."""
        self._vars: dict[str, Json] = {}
        self._sections: list[tuple[trio.CancelScope, bool]] = []
        self._acts: dict[str, int] = {}
        self._sleeps = self._asks = self._lines = 0
        self._second = -math.inf
        self._random: Random | None = None

    async def run(self) -> None:
        """The task. Started by the run actor in a generation's nursery; ends with one `Outcome`."""
        interrupted = True
        scope = self.scope
        try:
            if scope is None:
                interrupted = not await self._work()
            else:
                self.port.observer.scope(f"node:{self.key}", scope)
                with scope:
                    interrupted = not await self._work()
        finally:
            if scope is not None:
                self._note_timeout()
                self.port.observer.unscope(f"node:{self.key}")
            if self._memory and (interrupted or self._error is not None):
                for key, value in self._memory.items():
                    self.port.mailbox.report(Noted(key, value, self))
            if self._lines:
                self._count_lines(flush=True)
            self.port.mailbox.report(Outcome(self, self._value, self._error, interrupted, self.cause))

    def cancelling(self, cause: str, *, now: float) -> None:
        """The run actor is about to cancel this task: from `now` on its sections have their grace.

        Args:
            cause: pause, stop, timeout, sibling_failed:<id>, break, shutdown.
            now: trio time of the cancel.
        """
        self._note_timeout()
        if self.cause is None or self.cause == "pause":
            self.cause, self.cancelled_at = cause, now
        pause = cause == "pause"
        for scope, atomic in self._sections:
            if not (atomic and pause):
                scope.deadline = min(scope.deadline, now + self.port.grace)

    def cut(self) -> None:
        """Drop the grace of its sections, those included that it has yet to open (a forced stop)."""
        self.cancelled_at = -math.inf
        for scope, _ in self._sections:
            scope.cancel()

    @property
    def in_atomic(self) -> bool:
        """Whether it is in a section that a pause waits for."""
        return any(atomic for _, atomic in self._sections)

    def _note_timeout(self) -> None:
        """The first cause counts: a pause that comes after the timeout does not make up for it.

        Cancelled by nobody of ours and before its time, it was an observer, and that is an interruption.
        """
        scope = self.scope
        if self.cause is not None or scope is None or not scope.cancel_called:
            return
        if scope.deadline <= trio.current_time():
            self.cause, self.cancelled_at = "timeout", scope.deadline

    # Of the context: what is known

    @property
    def config(self) -> Any:
        """The kind's config, expressions resolved."""
        return self._config

    @property
    def run_id(self) -> str:
        """The run."""
        return self.port.run_id

    @property
    def workflow_id(self) -> str:
        """The client's key of the workflow."""
        return self.port.workflow_id

    @property
    def label(self) -> str:
        """What the editor shows for the node."""
        return self.step.node.label

    @property
    def fires(self) -> tuple[str, ...]:
        """The ports that edges of this node name."""
        return self.step.fires

    @property
    def vars(self) -> Mapping[str, Json]:
        """The run's variables, those included that this node has just set."""
        return {**self.port.variables, **self._vars} if self._vars else self.port.variables

    @property
    def cancel_cause(self) -> str | None:
        """Why this node is being cancelled, or None."""
        if self.cause is None and self.scope is not None and self.scope.cancel_called:
            return "timeout"
        return self.cause

    @property
    def driver(self) -> Driver:
        """The run's driver."""
        return self.port.driver

    @property
    def artifacts(self) -> Artifacts:
        """The run's folder."""
        secrets = self.port.secrets
        return _SecretArtifacts(self.port.artifacts, secrets) if secrets else self.port.artifacts

    @property
    def secrets(self) -> Mapping[str, str]:
        """Name → value."""
        return self.port.secrets

    @property
    def allowed(self) -> Allowed:
        """What the server's settings let it do."""
        return self.port.allowed

    @property
    def random(self) -> Random:
        """Random numbers that are the same whenever the run has the same seed."""
        if self._random is None:
            self._random = Random(f"{self.port.seed}/{self.key}")
        return self._random

    # Of the context: what may be said

    def set_var(self, name: str, value: Json) -> None:
        """Set a variable of the run."""
        self.port.secrets.refuse_in(name, "a variable")
        value = self._to_json(value, f"the variable {name!r}")
        self._vars[name] = value
        self.port.mailbox.report(Noted(f"{VAR}{name}", value, self))

    def log(self, level: Level, message: str, /, **context: Json) -> None:
        """Write a line into the run's log."""
        now = trio.current_time()
        if now - self._second >= 1:
            self._count_lines(flush=False)
            self._second, self._lines = now, 0
        self._lines += 1
        if self._lines > LOG_LINES_PER_SECOND:
            return
        message = str(message)
        more = len(message) - MAX_MESSAGE
        if self.port.secrets:
            message = self.port.secrets.blot(message, MAX_MESSAGE)
        if more > 0:
            message = f"{message[:MAX_MESSAGE]}… ({more} characters more)"
        said = self._to_json(context, "the context of a log line") if context else None
        self.port.mailbox.report(LogLine(self, level, message, said))

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far the node is, 0–100."""
        if self.port.secrets:
            message = self.port.secrets.blot(str(message))
        self.port.progress(self, min(100.0, max(0.0, float(percent))), message)

    def wall_time(self) -> float:
        """The time, seconds since the epoch."""
        return self.port.wall()

    # Of the context: what may be awaited

    async def sleep(self, seconds: float, name: str | None = None) -> None:
        """Sleep; after a pause, a retry or a crash go on with what remained."""
        self._sleeps += 1
        if name is not None:
            self.port.secrets.refuse_in(name, "a sleep")
        key = f"sleep/{self.key}/{name or self._sleeps}"
        began = self.port.now()
        note = self.port.notes.get(key)
        left = seconds if note is None else note["left"]
        if note is not None and "since" in note:
            # The process that noted it is gone; on the run's clock its end is now.
            left = max(0.0, left - (began - note["since"]))
        if left >= SLEEP_NOTED:
            self.port.mailbox.report(Noted(key, {"left": left, "since": began}, self))
        self._rest()
        try:
            await trio.sleep(left)
        finally:
            self.resting -= 1
            self._memory[key] = {"left": max(0.0, left - (self.port.now() - began))}

    async def sleep_until(self, when: float) -> None:
        """Sleep until a wall time; a pause does not move it."""
        self._rest()
        try:
            await trio.sleep(max(0.0, when - self.port.wall()))
        finally:
            self.resting -= 1

    async def ask(self, prompt: str, *, schema: Json = None, until: float | None = None) -> Json:
        """Wait for a person's answer.

        Raises:
            NodeError: code `no_answer`: the time `until` came first. Code `bad_schema`: the schema is none.
        """
        try:
            check_schema(schema)
        except ValueError as error:
            raise NodeError(f"the schema of {prompt!r} {error}", code="bad_schema") from error
        self._asks += 1
        key = f"answer/{self.key}/{self._asks}"
        if key in self.port.notes:
            await trio.lowlevel.checkpoint()
            return self.port.notes[key]["value"]
        if self.port.secrets:
            prompt, schema = self.port.secrets.blot(prompt), self._to_json(schema, "the schema of a question")
        ready = trio.Event()
        slot: list[Json] = []

        def answer(value: Json) -> None:
            slot.append(value)
            ready.set()

        self._rest()
        self.port.mailbox.report(Asked(self, key, Waiting(prompt, schema, until), answer))
        try:
            with trio.move_on_after(math.inf if until is None else max(0.0, until - self.port.wall())):
                await ready.wait()
        finally:
            self.resting -= 1
            self.port.mailbox.report(Unasked(self, key))
        if not slot:
            raise NodeError(f"nobody answered {prompt!r} in time", code="no_answer")
        return slot[0]

    def act(self, name: str) -> str:
        """The name for `once` of the next act of that name: itself, then `name 2` and so on."""
        number = self._acts[name] = self._acts.get(name, 0) + 1
        return name if number == 1 else f"{name} {number}"

    def done(self, name: str) -> bool:
        """Whether `once` has the result."""
        return "result" in (self.port.notes.get(f"once/{self.key}/{name}") or {})

    async def once(self, name: str, fn: Callable[[], Awaitable[T]], /) -> T:
        """An effect whose returned JSON is remembered: no pause, retry or stop repeats it."""
        key = f"once/{self.key}/{self.port.secrets.refuse_in(name, 'a once')}"
        record = self.port.notes.get(key)
        if record is not None and "result" in record:
            await trio.lowlevel.checkpoint()
            return record["result"]  # type: ignore[no-any-return]
        if record is not None and self._at_most_once:
            what = "failed" if "failed" in record else "was begun when the server crashed"
            raise NodeError(f"{name!r} {what}, and may have acted: it is done at most once", code=IN_DOUBT)
        if (ticket := self.port.written()) is not None:
            await ticket
        async with self.atomic():
            await self._note(key, {"intent": True})
            before, self.idempotency_key = self.idempotency_key, f"{self.idempotency_key}/{name}"
            try:
                result = await fn()
            except BaseException:
                self.port.mailbox.report(Noted(key, {"failed": True}, self))
                raise
            finally:
                self.idempotency_key = before
            result = self._to_json(result, f"the result of once({name!r})")
            await self._note(key, {"result": result})
        return result

    async def start_child(
        self, workflow: Mapping[str, Json], inputs: Mapping[str, Json] | None = None, *, name: str = "child"
    ) -> Child:
        """Start a run inside this one, or find the one that this instance has started."""
        family, secrets = self.port.family, self.port.secrets
        key = f"{CHILD}{self.key}/{secrets.refuse_in(name, 'a child')}"
        note = self.port.notes.get(key)
        fresh = note is None
        if note is not None and note["attempt"] < self.attempt:
            # It is an earlier attempt's, or would have been: what completed is not done again, all else is done anew.
            known = await family.known(note["run_id"])
            fresh = not known or (await self.child_ended(note["run_id"])).summary.status is not RunStatus.COMPLETED
        if note is None or fresh:
            note = {"run_id": family.name(), "attempt": self.attempt}
            await self._note(key, note)
        if fresh or not await family.known(note["run_id"]):
            # The journal keeps both: a child that needs a secret names it itself.
            workflow, inputs = secrets.blot_json(workflow), secrets.blot_json(inputs or {})
            await family.start(note["run_id"], workflow, inputs, self.vars)
            self.log("info", f"started run {note['run_id']} inside this one", run_id=note["run_id"])
        return _Child(note["run_id"], self)  # noqa: ASYNC910  it was asked whether the child is there

    async def child_ended(self, run_id: str) -> Ending:
        """Wait for the end of a child. A drain does not wait for that: the child drains, too."""
        self._rest()
        try:
            return await self.port.family.ending(run_id)
        finally:
            self.resting -= 1

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[None]:
        """A section that a pause never cuts, and a stop only after `stopGrace`."""
        async with self._section(atomic=True):
            yield

    @asynccontextmanager
    async def cleanup(self) -> AsyncIterator[None]:
        """A section that may still await after a cancel, until `stopGrace` after it."""
        async with self._section(atomic=False):
            yield

    async def run_sync(self, fn: Callable[..., T], /, *args: object) -> T:
        """Run blocking code in a thread."""
        in_thread = False

        def call() -> T:
            nonlocal in_thread
            in_thread = True
            try:
                return fn(*args)
            finally:
                in_thread = False

        try:
            async with self._section(atomic=True):
                return await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        except trio.Cancelled:
            if in_thread:
                self.port.abandoned(f"{self.key}: {getattr(fn, '__qualname__', fn)!s:.200}")
            raise

    @asynccontextmanager
    async def _section(self, *, atomic: bool) -> AsyncIterator[None]:
        deadline = math.inf
        if self.cancelled_at < math.inf and not (atomic and self.cause == "pause"):
            deadline = self.cancelled_at + self.port.grace
        if self.scope is not None and self.scope.deadline < math.inf:
            deadline = min(deadline, self.scope.deadline + self.port.grace)
        scope = trio.CancelScope(shield=True, deadline=deadline)
        entry = (scope, atomic)
        self._sections.append(entry)
        try:
            with scope:
                yield
        finally:
            self._sections.remove(entry)
        if scope.cancelled_caught:
            # It was cut. The scope around it is cancelled, so this raises; if not, the section may not fall through.
            await trio.lowlevel.checkpoint()
            raise NodeError("a section was cut before it ended", code="section_cut")

    async def _work(self) -> bool:
        """Returns True unless it was interrupted."""
        step, port = self.step, self.port
        try:
            if step.effects and (ticket := port.written()) is not None:
                await ticket
            if step.prepared is not None:
                self._config = step.prepared.resolve(port.scope(self))
                self._at_most_once = step.prepared.spec.traits(self._config).at_most_once
            if self.in_doubt and self._at_most_once:
                raise NodeError("a crash came while it ran: it may have acted, and does so at most once", code=IN_DOUBT)
            value = await step.work(self)
            if isinstance(value, Fired):
                value.ports = self._to_json(value.ports, "what it fires")
                value.result = self._to_json(value.result, "its result")
            else:
                value = self._to_json(value, "its result")
            self._value = value
        except trio.Cancelled:
            raise
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if rest is None:
                raise
            self._error = rest.exceptions[0] if len(rest.exceptions) == 1 else rest
            self._let_through()
            if cancelled is not None:
                raise cancelled from None
        except BaseException as error:  # noqa: BLE001, ASYNC103  a node's failure is data; Cancelled was raised above
            self._error = error
            self._let_through()
        return True  # noqa: ASYNC910  whether a node awaits is its own affair

    def _to_json(self, value: object, what: str) -> Any:
        """What it says, on its way into the run's state: from here on a recovered run and a live one see the same."""
        port = self.port
        return to_json(value, what=what, limit=port.max_result, secrets=port.secrets)

    def _let_through(self) -> None:
        """Ctrl-C is not the node's failure: whoever runs the program has to see it, also in the groups of nurseries."""
        error = self._error
        if isinstance(error, KeyboardInterrupt):
            raise error
        if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is not None:
            raise error

    async def _note(self, key: str, value: Json) -> None:
        """Have a note written, and wait until it is durable."""
        slot: list[Ticket | None] = []
        ready = trio.Event()

        def written(ticket: Ticket | None) -> None:
            slot.append(ticket)
            ready.set()

        self.port.mailbox.report(Noted(key, value, self, written))
        await ready.wait()
        if (ticket := slot[0]) is not None:
            await ticket

    def _rest(self) -> None:
        self.resting += 1
        self.port.mailbox.report(Rested(self))

    def _count_lines(self, *, flush: bool) -> None:
        more = self._lines - LOG_LINES_PER_SECOND
        if more > 0:
            self._lines = LOG_LINES_PER_SECOND if flush else self._lines
            self.port.mailbox.report(LogLine(self, "warn", f"{more} log lines of {self.node_id!r} left out", None))


class _SecretArtifacts:
    """The folder of a run that has secrets: no file is called after one."""

    def __init__(self, artifacts: Artifacts, secrets: Secrets) -> None:
        self._artifacts = artifacts
        self._secrets = secrets

    async def save(self, name: str, data: bytes) -> str:
        """As `Artifacts.save`."""
        return await self._artifacts.save(self._secrets.refuse_in(name, "an artifact"), data)

    @property
    def folder(self) -> Path:
        """As `Artifacts.folder`."""
        return self._artifacts.folder

    def url(self, name: str) -> str:
        """As `Artifacts.url`."""
        return self._artifacts.url(name)
