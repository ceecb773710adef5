"""Where the loops of a graph begin and end, and which of its cycles no loop breaks.

Theory of operation: a graph here is nodes 0…n-1 and arcs (source, target, leaves by a body port?). A *region* is what
one turn of a loop runs: the nodes whose innermost loop it is; the nodes outside of all loops are in the region `TOP`.
An arc is *inside* the loop L if it leaves L by its body port, or leaves a node of the region L by any other; its target

- is in the region L as well, or
- is L: the arc is a *back arc*, it ends the turn, and no join waits for it.

There is nothing else that an arc may do. What breaks the rule is told as

- *entered*: the target is in a region, and another arc reaches it from outside (a node that both `body` and `done` lead
  to is one of them; so is a node before the loop to which the body leads back);
- *jump*: the target is a loop around L, and not L itself: nothing says what would become of L's turn;
- *cycle*: arcs within one region that lead in a circle, or a loop whose body port leads to the loop itself.

In a graph without such faults every node's region is forced by the arcs, whatever the order of the walk; so one walk
finds them in O(nodes + arcs), however deep loops are nested. With faults, each is found at the arc that shows it.
Faults of entered and jump count only where the source can be reached: what is left lying about in an editor harms
nobody. Cycles are found everywhere. Nothing here is recursive: a chain may be as long as a graph may be large.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

__all__ = ["TOP", "Arc", "Regions", "find_regions"]

TOP: Final = -1
"""The region outside of all loops."""

_UNSEEN: Final = -2

# Of a part of the graph that has no beginning, so many loops are tried as one: enough for what people draw, and a
# bound on what others send.
_TRIES: Final = 16

Arc: TypeAlias = tuple[int, int, bool]
"""(source, target, leaves a loop by its body port)."""


@attrs.frozen(kw_only=True, eq=False)
class Regions:
    """What find_regions() found. Nodes and arcs are named by their numbers."""

    loop_of: Sequence[int]
    """Node → the innermost loop whose body it is in, or TOP."""
    starts: Sequence[int]
    """Where a run begins."""
    reached: Sequence[bool]
    """Node → whether it can be reached from there."""
    back: Collection[int]
    """The arcs that lead from a loop's body back to it."""
    cycles: Sequence[Sequence[int]]
    """One circle of arcs for each part of a region that holds any."""
    jumps: Mapping[int, int]
    """The arcs that lead to a loop around the innermost one → the innermost one."""
    entered: Mapping[int, tuple[int, int]]
    """Node → (an arc that shows the fault, the loop whose body the node is in)."""


def find_regions(size: int, arcs: Sequence[Arc], *, loops: Collection[int], starts: Sequence[int] = ()) -> Regions:
    """Sort the nodes of a graph into the bodies of its loops.

    Args:
        size: how many nodes there are.
        arcs: between them.
        loops: the nodes that are loops.
        starts: where a run begins. If there are none, it begins at every node that nothing but its own body leads to.
    """
    walk = _Walk(arcs=arcs, loops=frozenset(loops), region=[_UNSEEN] * size, leaving=[[] for _ in range(size)])
    for number, (source, _, _) in enumerate(arcs):
        walk.leaving[source].append(number)
    begins = list(starts)
    if starts:
        walk.spread(starts)
        reached = [loop != _UNSEEN for loop in walk.region]
        if _UNSEEN in walk.region:
            walk.begin()
    else:
        begins = sorted(walk.begin())
        reached = [loop != _UNSEEN for loop in walk.region]
    if _UNSEEN in walk.region:
        for node in sorted(range(size), key=lambda node: node not in walk.loops):
            walk.spread([node])
    return walk.judge(begins, reached)


