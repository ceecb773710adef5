"""Who steps next: the schedules, each a short text that is the same schedule again anywhere.

| text | |
|---|---|
| `fifo` | all tasks of a batch, the oldest first |
| `walk:<seed>` | one task a tick, any of those that can step (a random walk) |
| `pct:<depth>:<seed>` | one task a tick, the one of the highest priority; priorities are drawn at random |

PCT is the probabilistic concurrency testing of Burckhardt, Kothari, Musuvathi and Nagarakatte (ASPLOS 2010): at
`depth - 1` random steps the task that would step falls below all others. Of `n` tasks and `k` steps it finds a bug that
takes `depth` orderings with a probability of at least `1 / (n * k ** (depth - 1))` per schedule.
"""

from random import Random
from typing import Final, Protocol

from trio.lowlevel import Task

from actors.testing.chaos.errors import ChaosError

__all__ = ["FIFO", "Scheduler", "pct", "scheduler", "walk"]

FIFO: Final = "fifo"

STAMINA: Final = 64
"""Steps in a row after which a task of the highest priority falls below all others: it may be spinning until another
one has done something, and a strict priority would keep it waiting for ever."""


class Scheduler(Protocol):
    """Decides about one run."""

    def pick(self, ready: list[Task]) -> list[Task]:
        """Who of these, sorted by age and at least one, steps in this tick, the first one first. The rest waits."""
        ...


def walk(n: int, *, seed: int = 0) -> list[str]:
    """`n` random walks."""
    return [f"walk:{seed + i}" for i in range(n)]


def pct(n: int, *, depth: int = 3, seed: int = 0) -> list[str]:
    """`n` schedules of random priorities, each with `depth - 1` changes of them."""
    return [f"pct:{depth}:{seed + i}" for i in range(n)]


def scheduler(text: str, *, steps: int) -> Scheduler:
    """A fresh scheduler for one run.

    Args:
        text: as above.
        steps: how many steps the scenario takes in fifo; changes of priority fall among them.

    Raises:
        ChaosError: there is no such schedule.
    """
    match text.split(":"):
        case ["fifo"]:
            return _Fifo()
        case ["walk", seed] if seed.isdigit():
            return _Walk(Random(text))
        case ["pct", depth, seed] if depth.isdigit() and seed.isdigit() and int(depth) > 0:
            return _Pct(Random(text), depth=int(depth), steps=steps)
        case _:
            raise ChaosError(f"no schedule is called {text!r}: there are fifo, walk:<seed> and pct:<depth>:<seed>")


class _Fifo:
    def pick(self, ready: list[Task]) -> list[Task]:
        return ready


class _Walk:
    def __init__(self, random: Random) -> None:
        self._random = random

    def pick(self, ready: list[Task]) -> list[Task]:
        return [ready[self._random.randrange(len(ready))]]


class _Pct:
    def __init__(self, random: Random, *, depth: int, steps: int) -> None:
        self._random = random
        self._changes = {random.randrange(max(1, steps)) for _ in range(depth - 1)}
        self._priorities: dict[Task, float] = {}
        self._step = 0
        self._bottom = 0.0
        self._last: Task | None = None
        self._in_a_row = 0

    def pick(self, ready: list[Task]) -> list[Task]:
        for task in ready:
            if task not in self._priorities:
                self._priorities[task] = self._random.random()
        best = self._best(ready)
        if self._step in self._changes or self._in_a_row >= STAMINA:
            self._bottom -= 1
            self._priorities[best] = self._bottom
            best = self._best(ready)
        self._step += 1
        self._in_a_row = self._in_a_row + 1 if best is self._last else 0
        self._last = best
        return [best]

    def _best(self, ready: list[Task]) -> Task:
        return max(ready, key=self._priorities.__getitem__)
