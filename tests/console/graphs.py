"""Graphs that take a while, to be looked at meanwhile."""

from typing import Any

from tests.e2e.test_durability import node


def edge(source: str, target: str, port: str | None = None) -> dict[str, Any]:
    """An edge, by a port."""
    handle = {} if port is None else {"sourceHandle": port}
    return {"id": f"{source}-{target}", "source": source, "target": target, **handle}


def winding(duration: int, *, length: int = 8) -> dict[str, Any]:
    """Waits one after the other; beside them a branch that is not taken, a loop of three turns, and a retry.

    Args:
        duration: of one wait, in milliseconds.
        length: of the row of waits.
    """
    row = [node(f"w{number}", "wait", duration=duration) for number in range(length)]
    nodes = [
        node("s", "start"),
        node("seen", "condition", expression="false"),
        node("no", "log", message="not taken"),
        node("after", "log", message="behind what is not taken"),
        node("yes", "log", message="taken"),
        node("turns", "loop", type="count", count=3),
        node("body", "wait", duration=duration),
        node("mark", "set", turn="{{ index }}"),
        node("done", "log", message="all turns"),
        *row,
    ]
    edges = [
        edge("s", "seen"),
        edge("seen", "no", "true"),
        edge("no", "after"),
        edge("seen", "yes", "false"),
        edge("yes", "turns"),
        edge("turns", "body", "body"),
        edge("body", "mark"),
        edge("mark", "turns"),
        edge("turns", "done", "done"),
        edge("s", "w0"),
        *(edge(f"w{number}", f"w{number + 1}") for number in range(length - 1)),
    ]
    return {"nodes": nodes, "edges": edges}
