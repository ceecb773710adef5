"""The built-in kinds of node, collected: `Registry.builtin()` loads what this namespace holds."""

from actors.nodes.data import condition, log_line, set_variables, switch
from actors.nodes.flow import break_loop, continue_loop, end, fail, loop, subflow, wait
from actors.nodes.page import click, screenshot, start, type_text
from actors.nodes.people import input_request
from actors.nodes.programs import command
from actors.nodes.web import http

__all__ = [
    "break_loop",
    "click",
    "command",
    "condition",
    "continue_loop",
    "end",
    "fail",
    "http",
    "input_request",
    "log_line",
    "loop",
    "screenshot",
    "set_variables",
    "start",
    "subflow",
    "switch",
    "type_text",
    "wait",
]
