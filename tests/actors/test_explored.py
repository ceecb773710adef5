"""`callboard chaos`: what is told about what can not be explored, and what the config of the run does."""

import io
import json
import os
import sys

import pytest

from actors import cli


@pytest.fixture
def chaos(monkeypatch, capsys, tmp_path):
    """Explore a graph; gives (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CALLBOARD_"):
            monkeypatch.delenv(name)

    def run(*args, nodes, edges=()):
        graph = json.dumps({"nodes": nodes, "edges": list(edges)}).encode()
        monkeypatch.setattr(sys, "argv", ["callboard", "chaos", *args, "-"])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(graph), encoding="utf-8"))
        status = cli.main()
        return status, *capsys.readouterr()

    return run


START = {"id": "s", "type": "start"}
FEW = ("--runs", "1")


def test_an_invalid_graph_is_a_table(chaos):
    """Status 2; as `callboard run` says it."""
    status, out, err = chaos("--live", nodes=[START, {"id": "x", "type": "wiat"}])
    assert (status, out) == (2, "")
    assert "unknown_kind" in err


def test_a_wrong_config_is_said(chaos):
    """Status 2, in a line."""
    status, out, err = chaos("-o", "timeout=soon", nodes=[START])
    assert (status, out) == (2, "")
    assert err.startswith("callboard: ")
    assert "timeout" in err


@pytest.mark.parametrize("injection", ["nonsense", "cancel:run:r9@1/own/fifo"])
def test_an_unknown_injection_is_said(chaos, injection):
    """Status 2, in a line: nothing was explored."""
    status, out, err = chaos("--replay", injection, nodes=[START])
    assert (status, out) == (2, "")
    assert err.startswith("callboard: ")
    assert injection in err


@pytest.mark.parametrize("args", [("--runs", "0"), ("--seconds", "0"), ("--set", "x")], ids=" ".join)
def test_a_wrong_argument_is_named(chaos, args):
    """Before anything is explored."""
    status, out, err = chaos(*args, nodes=[START])
    assert (status, out) == (2, "")
    assert args[0] in err


def test_the_config_is_that_of_the_run(chaos):
    """A variable decides how often a loop turns, so how many nodes there are to strike."""
    nodes = [
        START,
        {"id": "l", "type": "loop", "data": {"config": {"count": "{{ vars.turns }}"}}},
        {"id": "n", "type": "log"},
    ]
    edges = [{"source": "s", "target": "l"}, {"source": "l", "target": "n", "sourceHandle": "body"}]
    struck = []
    for turns in "1", "2":
        status, out, err = chaos("--json", "--live", *FEW, "--set", f"turns={turns}", nodes=nodes, edges=edges)
        assert (status, err) == (0, "")
        struck.append([name for name in json.loads(out)["points"] if name.startswith("node:n")])
    assert struck == [["node:n/0"], ["node:n/0", "node:n/1"]]


def test_a_run_that_fails_anyway_is_said(chaos):
    """It may be cancel-safe all the same, but who asks should know that little of it was seen."""
    nodes = [START, {"id": "n", "type": "fail"}]
    status, out, err = chaos("--live", *FEW, nodes=nodes, edges=[{"source": "s", "target": "n"}])
    assert (status, err) == (0, "callboard: without a fault the run ends as failed\n")
    assert out.startswith("<stdin>: ")


def test_a_run_without_an_end_is_said(chaos):
    """The clock is virtual, but it is not waited for ever."""
    nodes = [START, {"id": "n", "type": "wait", "data": {"config": {"duration": 1e10}}}]
    status, out, err = chaos("--live", nodes=nodes, edges=[{"source": "s", "target": "n"}])
    assert (status, err) == (1, "")
    assert "it goes on after 3600 seconds of the virtual clock" in out
    assert "TooSlowError" not in out
