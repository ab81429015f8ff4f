"""What a call accepts, what reaches the caller when something fails, and how a task behaves as an object."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from fledge import (
    IgnoreOutputs,
    Interface,
    PythonTask,
    RecoverableError,
    Task,
    TaskMetadata,
    VoidPromise,
    current_context,
    kwtypes,
    task,
)
from fledge.resolver import ClassBasedResolver
from tests.parity.programs import Sdk


class Odd(Exception):
    """An exception whose constructor needs two arguments."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Out(NamedTuple):
    number: int
    text: str


@task
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@task
def fails_with_key(a: int) -> int:
    if a:
        raise KeyError("k")
    return a


@task
def fails_oddly(a: int) -> int:
    if a:
        raise Odd(a, "odd")
    return a


@task
def ignores(a: int) -> int:
    if a:
        raise IgnoreOutputs("not mine")
    return a


@task
def gives_text(a: int) -> int:
    return "x"  # type: ignore[return-value] # the mistake


@task
def gives_none(a: int) -> int:
    return None  # type: ignore[return-value] # the mistake


@task
def gives_tuple(a: int) -> int:
    return a, a  # type: ignore[return-value] # the mistake


@task
def gives_one_of_two(a: int) -> tuple[int, str]:
    return (a,)  # type: ignore[return-value] # the mistake


@task
def gives_three_of_two(a: int) -> tuple[int, str]:
    return a, "x", a  # type: ignore[return-value] # the mistake


@task
def gives_mapping(a: int) -> Out:
    return {"number": a, "text": "x"}  # type: ignore[return-value] # by name


@task
def gives_without_outputs(a: int) -> None:
    return a  # type: ignore[return-value] # the mistake


@task
def none(a: int) -> None:
    return None


@task
def calls_another(a: int) -> int:
    return add(a=a) + 1


@task(environment={"PARITY_VARIABLE": "set"})
def reads_environment() -> str:
    return os.environ.get("PARITY_VARIABLE", "not set")


attempts: list[int] = []


@task(retries=2)
def recovers() -> int:
    attempts.append(1)
    if len(attempts) < 3:
        raise RecoverableError("again")
    return len(attempts)


@task(deprecated="use another one")
def old() -> int:
    return 1


@task(timeout=timedelta(milliseconds=20))
def slow() -> str:
    Event().wait(0.3)
    return "finished"


@task(retries=3, timeout=9, interruptible=True)
def busy(a: int) -> int:
    return a


@task
def works_in_a_folder() -> str:
    return str(current_context().working_directory)


class Thing:
    """A class that no transformer knows."""


def loose(a) -> int:  # type: ignore[no-untyped-def] # noqa: ANN001 - the mistake
    return 1


def many(*args: int) -> int:
    return 1


def defaults_to_text(a: int = "three") -> int:  # type: ignore[assignment] # the mistake
    return a


def counts(a: int) -> int:
    return a


older_counts = counts


def counts(a: int) -> int:  # type: ignore[no-redef] # the mistake
    return a + 1


def only_raises() -> int:
    raise ValueError


def one_in_a_tuple() -> tuple[int]:
    return (1,)


def plain_function() -> int:
    return 1


def takes_a_thing(t: Thing) -> int:
    return 1


class Adder(PythonTask[None]):
    def __init__(self, name: str, interface: Interface | None = None) -> None:
        super().__init__("adder", name, interface=interface)

    def execute(self, **kwargs: Any) -> Any:  # Any: as declared
        return sorted(kwargs) or None


with_default = Adder("with_default", Interface({"a": (int, 5), "b": int}, {"o0": list[str]}))
without_interface = Adder("without_interface")
aliased = renamed = Adder("aliased", Interface(kwtypes(a=int), kwtypes(o0=list[str])))
resolver = ClassBasedResolver()
resolver.add(add)


def caught(error: type[BaseException], call: Any, **kwargs: Any) -> Any:  # Any: a task and what it takes
    try:
        call(**kwargs)
    except error as exc:
        return exc
    return None


def observe_unknown_keyword(sdk: Sdk) -> object:
    return add(a=1, c=2)  # type: ignore[call-arg] # the mistake


def observe_too_many_positionals(sdk: Sdk) -> object:
    return add(1, 2, 3)  # type: ignore[call-arg] # the mistake


