"""Runs, one for each way that a graph can go."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.testing.chaos.world import House
from actors.testing.flows import flow
from tests.chaos.scenarios.kinds import house
from tests.chaos.scenarios.scenario import Scenario

__all__ = ["GRAPHS", "SCENARIOS"]

GRAPHS: Final[Mapping[str, Any]] = {
    "chain": flow("s >> a >> b", a="work", b="work"),
    "diamond": flow("s >> a; a >> b; a >> c; b >> d; c >> d", a="work", b="work", c="work", d="work"),
    "loop": flow("s >> l; l:body >> a; l:done >> b", l=("loop", {"type": "count", "count": 2}), a="work", b="work"),
    "back edge": flow(
        "s >> l; l:body >> a >> l; l:done >> b", l=("loop", {"type": "forEach", "items": ["x", "y"]}), a="work", b="work"
    ),
    "break": flow(
        "s >> l; l:body >> i; i:true >> k; i:false >> a; l:done >> c",
        l=("loop", {"count": 3}), i=("condition", {"expression": "index >= 1"}), k="break", a="work", c="work",
    ),
    "retry": flow(
        "s >> a >> b", a=("work", {"worksAt": 3, "retry": {"maxAttempts": 3, "delay": 2000}}), b="work"
    ),
    "error edge": flow("s >> a; a:error >> b; a >> c", a=("work", {"worksAt": 9}), b="work", c="work"),
    "failing": flow("s >> a >> b", a=("work", {"worksAt": 9}), b="work"),
    "condition": flow(
        "s >> i; i:true >> a; i:false >> b; a >> c; b >> c",
        i=("condition", {"expression": "true"}), a="work", b="work", c="work",
    ),
    "wait times": flow("s >> a >> b", a=("work", {"waitTime": 3000}), b="work"),
    "timeout": flow("s >> a; a:error >> b", a=("work", {"seconds": 9, "timeout": 2000}), b="work"),
    "subflow": flow(
        "s >> f >> b", b="work",
        f=("subflow", {"workflow": flow("a >> c", a="mail", c="work"), "retry": {"maxAttempts": 2, "delay": 500}}),
    ),
    "effects": flow("s >> a >> b", a="mail", b="act"),
}  # fmt: skip


def _ends(name: str) -> Callable[[House], Any]:
    async def play(house: House) -> None:
        """Run it to its end, watched by one who embeds the runtime."""
        run = await house.start(GRAPHS[name])
        async with house.followed(run):
            ended = await house.end(run)
        clean = "failed" if name == "failing" else "completed"
        house.expect_unless_hit("*", lambda: ended.status == clean)

    return play


SCENARIOS: Final = tuple(Scenario(name, _ends(name), world=house()) for name in GRAPHS)
"""All of them."""
