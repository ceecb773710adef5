"""What came of an exploration: the figures, and the invariants that did not hold, each with its smallest injection."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from actors.testing.chaos.errors import ChaosFailure
from actors.testing.chaos.trial import Violation

__all__ = ["Broken", "Made", "Report"]


@attrs.frozen
class Made:
    """One injection and what came of it."""

    id: str
    """The replay id."""
    fault: str
    target: str
    """The scope at one of whose points it was made; empty for the whole run."""
    step: int
    line: str
    """Where the task of that point stood, as `path:number`."""
    schedule: str
    struck: bool
    """Whether it was made at all: a crash needs a wait that can be broken off."""
    violations: tuple[Violation, ...]


@attrs.frozen
class Broken:
    """An invariant that did not hold."""

    invariant: str
    count: int
    """Of how many injections."""
    smallest: Made
    """The earliest in the run, of those in the first schedule that has one."""
    tree: str
    """The tasks right before it."""


@attrs.frozen
class Report:
    """Of one scenario."""

    name: str
    where: str
    """`own` or `global`."""
    schedules: tuple[str, ...]
    """Those that were reached."""
    points: Mapping[str, int]
    """Target → how many points it has in the first schedule."""
    injections: tuple[Made, ...]
    """In the order in which they were made, each distinct in fault, target, point and schedule."""
    complete: bool
    """Whether these are all there are."""
    broken: tuple[Broken, ...]
    left_out: tuple[str, ...]
    """What was asked for and not done, and why."""
    runs: int
    """Clean ones and repeated ones, too."""
    seconds: float

    def check(self) -> None:
        """Complain.

        Raises:
            ChaosFailure: an invariant did not hold; the text is the whole report.
        """
        if self.broken:
            raise ChaosFailure(str(self))

    @property
    def rate(self) -> float:
        """Runs a second."""
        return self.runs / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it, in values that JSON has."""
        return {**attrs.asdict(self, value_serializer=_plain), "rate": round(self.rate, 1)}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        made = len(self.injections)
        cancels = sum(one.fault == "cancel" and one.schedule == self.schedules[0] for one in self.injections)
        under = "fifo" if self.schedules == ("fifo",) else f"{len(self.schedules)} schedules"
        figures = f"{made} injections under {under}, {self.runs} runs, {self.rate:.0f} a second"
        if self.broken:
            failed = sum(bool(one.violations) for one in self.injections)
            yield f"{self.name}: {failed} of {figures}; broken: {', '.join(one.invariant for one in self.broken)}"
        elif self.complete and cancels:
            yield f"{self.name}: cancel-safe at all {cancels} points ({self.where}; {figures})"
        else:
            share = "all" if self.complete else "not all"
            yield f"{self.name}: nothing found ({self.where}; {share} there are: {figures})"
        for text in self.left_out:
            yield f"  left out: {text}"
        for one in self.broken:
            yield from ("", *_section(one))


def _section(one: Broken) -> Iterable[str]:
    smallest = one.smallest
    times = "once" if one.count == 1 else f"{one.count} times"
    yield f"{one.invariant}: broken {times}"
    yield f"  replay: {smallest.id}"
    yield f"  at {smallest.line or 'no injection at all'}"
    for violation in smallest.violations:
        if violation.invariant == one.invariant:
            yield from (f"  {text}" for text in violation.text.splitlines())
    if one.tree:
        yield "  the tasks right before:"
        yield from (f"    {text}" for text in one.tree.splitlines())


def _plain(_instance: object, _field: object, value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
