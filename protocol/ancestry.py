"""Which nodes of a workflow come before which: what a node may know of others, whatever the timing.

Theory of operation: the nodes before a node are a set of bits in one integer, made for all nodes in one pass in
topological order, an OR for each edge. Back edges are no way: what a loop's body did in an earlier turn is not before.
10,000 nodes take some milliseconds, and at most 12 MB; so it is made when it is first asked.
"""

from collections import deque
from functools import cached_property

from protocol.workflow import Workflow

__all__ = ["Ancestry"]


class Ancestry:
    """The ancestors of every node.

    Args:
        workflow: whose.
    """

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def precedes(self, ancestor: str, node_id: str) -> bool:
        """Whether a way leads from the first to the second. No node precedes itself; one that is not there, nobody."""
        number = self._numbers.get(ancestor)
        return number is not None and self._before.get(node_id, 0) >> number & 1 == 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {node_id: number for number, node_id in enumerate(self._workflow.nodes)}

    @cached_property
    def _before(self) -> dict[str, int]:
        workflow, numbers = self._workflow, self._numbers
        before = dict.fromkeys(workflow.nodes, 0)
        missing = {node_id: len(workflow.incoming.get(node_id, ())) for node_id in workflow.nodes}
        ready = deque(node_id for node_id, count in missing.items() if not count)
        while ready:
            node_id = ready.popleft()
            passed = before[node_id] | 1 << numbers[node_id]
            for edge in workflow.outgoing.get(node_id, ()):
                # As in `incoming`, on which the count is: no back edges, none from where no run comes.
                if edge.back or node_id in workflow.unreachable:
                    continue
                before[edge.target] |= passed
                missing[edge.target] -= 1
                if not missing[edge.target]:
                    ready.append(edge.target)
        return before
