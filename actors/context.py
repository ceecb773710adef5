"""What a node may see: its `NodeContext`, what it may return (`Fired`), and the `Driver` it acts through.

These are contracts. `actors.node` implements the context, `actors.simulated` a driver; a test of a node may bring its
own.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import attrs

from actors.hosts import HostList
from protocol.messages import Json, Level

__all__ = ["DRIVER_NOTE", "Allowed", "Artifacts", "Child", "Driver", "Fired", "NodeContext", "Picture"]

DRIVER_NOTE: Final = "driver"
"""Key of the note from which a driver goes on after a crash. It belongs to the run, and outlives the node that acts."""

C_co = TypeVar("C_co", covariant=True)
T = TypeVar("T")


class Fired:
    """What a node with control ports returns: the ports it fires, each with a value.

    Example: `Fired(true=value)`, `Fired({"case 1": value}, result=True)`.

    Args:
        ports: port → value, for names that are not Python identifiers.
        result: the node's result; default: the value of its only port, else the mapping.
    """

    __slots__ = ("ports", "result")

    def __init__(self, ports: Mapping[str, Json] | None = None, /, *, result: Json = ..., **named: Json) -> None:
        self.ports: dict[str, Json] = {**(ports or {}), **named}
        if result is not ...:
            self.result = result
        elif len(self.ports) == 1:
            (self.result,) = self.ports.values()
        else:
            self.result = dict(self.ports)


class Driver(Protocol):
    """Hands and eyes of the nodes of one run. Every method may be cancelled while it waits, never while it acts.

    Each is told which node acts: acts go through its `once`, chance comes from its `random`, remarks into its log.
    """

    name: str

    async def open(self, ctx: "NodeContext[Any]", url: str | None, app: str | None) -> None:
        """Open the url (or start the app) that the run begins with."""

    async def click(self, ctx: "NodeContext[Any]", selector: str, *, button: str, count: int, nth: int | None) -> None:
        """Wait until the element can be clicked, then click `count` times."""

    async def fill(self, ctx: "NodeContext[Any]", selector: str, text: str, *, clear: bool) -> None:
        """Type into an element; `clear` what is in it first."""

    async def check(self, ctx: "NodeContext[Any]", selector: str, operator: str, value: Json) -> bool:
        """Whether the condition holds now."""
        ...

    async def wait_for(self, ctx: "NodeContext[Any]", selector: str, *, state: str, nth: int | None = None) -> None:
        """Wait until an element is in a state: attached, visible, hidden (or not there) or detached.

        Without a deadline of its own: the node's `timeout` is the caller's affair.
        """

    async def screenshot(self, ctx: "NodeContext[Any]", *, full: bool) -> "Picture":
        """A PNG of what is seen; `full`: of the whole page."""
        ...

    async def close(self) -> None:
        """Leave nothing behind, within seconds. The run calls it, shielded, when none of its nodes runs any more."""


@attrs.frozen
class Picture:
    """A PNG with its size in pixels."""

    png: bytes
    width: int
    height: int


@attrs.frozen(kw_only=True)
class Allowed:
    """What the settings of the server let nodes do. It is for the kinds to keep to it."""

    hosts: HostList = attrs.field(factory=HostList)
    """Those that may be reached."""
    programs: tuple[str, ...] = ()
    """Those that may be run: names or absolute paths."""
    folder: str | None = None
    """Beneath which they run; None: the run's own."""
    result_bytes: int = 8 * 2**20
    """Largest result of a node, as JSON."""


class Artifacts(Protocol):
    """The folder of a run. Names are confined to it."""

    @property
    def folder(self) -> Path:
        """Where the files are; it may not be there yet."""
        ...

    async def save(self, name: str, data: bytes) -> str:
        """Write a file whole (a crash leaves none or all of it); returns the name it got.

        Raises:
            NodeError: code `bad_name`: absolute, a parent folder, NUL, a device name, a separator, or too long.
        """
        ...

    def url(self, name: str) -> str:
        """Where the server serves it: `/api/runs/{run_id}/artifacts/{name}`."""
        ...


class Child(Protocol):
    """A run that a node has started inside its own run. It ends with the node at the latest."""

    run_id: str

    async def results(self) -> Mapping[str, Json]:
        """Wait until it has completed; the results of its nodes that nothing follows, by node id.

        Raises:
            NodeError: it failed: the text names its node, the code is that of its failure. `child_stopped`: somebody
                stopped it. `child_lost`: it has no ending, because its end could not be recorded.
        """
        ...


