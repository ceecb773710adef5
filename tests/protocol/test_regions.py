"""Loops are found where they are, however they are nested, and nothing else passes for one."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.regions import TOP, Arc, Regions, find_regions


def arcs_of(*arrows: str) -> list[Arc]:
    """Arcs from `0>1` and, by a body port, `0*1`."""
    return [
        (int(a[: a.index(sep)]), int(a[a.index(sep) + 1 :]), sep == "*") for a in arrows for sep in "*>" if sep in a
    ]


def enclosing(regions: Regions, node: int) -> list[int]:
    """The loops around a node, innermost first."""
    found: list[int] = []
    loop = regions.loop_of[node]
    while loop != TOP:
        found.append(loop)
        loop = regions.loop_of[loop]
    return found


def closure(arcs: list[Arc], loop: int, stops: set[int]) -> set[int]:
    """The definition of a body, taken at its word."""
    body: set[int] = set()
    pending = [target for source, target, is_body in arcs if source == loop and is_body]
    while pending:
        node = pending.pop()
        if node not in stops and node not in body:
            body.add(node)
            pending += [target for source, target, _ in arcs if source == node]
    return body


def test_body_ends_at_its_loop() -> None:
    """What leads back is in the body, what leaves by another port is not."""
    arcs = arcs_of("0>1", "1*2", "2>3", "3>1", "1>4")
    regions = find_regions(5, arcs, loops={1}, starts=[0])
    assert regions.loop_of == [TOP, TOP, 1, 1, TOP]
    assert set(regions.back) == {3}
    assert not regions.cycles
    assert not regions.entered


def test_body_may_just_end() -> None:
    """A body needs no back arc."""
    regions = find_regions(4, arcs_of("0*1", "1>2", "0>3"), loops={0}, starts=[0])
    assert regions.loop_of == [TOP, 0, 0, TOP]
    assert not regions.back


def test_done_of_an_inner_loop_is_in_the_outer_body() -> None:
    """The inner loop node and what follows it belong to the outer one; its own body only to itself."""
    arcs = arcs_of("0*1", "1*2", "2>1", "1>3", "3>0", "0>4")
    regions = find_regions(5, arcs, loops={0, 1}, starts=[0])
    assert regions.loop_of == [TOP, 0, 1, 0, TOP]
    assert set(regions.back) == {2, 4}


def test_done_of_an_inner_loop_may_lead_straight_to_the_outer() -> None:
    """An inner loop node is a body node like others: it may end the outer turn."""
    regions = find_regions(3, arcs_of("0*1", "1*2", "2>1", "1>0"), loops={0, 1}, starts=[0])
    assert set(regions.back) == {2, 3}
    assert not regions.jumps


def test_inner_body_leading_to_the_outer_loop_is_a_jump() -> None:
    """Nothing says what would become of the inner loop's turn."""
    regions = find_regions(3, arcs_of("0*1", "1*2", "2>0"), loops={0, 1}, starts=[0])
    assert regions.jumps == {2: 1}
    assert not regions.back


@pytest.mark.parametrize(
    ("arrows", "entered"),
    [
        pytest.param("0*1 0>1", {1}, id="body and done"),
        pytest.param("0*1 1>2 0>2", {2}, id="after the body and after the loop"),
        pytest.param("2>0 0*1 1>2 3>2", {2}, id="the body leads back to before the loop"),
        pytest.param("3>0 3>1 0*1", {1}, id="beside the loop"),
        pytest.param("3>0 3>2 0*1 2*1", {1}, id="two loops share a body"),
    ],
)
def test_body_entered_without_its_port(arrows: str, entered: set[int]) -> None:
    """A body node that another way leads to is named, with the loop whose body it is in."""
    regions = find_regions(4, arcs_of(*arrows.split()), loops={0, 2} if "2*" in arrows else {0}, starts=[3, 0])
    assert set(regions.entered) == entered
    assert {loop for _, loop in regions.entered.values()} <= {0, 2}


def test_entered_names_the_deeper_loop() -> None:
    """Whichever way the walk came first, the fault is told of the body that was entered."""
    for order in (["0*1", "1*2", "0*3", "3>2"], ["0*3", "3>2", "0*1", "1*2"]):
        regions = find_regions(4, arcs_of(*order), loops={0, 1}, starts=[0])
        assert {node: loop for node, (_, loop) in regions.entered.items()} == {2: 1}


@pytest.mark.parametrize(
    ("arrows", "cycle"),
    [
        pytest.param("0>1 1>2 2>1", {1, 2}, id="plain"),
        pytest.param("0>0", {0}, id="to itself"),
        pytest.param("0>1 1>2 2>1 3*2", {1, 2}, id="plain, in part a body of nobody's"),
        pytest.param("0>3 3>1 1>3", {1, 3}, id="through done"),
        pytest.param("0>3 3*3", {3}, id="a body port that leads to its loop"),
        pytest.param("0>3 3*1 1>2 2>1", {1, 2}, id="inside a body"),
    ],
)
def test_cycle_that_no_loop_breaks(arrows: str, cycle: set[int]) -> None:
    """A circle is told as the arcs that make it."""
    arcs = arcs_of(*arrows.split())
    regions = find_regions(4, arcs, loops={3}, starts=[0])
    assert [{arcs[number][0] for number in found} for found in regions.cycles] == [cycle]


def test_each_cycle_is_told() -> None:
    """Two circles are two faults."""
    regions = find_regions(5, arcs_of("0>1", "1>2", "2>1", "0>3", "3>4", "4>3"), loops=(), starts=[0])
    assert [sorted(cycle) for cycle in regions.cycles] == [[1, 2], [4, 5]]


