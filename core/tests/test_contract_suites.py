"""The contract suites find what they are there to find: each defect fails the test that names it, and no right one."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fledge import SerializationSettings, TypeTransformer, hookimpl, task
from fledge.function import PythonFunctionTask
from fledge.testing import PluginContract, TaskContract, TransformerContract
from fledge.types.converter import PlainForm
from fledge.types.mismatch import Mismatch

Suite = PluginContract | TaskContract | TransformerContract


def failures(suite: Suite) -> set[str]:
    """The names of the suite's tests that fail, without `test_`; they run in the order of the file, as in pytest."""
    found = set()
    for name in vars(type(suite).__base__):
        if name.startswith("test_"):
            try:
                getattr(suite, name)()
            except Exception:  # noqa: BLE001 - a test fails by whatever it raises
                found.add(name.removeprefix("test_"))
    return found


# -- plugins -----------------------------------------------------------------------------------------------------------

PLUGINS = {
    "nothing": ("", set()),
    "every hook": (
        """
        @hookimpl
        def get_custom(task): return {"k": [1, None, {"m": "x"}]}
        @hookimpl
        def get_config(): return {"k": "v"}
        @hookimpl
        def task_event(event): pass
        @hookimpl
        def render(value): return "<b>1</b>" if value == 1 else None
        """,
        set(),
    ),
    "no hook API": ("del HOOK_API", {"it_states_the_hook_api", "its_hooks_keep_the_spec"}),
    "unknown hook": ("@hookimpl\ndef get_costum(): pass", {"its_hooks_keep_the_spec"}),
    "wrong argument": ("@hookimpl\ndef get_custom(taks): pass", {"its_hooks_keep_the_spec"}),
    "order": ("@hookimpl(tryfirst=True)\ndef get_custom(): pass", {"its_hooks_keep_the_spec"}),
    "no mark": ("def get_config(): return {'k': 'v'}", {"what_is_named_like_a_hook_is_marked"}),
    "registration": ("@hookimpl\ndef register_types(register): register(3)", {"its_hooks_keep_the_spec"}),
    "thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        {"importing_its_hook_module_changes_nothing"},
    ),
    "environment": ("import os\nos.environ['X_OF_A_PLUGIN'] = '1'", {"importing_its_hook_module_changes_nothing"}),
    "path": ("import sys\nsys.path.append('/nowhere')", {"importing_its_hook_module_changes_nothing"}),
    "signal": (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
        {"importing_its_hook_module_changes_nothing"},
    ),
    "heavy": ("import torch", {"its_hook_module_is_light"}),
    "impure": (
        "import itertools\ncount = itertools.count()\n@hookimpl\ndef get_custom(): return {'k': next(count)}",
        {"its_contributions_are_pure_and_json"},
    ),
    "not JSON": ("@hookimpl\ndef get_custom(): return {'k': {1}}", {"its_contributions_are_pure_and_json"}),
    "changes settings": (
        "@hookimpl\ndef get_config(settings): settings.env['A'] = '1'",
        {"its_contributions_are_pure_and_json"},
    ),
    "raises in a contribution": (
        "@hookimpl\ndef get_sql(): raise LookupError",
        {"its_contributions_are_pure_and_json"},
    ),
    "raises at an event": (
        "@hookimpl\ndef task_event(event):\n    if hasattr(event, 'error'): raise LookupError",
        {"it_survives_every_event"},
    ),
    "renders what it is given": (
        "@hookimpl\ndef render(value): return f'<p>{value}</p>'",
        {"it_renders_text_or_nothing"},
    ),
    "renders no text": ("@hookimpl\ndef render(value): return 1", {"it_renders_text_or_nothing"}),
}
ELSEWHERE = {  # need what fails first
    "it_can_be_registered_in_many_contexts",
    "its_contributions_are_pure_and_json",
    "what_is_named_like_a_hook_is_marked",
}


