"""The runtime: starts and finds runs, and is how callboard is embedded in a trio program.

    async with open_runtime() as runtime:
        run = await runtime.start(workflow)
        async for event in run.events():
            ...

Theory of operation: `open_runtime` opens, in this order, the artifacts' folder, the journal, the hub, the browser
(which starts when a node needs it), the watchdog and a nursery in which every run is one task (`RunActor.live`). Each
of these actors shields itself, so a cancel from outside reaches the user's own block and nothing else; then the runtime
ends them, in the order of death: what registered with `at_end` (servers), the runs, the browser, the hub, the journal.
All runs are told at once to come to rest – or to stop, cause `shutdown`, if their journal has no tomorrow; those that
have not when the shutdown's grace is over are cancelled hard. Neither claims an ending that did not happen: what a
durable journal holds goes on at the next start.

`submit` is synchronous: it records and spawns, so that a connection never waits for it. To check a large graph takes up
to a second; `validate` lets others have their turns meanwhile (`actors.checking`), and `submit` takes what it found. A
run is listed here from its submit to its end; of an ended one the summary is kept, as long as the journal keeps it.
"""

import importlib.util
import itertools
import logging
import math
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import metadata
from secrets import randbits, token_hex
from typing import Any, Final, cast

import attrs
import trio

from actors.answers import answer_ended, answer_lost
from actors.artifacts import ArtifactStore, open_artifacts
from actors.browser.driver import BrowserDriver
from actors.browser.search import INSTALL_EXTRA, Wanted
from actors.browser.service import Browsers, open_browsers
from actors.checking import Checker
from actors.children import PARENT_STOPPED, Ending, Family
from actors.context import Allowed, Driver
from actors.errors import ActorsError, Busy, JournalError, NodeError, RunActive, ShuttingDown, UnknownRun
from actors.expressions import Scope
from actors.handle import Run
from actors.hosts import HostList
from actors.hub import Hub, open_hub
from actors.journal import Claim, Created, Journal, Keep, RunPage
from actors.journals import open_journal
from actors.mailbox import Ask, Mailbox
from actors.node import NodeTask, Port
from actors.observer import NULL, Observer
from actors.records import Records
from actors.recovery import Past, read
from actors.registry import Registry
from actors.reports import Noted
from actors.run import Plan, RunActor
from actors.secrets import Secrets
from actors.settings import Settings
from actors.simulated import SimulatedDriver
from actors.spec import Spec
from actors.steps import Steps
from actors.watchdog import Stuck, open_watchdog
from protocol.errors import BadField, InvalidWorkflow, ProtocolError
from protocol.execution import ExecutionConfig, inherited, parse_execution_config
from protocol.graph import MAX_DEPTH, Problem, Validation, Workflow
from protocol.messages import Command, Control, ControlReply, InputReply, Json, NodeInput, RunEnded, Snapshot
from protocol.states import ENDED, RunStatus
from protocol.view import View

__all__ = ["ALL_RUNS", "Run", "Runtime", "named", "open_runtime"]

ALL_RUNS: Final = "*"
"""What a subscription calls all runs: no workflow can be called so."""

CLAIMED_AT_ONCE: Final = 100
"""Runs that are recovered one after another before the journal is asked for more."""
LEASE_SECONDS: Final = math.inf
"""The embedded journals have one process, whose runs nobody else can take."""

_logger: Final = logging.getLogger(__name__)


