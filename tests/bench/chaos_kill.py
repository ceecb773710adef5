"""Kill the server at random moments while runs go on, then look whether anything was lost or done twice.

Real processes, real sockets, a real file with synchronous=FULL. Twenty runs go on all the time, clients of the Python
client library stay through every kill. After the last restart everything may end in peace; then journal, ledger and
what each client has seen are compared:

- every run has exactly one ending, and its seq has no gap;
- no completed node instance ran again;
- no effect that was recorded happened again; one that was in doubt, again under the same key in a later process only;
- every client saw every event of every run exactly once, in order.
"""

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from actors.client import Client, connect
from actors.journals import open_journal
from protocol.dialects import DIALECTS
from protocol.messages import Event, NodeChanged, RunEnded
from protocol.states import NODE_ENDED, NodeStatus
from protocol.view import instance_key

__all__ = ["Figures", "arguments", "kill_often", "main"]

WATCHERS: Final = 2
"""Clients besides the one that starts the runs."""

SNAKE: Final = DIALECTS["snake"]

START_SECONDS: Final = 30.0
"""A server that does not listen by then is no slow one."""


@attrs.define
class Figures:
    """What happened."""

    kills: int = 0
    runs: int = 0
    events: int = 0
    effects: int = 0
    in_doubt: int = 0
    """Effects that happened once more, because nobody could know."""
    crashed: int = 0
    """Runs that failed because a node was cut by a crash three times, as it should be."""
    restarts: list[float] = attrs.field(factory=list)
    """Seconds from the start of the process until it listened, all runs recovered."""
    violations: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class _Server:
    """The process, killed and started again at the same port with the same file."""

    folder: Path
    figures: Figures
    port: int = 0
    _process: trio.Process | None = None

    @property
    def journal(self) -> str:
        return f"sqlite:{self.folder / 'callboard.db'}"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    async def start(self) -> None:
        """Start it; returns when it listens."""
        began = time.perf_counter()
        command = [sys.executable, "-m", "tests.bench.kill_server", self.journal, str(self.port), str(self.ledger)]
        self._process = await trio.lowlevel.open_process(command, stdout=-1)
        assert self._process.stdout is not None
        line = b""
        with trio.fail_after(START_SECONDS):
            while not line.endswith(b"\n"):
                more = await self._process.stdout.receive_some(1000)
                if not more:
                    raise RuntimeError("the server ended before it listened; see its log above")
                line += more
        self.port = int(line.rpartition(b":")[2])
        self.figures.restarts.append(time.perf_counter() - began)

    async def end(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(number)
        await self._process.wait()

    def abandon(self) -> None:
        """Leave no process behind. Idempotent."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


@attrs.define(eq=False)
class _Trial:
    """One trial: who runs, who watches, what they saw."""

    dice: random.Random
    figures: Figures
    calm: trio.Event = attrs.field(factory=trio.Event)
    """The last kill is over: no new run is started."""
    seen: dict[str, list[list[Event]]] = attrs.field(factory=lambda: defaultdict(list))
    """Run id → what each client saw of it."""

    async def slot(self, client: Client, watchers: Sequence[Client], number: int) -> None:
        """One run after another, as long as there are kills."""
        turn = 0
        async with trio.open_nursery() as nursery:
            while turn == 0 or not self.calm.is_set():
                run = await client.start(_graph(self.dice), workflow_id=f"w{number}-{turn}")
                for watcher in watchers:
                    nursery.start_soon(self._watch, watcher.run(run_id=run.id))
                await self._watch(run)
                turn += 1

    async def _watch(self, run: Any) -> None:
        events: list[Event] = []
        self.seen[run.id].append(events)
        async for event in run:
            events.append(event)  # noqa: PERF401  what came before a failure was seen, too


async def kill_often(*, kills: int, runs: int, folder: Path, seed: int) -> Figures:
    """Do it.

    Args:
        kills: how often.
        runs: how many go on at a time.
        folder: empty; journal and ledger are in it afterwards.
        seed: of all that is random but the timing of the machine.
    """
    dice, figures = random.Random(seed), Figures()
    server, trial = _Server(folder, figures), _Trial(dice, figures)
    try:
        await _torment(server, trial, kills=kills, runs=runs)
        await server.end(signal.SIGTERM)
    finally:
        server.abandon()
    await _inspect(server, trial)
    return figures


async def _torment(server: _Server, trial: _Trial, *, kills: int, runs: int) -> None:
    """Runs, watchers and kills, until all runs have ended."""
    await server.start()
    url = f"ws://127.0.0.1:{server.port}"
    async with connect(url) as client, connect(url) as second, connect(url) as third, trio.open_nursery() as nursery:
        for number in range(runs):
            nursery.start_soon(trial.slot, client, (second, third), number)
        for _ in range(kills):
            await trio.sleep(trial.dice.uniform(0.1, 1.5))
            await server.end(signal.SIGKILL)
            trial.figures.kills += 1
            await server.start()
        trial.calm.set()


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say."""
    parser.add_argument("--kills", type=int, default=50, help="how often the server is killed (50)")
    parser.add_argument("--runs", type=int, default=20, help="runs that go on at a time (20)")
    parser.add_argument("--seed", type=int, default=1, help="of graphs and moments (1)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def main(options: argparse.Namespace) -> int:
    """Do it and print the figures; 1 if anything was lost or done twice."""
    # A temporary folder of the system may be in memory, where nothing is ever durable.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        figures = trio.run(
            lambda: kill_often(kills=options.kills, runs=options.runs, folder=Path(folder), seed=options.seed)
        )
    if options.json:
        sys.stdout.write(json.dumps(attrs.asdict(figures)) + "\n")
    else:
        _show(figures)
    return int(bool(figures.violations))


def _show(figures: Figures) -> None:
    rows = {
        "kills": figures.kills,
        "runs": figures.runs,
        "events": figures.events,
        "effects": figures.effects,
        "effects in doubt, done once more": figures.in_doubt,
        "runs failed because 3 crashes cut one node": figures.crashed,
        "start to listening, median": f"{statistics.median(figures.restarts):.2f} s",
        "start to listening, longest": f"{max(figures.restarts):.2f} s",
        "violations": len(figures.violations),
    }
    for name, figure in rows.items():
        sys.stdout.write(f"{name:<44}{figure:>10}\n")
    for text in figures.violations:
        sys.stdout.write(f"{text}\n")


def _graph(dice: random.Random) -> dict[str, Any]:
    """A small graph with all that can be cut in the middle."""

    def a(node_id: str, kind: str, **config: Any) -> dict[str, Any]:
        return {"id": node_id, "type": kind, "data": {"config": {"waitTime": 0, **config}}}

    seconds = dice.uniform(0.05, 0.4)
    nodes = [
        a("s", "start"),
        a("w", "work", seconds=seconds),
        a("m", "mail", seconds=seconds),
        a("l", "loop", count=2),
        a("b", "work", seconds=seconds / 2, waitTime=100),
        a("n", "mail", seconds=seconds / 2),
        a("t", "wait", duration=1000 * seconds),
        a("e", "work", seconds=0),
    ]
    pairs = [("s", "w"), ("w", "m"), ("w", "l"), ("l", "b"), ("b", "n"), ("s", "t"), ("m", "e"), ("t", "e"), ("l", "e")]
    ports = {("l", "b"): "body", ("l", "e"): "done"}
    return {
        "nodes": nodes,
        "edges": [
            {"source": source, "target": target, "sourceHandle": ports.get((source, target))}
            for source, target in pairs
        ],
    }


async def _inspect(server: _Server, trial: _Trial) -> None:
    """Compare journal, ledger and clients."""
    figures, violations = trial.figures, trial.figures.violations
    done: set[str] = set()
    async with open_journal(server.journal) as journal:
        for run_id, views in trial.seen.items():
            events = list((await journal.load(run_id, 0, 100_000)).events)
            figures.runs += 1
            figures.events += len(events)
            figures.crashed += isinstance(events[-1], RunEnded) and events[-1].code == "crashed"
            violations += [f"{run_id}: {text}" for text in _story(events)]
            told = list(map(SNAKE.body, events))
            for number, view in enumerate(views):
                # What is on the wire: a client is not told all that a journal keeps.
                if list(map(SNAKE.body, view)) != told:
                    violations.append(f"{run_id}: client {number} saw {[e.seq for e in view]}, not 1 … {len(events)}")
            if len(views) != 1 + WATCHERS:
                violations.append(f"{run_id}: {len(views)} clients saw it")
            done |= {
                f"{run_id}/{instance_key(event.node_id, event.iteration)}"
                for event in events
                if isinstance(event, NodeChanged) and event.status is NodeStatus.SUCCESS
            }
    lines = [line.split(" ", 2) for line in server.ledger.read_text().splitlines()]
    effects = [(pid, key) for what, pid, key in lines if what == "effect"]
    figures.effects = len({key for _, key in effects})
    figures.in_doubt = len(effects) - figures.effects
    violations += [f"{key}: {count} times in one process" for (_, key), count in Counter(effects).items() if count > 1]
    seconds: set[str] = set()
    for _, key in effects:
        instance, _, name = key.rpartition("/")
        if name == "second":
            seconds.add(instance)
        elif instance in seconds:
            violations.append(f"{key}: happened again after it was recorded")
    kinds = {instance for instance in done if instance.split("/")[1] in {"m", "n"}}
    violations += [f"{instance}: completed, and its effects never happened" for instance in kinds - seconds]


def _story(events: Sequence[Event]) -> list[str]:
    """What is wrong with a run's events."""
    wrong: list[str] = []
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        wrong.append(f"seq has a gap: {[event.seq for event in events]}")
    endings = [event for event in events if isinstance(event, RunEnded)]
    if len(endings) != 1 or events[-1] is not endings[0]:
        wrong.append(f"{len(endings)} endings")
    elif endings[0].status != "completed" and endings[0].code != "crashed":
        wrong.append(f"it ended {endings[0].status}: {endings[0].message}")
    ended: set[tuple[str, tuple[int, ...]]] = set()
    for event in events:
        if isinstance(event, NodeChanged):
            key = (event.node_id, event.iteration)
            if key in ended:
                wrong.append(f"{instance_key(*key)} went on after its end")
            if event.status in NODE_ENDED:
                ended.add(key)
    return wrong
