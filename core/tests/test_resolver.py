"""How a container finds its task again: `load_task(loader_args(settings, t)) is t`, or an error with the way out."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.tests.support import fresh_process
from fledge import PythonTask, SerializationSettings, Task, TaskResolverMixin, task, task_template, workflow
from fledge.errors import DefinitionError, DuplicateTaskError, NotImportableError, TaskLoadError
from fledge.resolver import ClassBasedResolver, default_task_resolver, load_object
from fledge.tracking import TrackedInstance, importable_module_name

SETTINGS = SerializationSettings(project="p", domain="d", version="v")
MakeModule = Callable[..., ModuleType]
ONE_TASK = "from fledge import task\n@task\ndef t() -> int:\n    return 1\n"


def round_trip(t: Task, resolver: TaskResolverMixin = default_task_resolver) -> list[str]:
    """The loader arguments, once they have led back to the task."""
    args = resolver.loader_args(SETTINGS, t)
    assert resolver.load_task(args) is t
    return args


# -- the default resolver ----------------------------------------------------------------------------------------------


@task
def plain(a: int) -> int:
    return a


instance = PythonTask[None]("kind", "test.instance")
zulu = another_name = PythonTask[None]("kind", "test.aliased")


class Holder:
    held = PythonTask[None]("kind", "test.held")

    @task
    def method(a: int) -> int:
        return a


def test_the_location_is_importable() -> None:
    module, _, attribute = default_task_resolver.location.rpartition(".")
    assert getattr(importlib.import_module(module), attribute) is default_task_resolver
    assert default_task_resolver.name() == "DefaultTaskResolver"


def test_a_module_variable() -> None:
    assert round_trip(plain) == ["task-module", __name__, "task-name", "plain"]
    assert round_trip(instance) == ["task-module", __name__, "task-name", "instance"]


def test_a_class_attribute() -> None:
    assert round_trip(Holder.held)[-1] == "Holder.held"
    assert round_trip(Holder.method)[-1] == "Holder.method"


def test_of_two_names_the_alphabetically_first_counts() -> None:
    assert round_trip(zulu)[-1] == "another_name"


def test_a_task_that_replaced_a_decorated_function(module: MakeModule) -> None:
    written = module(
        """
        import functools
        from fledge import task

        def logged(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs) + 1
            return wrapper

        @task
        @logged
        def add(a: int, b: int) -> int:
            return a + b

        renamed = add
        del add
        """
    )
    assert round_trip(written.renamed)[-1] == "renamed"
    assert written.renamed(a=1, b=2) == 4


def test_a_task_that_a_factory_made_for_this_module(module: MakeModule) -> None:
    module(
        """
        from fledge import Interface, PythonTask

        def factory(name):
            return PythonTask("kind", name)
        """,
        name="factory_of_tasks",
    )
    user = module(
        """
        from factory_of_tasks import factory
        mine = factory("made elsewhere")
        """
    )
    assert round_trip(user.mine) == ["task-module", user.__name__, "task-name", "mine"]
    assert user.mine.instantiated_in == user.__name__
    assert user.mine.lhs == "mine"
    assert user.mine.location == f"{user.__name__}.made elsewhere"


def test_a_module_in_a_package_is_named_whole(module: MakeModule, tmp_path: Path) -> None:
    for folder in ("outer_package", "outer_package/inner"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "__init__.py").touch()
    written = module(
        "from fledge import task\n@task\ndef t() -> int:\n    return 1\n", name="outer_package.inner.tasks"
    )
    assert round_trip(written.t)[1] == "outer_package.inner.tasks"
    assert written.t.name == "outer_package.inner.tasks.t"
    for name in ("outer_package.inner", "outer_package"):
        sys.modules.pop(name, None)


def test_the_attribute_is_remembered_and_looked_at_again() -> None:
    tracked = instance.lhs
    assert tracked == instance.find_lhs() == "instance"


# -- what cannot be found ----------------------------------------------------------------------------------------------


def nested() -> Any:
    @task
    def inner(a: int) -> int:
        return a

    return inner


def test_a_nested_function_runs_here_and_says_what_a_container_needs() -> None:
    inner = nested()
    assert inner(a=1) == 1
    with pytest.raises(NotImportableError) as caught:
        default_task_resolver.loader_args(SETTINGS, inner)
    assert "Assign it to a module variable" in str(caught.value)
    assert "ClassBasedResolver" in str(caught.value)
    with pytest.raises(NotImportableError, match="module variable"):
        task_template(inner, SETTINGS)


def test_an_instance_in_no_variable_says_what_to_do() -> None:
    with pytest.raises(NotImportableError, match="no variable or class attribute"):
        default_task_resolver.loader_args(SETTINGS, PythonTask[None]("kind", "test.lost"))


def test_a_bare_task_needs_a_resolver_of_its_own() -> None:
    with pytest.raises(NotImportableError, match="Give it a task_resolver"):
        default_task_resolver.loader_args(SETTINGS, Task("kind", "bare", None))


def test_a_lambda_is_refused_when_it_is_made_a_task() -> None:
    with pytest.raises(DefinitionError, match="Write a function with def"):
        task(lambda a: a)


def test_a_task_of_a_task_is_refused() -> None:
    with pytest.raises(DefinitionError, match="is a task already"):
        task(plain)


@pytest.mark.parametrize("wraps", ["functools.wraps(f)", "lambda inner: inner"])
def test_a_decorator_above_the_task_says_to_put_it_below(module: MakeModule, wraps: str) -> None:
    made = module(
        "import functools\nfrom fledge import task\ntasks = []\n"
        f"def timed(f):\n    tasks.append(f)\n    @({wraps})\n    def inner(**given):\n        return f(**given)\n"
        "    return inner\n"
        "@timed\n@task\ndef t() -> int:\n    return 1\n"
    )
    way_out = "t is a function, not a task: a decorator stands above @task. Put @task on top, and functools.wraps into"
    with pytest.raises(TaskLoadError, match=rf"\.{way_out}"):
        default_task_resolver.load_task(["task-module", made.__name__, "task-name", "t"])
    with pytest.raises(NotImportableError, match=f"cannot be loaded by name: {way_out}"):
        default_task_resolver.loader_args(SETTINGS, made.tasks[0])


@pytest.mark.parametrize("typed", [False, True], ids=["-c", "-"])
def test_a_module_without_a_file_says_to_move_it_to_one(tmp_path: Path, typed: bool) -> None:
    source = (
        "from fledge import *\nfrom fledge import task, SerializationSettings, task_template\n"
        "@task\ndef t() -> int:\n    return 1\n"
        "try:\n    task_template(t, SerializationSettings())\n"
        "except Exception as exc:\n    print(type(exc).__name__, exc)\n"
    )
    done = fresh_process("-", cwd=tmp_path, typed=source) if typed else fresh_process("-c", source, cwd=tmp_path)
    assert "NotImportableError task __main__.t " in done.stdout, done.stderr
    assert "it is defined in a shell or notebook. Move it to a file" in done.stdout


LOAD = {
    "no module": (["task-module", "no_such_module", "task-name", "t"], "cannot be imported"),
    "no attribute": (["task-module", __name__, "task-name", "plian"], "did you mean 'plain'?"),
    "no nested attribute": (["task-module", __name__, "task-name", "Holder.hled"], "did you mean 'held'?"),
    "not a task": (["task-module", __name__, "task-name", "SETTINGS"], "is a SerializationSettings, not a task"),
    "too few": (["task-module", __name__], "not of the form"),
    "too many": (["task-module", __name__, "task-name", "plain", "more"], "not of the form"),
    "other words": (["a", __name__, "b", "plain"], "not of the form"),
    "none": ([], "not of the form"),
}


@pytest.mark.parametrize("case", LOAD)
def test_arguments_that_lead_nowhere_say_why(case: str) -> None:
    args, message = LOAD[case]
    with pytest.raises(TaskLoadError) as caught:
        default_task_resolver.load_task(args)
    assert message in str(caught.value)
    assert caught.value.loader_args == args
    assert isinstance(caught.value, ImportError)


def test_a_module_that_fails_keeps_its_cause(module: MakeModule, tmp_path: Path) -> None:
    (tmp_path / "fails_on_import.py").write_text("1 / 0\n")
    module("", name="somewhere_else")
    with pytest.raises(TaskLoadError, match="failed while it was imported: ZeroDivisionError") as caught:
        load_object("fails_on_import", "t")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_resolver_of_the_default_keeps_no_list() -> None:
    with pytest.raises(NotImplementedError):
        default_task_resolver.get_all_tasks()
    assert default_task_resolver.task_name(plain) is None


# -- the class-based resolver ------------------------------------------------------------------------------------------


by_position = ClassBasedResolver()
for _number in range(3):
    by_position.add(PythonTask("kind", f"test.numbered.{_number}"))


def test_tasks_are_found_by_position() -> None:
    for number, one in enumerate(by_position.get_all_tasks()):
        assert round_trip(one, by_position) == [str(number)]
    assert by_position.location == f"{__name__}.by_position"
    assert by_position.name() == "ClassBasedResolver"


def test_a_task_of_another_resolver_says_to_add_it() -> None:
    with pytest.raises(NotImportableError, match=r"Call add\(task\) at import"):
        by_position.loader_args(SETTINGS, instance)


@pytest.mark.parametrize("args", [["3"], ["-1"], ["x"], [""], [], ["0", "1"], ["²"]])
def test_a_position_that_does_not_exist_is_refused(args: list[str]) -> None:
    with pytest.raises(TaskLoadError, match="holds 3 tasks"):
        by_position.load_task(args)


def test_a_task_may_bring_its_resolver(module: MakeModule) -> None:
    written = module(
        """
        from fledge import task
        from fledge.resolver import ClassBasedResolver

        mine = ClassBasedResolver()

        def factory(number):
            @task(task_resolver=mine)
            def made(a: int) -> int:
                return a + number
            mine.add(made)
            return made

        made = [factory(number) for number in range(2)]
        """
    )
    container = task_template(written.made[1], SETTINGS).container
    assert list(container.args)[-4:] == ["--resolver", f"{written.__name__}.mine", "--", "1"]


def test_a_resolver_made_of_the_mixin_says_what_it_lacks() -> None:
    class Empty(TaskResolverMixin):
        pass

    empty = Empty()
    for call in (
        lambda: empty.location,
        lambda: empty.load_task([]),
        lambda: empty.loader_args(SETTINGS, plain),
        empty.get_all_tasks,
    ):
        with pytest.raises(NotImplementedError, match="Empty"):
            call()
    assert empty.name() == "Empty"
    assert empty.task_name(plain) is None


# -- names and definitions ---------------------------------------------------------------------------------------------


def test_a_task_is_named_by_module_and_function() -> None:
    assert plain.name == f"{__name__}.plain"
    assert nested().name == f"{__name__}.nested.inner"


def test_the_plain_function_is_at_hand() -> None:
    assert plain.task_function is plain.__wrapped__  # type: ignore[attr-defined] # functools sets it
    assert plain.task_function(4) == 4
    assert plain.__name__ == "plain"  # type: ignore[attr-defined] # functools sets it
    assert plain.__module__ == __name__


def test_redefining_a_task_in_its_own_file_replaces_it(module: MakeModule) -> None:
    written = module(ONE_TASK)
    path = Path(str(written.__file__))
    path.write_text(path.read_text().replace("return 1", "return 22"))
    importlib.reload(written)
    assert written.t() == 22
    round_trip(written.t)


def test_two_functions_of_one_name_in_one_file_are_refused(module: MakeModule) -> None:
    with pytest.raises(
        DuplicateTaskError, match=r"defined in \S*\.py:\d+ and again in \S*\.py:\d+. Rename one of them"
    ):
        module(ONE_TASK + ONE_TASK.partition("\n")[2])


def test_a_task_that_moved_in_its_file_is_made_again(module: MakeModule) -> None:
    written = module(ONE_TASK)
    path = Path(str(written.__file__))
    for text in ("\n\n\n\n" + path.read_text(), path.read_text()):
        path.write_text(text)
        importlib.reload(written)
    assert written.t() == 1


def test_a_cell_that_is_run_again_replaces_its_tasks(tmp_path: Path) -> None:
    """A notebook calls the code of each cell by a path of its own, at which there is no file."""
    for number in (1, 22):
        code = compile(ONE_TASK.replace("return 1", f"return {number}"), str(tmp_path / f"{number}.py"), "exec")
        cell: dict[str, Any] = {"__name__": "a_notebook"}  # Any: what the cell defines
        exec(code, cell)
        assert cell["t"]() == number


def test_one_name_in_two_files_is_refused(module: MakeModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(ONE_TASK).__name__
    other = tmp_path / "other"
    other.mkdir()
    (other / f"{name}.py").write_text(ONE_TASK)
    monkeypatch.syspath_prepend(other)
    sys.modules.pop(name)
    with pytest.raises(DuplicateTaskError, match=f"task {name}.t is defined in .*and again in .*other"):
        importlib.import_module(name)


def test_a_tracked_instance_knows_no_name_of_its_own() -> None:
    with pytest.raises(NotImplementedError):
        _ = TrackedInstance().name


# -- scripts -----------------------------------------------------------------------------------------------------------


SCRIPT = """
    import sys
    print("imported", __name__)
    from fledge import PythonTask, SerializationSettings, task
    from fledge.resolver import default_task_resolver

    @task
    def add(a: int, b: int) -> int:
        return a + b

    instance = PythonTask("kind", "of.a.script")

    if __name__ == "__main__":
        for t in (add, instance):
            args = default_task_resolver.loader_args(SerializationSettings(), t)
            print(args, default_task_resolver.load_task(args) is t)
        print(add.name, instance.lhs)
