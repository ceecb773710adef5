"""Loop nodes: how many turns, what each is about, and what comes after the last.

Theory of operation: a loop node holds no task while its body runs; a turn is state. `Loops` belongs to the schedule of
one run and awaits nothing. A turn begins with a note, which makes the view open a fresh region of the body; when every
member of the region has an end status the schedule says `turn_over`, and the next turn begins, or the node ends: with
the list of the turns' values on `done`, or as failed. A timeout of a loop node is on the run's clock and cuts the turn.
"""

import math
from collections.abc import Mapping
from random import Random
from typing import Any, Final, Protocol

import attrs

from actors.context import Fired
from actors.errors import NodeError
from actors.expressions import Scope
from actors.node import Port, Step
from actors.recorder import Recorder
from actors.simulated import ODDS
from actors.timers import RunClock, Timer, Timers
from protocol.messages import Iteration, Json
from protocol.view import DONE, Region, View, instance_key

__all__ = ["Loops", "seeded", "timed_out"]

MAX_ITERATIONS: Final = 10_000
"""Where the loop's own settings are not known (a dry run)."""

Key = tuple[str, Iteration]


class Ends(Protocol):
    """What the schedule does when a loop node is done."""

    def succeeded(self, step: Step, region: Region, value: object, *, attempt: int) -> None: ...
    def failed(self, step: Step, region: Region, error: BaseException, *, attempt: int) -> None: ...
    def skip(self, node_id: str, region: Region, reason: str) -> None: ...
    def skip_body(self, loop: str, region: Region, reason: str) -> None: ...
    def note(self, step: Step, region: Region, name: str, value: Json) -> None: ...
    def resolved(self, region: Region) -> None: ...
    def cut(self, region: Region, cause: str) -> None: ...
    def scope_of(self, node_id: str, region: Region) -> Scope: ...


@attrs.define(eq=False)
class _Turning:
    """A loop node instance that is running."""

    step: Step
    region: Region
    """Where the loop node itself lives."""
    attempt: int
    config: Any = None
    items: list[Json] | None = None
    turns: float = 1
    """inf for a `while`."""
    turn: int = -1
    timer: Timer | None = None


