"""What one outlet asked to hear: of all runs, of a workflow, of a run – and what that comes to for a given run.

Theory of operation: interests of different scopes are kept apart, because each is withdrawn on its own; what an outlet
is sent of a run is the union of those that match, so nothing is ever sent twice and a subscription never narrows
another. What one outlet may ask for is bounded, in number and in length; beyond that a subscription is refused.

It owns nothing, and knows neither topics nor positions.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

import attrs

from protocol.errors import BadField
from protocol.messages import Json, Subscribe, Unsubscribe

__all__ = ["EVERYWHERE", "Interest", "Interests", "Position", "position_of", "scope_of"]

EVERYWHERE: Final = "*"
"""The scope of all runs, and the type that means all types."""

SEQ_MAX_DIGITS: Final = 15

MAX_ASKED: Final = 10_000
"""Workflows, and types of each of them, that one outlet may ask for in all."""

MAX_TYPES: Final = 1_000
MAX_TYPE_CHARS: Final = 100
"""Different types that one outlet may ask for: each confirmation lists all of them, in one frame."""

MAX_NAME_CHARS: Final = 1_000
"""Of a workflow id."""


@attrs.frozen
class Interest:
    """What is wanted of one scope."""

    types: frozenset[str] | None
    """Message types or groups, as the outlet's dialect names them; None: all."""
    lossless: bool = False

    @classmethod
    def of(cls, types: Iterable[str] | None, *, lossless: bool = False) -> "Interest":
        """What a subscription to these types means; the type `*` is all of them."""
        names = None if types is None else frozenset(types)
        return cls(None if names is None or EVERYWHERE in names else names, lossless)

    def __or__(self, other: "Interest") -> "Interest":
        types = None if self.types is None or other.types is None else self.types | other.types
        return Interest(types, self.lossless or other.lossless)

    def pack(self) -> Json:
        """As JSON."""
        return [None if self.types is None else sorted(self.types), self.lossless]

    @classmethod
    def unpack(cls, packed: Json) -> "Interest":
        """Back from JSON."""
        types, lossless = packed
        return cls(None if types is None else frozenset(types), lossless)


@attrs.frozen
class Position:
    """Where a subscribe says that its peer is."""

    seq: int | None
    """None: nowhere."""
    run_id: str | None = None
    """The run that it is in; None: none was named."""
    reset: bool = False
    """It says so in a way that can not be honoured."""


