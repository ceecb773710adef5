"""Runs a scenario once, from the seal to the last invariant."""

import threading
from collections.abc import Iterator
from functools import partial
from typing import Final, TypeVar

import attrs
import trio

from actors.testing.chaos import private
from actors.testing.chaos.errors import Crashed
from actors.testing.chaos.injections import Injection
from actors.testing.chaos.interrupt import Interrupt
from actors.testing.chaos.probe import Probe, Watcher, busy_threads
from actors.testing.chaos.schedules import scheduler
from actors.testing.chaos.seal import sealed
from actors.testing.chaos.tasks import below
from actors.testing.chaos.trace import Step, Trace
from actors.testing.chaos.trial import NO_EXCEPTION, Play, Trial, Violation

__all__ = ["Result", "try_out"]

NO_TASK_LEFT: Final = "no task left"
NO_SCOPE_LEFT: Final = "no scope left"
NO_THREAD_LEFT: Final = "no thread left"

FLOOR: Final = 2_000
"""Steps that every run may take, however short the clean one was: a fault makes work of its own."""

CLEAN_LIMIT: Final = 50_000
"""Steps that a clean run may take."""

FACTOR: Final = 8
"""How many times the steps of the clean run a run may take."""

W = TypeVar("W")


@attrs.frozen
class Result:
    """What came of one run."""

    injection: Injection
    struck: bool
    steps: int
    violations: tuple[Violation, ...]
    trace: Trace
    tree: str


def try_out(
    play: Play[W],
    injection: Injection,
    *,
    interrupt: Interrupt,
    steps: int,
    fifo_steps: int = 0,
    expected: Step | None = None,
    record: bool = False,
    draw: bool = False,
) -> Result:
    """Run it once, and ask what holds.

    Args:
        play: the scenario and its world.
        injection: what is done.
        interrupt: ends it.
        steps: those of the clean run in this schedule; 0 if it is not known.
        fifo_steps: those of the clean run in fifo, which a schedule is made for.
        expected: what the clean run did in the step of the injection.
        record: whether to keep a trace.
        draw: whether to keep the task tree of the moment before the injection.

    Raises:
        KeyboardInterrupt: a Ctrl-C came, whatever has become of it in the run.
        NotDeterministic: it did something else before the injection than the clean run.
    """
    trial = Trial(injection)
    watch = injection.where == "batch" or record
    limit = max(FLOOR, FACTOR * steps) if steps else CLEAN_LIMIT
    probe = (Watcher if watch else Probe)(
        trial,
        scheduler(injection.schedule, steps=fifo_steps),
        limit=limit,
        record=record,
        draw=draw,
        expected=expected,
    )
    worlds: list[W] = []
    threads = frozenset(threading.enumerate())

    async def main() -> None:  # noqa: ASYNC910  a world that opens without a checkpoint is one, too
        trial.main = trio.lowlevel.current_task()
        trial.main.name = "main"
        interrupt.tell(partial(probe.stop, KeyboardInterrupt()))
        before = trio.lowlevel.current_statistics().tasks_living
        with probe.everything:
            async with play.world(trial) as world:
                worlds.append(world)
                await play.scenario(world)
        if trio.lowlevel.current_statistics().tasks_living != before:
            root = trio.lowlevel.current_root_task()
            names = sorted(task.name for task in below(root or trial.main))
            trial.fail(NO_TASK_LEFT, f"of these, {before} were there before: {', '.join(names)}")

    with sealed(), private.scheduled(probe.order):
        try:
            trio.run(main, clock=trial.clock, instruments=[probe])
        except BaseException as error:  # noqa: ASYNC103, BLE001  trio is over; what came out of it is judged
            if probe.error is None and not probe.ended:
                _judge(trial, error)
    if probe.left:
        trial.abandon()
    interrupt.check()
    if probe.error is not None:
        raise probe.error
    if not probe.ended:
        if left := trial.left():
            trial.fail(NO_SCOPE_LEFT, f"still told: {', '.join(left)}")
        if names := busy_threads(threads):
            trial.fail(NO_THREAD_LEFT, f"still running: {', '.join(names)}")
        for world in worlds:
            _ask(trial, play, world)
    return Result(injection, trial.struck, trial.steps, tuple(trial.violations), trial.trace, probe.tree)


def _ask(trial: Trial, play: Play[W], world: W) -> None:
    for invariant in play.invariants:
        try:
            for text in invariant.check(world):
                trial.fail(invariant.name, text)
        except Exception as error:  # noqa: BLE001  what it says then is that
            trial.fail(invariant.name, f"the check itself raised {error!r}")


def _judge(trial: Trial, error: BaseException) -> None:
    """What came out of the run: the crash that was put in may, and nothing else."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        raise error
    for leaf in leaves:
        if not isinstance(leaf, Crashed):
            trial.fail(NO_EXCEPTION, f"{type(leaf).__name__}: {leaf}{_place(leaf)}")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _place(error: BaseException) -> str:
    """Where it was raised."""
    at, place = error.__traceback__, ""
    while at is not None:
        place = f", raised at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
        at = at.tb_next
    return place
