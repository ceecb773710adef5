"""Dry runs: the wiring of any graph can be tried before its kinds exist."""

import json
import os
from pathlib import Path

import pytest

from protocol.errors import InvalidWorkflow

VECTORS = Path(__file__).parents[2] / "vectors" / "flows"
EXPORTS = Path(os.environ.get("CALLBOARD_FLOWS") or Path(__file__).parents[4] / "shared" / "flows") / "flowise"
OURS = sorted(VECTORS.glob("*.json"))
THEIRS = sorted(EXPORTS.glob("*.json"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
async def test_our_graphs_run_dry_to_the_end(autojump_clock, world, path):
    """At once, every node that was begun ended, and nothing failed."""
    run = await world.runtime.start(json.loads(path.read_text()), config={"dryRun": True, "seed": 3})
    summary = await run.wait()
    assert (summary.status, summary.failed) == ("completed", 0)
    assert world.now() < 0.1
    await world.story(run)


@pytest.mark.skipif(not THEIRS, reason=f"the exports of a real editor are not in {EXPORTS}; set CALLBOARD_FLOWS")
@pytest.mark.parametrize("path", THEIRS, ids=lambda path: path.stem)
async def test_exports_of_a_real_editor_run_dry_to_the_end(autojump_clock, world, path):
    """Kinds that nobody knows here: refused with a path for each without `dryRun`, run with it."""
    graph = json.loads(path.read_text())
    with pytest.raises(InvalidWorkflow) as refused:
        await world.runtime.start(graph)
    unknown = [problem for problem in refused.value.problems if problem.code == "unknown_kind"]
    assert {problem.node_id for problem in unknown} == {node["id"] for node in graph["nodes"]}
    assert all(problem.path.startswith(f"nodes[{place}]") for place, problem in enumerate(unknown))
    run = await world.runtime.start(graph, config={"dryRun": True, "seed": 3})
    summary = await run.wait()
    assert (summary.status, summary.failed) == ("completed", 0)
    assert summary.succeeded + summary.skipped == summary.total_nodes
    await world.story(run)


@pytest.mark.parametrize("seed", range(8))
async def test_branches_are_left_to_the_seed(autojump_clock, world, seed):
    """The same seed takes the same way, whatever the condition would say."""
    graph = world.flow(
        "s >> c; c:true >> t; c:false >> f", c=("condition", {"expression": "vars.nobody"}), t="x", f="y"
    )
    config = {"dryRun": True, "seed": seed}
    first = await world.runtime.start(graph, config=config)
    await first.wait()
    second = await world.runtime.start(graph, config=config)
    await second.wait()
    ways = [{name for name, event in run.view.nodes.items() if event.status == "skipped"} for run in (first, second)]
    assert ways[0] == ways[1]
    assert len(ways[0]) == 1
