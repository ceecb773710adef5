"""Where tasks stand: the line of each, and the tree of all of them, as text."""

import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Final

from trio.lowlevel import Task

__all__ = ["below", "draw", "line", "place"]

_LIBRARIES: Final = ("site-packages", sysconfig.get_path("stdlib"))
"""What the path of code has in it that nobody here can change."""

_PATHS: Final[dict[CodeType, tuple[str, bool]]] = {}
"""Code → its path, and whether it is a library's. A scenario stands at the same few lines again and again."""


def line(task: Task) -> str:
    """The innermost line that is not trio's, as `path:number`; behind the innermost of ours, if it is in a library."""
    ours = theirs = ""
    for frame, number in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "")
        if module != "trio" and not module.startswith("trio."):
            path, library = _path(frame.f_code)
            if library:
                theirs = f"{path}:{number}"
            else:
                ours, theirs = f"{path}:{number}", ""
    if ours and theirs:
        return f"{ours} in {theirs}"
    return ours or theirs or f"end of {task.name}"


def place(code: CodeType, number: int) -> str:
    """A line of code, as `path:number`: from the working directory on, or the file and its folder alone."""
    return f"{_path(code)[0]}:{number}"


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


def _path(code: CodeType) -> tuple[str, bool]:
    if code not in _PATHS:
        path, here = Path(code.co_filename), Path.cwd()
        library = any(part in code.co_filename for part in _LIBRARIES)
        inside = path.is_relative_to(here) and not library
        _PATHS[code] = (str(path.relative_to(here) if inside else Path(*path.parts[-2:])), library)
    return _PATHS[code]
