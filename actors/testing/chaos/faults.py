"""What can be done to a run: the faults, and an aim, which is one fault with one subject and a short text.

| text of an aim | done at a point |
|---|---|
| `cancel:<scope>` | the scope is cancelled |
| `call:<actor>/<command>` | the command is given, at the actor's points |
| `call:<actor>/<command>><scope>` | the command is given, at the points of another scope |
| `skip:<seconds>` | the clock jumps, at every point of the run |
| `crash:<scope>` | `Crashed` is raised out of what a task of the scope waits for |
| `delay:<ticks>:<scope>` | the task that has just stepped is left out of that many batches |

Targets and commands are patterns as in a shell, compared with the names that the observer was told: `node:*`, `run:r1`,
`hub`. A scope that is told under a name that is taken is called `<name>~2`, the next one `<name>~3`; a pattern that
fits the plain name fits these.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import ClassVar

import attrs

from actors.testing.chaos.errors import ChaosError

__all__ = ["Aim", "Call", "Cancel", "Crash", "Delay", "Fault", "Skip", "fits"]

EVERYWHERE = ""
"""Whose points are those of the whole run."""


@attrs.frozen
class Aim:
    """One fault with one subject."""

    kind: str
    subject: str = ""
    """The name of a scope, or the label of an action."""
    at: str = EVERYWHERE
    """The scope at whose points it is done."""
    amount: float = 0
    """Seconds of a skip, ticks of a delay."""

    @property
    def target(self) -> str:
        """Who is struck: the scope, or the actor that is given a command."""
        return _actor(self.subject) if self.kind == "call" else self.subject

    def __str__(self) -> str:
        match self.kind:
            case "skip":
                return f"skip:{self.amount:g}"
            case "delay":
                return f"delay:{self.amount:g}:{self.subject}"
            case "call" if self.at != _actor(self.subject):
                return f"call:{self.subject}>{self.at}"
            case "none":
                return "none"
            case kind:
                return f"{kind}:{self.subject}"

    @classmethod
    def parse(cls, text: str) -> "Aim":
        """The aim with this text.

        Raises:
            ChaosError: there is none.
        """
        kind, _, rest = text.partition(":")
        try:
            match kind:
                case "cancel" | "crash":
                    return cls(kind, rest, rest)
                case "call":
                    subject, elsewhere, at = rest.partition(">")
                    return cls(kind, subject, at if elsewhere else _actor(subject))
                case "skip":
                    return cls(kind, amount=float(rest))
                case "delay":
                    ticks, _, subject = rest.partition(":")
                    return cls(kind, subject, subject, int(ticks))
                case "none":
                    return cls(kind)
        except ValueError:
            pass
        raise ChaosError(f"{text!r} is no aim: there are cancel, call, skip, crash and delay")


class Fault(ABC):
    """A kind of harm."""

    private: ClassVar[bool] = False
    """Whether it needs private names of trio."""

    @abstractmethod
    def aims(self, scopes: Sequence[str], actions: Sequence[str]) -> Iterator[Aim]:
        """What it can be aimed at.

        Args:
            scopes: the names of the scopes that a clean run told.
            actions: the labels of its actions.
        """


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether the name of a scope is one of these."""
    plain = name.partition("~")[0]
    return any(fnmatchcase(name, pattern) or fnmatchcase(plain, pattern) for pattern in patterns)


@attrs.frozen(init=False)
class Cancel(Fault):
    """Cancel scopes."""

    targets: tuple[str, ...]

    def __init__(self, *targets: str) -> None:
        self.__attrs_init__(targets)

    def aims(self, scopes: Sequence[str], actions: Sequence[str]) -> Iterator[Aim]:
        """At every scope that fits."""
        return _scopes("cancel", self.targets, scopes)


@attrs.frozen(init=False)
class Crash(Fault):
    """Raise `Crashed` out of waits: one that can not be broken off goes on, and the task's next one fails."""

    targets: tuple[str, ...]
    private: ClassVar[bool] = True

    def __init__(self, *targets: str) -> None:
        self.__attrs_init__(targets)

    def aims(self, scopes: Sequence[str], actions: Sequence[str]) -> Iterator[Aim]:
        """At every scope that fits."""
        return _scopes("crash", self.targets, scopes)


@attrs.frozen(init=False)
class Delay(Fault):
    """Hold tasks back for some ticks in which they could step."""

    targets: tuple[str, ...]
    ticks: int
    private: ClassVar[bool] = True

    def __init__(self, *targets: str, ticks: int = 3) -> None:
        self.__attrs_init__(targets, ticks)

    def aims(self, scopes: Sequence[str], actions: Sequence[str]) -> Iterator[Aim]:
        """At every scope that fits."""
        return _scopes("delay", self.targets, scopes, self.ticks)


@attrs.frozen(init=False)
class Call(Fault):
    """Give commands: the last part of an action's label, as in `run:r1/pause`.

    Args:
        commands: patterns of them.
        targets: at whose points. Without, the actor's own (`run:r1`), or everywhere if it has no scope.
    """

    commands: tuple[str, ...]
    targets: tuple[str, ...]

    def __init__(self, *commands: str, targets: Iterable[str] = ()) -> None:
        self.__attrs_init__(commands, tuple(targets))

    def aims(self, scopes: Sequence[str], actions: Sequence[str]) -> Iterator[Aim]:
        """At every actor that has the command."""
        for action in actions:
            if not fits(action.rpartition("/")[2], self.commands):
                continue
            own = _actor(action)
            places = [name for name in scopes if fits(name, self.targets or (own,))]
            if not self.targets and not places:
                places = [EVERYWHERE]
            for at in places:
                yield Aim("call", action, at)


@attrs.frozen
class Skip(Fault):
    """Let the clock jump, so that deadlines fall anywhere."""

    seconds: float

    def aims(self, scopes: Sequence[str], actions: Sequence[str]) -> Iterator[Aim]:
        """There is one clock."""
        yield Aim("skip", amount=self.seconds)


def _scopes(kind: str, targets: Sequence[str], scopes: Sequence[str], amount: float = 0) -> Iterator[Aim]:
    return (Aim(kind, name, name, amount) for name in scopes if fits(name, targets))


def _actor(action: str) -> str:
    return action.rpartition("/")[0]
