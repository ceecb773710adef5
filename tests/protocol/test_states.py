"""The one table of a run, and the one function that walks along it."""

import copy

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol import states
from protocol.errors import IllegalTransition
from protocol.states import (
    CONTROLS,
    ENDED,
    NODE,
    NODE_ENDED,
    RUN,
    Action,
    NodeStatus,
    RunStatus,
    Trigger,
    Verdict,
    advance,
    mermaid,
)

EXPECTED = """
pending   start→running   pause→paused    stop→stopping  fail→failing
running   pause→pausing   stop→stopping   fail→failing   finish→completed
pausing   quiet→paused    resume→running  stop→stopping  fail→failing   finish→completed
paused    resume→running  stop→stopping  fail→failing
stopping  halted→stopped
failing   halted→failed
completed
failed
stopped
"""
"""Every legal move of a run, written a second time on purpose."""

MOVES = {
    (state, trigger): after
    for state, *moves in (line.split() for line in EXPECTED.strip().splitlines())
    for trigger, after in (move.split("→") for move in moves)
}


class Walk(RuleBasedStateMachine):
    """A run that is given any triggers in any order."""

    def __init__(self):
        super().__init__()
        self.status = RunStatus.PENDING
        self.ended = False

    @rule(trigger=st.sampled_from(Trigger))
    def fire(self, trigger):
        before, table = self.status, copy.deepcopy(dict(RUN))
        legal = (before.value, trigger.value) in MOVES
        try:
            self.status = advance(self.status, trigger)
        except IllegalTransition:
            assert not legal
            assert self.status is before
        else:
            assert legal
            assert self.status.value == MOVES[before.value, trigger.value]
            assert not self.ended
        assert table == RUN
        self.ended = self.ended or self.status in ENDED

    @invariant()
    def an_ended_run_stays_ended(self):
        assert self.ended == (self.status in ENDED)


TestWalk = Walk.TestCase


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("trigger", Trigger)
def test_the_table_has_exactly_the_moves_of_the_design(status, trigger):
    """Each cell: the move that is written above, or an error that names both and changes nothing."""
    if (after := MOVES.get((status.value, trigger.value))) is not None:
        assert advance(status, trigger) is RunStatus(after)
        return
    with pytest.raises(IllegalTransition) as caught:
        advance(status, trigger)
    assert status.value in str(caught.value)
    assert trigger.value in str(caught.value)


def test_every_state_leads_to_an_end():
    """No run can be caught in a circle that has no way out, and no state is unreachable."""
    reached, level = {RunStatus.PENDING}, [RunStatus.PENDING]
    while level:
        level = [after for state in level for after in RUN[state].values() if after not in reached]
        reached.update(level)
    assert reached == set(RunStatus)
    ending = set(ENDED)
    while more := {state for state in RunStatus if state not in ending and ending & set(RUN[state].values())}:
        ending |= more
    assert ending == set(RunStatus)


def test_three_states_are_ends():
    """Each run has one ending, and it is one of three."""
    assert {RunStatus.COMPLETED, RunStatus.STOPPED, RunStatus.FAILED} == ENDED
    assert {NodeStatus.SUCCESS, NodeStatus.ERROR, NodeStatus.SKIPPED} == NODE_ENDED


def test_a_node_may_always_be_skipped_until_it_ended():
    """A stop finds every node that is not at its end a status to end in."""
    for status in NodeStatus:
        assert (NodeStatus.SKIPPED in NODE[status]) == (status not in NODE_ENDED)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("status", RunStatus)
def test_every_command_has_an_answer_in_every_state(action, status):
    """The matrix of commands and states has no empty cell."""
    assert isinstance(CONTROLS[action][status], Verdict)
    assert set(CONTROLS[action]) == set(RunStatus)


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("action", [Action.PAUSE, Action.RESUME, Action.STOP])
def test_a_control_is_applied_exactly_where_it_triggers_a_change(action, status):
    """CONTROLS and RUN never disagree on what a command does."""
    assert (CONTROLS[action][status] is Verdict.APPLY) == (Trigger(action.value) in RUN[status])


def test_a_start_begins_a_new_run_exactly_after_an_end():
    """At most one unfinished run of a workflow."""
    for status in RunStatus:
        assert CONTROLS[Action.START][status] is (Verdict.NEW if status in ENDED else Verdict.REFUSE)


def test_the_diagram_shows_every_move_once():
    """The README's diagram is the table."""
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> pending"]
    assert sorted(lines[2:]) == sorted(
        [f"    {state} --> {after}: {trigger}" for (state, trigger), after in MOVES.items()]
        + [f"    {state} --> [*]" for state in ("completed", "failed", "stopped")]
    )


def test_all_names_are_there():
    """What is promised can be imported."""
    assert all(hasattr(states, name) for name in states.__all__)