@attrs.define(eq=False)
class Interests:
    """The interests of one outlet."""

    _everywhere: Interest | None = attrs.field(default=None, init=False)
    _workflows: dict[str, Interest] = attrs.field(factory=dict, init=False)
    _runs: set[str] = attrs.field(factory=set, init=False)
    """Those of which everything is wanted."""
    _asked: dict[str, set[str]] = attrs.field(factory=dict, init=False)
    """Type → the scopes (a workflow id or `*`) for which it was asked, in the order of first asking."""
    _pairs: int = attrs.field(default=0, init=False)
    """Scopes in all of `_asked`."""

    @property
    def everywhere(self) -> Interest | None:
        """What is wanted of all runs."""
        return self._everywhere

    @property
    def workflows(self) -> Iterable[str]:
        """The workflows of which something is wanted."""
        return self._workflows

    @property
    def runs(self) -> Iterable[str]:
        """The runs of which everything is wanted."""
        return self._runs

    def scopes(self) -> Iterator[tuple[str, Interest]]:
        """What is wanted of all runs (`*`), and of each workflow."""
        if self._everywhere is not None:
            yield EVERYWHERE, self._everywhere
        yield from self._workflows.items()

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each type that was asked for with each scope that it was asked for, in the order of first asking."""
        return ((name, scope) for name, scopes in self._asked.items() for scope in scopes)

    @property
    def waits(self) -> bool:
        """Whether runs are wanted that nobody has started yet."""
        return self._everywhere is not None or bool(self._workflows)

    def __bool__(self) -> bool:
        """Whether anything is wanted."""
        return self.waits or bool(self._runs)

    @property
    def asked(self) -> tuple[str, ...]:
        """All types that were asked for, in the order of first asking."""
        return tuple(self._asked)

    def of(self, *, run_id: str, workflow_id: str) -> Interest | None:
        """What is wanted of a run; None: nothing."""
        union = Interest(None) if run_id in self._runs else None
        for interest in (self._everywhere, self._workflows.get(workflow_id)):
            if interest is not None:
                union = interest if union is None else union | interest
        return union

    def add(self, scope: str, types: Iterable[str] | None, *, lossless: bool) -> None:
        """Want something of a workflow, or of all runs (`*`).

        Raises:
            BadField: too much is wanted already, or a name is too long; nothing has changed.
        """
        names = () if types is None else tuple(dict.fromkeys(types))
        where = "types" if names else "workflow_id"
        if len(scope) > MAX_NAME_CHARS:
            raise BadField([("workflow_id", f"longer than {MAX_NAME_CHARS} characters")])
        if any(len(name) > MAX_TYPE_CHARS for name in names):
            raise BadField([("types", f"one is longer than {MAX_TYPE_CHARS} characters")])
        if len(self._asked) + sum(name not in self._asked for name in names) > MAX_TYPES:
            raise BadField([("types", f"more than {MAX_TYPES} different ones")])
        pairs = sum(scope not in self._asked.get(name, ()) for name in names)
        more = pairs + (scope not in self._workflows)
        if more and len(self._workflows) + self._pairs + more > MAX_ASKED:
            raise BadField([(where, f"more than {MAX_ASKED} subscriptions")])
        self.want(scope, Interest.of(types, lossless=lossless))
        for name in names:
            self._ask(name, scope)

    def want(self, scope: str, interest: Interest) -> None:
        """The same, of the server's own accord: no type is listed as asked for."""
        if scope == EVERYWHERE:
            self._everywhere = interest | self._everywhere if self._everywhere else interest
        else:
            self._workflows[scope] = interest | self._workflows[scope] if scope in self._workflows else interest

    def want_run(self, run_id: str) -> None:
        """Want everything of one run, as long as it goes on."""
        self._runs.add(run_id)

    def remove(self, scope: str, types: Iterable[str] | None) -> None:
        """Want nothing, or not these types, of a workflow or of all runs any more.

        Where all types are wanted, single ones can not be taken out: types add, they never narrow.
        """
        names = None if types is None or EVERYWHERE in (types := frozenset(types)) else types
        for name in tuple(self._asked) if names is None else names:
            scopes = self._asked.get(name)
            if scopes is not None and scope in scopes:
                scopes.remove(scope)
                self._pairs -= 1
                if not scopes:
                    del self._asked[name]
        if scope == EVERYWHERE:
            self._everywhere = _without(self._everywhere, names)
            return
        rest = _without(self._workflows.pop(scope, None), names)
        if rest is not None:
            self._workflows[scope] = rest

    def remove_run(self, run_id: str) -> None:
        """Want nothing of this run for its own sake any more."""
        self._runs.discard(run_id)

    def update(self, other: "Interests") -> None:
        """Want all that another outlet of the same session wanted; its bounds held there."""
        for scope, interest in other.scopes():
            self.want(scope, interest)
        self._runs.update(other.runs)
        for name, scope in other.pairs():
            self._ask(name, scope)

    def copy(self) -> "Interests":
        """The same, independent of this."""
        copy = Interests()
        copy.update(self)
        return copy

    def pack(self) -> Mapping[str, Json]:
        """As JSON."""
        return {
            "scopes": {scope: interest.pack() for scope, interest in self.scopes()},
            "runs": list(self._runs),
            "asked": list(self.pairs()),
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        interests = cls()
        for scope, interest in packed["scopes"].items():
            interests.want(scope, Interest.unpack(interest))
        for run_id in packed["runs"]:
            interests.want_run(run_id)
        for name, scope in packed["asked"]:
            interests._ask(name, scope)
        return interests

    def _ask(self, name: str, scope: str) -> None:
        scopes = self._asked.setdefault(name, set())
        self._pairs += scope not in scopes
        scopes.add(scope)


def scope_of(command: Subscribe | Unsubscribe) -> str:
    """A workflow id; `*`: all runs; "": a run that was named without its workflow."""
    if command.workflow_id:
        return command.workflow_id
    named = command.run_id is not None or (isinstance(command, Subscribe) and command.after is not None)
    return "" if named else EVERYWHERE


def position_of(command: Subscribe) -> Position:
    """What `after`, `run_id` and `after_seq` say together.

    Raises:
        BadField: they can not be read, or are about all runs.
    """
    if scope_of(command) == EVERYWHERE:
        fields = {"after": command.after, "after_seq": command.after_seq, "run_id": command.run_id}
        faults = [(name, "is not allowed over all runs") for name, value in fields.items() if value is not None]
        if faults:
            raise BadField(faults)
    if command.after is not None:
        run_id, _, seq = command.after.rpartition(":")
        if not (run_id and seq.isascii() and seq.isdecimal() and len(seq) <= SEQ_MAX_DIGITS):
            raise BadField([("after", "is not the id of an event, <run_id>:<seq>")])
        return Position(int(seq), run_id)
    if command.after_seq is not None and command.after_seq < 0:
        raise BadField([("after_seq", "is less than 0")])
    if command.run_id is not None or not command.after_seq:
        return Position(command.after_seq, command.run_id)
    # A number without a run could be of any of the workflow's runs.
    return Position(None, reset=True)


def _without(interest: Interest | None, types: frozenset[str] | None) -> Interest | None:
    if interest is None or types is None:
        return None
    if interest.types is None:
        return interest
    rest = interest.types - types
    return attrs.evolve(interest, types=rest) if rest else None
