"""actors.expressions and actors.lexer: `{{ … }}` in a config, compiled once, given no more than it names."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ExpressionError
from actors.expressions import Expression, compile_value, matches, references, survey
from actors.lexer import MAX_LENGTH

SCOPE = {
    "nodes": {"a": {"result": {"x": 1, "list": [1, 2, 3]}}, "a-b": {"result": 2}, "c": {"result": None}},
    "inputs": {"in": [{"q": "text"}]},
    "vars": {"n": 3, "half": 1.5, "who": "a", "none": None, "yes": True, "text": "ü"},
    "run": {"id": "r1"},
}


def resolve(value, scope=SCOPE):
    """The value resolved; as it is if there is nothing to resolve."""
    template = compile_value(value)
    return value if template is None else template.resolve(scope, node="n1")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("{{ nodes.a.result.x + 1 }}", 2),
        ("{{nodes.a.result}}", {"x": 1, "list": [1, 2, 3]}),
        ('{{ nodes["a-b"].result }}', 2),
        ("{{ nodes['a-b'].result }}", 2),
        ("{{ nodes[vars.who].result.x }}", 1),
        ("{{ nodes.c.result }}", None),
        ("{{ vars.yes }}", True),
        ("{{ vars.half * 2.0 }}", 3.0),
        ("{{ vars.n / 2 }}", 1),
        ("{{ inputs['in'][0].q }}", "text"),
        ("{{ nodes.a.result.list.map(e, e + vars.n) }}", [4, 5, 6]),
        ("{{ nodes.a.result.list.filter(e, e > 1).size() }}", 2),
        ("{{ [1, 2].map(nodes, nodes * 2) }}", [2, 4]),
        ('{{ {"a": {"b": 1}} }}', {"a": {"b": 1}}),
        ('{{{"a": {"b": 1}}}}', {"a": {"b": 1}}),
        ("{{ {1: true} }}", {"1": True}),
        ('{{ "}}" }}', "}}"),
        (r'{{ "\"}}" }}', '"}}'),
        (r'{{ r"\" + "x" }}', "\\x"),
        ('{{ """a"}}""" }}', 'a"}}'),
        ('{{ "a" // a comment ends with the expression }}', "a"),
        ('{{ timestamp("2024-01-01T00:00:00Z") }}', "2024-01-01T00:00:00Z"),
        ('{{ duration("90s") }}', "90s"),
        ('{{ b"ab" }}', "YWI="),
        ("{{ type(vars.n) == int }}", True),
        ("{{ has(vars.nothing) }}", False),
    ],
)
def test_one_expression_keeps_its_type(value, result):
    """A string that is one expression becomes its result, of whatever type."""
    assert resolve(value) == result
    assert type(resolve(value)) is type(result)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("n is {{ vars.n }}", "n is 3"),
        ("{{ vars.who }}{{ vars.n }}", "a3"),
        (" {{ vars.n }}", " 3"),
        ("{{ nodes.a.result }}!", '{"list":[1,2,3],"x":1}!'),
        ("{{ vars.text }} and {{ [vars.text] }}", 'ü and ["ü"]'),
        ("{{ vars.yes }}/{{ vars.none }}", "true/null"),
        (r"\{{ x }}", "{{ x }}"),
        (r"\{{ {{ vars.n }} }}", "{{ 3 }}"),
        ("a }} b", "a }} b"),
        ("a { b } c", "a { b } c"),
        ("", ""),
    ],
)
def test_an_expression_within_a_text(value, result):
    """Strings are put in as they are, everything else as JSON; a backslash makes braces literal."""
    answer = resolve(value)
    assert answer == result or sorted(answer) == sorted(result)


def test_nested_values_are_resolved_and_the_rest_is_kept():
    """Only what holds an expression is rebuilt; keys are never expressions."""
    kept = {"deep": [1, 2]}
    value = {"a": ["{{ vars.n }}", kept], "b": kept, "{{ vars.n }}": 1}
    answer = resolve(value)
    assert answer == {"a": [3, kept], "b": kept, "{{ vars.n }}": 1}
    assert answer["b"] is kept


@pytest.mark.parametrize("value", [None, 1, True, "text", "a } b", {"a": [1, {"b": "c"}]}, [], {}])
def test_nothing_to_resolve(value):
    """A value without expressions needs no template."""
    assert compile_value(value) is None


def test_a_marked_string_is_an_expression_as_a_whole():
    """Fields that are always expressions need no braces."""
    assert resolve(Expression("vars.n > 2")) is True


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("{{ 1 + }}", "column"),
        ("{{ }}", "empty"),
        ("{{ vars.n", "not closed"),
        ("{{ 'a }}", "column 1"),
        ("{{ secret.X }}", "did you mean secrets?"),
        ("{{ node.a }}", "did you mean nodes?"),
        ("{{ hello }}", "quotes"),
        ("{{ [1].map(e, f) }}", "unknown name f"),
        ("{{ " + "1+" * MAX_LENGTH + "1 }}", "not closed"),
        ("{{ " + "(" * 200 + "1" + ")" * 200 + " }}", "ecursion"),
    ],
    ids=lambda value: value[:20],
)
def test_a_bad_expression_is_found_at_submit(source, hint):
    """Each bad expression is told with its path and a hint, and compiling raises `bad_expression`."""
    ((path, message),) = survey({"a": [source]}).problems
    assert path == "a[0]"
    assert hint in message
    with pytest.raises(ExpressionError) as caught:
        compile_value(source)
    assert caught.value.code == "bad_expression"