class Loops:
    """The loop nodes of one run that are running; falsy when there are none.

    Args:
        view: the state of the run.
        schedule: what happens to a loop node that is done.
        recorder: writes the note of each turn.
        clock: of the run; timeouts are on it.
        timers: on that clock.
        port: its seed, and its secrets.
        dry_run: a loop whose turns can not be known takes one.
    """

    def __init__(
        self,
        view: View,
        *,
        schedule: Ends,
        recorder: Recorder,
        clock: RunClock,
        timers: Timers,
        port: Port,
        dry_run: bool,
    ) -> None:
        self._view = view
        self._schedule = schedule
        self._say = recorder
        self._clock = clock
        self._timers = timers
        self._port = port
        self._dry_run = dry_run
        self._running: dict[Key, _Turning] = {}

    def __bool__(self) -> bool:
        return bool(self._running)

    def __contains__(self, key: object) -> bool:
        return key in self._running

    def begin(self, step: Step, region: Region, *, attempt: int) -> None:
        """A loop node starts: find out how many turns it has, and take the first."""
        turning = _Turning(step, region, attempt)
        self._running[step.node.id, region.iteration] = turning
        if (timeout := step.node.settings.timeout) is not None:
            turning.timer = self._timers.at(self._clock.now() + timeout, lambda: self._timed_out(turning))
        try:
            self._count(turning)
        except NodeError as error:
            if not self._dry_run:
                self._fail(turning, error)
                return
        self._next(turning)

    def restore(self, step: Step, region: Region, *, attempt: int, began: float) -> None:
        """A loop node was running in another process: go on with the turn that is under way.

        Args:
            step: the loop node.
            region: where it lives.
            attempt: which one.
            began: on the run's clock.
        """
        turning = _Turning(step, region, attempt)
        self._running[step.node.id, region.iteration] = turning
        if (timeout := step.node.settings.timeout) is not None:
            turning.timer = self._timers.at(began + timeout, lambda: self._timed_out(turning))
        try:
            self._count(turning)
        except NodeError as error:
            if not self._dry_run:
                self._fail(turning, error)
                return
        inner = self._view.turn(step.node.id, region.iteration)
        if inner is None:
            self._next(turning)
            return
        turning.turn = inner.turn
        self._schedule.resolved(inner)

    def turn_over(self, region: Region, cause: str | None) -> None:
        """Every member of a turn has an end status.

        Args:
            region: the turn.
            cause: why it was cut, see `Schedule.cut`; None: it was not.
        """
        loop, outer = region.loop or "", region.iteration[:-1]
        turning = self._running.get((loop, outer))
        if turning is None or self._view.turn(loop, outer) is not region:
            return
        match cause:
            case "outer":
                self._leave(turning)
                self._schedule.skip(loop, turning.region, "break")
            case "timeout":
                self._fail(turning, timed_out(turning.step))
            case "break":
                self._done(turning)
            case _:
                self._next(turning)

    def halt(self) -> None:
        """The run stops or fails: the timeouts of loop nodes do not count any more."""
        for turning in self._running.values():
            if turning.timer is not None:
                turning.timer.fire = None

    def abandon(self) -> list[tuple[str, Region]]:
        """The run is over: the loop nodes that were running, inner ones first; none is any more."""
        inner_first = sorted(self._running.values(), key=lambda turning: -len(turning.region.iteration))
        for turning in inner_first:
            self._leave(turning)
        return [(turning.step.node.id, turning.region) for turning in inner_first]

    def _count(self, turning: _Turning) -> None:
        config = turning.config = self._config(turning)
        match config.type:
            case "forEach":
                # What a turn is about is noted, and what its nodes see is the note.
                turning.items = _items(self._port.secrets.blot_json(config.items))
                turning.turns = len(turning.items)
            case "while":
                turning.turns = 1 if self._dry_run else math.inf
            case _:
                turning.turns = config.count

    def _next(self, turning: _Turning) -> None:
        step, region = turning.step, turning.region
        turn = turning.turn + 1
        try:
            if turning.turns == math.inf and not self._goes_on(turning, turn):
                turning.turns = turn
            if turn < turning.turns and turn >= (limit := getattr(turning.config, "max_iterations", MAX_ITERATIONS)):
                raise NodeError(f"more than {limit} turns (maxIterations)", code="max_iterations")
        except NodeError as error:
            self._fail(turning, error)
            return
        if turn >= turning.turns:
            self._done(turning)
            return
        turning.turn = turn
        value: dict[str, Json] = {"node": step.node.id, "iteration": list(region.iteration), "turn": turn}
        if turning.items is not None:
            value["item"] = turning.items[turn]
        self._schedule.note(step, region, "loop", value)
        turns = None if turning.turns == math.inf else int(turning.turns)
        message = f"turn {turn + 1} of {turns}" if turns else f"turn {turn + 1}"
        self._say.progress(step.node.id, region.iteration, 100.0 * turn / turns if turns else 0.0, message)
        inner = self._view.turn(step.node.id, region.iteration)
        if inner is not None:
            self._schedule.resolved(inner)

    def _goes_on(self, turning: _Turning, turn: int) -> bool:
        """The condition of a `while`, before a turn; without one the run's random source decides."""
        condition: bool | None = self._config(turning).condition
        if condition is None:
            return seeded(self._port.seed, turning.step.node.id, turning.region.iteration, turn).random() < ODDS
        return condition

    def _done(self, turning: _Turning) -> None:
        step, region = turning.step, turning.region
        self._leave(turning)
        results = self._view.results(step.node.id, region.iteration)
        if turning.turn < 0:
            self._schedule.skip_body(step.node.id, region, "no_iteration")
        self._schedule.succeeded(step, region, Fired({DONE: results}), attempt=turning.attempt)

    def _fail(self, turning: _Turning, error: NodeError) -> None:
        self._leave(turning)
        self._schedule.failed(turning.step, turning.region, error, attempt=turning.attempt)

    def _timed_out(self, turning: _Turning) -> None:
        inner = self._view.turn(turning.step.node.id, turning.region.iteration)
        if inner is not None:
            self._schedule.cut(inner, "timeout")

    def _leave(self, turning: _Turning) -> None:
        del self._running[turning.step.node.id, turning.region.iteration]
        if turning.timer is not None:
            turning.timer.fire = None

    def _config(self, turning: _Turning) -> Any:
        step = turning.step
        if step.prepared is None:
            raise NodeError("its settings are not known", code="bad_config")
        return step.prepared.resolve(self._schedule.scope_of(step.node.id, turning.region))


def seeded(seed: int, node_id: str, iteration: Iteration, number: int) -> Random:
    """Random numbers of one turn or attempt of a node instance: the same whenever the run has the same seed."""
    return Random(f"{seed}/{instance_key(node_id, iteration)}/{number}")


def timed_out(step: Step) -> NodeError:
    """The error of a node that took longer than its timeout."""
    return NodeError(f"timed out after {step.node.settings.timeout or 0.0:g} s", code="timeout")


def _items(value: Json) -> list[Json]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return [{"key": key, "value": item} for key, item in value.items()]
    raise NodeError(f"`items` must be a list, not {type(value).__name__}", code="bad_config")
