"""The kind `command` with real processes: what they get, what comes of them, and that none is left behind."""

import os
import signal
import sys
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.context import Allowed
from actors.errors import NodeError
from actors.nodes.page import StartConfig, start
from actors.nodes.programs import KILL_AFTER_S, allowed_program
from actors.runtime import open_runtime
from actors.settings import Settings
from actors.testing.flows import flow
from protocol.messages import NodeChanged, RunChanged

DEADLINE = 30.0
"""Seconds; only ever reached by a test that fails."""

# Says its group, then sleeps; a child of it does the same and hears no SIGTERM.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
open("pids.part", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.part", "pids")
time.sleep(100)
"""

POLITE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (open("goodbye", "w").close(), sys.exit(0)))
open("pids.part", "w").write(str(os.getpid()))
os.rename("pids.part", "pids")
time.sleep(100)
"""


@asynccontextmanager
async def opened(*allow, **settings):
    """A runtime that may run these programs, or this Python."""
    with trio.fail_after(DEADLINE):
        async with open_runtime(settings=Settings(commands_allow=allow or (sys.executable,), **settings)) as runtime:
            yield runtime


async def started(runtime, *argv, **config):
    """Start one command."""
    return await runtime.start(
        flow("s >> c", c=("command", {"argv": list(argv), **config})), config={"defaultWaitTime": 0}
    )


async def result(runtime, *argv, **config):
    """Run one command; gives its result, or its error as (code, text)."""
    run = await started(runtime, *argv, **config)
    await run.wait()
    node = run.view.nodes["c"]
    return node.result if node.status == "success" else (node.code, node.error)


async def python(runtime, code, *args, **config):
    """Run some Python."""
    return await result(runtime, sys.executable, "-c", code, *args, **config)


async def pids(folder):
    """Those that a program has written into its folder, as soon as they are there."""
    while not await trio.Path(folder / "pids").exists():  # noqa: ASYNC110  another process sets no event
        await trio.sleep(0.01)
    return [int(pid) for pid in (await trio.Path(folder / "pids").read_text()).split()]


def lives(pid):
    """Whether a process does anything: a zombie that nobody reaps does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


async def gone(*processes):
    """Wait until they are gone: what was killed takes a moment."""
    while any(map(lives, processes)):  # noqa: ASYNC110  ditto
        await trio.sleep(0.01)


async def test_what_a_program_says_is_the_result():
    """Status, output and errors; no shell looks at the arguments, and there is nothing to read."""
    async with opened() as runtime:
        code = "import sys; print(sys.argv[1:], sys.stdin.read()); print('oh', file=sys.stderr)"
        assert await python(runtime, code, "$HOME; echo *", "a b") == {
            "exitStatus": 0,
            "stdout": "['$HOME; echo *', 'a b'] \n",
            "stderr": "oh\n",
        }


async def test_another_status_is_an_error_unless_it_is_wanted():
    """The message has the end of what the program said; with `check: false` the status is a result."""
    code = "import sys; sys.exit('no such thing')"
    async with opened() as runtime:
        kind, text = await python(runtime, code)
        assert kind == "command_failed"
        assert "status 1: no such thing" in text
        assert (await python(runtime, code, check=False))["exitStatus"] == 1
        assert (await python(runtime, "import os; os.kill(os.getpid(), 9)", check=False))["exitStatus"] == -9


@pytest.mark.parametrize(
    "program", ["sh", "/bin/sh", "../../bin/sh", "./python", "python\0", "", "/nowhere/at/all", "PYTHON"]
)
async def test_what_is_not_listed_is_not_run(program):
    """By whatever path; what is listed is the file that would be run, not a word."""
    async with opened() as runtime:
        found = await runtime.validate(flow("s >> c", c=("command", {"argv": [program, "-c", "exit"]})))
        if not found.errors:
            assert (await result(runtime, program, "-c", "exit"))[0] == "not_allowed"
        else:
            assert {problem.code for problem in found.errors} == {"bad_config"}


async def test_no_program_is_run_until_one_is_listed():
    """The error says what to set."""
    with trio.fail_after(DEADLINE):
        async with open_runtime() as runtime:
            code, text = await python(runtime, "")
    assert code == "not_allowed"
    assert "commands_allow" in text
    assert "CALLBOARD_COMMANDS_ALLOW" in text


def test_a_program_is_the_file_and_its_name(tmp_path, monkeypatch):
    """A link to an allowed program under another name is another program: busybox acts by its name."""
    tool = tmp_path / "tools" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (tmp_path / "tools" / "other").symlink_to(tool)
    (tmp_path / "linked").symlink_to(tmp_path / "tools")
    monkeypatch.setenv("PATH", str(tmp_path / "linked"))
    paths = ["tool", str(tool), str(tmp_path / "linked" / "tool"), str(tmp_path / "tools" / ".." / "linked" / "tool")]
    for listed in paths:
        allowed = Allowed(programs=(listed,))
        assert {allowed_program(asked, allowed) for asked in paths} == {str(tool)}
        for asked in ("other", str(tmp_path / "tools" / "other")):
            with pytest.raises(NodeError, match="commands_allow"):
                allowed_program(asked, allowed)
    # A name that is found relative to wherever the server is, is not found.
    monkeypatch.setenv("PATH", ".")
    monkeypatch.chdir(tmp_path / "tools")
    with pytest.raises(NodeError, match="commands_allow"):
        allowed_program("tool", Allowed(programs=("tool", str(tool))))


async def test_the_environment_has_no_secrets(monkeypatch):
    """Neither ours nor those of others: only what every program needs."""
    names = ("CALLBOARD_TOKEN", "CALLBOARD_SECRET_X", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "PYTHONPATH")
    for name in names:
        monkeypatch.setenv(name, "hunter2 and hunter3")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    async with opened() as runtime:
        seen = await python(runtime, "import os, json; print(dict(os.environ))")
    assert not [name for name in names if name in seen["stdout"]]
    assert "'LC_ALL': 'C.UTF-8'" in seen["stdout"]
    assert "'PATH'" in seen["stdout"]


async def test_output_is_bounded_and_no_program_waits_for_us():
    """What is over the limit is read, counted and thrown away; bytes that are no text become marks."""
    code = "import sys; sys.stdout.buffer.write(b'\\xff' * 10_000_000); sys.stderr.write('e' * 5)"
    async with opened(max_result=2**20) as runtime:
        said = await python(runtime, code)
    assert (said["stdout"], said["stderr"]) == ("�" * 2**16, "eeeee")
    assert said["truncated"] == 10_000_000 - 2**16


SECRET = "correct-horse-bättery-staple"


@pytest.mark.parametrize("written", [10, 19, 24])
async def test_a_limit_leaves_no_part_of_a_secret(monkeypatch, written):
    """Neither its beginning in an output that was cut, even amid a character, nor its end in the tail of an error."""
    monkeypatch.setenv("CALLBOARD_SECRET_PASS", SECRET)
    code = (
        "import sys; secret = sys.argv[1].encode(); start = b'.' * (2**16 - int(sys.argv[2])) + secret;"
        "sys.stdout.buffer.write(start + b'!' * 100); sys.stderr.buffer.write(start)"
    )
    async with opened(max_result=2**20) as runtime:
        said = await python(runtime, code, SECRET, str(written))
        assert said["stdout"] == said["stderr"] == "." * (2**16 - written) + "***"
        assert said["truncated"] == 2 * (len(SECRET.encode()) - written) + 100
        code = "import sys; sys.exit(sys.argv[1] + 'x' * (499 - int(sys.argv[2])))"
        kind, text = await python(runtime, code, SECRET, str(written))
    assert kind == "command_failed"
    assert "stap" not in text
    assert text.endswith("x" * 400)


async def test_an_error_that_shows_a_part_of_a_text_shows_no_part_of_a_secret(monkeypatch):
    """Of what can not be a program, a URL, a header, a name of a query or of a file."""
    monkeypatch.setenv("CALLBOARD_SECRET_PASS", SECRET)
    async with opened() as runtime:
        for kind, config in (
            ("command", {"argv": ["x" * 480 + "{{ secrets.PASS }}"]}),
            ("http", {"url": "x" * 45 + "{{ secrets.PASS }}"}),
            ("http", {"method": " " * 25 + "{{ secrets.PASS }}", "url": "http://x"}),
            ("http", {"url": "http://x", "headers": f"{{{{ {{'{' ' * 45}' + secrets.PASS: ''}} }}}}"}),
            ("http", {"url": "http://x", "query": f"{{{{ {{'{' ' * 45}' + secrets.PASS: [[1]]}} }}}}"}),
        ):
            run = await runtime.start(flow("s >> c", c=(kind, config)), config={"defaultWaitTime": 0})
            await run.wait()
            error = run.view.nodes["c"].error
            assert "***" in error, error
            assert "corr" not in error, error


async def test_files_become_artifacts(tmp_path):
    """Without a folder in the settings a program runs in that of the run's artifacts, or below it."""
    async with opened(artifacts=str(tmp_path)) as runtime:
        run = await started(
            runtime, sys.executable, "-c", "import os; os.mkdir('sub'); open('report.txt', 'w').write('x')"
        )
        await run.wait()
        assert runtime.artifacts.find(run.id, "report.txt").read_text() == "x"


async def test_a_command_runs_below_the_folder_of_the_settings(tmp_path):
    """By a plain path; no link leads out of it, and a folder that is not there is told."""
    (tmp_path / "work" / "sub").mkdir(parents=True)
    (tmp_path / "work" / "out").symlink_to("/")
    code = "import os; print(os.getcwd())"
    async with opened(commands_folder=str(tmp_path / "work")) as runtime:
        assert (await python(runtime, code))["stdout"].strip() == str(tmp_path / "work")
        assert (await python(runtime, code, cwd="sub"))["stdout"].strip() == str(tmp_path / "work" / "sub")
        for cwd in ("out", "out/etc", "none"):
            assert (await python(runtime, code, cwd=cwd))[0] == "bad_config"


async def test_its_timeout_ends_it_and_its_children(tmp_path):
    """One that hears no SIGTERM is killed, with its whole group; then the node fails, not before."""
    async with opened(commands_folder=str(tmp_path)) as runtime:
        run = await started(runtime, sys.executable, "-c", STUBBORN, timeout=1000)
        processes = await pids(tmp_path)
        assert all(map(lives, processes))
        await run.wait()
        assert (run.view.nodes["c"].code, "1 s" in run.view.nodes["c"].error) == ("timeout", True)
        assert not lives(processes[0])
        await gone(*processes)


async def test_a_stop_tells_it_at_once(tmp_path):
    """It has `KILL_AFTER_S` to end itself, and the run does not wait for its own grace to be over."""
    async with opened(commands_folder=str(tmp_path)) as runtime:
        run = await started(runtime, sys.executable, "-c", POLITE)
        (process,) = await pids(tmp_path)
        began = trio.current_time()
        await run.stop()
        summary = await run.wait()
        assert summary.status == "stopped"
        assert trio.current_time() - began < KILL_AFTER_S
        assert not lives(process)
        assert await trio.Path(tmp_path / "goodbye").exists()
        assert run.view.nodes["c"].status == "skipped"


async def test_a_stop_leaves_nothing(tmp_path):
    """Not even of a program that hears no SIGTERM and has children."""
    async with opened(commands_folder=str(tmp_path)) as runtime:
        run = await started(runtime, sys.executable, "-c", STUBBORN)
        processes = await pids(tmp_path)
        await run.stop()
        assert (await run.wait()).status == "stopped"
        assert not lives(processes[0])
        await gone(*processes)


async def test_children_do_not_outlive_it():
    """A program that leaves one behind, which holds its pipes, ends as fast as one that does not."""
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']).pid)"
    async with opened() as runtime:
        began = trio.current_time()
        child = int((await python(runtime, code))["stdout"])
        assert trio.current_time() - began < 10
        await gone(child)


async def test_children_have_time_to_end_when_their_leader_is_gone(tmp_path):
    """As it had itself: who hears SIGTERM is not killed right behind it, and nobody is signalled when all are gone."""
    child = (
        "import os, signal, sys, time\n"
        "def leave(*_):\n    time.sleep(0.5)\n    open('goodbye', 'w').close()\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "open('pids.part', 'w').write(str(os.getpid()))\nos.rename('pids.part', 'pids')\ntime.sleep(100)"
    )
    code = (
        "import os, subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', sys.argv[1]])\n"
        "while not os.path.exists('pids'): time.sleep(0.01)"
    )
    async with opened(commands_folder=str(tmp_path)) as runtime:
        assert (await python(runtime, code, child))["exitStatus"] == 0
        (process,) = await pids(tmp_path)
        assert not lives(process)
        assert (tmp_path / "goodbye").exists()


async def test_a_group_that_is_gone_is_not_signalled_again(monkeypatch):
    """Its number may be another's by then."""
    sent = []
    send = os.killpg

    def counted(pid: int, number: int) -> None:
        sent.append(number)
        send(pid, number)

    monkeypatch.setattr(os, "killpg", counted)
    async with opened() as runtime:
        assert (await python(runtime, "print()"))["exitStatus"] == 0
    # The first one found nobody.
    assert sent == [signal.SIGTERM]


async def test_a_pause_waits_for_it(tmp_path):
    """A command is an effect: it is run once, and the run is paused when it has ended."""
    code = "import os, time; open('pids', 'w').write(str(os.getpid())); time.sleep(0.5); open('runs', 'a').write('x')"
    async with opened(commands_folder=str(tmp_path)) as runtime:
        graph = flow("s >> c >> l", c=("command", {"argv": [sys.executable, "-c", code]}), l="log")
        run = await runtime.start(graph, config={"defaultWaitTime": 0})
        await pids(tmp_path)
        await run.pause()
        story = []
        async with aclosing(run.events()) as events:
            async for event in events:
                if isinstance(event, NodeChanged) and event.node_id == "c":
                    story.append(str(event.status))
                elif isinstance(event, RunChanged) and event.status == "paused":
                    story.append("paused")
                    await run.resume()
        assert (await run.wait()).status == "completed"
    assert story == ["running", "success", "paused"]
    assert (tmp_path / "runs").read_text() == "x"


async def test_the_end_of_the_server_leaves_it_its_grace(tmp_path):
    """It ends by itself and is not run again by the next server, which takes its result as it was kept."""
    code = (
        "import os, time; open('pids.part', 'w').write(str(os.getpid())); os.rename('pids.part', 'pids');"
        "time.sleep(0.5); open('runs', 'a').write('x'); print('done')"
    )
    kept = {"journal": f"sqlite:{tmp_path / 'runs.db'}", "commands_folder": str(tmp_path / "work")}
    (tmp_path / "work").mkdir()
    async with opened(**kept) as runtime:
        run = await started(runtime, sys.executable, "-c", code)
        await pids(tmp_path / "work")
    assert (tmp_path / "work" / "runs").read_text() == "x"
    async with opened(**kept) as runtime:
        again = runtime.run(run.id)
        assert (await again.wait()).status == "completed"
        assert again.view.nodes["c"].result == {"exitStatus": 0, "stdout": "done\n", "stderr": ""}
    assert (tmp_path / "work" / "runs").read_text() == "x"


async def test_the_end_of_the_server_ends_what_takes_longer_than_the_grace(tmp_path):
    """As a stop would: it is told first."""
    kept = {"journal": f"sqlite:{tmp_path / 'runs.db'}", "commands_folder": str(tmp_path / "work")}
    (tmp_path / "work").mkdir()
    async with opened(**kept, stop_grace=0.3) as runtime:
        await started(runtime, sys.executable, "-c", POLITE)
        (process,) = await pids(tmp_path / "work")
    assert not lives(process)
    assert (tmp_path / "work" / "goodbye").exists()


@attrs.define(eq=False)
class Starter:
    """A context for `start`, with a driver that is not the simulated one."""

    config: StartConfig
    allowed: Allowed
    name: str = "browser"
    opened: list = attrs.field(factory=list)
    effects: dict = attrs.field(factory=dict)

    @property
    def driver(self):
        return self

    async def open(self, ctx, url, app):
        self.opened.append((url, app))

    async def once(self, name, fn):
        if name not in self.effects:
            self.effects[name] = await fn()
        return self.effects[name]


starter: Any = Starter


async def test_start_starts_an_app_where_programs_are_allowed(tmp_path):
    """It goes on by itself, is started once, and its end leaves no zombie; where there is a page, that is opened."""
    app = tmp_path / "app"
    app.write_text(
        f"#!{sys.executable}\nimport os, time\nos.chdir({str(tmp_path)!r})\nopen('pids.part', 'w').write(str(os.getpid()))\nos.rename('pids.part', 'pids')\ntime.sleep(100)\n"
    )
    app.chmod(0o755)
    ctx: Any = Starter(StartConfig(app_name=str(app)), Allowed(programs=(str(app),)))
    with trio.fail_after(DEADLINE):
        await start(ctx)
        await start(ctx)
        assert ctx.opened == []
        (process,) = await pids(tmp_path)
        assert ctx.effects == {"app": process}
        os.kill(process, signal.SIGKILL)
        while await trio.Path(f"/proc/{process}").exists():  # noqa: ASYNC110  ditto
            await trio.sleep(0.01)
    for programs in ((), ("sh",)):
        with pytest.raises(NodeError, match="commands_allow"):
            await start(starter(StartConfig(app_name=str(app)), Allowed(programs=programs)))
    page: Any = Starter(StartConfig(app_name=str(app), url="https://example.org"), Allowed())
    await start(page)
    assert page.opened == [("https://example.org", str(app))]
    simulated: Any = Starter(StartConfig(app_name=str(app)), Allowed(), name="simulated")
    await start(simulated)
    assert simulated.opened == [(None, str(app))]
