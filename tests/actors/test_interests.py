"""What an outlet asked for adds up, each scope is withdrawn on its own, and there is an end to it."""

import pytest

from actors.fitting import PAYLOAD_BYTES
from actors.interests import (
    EVERYWHERE,
    MAX_ASKED,
    MAX_TYPE_CHARS,
    MAX_TYPES,
    Interest,
    Interests,
    Position,
    position_of,
    scope_of,
)
from protocol.dialects import DIALECTS
from protocol.errors import BadField
from protocol.messages import Subscribe, Subscribed, Unsubscribe

RUN = {"run_id": "r1", "workflow_id": "w1"}


def test_nothing_is_wanted_at_first():
    """An outlet that asked for nothing hears nothing."""
    assert Interests().of(**RUN) is None


def test_interests_of_all_scopes_are_united():
    """Types over all runs, of a workflow and of a run together; all types swallow any list of them."""
    interests = Interests()
    interests.add(EVERYWHERE, ["log"], lossless=False)
    interests.add("w1", ["progress"], lossless=True)
    assert interests.of(**RUN) == Interest(frozenset({"log", "progress"}), lossless=True)
    assert interests.of(run_id="r2", workflow_id="w2") == Interest(frozenset({"log"}))
    interests.want_run("r1")
    assert interests.of(**RUN) == Interest(None, lossless=True)
    interests.remove_run("r1")
    assert interests.of(**RUN) == Interest(frozenset({"log", "progress"}), lossless=True)


@pytest.mark.parametrize("types", [None, ["*"], ["log", "*"]])
def test_no_types_and_the_type_for_all_are_the_same(types: list[str] | None):
    """`*` among the types is all of them, and a later list does not narrow it."""
    interests = Interests()
    interests.add("w1", types, lossless=False)
    interests.add("w1", ["progress"], lossless=False)
    assert interests.of(**RUN) == Interest(None)


def test_asked_lists_each_type_once_in_the_order_of_first_asking():
    """Unknown ones too; a type goes when its last scope does, and comes back at the end."""
    interests = Interests()
    interests.add(EVERYWHERE, ["log", "odd"], lossless=False)
    interests.add("w1", ["progress", "log"], lossless=False)
    listed = [interests.asked]
    interests.remove(EVERYWHERE, ["log", "never"])
    listed.append(interests.asked)
    interests.remove("w1", None)
    listed.append(interests.asked)
    interests.add(EVERYWHERE, ["log"], lossless=False)
    listed.append(interests.asked)
    assert listed == [("log", "odd", "progress"), ("log", "odd", "progress"), ("odd",), ("odd", "log")]


def test_a_type_is_taken_out_of_a_list_and_not_out_of_all():
    """The rest stays; without a rest nothing does; all types are only withdrawn as a whole."""
    interests = Interests()
    interests.add("w1", ["log", "progress"], lossless=False)
    interests.remove("w1", ["log"])
    assert interests.of(**RUN) == Interest(frozenset({"progress"}))
    interests.remove("w1", ["progress"])
    assert interests.of(**RUN) is None
    assert list(interests.workflows) == []
    interests.add("w1", None, lossless=False)
    interests.remove("w1", ["log"])
    assert interests.of(**RUN) == Interest(None)
    interests.remove("w1", ["*"])
    assert interests.of(**RUN) is None


def test_there_is_an_end_to_what_one_may_ask():
    """Beyond the bound a subscription is refused and changes nothing; a repeated one always fits."""
    interests = Interests()
    for n in range(MAX_ASKED):
        interests.add(f"w{n}", None, lossless=False)
    with pytest.raises(BadField) as caught:
        interests.add("one more", None, lossless=False)
    assert caught.value.paths == ("workflow_id",)
    assert interests.of(run_id="r", workflow_id="one more") is None
    with pytest.raises(BadField) as caught:
        interests.add("w1", ["log"], lossless=False)
    assert caught.value.paths == ("types",)
    assert interests.asked == ()
    interests.add("w1", None, lossless=True)
    for n in range(MAX_ASKED):
        interests.remove(f"w{n}", None)
    for n in range(MAX_ASKED // 100):
        interests.add(f"w{n}", [f"type {m}" for m in range(99)], lossless=False)
    with pytest.raises(BadField):
        interests.add("one more", ["log"], lossless=False)
    interests.remove("w1", None)
    interests.add("one more", [f"type {m}" for m in range(99)], lossless=False)


def test_all_types_that_one_asked_for_fit_into_one_reply():
    """Each confirmation lists them, in the longest spelling that JSON has for them."""
    interests = Interests()
    for n in range(MAX_TYPES):
        interests.add(EVERYWHERE, [f"{n:03}" + "\x01" * (MAX_TYPE_CHARS - 3)], lossless=False)
    with pytest.raises(BadField) as caught:
        interests.add("w1", ["one more"], lossless=False)
    assert caught.value.paths == ("types",)
    assert len(DIALECTS["flat"].encode(Subscribed(subscriptions=interests.asked))) < PAYLOAD_BYTES
    interests.add("w1", interests.asked[:5], lossless=False)


@pytest.mark.parametrize(("scope", "types"), [("w" * 2_000, None), ("w1", ["x" * 101])])
def test_a_name_may_not_be_endless(scope: str, types: list[str] | None):
    """It would be kept as long as the connection."""
    with pytest.raises(BadField):
        Interests().add(scope, types, lossless=False)


@pytest.mark.parametrize(
    ("command", "scope"),
    [
        (Subscribe(workflow_id="w1", run_id="r1"), "w1"),
        (Subscribe(workflow_id="*"), EVERYWHERE),
        (Subscribe(types=("log",)), EVERYWHERE),
        (Subscribe(run_id="r1"), ""),
        (Subscribe(after="r1:3"), ""),
        (Unsubscribe(), EVERYWHERE),
        (Unsubscribe(run_id="r1"), ""),
    ],
)
def test_the_scope_of_a_command(command: Subscribe | Unsubscribe, scope: str):
    """A workflow, all runs, or a run that was named without its workflow."""
    assert scope_of(command) == scope


@pytest.mark.parametrize(
    ("command", "position"),
    [
        (Subscribe(workflow_id="w1"), Position(None)),
        (Subscribe(workflow_id="w1", after="a:b:12"), Position(12, "a:b")),
        (Subscribe(workflow_id="w1", run_id="r1", after_seq=3), Position(3, "r1")),
        (Subscribe(workflow_id="w1", run_id="r1"), Position(None, "r1")),
        (Subscribe(workflow_id="w1", after_seq=0), Position(0)),
        (Subscribe(workflow_id="w1", after_seq=3), Position(None, reset=True)),
    ],
)
def test_the_position_of_a_command(command: Subscribe, position: Position):
    """`after` is a run and a seq; a number alone is a position only at the beginning."""
    assert position_of(command) == position


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        (Subscribe(workflow_id="*", after="r1:1", after_seq=1), ("after", "after_seq")),
        (Subscribe(after_seq=0), ("after_seq",)),
        (Subscribe(workflow_id="w1", after_seq=-1), ("after_seq",)),
        (Subscribe(workflow_id="w1", after="nonsense"), ("after",)),
    ],
)
def test_a_position_that_means_nothing_is_a_bad_field(command: Subscribe, paths: tuple[str, ...]):
    """Each field that is wrong is named."""
    with pytest.raises(BadField) as caught:
        position_of(command)
    assert caught.value.paths == paths
