"""What may follow on the command line: files, the tasks in a file, a task's inputs. Sources are read, never imported.

In: what stands before the cursor. Out: click's completion items. bash ends words at colons, so it has a script of its
own here; zsh and fish use click's.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

__all__ = ["complete_options", "complete_target", "install"]

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def complete_target(incomplete: str) -> list[CompletionItem]:
    """For MODULE_OR_FILE:TASK. When one file only goes on like this, its tasks."""
    place, colon, name = incomplete.rpartition(":")
    if colon:
        return [CompletionItem(f"{place}:{one}") for one in _tasks_of(place) if one.startswith(name)]
    found = list(_paths(incomplete))
    if len(found) == 1 and found[0].endswith(".py"):
        return [CompletionItem(f"{found[0]}:{one}") for one in _tasks_of(found[0])] or [CompletionItem(found[0])]
    return [CompletionItem(path) for path in found]


def complete_options(target: str, given: list[str], incomplete: str) -> list[CompletionItem]:
    """The inputs of a task as options, or the values of the one that was written last; else files.

    Args:
        target: As on the command line.
        given: The words behind it.
        incomplete: The word at the cursor.
    """
    place, _, name = target.rpartition(":")
    tree = _tree(place)
    definition = _tasks(tree).get(name) if tree is not None else None
    inputs = {f"--{one.arg}": one.annotation for one in _arguments(definition)} if definition is not None else {}
    if incomplete.startswith("-"):
        known = {f"--{word.partition('=')[0][2:].replace('-', '_')}" for word in given}
        return [
            CompletionItem(option, help=ast.unparse(annotation) if annotation is not None else None)
            for option, annotation in inputs.items()
            if option.startswith(incomplete) and option not in known
        ]
    before = given[-1] if given else ""
    if not before.startswith("--"):
        return []
    annotation = inputs.get(f"--{before[2:].replace('-', '_')}")
    values = list(_values(annotation, tree)) if annotation is not None and tree is not None else []
    return [CompletionItem(one) for one in values if one.startswith(incomplete)] or [
        CompletionItem(incomplete, type="file")
    ]


# -- files -------------------------------------------------------------------------------------------------------------


def _paths(incomplete: str) -> Iterator[str]:
    """Folders, with a slash, and Python files that begin like this."""
    folder, _, start = incomplete.rpartition("/")
    try:
        entries = sorted(os.scandir(f"{folder}/" if "/" in incomplete else "."), key=lambda entry: entry.name)
    except OSError:  # no such folder: nothing goes on like this
        return
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name.startswith((".", "__pycache__")) and not start):
            continue
        path = f"{folder}/{entry.name}" if "/" in incomplete else entry.name
        if entry.is_dir():
            yield f"{path}/"
        elif entry.name.endswith(".py"):
            yield path


# -- sources -----------------------------------------------------------------------------------------------------------


def _tasks_of(place: str) -> list[str]:
    tree = _tree(place)
    return list(_tasks(tree)) if tree is not None else []


def _tree(place: str) -> ast.Module | None:
    """Of a file, or of a module below the working directory; None when there is none that can be read."""
    file = place if place.endswith(".py") or "/" in place else f"{place.replace('.', '/')}.py"
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _tasks(tree: ast.Module) -> dict[str, _Definition | None]:
    """Names that look like tasks or workflows: decorated functions, and what a call with such a name has made."""
    found: dict[str, _Definition | None] = {}
    for node in tree.body:
        if isinstance(node, _Definition) and any(map(_makes_task, node.decorator_list)):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _makes_task(node.value):
            found.update({one.id: None for one in node.targets if isinstance(one, ast.Name)})
    return found


def _makes_task(node: ast.expr) -> bool:
    """`task`, `fledge.task`, `sql_task(...)`, `DuckDBTask(...)`, `workflow`, `task(...)(function)`."""
    while isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lower().endswith(("task", "workflow"))


def _arguments(definition: _Definition) -> list[ast.arg]:
    given = definition.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def _values(annotation: ast.expr, tree: ast.Module) -> Iterator[str]:
    """The words for a bool, a `Literal` or an Enum of the same file."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        listed = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        yield from (str(one.value) for one in listed if isinstance(one, ast.Constant))
    elif isinstance(annotation, ast.Name) and annotation.id == "bool":
        yield from ("true", "false")
    elif isinstance(annotation, ast.Name):
        for node in tree.body:
            is_enum = isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases)
            if is_enum and node.name == annotation.id:  # type: ignore[attr-defined] # it is a class
                for line in node.body:  # type: ignore[attr-defined] # as above
                    if isinstance(line, ast.Assign):
                        yield from (one.id for one in line.targets if isinstance(one, ast.Name))


# -- bash --------------------------------------------------------------------------------------------------------------


class _Bash(ShellComplete):
    """Hands over the line as it is typed, and takes back only what follows the last place where bash ends a word."""

    name = "bash"
    source_template = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            *)
                COMPREPLY+=("$value")
                [[ $value == */ ]] && compopt -o nospace
                ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete %(prog_name)s)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
    _head = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        incomplete = words.pop() if words and not line[-1].isspace() else ""
        ends = [incomplete.rfind(sign) + 1 for sign in ":=" if sign in os.environ.get("COMP_WORDBREAKS", ":=")]
        self._head = incomplete[: max(ends, default=0)]
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{item.value.removeprefix(self._head)}"


def install() -> None:
    """Let click use the script for bash above."""
    add_completion_class(_Bash)
