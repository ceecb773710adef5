"""A run's clock, which stands still while the run is paused, and the timers that are on it."""

import heapq
import itertools
import math
from collections.abc import Callable

import attrs
import trio

__all__ = ["RunClock", "Timer", "Timers"]


@attrs.define(eq=False)
class RunClock:
    """Seconds of a run: trio time without the time spent in `paused`, and without that between two processes."""

    _origin: float = attrs.field(factory=trio.current_time, init=False)
    _stopped_at: float | None = attrs.field(default=None, init=False)

    def now(self) -> float:
        """The time of the run."""
        return (trio.current_time() if self._stopped_at is None else self._stopped_at) - self._origin

    def start_at(self, elapsed: float) -> None:
        """It goes on where it was when another process had it."""
        self._origin = trio.current_time() - elapsed

    def stop(self) -> None:
        """Stand still. Idempotent."""
        if self._stopped_at is None:
            self._stopped_at = trio.current_time()

    def go(self) -> None:
        """Go on. Idempotent."""
        if self._stopped_at is not None:
            self._origin += trio.current_time() - self._stopped_at
            self._stopped_at = None

    def trio_time(self, when: float) -> float:
        """When it will be `when` here, in trio time; inf while it stands still."""
        return math.inf if self._stopped_at is not None else when + self._origin


@attrs.define(eq=False)
class Timer:
    """One entry of a heap; set `fire` to None to take it back."""

    due: float
    fire: Callable[[], None] | None


class Timers:
    """What is to happen when: a heap that the run actor looks at between two messages. No task sleeps for it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def at(self, due: float, fire: Callable[[], None]) -> Timer:
        """Call `fire` when it is `due`; both on the clock of whoever asks `run_due`."""
        timer = Timer(due, fire)
        heapq.heappush(self._heap, (due, next(self._count), timer))
        return timer

    def __bool__(self) -> bool:
        return bool(self._heap)

    def next_due(self) -> float:
        """When the next timer is due; inf if there is none."""
        while self._heap and self._heap[0][2].fire is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def run_due(self, now: float) -> bool:
        """Call what is due; whether there was anything."""
        fired = False
        while self.next_due() <= now:
            _, _, timer = heapq.heappop(self._heap)
            fire, timer.fire = timer.fire, None
            if fire is not None:
                fire()
                fired = True
        return fired
