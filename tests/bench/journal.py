"""How fast the SQLite journal is beside the disk itself, whether it stalls the loop, and a journal of a million events.

The measure is a bare loop of write and fdatasync on the same disk, of entries as long as ours. It and each case run one
after the other, round by round, so that what else the machine does falls on all of them; a ratio is taken within its
round. Two ways of writing: *waiting*, a run awaits each ticket before it says the next event; *ahead*, as a run actor
does it: what one step says is one append (a node has ended, the next begins), and a few of them are on their way.

All of it runs on one core, the disk's own loop too, as a server does that is measured: to wake a thread on another
core that sleeps costs up to 50 µs on a virtual machine, which says nothing of the journal; `--all-cores` has that in.
The garbage collector is set as `callboard serve` sets it.

The stall is how late a task that sleeps for 1 ms is woken while the others write.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from actors.garbage import short_passes
from actors.journal import Claim, Note, Ticket
from actors.journals.sqlite import SqliteJournal
from protocol.entries import pack
from protocol.messages import Event, NodeChanged, RunEnded, RunStarted, Summary
from protocol.states import NodeStatus, RunStatus

FOREVER_SECONDS: Final = 86_400.0

TICK_SECONDS: Final = 0.001

WARM_SECONDS: Final = 2.5
"""A log that still grows costs the disk twice as much as one that is written over again."""

NOW: Final = 1_767_225_600.125


@attrs.frozen
class Case:
    """One way of writing."""

    name: str
    runs: int
    events: int = 1
    """Of one append."""
    ahead: int = 1
    """Appends of a run that may be on their way."""
    target: float = 0.0
    """The least ratio to the bare loop."""


CASES: Final = (
    Case("1 run, waiting", 1, target=0.7),
    Case("100 runs, waiting", 100),
    Case("1000 runs, waiting", 1000),
    Case("100 runs, ahead", 100, events=2, ahead=4, target=12.0),
    Case("1000 runs, ahead", 1000, events=2, ahead=4, target=16.0),
)


@attrs.define
class Round:
    """One measurement of a case."""

    rate: float
    """Events a second, durable."""
    ratio: float
    """To the bare loop of the same round."""
    stall: float
    """The longest, in seconds."""
    ack: float
    """From an append to its durability, median, in seconds."""
    ack_worst: float
    """The same, of 99 in 100 no longer."""


@attrs.define(eq=False)
class _Heard:
    """A listener, since a journal has one."""

    batches: int = 0

    def publish(self, run_id: str, events: Sequence[Event], notes: Sequence[Note]) -> None:
        self.batches += 1


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may be asked for."""
    parser.add_argument("--quick", action="store_true", help="a moment instead of minutes: to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=5, help="how often (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case in each round (2)")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the large journal (1,000,000)")
    parser.add_argument("--all-cores", action="store_true", help="not on one core alone")
    parser.add_argument("--folder", help="where, since it is the disk that is measured (default: here)")


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    if options.quick:
        options.rounds, options.seconds, options.events = 1, 0.1, 20_000
    if not options.all_cores:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    with tempfile.TemporaryDirectory(prefix="callboard-bench-", dir=options.folder or ".") as folder:
        rounds, bare = _throughput(Path(folder), options.rounds, options.seconds)
        large = trio.run(_large, Path(folder) / "large" / "journal.db", options.events)
    figures = {
        "bare": bare,
        "cases": {case.name: [attrs.asdict(each) for each in rounds[case.name]] for case in CASES},
        "large": large,
    }
    print(json.dumps(figures, indent=2) if options.json else _table(rounds, bare, large))
    return 0


def _throughput(folder: Path, rounds: int, seconds: float) -> tuple[dict[str, list[Round]], list[float]]:
    found: dict[str, list[Round]] = {case.name: [] for case in CASES}
    bare: list[float] = []
    for number in range(rounds):
        for case in CASES:
            # The disk is measured beside each case, not once: it is not the same a minute later.
            bare.append(_bare(folder / "bare", seconds / 2))
            path = folder / f"{number}-{case.runs}-{case.ahead}" / "journal.db"
            print(f"\r{number + 1}/{rounds} {case.name:20}", end="", file=sys.stderr)
            found[case.name].append(trio.run(_measure, path, case, seconds, bare[-1]))
    print("\r" + " " * 40, end="\r", file=sys.stderr)
    return found, bare


def _bare(path: Path, seconds: float) -> float:
    """Writes a second that are each followed by fdatasync."""
    entry = pack(_event("run-1", "workflow-1", 1))
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        writes, begun = 0, time.perf_counter()
        while (now := time.perf_counter()) < begun + seconds:
            os.write(file, entry)
            os.fdatasync(file)
            writes += 1
        return writes / (now - begun)
    finally:
        os.close(file)


async def _measure(path: Path, case: Case, seconds: float, bare: float) -> Round:
    durable = 0
    over = False
    acks: list[float] = []
    stalls: list[float] = []

    async def say(run_id: str, workflow_id: str, claim: Claim) -> None:
        nonlocal durable
        seq = 0
        under_way: deque[tuple[Ticket, float]] = deque()
        while not over:
            events = [_event(run_id, workflow_id, seq + number) for number in range(1, case.events + 1)]
            seq += case.events
            under_way.append((journal.append_nowait(claim, events), time.perf_counter()))
            if len(under_way) == case.ahead:
                ticket, handed = under_way.popleft()
                await ticket
                acks.append(time.perf_counter() - handed)
                durable += case.events

    async def tick() -> None:
        while not over:
            begun = time.perf_counter()
            await trio.sleep(TICK_SECONDS)
            stalls.append(time.perf_counter() - begun - TICK_SECONDS)

    async with SqliteJournal(path) as journal:
        journal.attach(_Heard())
        async with trio.open_nursery() as nursery:
            for run_id, workflow_id, claim in await _create(journal, case.runs):
                nursery.start_soon(say, run_id, workflow_id, claim)
            await trio.sleep(min(WARM_SECONDS, seconds))
            with short_passes():
                acks.clear()
                nursery.start_soon(tick)
                before, begun = durable, time.perf_counter()
                await trio.sleep(seconds)
                rate = (durable - before) / (time.perf_counter() - begun)
                stall = max(stalls)
            over = True
    acks.sort()
    return Round(rate, rate / bare, stall, statistics.median(acks), acks[len(acks) * 99 // 100])


async def _create(journal: SqliteJournal, runs: int) -> list[tuple[str, str, Claim]]:
    created: list[tuple[str, str, Claim]] = []

    async def create(number: int) -> None:
        run_id, workflow_id = f"run-{number}", f"workflow-{number}"
        done = await journal.create(run_id, workflow_id, b"{}", created_at=NOW, lease=FOREVER_SECONDS)
        assert done.claim is not None
        created.append((run_id, workflow_id, done.claim))

    async with trio.open_nursery() as nursery:
        for number in range(runs):
            nursery.start_soon(create, number)
    return created


async def _large(path: Path, events: int) -> dict[str, Any]:
    """A journal of many runs of 10,000 events, the last ones unfinished."""
    size = min(10_000, events // 10)
    runs = events // size
    begun = time.perf_counter()
    async with SqliteJournal(path) as journal:
        for number in range(runs):
            await _tell(journal, number, size, ends=number < runs - runs // 10)
    wrote = time.perf_counter() - begun
    begun = time.perf_counter()
    async with SqliteJournal(path) as journal:
        opened = time.perf_counter() - begun
        with short_passes():
            listed = [await _timed(journal.list_runs) for _ in range(20)]
            unfinished = [await _timed(lambda: journal.list_runs(status=RunStatus.RUNNING)) for _ in range(20)]
            stalls: list[float] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tick, stalls)
                replayed = [await _timed(lambda: _replay(journal, "run-3", size)) for _ in range(20)]
                nursery.cancel_scope.cancel()
    return {
        "events": events,
        "runs": runs,
        "bytes": (await trio.Path(path).stat()).st_size,
        "write": wrote,
        "open": opened,
        "list": max(listed),
        "list unfinished": max(unfinished),
        "replay": statistics.median(replayed),
        "replay worst": max(replayed),
        "replay stall": max(stalls),
    }


async def _tell(journal: SqliteJournal, number: int, size: int, *, ends: bool) -> None:
    run_id, workflow_id = f"run-{number}", f"workflow-{number}"
    created = await journal.create(run_id, workflow_id, b"{}", created_at=NOW, lease=FOREVER_SECONDS)
    assert created.claim is not None
    started = RunStarted(run_id=run_id, workflow_id=workflow_id, seq=1, at=NOW, total_nodes=size // 2)
    ticket = journal.append_nowait(created.claim, [started])
    last = size if not ends else size - 1
    for first in range(2, last + 1, 500):
        batch = [_event(run_id, workflow_id, seq) for seq in range(first, min(first + 500, last + 1))]
        ticket = journal.append_nowait(created.claim, batch)
        await trio.lowlevel.checkpoint()
    if ends:
        ticket = journal.append_nowait(created.claim, [_ending(run_id, workflow_id, size)], close=RunStatus.COMPLETED)
    await ticket


async def _replay(journal: SqliteJournal, run_id: str, size: int) -> None:
    seen = 0
    while page := (await journal.load(run_id, seen)).events:
        seen = page[-1].seq
    assert seen == size


async def _timed(call: Any) -> float:
    begun = time.perf_counter()
    await call()
    return time.perf_counter() - begun


async def _tick(stalls: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await trio.sleep(TICK_SECONDS)
        stalls.append(time.perf_counter() - begun - TICK_SECONDS)


def _event(run_id: str, workflow_id: str, seq: int) -> NodeChanged:
    """The end of a small node."""
    return NodeChanged(
        run_id=run_id,
        workflow_id=workflow_id,
        seq=seq,
        at=NOW,
        node_id="login",
        status=NodeStatus.SUCCESS,
        message="Login done",
        duration=0.25,
        result={"user": "ada", "attempts": 1},
        fired=("out",),
    )


def _ending(run_id: str, workflow_id: str, seq: int) -> RunEnded:
    summary = Summary(
        status=RunStatus.COMPLETED,
        duration=1.0,
        total_nodes=1,
        succeeded=1,
        failed=0,
        skipped=0,
        not_begun=0,
        started_at=NOW,
        ended_at=NOW,
    )
    return RunEnded(
        run_id=run_id,
        workflow_id=workflow_id,
        seq=seq,
        at=NOW,
        status=RunStatus.COMPLETED,
        message="",
        summary=summary,
    )


def _table(rounds: dict[str, list[Round]], bare: Sequence[float], large: dict[str, Any]) -> str:
    lines = [f"bare write + fdatasync: {_spread(bare, '{:,.0f}')} a second", ""]
    lines.append(
        f"{'':20} {'events/s':>10} {'ratio: min, median, max':>26} {'target':>7} {'stall ms':>9} {'ack ms':>14}"
    )
    for case in CASES:
        found = rounds[case.name]
        rate, ack = (statistics.median(getattr(each, name) for each in found) for name in ("rate", "ack"))
        ratios = _spread([each.ratio for each in found], "{:.2f}")
        worst, stall = (max(getattr(each, name) for each in found) for name in ("ack_worst", "stall"))
        target = f"{case.target:g}" if case.target else ""
        acks = f"{ack * 1e3:.1f}, {worst * 1e3:.1f}"
        lines.append(f"{case.name:20} {rate:10,.0f} {ratios:>26} {target:>7} {stall * 1e3:9.1f} {acks:>14}")
    ms = {name: f"{value * 1e3:.1f} ms" for name, value in large.items() if isinstance(value, float)}
    size = f"{large['events']:,} events of {large['runs']} runs: {large['bytes'] / 1e6:,.0f} MB"
    lines += [
        "",
        f"{size}, written in {large['write']:.1f} s",
        f"open {ms['open']} (target 1,000)",
        f"list {ms['list']}, the unfinished {ms['list unfinished']} (target 50)",
        f"replay of a run {ms['replay']}, worst {ms['replay worst']} (target 100), stall {ms['replay stall']}",
    ]
    return "\n".join(lines)


def _spread(values: Sequence[float], form: str) -> str:
    return ", ".join(form.format(value) for value in (min(values), statistics.median(values), max(values)))
