"""The fold of a run's events says how far the run is."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from protocol.graph import Validation
from protocol.messages import Event, NodeChanged, RunChanged, RunEnded, RunStarted, Summary
from protocol.states import NodeStatus, RunStatus
from protocol.view import View

BEGAN: Final = 1_767_225_600.0
OF: Final[dict[str, Any]] = {"run_id": "r", "workflow_id": "w"}


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (RunStatus.RUNNING, 30.0),
        (RunStatus.PAUSING, 30.0),
        (RunStatus.PAUSED, 30.0),
        (RunStatus.STOPPING, None),
        (RunStatus.FAILING, None),
    ],
)
def test_time_is_left_only_to_a_run_that_will_use_it(
    check: Callable[..., Validation], draw: Callable[..., dict[str, Any]], status: RunStatus, left: float | None
) -> None:
    """A quarter took ten seconds, so thirty are left; but not of a run that is about to end."""
    workflow = check(draw("start>a a>b b>c")).workflow
    assert workflow is not None
    view = View(workflow, run_id="r", workflow_id="w")
    events: list[Event] = [
        RunStarted(**OF, seq=1, at=BEGAN, total_nodes=4),
        NodeChanged(**OF, seq=2, at=BEGAN, node_id="start", status=NodeStatus.RUNNING),
        NodeChanged(**OF, seq=3, at=BEGAN + 10, node_id="start", status=NodeStatus.SUCCESS, fired=("out",)),
        RunChanged(**OF, seq=4, at=BEGAN + 10, status=status),
    ]
    assert view.progress(at=BEGAN, n=0).estimated_time_remaining is None
    for event in events:
        view.apply(event)
    progress = view.progress(at=BEGAN + 10, n=1)
    assert (progress.completed_nodes, progress.estimated_time_remaining) == (1, left)
    summary = Summary(
        status=RunStatus.STOPPED,
        duration=10.0,
        total_nodes=4,
        succeeded=1,
        failed=0,
        skipped=0,
        not_begun=3,
        started_at=BEGAN,
        ended_at=BEGAN + 10,
    )
    view.apply(RunEnded(**OF, seq=5, at=BEGAN + 10, status=RunStatus.STOPPED, message="stopped", summary=summary))
    assert view.progress(at=BEGAN + 10, n=2).estimated_time_remaining is None