@asynccontextmanager
async def open_runtime(
    *,
    settings: Settings | None = None,
    registry: Registry | None = None,
    journal: Journal | None = None,
    observer: Observer = NULL,
    wall: Callable[[], float] = time.time,
) -> "AsyncIterator[Runtime]":
    """A runtime that runs workflows until the block is left.

    Args:
        settings: limits and deadlines.
        registry: the kinds; default: the built-in ones and those of installed packages.
        journal: where runs are recorded, not yet entered; default: what the settings say, else in memory.
        observer: the seam for tests and metrics.
        wall: the time, seconds since the epoch.

    The unfinished runs of a durable journal go on before the block is entered.

    *Resource handling*: leaving the block, in whatever way, brings every run to rest, at most
    `Settings.shutdown_grace` long; nothing of it runs afterwards, a thread that can not be ended excepted. A durable
    journal keeps the state, and whoever opens it next goes on; of one in memory the runs are stopped
    (`cancelled_by: "shutdown"`).

    Raises:
        JournalError: the journal can not be opened; another process has it, for example.
        SettingsError: a secret of the environment is too short to be blotted out.
    """
    settings = settings or Settings()
    known = Secrets.from_environment()
    if registry is None:
        registry = Registry.builtin()
        registry.load_entry_points()
    runtime = Runtime(settings, registry, observer, wall, known)
    failure: Exception | None = None
    async with (
        open_artifacts(settings.artifacts) as runtime.artifacts,
        journal or open_journal(settings.journal or "memory:") as runtime.journal,
        open_hub(runtime.journal, plan=runtime.plan, observer=observer, wall=wall) as runtime.hub,
        open_browsers(Wanted(settings.browser_path, settings.browser_channel)) as runtime.browsers,
        open_watchdog(warn=settings.step_warn, limit=settings.step_limit, on_warn=runtime.stuck),
        trio.open_nursery() as nursery,
    ):
        runtime.nursery = nursery
        try:
            await runtime.recover()
            yield runtime
        except Exception as error:  # noqa: BLE001  kept, not swallowed
            # Raised below, outside of the nurseries: they are ours, so the user's error is not to come in their groups.
            failure = error
        finally:
            with trio.CancelScope(shield=True):
                await runtime.shut_down()
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Runtime:
    """Starts, finds and steers runs. Made by `open_runtime`."""

    artifacts: ArtifactStore
    journal: Journal
    hub: Hub
    browsers: Browsers
    nursery: trio.Nursery

    def __init__(
        self, settings: Settings, registry: Registry, observer: Observer, wall: Callable[[], float], secrets: Secrets
    ) -> None:
        self.settings = settings
        self.secrets = secrets
        self.registry = registry
        self.allowed = Allowed(
            hosts=HostList.parse(settings.http_allow),
            programs=settings.commands_allow,
            folder=settings.commands_folder,
            result_bytes=settings.max_result,
        )
        """What nodes may do."""
        self._checker = Checker(registry, settings)
        self.observer = observer
        self.started_at = wall()
        self.version = metadata.version("callboard")
        self.closing = False
        """It takes no new run."""
        self.wall = wall
        """The time, seconds since the epoch: all that tells it here asks this."""
        self._runs: dict[str, Run] = {}
        self._actors: dict[str, RunActor] = {}
        self._creating: set[trio.CancelScope] = set()
        """Runs on their way into the journal."""
        self._latest: dict[str, str] = {}
        """Workflow id → its unfinished run."""
        self._records = Records()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._prefix = token_hex(5)
        self._numbers = itertools.count(1)

    async def validate(
        self, graph: Mapping[str, Json], *, config: Mapping[str, Json] | None = None, needs_start: bool = True
    ) -> Validation:
        """Check a graph without starting it; everybody else has their turns meanwhile.

        Args:
            graph: `{"nodes": […], "edges": […]}`, or `connections` instead of `edges`; nobody changes it meanwhile.
            config: the ExecutionConfig, as clients send it.
            needs_start: whether a graph without a `start` node is an error.

        Raises:
            BadField: the ExecutionConfig is wrong.
        """
        parsed, _ = parse_execution_config(config or {})
        return await self._checker.check(graph, parsed, needs_start=needs_start)

    def admit(self, workflow_id: str) -> None:
        """Refuse what is refused whatever the graph is, before it is checked. `submit` does so, too.

        Raises:
            BadField: the workflow id is `*`.
            Busy: as many runs as `Settings.max_runs` allows are unfinished.
            ShuttingDown: the runtime ends.
        """
        if workflow_id == ALL_RUNS:
            raise BadField([("workflow_id", f"{ALL_RUNS!r} means all runs and is no id of a workflow")])
        if self.closing:
            raise ShuttingDown("the server shuts down and takes no new run")
        self._has_room()

    def _has_room(self) -> None:
        if len(self._runs) >= self.settings.max_runs:
            raise Busy(f"{len(self._runs)} runs are unfinished, as many as max_runs allows; try again later")

    def submit(
        self,
        graph: Mapping[str, Json],
        *,
        workflow_id: str = "",
        config: Mapping[str, Json] | None = None,
        run_id: str | None = None,
        needs_start: bool = True,
        found: Validation | None = None,
        starter: str = "",
        before: Callable[[Run], None] | None = None,
        refused: Callable[[RunActive], None] | None = None,
    ) -> Run:
        """Start a run, synchronously; it is `pending` until its first event.

        Args:
            graph: `{"nodes": […], "edges": […]}`, or `connections` instead of `edges`.
            workflow_id: the client's own key; "" has one made.
            config: the ExecutionConfig, as clients send it.
            run_id: unique for ever; None has one made.
            needs_start: a graph without a `start` node is refused; else it begins where no edge leads to.
            found: what `validate` said of this graph with this config and `needs_start`; None: it is checked here.
            starter: the session that starts it; `onDisconnect` looks at that.
            before: called with the run before anything of it is published.
            refused: called if the journal does not take it, because another server has an unfinished run of this
                workflow, or because the run id is taken. What is known here is raised instead.

        Raises:
            InvalidWorkflow: the graph has problems; all of them are in it.
            BadField: the ExecutionConfig is wrong, or the workflow id is `*`.
            RunActive: the workflow has an unfinished run, or the run id is taken.
            Busy: as many runs as `Settings.max_runs` allows are unfinished.
            ShuttingDown: the runtime ends.
        """
        self.admit(workflow_id)
        run_id = run_id or f"{self._prefix}-{next(self._numbers)}"
        return self._submit(
            Spec(graph=graph, config=config or {}, needs_start=needs_start, seed=0, starter=starter),
            found,
            run_id=run_id,
            workflow_id=workflow_id or f"workflow-{run_id}",
            before=before,
            refused=refused,
        )

    def _submit(
        self,
        spec: Spec,
        found: Validation | None,
        *,
        run_id: str,
        workflow_id: str,
        before: Callable[[Run], None] | None,
        refused: Callable[[RunActive], None] | None,
    ) -> Run:
        """As `submit`; what is in the spec may be another run's child."""
        self._has_room()
        parsed, odd = parse_execution_config(spec.config)
        if parsed.driver == "browser" and not parsed.dry_run and importlib.util.find_spec("playwright") is None:
            raise BadField([("config.driver", f"this server has no real browser: {INSTALL_EXTRA}")])
        found = found or self._checker.check_now(spec.graph, parsed, needs_start=spec.needs_start)
        if found.workflow is None:
            raise InvalidWorkflow([*found.errors, *found.warnings])
        if run_id in self._runs or workflow_id in self._latest:
            raise RunActive(workflow_id, self._latest.get(workflow_id, run_id))
        spec = attrs.evolve(spec, seed=parsed.seed if parsed.seed is not None else randbits(32))
        view = View(found.workflow, run_id=run_id, workflow_id=workflow_id)
        actor = self._make(view, spec, parsed, (*found.warnings, *odd, *_unknown_breakpoints(parsed, found.workflow)))
        run = self._list(actor)
        if before is not None:
            before(run)
        self.nursery.start_soon(self._begin, actor, spec.pack(), refused, name=f"run:{run_id}")
        return run

    async def start(
        self,
        graph: Mapping[str, Json],
        *,
        workflow_id: str = "",
        config: Mapping[str, Json] | None = None,
        run_id: str | None = None,
        needs_start: bool = True,
        found: Validation | None = None,
        starter: str = "",
        before: Callable[[Run], None] | None = None,
    ) -> Run:
        """Start a run, and wait until its start is durable. Arguments and errors as `submit`."""
        refusals: list[RunActive] = []
        if found is None:
            self.admit(workflow_id)
            found = await self.validate(graph, config=config, needs_start=needs_start)
        run = self.submit(
            graph,
            workflow_id=workflow_id,
            config=config,
            run_id=run_id,
            needs_start=needs_start,
            found=found,
            starter=starter,
            before=before,
            refused=refusals.append,
        )
        await run.begun()
        if refusals:
            raise refusals[0]
        return run

    def control(self, command: Control, reply: Callable[[ControlReply], None]) -> None:
        """Pause, resume or stop a run. Never waits; `reply` is called exactly once, perhaps at once.

        A request id is known to the run, also after a restart: the same one twice is answered the same and done once.

        Raises:
            UnknownRun: neither the run nor the workflow is known.
        """
        self._tell(command, reply)

    def input(self, command: NodeInput, reply: Callable[[InputReply], None]) -> None:
        """Answer a node that waits for a person. Never waits; `reply` is called exactly once, perhaps at once.

        Raises:
            UnknownRun: neither the run nor the workflow is known.
        """
        self._tell(command, reply)

    def find(self, workflow_id: str, run_id: str | None = None) -> str | None:
        """The run that is meant: the one named, else the latest of the workflow; None: it is not known."""
        if run_id is not None:
            return run_id if run_id in self._runs or self._records.get(run_id) is not None else None
        return self._latest.get(workflow_id) or self._records.latest(workflow_id)

    def run(self, run_id: str) -> Run | None:
        """An unfinished run."""
        return self._runs.get(run_id)

    def unfinished(self) -> Sequence[Run]:
        """All unfinished runs, oldest first."""
        return list(self._runs.values())

    async def snapshot(self, run_id: str) -> Snapshot:
        """The committed state of a run, ended or not.

        Raises:
            UnknownRun: it is not known.
        """
        return await self.hub.snapshot(run_id)

    async def list_runs(
        self, *, status: str | None = None, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> RunPage:
        """Runs, newest first; see `Journal.list_runs`."""
        return await self.journal.list_runs(status=status, workflow_id=workflow_id, limit=limit, cursor=cursor)

    async def look_up(self, workflow_id: str, run_id: str | None = None) -> str | None:
        """As `find`, and in the journal if it is not known here: then commands about it can be answered.

        Raises:
            JournalError: the journal can not be read.
        """
        found = self.find(workflow_id, run_id)
        if found is not None:
            return found  # noqa: ASYNC910  nothing to wait for
        named = run_id if run_id is not None else await self.journal.find(workflow_id)
        if named is not None:
            try:
                record = await self._records.read(self.journal, named)
            except UnknownRun:
                pass
            else:
                if named not in self._runs:
                    self._records.add(record, latest=run_id is None and self.find(workflow_id) is None)
        # Meanwhile one may have been started: whoever goes on from here without a checkpoint knows of every run.
        return self.find(workflow_id, run_id)  # noqa: ASYNC910  the journal was asked

    async def plan(self, run_id: str) -> tuple[str, Workflow]:
        """The workflow id and the graph of a run.

        Raises:
            UnknownRun: it is not known.
        """
        run = self._runs.get(run_id)
        if run is not None:
            return run.workflow_id, run.workflow  # noqa: ASYNC910  nothing to wait for
        row = await self.journal.summary(run_id)
        workflow, _ = await self._workflow(Spec.unpack(await self.journal.spec(run_id)))
        if workflow is None:
            raise UnknownRun(f"the graph of run {run_id} can not be read any more")
        return row.workflow_id, workflow

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` called and awaited before the runs are stopped; servers register themselves."""
        self._closers.append(close)

    def stuck(self, stuck: Stuck) -> None:
        """The watchdog found a step that does not yield: its run says so."""
        _logger.warning("%s", stuck)
        run_id, _, key = stuck.task.removeprefix("node:").partition("/")
        actor = self._actors.get(run_id)
        if actor is not None:
            actor.warn(f"{key!r} has not yielded for {stuck.seconds:.1f} s, at {stuck.file}:{stuck.line}", key)

    async def shut_down(self) -> None:
        """End everything, in the order of death. Called by `open_runtime`, shielded; each step has a deadline."""
        self.closing = True
        grace = trio.current_time() + self.settings.shutdown_grace
        for close in reversed(self._closers):
            with trio.move_on_at(grace):
                await close()
        for creating in list(self._creating):
            creating.cancel()
        for actor in self._actors.values():
            self._rest(actor)
        with trio.move_on_at(grace):
            await trio.lowlevel.checkpoint()
            # A child that a node starts in its last step is told to rest by its parent.
            while actors := list(self._actors.values()):
                for actor in actors:
                    await actor.ended.wait()
                await trio.lowlevel.checkpoint()
        for actor in self._actors.values():
            _logger.error("run %s did not end in time and is cut off", actor.plan.run_id)
            actor.halt_now()

    def _rest(self, actor: RunActor) -> None:
        """Bring a run to rest because the runtime ends, or nobody is left whose child it is."""
        if self.journal.durable:
            actor.leave()
        else:
            actor.halt()

    async def recover(self) -> None:
        """Go on with the runs that the journal holds and nobody executes. Called by `open_runtime` before its block."""
        lives: list[tuple[RunActor, Claim, Past]] = []
        try:
            await self._claim_all(lives)
        except BaseException:
            # They are listed, and will not live: nobody is to wait for their end.
            for actor, _, _ in lives:
                actor.dismiss()
                self._unlist(actor)
            raise
        for actor, claim, past in lives:
            self.nursery.start_soon(self._tend, actor, claim, past, name=f"run:{actor.plan.run_id}")

    async def _claim_all(self, lives: list[tuple[RunActor, Claim, Past]]) -> None:
        """Make the actors of all runs that go on. None of them begins before every child is its parent's again."""
        while claims := await self.journal.claim(limit=CLAIMED_AT_ONCE, lease=LEASE_SECONDS):
            for claim in claims:
                try:
                    lives.append(await self._recover(claim))
                except (UnknownRun, ProtocolError, JournalError):
                    _logger.exception("run %s can not go on, and stays as it is", claim.run_id)
        await self._forget_old()
        for actor, _, _ in lives:
            await self._give_back(actor)

    async def _give_back(self, actor: RunActor) -> None:  # noqa: ASYNC910  most runs are nobody's child
        """Give a child that goes on back to its parent; one whose parent has ended is stopped."""
        parent_id = actor.plan.parent
        parent = self._actors.get(parent_id)
        if parent is not None:
            parent.adopt(actor)
        elif parent_id:
            try:
                over = (await self.journal.summary(parent_id)).status in ENDED
            except UnknownRun:
                over = True
            if over:
                actor.halt(PARENT_STOPPED)

    async def _recover(self, claim: Claim) -> tuple[RunActor, Claim, Past]:
        run_id = claim.run_id
        spec = Spec.unpack(await self.journal.spec(run_id))
        row = await self.journal.summary(run_id)
        workflow, warnings = await self._workflow(spec)
        if workflow is None:
            raise UnknownRun("its graph can not be read any more")
        parsed, odd = parse_execution_config(spec.config)
        view = View(workflow, run_id=run_id, workflow_id=row.workflow_id)
        past = await read(self.journal, view)
        actor = self._make(view, spec, parsed, (*warnings, *odd, *_unknown_breakpoints(parsed, workflow)))
        self._list(actor)
        return actor, claim, past

    async def _begin(  # noqa: ASYNC910  the journal awaits
        self, actor: RunActor, spec: bytes, refused: Callable[[RunActive], None] | None
    ) -> None:
        """A new run: record it, then let it live."""
        run_id, workflow_id = actor.plan.run_id, actor.plan.workflow_id
        created: Created | None = None
        creating = trio.CancelScope()
        self._creating.add(creating)
        try:
            with creating:
                created = await self.journal.create(
                    run_id, workflow_id, spec, created_at=self.wall(), lease=LEASE_SECONDS
                )
        except JournalError:
            _logger.exception("run %s could not be recorded", run_id)
        finally:
            self._creating.discard(creating)
            if created is None or created.claim is None:
                self._unlist(actor)
                self.hub.close(run_id)
                actor.dismiss()
        if created is not None and created.claim is not None:
            await self._tend(actor, created.claim, None)
        elif created is not None and refused is not None:
            refused(RunActive(workflow_id, created.run_id))

    async def _tend(self, actor: RunActor, claim: Claim, past: Past | None) -> None:
        """The life of a run, and what is left to do after it."""
        run_id = actor.plan.run_id
        self.observer.action(f"stop:{run_id}", actor.halt)
        try:
            await actor.live(claim, past)
        finally:
            self._unlist(actor)
            self._records.add(actor.record, latest=True)
        await self._forget_old()

    async def _forget_old(self) -> None:  # noqa: ASYNC910  without limits there is nothing to forget
        needed = [run_id for actor in self._actors.values() for run_id in actor.children_noted]
        keep = Keep(days=self.settings.history_days, runs=self.settings.history_runs, spare=frozenset(needed))
        if keep.runs is None and keep.days is None:
            return  # noqa: ASYNC910  ditto
        trimmed = (await self.journal.trim(keep)).run_ids
        self._records.forget(trimmed)
        for run_id in trimmed:
            await self.artifacts.remove(run_id)

    def _make(self, view: View, spec: Spec, config: ExecutionConfig, warnings: Sequence[Problem]) -> RunActor:
        """The actor of a run, new or not."""
        settings = self.settings
        plan = Plan(
            run_id=view.run_id,
            workflow_id=view.workflow_id,
            config=config,
            steps=Steps(view.workflow, self.registry, config),
            warnings=warnings,
            seed=spec.seed,
            starter=spec.starter,
            parent=spec.parent,
            depth=spec.depth,
            slots=min(config.max_concurrency or settings.max_concurrency, settings.max_concurrency),
            grace=settings.stop_grace,
            atomic_limit=settings.atomic_limit,
            secrets=self.secrets,
        )
        mailbox = Mailbox()
        return RunActor(
            plan,
            view=view,
            journal=self.journal,
            mailbox=mailbox,
            make_port=partial(self._port, plan, view, mailbox),
            progress=self.hub.progress,
            wall=self.wall,
            observer=self.observer,
        )

    def _list(self, actor: RunActor) -> Run:
        """From now on the run can be found, and heard."""
        run_id, workflow_id = actor.plan.run_id, actor.plan.workflow_id
        run = Run(actor, self.journal)
        self._runs[run_id], self._actors[run_id] = run, actor
        self._latest[workflow_id] = run_id
        self.hub.open(run_id, workflow_id, actor.view.workflow, last_seq=actor.view.last_seq)
        return run

    def _unlist(self, actor: RunActor) -> None:
        """It is over, or never was."""
        run_id, workflow_id = actor.plan.run_id, actor.plan.workflow_id
        del self._actors[run_id], self._runs[run_id]
        if self._latest.get(workflow_id) == run_id:
            del self._latest[workflow_id]
        if (parent := self._actors.get(actor.plan.parent)) is not None:
            parent.orphan(run_id)
        for child in actor.children.unfinished:
            # It was cut off, so it has written no ending, and its children have lost whoever would end them.
            self._rest(child)

    def _family(self, parent: RunActor) -> Family:
        return Family(
            name=parent.name_child,
            start=partial(self._start_child, parent),
            known=self._knows,
            ending=self._ending,
        )

    async def _start_child(
        self,
        parent: RunActor,
        run_id: str,
        graph: Mapping[str, Json],
        inputs: Mapping[str, Json],
        variables: Mapping[str, Json],
    ) -> None:
        """Start a run inside another one."""
        plan = parent.plan
        if plan.depth + 1 >= MAX_DEPTH:
            raise NodeError(f"{MAX_DEPTH} runs are inside each other already: does it start itself?", code="too_deep")
        config = inherited(plan.config, seed=_seed(plan.seed, run_id), variables=variables, inputs=inputs)
        spec = Spec(graph=graph, config=config, needs_start=False, seed=0, parent=plan.run_id, depth=plan.depth + 1)
        refusals: list[RunActive] = []
        try:
            self._has_room()
            found = await self.validate(graph, config=config, needs_start=False)
            run = self._submit(
                spec, found, run_id=run_id, workflow_id=f"workflow-{run_id}", before=None, refused=refusals.append
            )
        except InvalidWorkflow as error:
            raise NodeError(f"the workflow inside: {error}", code="invalid_workflow") from error
        except (BadField, Busy, RunActive) as error:
            raise NodeError(f"the run inside can not be started: {error}", code=error.code) from error
        parent.adopt(self._actors[run_id])
        await run.begun()
        if refusals:
            raise NodeError(f"the run inside can not be started: {refusals[0]}", code=refusals[0].code)

    async def _knows(self, run_id: str) -> bool:
        """Whether there is such a run, ended or not."""
        if run_id in self._runs:
            return True  # noqa: ASYNC910  nothing to wait for
        try:
            await self.journal.summary(run_id)
        except UnknownRun:
            return False  # noqa: ASYNC910  the journal was asked
        return True

    async def _ending(self, run_id: str) -> Ending:
        """Wait for the end of a child."""
        actor = self._actors.get(run_id)
        if actor is not None:
            await actor.ended.wait()
            if (summary := actor.view.summary) is not None:
                completed = actor.status is RunStatus.COMPLETED
                return Ending(summary, actor.view.outputs() if completed else {})
        else:
            try:
                last_seq = (await self.journal.summary(run_id)).last_seq
                events = (await self.journal.load(run_id, max(0, last_seq - 1), 1)).events
            except UnknownRun:
                events = ()
            match events:
                case [RunEnded() as event]:
                    return Ending(event.summary, event.results or {})  # noqa: ASYNC910  the journal was asked
        if self.closing:
            # It was brought to rest; so is its parent, in the same step, and this wait is cancelled.
            await trio.sleep_forever()
        raise NodeError(f"run {run_id}, inside this one, has no ending, and can not go on", code="child_lost")

    async def _workflow(self, spec: Spec) -> tuple[Workflow | None, Sequence[Problem]]:
        """The graph of a run that was valid once. Kinds that are gone are told when their nodes run."""
        config, _ = parse_execution_config(spec.config)
        found = await self._checker.check(spec.graph, config, needs_start=spec.needs_start)
        if found.workflow is None:
            config = attrs.evolve(config, dry_run=True)
            found = await self._checker.check(spec.graph, config, needs_start=spec.needs_start)
        return found.workflow, found.warnings

    def _tell(self, command: Control | NodeInput, reply: Callable[[Any], None]) -> None:
        run_id = self.find(command.workflow_id, command.run_id)
        if run_id is None:
            raise UnknownRun(f"{named(command)} is not known here")
        actor = self._actors.get(run_id)
        if actor is None:
            record = self._records.get(run_id)
            assert record is not None  # noqa: S101  what was found does not run, so it is over
            reply(answer_ended(command, record))
            return
        ask = Ask[Any, Any](command, reply, lambda error: reply(answer_lost(command, actor.record, error)))
        try:
            actor.mailbox.tell(ask)
        except ActorsError as error:
            ask.gone(error)

    def _port(
        self, plan: Plan, view: View, mailbox: Mailbox, actor: RunActor, scope: Callable[[NodeTask], Scope]
    ) -> Port:
        return Port(
            run_id=plan.run_id,
            workflow_id=plan.workflow_id,
            mailbox=mailbox,
            notes=view.notes,
            variables=view.variables,
            written=actor.written,
            progress=actor.node_progress,
            scope=scope,
            wall=self.wall,
            now=actor.clock.now,
            driver=self._driver(plan, view, mailbox, actor),
            artifacts=self.artifacts.of(plan.run_id),
            allowed=self.allowed,
            observer=self.observer,
            seed=plan.seed,
            grace=plan.grace,
            max_result=self.settings.max_result,
            abandoned=actor.abandoned.append,
            family=self._family(actor),
            secrets=plan.secrets,
        )

    def _driver(self, plan: Plan, view: View, mailbox: Mailbox, actor: RunActor) -> Driver:
        if plan.config.driver == "simulated":
            return SimulatedDriver()
        return BrowserDriver(
            self.browsers,
            notes=view.notes,
            # The context of a node is its task.
            note=lambda task, key, value: mailbox.report(Noted(key, value, cast("NodeTask", task))),
            blot=plan.secrets.blot_json,
            order=lambda: actor.tasks,
        )


def _seed(seed: int, run_id: str) -> int:
    """The seed of a child: its own, and the same whenever its parent has the same."""
    return zlib.crc32(f"{seed}/{run_id.rpartition('.')[2]}".encode())


def _unknown_breakpoints(config: ExecutionConfig, workflow: Workflow) -> tuple[Problem, ...]:
    """Nobody is to wait in vain for a run to stop."""
    return tuple(
        Problem(
            code="unknown_node",
            message=f"the workflow has no node {node_id!r}: the run will not stop there",
            path=f"config.breakpoints[{index}]",
            severity="warning",
        )
        for index, node_id in enumerate(config.breakpoints)
        if node_id not in workflow.nodes
    )


def named(command: Command) -> str:
    """What a command is about, for the user."""
    return f"run {command.run_id!r}" if command.run_id is not None else f"workflow {command.workflow_id!r}"
