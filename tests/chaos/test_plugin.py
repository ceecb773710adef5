"""The pytest plugin and the decorator, as users meet them: in a pytest of their own, which has trio_mode on as well."""

import re
import shlex
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import trio

from actors.testing import chaos

pytest_plugins = ["pytester"]

KINDS = '''
import pytest
import trio

from actors.registry import Registry, node
from actors.testing import chaos
from actors.testing.chaos import flow


@node("upper", interruptible=True)
async def upper(ctx):
    """Say it louder."""
    await trio.sleep(1)
    return ctx.run_id.upper()


@node("leaky", interruptible=True)
async def leaky(ctx):
    """Cut, it waits for what never comes."""
    try:
        await trio.sleep(1)
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()


registry = Registry.builtin()
registry.register(upper)
registry.register(leaky)
'''

GOOD = '''
@pytest.fixture
def word():
    return "R1"


@chaos.every_checkpoint(targets="node:upper", registry=registry)
async def test_upper(world, word):
    run = await world.run(flow("s >> upper"))
    world.expect_unless_hit("node:upper", lambda: run.result == word)


class TestInAClass:
    @pytest.mark.parametrize("edges", ["s", "s >> upper"])
    @chaos.every_checkpoint(registry=registry)
    async def test_some(self, world, edges):
        """Its promise."""
        await world.run(flow(edges))
        assert type(self) is TestInAClass


async def test_of_pytest_trio(autojump_clock):
    await trio.sleep(1)
'''

BAD = """
@chaos.every_checkpoint(targets="node:leaky", registry=registry)
async def test_leaky(world):
    await world.run(flow("s >> leaky"))
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """A pytest in a process of its own, which sees the plugin by its entry point."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\ntrio_mode = true\n")

    def started(code, *args):
        pytester.makepyfile(code)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)

    return started


def test_a_decorated_test_is_one_item(run):
    """With fixtures, parameters and in a class, besides tests of pytest-trio; with -v it tells what it did."""
    done = run(KINDS + GOOD, "-v")
    done.assert_outcomes(passed=4)
    done.stdout.re_match_lines(
        [
            r".*::test_upper PASSED",
            r".*::test_some\[s\] PASSED",
            r"=+ chaos =+",
            r".*::test_upper: cancel-safe at all \d+ points \(own; \d+ injections under fifo, .*\)",
            r".*::TestInAClass::test_some\[s >> upper\]: cancel-safe at all .*",
            r"tests: 3, points: [1-9]\d*, injections: [1-9]\d*",
        ],
        consecutive=False,
    )


def test_a_failure_is_the_report_and_comes_again(run, pytester, monkeypatch):
    """No traceback, but the line, the tasks and how to replay: three times the same, whatever the hashes are."""
    monkeypatch.setenv("CI", "true")  # where the summary of pytest does not cut what it repeats
    done = run(KINDS + BAD)
    done.assert_outcomes(failed=1)
    text = done.stdout.str()
    assert "Traceback" not in text
    assert "def test_leaky" not in text
    assert "no deadlock: broken" in text
    assert "leaky  test_a_failure_is_the_report_and_comes_again.py:" in text
    (command,) = re.findall(r"^again: (pytest .*)", text, re.MULTILINE)
    _, test, option = shlex.split(command)
    assert test == "test_a_failure_is_the_report_and_comes_again.py::test_leaky"

    def failure(done):
        return [line for line in done.outlines if line.startswith("  ")]

    for seed in "0", "1", "2":
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        again = pytester.runpytest_subprocess(test, option)
        again.assert_outcomes(failed=1)
        assert failure(again) == failure(done)


def test_options_are_for_every_decorated_test(run):
    """How many injections, or all points and without a limit."""
    done = run(KINDS + GOOD, "-k", "test_upper", "--chaos-runs", "3")
    done.stdout.re_match_lines([r"tests: 1, points: \d+, injections: 3"])
    done = run(KINDS + GOOD, "-k", "test_upper", "-v", "--chaos-global", "--chaos-runs=0", "--chaos-seconds=0")
    done.stdout.re_match_lines([r".*::test_upper: cancel-safe at all \d+ points \(global; .*"])


@pytest.mark.parametrize(
    "option", [("--chaos-runs", "-1"), ("--chaos-seconds", "soon"), ("--chaos-seconds", "inf")], ids=" ".join
)
def test_a_wrong_option_is_a_usage_error(pytester, option):
    """Before anything runs."""
    done = pytester.runpytest_inprocess("=".join(option))
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*argument {option[0]}: *{option[1]}* is no number of *"])


def test_an_unknown_point_is_said_in_a_line(run):
    """Who replays an id in the wrong test is told so, without a traceback."""
    done = run(KINDS + BAD, "--chaos-replay", "cancel:run:r9@298/own/fifo")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["cancel:run:r9@298/own/fifo has no point in this scenario"])
    assert "Traceback" not in done.stdout.str()


def test_other_tests_see_nothing_of_it(pytester):
    """Whoever has callboard installed, and tests something else: not even trio is imported, and pytest-trio not needed."""
    pytester.makepyfile("def test_it():\n    import sys\n    assert not {'trio', 'attrs', 'cel'} & set(sys.modules)\n")
    plugins = ["no:trio", "no:anyio", "no:hypothesispytest", "no:cacheprovider"]
    done = pytester.runpytest_subprocess(*(part for name in plugins for part in ("-p", name)))
    done.assert_outcomes(passed=1)
    assert "chaos" not in done.stdout.str()


def test_without_the_plugin_it_is_an_ordinary_function():
    """That complains by itself."""
    code = f"{KINDS}{BAD}\ntry:\n    test_leaky()\nexcept AssertionError as error:\n    print(error)\n"
    code = "import sys\nsys.modules['pytest'] = None\n" + code.replace("import pytest\n", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("test_leaky: ")
    assert "no deadlock: broken" in done.stdout


def test_what_is_no_scenario_is_refused():
    """When it is decorated, not when it runs: a test that tests nothing would pass."""

    def plain(world):
        pass

    async def other(house):
        pass

    for scenario in plain, other:
        with pytest.raises(chaos.ChaosError):
            chaos.every_checkpoint()(scenario)


def test_a_world_of_ones_own_needs_no_callboard():
    """Any trio code: who tells its scopes is struck, and what must hold is one's own to say."""

    @asynccontextmanager
    async def world(trial):
        trial.lock = trio.Lock()
        yield trial

    def unlocked(trial):
        return ["it is locked"] if trial.lock.locked() else []

    @chaos.every_checkpoint(targets="actor", world=world, invariants=[chaos.Invariant("unlocked", unlocked)])
    async def test_lock(world, seconds):
        scope = trio.CancelScope()
        world.scope("actor", scope)
        with scope:
            await world.lock.acquire()
            await trio.sleep(seconds)
            world.lock.release()
        world.unscope("actor")

    with pytest.raises(chaos.ChaosFailure) as failure:
        test_lock(seconds=1)
    assert "unlocked: broken " in str(failure.value)
    assert "replay: cancel:actor@" in str(failure.value)


def test_who_strikes_nothing_does_not_pass():
    """A name that is misspelt is not cancel-safe."""

    @chaos.every_checkpoint(targets="node:uper")
    async def test_upper(world):
        await world.run(chaos.flow("s"))

    with pytest.raises(chaos.ChaosError, match="nothing has such a name"):
        test_upper()
