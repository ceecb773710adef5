"""Where tasks stand: the line of each, and the tree of all of them, as text."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Final

from trio.lowlevel import Task

__all__ = ["below", "draw", "line"]

_PATHS: Final[dict[CodeType, str]] = {}
"""Where code is from; a scenario stands at the same few lines again and again."""


def line(task: Task) -> str:
    """The innermost line of its code that is not trio's, as `path:number`; else its name and what is known."""
    found = f"end of {task.name}"
    for frame, number in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "")
        if module != "trio" and not module.startswith("trio."):
            found = f"{_path(frame.f_code)}:{number}"
    return found


def below(task: Task) -> Iterator[Task]:
    """The task and all of its children; a parent comes before them."""
    rest = [task]
    while rest:
        yield (one := rest.pop())
        rest += [child for nursery in one.child_nurseries for child in nursery.child_tasks]


def draw(root: Task, *, age: Callable[[Task], int], notes: Callable[[Task], str]) -> str:
    """The tree, one task a line with where it stands.

    Args:
        root: the uppermost.
        age: siblings are sorted by it.
        notes: said behind a task; may be empty.
    """
    lines: list[str] = []
    rest = [(root, 0)]
    while rest:
        task, depth = rest.pop()
        lines.append(f"{'  ' * depth}{task.name}  {line(task)}{notes(task)}")
        children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        rest += [(child, depth + 1) for child in sorted(children, key=age, reverse=True)]
    return "\n".join(lines)


def _path(code: CodeType) -> str:
    if code not in _PATHS:
        path = Path(code.co_filename)
        here = Path.cwd()
        _PATHS[code] = str(path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[-2:]))
    return _PATHS[code]