def observe_given_twice(sdk: Sdk) -> object:
    return add(1, a=2)  # type: ignore[misc] # the mistake


def observe_missing_input(sdk: Sdk) -> object:
    return add()  # type: ignore[call-arg] # the mistake


def observe_positional(sdk: Sdk) -> object:
    return [add(1), add(1, 2), add(1, b=5)]


def observe_wrong_input_type(sdk: Sdk) -> object:
    return add(a="x")  # type: ignore[arg-type] # the mistake


def observe_float_for_int(sdk: Sdk) -> object:
    return add(a=1.5)  # type: ignore[arg-type] # the mistake


def observe_bool_for_int(sdk: Sdk) -> object:
    return add(a=True)


def observe_int_too_large(sdk: Sdk) -> object:
    return add(a=2**63)


def observe_none_for_int(sdk: Sdk) -> object:
    return add(a=None)  # type: ignore[arg-type] # the mistake


def observe_user_exception_class(sdk: Sdk) -> object:
    return type(caught(KeyError, fails_with_key, a=1)).__name__


def observe_user_exception_arguments(sdk: Sdk) -> object:
    return caught(KeyError, fails_with_key, a=1).args


def observe_exception_with_arguments(sdk: Sdk) -> object:
    error = caught(Odd, fails_oddly, a=7)
    return [type(error).__name__, error.code, error.args]


def observe_ignored_outputs_reach_the_caller(sdk: Sdk) -> object:
    return type(caught(IgnoreOutputs, ignores, a=1)).__name__


def observe_ignored_outputs_text(sdk: Sdk) -> object:
    return caught(IgnoreOutputs, ignores, a=1).args


def observe_wrong_output_type(sdk: Sdk) -> object:
    return gives_text(a=1)


def observe_none_for_output(sdk: Sdk) -> object:
    return gives_none(a=1)


def observe_tuple_for_one_output(sdk: Sdk) -> object:
    return gives_tuple(a=1)


def observe_too_few_outputs(sdk: Sdk) -> object:
    return gives_one_of_two(a=1)


def observe_too_many_outputs(sdk: Sdk) -> object:
    return gives_three_of_two(a=1)


def observe_outputs_by_name(sdk: Sdk) -> object:
    return gives_mapping(a=1)


def observe_output_without_annotation(sdk: Sdk) -> object:
    return gives_without_outputs(a=1)


def observe_no_outputs_give_none(sdk: Sdk) -> object:
    return none(a=1)


def observe_task_inside_a_task(sdk: Sdk) -> object:
    return calls_another(a=1)


def observe_environment_of_a_local_run(sdk: Sdk) -> object:
    return reads_environment()


def observe_retries_of_a_local_run(sdk: Sdk) -> object:
    attempts.clear()
    return recovers()


def observe_deprecation_of_a_local_run(sdk: Sdk) -> object:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        old()
    return [one.category.__name__ for one in found if "use another one" in str(one.message)]


def observe_timeout_of_a_local_run(sdk: Sdk) -> object:
    return slow()


def observe_folder_after_a_local_run(sdk: Sdk) -> object:
    return Path(works_in_a_folder()).exists()


def observe_execute_by_hand(sdk: Sdk) -> object:
    return add.execute(a=1, b=2)


def observe_interface_defaults_of_a_task_class(sdk: Sdk) -> object:
    return with_default(b=1)


def observe_missing_input_of_a_task_class(sdk: Sdk) -> object:
    return with_default(a=1)


def observe_task_without_interface(sdk: Sdk) -> object:
    return without_interface()


def observe_names_of_a_task(sdk: Sdk) -> object:
    return [
        add.name,
        add.task_type,
        add.task_type_version,
        aliased.name,
        aliased.task_type,
        add.python_interface.inputs,
    ]


def observe_interface_text(sdk: Sdk) -> object:
    return [add.python_interface.inputs_with_defaults, add.python_interface.outputs]


def observe_types_by_name(sdk: Sdk) -> object:
    return [add.get_type_for_input_var("a", 1), add.get_type_for_output_var("o0", 1), add.get_input_types()]


def observe_type_of_unknown_name(sdk: Sdk) -> object:
    return add.get_type_for_input_var("zzz", 1)


