"""Sits in trio's hooks during one run: counts, records, strikes, and ends a run that goes nowhere.

Theory of operation: trio drops an instrument that raises, without a word to the program, so each hook catches whatever
happens in it, keeps it as `error` and ends the run. A run is ended in three stages, each given some steps to work: all
is cancelled; every wait, behind whatever shield, gets an exception that is no `Exception`; trio's loop itself is left,
with its tasks where they stand. The first of them is the rule, the last is for a task that swallows everything.

A deadlock on a clock that jumps does not block, it spins: nobody steps, nobody can, and there is no deadline to jump
to.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import trio
import trio.abc
from trio.lowlevel import Task

from actors.testing.chaos import private
from actors.testing.chaos.errors import Crashed, NotDeterministic
from actors.testing.chaos.schedules import Scheduler
from actors.testing.chaos.tasks import below, line
from actors.testing.chaos.trace import Batch, Step
from actors.testing.chaos.trial import Trial

__all__ = ["NO_DEADLOCK", "NO_LIVELOCK", "Ended", "Probe", "Watcher", "busy_threads"]

NO_DEADLOCK: Final = "no deadlock"
NO_LIVELOCK: Final = "no livelock"

IDLE_TICKS: Final = 4
"""Ticks in a row without a step, after which it is asked whether one can still come. A jump of the clock takes two."""

GRACE_STEPS: Final = 500
"""What each stage of an end may take."""

THREAD_PATIENCE_S: Final = 5.0
"""Real seconds for which a tick without a step may be the wait for a thread."""


class Ended(BaseException):
    """The run is over; nobody catches it by accident."""


def busy_threads(before: frozenset[threading.Thread]) -> list[str]:
    """Names of the threads that were not there before. Trio keeps idle ones for later; these do not count."""
    threads = [thread for thread in threading.enumerate() if thread not in before]
    return [thread.name for thread in threads if not thread.name.startswith("Trio thread")]


class Probe(trio.abc.Instrument):
    """Of one run.

    Args:
        trial: what it strikes.
        scheduler: who steps next.
        limit: more steps than this are a livelock.
        record: whether to fill the trial's trace.
        draw: whether to keep the task tree of the moment before the injection.
        expected: the step of the clean run after which the injection is made, if it is known.
    """

    def __init__(
        self, trial: Trial, scheduler: Scheduler, *, limit: int, record: bool, draw: bool, expected: Step | None
    ) -> None:
        self.error: BaseException | None = None
        """What went wrong in the kit itself, or an interrupt."""
        self.ended = False
        """Whether the run was ended from here."""
        self.left = False
        """Whether trio's loop was left, with tasks in it."""
        self.tree = ""
        self.everything = trio.CancelScope()
        """Around the whole run."""
        self._trial = trial
        self._scheduler = scheduler
        self._limit = limit
        self._record = record
        self._draw = draw
        self._expected = expected
        injection = trial.injection
        self._after = injection.step if injection.where != "batch" else 0
        self._before = injection.step if injection.where == "batch" else 0
        self._idle = 0
        self._idle_since = 0.0
        self._threads = frozenset(threading.enumerate())
        self._fresh = False
        """Whether no step of this batch was made yet."""
        self._doomed: Task | None = None
        """Gets its crash at the next wait that can be broken off."""
        self._held: dict[Task, int] = {}
        """Ticks for which a task does not step."""
        self._stages = [self._cancel, self._break, self._break, self._leave]

    # Hooks

    def task_spawned(self, task: Task) -> None:
        """It gets its number."""
        self._trial.number(task)

    def before_io_wait(self, timeout: float) -> None:
        """A batch is over."""
        self._fresh = True
        self._idle += 1
        if self._idle >= IDLE_TICKS:
            self._guard(self._look_for_deadlock)

    def after_task_step(self, task: Task) -> None:
        """A step was made."""
        trial = self._trial
        trial.steps += 1
        self._idle = 0
        self._fresh = False
        if self._record:
            self._guard(self._note, task)
        if trial.steps == self._after:
            self._guard(self._strike_after, task)
        elif task is self._doomed:
            self._guard(self._crash, task)
        if trial.steps > self._limit:
            self._guard(self._livelock)

    def order(self, batch: list[Task]) -> None:
        """Trio asks who steps; not a hook."""
        if self.left:
            raise Ended
        ready = batch
        if self._held:
            self._held = {task: ticks for task, ticks in self._held.items() if ticks > 0}
            ready = [task for task in batch if task not in self._held]
            for task in batch:
                if task in self._held:
                    self._held[task] -= 1
        chosen = self._scheduler.pick(ready) if ready else []
        private.arrange(batch, chosen)

    def _note(self, task: Task) -> None:
        trial = self._trial
        trial.trace.steps.append(Step(trial.number(task), task.name, line(task), trial.within(task)))

    # The injection

    def _strike_after(self, task: Task) -> None:
        trial = self._trial
        if self._expected is not None:
            now = Step(trial.number(task), task.name, self._expected.line, trial.within(task))
            if now != self._expected:
                raise NotDeterministic(
                    f"{trial.injection}: step {trial.steps} went {now.name} in {now.within}; in a clean run, "
                    f"{self._expected.name} in {self._expected.within}"
                )
        self._strike(task)

    def _strike(self, task: Task) -> None:
        trial, aim = self._trial, self._trial.injection.aim
        if self._draw:
            self.tree = trial.tree()
        match aim.kind:
            case "cancel":
                trial.told(aim.subject).cancel()
            case "call":
                trial.call(aim.subject)
            case "skip":
                trial.clock.jump(aim.amount)
            case "delay":
                self._held[task] = int(aim.amount)
            case "crash":
                self._crash(task)
                return
        trial.struck = True

    def _crash(self, task: Task) -> None:
        error = Crashed(f"of the kit: {self._trial.injection}")
        self._doomed = None if private.crash(task, error) else task
        self._trial.struck = self._doomed is None

    # Its end

    def _look_for_deadlock(self) -> None:
        if self._idle == IDLE_TICKS:
            self._idle_since = time.monotonic()
        now = trio.lowlevel.current_statistics()
        if now.tasks_runnable or now.run_sync_soon_queue_size or now.seconds_to_next_deadline != float("inf"):
            return
        working = trio.to_thread.current_default_thread_limiter().borrowed_tokens or busy_threads(self._threads)
        if working and time.monotonic() < self._idle_since + THREAD_PATIENCE_S:
            time.sleep(0.001)
            return
        self._idle = 0
        self._end(NO_DEADLOCK, "nobody can step, and no deadline is ahead")

    def _livelock(self) -> None:
        steps, self._limit = self._limit, self._trial.steps + GRACE_STEPS
        self._end(NO_LIVELOCK, f"not over after {steps} steps")

    def _end(self, invariant: str, why: str) -> None:
        if not self.ended:
            self.ended = True
            self._trial.fail(invariant, f"{why}\n{self._trial.tree()}")
            self._limit = self._trial.steps + GRACE_STEPS
        if self._stages:
            self._stages.pop(0)()

    def stop(self, error: BaseException) -> None:
        """End the run; this is what comes of it, unless another was first."""
        self.error = self.error or error
        self.ended = True
        self.everything.cancel()

    def _cancel(self) -> None:
        self.everything.cancel()

    def _break(self) -> None:
        for task in below(self._trial.main) if private.available else ():
            private.break_off(task, Ended())

    def _leave(self) -> None:
        self.left = True

    def _guard(self, do: Callable[..., None], *args: Task) -> None:
        try:
            do(*args)
        except BaseException as error:  # noqa: ASYNC103, BLE001  no task is here, and trio would drop the hook
            self.stop(error)


class Watcher(Probe):
    """A probe that also looks at the first step of each batch: for points of that kind, and to record them."""

    def before_task_step(self, task: Task) -> None:
        """A step is about to be made."""
        if self._fresh:
            self._fresh = False
            trial = self._trial
            step = trial.steps + 1
            if self._record:
                trial.trace.batches.append(Batch(step, line(task)))
            if step == self._before:
                self._guard(self._strike, task)