class NodeContext(Protocol[C_co]):
    """What one attempt of one node sees. Valid until the node returns."""

    @property
    def config(self) -> C_co:
        """The kind's config class, expressions resolved."""
        ...

    @property
    def inputs(self) -> Mapping[str, Json]:
        """Input port → value; `in` is the port of an edge without a target handle. Empty for a start."""
        ...

    @property
    def vars(self) -> Mapping[str, Json]:
        """The run's variables, read-only."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """Name → value, from `CALLBOARD_SECRET_<name>`; one that is not there is a NodeError, code `unknown_secret`.

        They are blotted out of all that the node says, but not out of what it does: a header, an argument, a file.
        """
        ...

    run_id: str
    workflow_id: str
    node_id: str
    label: str
    attempt: int
    iteration: tuple[int, ...]
    idempotency_key: str
    """`run_id/node_id/iteration`; within `once`: `…/name`."""
    fires: tuple[str, ...]
    """The ports that edges of this node name, in document order."""

    @property
    def cancel_cause(self) -> str | None:
        """Why this node is being cancelled, or None.

        One of pause, stop, timeout, sibling_failed:<id>, break, shutdown, parent_stopped.
        """
        ...

    @property
    def driver(self) -> Driver:
        """The run's driver."""
        ...

    @property
    def artifacts(self) -> Artifacts:
        """The run's folder."""
        ...

    @property
    def allowed(self) -> Allowed:
        """What the server's settings let it do."""
        ...

    @property
    def random(self) -> Any:
        """A `random.Random` of this node instance, seeded from the run's seed: the same in a replay."""
        ...

    def set_var(self, name: str, value: Json) -> None:
        """Set a variable of the run; later nodes read it as `vars.<name>`."""

    def log(self, level: Level, message: str, /, **context: Json) -> None:
        """Write a line into the run's log; at most 1,000 a second per node, the rest is counted."""

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far the node is, 0–100. Only the newest is kept."""

    async def sleep(self, seconds: float, name: str | None = None) -> None:
        """Sleep on; after a pause or a retry it continues with what remained."""

    async def sleep_until(self, when: float) -> None:
        """Sleep until a wall time (seconds since the epoch); a pause does not move it."""

    async def once(self, name: str, fn: Callable[[], Awaitable[T]], /) -> T:
        """An effect that no pause, retry or stop repeats: its returned JSON is remembered under `name`."""
        ...

    def act(self, name: str) -> str:
        """The name of a driver's next act, for `once`: a node may act several times, and each is another effect.

        They are counted by attempt, as sleeps and questions are: a node that runs again finds its acts by their order.
        """
        ...

    def done(self, name: str) -> bool:
        """Whether `once` remembers a result under `name`: then what the effect needs need not be there any more."""
        ...

    def atomic(self) -> AbstractAsyncContextManager[None]:
        """A section that neither pause nor stop cuts (a stop: for `stopGrace` at most)."""
        ...

    def cleanup(self) -> AbstractAsyncContextManager[None]:
        """A section that may still await after a cancel, until `stopGrace` after it."""
        ...

    async def run_sync(self, fn: Callable[..., T], /, *args: object) -> T:
        """Run blocking code in a thread. A pause waits for it; a stop abandons it after `stopGrace` and says so."""
        ...

    async def start_child(
        self, workflow: Mapping[str, Json], inputs: Mapping[str, Json] | None = None, *, name: str = "child"
    ) -> Child:
        """Start a run inside this one; or find it, if this node has started it before a pause or a crash.

        It is paused, resumed and stopped with this run, and stopped when this node has ended. Variables, driver, limits
        of concurrency and waiting are this run's; its seed is drawn from this run's. A retry starts it anew, unless
        it has completed.

        Args:
            workflow: `{"nodes": […], "edges": […]}`; without a `start` node it begins where no edge leads to.
            inputs: input port → value of the nodes where it begins.
            name: tells the children of one node apart.

        Raises:
            NodeError: `invalid_workflow`; `too_deep`: there are 8 runs around it already; `busy`: as many runs as
                `max_runs` allows are unfinished.
        """
        ...

    def wall_time(self) -> float:
        """The time, seconds since the epoch: what `sleep_until` and `ask` go by."""
        ...

    async def ask(self, prompt: str, *, schema: Json = None, until: float | None = None) -> Json:
        """Wait for a person's answer (`node.input`); one that does not fit is refused to its sender, and not heard.

        Args:
            prompt: what the person is asked.
            schema: JSON Schema of the answer, as `actors.schemas` takes it; None: any will do.
            until: wall time after which nobody answers any more.

        Raises:
            NodeError: code `no_answer`: it is later than `until`. Code `bad_schema`: that is no schema.
        """
        ...