@attrs.define(eq=False)
class _Walk:
    """One walk over the graph: `region` grows until every node has one."""

    arcs: Sequence[Arc]
    loops: frozenset[int]
    region: list[int]
    leaving: list[list[int]]
    """Node → the numbers of the arcs that leave it."""

    def spread(self, roots: Sequence[int]) -> None:
        """Give a region to whatever can be reached from `roots`, which are outside of all loops."""
        arcs, region = self.arcs, self.region
        pending = [root for root in roots if region[root] == _UNSEEN]
        for root in pending:
            region[root] = TOP
        while pending:
            node = pending.pop()
            for number in self.leaving[node]:
                _, target, body = arcs[number]
                if region[target] == _UNSEEN:
                    region[target] = node if body else region[node]
                    pending.append(target)

    def begin(self) -> list[int]:
        """Spread from the nodes not seen yet that nothing but their own body leads to, and tell which they were.

        Whatever leads to a node that was not seen was not seen either, so these arcs can be judged alone.
        """
        region = self.region
        entered = {target for _, target, _ in self.arcs}
        begins = [node for node, loop in enumerate(region) if loop == _UNSEEN and node not in entered]
        self.spread(begins)
        unseen = [node for node, loop in enumerate(region) if loop == _UNSEEN]
        if not unseen:
            return begins
        # What is left is led to from cycles alone. A cycle that a loop breaks begins at that loop.
        after = {
            node: [target for number in self.leaving[node] if region[target := self.arcs[number][1]] == _UNSEEN]
            for node in unseen
        }
        parts = _components(unseen, after)
        part_of = {node: number for number, part in enumerate(parts) for node in part}
        sources: dict[int, list[int]] = {}
        led_to: set[int] = set()
        for source, target, _ in self.arcs:
            if source in part_of and target in part_of:
                sources.setdefault(target, []).append(source)
                if part_of[source] != part_of[target]:
                    led_to.add(part_of[target])
        for number, part in enumerate(parts):
            if number not in led_to:
                tries = sorted(node for node in part if node in self.loops)[:_TRIES]
                begins += [loop for loop in tries if self._within(loop).issuperset(sources[loop])][:1]
        self.spread(begins)
        return begins

    def judge(self, starts: Sequence[int], reached: Sequence[bool]) -> Regions:
        """Tell for every arc what it does to the regions."""
        region, loops = self.region, self.loops
        spans: dict[int, tuple[int, int]] | None = None
        plain: dict[int, list[int]] = {}
        back: set[int] = set()
        cycles: list[list[int]] = []
        jumps: dict[int, int] = {}
        entered: dict[int, tuple[int, int]] = {}
        for number, (source, target, body) in enumerate(self.arcs):
            inside = source if body else region[source]
            if target == inside:
                if source == target:
                    cycles.append([number])
                else:
                    back.add(number)
            elif region[target] == inside:
                if not body:
                    plain.setdefault(source, []).append(number)
            elif reached[source]:
                spans = spans or self._spans()
                if target in loops and _encloses(spans, target, inside):
                    jumps[number] = inside
                else:
                    around = inside if _encloses(spans, region[target], inside) else region[target]
                    entered.setdefault(target, (number, around))
        cycles += self._cycles(plain)
        return Regions(
            loop_of=region, starts=starts, reached=reached, back=back, cycles=cycles, jumps=jumps, entered=entered
        )

    def _within(self, loop: int) -> set[int]:
        """What can be reached from the body port of a loop without passing through the loop."""
        within = {self.arcs[number][1] for number in self.leaving[loop] if self.arcs[number][2]} - {loop}
        pending = list(within)
        while pending:
            for number in self.leaving[pending.pop()]:
                target = self.arcs[number][1]
                if target != loop and target not in within:
                    within.add(target)
                    pending.append(target)
        return within

    def _spans(self) -> dict[int, tuple[int, int]]:
        """Loop → the interval of its number and those of the loops inside it, so that `around` is one comparison."""
        inner: dict[int, list[int]] = {TOP: []}
        for loop in self.loops:
            inner.setdefault(self.region[loop], []).append(loop)
        spans: dict[int, tuple[int, int]] = {}
        pending = [TOP]
        while pending:
            loop = pending.pop()
            if loop in spans:
                spans[loop] = (spans[loop][0], len(spans))
            else:
                spans[loop] = (len(spans), 0)
                pending.append(loop)
                pending += inner.get(loop, ())
        return spans

    def _cycles(self, plain: Mapping[int, Sequence[int]]) -> list[list[int]]:
        """A circle from each part of the graph that can be reached from itself by the `plain` arcs (node → arcs)."""
        arcs = self.arcs
        waits = [0] * len(self.region)
        for numbers in plain.values():
            for number in numbers:
                waits[arcs[number][1]] += 1
        # Take away what nothing leads to until only circles, and what follows them, are left: as a rule nothing.
        free = [node for node, count in enumerate(waits) if not count]
        for node in free:
            for number in plain.get(node, ()):
                target = arcs[number][1]
                waits[target] -= 1
                if not waits[target]:
                    free.append(target)
        rest = [node for node, count in enumerate(waits) if count]
        after = {node: [arcs[number][1] for number in plain.get(node, ())] for node in rest}
        parts = [part for part in _components(rest, after) if len(part) > 1 or part[0] in after[part[0]]]
        return sorted(self._circle(frozenset(part), plain) for part in parts)

    def _circle(self, part: frozenset[int], plain: Mapping[int, Sequence[int]]) -> list[int]:
        """Walk on inside `part` until a node comes again."""
        node = min(part)
        seen: dict[int, int] = {}
        path: list[int] = []
        while node not in seen:
            seen[node] = len(path)
            path.append(next(number for number in plain[node] if self.arcs[number][1] in part))
            node = self.arcs[path[-1]][1]
        return path[seen[node] :]


def _encloses(spans: Mapping[int, tuple[int, int]], outer: int, inner: int) -> bool:
    first, end = spans[outer]
    return first <= spans[inner][0] < end


def _components(nodes: Sequence[int], after: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """The strongly connected components of the graph node → nodes `after` it.

    Tarjan 1972, "Depth-first search and linear graph algorithms", with the stack of calls kept by hand.
    """
    found: dict[int, int] = {}
    lowest: dict[int, int] = {}
    open_: list[int] = []
    is_open: set[int] = set()
    parts: list[list[int]] = []
    for root in nodes:
        if root in found:
            continue
        calls = [(root, iter(after[root]))]
        found[root] = lowest[root] = len(found)
        open_.append(root)
        is_open.add(root)
        while calls:
            node, targets = calls[-1]
            for target in targets:
                if target not in found:
                    calls.append((target, iter(after[target])))
                    found[target] = lowest[target] = len(found)
                    open_.append(target)
                    is_open.add(target)
                    break
                if target in is_open:
                    lowest[node] = min(lowest[node], found[target])
            else:
                calls.pop()
                if calls:
                    parent = calls[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                if lowest[node] == found[node]:
                    cut = open_.index(node) if open_[-1] != node else len(open_) - 1
                    parts.append(open_[cut:])
                    is_open.difference_update(parts[-1])
                    del open_[cut:]
    return parts
