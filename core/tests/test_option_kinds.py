"""Options of another kind than declared are refused when the task is defined."""

from __future__ import annotations

import pytest

from fledge import PythonTask, TaskMetadata, task
from fledge.errors import DefinitionError


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"enable_deck": "no"}, "task name: enable_deck='no': give True or False"),
        ({"environment": {"A": 1}}, "task name: environment={'A': 1}: 1 must be text. Write '1'"),
        ({"docs": "x"}, r"task name: docs='x': write docs=Documentation\('x'\)"),
    ],
    ids=["deck", "environment", "docs"],
)
def test_an_option_of_another_kind_is_refused_with_what_to_write(options: dict[str, object], match: str) -> None:
    with pytest.raises(DefinitionError, match=match):
        PythonTask("kind", "name", **options)  # type: ignore[arg-type] # the mistake


def test_a_task_made_by_the_decorator_takes_the_fields_of_its_metadata_by_name() -> None:
    def counts(a: int) -> int:
        return a

    with pytest.raises(DefinitionError, match=r"@task takes the fields of TaskMetadata: @task\(retries=2\)"):
        task(metadata=TaskMetadata(retries=2))(counts)  # type: ignore[call-overload] # the mistake
