"""An injection: one aim at one point under one schedule; its text is the replay id.

`cancel:run:r1@298/own/fifo` is a cancel of `run:r1` after the 298th step of any task, which was one of the run's own
points, in fifo. In place of `own`: `global` is after a step of any task, `batch` is before the first step of a batch,
the 298th of all. A last part `/unscoped` says that the nodes had no scopes of their own. `none@0/...` is a clean run.
"""

from typing import Literal

import attrs

from actors.testing.chaos.errors import ChaosError
from actors.testing.chaos.faults import Aim

__all__ = ["Injection", "Where"]

Where = Literal["own", "global", "batch"]
"""Which kind of point: see above."""


@attrs.frozen
class Injection:
    """One thing that is done in one run."""

    aim: Aim
    step: int
    where: Where
    schedule: str
    scoped: bool = True

    def __str__(self) -> str:
        return f"{self.aim}@{self.step}/{self.where}/{self.schedule}" + ("" if self.scoped else "/unscoped")

    @classmethod
    def clean(cls, schedule: str, *, scoped: bool) -> "Injection":
        """Nothing, done to a run."""
        return cls(Aim("none"), 0, "own", schedule, scoped)

    @classmethod
    def parse(cls, text: str) -> "Injection":
        """The injection with this replay id.

        Raises:
            ChaosError: it is none.
        """
        aim, _, tail = text.strip().rpartition("@")
        match tail.split("/"):
            case [step, "own" | "global" | "batch" as where, schedule, *rest] if step.isdigit() and rest in (
                [],
                ["unscoped"],
            ):
                return cls(Aim.parse(aim), int(step), where, schedule, scoped=not rest)
            case _:
                raise ChaosError(f"{text!r} is no replay id: one looks like cancel:run:r1@298/own/fifo")
