"""The contract of a task type, as tests to inherit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fledge import idl
from fledge.serialize import task_spec, task_template
from fledge.settings import Image, ImageConfig, SerializationSettings
from fledge.testing.parity import assert_parity

if TYPE_CHECKING:
    from fledge.container import PythonAutoContainerTask

__all__ = ["TaskContract"]

_SETTINGS = SerializationSettings(
    ImageConfig(Image("default", "example.org/image", "v1")), project="p", domain="d", version="v", env={"A": "1"}
)


class TaskContract:
    """Inherit, set the attributes, run pytest.

        class TestTrainTask(TaskContract):
            task = my_tasks.train        # a module variable, so that a container finds it
            inputs = {"rows": 3}

    Attributes:
        task: A task of the type under test, held by a module variable.
        inputs: Arguments of a call.
        settings: For serialization.
        runs_in_container: False for types that a hosted engine runs.
    """

    task: ClassVar[PythonAutoContainerTask[Any]]  # Any: of any config
    inputs: ClassVar[Mapping[str, Any]] = {}  # Any: as the task declares
    settings: ClassVar[SerializationSettings] = _SETTINGS
    runs_in_container: ClassVar[bool] = True

    def test_serializing_leaves_the_task_as_it_was(self) -> None:
        """The first of the tests: what is kept of a first time shows only then."""
        before = {name: repr(value) for name, value in vars(self.task).items() if not name.startswith("_lhs")}
        task_template(self.task, self.settings)
        after = {name: repr(value) for name, value in vars(self.task).items() if not name.startswith("_lhs")}
        assert before == after

    def test_serializing_twice_gives_equal_bytes(self) -> None:
        first, second = (idl.deterministic_bytes(task_spec(self.task, self.settings)) for _ in range(2))
        assert first == second

    def test_the_template_reads_back(self) -> None:
        template = task_template(self.task, self.settings)
        assert idl.tasks.TaskTemplate.FromString(idl.deterministic_bytes(template)) == template

    def test_other_settings_leave_no_trace(self) -> None:
        first = idl.deterministic_bytes(task_template(self.task, self.settings))
        task_template(
            self.task, SerializationSettings(project="other", domain="other", version="other", env={"B": "2"})
        )
        assert idl.deterministic_bytes(task_template(self.task, self.settings)) == first

    def test_the_resolver_finds_the_task_again(self) -> None:
        resolver = self.task.task_resolver
        assert resolver.load_task(resolver.loader_args(self.settings, self.task)) is self.task

    def test_a_call_leaves_the_task_as_it_was(self) -> None:
        before = idl.deterministic_bytes(task_template(self.task, self.settings))
        self.task(**self.inputs)
        assert idl.deterministic_bytes(task_template(self.task, self.settings)) == before

    def test_a_local_call_and_a_container_agree(self) -> None:
        if self.runs_in_container:
            assert_parity(self.task, **self.inputs)
