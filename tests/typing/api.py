"""The public API as a program uses it. Never run: mypy reads it, in strict mode, with everything else."""

import attrs
import trio

from actors import Fired, NodeContext, NodeError, Registry, Run, Settings, open_runtime, serve
from actors.client import RemoteRun, connect
from actors.registry import node
from protocol import InvalidWorkflow, NodeChanged, NodeStatus, RunEnded, Summary


@attrs.frozen
class GreetConfig:
    """Settings of `greet`."""

    name: str = "world"
    delay: float = 0.0


@node("greet", config=GreetConfig, interruptible=True)
async def greet(ctx: NodeContext[GreetConfig]) -> object:
    """Greets."""
    await ctx.sleep(ctx.config.delay)
    if not ctx.config.name:
        raise NodeError("nobody to greet", code="no_name")
    async with ctx.atomic():
        ctx.log("info", "greeting", name=ctx.config.name)
    return Fired(out=f"hello {ctx.config.name}")


@node("around", config=dict)
async def around(ctx: NodeContext[dict[str, object]]) -> object:
    """Runs a graph inside its run."""
    child = await ctx.start_child({"nodes": [], "edges": []}, {"in": ctx.idempotency_key}, name="inner")
    ctx.log("info", child.run_id)
    results = await child.results()
    return sorted(results)


async def main() -> Summary:
    """Start a run, watch it, and serve it meanwhile."""
    registry = Registry.builtin()
    registry.register(greet)
    async with trio.open_nursery() as nursery, open_runtime(settings=Settings(port=(0,)), registry=registry) as runtime:
        addresses = await nursery.start(serve, runtime)
        assert all(isinstance(address, str) for address in addresses)
        try:
            run: Run = await runtime.start({"nodes": [], "edges": []}, workflow_id="w", config={"seed": 1})
        except InvalidWorkflow as refused:
            raise SystemExit(str(refused.problems)) from None
        async for event in run.events():
            match event:
                case NodeChanged(status=NodeStatus.ERROR):
                    print(event.node_id, event.error)
                case RunEnded():
                    print(event.summary.duration)
                case _:
                    pass
        await run.pause("drain")
        held = await run.set_breakpoints(["a"])
        print((held.breakpoints or ())[:1], run.view.breakpoints - {"a"})
        await run.resume()
        await run.stop(force=True)
        return await run.wait()


async def elsewhere() -> Summary:
    """The same on a server."""
    async with connect("ws://127.0.0.1:8765", token="secret", max_attempts=3) as client:
        run: RemoteRun = await client.start({"nodes": [], "edges": []}, workflow_id="w", config={"seed": 1})
        async for event in run:
            match event:
                case NodeChanged(status=NodeStatus.ERROR):
                    print(event.node_id, event.error)
                case _:
                    pass
        reply = await client.run(run_id=run.id).pause("drain")
        reply = await client.run(run_id=run.id).set_breakpoints(())
        print(reply.ok, client.state.value, (await client.snapshot(run_id=run.id)).last_seq)
        return await run.wait()
