"""Tries every injection that a budget allows: a clean run tells where, and each is then a run of its own.

Theory of operation: a scenario is run twice without a fault in each schedule, and has to take the same steps both
times. Out of its trace come the candidates. First comes one of each stratum – fault, kind of target, line, kind of
point –, so that a small budget has been everywhere; then the rest, in an order that is drawn at random but always the
same. Of each invariant that did not hold the smallest injection is run once more, for its task tree.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Generic, TypeVar

import attrs
import trio

from actors.testing.chaos import private
from actors.testing.chaos.errors import ChaosError
from actors.testing.chaos.faults import EVERYWHERE, Fault
from actors.testing.chaos.injections import Injection
from actors.testing.chaos.interrupt import Interrupt, heeded
from actors.testing.chaos.plan import Candidate, Points, aims, candidates, places
from actors.testing.chaos.report import Broken, Made, Report
from actors.testing.chaos.schedules import FIFO, scheduler
from actors.testing.chaos.trace import Step, Trace
from actors.testing.chaos.trial import Invariant, Play, World
from actors.testing.chaos.tryout import Result, try_out

__all__ = ["Budget", "explore", "replay"]

W = TypeVar("W")


@attrs.frozen
class Budget:
    """When to stop; None is never."""

    runs: int | None = None
    """Injections."""
    seconds: float | None = None
    """Real ones, from the first clean run on."""


def explore(
    scenario: Callable[[W], Awaitable[object]],
    *,
    world: World[W] | None = None,
    faults: Iterable[Fault],
    invariants: Iterable[Invariant[W]] | None = None,
    points: Points = "own",
    schedules: Sequence[str] = (FIFO,),
    budget: Budget | None = None,
    scoped: bool = True,
) -> Report:
    """Run a scenario again and again, each time with one injection.

    Synchronous: it owns `trio.run`.

    Args:
        scenario: is given the world, and ends by itself. It is called once a run.
        world: opens what the scenario needs; default: callboard's, `open_world`.
        faults: what is done.
        invariants: what must hold besides: nothing left running or told, nothing raised, no deadlock, no livelock.
            Default: `STANDARD` in callboard's world, none in another.
        points: after the steps of a target's own tasks, or `global`: after every step and before every batch.
            Crash and Delay are about a task's own step, and keep to the first kind.
        schedules: texts of `schedules`.
        budget: without one, all there are.
        scoped: whether nodes have scopes of their own, which is not what ships.

    Raises:
        KeyboardInterrupt: a Ctrl-C came.
        NotDeterministic: two clean runs were not alike.
        ChaosError: a schedule is none, or it is called from inside of a `trio.run`.
    """
    _stand_alone()
    for schedule in schedules:
        scheduler(schedule, steps=1)
    play = _play(scenario, world, invariants)
    with heeded() as interrupt:
        exploration = _Exploration(play, points, tuple(dict.fromkeys(schedules)), scoped, interrupt, tuple(faults))
        return exploration.explore(budget or Budget())


def replay(
    scenario: Callable[[W], Awaitable[object]],
    injection: str,
    *,
    world: World[W] | None = None,
    invariants: Iterable[Invariant[W]] | None = None,
) -> Report:
    """Make one injection again, with its task tree.

    Args:
        scenario: that of the exploration.
        injection: the replay id.
        world: that of the exploration.
        invariants: those of the exploration.

    Raises:
        KeyboardInterrupt: a Ctrl-C came.
        ChaosError: it is no replay id, or has no such point here; or this is called from inside of a `trio.run`.
        NotDeterministic: two clean runs were not alike.
    """
    _stand_alone()
    wanted = Injection.parse(injection)
    play = _play(scenario, world, invariants)
    where: Points = "own" if wanted.where == "own" else "global"
    with heeded() as interrupt:
        return _Exploration(play, where, (wanted.schedule,), wanted.scoped, interrupt).replay(wanted)


def _stand_alone() -> None:
    if trio.lowlevel.in_trio_run():
        raise ChaosError("an exploration has a trio.run of its own for every injection: call it from a plain function")


def _play(
    scenario: Callable[[W], Awaitable[object]], world: World[W] | None, invariants: Iterable[Invariant[W]] | None
) -> Play[W]:
    """With the defaults, which know callboard; nothing else here does."""
    if world is not None:
        return Play(scenario, world, tuple(invariants or ()))
    from actors.testing.chaos.invariants import STANDARD
    from actors.testing.chaos.world import open_world

    ours: Play[Any] = Play(scenario, open_world, STANDARD if invariants is None else tuple(invariants))
    return ours


@attrs.define(eq=False)
class _Exploration(Generic[W]):
    """What was done so far."""

    _play: Play[W]
    _where: Points
    _schedules: tuple[str, ...]
    _scoped: bool
    _interrupt: Interrupt
    _faults: tuple[Fault, ...] = ()
    _started: float = attrs.field(factory=time.monotonic, init=False)
    _runs: int = attrs.field(default=0, init=False)
    _made: list[Made] = attrs.field(factory=list, init=False)
    _traces: dict[str, Trace | None] = attrs.field(factory=dict, init=False)
    """Schedule → what its clean run went through; None if not all held in it."""
    _left_out: dict[str, None] = attrs.field(factory=dict, init=False)
    """What can not be tried, and why."""
    _idle: dict[str, None] = attrs.field(factory=dict, init=False)
    """Which faults had nothing to strike."""

    def explore(self, budget: Budget) -> Report:
        """See above."""
        until = None if budget.seconds is None else self._started + budget.seconds
        for count, candidate in enumerate(self._candidates()):
            if count == budget.runs or (until is not None and time.monotonic() >= until):
                return self._report(complete=False)
            self._made.append(_made(candidate, self._strike(candidate)))
        return self._report(complete=bool(self._made) and not self._left_out)

    def replay(self, injection: Injection) -> Report:
        """See above."""
        trace = self._trace(injection.schedule)
        if trace is not None and injection.aim.kind != "none":
            points = places(trace, injection.aim, self._where)
            lines = [line for step, line, where in points if (step, where) == (injection.step, injection.where)]
            if not lines:
                raise ChaosError(f"{injection} has no point in this scenario")
            candidate = Candidate(injection, lines[0])
            self._made.append(_made(candidate, self._strike(candidate)))
        return self._report(complete=False)

    def _candidates(self) -> Iterator[Candidate]:
        """All that could be made, in order. A schedule is only looked into when its turn comes."""
        faults = [fault for fault in self._faults if self._can(str(fault), private_names=fault.private)]
        seen: set[tuple[object, ...]] = set()
        rest: list[Candidate] = []
        for schedule in self._schedules:
            trace = self._trace(schedule) if self._can(schedule, private_names=schedule != FIFO) else None
            if trace is None:
                continue
            for fault in faults:
                if not aims(trace, [fault]):
                    self._idle[f"{fault} in {schedule} (nothing has such a name)"] = None
            for candidate in candidates(trace, faults, where=self._where, schedule=schedule, scoped=self._scoped):
                if candidate.stratum in seen:
                    rest.append(candidate)
                else:
                    seen.add(candidate.stratum)
                    yield candidate
        Random(0).shuffle(rest)
        yield from rest

    def _can(self, what: str, *, private_names: bool) -> bool:
        if private_names and not private.available:
            self._left_out[f"{what} (trio has changed: {private.reason})"] = None
        return private.available or not private_names

    def _trace(self, schedule: str) -> Trace | None:
        """Of the clean runs, made when it is first asked for."""
        if schedule not in self._traces:
            injection = Injection.clean(schedule, scoped=self._scoped)
            first = self._run(injection, record=True)
            if first.violations:
                self._traces[schedule] = None
                self._made.append(_made(Candidate(injection, ""), first))
                self._left_out[f"every injection in {schedule} (it is broken without one)"] = None
            else:
                first.trace.compare(self._run(injection, record=True).trace)
                self._traces[schedule] = first.trace
        return self._traces[schedule]

    def _strike(self, candidate: Candidate, *, draw: bool = False) -> Result:
        injection = candidate.injection
        trace = self._trace(injection.schedule)
        if trace is None:
            return self._run(injection, draw=draw)
        expected = trace.steps[injection.step - 1] if injection.where != "batch" else None
        return self._run(injection, steps=len(trace.steps), expected=expected, draw=draw)

    def _run(
        self,
        injection: Injection,
        *,
        steps: int = 0,
        expected: Step | None = None,
        record: bool = False,
        draw: bool = False,
    ) -> Result:
        self._runs += 1
        length = 0
        if injection.schedule != FIFO:
            fifo = self._trace(FIFO)
            length = len(fifo.steps) if fifo is not None else 0
        return try_out(
            self._play,
            injection,
            interrupt=self._interrupt,
            steps=steps,
            fifo_steps=length,
            expected=expected,
            record=record,
            draw=draw,
        )

    def _report(self, *, complete: bool) -> Report:
        reached = tuple(schedule for schedule in self._schedules if schedule in self._traces)
        return Report(
            name=getattr(self._play.scenario, "__name__", repr(self._play.scenario)),
            where=self._where,
            schedules=reached,
            points=self._points(),
            injections=tuple(self._made),
            complete=complete,
            broken=tuple(self._broken()),
            left_out=(*self._left_out, *self._idle),
            runs=self._runs,
            seconds=time.monotonic() - self._started,
        )

    def _points(self) -> dict[str, int]:
        """Of each target, in the first schedule."""
        trace = self._traces.get(self._schedules[0])
        if trace is None:
            return {}
        counts: dict[str, int] = {}
        for aim in aims(trace, self._faults):
            if aim.at != EVERYWHERE:
                counts[aim.at] = max(counts.get(aim.at, 0), len(list(places(trace, aim, self._where))))
        return counts

    def _broken(self) -> Iterator[Broken]:
        """Each invariant with its smallest injection, which is made once more."""
        found: dict[str, list[Made]] = {}
        for made in self._made:
            for invariant in dict.fromkeys(violation.invariant for violation in made.violations):
                found.setdefault(invariant, []).append(made)
        for invariant, all_made in found.items():
            smallest = min(all_made, key=lambda made: (self._schedules.index(made.schedule), made.step))
            result = self._strike(Candidate(Injection.parse(smallest.id), smallest.line), draw=True)
            again = any(violation.invariant == invariant for violation in result.violations)
            tree = result.tree if again else f"(made once more, it held)\n{result.tree}"
            yield Broken(invariant, len(all_made), smallest, tree)


def _made(candidate: Candidate, result: Result) -> Made:
    injection = candidate.injection
    aim = injection.aim
    return Made(
        id=str(injection),
        fault=aim.kind,
        target=aim.at,
        step=injection.step,
        line=candidate.line,
        schedule=injection.schedule,
        struck=result.struck,
        violations=result.violations,
    )