@pytest.mark.parametrize("case", PLUGINS)
def test_a_plugins_defect_fails_the_test_for_it(
    module: Callable[..., ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    source, expected = PLUGINS[case]
    (tmp_path / "torch.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "environ", dict(os.environ) if case == "environment" else os.environ)
    handler = signal.getsignal(signal.SIGTERM)
    body = textwrap.dedent(source).replace("\n", "\n        ")
    written = module(
        f"""
        from fledge import hookimpl
        HOOK_API = 1
        {body}
        """
    )
    signal.signal(signal.SIGTERM, handler)

    class Contract(PluginContract):
        pass

    Contract.module = written.__name__
    found = failures(Contract())
    if "its_hooks_keep_the_spec" in expected:
        found -= ELSEWHERE
    assert found == expected


# -- task types --------------------------------------------------------------------------------------------------------


class Counting(PythonFunctionTask[None]):
    """Serialized differently each time."""

    count = itertools.count()

    def get_custom(self, settings: SerializationSettings) -> dict[str, int]:
        return {"number": next(self.count)}


class Remembering(PythonFunctionTask[None]):
    """Keeps the settings it is serialized with."""

    seen: SerializationSettings | None = None

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        self.seen = self.seen or settings
        return {"version": self.seen.version or ""}


class Learning(PythonFunctionTask[None]):
    """Changes when it is called."""

    calls = 0

    def execute(self, **kwargs: Any) -> int:
        self.calls += 1
        return 1

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        return {"calls": str(self.calls)}


def one() -> int:
    return 1


@task
def right(a: int = 1) -> int:
    return a


@task
def where() -> int:
    return os.getpid()


def lost_task() -> PythonFunctionTask[Any]:
    @task
    def lost() -> int:
        return 1

    return lost


counting = Counting(None, one)
remembering = Remembering(None, one)
learning = Learning(None, one)
TASKS: dict[str, tuple[PythonFunctionTask[Any], set[str]]] = {
    "right": (right, set()),
    "impure": (
        counting,
        {
            "serializing_twice_gives_equal_bytes",
            "other_settings_leave_no_trace",
            "a_call_leaves_the_task_as_it_was",
        },
    ),
    "remembers": (remembering, {"serializing_leaves_the_task_as_it_was"}),
    "learns": (learning, {"a_call_leaves_the_task_as_it_was"}),
    "differs": (where, {"a_local_call_and_a_container_agree"}),
    "in no module": (
        lost_task(),
        {
            "serializing_twice_gives_equal_bytes",
            "serializing_leaves_the_task_as_it_was",
            "the_template_reads_back",
            "other_settings_leave_no_trace",
            "the_resolver_finds_the_task_again",
            "a_call_leaves_the_task_as_it_was",
            "a_local_call_and_a_container_agree",
        },
    ),
}


@pytest.mark.parametrize("case", TASKS)
def test_a_task_types_defect_fails_the_test_for_it(case: str) -> None:
    subject, expected = TASKS[case]
    subject.__dict__.pop("seen", None)

    class Contract(TaskContract):
        task = subject

    assert failures(Contract()) == expected


# -- transformers ------------------------------------------------------------------------------------------------------


@dataclass
class Money:
    cents: int


class Right(TypeTransformer[Money]):
    def __init__(self) -> None:
        super().__init__("money", Money)

    def literal_type(self, python_type: Any, registry: Any) -> Any:
        return registry.literal_type(int)

    def to_literal(self, value: Money, python_type: Any, registry: Any, storage: Any, path: str) -> Any:
        if not isinstance(value, Money):
            raise TypeError("no money")
        return registry.to_literal(value.cents, int, storage, path)

    def to_python(self, literal: Any, python_type: Any, registry: Any, storage: Any, path: str) -> Money:
        return Money(registry.to_python(literal, int, storage, path))


class Lossy(Right):
    def to_python(self, literal: Any, python_type: Any, registry: Any, storage: Any, path: str) -> Money:
        return Money(registry.to_python(literal, int, storage, path) // 10 * 10)


class Spending(Right):
    def to_literal(self, value: Money, python_type: Any, registry: Any, storage: Any, path: str) -> Any:
        literal = super().to_literal(value, python_type, registry, storage, path)
        value.cents = 0
        return literal


class Generous(Right):
    def to_literal(self, value: Any, python_type: Any, registry: Any, storage: Any, path: str) -> Any:
        return registry.to_literal(int(getattr(value, "cents", 0)), int, storage, path)


class Changing(Right):
    kinds = itertools.cycle([int, str])

    def literal_type(self, python_type: Any, registry: Any) -> Any:
        return registry.literal_type(next(self.kinds))


class WithForm(Right):
    """Also inside dataclasses, and written on the command line."""

    def plain_form(self, python_type: Any, registry: Any) -> PlainForm:
        return PlainForm(self.pack, self.unpack, self.schema)

    def pack(self, value: Any, storage: Any) -> object:
        if type(value) is not Money:
            raise Mismatch(Money, value)
        return value.cents

    def unpack(self, plain: Any, storage: Any) -> object:
        return Money(plain)

    def schema(self) -> Any:
        return {"type": "integer"}


class PacksAnything(WithForm):
    def pack(self, value: Any, storage: Any) -> object:
        return getattr(value, "cents", 0)


class PacksNothingPlain(WithForm):
    def pack(self, value: Any, storage: Any) -> object:
        return (super().pack(value, storage), object())


class UnpacksLess(WithForm):
    def unpack(self, plain: Any, storage: Any) -> object:
        return Money(plain - 1)


class OneArgument(WithForm):
    def plain_form(self, python_type: Any, registry: Any) -> PlainForm:
        return PlainForm(lambda value: value.cents, Money, self.schema)  # type: ignore[misc, arg-type] # the mistake


class SchemaIsADict(WithForm):
    def plain_form(self, python_type: Any, registry: Any) -> PlainForm:
        return PlainForm(self.pack, self.unpack, self.schema())


class SchemaIsNoJson(WithForm):
    def schema(self) -> Any:
        return {"type": int}


class NoForm(WithForm):
    def plain_form(self, python_type: Any, registry: Any) -> Any:
        return {"pack": self.pack}


INSIDE = "values_survive_inside_a_dataclass"
OTHERS = "its_plain_form_refuses_values_of_another_class"
TRANSFORMERS: dict[str, tuple[type[Right], set[str]]] = {
    "right": (Right, set()),
    "right, with a plain form": (WithForm, set()),
    "packs anything": (PacksAnything, {OTHERS}),
    "packs nothing plain": (PacksNothingPlain, {INSIDE}),
    "unpacks less": (UnpacksLess, {INSIDE}),
    "pack and unpack of one argument": (OneArgument, {INSIDE}),
    "a schema of no JSON": (SchemaIsNoJson, {"the_schema_of_its_plain_form_is_json"}),
    "a schema that is no function": (SchemaIsADict, {"*"}),
    "no plain form": (NoForm, {"*"}),
    "lossy": (Lossy, {"values_survive_the_round_trip", "values_survive_inside_lists_and_dicts"}),
    "changes the value": (Spending, {"conversion_leaves_the_value_alone", "values_survive_the_round_trip"}),
    "takes anything": (Generous, {"bad_values_are_refused_with_their_path"}),
    "changes its type": (Changing, {"the_literal_type_is_always_the_same"}),
}


@pytest.mark.parametrize("case", TRANSFORMERS)
def test_a_transformers_defect_fails_the_test_for_it(case: str) -> None:
    transformer, expected = TRANSFORMERS[case]

    class Hooks:
        HOOK_API = 1

        @staticmethod
        @hookimpl
        def register_types(register: Callable[[Any], None]) -> None:
            register(transformer())

    class Contract(TransformerContract):
        hooks = Hooks
        python_type = Money
        values = (Money(1), Money(250))
        bad_values = ("1 EUR", 1)

    found = failures(Contract())
    assert (INSIDE in found and len(found) > 5) if expected == {"*"} else found == expected
