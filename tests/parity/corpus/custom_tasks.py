"""Programs that derive their own task types: with custom JSON, config, SQL, decks, hooks and resolvers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fledge import (
    ExecutionParameters,
    Interface,
    PythonFunctionTask,
    PythonTask,
    TaskMetadata,
    idl,
    kwtypes,
    task,
)
from fledge.resolver import ClassBasedResolver
from tests.parity.calls import called_with

Settings = Any  # Any: the settings of either SDK


@dataclass
class Query:
    """The config of a task type."""

    text: str
    workers: int = 1


class Shout(PythonTask[None]):
    def __init__(self, name: str, **options: Any) -> None:  # Any: options of the base class
        super().__init__("shout", name, interface=Interface(kwtypes(s=str), kwtypes(o0=str)), **options)

    def execute(self, **kwargs: Any) -> str:  # Any: as declared
        return str(kwargs["s"]).upper()


class Custom(PythonTask[Query]):
    def __init__(self, name: str, config: Query, custom: Mapping[str, Any] | None) -> None:  # Any: JSON
        super().__init__(
            "custom", name, config, interface=Interface(kwtypes(n=int), kwtypes(o0=int)), task_type_version=3
        )
        self.custom = custom

    def get_custom(self, settings: Settings) -> Mapping[str, Any] | None:  # Any: JSON
        return self.custom

    def get_config(self, settings: Settings) -> Mapping[str, str] | None:
        assert self.task_config is not None
        return {"text": self.task_config.text, "workers": str(self.task_config.workers)}

    def execute(self, **kwargs: Any) -> int:  # Any: as declared
        return int(kwargs["n"]) + 1


class Select(PythonTask[None]):
    def __init__(self, name: str, statement: str) -> None:
        super().__init__("sql", name, interface=Interface(kwtypes(day=str), kwtypes(rows=int)))
        self.statement = statement

    def get_sql(self, settings: Settings) -> Any:  # Any: idl.tasks.Sql
        return idl.tasks.Sql(statement=self.statement, dialect=idl.tasks.Sql.Dialect.HIVE)

    def execute(self, **kwargs: Any) -> int:  # Any: as declared
        return len(self.statement)


class Hooked(PythonTask[None]):
    """Changes its result after `execute`."""

    def __init__(self, name: str) -> None:
        super().__init__("hooked", name, interface=Interface(kwtypes(a=int), kwtypes(first=int, second=str)))

    def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters | None:
        self.before = user_params is not None
        return user_params

    def execute(self, **kwargs: Any) -> tuple[int, str]:  # Any: as declared
        return int(kwargs["a"]), "x"

    def post_execute(self, user_params: ExecutionParameters | None, rval: Any) -> Any:  # Any: of execute
        number, text = rval
        return number + 1, text * 3


class Silent(PythonTask[None]):
    def __init__(self, name: str) -> None:
        super().__init__("silent", name, interface=Interface(kwtypes(a=int)))

    def execute(self, **kwargs: Any) -> None:  # Any: as declared
        return None


class Defaulting(PythonTask[None]):
    def __init__(self, name: str) -> None:
        interface = Interface({"a": (int, 5), "b": str}, {"c": str}, output_tuple_name="Out")
        super().__init__("defaulting", name, interface=interface, environment={"A": "1"})

    def execute(self, **kwargs: Any) -> str:  # Any: as declared
        return f"{kwargs['a']}{kwargs['b']}"


class Traced(PythonFunctionTask[Query]):
    """A function task of a type of its own."""

    def get_custom(self, settings: Settings) -> Mapping[str, Any]:  # Any: JSON
        assert self.task_config is not None
        return {"text": self.task_config.text, "workers": self.task_config.workers}


shout = called_with({"s": "quiet"}, {"s": ""})(Shout("shout"))
shout_dotted = called_with({"s": "ß"})(Shout("team.project.shout"))
shout_deck = Shout("shout_deck", enable_deck=True)
shout_metadata = Shout("shout_metadata", metadata=TaskMetadata(retries=3, cache=True, cache_version="1"))
shout_security = Shout(
    "shout_security",
    security_ctx=idl.security.SecurityContext(
        run_as=idl.security.Identity(iam_role="role", k8s_service_account="account"),
        secrets=[idl.security.Secret(group="g", key="k", mount_requirement=idl.security.Secret.MountType.ENV_VAR)],
    ),
)
custom = called_with({"n": 1})(Custom("custom", Query("select 1"), {"a": 1, "b": "x", "c": True, "d": None}))
custom_nested = Custom(
    "custom_nested", Query("select 1", 4), {"list": [1, "x", {"y": [2.5]}], "map": {"k": {"l": False}}}
)
custom_none = Custom("custom_none", Query(""), None)
custom_empty = Custom("custom_empty", Query(""), {})
select = called_with({"day": "2024-01-01"})(Select("select", "select count(*) from t where d = '{{ .inputs.day }}'"))
hooked = called_with({"a": 1})(Hooked("hooked"))
silent = called_with({"a": 1})(Silent("silent"))
defaulting = called_with({"a": 1, "b": "x"})(Defaulting("defaulting"))


def _double(n: int) -> int:
    """Double it.

    Args:
        n: what to double
    """
    return 2 * n


traced = called_with({"n": 4})(Traced(Query("trace", 2), _double, task_type="traced"))

resolver = ClassBasedResolver()


@task(task_resolver=resolver)
def held(a: int) -> int:
    return a


resolver.add(held)
