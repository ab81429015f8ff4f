"""Task and PythonTask: construction, calls, what comes out, and errors that stay themselves."""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.support import literal_map
from fledge import (
    DeckField,
    Documentation,
    ExecutionParameters,
    ExecutionState,
    FlyteContextManager,
    IgnoreOutputs,
    Interface,
    PythonTask,
    Task,
    TaskMetadata,
    current_context,
    idl,
    kwtypes,
    task,
)
from fledge.docstrings import Docstring
from fledge.errors import CallError, DefinitionError, MetadataError, OutputError, TypeConversionError, origin_of
from fledge.promise import Promise, VoidPromise


class Calls(PythonTask[None]):
    """Records the steps of a run; gives back what it was made with."""

    def __init__(
        self, result: Any = None, outputs: Any = None, tuple_name: str | None = None, **kwargs: Any
    ) -> None:  # Any: results and outputs of any kind are under test
        interface = Interface(kwtypes(a=int), outputs, tuple_name)
        super().__init__("calls", "test.calls", interface=interface, **kwargs)
        self.result = result
        self.steps: list[str] = []

    def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters | None:
        self.steps.append("pre_execute")
        return user_params

    def execute(self, **kwargs: Any) -> Any:  # Any: as the API declares it
        self.steps.append(f"execute {kwargs}")
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def post_execute(self, user_params: ExecutionParameters | None, rval: Any) -> Any:  # Any: as the API declares it
        self.steps.append("post_execute")
        return rval


# -- the bare task -----------------------------------------------------------------------------------------------------


def test_a_bare_task_keeps_what_it_is_given() -> None:
    typed = Interface(kwtypes(a=int)).to_typed_interface(FlyteContextManager.current_context().registry)
    security = idl.security.SecurityContext()
    docs, metadata = Documentation("short"), TaskMetadata(retries=2)
    bare = Task("kind", "name", typed, metadata, 3, security, docs)
    assert (bare.task_type, bare.name, bare.task_type_version) == ("kind", "name", 3)
    assert bare.interface is typed
    assert bare.metadata is metadata
    assert bare.security_context is security
    assert bare.docs is docs
    assert bare.python_interface is None
    assert bare.get_input_types() is None


def test_metadata_falls_back_to_the_defaults() -> None:
    assert Task("kind", "name", None).metadata == TaskMetadata()


def test_an_interface_of_none_is_an_empty_one() -> None:
    assert Task("kind", "name", None).interface == idl.interface.TypedInterface()
    nothing = PythonTask[None]("kind", "name")
    assert not nothing.interface.inputs.variables
    assert nothing.python_interface == Interface()


def test_a_misspelt_argument_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DefinitionError, match=r"task t: unknown argument 'enviroment'; did you mean 'environment'\?"):
        PythonTask("kind", "t", enviroment={})


def test_a_bare_task_answers_with_the_values_own_types() -> None:
    bare = Task("kind", "name", None)
    assert bare.get_type_for_input_var("a", 3) is int
    assert bare.get_type_for_output_var("o0", "x") is str


@pytest.mark.parametrize(
    "hook", ["get_container", "get_k8s_pod", "get_sql", "get_custom", "get_config", "get_extended_resources"]
)
def test_the_six_hooks_say_nothing_by_default(hook: str) -> None:
    from fledge import SerializationSettings

    assert getattr(Task("kind", "name", None), hook)(SerializationSettings()) is None


def test_what_a_bare_task_does_not_do_says_so() -> None:
    bare = Task("kind", "name", None)
    context = FlyteContextManager.current_context()
    empty = idl.literals.LiteralMap()
    for call in (
        lambda: bare.compile(context),
        lambda: bare.local_execute(context),
        lambda: bare.dispatch_execute(context, empty),
        lambda: bare.sandbox_execute(context, empty),
        bare.execute,
    ):
        with pytest.raises(NotImplementedError, match="name"):
            call()
    with pytest.raises(CallError, match="without a Python interface"):
        bare()


