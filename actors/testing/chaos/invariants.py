"""What holds of callboard whatever strikes it: `STANDARD`, one invariant for each promise.

Each is a function of a `House` that is closed; most look at one run after the other, at the events that were committed.
A run that was cut from outside may have no ending: the next process goes on with it. It never has two.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from actors.testing.chaos.hearing import HEARING
from actors.testing.chaos.trial import Invariant
from actors.testing.chaos.world import House
from protocol.messages import Event, Logged, NodeChanged, RunChanged, RunEnded, RunStarted
from protocol.states import ENDED, NODE, NODE_ENDED, RUN, NodeStatus, RunStatus
from protocol.view import View

__all__ = ["STANDARD"]

STOP_SLACK_S: Final = 1.0
"""What a stop may take beyond its grace."""


def _per_run(check: Callable[[House, str, Sequence[Event]], Iterable[str]]) -> Callable[[House], Iterator[str]]:
    def checked(house: House) -> Iterator[str]:
        for run_id in house.journal.run_ids:
            for text in check(house, run_id, house.journal.events(run_id)):
                yield f"run {run_id}: {text}"

    return checked


def _one_ending(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    endings = [event.seq for event in events if isinstance(event, RunEnded)]
    stored = house.journal.status(run_id)
    if len(endings) > 1:
        yield f"it ended {len(endings)} times, at {endings}"
    elif endings and endings[0] != len(events):
        yield f"it ended at {endings[0]}, and {len(events) - endings[0]} events follow"
    elif not endings and stored in ENDED:
        yield f"it is stored as {stored}, and never ended"


def _stored(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    stored = house.journal.status(run_id)
    said = [event.status for event in events if isinstance(event, RunStarted | RunChanged | RunEnded)]
    if said and said[-1] != stored:
        yield f"it is stored as {stored}, and its last event says {said[-1]}"


def _gapless(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        yield f"its seqs are {[event.seq for event in events]}"


def _published(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    published = house.journal.published.get(run_id, [])
    unheard = {event.seq for event in house.journal.unheard.get(run_id, ())}
    if published != [event for event in events if event.seq not in unheard]:
        yield f"{len(events)} events were committed, {len(unheard)} unheard, and {len(published)} published, or others"


def _transitions(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    status, nodes = RunStatus.PENDING, dict[tuple[str, tuple[int, ...]], NodeStatus]()
    loops = house.runs[run_id].workflow.loops if run_id in house.runs else {}
    for event in events:
        match event:
            case RunStarted() | RunChanged() | RunEnded():
                if event.status not in RUN[status].values():
                    yield f"{status} → {event.status} at {event.seq}"
                status = event.status
            case NodeChanged():
                key = (event.node_id, event.iteration)
                if event.status is NodeStatus.RUNNING and event.attempt > 1:
                    # The next attempt of a loop begins with its first turn: its body has not been anywhere yet.
                    body = {name for name, loop in loops.items() if loop == event.node_id}
                    nodes = {other: at for other, at in nodes.items() if other[0] not in body}
                before = nodes.get(key, NodeStatus.PENDING)
                if event.status not in NODE[before]:
                    yield f"{_name(event)}: {before} → {event.status} at {event.seq}"
                nodes[key] = event.status
            case _:
                pass


def _inside(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    # The id of a run inside another one is that one's, and a number.
    parent = run_id.rpartition(".")[0]
    if parent not in house.journal.run_ids or house.cut(run_id):
        return
    around = house.journal.events(parent)
    if around and isinstance(around[-1], RunEnded):
        over = next((event.at for event in events if isinstance(event, RunEnded)), None)
        if over is None or over > around[-1].at:
            yield f"{parent} has ended, and it had not"
    paused: float | None = None
    for event in around:
        if isinstance(event, RunChanged | RunEnded):
            for inner in events if paused is not None else ():
                if isinstance(inner, NodeChanged) and (paused or 0) < inner.at < event.at:
                    yield f"{parent} is paused, and {_name(inner)} is {inner.status} at {inner.seq}"
            paused = event.at if event.status is RunStatus.PAUSED else None


def _begins(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    status = RunStatus.PENDING
    for event in events:
        match event:
            case RunStarted() | RunChanged() | RunEnded():
                status = event.status
            case NodeChanged(status=NodeStatus.RUNNING) if status not in {RunStatus.RUNNING, RunStatus.PAUSING}:
                yield f"{_name(event)} begins at {event.seq}, while the run is {status}"
            case _:
                pass


def _breakpoints(event: Event, before: tuple[str, ...]) -> tuple[str, ...]:
    """Those that hold behind an event: a line of the log, of no node, tells new ones."""
    match event:
        case Logged(node_id=None, context={"breakpoints": told}):
            return tuple(told)
        case _:
            return before


def _stands(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    if (run := house.runs.get(run_id)) is None:
        return
    breakpoints, stepping = tuple(run.config.breakpoints), False
    passed: set[tuple[str, tuple[int, ...]]] = set()
    for event in events:
        breakpoints = _breakpoints(event, breakpoints)
        match event:
            case RunChanged(status=RunStatus.RUNNING):
                stepping = event.reason == "step"
            case NodeChanged():
                key = (event.node_id, event.iteration)
                if event.reason == "breakpoint":
                    if key in passed or event.node_id not in breakpoints:
                        yield f"it stands at {event.seq} before {_name(event)}, where it should not"
                    passed.add(key)
                elif event.status is NodeStatus.RUNNING:
                    if key not in passed and event.node_id in breakpoints and not stepping:
                        yield f"{_name(event)} begins at {event.seq}, and it did not stand before that"
                    if event.attempt > 1:
                        # The next attempt of a loop begins with its first turn.
                        passed = {other for other in passed if run.workflow.loops.get(other[0]) != event.node_id}
                    passed.add(key)
                elif event.status in NODE_ENDED:
                    passed.discard(key)
            case _:
                pass


def _quiet(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    # A node that waits for its next attempt, or after its work, is shown as running; its clock stands still.
    paused_at = 0
    for event in events:
        match event:
            case RunChanged() | RunEnded():
                paused_at = event.seq if event.status is RunStatus.PAUSED else 0
                if paused_at and isinstance(event, RunChanged) and event.in_flight:
                    yield f"it is paused at {event.seq}, and {', '.join(event.in_flight)} in flight"
            case NodeChanged() if paused_at:
                yield f"it is paused since {paused_at}, and {_name(event)} is {event.status} at {event.seq}"
            case _:
                pass


def _ends(house: House, run_id: str, events: Sequence[Event]) -> Iterator[str]:
    if not events or not isinstance(events[-1], RunEnded):
        return
    last: dict[tuple[str, tuple[int, ...]], NodeChanged] = {}
    for event in events:
        # One that was ready, and waited for a slot or at a breakpoint, has not begun.
        if isinstance(event, NodeChanged) and (
            event.status is not NodeStatus.PENDING or (event.node_id, event.iteration) in last
        ):
            last[event.node_id, event.iteration] = event
    for event in last.values():
        if event.status not in NODE_ENDED:
            yield f"it has ended, and {_name(event)} is {event.status} since {event.seq}"


def _folds(house: House) -> Iterator[str]:
    for snapshot in house.snapshots:
        run = house.runs.get(snapshot.run_id)
        if run is None:
            continue
        again = View(run.workflow, run_id=run.id, workflow_id=run.workflow_id)
        breakpoints = again.in_order(run.config.breakpoints)
        for event in house.journal.events(run.id)[: snapshot.last_seq]:
            again.apply(event)
            breakpoints = _breakpoints(event, breakpoints)
        shown = (snapshot.status, dict(snapshot.nodes), dict(snapshot.edges), snapshot.last_seq)
        if shown != (again.status, again.nodes, again.edges, again.last_seq):
            yield f"run {run.id}: what is shown at {snapshot.last_seq} is not what its events say"
        # They are noted right behind the event with which a run begins.
        if snapshot.last_seq and snapshot.breakpoints != breakpoints:
            yield f"run {run.id}: {snapshot.breakpoints} are its breakpoints at {snapshot.last_seq}, told {breakpoints}"
        if (snapshot.reason, snapshot.node_id) != (again.reason, again.paused_at):
            yield f"run {run.id}: {snapshot.reason} is why it is {snapshot.status}, told {again.reason}"


def _once(house: House) -> Iterator[str]:
    again = sum(count - 1 for count in house.effects.values())
    for key, count in house.effects.items():
        if count > max(house.lives, 1):
            yield f"{key} happened {count} times"
    if again and not house.killed and not house.trial.struck:
        yield f"effects happened again, and nothing struck: {dict(house.effects)}"


def _cuts(house: House) -> Iterable[str]:
    return house.witness.swallowed


def _stops(house: House) -> Iterator[str]:
    for run_id, told in house.stops.items():
        bound = told + house.settings.stop_grace + STOP_SLACK_S
        for event in house.journal.events(run_id):
            if isinstance(event, RunEnded) and event.at > max(bound, told):
                yield f"run {run_id} was told to stop at {told}, and ended {event.at - told:.1f} s later"
                for wait in house.witness.waits:
                    if wait.began < bound < wait.ended:
                        yield f"meanwhile {wait.node} waited for {wait.ended - wait.began:.1f} s at {wait.line}"


def _bugs(house: House) -> Iterator[str]:
    yield from house.errors
    for run_id in house.journal.run_ids:
        for event in house.journal.events(run_id):
            if isinstance(event, RunEnded) and event.code == "internal_error" and "Crashed" not in (event.error or ""):
                yield f"run {run_id} ended by a bug: {event.error}"


def _name(event: NodeChanged) -> str:
    return "".join((event.node_id, *(f"#{turn}" for turn in event.iteration)))


STANDARD: Final[tuple[Invariant[House], ...]] = (
    Invariant("one ending, and nothing after it", _per_run(_one_ending)),
    Invariant("stored status = the last one said", _per_run(_stored)),
    Invariant("gapless in the journal", _per_run(_gapless)),
    Invariant("journal = what was published", _per_run(_published)),
    Invariant("legal transitions only", _per_run(_transitions)),
    Invariant("nothing begins unless the run is running", _per_run(_begins)),
    Invariant("a run stands before a node with a breakpoint", _per_run(_stands)),
    Invariant("paused: nothing is in flight, nothing happens", _per_run(_quiet)),
    Invariant("a run ends after those inside it, and is paused when they are", _per_run(_inside)),
    Invariant("every node that began has one end", _per_run(_ends)),
    Invariant("snapshot = fold of the events", _folds),
    Invariant("an effect happens once", _once),
    Invariant("a node that is cut does not say it is done", _cuts),
    Invariant("a stop takes effect in time", _stops),
    Invariant("no bug is logged", _bugs),
    *HEARING,
)
"""All of them."""
