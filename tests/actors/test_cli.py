"""The command line: what is checked before anything starts, and the commands that start nothing."""

import io
import json
import os
import sys

import attrs
import pytest

from actors import arguments, cli
from actors.settings import Settings

GOOD = {
    "nodes": [
        {"id": "a", "type": "start"},
        {"id": "b", "type": "wait", "data": {"label": "Wait", "config": {"duration": 1}}},
    ],
    "edges": [{"id": "e", "source": "a", "target": "b"}],
}
BAD = {"nodes": [{"id": "a", "type": "start"}, {"id": "a", "type": "wiat"}], "edges": [{"source": "x", "target": "a"}]}


STOPS = ("breakpoints", "r1", "a", "--none")
"""Some, or none: not both."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory, and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CALLBOARD_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def callboard(monkeypatch, capsys):
    """Run a command; gives (exit status, stdout, stderr)."""

    def run(*args, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["callboard", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = cli.main()
        return status, *capsys.readouterr()

    return run


def written(folder, value, name="graph.json"):
    """A file with this JSON."""
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return name


def test_help_names_every_setting_with_its_default(callboard):
    """The reference of the settings is always at hand."""
    status, out, _ = callboard("serve", "--help")
    assert status == 0
    told = " ".join(out.split())
    for field in attrs.fields(Settings):
        assert f"--{field.name.replace('_', '-')} " in told
    assert "[16MiB]" in told
    assert "[10s]" in told
    assert "CALLBOARD_<NAME>" in told


@pytest.mark.parametrize("command", [(), ("serve",), ("run",), ("chaos",), ("validate",), ("kinds",)])
def test_help_is_there(callboard, command):
    """On stdout, status 0, for each command; the exit statuses are told there."""
    status, out, err = callboard(*command, "-h")
    assert (status, err) == (0, "")
    assert ("Exit status" in out) == (command in {("serve",), ("run",), ("chaos",), ("validate",)})


@pytest.mark.parametrize(
    "args", [("fly",), ("serve", "--fly"), ("run",), ("run", "nowhere.json"), ("validate",), STOPS]
)
def test_wrong_usage_is_status_2(callboard, args):
    """With a word on stderr, and no traceback."""
    status, out, err = callboard(*args)
    assert (status, out) == (2, "")
    assert "Error:" in err
    assert "Traceback" not in err


def test_wrong_settings_start_no_server(callboard):
    """All of them are told, on stderr."""
    status, out, err = callboard("serve", "--port", "99999", "--heartbeat", "soon")
    assert (status, out) == (2, "")
    assert [line.partition(" must")[0] for line in err.splitlines()] == [
        "callboard: --port:",
        "callboard: --heartbeat:",
    ]


@pytest.mark.parametrize("command", ["serve", "run"])
def test_a_folder_that_cannot_be_made_is_a_wrong_setting(callboard, folder, command):
    """Told before anything starts."""
    (folder / "file").write_text("")
    graph = [written(folder, GOOD)] if command == "run" else []
    status, out, err = callboard(command, *graph, "--artifacts", "file/below")
    assert (status, out) == (2, "")
    assert "file/below" in err


def test_the_network_is_not_served_by_accident(callboard):
    """A host that others can reach wants a token or a word; the token is not repeated."""
    status, _, err = callboard("serve", "--host", "0.0.0.0")
    assert status == 2
    assert "--insecure" in err


def test_another_journal_is_told_which_there_are(callboard):
    """Not a server that loses what it was to keep."""
    status, _, err = callboard("serve", "--journal", "postgres://here")
    assert status == 2
    assert "must be `memory:` or `sqlite:PATH`" in err


def test_a_good_graph_can_start(callboard, folder):
    """Status 0."""
    status, out, err = callboard("validate", written(folder, GOOD))
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "can start: 0 errors, 0 warnings"


def test_every_problem_is_in_the_table(callboard, folder):
    """Severity, code, path and message; status 1."""
    status, out, _ = callboard("validate", written(folder, BAD))
    assert status == 1
    rows = [line.split(maxsplit=3) for line in out.splitlines()[1:-1]]
    assert {(row[0], row[1]) for row in rows} >= {
        ("error", "duplicate_node"),
        ("error", "unknown_kind"),
        ("error", "dangling_edge"),
    }
    assert all(row[2].startswith(("nodes[", "edges[")) for row in rows)


def test_problems_as_json_are_the_reply_of_the_protocol(callboard, folder):
    """What `workflow.validate` answers, for scripts."""
    status, out, _ = callboard("validate", "--json", written(folder, BAD))
    assert status == 1
    told = json.loads(out)
    assert told["ok"] is False
    assert {problem["code"] for problem in told["errors"]} >= {"duplicate_node", "unknown_kind"}
    status, out, _ = callboard("validate", "--json", written(folder, GOOD))
    assert (status, json.loads(out)["ok"]) == (0, True)


def test_warnings_do_not_prevent_a_start(callboard, folder):
    """They are in the table; the status is 0."""
    status, out, _ = callboard("validate", written(folder, {**GOOD, "config": {"colour": "red"}}))
    assert status == 0
    assert "config.colour" in out


def test_a_wrong_config_of_the_run_is_a_problem_too(callboard, folder):
    """Or the start that follows would be refused after all."""
    status, out, _ = callboard("validate", written(folder, {**GOOD, "config": {"timeout": "soon"}}))
    assert status == 1
    assert "config.timeout" in out


def test_a_dry_run_does_not_mind_unknown_kinds(callboard, folder):
    """An editor can try its wiring before the kinds exist."""
    graph = {"nodes": [{"id": "a", "type": "teleport"}], "edges": []}
    assert callboard("validate", written(folder, graph))[0] == 1
    assert callboard("validate", "--dry-run", written(folder, graph))[0] == 0


def test_stdin_is_a_file(callboard):
    """`-`, as everywhere."""
    status, out, _ = callboard("validate", "-", stdin=json.dumps(GOOD).encode())
    assert status == 0
    assert "can start" in out


@pytest.mark.parametrize("command", ["validate", "run"])
def test_what_is_not_json_says_where(callboard, folder, command):
    """Line and column, status 2."""
    (folder / "graph.json").write_text('{\n  "nodes": [,]\n}')
    status, out, err = callboard(command, "graph.json")
    assert (status, out) == (2, "")
    assert "graph.json" in err
    assert "line 2, column 13" in err


@pytest.mark.parametrize(
    "args", [("--set", "x"), ("--set", "=1"), ("--input", "x"), ("-o", "seed"), ("--timeout", "soon")], ids=str
)
def test_a_wrong_argument_of_a_run_is_named(callboard, folder, args):
    """With the flag in the message; nothing ran."""
    status, out, err = callboard("run", written(folder, GOOD), *args)
    assert (status, out) == (2, "")
    assert args[0].replace("-o", "--option") in err


def test_kinds_are_listed(callboard):
    """With their ports; as JSON what `GET /api/kinds` says of them."""
    status, out, _ = callboard("kinds")
    assert status == 0
    assert next(line for line in out.splitlines() if line.startswith("condition")).split()[1:3] == ["true,", "false"]
    status, out, _ = callboard("kinds", "--json")
    assert status == 0
    assert "duration" in json.loads(out)["wait"]["config"]["properties"]


def test_values_are_json_or_text():
    """`--set n=3` is a number, `--set name=ada` a text, and NaN is not JSON."""
    pairs = arguments.pairs(
        ["n=3", "name=ada", 'list=["a"]', 'quoted="3"', "odd=NaN", "empty=", "eq=a=b"], param="--set"
    )
    assert pairs == {"n": 3, "name": "ada", "list": ["a"], "quoted": "3", "odd": "NaN", "empty": "", "eq": "a=b"}