def test_a_bare_task_runs_as_a_local_task() -> None:
    assert Task("kind", "name", None).local_execution_mode() is ExecutionState.Mode.LOCAL_TASK_EXECUTION
    assert [(mode.name, mode.value) for mode in ExecutionState.Mode] == [
        ("TASK_EXECUTION", 1),
        ("LOCAL_WORKFLOW_EXECUTION", 2),
        ("LOCAL_TASK_EXECUTION", 3),
        ("DYNAMIC_TASK_EXECUTION", 4),
        ("EAGER_EXECUTION", 5),
        ("EAGER_LOCAL_EXECUTION", 6),
        ("LOCAL_DYNAMIC_TASK_EXECUTION", 7),
    ]


def test_making_a_task_registers_it_nowhere() -> None:
    import weakref

    reference = weakref.ref(PythonTask[None]("kind", "name"))
    gc.collect()
    assert reference() is None


# -- construction ------------------------------------------------------------------------------------------------------


def test_construction_keeps_config_and_environment() -> None:
    given_environment = {"A": "1"}
    made = PythonTask("kind", "name", task_config={"workers": 2}, environment=given_environment)
    given_environment["A"] = "changed"
    assert made.task_config == {"workers": 2}
    assert made.environment == {"A": "1"}
    assert PythonTask("kind", "name").environment == {}


def test_decks_are_off_by_default() -> None:
    made = PythonTask[None]("kind", "name")
    assert made.enable_deck is False
    assert made.deck_fields == []


def test_deck_fields_are_members_each_once() -> None:
    made = PythonTask[None]("kind", "name", enable_deck=True, deck_fields=("Input", DeckField.INPUT, DeckField.OUTPUT))  # type: ignore[arg-type] # plain text is under test
    assert made.deck_fields == [DeckField.INPUT, DeckField.OUTPUT]
    assert all(isinstance(field, DeckField) for field in made.deck_fields)
    assert PythonTask("kind", "name", enable_deck=True, deck_fields=None).deck_fields == []
    assert len(PythonTask("kind", "name", enable_deck=True).deck_fields) == 5


@pytest.mark.parametrize("enabled", [True, False])
def test_a_deck_field_that_does_not_exist_is_refused_also_while_decks_are_off(enabled: bool) -> None:
    with pytest.raises(DefinitionError, match="deck field 'Inputs' is not one of Input, Output"):
        PythonTask("kind", "name", enable_deck=enabled, deck_fields=("Inputs",))  # type: ignore[arg-type] # the mistake


@pytest.mark.parametrize("disabled", [True, False])
def test_disable_deck_is_the_deprecated_negation(disabled: bool) -> None:
    with pytest.warns(FutureWarning, match="use enable_deck"):
        made = PythonTask[None]("kind", "name", disable_deck=disabled)
    assert made.enable_deck is not disabled
    with pytest.warns(DeprecationWarning, match="use enable_deck"):
        assert made.disable_deck is disabled