def test_a_marked_expression_has_the_same_bound():
    """Without braces there is no closing to look for; the length is bounded all the same."""
    ((_, message),) = survey(Expression("1+" * MAX_LENGTH + "1")).problems
    assert str(MAX_LENGTH) in message


def test_all_problems_at_once_with_paths():
    """A survey names every bad expression, and where the good ones are."""
    found = survey({"good": "{{ vars.n }}", "x-y": "{{ 1 + }}", "list": [{"deep": "{{ foo }}"}], "open": "{{"})
    assert [path for path, _ in found.problems] == ['["x-y"]', "list[0].deep", "open"]
    assert found.paths == {"good", '["x-y"]', "list[0].deep", "open"}


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("{{ nodes.zz.result }}", "node zz has no result here"),
        ("{{ vars.nope }}", "there is no 'nope'"),
        ("{{ item.x }}", "item is known only inside a loop"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ vars.n + 1.5 }}", "No such overload"),
        ("{{ nope(1) }}", "'nope'"),
        ("{{ 9223372036854775807 + 1 }}", "overflow"),
    ],
)
def test_a_failure_names_node_field_and_expression(source, hint):
    """What fails when the node starts says where and why."""
    template = compile_value({"text": source})
    assert template is not None
    with pytest.raises(ExpressionError) as caught:
        template.resolve(SCOPE, node="n1")
    text = str(caught.value)
    assert text.startswith(f"node n1: text: {source}: ")
    assert hint in text
    assert caught.value.code == "expression_failed"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("nodes.a.result", {"nodes": {"a"}}),
        ("nodes . a . result", {"nodes": {"a"}}),
        ("nodes[ 'a' ].result + nodes.b.result", {"nodes": {"a", "b"}}),
        ("nodes.a.result + vars[nodes.b.result]", {"nodes": {"a", "b"}, "vars": None}),
        ("nodes['a' + 'b']", {"nodes": None}),
        (r"nodes['\x61']", {"nodes": None}),
        ("nodes.map(k, k)", {"nodes": None}),
        ("size(nodes)", {"nodes": None}),
        ("has(nodes.a)", {"nodes": {"a"}}),
        ("'nodes.a' + vars.nodes", {"vars": {"nodes"}}),
        ("item.nodes.b", {"item": None}),
        ("nodes.a // nodes.b", {"nodes": {"a"}}),
        ("1 + 1", {}),
        ("'", {}),
    ],
)
def test_references_are_found_or_all_is_taken(source, named):
    """What an expression names is told member by member; where that can not be told, all of it."""
    assert references(source) == {name: members and frozenset(members) for name, members in named.items()}


class Lazy(Mapping):
    """A mapping that remembers what it was asked for, and refuses to be copied."""

    def __init__(self):
        self.asked = []

    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        self.asked.append(key)
        return {"result": len(self.asked)}

    def __iter__(self):
        raise AssertionError("copied whole")

    def __len__(self):
        raise AssertionError("counted")


def test_only_what_is_named_is_taken_from_the_scope():
    """The scope may be lazy: single names, single members, and nothing for a config without expressions."""
    nodes = Lazy()
    asked = []

    def scope(name):
        asked.append(name)
        return {"nodes": nodes}[name]

    template = compile_value({"a": "{{ nodes.b.result }}", "c": "plain"})
    assert template is not None
    assert template.resolve(scope) == {"a": 1, "c": "plain"}
    assert asked == ["nodes"]
    assert nodes.asked == ["b"]


@pytest.mark.parametrize(
    "source", ["x.map(a, a)", "x.map(a, x.all(b, b == a))", "x.map(a, a).filter(b, true)", "(x + x).map(a, a)"]
)
def test_long_lists_in_macros_are_refused_at_once(source):
    """What would hold the event loop for longer than a second fails before it begins."""
    source = source.replace("x", "vars.long")
    began = time.monotonic()
    with pytest.raises(ExpressionError, match="too many"):
        resolve(Expression(source), {"vars": {"long": list(range(30_000))}})
    assert time.monotonic() - began < 1


def test_long_lists_may_be_searched():
    """A macro that copies nothing is linear, so a long list is fine."""
    assert resolve(Expression("vars.long.exists(a, a == 99999)"), {"vars": {"long": list(range(100_000))}}) is True


@pytest.mark.parametrize(
    ("text", "pattern", "found"), [("abc", "a.c", True), ("abc", "^b", False), ("a" * 40 + "!", "^(a+)+$", False)]
)
def test_regular_expressions_take_linear_time(text, pattern, found):
    """A pattern that hangs a backtracking engine does not hang this one."""
    assert matches(text, pattern) is found


def test_a_bad_pattern_is_a_value_error():
    """The pattern comes from a user."""
    with pytest.raises(ValueError, match=r"\("):
        matches("a", "(")


@given(st.text(alphabet="{}\\ '\"nodes.avrs[]()+1/*e,\n", max_size=60))
def test_no_text_breaks_the_compiler(text):
    """Any text is constant, a template, or a problem with a path; never another error, and never a wrong constant."""
    found = survey({"a": text})
    if found.problems:
        with pytest.raises(ExpressionError):
            compile_value({"a": text})
    else:
        template = compile_value({"a": text})
        assert (template is None) is ("{{" not in text)


@given(st.text(max_size=40), st.integers(-1000, 1000))
def test_literals_around_an_expression_are_kept(text, number):
    """What stands around an expression is in the result unchanged."""
    literal = text.replace("{{", "").replace("\\", "")
    if literal.endswith("{"):
        literal += " "
    assert resolve(f"{literal}{{{{ vars.n }}}}{literal}.", {"vars": {"n": number}}) == f"{literal}{number}{literal}."
