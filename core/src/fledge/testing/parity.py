"""One task, three ways: a direct call, a container's run in a fresh process, and the same bytes through the container
path in this process. They have to agree on the value, its type, or the error.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fledge import idl
from fledge.container import PythonAutoContainerTask
from fledge.context import FlyteContextManager
from fledge.errors import CallError, FledgeError, IgnoreOutputs
from fledge.like_container import ContainerRun, run_like_container, write_inputs
from fledge.storage import LiveStore, materialize

__all__ = ["ParityError", "assert_parity"]

IGNORED = "<outputs ignored>"
_LAST_BLOCK = re.compile(r"\n\n(?=[A-Za-z_]\w*: )")  # an error document ends in "TypeName: message"


class ParityError(FledgeError, AssertionError):
    """A task gives different results in different kinds of run. Fields: `task_name`, `results` (kind -> result)."""

    origin = "USER"

    def __init__(self, task_name: str, results: Mapping[str, object]) -> None:
        listed = "\n".join(f"  {kind}: {result!r}" for kind, result in results.items())
        super().__init__(f"task {task_name} does not give the same everywhere:\n{listed}")
        self.task_name, self.results = task_name, dict(results)


def assert_parity(task: PythonAutoContainerTask[Any], **inputs: Any) -> object:  # Any: as the task declares
    """Run the task locally, and in a fresh process as a container does; return the local value.

    An exception counts by type name and message. Values are compared with `==` and by type, tables and frames by their
    own `equals`, files by content.

    A task that raises the same everywhere gives its error as text: look at what comes back.

    Raises:
        ParityError: They differ.
        CallError: It is no task that a container runs, but a workflow for example.
    """
    if not isinstance(task, PythonAutoContainerTask):
        name = getattr(task, "name", repr(task))
        raise CallError(name, f"a {type(task).__name__} is run by no container. Compare the tasks it is made of")
    with tempfile.TemporaryDirectory(prefix="fledge-parity-") as name:
        folder = Path(name)
        results = {
            "direct call": _direct(task, inputs),
            "container path, this process": _in_process(task, inputs, folder / "here"),
            "container, fresh process": _of_run(task, run_like_container(task, inputs, folder / "there")),
        }
        first = results["direct call"]
        if not all(_same(first, other) for other in results.values()):
            raise ParityError(task.name, results)
        return first


def _direct(task: PythonAutoContainerTask[Any], inputs: Mapping[str, Any]) -> object:  # Any: as the task declares
    try:
        return task(**inputs)
    except IgnoreOutputs:
        return IGNORED
    except Exception as exc:  # noqa: BLE001 - an error is a result like any other here
        return f"{type(exc).__name__}: {exc}"


def _in_process(task: PythonAutoContainerTask[Any], inputs: Mapping[str, Any], folder: Path) -> object:  # Any: as above
    ctx = FlyteContextManager.current_context()
    try:
        data = write_inputs(task, inputs, folder).read_bytes()
        storage = ctx.storage.with_(raw_prefix=str(folder / "raw"), live=LiveStore())
        outputs = task.sandbox_execute(ctx.with_(storage=storage), idl.literals.LiteralMap.FromString(data))
        return _values(task, materialize(outputs, storage))
    except IgnoreOutputs:
        return IGNORED
    except Exception as exc:  # noqa: BLE001 - an error is a result like any other here
        return f"{type(exc).__name__}: {exc}"


def _of_run(task: PythonAutoContainerTask[Any], done: ContainerRun) -> object:  # Any: of any config
    if done.error is not None:
        return _LAST_BLOCK.split(done.error.error.message)[-1].rstrip()
    return IGNORED if done.outputs is None else _values(task, done.outputs)


def _values(task: PythonAutoContainerTask[Any], outputs: Any) -> object:  # Any: of any config; a LiteralMap
    ctx = FlyteContextManager.current_context()
    converters = task.python_interface.compile(ctx.registry).outputs
    values = [
        converter.to_python(outputs.literals[name], ctx.storage, f"outputs.{name}")
        for name, converter in converters.items()
    ]
    if not values:
        return None
    if len(values) == 1 and task.python_interface.output_tuple_name is None:
        return values[0]
    return task.python_interface.output_tuple(*values)


def _same(first: Any, second: Any) -> bool:  # Any: values of any type
    if type(first) is not type(second):
        return False
    if isinstance(first, (tuple, list)):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if hasattr(first, "__fspath__"):
        return _bytes_of(first) == _bytes_of(second)
    if hasattr(first, "equals"):
        return bool(first.equals(second))
    both_nan = first != first and second != second  # noqa: PLR0124 - only NaN differs from itself
    return bool(first == second) or both_nan


def _bytes_of(path_like: Any) -> object:  # Any: a FlyteFile, FlyteDirectory or path
    path = Path(path_like)
    if path.is_dir():
        return {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}
    return path.read_bytes()
