"""The graphs that are run: of so many nodes, as a client sends them."""

import json
import random
from typing import Any, Final

__all__ = ["SHAPES", "chain", "dag", "speech", "start", "wide"]

Graph = dict[str, list[dict[str, Any]]]

TEXT: Final = "x" * 100
"""With it an event of the fan-out is about as long as one of a node."""


MANY_VOICES: Final = 128
"""Each may write 1,000 lines a second."""


def chain(count: int, kind: str = "set") -> Graph:
    """Each after the one before."""
    return _graph(count, kind, [(number - 1, number) for number in range(1, count)])


def wide(count: int, kind: str = "set") -> Graph:
    """All between the first and the last."""
    last = count - 1
    inner = range(1, last)
    return _graph(count, kind, [(0, number) for number in inner] + [(number, last) for number in inner])


def dag(count: int, kind: str = "set") -> Graph:
    """Each after one to three of the fifty before it, always the same."""
    dice = random.Random(1)
    edges = []
    for number in range(1, count):
        before = range(max(0, number - 50), number)
        edges += [(source, number) for source in dice.sample(before, min(dice.randint(1, 3), len(before)))]
    return _graph(count, kind, edges)


SHAPES: Final = {"chain": chain, "wide": wide, "dag": dag}


def speech(*, seconds: float, events: int, every: float) -> Graph:
    """One node that says so many events every so many seconds; 0: as fast as it can."""
    voices = events if every else MANY_VOICES
    config = {"seconds": seconds, "events": events, "every": every, "text": TEXT, "voices": voices}
    nodes: list[dict[str, Any]] = [
        {"id": "start", "type": "start"},
        {"id": "speak", "type": "speak", "data": {"config": config}},
    ]
    nodes += [{"id": f"voice{number}", "type": "voice"} for number in range(voices)]
    return {"nodes": nodes, "edges": [{"source": "start", "target": node["id"]} for node in nodes[1:]]}


def start(graph: Graph, workflow_id: str) -> bytes:
    """The message that starts it."""
    payload = {**graph, "config": {"defaultWaitTime": 0}}
    message = {"id": "go", "type": "workflow.start", "timestamp": 0, "workflow_id": workflow_id, "payload": payload}
    return json.dumps(message).encode()


def _graph(count: int, kind: str, edges: list[tuple[int, int]]) -> Graph:
    nodes: list[dict[str, Any]] = [{"id": "n0", "type": "start"}]
    nodes += [{"id": f"n{number}", "type": kind} for number in range(1, count)]
    return {"nodes": nodes, "edges": [{"source": f"n{source}", "target": f"n{target}"} for source, target in edges]}
