"""What kinds make of a cancel: who swallows it is named with the line, who does not is left in peace."""

import inspect
from functools import partial

import pytest
import trio

from actors.registry import Registry, node
from actors.testing import chaos
from actors.testing.chaos import Call, Cancel, flow

SWALLOWED = "a node that is cut does not say it is done"


async def plain(ctx):
    """Lets it through."""
    await trio.sleep(1)


async def tidy(ctx):
    """Cleans up behind a shield that has its own deadline, which comes."""
    try:
        await trio.sleep(1)
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(2):
            await trio.sleep(5)


async def deaf(ctx):
    """Is behind a shield all the time, and gives up there by itself."""
    with trio.CancelScope(shield=True), trio.move_on_after(0.5):
        await trio.sleep(1)


async def patient(ctx):
    """Has deadlines and cancels of its own."""
    with trio.move_on_after(1):
        await trio.sleep(2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()


async def sections(ctx):
    """Uses what the context has."""
    await ctx.sleep(1)
    async with ctx.atomic():
        await trio.sleep(1)
    async with ctx.cleanup():
        await trio.sleep(1)


async def annoyed(ctx):
    """Raises something else, and the runtime knows what to make of that."""
    try:
        await trio.sleep(1)
    except trio.Cancelled:
        raise ValueError from None


async def liar(ctx):
    """Says that it is done."""
    try:
        await trio.sleep(1)
    except trio.Cancelled:
        return "done"


async def deep_liar(ctx):
    """Has a deadline of its own, in a function of its own."""

    async def work():
        try:
            with trio.move_on_after(10):
                await trio.sleep(1)
        finally:
            return "done"  # noqa: B012  that is the mistake

    return await work()


def explored(run):
    """Each way in which it can be cut."""
    registry = Registry.builtin()
    registry.register(node("kind", interruptible=True)(run))

    async def scenario(world):
        await world.run(flow("s >> kind"))

    world = partial(chaos.open_world, registry=registry)
    faults = [Cancel("node:kind", "run:*"), Call("pause", "stop", targets=["node:kind"])]
    return chaos.explore(scenario, world=world, faults=faults, invariants=chaos.STANDARD)


@pytest.mark.parametrize("run", [plain, tidy, deaf, patient, sections, annoyed])
def test_who_passes_it_on_is_left_in_peace(run):
    """And so is whoever meets only his own deadlines."""
    explored(run).check()


@pytest.mark.parametrize(("run", "code"), [(liar, "trio.sleep(1)"), (deep_liar, "await work()")])
def test_who_swallows_it_is_named_with_the_line(run, code):
    """That at which the cancel came."""
    report = explored(run)
    (broken,) = report.broken
    assert broken.invariant == SWALLOWED
    lines, first = inspect.getsourcelines(run)
    (number,) = [first + i for i, line in enumerate(lines) if code in line]
    assert broken.smallest.violations[0].text == (
        f"kind was cut at tests/chaos/test_witness.py:{number}, and returned all the same"
    )


def test_the_tree_shows_the_kind_itself():
    """Not what watches it: whoever reads a report knows his own lines."""

    async def stuck(ctx):
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()

    registry = Registry.builtin()
    registry.register(node("stuck")(stuck))

    async def scenario(world):
        await world.run(flow("s >> stuck"))

    report = chaos.explore(scenario, world=partial(chaos.open_world, registry=registry), faults=[])
    (violation,) = report.injections[0].violations
    (line,) = [line for line in violation.text.splitlines() if "node:" in line]
    assert line.split()[1].startswith("tests/chaos/test_witness.py:")


def test_a_stop_that_takes_too_long_names_who_waited():
    """And where."""

    async def slow(ctx):
        with trio.CancelScope(shield=True):
            await trio.sleep(60)

    broken = explored(slow).broken
    texts = [violation.text for one in broken for violation in one.smallest.violations]
    assert any(text.startswith("meanwhile kind waited for 60.0 s at tests/chaos/test_witness.py:") for text in texts)
