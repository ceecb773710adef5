"""How long 10,000 nodes that do nothing take, from `workflow.start` to the ending that the last subscriber hears.

A chain, a wide layer (in batches, too), a graph without cycles at random, that one with 20 subscribers; the durable
journal beside the one in memory. Then graphs in which every node is said to act on the outside world, so that each
starts only when all before it is durable: one, ten and a hundred runs of 100 such nodes at a time.
"""

import argparse
import io
import os
import pstats
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from tests.bench.graphs import SHAPES, start
from tests.bench.load import Crowd
from tests.bench.rig import BASELINE, CALLBOARD, LIMIT, PLAIN, SQLITE, Sample, Server, chosen, open_servers, rounds
from tests.bench.rig import arguments as rig_arguments
from tests.bench.rows import Row, show

__all__ = ["arguments", "main", "measure", "play"]

NODES: Final = 10_000
EFFECTS: Final = 100
PROFILE_LINES: Final = 40


@attrs.frozen
class Case:
    """What is run."""

    name: str
    shape: str
    nodes: int
    kind: str = "set"
    subscribers: int = 1
    runs: int = 1
    batch: bool = False
    """What comes together comes in one frame, to who understands that."""
    target: float | None = None


CASES: Final = (
    Case("chain", "chain", NODES, target=1.1),
    Case("wide", "wide", NODES, target=1.2),
    Case("wide, in batches", "wide", NODES, batch=True, target=1.5),
    Case("DAG", "dag", NODES, target=1.4),
    Case("DAG, 20 subscribers", "dag", NODES, subscribers=20, target=13.0),
    *(Case(f"effects, {runs} runs", "chain", EFFECTS, kind="act", runs=runs) for runs in (1, 10, 100)),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may be asked for."""
    rig_arguments(parser)
    parser.add_argument("--shape", help="only the cases whose name has this in it")
    parser.add_argument("--nodes", type=int, help=f"instead of {NODES:,}")
    parser.add_argument("--profile", action="store_true", help="measure nothing; print where callboard's time goes")


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    cases = _cases(options)
    if options.profile:
        for case in cases:
            for name in chosen(options, (CALLBOARD, SQLITE) if options.only else (CALLBOARD,)):
                print(f"{case.name}, {name}:\n{_profile(case, name, options.folder)}")
        return 0
    show(measure(options), options)
    return 0


def measure(options: argparse.Namespace) -> list[Row]:
    """A row for each case."""
    rows = []
    for case in _cases(options):
        peers = (
            () if case.kind == "act" else ("langgraph", "pydantic-graph") if case.shape == "chain" else ("langgraph",)
        )
        names = chosen(options, (CALLBOARD, SQLITE, BASELINE, PLAIN, LIMIT), peers=peers)
        with open_servers(names, folder=options.folder) as servers:
            count = 1 if options.quick else options.rounds
            found = rounds(servers, partial(play, case=case), count=count, label=case.name)
        rows.append(Row(case.name, found, "µs/node", 1e6, "wall", case.target))
    return rows


def play(server: Server, case: Case) -> Sample:
    """Run a case once."""
    graph = SHAPES[case.shape](case.nodes, case.kind)
    ids = [os.urandom(4).hex() for _ in range(case.runs)]
    messages = [start(graph, workflow_id) for workflow_id in ids]
    with Crowd(server.port) as crowd:
        peers = crowd.join(case.subscribers, query=f"dialect=snake{'&batch=1' * case.batch}")
        for workflow_id in ids:
            crowd.subscribe(workflow_id, peers[1:])
        before = server.cpu()
        counted = crowd.count(partial(peers[0].say, *messages), endings=case.runs)
        cpu = server.cpu() - before
    nodes = case.nodes * case.runs
    return Sample(counted.seconds, cpu, nodes, counted.busy, {"frames": counted.frames, "bytes": counted.bytes})


def _cases(options: argparse.Namespace) -> list[Case]:
    cases = [case for case in CASES if not options.shape or options.shape in case.name]
    if options.quick:
        cases = [attrs.evolve(case, nodes=50) for case in cases[:1]]
    elif options.nodes:
        cases = [attrs.evolve(case, nodes=options.nodes) if case.nodes == NODES else case for case in cases]
    return cases


def _profile(case: Case, name: str, folder: str) -> str:
    """The lines that cost most, of the case alone. The profile itself makes all of it about twice as slow."""
    with tempfile.TemporaryDirectory() as temporary, open_servers([name], folder=folder) as (server,):
        path = Path(temporary) / "profile"
        play(server, case)
        _switch(server, {})
        play(server, case)
        _switch(server, {"path": str(path)})
        text = io.StringIO()
        pstats.Stats(str(path), stream=text).strip_dirs().sort_stats("tottime").print_stats(PROFILE_LINES)
    return text.getvalue()


def _switch(server: Server, config: dict[str, str]) -> None:
    nodes: list[dict[str, Any]] = [{"id": "s", "type": "start"}]
    nodes.append({"id": "p", "type": "profile", "data": {"config": config}})
    message = start({"nodes": nodes, "edges": [{"source": "s", "target": "p"}]}, os.urandom(4).hex())
    with Crowd(server.port) as crowd:
        (peer,) = crowd.join(1)
        crowd.count(partial(peer.say, message))