"""


def test_a_script_is_run_once_and_its_tasks_go_by_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "my_script.py").write_text(textwrap.dedent(SCRIPT))
    done = fresh_process("my_script.py", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "imported __main__",
        "['task-module', 'my_script', 'task-name', 'add'] True",
        "['task-module', 'my_script', 'task-name', 'instance'] True",
        "my_script.add instance",
    ], done.stderr


def test_a_script_in_a_package_goes_by_its_full_name(tmp_path: Path) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "my_script.py").write_text(textwrap.dedent(SCRIPT))
    for arguments in (("some_package/my_script.py",), ("-m", "some_package.my_script")):
        done = fresh_process(*arguments, cwd=tmp_path)
        assert "['task-module', 'some_package.my_script', 'task-name', 'add'] True" in done.stdout, done.stderr
        assert done.stdout.count("imported") == 1


def test_a_package_run_as_a_module_goes_by_its_main_file(tmp_path: Path) -> None:
    package = tmp_path / "run_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(textwrap.dedent(SCRIPT))
    done = fresh_process("-m", "run_package", cwd=tmp_path)
    assert "['task-module', 'run_package.__main__', 'task-name', 'add'] True" in done.stdout, done.stderr
    assert done.stdout.count("imported") == 1


def test_a_module_goes_by_its_name() -> None:
    assert importable_module_name(sys.modules[__name__]) == __name__


# -- tasks made while a workflow is compiled ---------------------------------------------------------------------------


def test_a_task_made_in_the_body_of_a_workflow_keeps_its_name_and_no_container_is_promised_it() -> None:
    made: list[Task] = []

    @workflow
    def flow(a: int) -> int:
        @task
        def inner(a: int) -> int:
            return a + 1

        made.append(inner)
        return inner(a=a)

    assert flow(a=1) == 2
    assert made[0].name.endswith(".inner")
    with pytest.raises(NotImportableError, match="inner"):
        task_template(made[0], SETTINGS)
