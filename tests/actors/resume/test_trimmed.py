"""Who comes back to a run whose history is gone: never silence."""

import trio

from actors.journal import Keep


async def test_a_run_that_was_forgotten_meanwhile_is_said_to_be(open_port, autojump_clock):
    """Nothing of it is left to be told, and that is said."""
    async with open_port() as port:
        first = await port.peer(pongs=False)
        await first.say("workflow.start", **port.flow(100))
        run_id = (await first.until("workflow.start"))["run_id"]
        await port.away(first)
        await trio.sleep(10)
        await port.house.runtime.journal.trim(Keep(runs=0))
        back = await port.peer()
        error = await back.until("error")
        assert error["payload"]["code"] == "unknown_workflow"
        assert run_id in error["payload"]["message"]


async def test_what_is_still_known_of_a_trimmed_run_comes_as_plain_events(open_port, autojump_clock):
    """The newest status of each node and the ending, for a client that may know no snapshots; a reset for one that asks."""
    async with open_port() as port:
        first = await port.peer(pongs=False)
        await first.say("workflow.start", **port.flow(100, 100))
        run_id = (await first.until("workflow.start"))["run_id"]
        await port.away(first)
        await trio.sleep(10)
        runtime = port.house.runtime
        async with runtime.hub._topics.held(run_id):
            await runtime.journal.trim(Keep(runs=0))
            back = await port.peer()
            await back.until("execution.complete")
            await trio.sleep(0.5)
            assert [(m["type"], m["payload"].get("node_id")) for m in back.heard if "seq" in m] == [
                ("node.success", "s"),
                ("node.success", "w0"),
                ("node.success", "w1"),
                ("execution.complete", None),
            ]
            assert sum(m.get("conflated", 0) for m in back.heard) + 4 == back.seqs[-1]
            other = await port.peer("/ws/other?dialect=snake")
            await other.say("workflow.subscribe", run_id=run_id, after_seq=1)
            await other.until("workflow.snapshot")
            assert [m["payload"]["reset"] for m in other.heard if m["type"] == "workflow.subscribe"] == [False, True]
