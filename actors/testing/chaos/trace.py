"""What a clean run went through, step by step: where faults can strike, and what every other run is held against."""

from collections.abc import Iterator
from itertools import zip_longest

import attrs

from actors.testing.chaos.errors import NotDeterministic
from actors.testing.chaos.faults import EVERYWHERE

__all__ = ["Batch", "Step", "Trace"]


@attrs.frozen
class Step:
    """One step of one task; afterwards it stands at `line`, in the scopes `within`."""

    task: int
    """The number of its creation."""
    name: str
    line: str
    within: tuple[str, ...]
    """Names of scopes."""

    def __str__(self) -> str:
        return f"{self.name} to {self.line}" + (f" in {', '.join(self.within)}" if self.within else "")


@attrs.frozen
class Batch:
    """The first step of a batch is about to be made: by the task that stands at `line`."""

    step: int
    """Its number."""
    line: str


@attrs.define(eq=False)
class Trace:
    """Filled by the run that is recorded."""

    steps: list[Step] = attrs.field(factory=list)
    batches: list[Batch] = attrs.field(factory=list)
    scopes: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    """Name → the first step after which it was there, and the first after which it was not."""
    actions: dict[str, int] = attrs.field(factory=dict)
    """Label → the first step after which it was there."""

    def own(self, scope: str, *, told: bool) -> Iterator[tuple[int, str]]:
        """The points of a scope's own tasks: the number of the step, and the line where its task stands then.

        Args:
            scope: its name.
            told: whether the step in which it was told counts, even if it was made by a task outside.
        """
        first, last = self.scopes.get(scope, (0, 0))
        for number, step in enumerate(self.steps, 1):
            # One that was told and left in the same step was never there for anybody.
            if scope in step.within or (told and number == first < last):
                yield number, step.line

    def after(self, scope: str) -> Iterator[tuple[int, str]]:
        """Every point after a step while the scope is there; of the whole run for `EVERYWHERE`."""
        first, last = self._span(scope)
        for number in range(first, last):
            yield number, self.steps[number - 1].line

    def before(self, scope: str) -> Iterator[tuple[int, str]]:
        """Every point before the first step of a batch while the scope is there."""
        first, last = self._span(scope)
        for batch in self.batches:
            if first < batch.step <= last:
                yield batch.step, batch.line

    def _span(self, scope: str) -> tuple[int, int]:
        return (1, len(self.steps) + 1) if scope == EVERYWHERE else self.scopes.get(scope, (0, 0))

    def compare(self, other: "Trace") -> None:
        """See that the other one is the same.

        Raises:
            NotDeterministic: it is not; the text names the first difference.
        """
        for number, (mine, theirs) in enumerate(zip_longest(self.steps, other.steps), 1):
            if mine != theirs:
                once, again = (str(step) if step is not None else "the end" for step in (mine, theirs))
                raise NotDeterministic(f"two clean runs differ: step {number} went {once}; the second time, {again}")
        if (self.scopes, self.actions) != (other.scopes, other.actions):
            raise NotDeterministic(
                f"two clean runs took the same steps, but told {[*self.scopes, *self.actions]}; "
                f"the second time, {[*other.scopes, *other.actions]}"
            )