def test_leftovers_do_no_harm() -> None:
    """An arc from a node out of reach enters no body; a cycle is one wherever it lies."""
    arcs = arcs_of("0*1", "2>1", "3>4", "4>3")
    regions = find_regions(5, arcs, loops={0}, starts=[0])
    assert not regions.entered
    assert regions.reached == [True, True, False, False, False]
    assert [sorted(cycle) for cycle in regions.cycles] == [[2, 3]]


def test_loop_out_of_reach_is_no_cycle() -> None:
    """A loop that is cut off from the start keeps its back arc."""
    regions = find_regions(4, arcs_of("1*2", "2>1", "1>3"), loops={1}, starts=[0])
    assert not regions.cycles
    assert regions.reached == [True, False, False, False]


def test_begins_where_nothing_leads_to() -> None:
    """Without a start the beginning is what nothing leads to, a loop that only its own body leads to included."""
    arcs = arcs_of("0>1", "3>2", "2*3", "2>4", "6>5", "5*6", "6*7", "7>6")
    regions = find_regions(8, arcs, loops={2, 5, 6})
    assert regions.starts == [0, 2, 5]
    assert all(regions.reached)
    assert not regions.cycles
    assert regions.loop_of[7] == 6


def test_circle_without_a_beginning_begins_nowhere() -> None:
    """No node of a plain circle is better than another."""
    regions = find_regions(3, arcs_of("1>2", "2>1"), loops=())
    assert regions.starts == [0]
    assert len(regions.cycles) == 1


def test_deep_nesting_is_linear() -> None:
    """Thousands of loops in each other, each led back to from the next, need neither recursion nor patience."""
    size = 20_000
    arcs: list[Arc] = [(i, i + 1, True) for i in range(size - 1)] + [(i + 1, i, False) for i in range(size - 1)]
    regions = find_regions(size, arcs, loops=range(size), starts=[0])
    assert regions.loop_of == list(range(-1, size - 1))
    assert len(regions.back) == size - 1
    jumping = [*arcs, *((size - 1, i, False) for i in range(size - 2))]
    assert len(find_regions(size, jumping, loops=range(size), starts=[0]).jumps) == size - 2


@given(
    size=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    density=st.integers(0, 16),
    loops=st.sets(st.integers(0, 7), max_size=4),
    starts=st.lists(st.integers(0, 7), max_size=2, unique=True),
)
@example(size=4, seed=356124, density=6, loops={0, 3}, starts=[1])
def test_graph_without_faults_keeps_the_definition(
    size: int, seed: int, density: int, loops: set[int], starts: list[int]
) -> None:
    """Whatever the graph: if nothing is wrong with it, bodies are what the definition says and back arcs break all cycles."""
    rng = random.Random(seed)
    loops = {loop for loop in loops if loop < size}
    arcs: list[Arc] = []
    for _ in range(density):
        source = rng.randrange(size)
        arcs.append((source, rng.randrange(size), source in loops and rng.random() < 0.6))
    regions = find_regions(size, arcs, loops=loops, starts=[start for start in starts if start < size])
    if regions.cycles or regions.jumps or regions.entered:
        return
    reached = [node for node in range(size) if regions.reached[node]]
    for loop in loops & set(reached):
        body = closure(arcs, loop, {loop, *enclosing(regions, loop)})
        assert body == {node for node in reached if loop in enclosing(regions, node)}
        for source, target, is_body in arcs:
            if target in body and regions.reached[source]:
                assert source in body or (source == loop and is_body)
    waits = [0] * size
    for number, (source, target, _) in enumerate(arcs):
        # Nobody waits for a source out of reach, nor for what goes round there.
        waits[target] += number not in regions.back and regions.reached[source]
    free = [node for node in range(size) if not waits[node]]
    for node in free:
        for number, (source, target, _) in enumerate(arcs):
            if source == node and number not in regions.back and regions.reached[source]:
                waits[target] -= 1
                if not waits[target]:
                    free.append(target)
    assert set(reached) <= set(free)


@given(seed=st.integers(0, 2**32), depth=st.integers(0, 4))
def test_well_nested_graph_has_no_faults(seed: int, depth: int) -> None:
    """A graph drawn loop by loop is understood as it was drawn, in whatever order its arcs come."""
    rng = random.Random(seed)
    arcs: list[Arc] = []
    expected: list[int] = []
    back: set[tuple[int, int]] = set()

    def node(inside: int) -> int:
        expected.append(inside)
        return len(expected) - 1

    loops: set[int] = set()

    def stretch(first: int, inside: int, left: int, *, is_body: bool) -> int:
        """A stretch of nodes after `first`; returns its last one."""
        last, enters = first, is_body
        for _ in range(rng.randint(1, 3)):
            new = node(inside)
            arcs.append((last, new, enters))
            last, enters = new, False
            if left and rng.random() < 0.5:
                loops.add(new)
                end = stretch(new, new, left - 1, is_body=True)
                if rng.random() < 0.7:
                    arcs.append((end, new, False))
                    back.add((end, new))
        return last

    stretch(node(TOP), TOP, depth, is_body=False)
    rng.shuffle(arcs)
    for starts in ([0], []):
        regions = find_regions(len(expected), arcs, loops=loops, starts=starts)
        assert list(regions.loop_of) == expected
        assert {arcs[number][:2] for number in regions.back} == back
        assert (regions.cycles, regions.jumps, regions.entered) == ([], {}, {})
        assert all(regions.reached)
