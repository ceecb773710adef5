"""Which injections there are, and in which order: out of the trace of a clean run."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import attrs

from actors.testing.chaos.faults import EVERYWHERE, Aim, Fault
from actors.testing.chaos.injections import Injection, Where
from actors.testing.chaos.trace import Trace

__all__ = ["Candidate", "Points", "aims", "candidates", "places"]

Points = Literal["own", "global"]
"""After the steps of a target's own tasks; or after every step and before every batch."""

OWN_STEP: Final = frozenset({"crash", "delay"})
"""Aims at the task that has just stepped, so only its own points make sense."""


@attrs.frozen
class Candidate:
    """An injection that can be made."""

    injection: Injection
    line: str
    """Where the task of its point stands."""

    @property
    def stratum(self) -> tuple[object, ...]:
        """What it stands for: fault, kind of target, line, kind of point."""
        aim = self.injection.aim
        subject = aim.subject.rpartition("/")[2] if aim.kind == "call" else ""
        return aim.kind, aim.amount, subject, aim.at.partition(":")[0], self.line, self.injection.where


def aims(trace: Trace, faults: Iterable[Fault]) -> list[Aim]:
    """What there is to be struck, each once."""
    scopes, actions = tuple(trace.scopes), tuple(trace.actions)
    return list(dict.fromkeys(aim for fault in faults for aim in fault.aims(scopes, actions)))


def places(trace: Trace, aim: Aim, where: Points) -> Iterator[tuple[int, str, Where]]:
    """Where an aim can be struck: the step, the line where its task stands, the kind of the point."""
    first = trace.actions.get(aim.subject, len(trace.steps) + 1) if aim.kind == "call" else 1
    if aim.at != EVERYWHERE and (where == "own" or aim.kind in OWN_STEP):
        for step, line in trace.own(aim.at, told=aim.kind not in OWN_STEP):
            if step >= first:
                yield step, line, "own"
        return
    for step, line in trace.after(aim.at):
        if step >= first:
            yield step, line, where
    if where == "global":
        for step, line in trace.before(aim.at):
            if step > first:
                yield step, line, "batch"


def candidates(
    trace: Trace, faults: Iterable[Fault], *, where: Points, schedule: str, scoped: bool
) -> Iterator[Candidate]:
    """All of one schedule."""
    for aim in aims(trace, faults):
        for step, line, kind in places(trace, aim, where):
            yield Candidate(Injection(aim, step, kind, schedule, scoped), line)
