"""`callboard chaos` as a person and a script use it: a process of its own, with kinds that a package has planted."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLBOARD = [sys.executable, "-c", "import sys; from actors.cli import main; sys.exit(main())", "chaos"]

KINDS = '''"""Planted."""

import trio

from actors.registry import node


@node("honest")
async def honest(ctx):
    """Lets a cancel through."""
    print("at work")
    await trio.sleep(1)


@node("liar", interruptible=True)
async def liar(ctx):
    """Swallows it."""
    try:
        await trio.sleep(1)  # the lie
    except trio.Cancelled:
        pass
    return "done"


@node("stuck")
async def stuck(ctx):
    """Waits behind a shield for what never comes."""
    try:
        await trio.sleep(1)
    finally:
        if ctx.cancel_cause is not None:
            with trio.CancelScope(shield=True):
                await trio.sleep_forever()  # for ever


@node("slow")
async def slow(ctx):
    """Is longer behind its shield than a stop may take."""
    with trio.CancelScope(shield=True):
        await trio.sleep(60)  # too long
'''
LINES = {line.rpartition("# ")[2]: number for number, line in enumerate(KINDS.splitlines(), 1) if "# " in line}


@pytest.fixture
def chaos(tmp_path):
    """Run the command over a graph with one node of a kind; gives the finished process."""
    (tmp_path / "kinds.py").write_text(KINDS)
    package = tmp_path / "planted-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[callboard.nodes]\nplanted = kinds\n")
    nodes = [{"id": "s", "type": "start"}, {"id": "n", "type": "{kind}"}]
    graph = json.dumps({"nodes": nodes, "edges": [{"source": "s", "target": "n"}], "config": {"defaultWaitTime": 0}})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}

    def run(kind, *args, **environment):
        (tmp_path / "flow.json").write_text(graph.replace("{kind}", kind))
        return subprocess.run(
            [*CALLBOARD, *args, "flow.json"],
            cwd=tmp_path,
            env=kept | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_who_survives_it_is_told_how_often(chaos):
    """In a dry run, and for real: there are more points then. Status 0."""
    counts = []
    for args in (), ("--live",):
        done = chaos("honest", *args)
        assert (done.returncode, done.stderr) == (0, "")
        *printed, told = done.stdout.splitlines()
        assert set(printed) == ({"at work"} if args else set())
        dry = "" if args else " (dry run)"
        before, _, after = told.partition(" points ")
        head, _, count = before.rpartition(" ")
        assert head == f"flow.json{dry}: cancel-safe at all"
        assert after.startswith("(own; ")
        counts.append(int(count))
    assert 0 < counts[0] < counts[1]


def test_in_a_dry_run_no_node_does_a_thing(chaos):
    """Not even the planted ones: that their kinds are unsafe is nothing that the wiring could know."""
    done = chaos("liar")
    assert done.returncode == 0
    assert done.stdout.startswith("flow.json (dry run): cancel-safe at all ")


@pytest.mark.parametrize(
    ("kind", "invariant", "text", "line"),
    [
        ("liar", "a node that is cut does not say it is done", "n was cut at ", "the lie"),
        ("stuck", "no deadlock", "node:r1/n  ", "for ever"),
        ("slow", "a stop takes effect in time", "meanwhile n waited for 60.0 s at ", "too long"),
    ],
)
def test_an_unsafe_kind_is_reported_with_its_line(chaos, kind, invariant, text, line):
    """Status 1."""
    done = chaos(kind, "--live", "--json", "--runs", "80")
    assert (done.returncode, done.stderr) == (1, "")
    (broken,) = [one for one in json.loads(done.stdout)["broken"] if one["invariant"] == invariant]
    place = f"{text}kinds.py:{LINES[line]}"
    assert any(place in violation["text"] for violation in broken["smallest"]["violations"])


def test_the_same_id_is_the_same_failure(chaos):
    """Three times out of three, in fresh processes, whatever the hashes are."""
    (broken,) = json.loads(chaos("liar", "--live", "--json", "--runs", "80").stdout)["broken"]
    for seed in "1", "2", "3":
        again = chaos("liar", "--live", "--json", "--replay", broken["smallest"]["id"], PYTHONHASHSEED=seed)
        assert again.returncode == 1
        assert json.loads(again.stdout)["broken"] == [broken | {"count": 1}]


def test_a_failure_is_told_to_persons(chaos):
    """What, where, and how to see it again."""
    done = chaos("liar", "--live", "--runs", "80")
    assert (done.returncode, done.stderr) == (1, "")
    assert "a node that is cut does not say it is done: broken " in done.stdout
    assert f"n was cut at kinds.py:{LINES['the lie']}, and returned all the same" in done.stdout
    *_, again = done.stdout.splitlines()
    assert again.startswith("again: callboard chaos --live --replay ")


def test_json_lists_each_injection(chaos):
    """And nothing else is on stdout, whatever nodes print."""
    done = chaos("honest", "--live", "--json", "--runs", "150")
    assert done.returncode == 0
    assert "at work" in done.stderr
    told = json.loads(done.stdout)
    assert len(told["injections"]) == len({made["id"] for made in told["injections"]}) == 150
    assert {made["fault"] for made in told["injections"]} == {"cancel", "call", "skip"}
    assert all(made["violations"] == [] and made["line"] for made in told["injections"])
    assert told["complete"] is False


def test_a_ctrl_c_ends_it(chaos, tmp_path):
    """At once, with the status of one who was interrupted, and without a traceback."""
    chaos("honest")
    with subprocess.Popen(
        [*CALLBOARD, "--live", "flow.json", "--global"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "")


def test_a_reader_that_has_gone_is_no_bug(chaos, tmp_path):
    """As `| head` does: a status of its own, and no traceback."""
    chaos("honest")
    with subprocess.Popen(
        [*CALLBOARD, "--runs", "1", "--json", "flow.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert (process.returncode, told) == (141, "")