def observe_function_stays_reachable(sdk: Sdk) -> object:
    return [add.task_function(1, 2), add.__name__, add.__doc__]  # type: ignore[attr-defined] # a function's own names


def observe_where_a_task_lives(sdk: Sdk) -> object:
    return [aliased.instantiated_in, aliased.lhs, aliased.find_lhs()]


def observe_hooks_of_a_task_class(sdk: Sdk) -> object:
    return [aliased.get_custom(None), aliased.get_container(None), aliased.get_sql(None), aliased.get_k8s_pod(None)]  # type: ignore[arg-type] # no settings


def observe_local_execution_mode(sdk: Sdk) -> object:
    return add.local_execution_mode().name


def observe_bare_task_is_callable(sdk: Sdk) -> object:
    return Task("bare", "bare", None)(a=1)


def observe_bare_task_runs(sdk: Sdk) -> object:
    return Task("bare", "bare", None).dispatch_execute(None, None)  # type: ignore[arg-type] # nothing to run


def observe_void_promise_text(sdk: Sdk) -> object:
    return "t" in repr(VoidPromise("t"))


def observe_void_promise_truth(sdk: Sdk) -> object:
    return bool(VoidPromise("t"))


def observe_void_promise_equality(sdk: Sdk) -> object:
    return VoidPromise("t") == 1


def observe_resolver_finds_the_task(sdk: Sdk) -> object:
    args = add.task_resolver.loader_args(None, add)  # type: ignore[arg-type] # no settings
    return [args, add.task_resolver.load_task(args) is add]


def observe_resolver_without_arguments(sdk: Sdk) -> object:
    return add.task_resolver.load_task([])


def observe_resolver_with_a_wrong_name(sdk: Sdk) -> object:
    return add.task_resolver.load_task(["task-module", __name__, "task-name", "ghost"])


def observe_resolver_with_a_wrong_module(sdk: Sdk) -> object:
    return add.task_resolver.load_task(["task-module", "no.such.module", "task-name", "ghost"])


def observe_class_resolver(sdk: Sdk) -> object:
    return [resolver.loader_args(None, add), resolver.load_task(["0"]) is add, len(resolver.get_all_tasks())]  # type: ignore[arg-type] # no settings


def observe_class_resolver_negative(sdk: Sdk) -> object:
    return resolver.load_task(["-1"]) is add


def observe_class_resolver_out_of_range(sdk: Sdk) -> object:
    return resolver.load_task(["9"])


def observe_class_resolver_unknown_task(sdk: Sdk) -> object:
    return resolver.loader_args(None, aliased)  # type: ignore[arg-type] # no settings


def observe_node_metadata(sdk: Sdk) -> object:
    made = busy.construct_node_metadata()
    message = made.to_flyte_idl() if hasattr(made, "to_flyte_idl") else made
    return [message.name, message.retries.retries, message.timeout.seconds, message.interruptible]


def observe_metadata_of_a_task(sdk: Sdk) -> object:
    m = add.metadata
    return [isinstance(m, TaskMetadata), m.retries, m.cache]


def observe_unannotated_parameter(sdk: Sdk) -> object:
    return task(loose).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_default_of_another_type(sdk: Sdk) -> object:
    return task(defaults_to_text).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_two_tasks_of_one_name(sdk: Sdk) -> object:
    return task(older_counts).name == task(counts).name  # type: ignore[attr-defined,unused-ignore] # tasks


def observe_variable_parameters(sdk: Sdk) -> object:
    return task(many).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_function_that_only_raises(sdk: Sdk) -> object:
    return task(only_raises).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_bare_tuple_output(sdk: Sdk) -> object:
    return task(one_in_a_tuple).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_unknown_config(sdk: Sdk) -> object:
    return task(task_config=Event())(plain_function).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_unknown_class(sdk: Sdk) -> object:
    return task(takes_a_thing).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_task_of_a_task(sdk: Sdk) -> object:
    return task(add).task_type  # type: ignore[attr-defined,unused-ignore] # a task


def observe_task_in_a_function(sdk: Sdk) -> object:
    def inner(a: int) -> int:
        return a

    return task(inner)(a=2)


def observe_lambda(sdk: Sdk) -> object:
    return task(lambda: 1).task_type  # type: ignore[attr-defined,unused-ignore] # a task
