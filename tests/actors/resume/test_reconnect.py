"""Who comes back goes on where it was: each case of a reconnect, for clients that know nothing of seq and those that do.

What a peer has not shown to have got may be told again, and must not be missed.
"""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

DONE = {"execution.complete", "workflow_completed"}


async def test_who_saw_nothing_is_told_everything(port, autojump_clock):
    """Zero events seen: it vanished right behind its start, comes back with its id, and says not a word."""
    first = await port.peer(pongs=False)
    await first.say("workflow.start", **port.flow(2000, 2000))
    await port.away(first)
    await trio.sleep(1)
    back = await port.peer()
    await back.until("execution.complete")
    assert port.gapless(back.seqs, 1)
    assert back.heard[0]["type"] == "workflow.start"


async def test_a_pong_proves_what_came_before_its_ping(port, autojump_clock):
    """Who answered our ping is told what came after it, and not what came before; nothing is missing."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(5000, 5000))
    await first.until("node.running", node_id="w0")
    await trio.sleep(2)
    proven = first.seqs[-1]
    first.pongs = False
    await first.until("node.running", node_id="w1")
    await port.away(first)
    back = await port.peer()
    await back.until("execution.complete")
    assert proven > 1
    assert port.gapless(back.seqs, proven + 1)


async def test_a_ping_follows_events_within_a_second_and_an_idle_connection_costs_none(port, autojump_clock):
    """One ping for many events, and then none until one is due for the connection's life."""
    peer = await port.peer()
    await peer.say("workflow.start", **port.flow(100, 100, 100))
    await peer.until("execution.complete")
    assert peer.pings == 0
    await trio.sleep(1.1)
    assert peer.pings == 1
    await trio.sleep(24)
    assert peer.pings == 1
    await trio.sleep(1)
    assert peer.pings == 2


