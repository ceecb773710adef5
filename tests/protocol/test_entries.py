"""Events as a journal keeps them: nothing is lost, little is written, and what can not be read says so."""

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.entries import pack, pack_json, unpack, unpack_json, unpack_many
from protocol.errors import BadEntry
from protocol.graph import Problem
from protocol.messages import AnyEvent, Event, Logged, NodeChanged, RunChanged, RunEnded, RunStarted, Summary, Waiting
from protocol.states import NodeStatus, RunStatus

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 2**53)
reals = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | reals | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, max_size=3)
tuples = st.lists(texts, max_size=3).map(tuple)


def some(made, **parts):
    """Objects of a class, each field at its default or at anything that it may be."""
    simple = {str: texts, int: counts, float: reals, NodeStatus: st.sampled_from(NodeStatus)}
    simple |= {RunStatus: st.sampled_from(RunStatus)}
    fields = {}
    for each in attrs.fields(made):
        if each.name in parts:
            strategy = parts[each.name]
        elif each.type in simple:
            strategy = simple[each.type]
        else:
            strategy = st.none() | next(
                (simple[kind] for kind in getattr(each.type, "__args__", ()) if kind in simple), values
            )
        fields[each.name] = strategy if each.default is attrs.NOTHING else st.just(each.default) | strategy
    return st.builds(made, **fields)


iterations = st.lists(counts, max_size=3).map(tuple)
problems = some(Problem, severity=st.sampled_from(["error", "warning"]))
events = st.one_of(
    some(RunStarted, warnings=st.lists(problems, max_size=2).map(tuple)),
    some(
        NodeChanged,
        iteration=iterations,
        fired=tuples,
        result=values,
        values=st.none() | objects,
        waiting=st.none() | some(Waiting, schema=values),
    ),
    some(Logged, level=st.sampled_from(["debug", "info", "warn", "error"]), iteration=iterations, context=values),
    some(RunChanged, in_flight=st.none() | tuples),
    some(
        RunEnded,
        results=st.none() | objects,
        summary=some(Summary, abandoned=st.none() | tuples),
    ),
)


def line(seq: int, **fields) -> Logged:
    """A line of a run's log."""
    return Logged(run_id="r1", workflow_id="w1", seq=seq, at=1.5, level="info", message="hello", **fields)


@given(event=events)
def test_every_event_comes_back_as_it_was(event):
    """Every class, every field at its default or not: equal, and each value of its own type."""
    back = unpack(pack(event), run_id=event.run_id, workflow_id=event.workflow_id)
    assert back == event
    assert [type(value) for value in attrs.astuple(back, recurse=False)] == [
        type(value) for value in attrs.astuple(event, recurse=False)
    ]


@given(value=values)
def test_a_note_comes_back_as_it_was(value):
    """Whatever JSON can say."""
    assert unpack_json(pack_json(value)) == value


def test_every_class_of_event_can_be_kept():
    """No event of a run is forgotten in the table."""
    assert set(AnyEvent.__args__) == set(Event.__subclasses__())
    for made in AnyEvent.__args__:
        assert any(isinstance(each, made) for each in SAMPLES)


def test_what_is_at_its_default_is_not_written():
    """Nor is the run, which whoever keeps it knows."""
    assert orjson.loads(pack(line(7))) == {"e": "l", "seq": 7, "at": 1.5, "level": "info", "message": "hello"}


@pytest.mark.parametrize("odd", ["\ud800", 2**70, {1: 2}, {1, 2}], ids=str)
def test_what_json_can_not_say_costs_no_run_its_event(odd):
    """It becomes the nearest that JSON can say; all else is as it was."""
    problem = Problem(code="c", message="m", path="p")
    event = RunStarted(
        run_id="r1", workflow_id="w1", seq=1, at=1.5, total_nodes=1, warnings=(problem, attrs.evolve(problem, path=odd))
    )
    back = unpack(pack(event), run_id="r1", workflow_id="w1")
    assert isinstance(back, RunStarted)
    assert back.warnings[0] == problem
    assert unpack(pack(line(1, context=odd)), run_id="r1", workflow_id="w1").seq == 1


def test_fields_of_a_newer_version_are_left_out():
    """Of the event and of its parts."""
    for event in SAMPLES:
        fields = orjson.loads(pack(event))
        for part in (fields, fields.get("summary"), fields.get("waiting")):
            if part is not None:
                part["new"] = 1
        assert unpack(orjson.dumps(fields), run_id="r1", workflow_id="w1") == event


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\x00\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"e":"new kind","seq":1,"at":1}',
        b'{"e":"l","seq":1,"at":1}',
        b'{"e":"n","seq":1,"at":1,"node_id":"n","status":"dancing"}',
        b'{"e":"r","seq":1,"at":1,"status":"running","in_flight":7}',
    ],
    ids=repr,
)
def test_what_can_not_be_read_says_so(entry):
    """With the run that it is of, and whether the journal is damaged or newer."""
    with pytest.raises(BadEntry, match=r"r1.*damaged.*newer"):
        unpack(entry, run_id="r1", workflow_id="w1")


def test_many_entries_are_read_at_once():
    """Joined by commas, in order; none of them is an empty list."""
    lines = [line(seq) for seq in range(3, 8)]
    assert unpack_many(b",".join(map(pack, lines)), run_id="r1", workflow_id="w1") == lines
    assert unpack_many("", run_id="r1", workflow_id="w1") == []


@pytest.mark.parametrize("seqs", [(1, 3), (2, 1), (1, 1)])
def test_entries_that_do_not_follow_each_other_are_no_run(seqs):
    """A gap, a repeat or another order is found when they are read."""
    with pytest.raises(BadEntry):
        unpack_many(b",".join(pack(line(seq)) for seq in seqs), run_id="r1", workflow_id="w1")


SUMMARY = Summary(
    status=RunStatus.FAILED,
    duration=1.0,
    total_nodes=1,
    succeeded=0,
    failed=1,
    skipped=0,
    not_begun=0,
    started_at=1.0,
    ended_at=2.0,
)
KEY: dict[str, Any] = {"run_id": "r1", "workflow_id": "w1", "at": 1.5}
SAMPLES: list[Event] = [
    RunStarted(**KEY, seq=1, total_nodes=1),
    NodeChanged(**KEY, seq=2, node_id="n", status=NodeStatus.RUNNING, waiting=Waiting("how many?")),
    line(3),
    RunChanged(**KEY, seq=4, status=RunStatus.FAILING, in_flight=()),
    RunEnded(**KEY, seq=5, status=RunStatus.FAILED, message="", summary=SUMMARY),
]
