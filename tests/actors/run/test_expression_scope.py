"""What expressions of a node see: in nested loops, of ancestors, and what an error names."""

from itertools import product
from typing import Any

import pytest

from protocol.messages import Logged, NodeChanged


def said(world: Any, events: Any, node_id: str) -> list[tuple[tuple[int, ...], str]]:
    """(iteration, message) of the log lines of a node."""
    return [
        (event.iteration, event.message) for event in events if isinstance(event, Logged) and event.node_id == node_id
    ]


NESTED = "s >> l; l:body >> a >> m; m:body >> b >> c; m:done >> d; l:done >> z"
KINDS: dict[str, Any] = {
    "l": ("loop", {"type": "forEach", "items": ["x", "y"]}),
    "m": ("loop", {"type": "forEach", "items": "{{ [item + '0', item + '1', item + '2'] }}"}),
    "a": ("set", {"outer": "{{ item }}{{ index }}"}),
    "b": ("set", {"inner": "{{ item }}{{ index }}"}),
}


@pytest.mark.parametrize("slots", [1, 100])
async def test_item_and_index_are_those_of_the_innermost_turn(autojump_clock, world, slots):
    """In the inner body those of the inner loop, behind it those of the outer one; ancestors of the same turns."""
    run = await world.start(
        NESTED, **KINDS, c=("log", {"message": "{{ nodes.a.result.outer }}/{{ nodes.b.result.inner }}/{{ item }}/{{ index }}"}),
        d=("log", {"message": "{{ item }} {{ index }} {{ nodes.m.result.map(turn, turn.c) }} {{ nodes.a.result.outer }}"}),
        z=("log", {"message": "{{ size(nodes.l.result) }}"}), config={"maxConcurrency": slots},
    )  # fmt: skip
    assert (await run.wait()).status == "completed", run.view.summary
    story = await world.story(run)
    assert said(world, story, "c") == [
        ((outer, inner), f"{letter}{outer}/{letter}{inner}{inner}/{letter}{inner}/{inner}")
        for (outer, letter), inner in product(enumerate("xy"), range(3))
    ]
    assert [line.split()[:2] for _, line in said(world, story, "d")] == [["x", "0"], ["y", "1"]]
    assert [iteration for iteration, _ in said(world, story, "d")] == [(0,), (1,)]
    assert said(world, story, "z") == [((), "2")]


@pytest.mark.parametrize(
    ("where", "expression", "reason"),
    [
        ("b", "{{ nodes.c.result }}", "node c has no result here: it has not run, or is no ancestor of this node"),
        ("z", "{{ nodes.b.result }}", "node b has no result here: it has not run, or is no ancestor of this node"),
        ("z", "{{ item }}", "item is known only inside a loop"),
        ("z", "{{ index }}", "index is known only inside a loop"),
        ("b", "{{ item.name }}", ""),
        ("b", "{{ vars.none }}", "there is no 'none'"),
        ("b", "{{ nodes['a'].result.none }}", "there is no 'none'"),
        ("b", "{{ secrets.NONE }}", "there is no secret 'NONE'"),
        ("b", "{{ 1 / (index * 0) }}", ""),
    ],
)
async def test_an_error_names_node_field_and_expression(autojump_clock, world, where, expression, reason):
    """With its code, and the run fails by it; what one turn of a loop gave is not seen outside of it."""
    kinds = {**KINDS, "c": "log", "d": "log", "z": "log"}
    kinds[where] = ("set", {"deep": {"er": [0, expression]}})
    run = await world.start(NESTED, **kinds)
    summary = await run.wait()
    assert (summary.status, summary.code, summary.node_id) == ("failed", "expression_failed", where)
    assert summary.error.startswith(f"node {where}: deep.er[1]: {expression}: ")
    assert reason in summary.error
    (failed,) = [
        event for event in await world.story(run) if isinstance(event, NodeChanged) and event.status == "error"
    ]
    assert (failed.node_id, failed.error, failed.iteration) == (where, summary.error, (0, 0) if where == "b" else ())


@pytest.mark.parametrize(
    "settings",
    [{"type": "while", "condition": "{{ nodes.z.result }}"}, {"type": "forEach", "items": "{{ [1][index] }}"}],
)
async def test_a_loop_names_them_too(autojump_clock, world, settings):
    """Its settings are resolved by the run itself; the error has the same form."""
    run = await world.start("s >> l; l:body >> a; l:done >> z", l=("loop", settings), a="log", z="log")
    summary = await run.wait()
    (field, expression), *_ = [(key, value) for key, value in settings.items() if "{{" in value]
    assert (summary.status, summary.code) == ("failed", "expression_failed")
    assert summary.error.startswith(f"node l: {field}: {expression}: ")


async def test_a_turn_does_not_see_the_turn_before(autojump_clock, world):
    """`nodes.X` of a branch that this turn did not take is nothing, whatever the last turn gave."""
    run = await world.start(
        "s >> l; l:body >> i; i:true >> a; i:false >> b; a >> c; b >> c",
        l=("loop", {"count": 3}), i=("condition", {"expression": "index == 1"}),
        a=("set", {"turn": "{{ index }}"}), b=("set", {"turn": "{{ index }}"}),
        c=("log", {"message": "{{ has(nodes.a.result) && nodes.a.result != null ? nodes.a.result.turn : -1 }}"}),
    )  # fmt: skip
    await run.wait()
    assert [line for _, line in said(world, await world.story(run), "c")] == ["-1", "1", "-1"]


async def test_a_node_beside_it_is_not_there_even_if_it_has_ended(autojump_clock, world):
    """The same graph gives the same answer, whoever was faster."""
    run = await world.start(
        "s >> a; s >> w >> b", a=("set", {"x": 1}), w=("wait", {"duration": 1000}), b=("log", {"message": "{{ nodes.a.result }}"})
    )  # fmt: skip
    assert (await run.wait()).status == "failed"
    assert run.view.nodes["a"].status == "success"
    assert "no ancestor of this node" in run.view.nodes["b"].error
    await world.story(run)
