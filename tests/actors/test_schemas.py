"""actors.schemas: what fits, what does not and where, and schemas that would take too long."""

import time

import pytest

from actors.schemas import MAX_PATTERNS, MAX_SCHEMA, check_schema, misfit

PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}, "x-y": {"items": {"enum": ["a", "b"]}}},
    "required": ["age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "answer", "words"),
    [
        (None, {"any": "thing"}, ()),
        (True, 1, ()),
        (PERSON, {"age": 3}, ()),
        (PERSON, {"age": "3"}, ("answer.age:", "integer")),
        (PERSON, {"age": -1}, ("answer.age:", "minimum")),
        (PERSON, {"age": 1, "x-y": ["a", "c"]}, ('answer["x-y"][1]:', '"c"')),
        (PERSON, {}, ("answer:", "age", "required")),
        (PERSON, {"age": 1, "b": 1}, ("answer:", "'b'")),
        (False, 1, ("answer:",)),
        ({"pattern": "^(a+)+$"}, "a" * 5000 + "b", ("answer:", "…")),
        ({"type": "string"}, ["deep"], ("answer:", "string")),
    ],
)
def test_what_is_wrong_and_where(schema, answer, words):
    """Nothing, or a text with the path into the answer and what was expected there."""
    check_schema(schema)
    fault = misfit(schema, answer)
    assert (fault is None) is (not words)
    assert all(word in str(fault) for word in words)
    assert len(str(fault)) < 1000


def test_several_faults_are_told_at_once():
    """The person need not find them one by one; a flood of them is cut."""
    fault = misfit({"items": {"type": "string"}}, list(range(100)))
    assert fault is not None
    assert [part.partition(":")[0] for part in fault.split("; ")] == ["answer[0]", "answer[1]", "answer[2]"]


def deep(levels):
    """A list in a list in a list."""
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


HOSTILE = [
    "text",
    [],
    {"type": "nothing"},
    {"$ref": "#"},
    {"$ref": "https://example.org/schema"},
    {"$ref": "file:///etc/passwd"},
    {"items": {"$dynamicRef": "#a"}},
    {"properties": {"a": {"allOf": [{"$ref": "#/properties/a"}] * 2}}},
    {"pattern": "(a{1000}){1000}"},
    {"pattern": r"(\pL{100}){100}"},
    {"pattern": "(?=a)b"},
    {"pattern": r"(a)\1"},
    {"pattern": "("},
    {"pattern": "a?" * 5000},
    {"patternProperties": {"[": {}}},
    {"allOf": [{"pattern": f"a{number}"} for number in range(MAX_PATTERNS + 1)]},
    {"enum": ["x" * MAX_SCHEMA]},
    {"const": deep(300)},
    {"minLength": -1},
    {"minimum": "1"},
    {"required": "a"},
]


@pytest.mark.parametrize("schema", HOSTILE, ids=lambda schema: str(schema)[:40])
def test_a_bad_schema_is_refused_at_once(schema):
    """Nothing is fetched, nothing is followed, and it takes less than 100 ms to see."""
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"."):
        check_schema(schema)
    assert time.perf_counter() - began < 0.1


COSTLY = [
    ({"pattern": "[ab]*a[ab]{100}c"}, "ab" * 32_000),
    ({"allOf": [{"pattern": rf"[\s\S]{{0,{40 + number}}}x"} for number in range(MAX_PATTERNS)]}, "ab" * 2000),
    ({"uniqueItems": True}, [{"a": number} for number in range(100_000)]),
    ({"items": {"allOf": [{"minimum": number} for number in range(3000)]}}, list(range(100_000))),
    ({"unevaluatedItems": False, "allOf": [{"contains": {"const": n}} for n in range(300)]}, list(range(100_000))),
    ({"multipleOf": 1e-300}, 1e300),
    ({"type": "integer"}, 10**400),
    ({"items": {"type": "array"}}, deep(240)),
    ({"format": "uri"}, "http://" + "a/" * 100_000),
]


@pytest.mark.parametrize(("schema", "answer"), COSTLY, ids=lambda value: str(value)[:40])
def test_no_answer_takes_long_to_judge(schema, answer):
    """Where it might, its size is refused before it is looked at."""
    began = time.perf_counter()
    check_schema(schema)
    misfit(schema, answer)
    assert time.perf_counter() - began < 0.2


@pytest.mark.parametrize("answer", [10**30, deep(300)], ids=["a long number", "deep"])
def test_what_the_journal_could_not_keep_is_no_answer(answer):
    """With or without a schema."""
    assert str(misfit(None, answer)).startswith("answer: ")


def test_the_larger_the_schema_the_smaller_the_answer():
    """The bound is told with the size."""
    assert misfit({"uniqueItems": True}, list(range(1000))) is None
    fault = misfit({"enum": ["x" * 60_000]}, "y" * 2000)
    assert fault is not None
    assert "2002 bytes; 1118 are allowed" in fault