@pytest.mark.parametrize("disabled", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_both_deck_flags_at_once_are_refused(disabled: bool, enabled: bool) -> None:
    with pytest.raises(DefinitionError, match="Keep enable_deck"):
        PythonTask("kind", "name", disable_deck=disabled, enable_deck=enabled)


def test_docs_come_from_the_docstring_unless_given() -> None:
    interface = Interface(docstring=Docstring("short", "long"))
    assert PythonTask("kind", "name", interface=interface).docs == Documentation("short", "long")
    explicit = Documentation("mine")
    assert PythonTask("kind", "name", interface=interface, docs=explicit).docs is explicit
    assert PythonTask("kind", "name").docs is None


def test_declared_types_are_looked_up_by_name() -> None:
    made = Calls(outputs=kwtypes(o0=str))
    assert made.get_type_for_input_var("a", "ignored") is int
    assert made.get_type_for_output_var("o0", 3) is str
    assert made.get_input_types() == {"a": int}
    with pytest.raises(KeyError):
        made.get_type_for_input_var("b", 1)


def test_an_input_that_does_not_exist_cannot_be_ignored_by_the_cache() -> None:
    metadata = TaskMetadata(cache=True, cache_version="1", cache_ignore_input_vars=("aa",))
    with pytest.raises(MetadataError, match=r"no input 'aa'; did you mean 'a'\?"):
        Calls(metadata=metadata)
    with pytest.raises(MetadataError, match="no input 'aa'"):

        @task(cache=True, cache_version="1", cache_ignore_input_vars=("aa",))
        def function(a: int) -> int:
            return a


# -- calls -------------------------------------------------------------------------------------------------------------


@task
def add(a: int, b: int = 10) -> int:
    return a + b


@given(a=st.integers(-(2**62), 2**62 - 1), b=st.integers(-(2**62), 2**62))
def test_a_call_gives_what_the_function_gives(a: int, b: int) -> None:
    assert add(a, b) == add(a=a, b=b) == add(a, b=b) == a + b


def test_a_default_counts_in_a_call() -> None:
    assert add(a=1) == 11


def test_a_default_of_an_instance_task_counts_too() -> None:
    class Instance(PythonTask[None]):
        def execute(self, **kwargs: Any) -> int:  # Any: as the API declares it
            return int(kwargs["a"]) + int(kwargs["b"])

    made = Instance("kind", "name", interface=Interface({"a": int, "b": (int, 5)}, kwtypes(o0=int)))
    assert made(a=1) == 6
    with pytest.raises(CallError, match="missing input a: int"):
        made()


def test_the_steps_of_a_run_come_in_order() -> None:
    made = Calls(3, kwtypes(o0=int))
    assert made(a=1) == 3
    assert made.steps == ["pre_execute", "execute {'a': 1}", "post_execute"]


def test_execute_called_by_hand_converts_nothing() -> None:
    assert add.execute(a=1.5, b=2) == 3.5


def test_a_task_that_calls_a_task_gets_its_value() -> None:
    @task
    def outer(a: int) -> int:
        return add(a=a) * 2

    assert outer(a=1) == 22


def test_calling_leaves_the_task_as_it_was() -> None:
    made = Calls(3, kwtypes(o0=int))
    made.steps = []
    before = {name: value for name, value in vars(made).items() if name != "steps"}
    made(a=1)
    assert {name: value for name, value in vars(made).items() if name != "steps"} == before


def test_local_execute_gives_promises_that_hold_literals() -> None:
    context = FlyteContextManager.current_context()
    promise = Calls(3, kwtypes(o0=int)).local_execute(context, a=1)
    assert isinstance(promise, Promise)
    assert promise.is_ready
    assert promise.eval() == 3
    pair = Calls((1, "x"), kwtypes(x=int, y=str), "Pair").local_execute(context, a=1)
    assert type(pair).__name__ == "Pair"
    assert [one.var for one in pair] == ["x", "y"]
    void = Calls(None).local_execute(context, a=1)
    assert isinstance(void, VoidPromise)
    assert void.task_name == "test.calls"


def test_local_execute_takes_promises_for_values() -> None:
    context = FlyteContextManager.current_context()
    made = Calls(3, kwtypes(o0=int))
    made.local_execute(context, a=Promise("a", literal_map(x=7).literals["x"]))
    assert made.steps[1] == "execute {'a': 7}"
    with pytest.raises(CallError, match="task void has no outputs to pass on"):
        made.local_execute(context, a=VoidPromise("void"))
    with pytest.raises(CallError, match="no input is called 'z'"):
        made.local_execute(context, z=1)


def test_dispatch_execute_is_literals_in_and_literals_out() -> None:
    context = FlyteContextManager.current_context()
    assert Calls(3, kwtypes(o0=int)).dispatch_execute(context, literal_map(a=1)) == literal_map(o0=3)
    assert Calls(None).dispatch_execute(context, literal_map(a=1)) == idl.literals.LiteralMap()


def test_a_ready_literal_map_goes_out_as_it_is() -> None:
    ready = literal_map(o0=5)
    context = FlyteContextManager.current_context()
    assert Calls(ready, kwtypes(o0=int)).dispatch_execute(context, literal_map(a=1)) is ready
    assert Calls(ready, kwtypes(o0=int))(a=1) == 5


def test_an_input_that_does_not_fit_is_told_with_its_path() -> None:
    with pytest.raises(TypeConversionError, match=r"test\.calls\.inputs\.a: expected int, got str 'x'"):
        Calls(3, kwtypes(o0=int))(a="x")


# -- what comes out ----------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    x: int
    y: str


GOOD = {
    "one": (3, kwtypes(o0=int), None, 3),
    "a list as one": ([1, 2], kwtypes(o0=list[int]), None, [1, 2]),
    "tuple": ((1, "s"), kwtypes(x=int, y=str), None, (1, "s")),
    "list for several": ([1, "s"], kwtypes(x=int, y=str), None, (1, "s")),
    "named tuple": (Pair(1, "s"), kwtypes(x=int, y=str), "Pair", (1, "s")),
    "mapping by name": ({"y": "s", "x": 1}, kwtypes(x=int, y=str), None, (1, "s")),
    "one in a named tuple": ((1,), kwtypes(x=int), "Single", (1,)),
    "one with a tuple name": (1, kwtypes(x=int), "Single", (1,)),
    "nothing": (None, None, None, None),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_execute_returns_becomes_the_outputs(case: str) -> None:
    result, outputs, tuple_name, expected = GOOD[case]
    given_back = Calls(result, outputs, tuple_name)(a=1)
    assert given_back == expected
    if isinstance(expected, tuple):
        assert type(given_back).__name__ == (tuple_name or "DefaultNamedTupleOutput")
        assert given_back._fields == tuple(outputs or ())


BAD = {
    "something for nothing": (3, None, None, "declares no outputs and returned a value of type int"),
    "nothing for one": (None, kwtypes(o0=int), None, "expected int, got NoneType None"),
    "tuple for one": ((1, 2), kwtypes(o0=int), None, "returned a tuple of 2 for its one output 'o0'"),
    "nothing for two": (None, kwtypes(x=int, y=str), None, "declares 2 outputs (x, y) and returned a NoneType"),
    "too few": ((1,), kwtypes(x=int, y=str), None, "declares 2 outputs (x, y) and returned 1 values"),
    "too many": ((1, "s", 3), kwtypes(x=int, y=str), None, "declares 2 outputs (x, y) and returned 3 values"),
    "text for two": ("ab", kwtypes(x=str, y=str), None, "declares 2 outputs (x, y) and returned a str"),
    "other names": ({"x": 1, "z": 2}, kwtypes(x=int, y=int), None, "declares 2 outputs (x, y) and returned a dict"),
    "wrong type": ((1, 2), kwtypes(x=int, y=str), None, "test.calls.outputs.y: expected str, got int 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_result_that_does_not_fit_is_one_clear_error_of_the_user(case: str) -> None:
    result, outputs, tuple_name, message = BAD[case]
    with pytest.raises((OutputError, TypeConversionError)) as caught:
        Calls(result, outputs, tuple_name)(a=1)
    assert message in str(caught.value)
    assert "test.calls" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert origin_of(caught.value) == "USER"


def test_a_map_that_lacks_an_output_is_told_by_names() -> None:
    with pytest.raises(OutputError, match=r"declares outputs \['o0'\] and gave \['other'\]"):
        Calls(literal_map(other=1), kwtypes(o0=int))(a=1)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [KeyError("k", 3), OSError(2, "gone"), SystemExit(3)], ids=lambda error: type(error).__name__
)
def test_an_exception_reaches_the_caller_as_the_same_object_with_a_note(error: BaseException) -> None:
    args = error.args
    with pytest.raises(type(error)) as caught:
        Calls(error, kwtypes(o0=int))(a=1)
    assert caught.value is error
    assert caught.value.args == args
    assert caught.value.__notes__ == ["in task test.calls"]
    assert origin_of(error) == "USER"


def test_each_task_on_the_way_is_noted_once() -> None:
    error = ValueError("x")
    inner = Calls(error, kwtypes(o0=int))

    @task
    def outer(a: int) -> int:
        return inner(a=a)  # type: ignore[no-any-return] # the inner task's value

    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            outer(a=1)
    assert error.__notes__ == ["in task test.calls", f"in task {outer.name}"]


def test_a_keyboard_interrupt_is_nobodys_error() -> None:
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as caught:
        Calls(error, kwtypes(o0=int))(a=1)
    assert not hasattr(caught.value, "__notes__")


class Leaving(IgnoreOutputs):
    pass


@pytest.mark.parametrize("step", ["pre_execute", "execute", "post_execute"])
def test_ignored_outputs_reach_a_local_caller_as_they_were_raised(step: str) -> None:
    error = Leaving("not the leader")

    class Ignoring(Calls):
        pass

    def leave(*_: object, **__: object) -> None:
        raise error

    made = Ignoring(3, kwtypes(o0=int))
    setattr(made, step, leave)
    with pytest.raises(IgnoreOutputs) as caught:
        made(a=1)
    assert caught.value is error
    assert not hasattr(error, "__notes__")


def test_ignored_outputs_of_an_inner_task_pass_through_the_outer_one() -> None:
    error = Leaving()
    inner = Calls(error, kwtypes(o0=int))

    @task
    def outer(a: int) -> int:
        return inner(a=a)  # type: ignore[no-any-return] # the inner task's value

    with pytest.raises(Leaving) as caught:
        outer(a=1)
    assert caught.value is error


# -- hooks of the task -------------------------------------------------------------------------------------------------


def test_pre_execute_may_add_an_attribute_for_the_user() -> None:
    class Session(Calls):
        def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters | None:
            assert user_params is not None
            return user_params.with_attribute("session", "open")

        def execute(self, **kwargs: Any) -> Any:  # Any: as the API declares it
            return current_context().get("SESSION")

    assert Session(None, kwtypes(o0=str))(a=1) == "open"
    assert not current_context().has_attr("session")


def test_pre_execute_that_returns_none_changes_nothing() -> None:
    class Silent(Calls):
        def pre_execute(self, user_params: ExecutionParameters | None) -> None:
            return None

        def execute(self, **kwargs: Any) -> Any:  # Any: as the API declares it
            return current_context().task_id

    assert Silent(None, kwtypes(o0=str))(a=1) == "test.calls"


def test_post_execute_may_replace_the_result() -> None:
    class Doubling(Calls):
        def post_execute(
            self, user_params: ExecutionParameters | None, rval: Any
        ) -> Any:  # Any: as the API declares it
            return rval * 2

    assert Doubling(4, kwtypes(o0=int))(a=1) == 8


def test_a_method_replaced_on_the_instance_is_the_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(add, "execute", lambda **kwargs: 99)
    assert add(a=1) == 99


# -- nodes' metadata ---------------------------------------------------------------------------------------------------


def test_node_metadata_is_the_tasks_own() -> None:
    made = Calls(metadata=TaskMetadata(retries=2, timeout=3, interruptible=True))
    message = made.construct_node_metadata()
    assert message.name == "calls"
    assert message.retries.retries == 2
    assert message.timeout.seconds == 3
    assert message.interruptible
    plain = Calls().construct_node_metadata()
    assert not plain.HasField("timeout")
    assert plain.WhichOneof("interruptible_value") is None