@pytest.mark.parametrize("every", [300, 600])
async def test_while_events_go_on_a_ping_waits_for_the_last_of_them(port, autojump_clock, every):
    """But not for ever: what comes back has at most the newest seconds told again."""
    peer = await port.peer()
    await peer.say("workflow.start", **port.flow(*[every] * (12_000 // every)))
    await peer.until("node.running", node_id="w0")
    pings = []
    for _ in range(11):
        await trio.sleep(1)
        pings.append(peer.pings)
    assert pings[2] == 0
    assert pings[4] == 1
    assert pings[-1] <= 3
    await peer.until("execution.complete")
    before = peer.pings
    await trio.sleep(1.1)
    assert peer.pings == before + 1
    await trio.sleep(20)
    assert peer.pings == before + 1


async def test_how_far_a_node_is_needs_no_proof(port, autojump_clock):
    """It has no seq, and nobody is told it again."""
    peer = await port.peer()
    await peer.say("workflow.start", **port.flow(15_000))
    await peer.until("node.running", node_id="w0")
    await trio.sleep(1.1)
    assert peer.pings == 1
    await trio.sleep(10)
    assert peer.pings == 1
    assert [message["type"] for message in peer.heard].count("node.running") > 10


async def test_a_ping_follows_what_a_peer_has_got_and_not_what_others_have(port, autojump_clock):
    """Who hears little of a busy run is asked within a second of what it has heard."""
    peer = await port.peer()
    await peer.say("workflow.subscribe", types=["workflow.start"])
    other = await port.peer("/ws/other")
    await other.say("workflow.start", **port.flow(*[300] * 40))
    await peer.until("workflow.start")
    await trio.sleep(1.1)
    assert peer.pings == 1
    await trio.sleep(5)
    assert peer.pings == 1


async def test_a_second_reconnect_without_new_events_loses_nothing(port, autojump_clock):
    """The run is paused; three connections come and go, and the fourth goes on where the first was."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(5000, 5000))
    await first.until("node.running", node_id="w0")
    await first.say("workflow.pause")
    await first.until("workflow.pause", status="paused")
    await trio.sleep(2)
    proven = first.seqs[-1]
    for _ in range(3):
        await port.away(first)
        first = await port.peer()
        await trio.sleep(30)
        assert first.seqs == []
    await first.say("workflow.resume")
    await first.until("execution.complete")
    assert port.gapless(first.seqs, proven + 1)


async def test_a_client_that_knows_its_place_gets_exactly_what_follows(port, autojump_clock):
    """`after` is followed, whatever is known here: behind the confirmation nothing twice, nothing missing."""
    first = await port.peer(pongs=False)
    await first.say("workflow.start", **port.flow(1000, 1000, 5000))
    await first.until("node.running", node_id="w2")
    seen = first.seqs[-1]
    await port.away(first)
    back = await port.peer()
    await back.say("workflow.subscribe", after_seq=seen, run_id=first.heard[0]["run_id"])
    confirmed = await back.until("workflow.subscribe")
    assert confirmed["payload"]["from_seq"] == seen + 1
    await back.until("execution.complete")
    behind = back.heard[back.heard.index(confirmed) :]
    assert port.gapless([message["seq"] for message in behind if "seq" in message], seen + 1)


async def test_behind_the_window_it_is_a_new_session(port, autojump_clock):
    """Idle longer than that: nobody is subscribed, and an undecided peer is greeted as a new one."""
    first = await port.peer("/ws/me")
    await first.say("workflow.start", **port.flow(500_000))
    await first.until("node.running", node_id="w0")
    await port.away(first)
    await trio.sleep(119)
    back = await port.peer("/ws/me")
    await back.until("node.running", node_id="w0")
    await port.away(back)
    await trio.sleep(121)
    late = await port.peer("/ws/me")
    hello = await late.until("connection_established")
    assert "resumed" not in hello
    await late.say("workflow.pause")
    await late.until("workflow.pause", ok=True)
    assert late.seqs == []


async def test_a_reconnect_before_the_drop_was_noticed_inherits(port, autojump_clock):
    """The half-dead connection is closed, and what it had not shown to have got is told to the new one."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(5000, 5000))
    await trio.sleep(2)
    proven, first.pongs = first.seqs[-1], False
    await first.until("node.running", node_id="w1")
    back = await port.peer()
    await back.until("execution.complete")
    assert first.code == 4409
    assert port.gapless(back.seqs, proven + 1)


async def test_a_connection_lost_with_the_snapshot_is_told_from_the_beginning(port, autojump_clock):
    """It asked for the state and may not have got it: so all of the run is told."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", **port.flow(3000, 3000))
    await trio.sleep(1)
    first = await port.peer(pongs=False)
    await first.say("workflow.subscribe")
    await first.until("workflow.snapshot")
    await port.away(first)
    back = await port.peer()
    await back.until("execution.complete")
    assert port.gapless(back.seqs, 1)


async def test_a_snapshot_that_arrived_is_a_position(port, autojump_clock):
    """A pong behind it proves it: only what followed is told."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", **port.flow(5000, 5000))
    await trio.sleep(1)
    first = await port.peer()
    await first.say("workflow.subscribe")
    snapshot = await first.until("workflow.snapshot")
    await trio.sleep(1.5)
    await port.away(first)
    back = await port.peer()
    await back.until("execution.complete")
    assert port.gapless(back.seqs, snapshot["payload"]["last_seq"] + 1)


async def test_a_run_that_finished_while_it_was_away_is_told_to_its_end_once(port, autojump_clock):
    """The rest and the ending; when these have arrived, nothing of it is told any more."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(1000, 1000))
    await trio.sleep(0.5)
    await port.away(first)
    await trio.sleep(60)
    back = await port.peer()
    await back.until("execution.complete")
    assert port.gapless(back.seqs, 1)
    await trio.sleep(2)
    await port.away(back)
    again = await port.peer()
    await trio.sleep(10)
    assert again.heard == []


async def test_a_pause_while_it_was_away_is_told(port, autojump_clock):
    """Whoever comes back sees the run as it is: paused, and by what steps."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(10_000))
    await trio.sleep(3)
    await port.away(first)
    other = await port.peer("/ws/other?dialect=snake")
    await other.say("workflow.pause")
    await trio.sleep(1)
    back = await port.peer()
    await back.until("workflow.pause", status="paused")
    said = [message["payload"]["status"] for message in back.heard if message["type"] == "workflow.pause"]
    assert said == ["pausing", "paused"]


async def test_only_what_was_subscribed_last_is_resumed(port, autojump_clock):
    """Subscription changed: types that were asked for, and no run that was given up."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", "kept", **port.flow(5000, 5000))
    await starter.say("workflow.start", "left", **port.flow(5000, 5000))
    first = await port.peer()
    await first.say("workflow.subscribe", "kept", after_seq=0)
    await first.say("workflow.subscribe", "left", after_seq=0)
    await trio.sleep(1)
    await first.say("workflow.unsubscribe", "left")
    await first.say("workflow.unsubscribe", "kept")
    await first.say("workflow.subscribe", "kept", types=["node.success"])
    await first.until("workflow.subscribe", reply_to="workflow.subscribe")
    await trio.sleep(1)
    await port.away(first)
    back = await port.peer()
    await starter.until("execution.complete", workflow_id="kept")
    await trio.sleep(1)
    assert {(message["type"], message["workflow_id"]) for message in back.heard} == {("node.success", "kept")}
    assert [message["payload"]["node_id"] for message in back.heard][-2:] == ["w0", "w1"]


async def test_runs_that_began_while_it_was_away_are_told(port, autojump_clock):
    """A subscription to a workflow, and one over all runs, hear also what began – and ended – meanwhile."""
    one, every = await port.peer("/ws/one?dialect=snake"), await port.peer("/ws/every?dialect=flat")
    await one.say("workflow.subscribe", "w")
    await every.tell({"type": "subscribe", "id": "1", "event_types": ["*"]})
    await every.until("subscription_confirmed")
    await port.away(one)
    await port.away(every)
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", "w", **port.flow(100))
    await starter.until("execution.complete")
    await starter.say("workflow.start", "w", **port.flow(100_000))
    await trio.sleep(1)
    for path in ("/ws/one", "/ws/every"):
        back = await port.peer(path)
        await back.until("node.running", "node_status_update", node_id="w0")
        await trio.sleep(1)
        by_run: dict[str, list[int]] = {}
        for message in back.heard:
            if "seq" in message:
                by_run.setdefault(message["run_id"], []).append(message["seq"])
        assert len(by_run) == 2
        assert all(port.gapless(seqs, 1) for seqs in by_run.values())
        assert len([message for message in back.heard if message["type"] in DONE]) == 1


async def test_a_resumed_peer_is_greeted_as_its_dialect_has_it(port, autojump_clock):
    """flat: `resumed: true`. snake and camel: no hello, and their dialect from the first word on."""
    for path, start in (
        ("/ws/flat", {"type": "execute_workflow", "workflow": {"id": "f", **port.flow(9000)}}),
        ("/ws/snake", {"type": "workflow.start", "workflow_id": "s", "payload": port.flow(9000)}),
        ("/ws/camel", {"type": "workflow.start", "workflowId": "c", "payload": port.flow(9000)}),
    ):
        first = await port.peer(path)
        await first.tell({"id": "1", **start})
        await first.until("node.running", "node_status_update")
        await port.away(first)
        back = await port.peer(path)
        await back.until("node.running", "node_status_update")
        if path == "/ws/flat":
            assert back.heard[0]["resumed"] is True
            assert back.heard[1]["type"] == "workflow_execution_started"
        else:
            assert back.heard[0]["type"] == "workflow.start"
            assert ("workflowId" in back.heard[0]) == (path == "/ws/camel")


async def test_a_position_beyond_the_run_is_answered_with_a_reset(port, autojump_clock):
    """The server knows less than its client: it says so, shows the state, and goes on live."""
    starter = await port.peer("/ws/starter?dialect=snake")
    await starter.say("workflow.start", **port.flow(5000))
    started = await starter.until("workflow.start")
    back = await port.peer()
    await back.say("workflow.subscribe", after=f"{started['run_id']}:999")
    reply = await back.until("workflow.subscribe")
    assert reply["payload"]["reset"] is True
    shown = await back.until("workflow.snapshot")
    await back.until("execution.complete")
    assert port.gapless(back.seqs, shown["payload"]["last_seq"] + 1)


async def test_who_was_sent_only_the_newest_gets_all_of_it_back(open_port, autojump_clock):
    """Only conflated traffic: what a slow client was spared it is told when it comes back, or how many these were."""
    async with open_port(outbox=4096) as port:
        starter = await port.peer("/ws/starter?dialect=snake", pongs=False)
        first = await port.slow_peer()
        await first.say("workflow.subscribe", "w")
        await first.take(2**14)
        await starter.say("workflow.start", **port.wide(300, 200))
        await trio.sleep(2)
        assert port.house.runtime.hub.statistics().lagging == 1
        await first.vanish()
        await wait_all_tasks_blocked()
        back = await port.peer()
        await starter.until("execution.complete")
        await trio.sleep(1)
        assert port.gapless(back.seqs, 1)


async def test_a_connection_that_is_replaced_in_mid_recovery_hands_on_what_it_was_owed(open_port, autojump_clock):
    """It took half of the history and no more; the next one begins where the first surely was."""
    async with open_port(outbox=4096) as port:
        starter = await port.peer("/ws/starter?dialect=snake")
        first = await port.peer(pongs=False)
        await first.say("workflow.subscribe", "w")
        await first.say("workflow.subscribe", "v")
        for workflow_id in ("w", "v"):
            await starter.say("workflow.start", workflow_id, **port.wide(200, 200))
        await trio.sleep(2)
        await port.away(first)
        for _ in range(2):
            second = await port.slow_peer()
            for _ in range(3):
                await second.take(2**14)
            await wait_all_tasks_blocked()
        back = await port.peer()
        await starter.until("execution.complete", workflow_id="w")
        await starter.until("execution.complete", workflow_id="v")
        await trio.sleep(1)
        for workflow_id in ("w", "v"):
            assert port.gapless([m["seq"] for m in back.heard if "seq" in m and m["workflow_id"] == workflow_id], 1)


async def test_a_connection_that_is_replaced_before_the_journal_was_read_hands_on_all_of_it(
    open_port, journal, autojump_clock
):
    """Two came and went while the journal was slow: each had got nothing, and left its place to the next one."""
    async with open_port(journal=journal) as port:
        first = await port.peer()
        await first.say("workflow.start", **port.flow(9000))
        await trio.sleep(2)
        proven = first.seqs[-1]
        await port.away(first)
        journal.readable = trio.Event()
        for _ in range(2):
            assert (await port.peer()).heard == []
        back = await port.peer()
        journal.readable.set()
        await back.until("execution.complete")
        assert port.gapless(back.seqs, proven + 1)


async def test_a_refused_start_leaves_the_place_of_who_comes_back_alone(open_port, journal, autojump_clock):
    """It comes back and starts its run again, as its origin does, before the server has read where it was."""
    async with open_port(journal=journal) as port:
        first = await port.peer()
        for workflow_id in ("v", "w"):
            await first.say("workflow.start", workflow_id, **port.flow(9000))
        await trio.sleep(2)
        proven = max(m["seq"] for m in first.heard if "seq" in m and m["workflow_id"] == "w")
        await port.away(first)
        journal.readable = trio.Event()
        back = await port.peer()
        await back.say("workflow.start", "w", **port.flow(9000))
        await back.until("execution.log", level="warn")
        journal.readable.set()
        await back.until("execution.complete", workflow_id="w")
        assert port.gapless([m["seq"] for m in back.heard if "seq" in m and m["workflow_id"] == "w"], proven + 1)


async def test_windows_that_share_an_id_keep_each_its_own_position(port, autojump_clock):
    """After three takeovers nobody is closed; one that comes back gets what the one that was least far misses."""
    windows = [await port.peer() for _ in range(5)]
    assert [window.code for window in windows] == [4409, 4409, 4409, None, None]
    left, right = windows[3:]
    left.pongs = False
    await left.say("workflow.start", **port.flow(5000, 20_000, 5000))
    await right.say("workflow.subscribe", after_seq=0)
    await trio.sleep(3)
    await port.away(right)
    await port.away(left)
    for _ in range(2):
        back = await port.peer()
        await back.until("node.running", node_id="w1")
        assert port.gapless(back.seqs, 1)
    await trio.sleep(60)


async def test_a_start_that_is_repeated_after_a_resume_is_answered_by_its_first_event(port, autojump_clock):
    """The client did not hear the answer to its start, and the server knows that it is further: both get their way."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(9000), request_id="once")
    await trio.sleep(3)
    await port.away(first)
    back = await port.peer()
    await back.say("workflow.start", **port.flow(9000), request_id="once")
    answer = await back.until("workflow.start")
    assert (answer["seq"], answer["run_id"]) == (1, first.heard[0]["run_id"])
    await back.until("execution.complete")
    assert port.gapless([seq for seq in back.seqs if seq > 1], first.seqs[-1] + 1)


@pytest.mark.parametrize(("path", "subprotocols"), [("/ws/me?batch=1&dialect=snake", ()), ("/ws/me", ("snake",))])
async def test_a_batch_is_resumed_as_a_batch(port, autojump_clock, path, subprotocols):
    """An array of messages in a frame, for who asked for that."""
    offers = tuple(f"callboard.{name}.v1.batch" for name in subprotocols)
    first = await port.peer(path, subprotocols=offers, pongs=False)
    await first.say("workflow.start", **port.flow(2000))
    await port.away(first)
    back = await port.peer(path, subprotocols=offers)
    await back.until("execution.complete")
    assert port.gapless(back.seqs, 1)


# Runs whose starter is gone


@pytest.mark.parametrize(("action", "status"), [("continue", "running"), ("pause", "paused"), ("stop", "stopped")])
async def test_when_its_starters_session_expires_a_run_does_as_it_was_told(port, autojump_clock, action, status):
    """`onDisconnect`: not when a socket drops, and not while the session may come back."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(1_000_000), config={"onDisconnect": action})
    started = await first.until("workflow.start")
    assert started["payload"]["warnings"] == []
    for _ in range(3):
        await port.away(first)
        await trio.sleep(110)
        first = await port.peer()
    runtime = port.house.runtime
    assert (await runtime.snapshot(started["run_id"])).status == "running"
    await port.away(first)
    await trio.sleep(119)
    assert (await runtime.snapshot(started["run_id"])).status == "running"
    await trio.sleep(2)
    assert (await runtime.snapshot(started["run_id"])).status == status


async def test_a_run_goes_on_while_any_connection_of_its_starter_lives(port, autojump_clock):
    """Also if that one was not the one that started it, and whoever else watches does not count."""
    first = await port.peer()
    await first.say("workflow.start", **port.flow(1_000_000), config={"onDisconnect": "stop"})
    run_id = (await first.until("workflow.start"))["run_id"]
    watcher = await port.peer("/ws/watcher?dialect=snake")
    await watcher.say("workflow.subscribe")
    back = await port.peer()
    assert first.code == 4409
    await trio.sleep(500)
    assert port.house.runtime.run(run_id).status == "running"
    await port.away(back)
    await watcher.until("execution.complete", status="stopped")
