"""Errors: their classes, fields and messages; notes; and that they survive a trip through pickle."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from fledge import errors
from fledge.errors import FledgeError, add_note, ignores_outputs, mark_user_error, nearest, origin_of, short_repr

EXAMPLES: dict[str, tuple[FledgeError, type[Exception], str, str, bool]] = {
    # (error, the builtin to catch it by, code, origin, recoverable)
    "DefinitionError": (errors.DefinitionError("m"), ValueError, "USER:DefinitionError", "USER", False),
    "UnsupportedTypeError": (
        errors.UnsupportedTypeError("t.inputs.a", set, "Use list"),
        TypeError,
        "USER:UnsupportedTypeError",
        "USER",
        False,
    ),
    "MetadataError": (errors.MetadataError("retries", -1, "r"), ValueError, "USER:MetadataError", "USER", False),
    "UnknownConfigError": (
        errors.UnknownConfigError("t", dict, "Install it"),
        ValueError,
        "USER:UnknownConfigError",
        "USER",
        False,
    ),
    "ClaimConflictError": (
        errors.ClaimConflictError("type x", "a", "b"),
        ValueError,
        "USER:ClaimConflictError",
        "USER",
        False,
    ),
    "NotImportableError": (
        errors.NotImportableError("t", "lost"),
        ValueError,
        "USER:NotImportableError",
        "USER",
        False,
    ),
    "DuplicateTaskError": (
        errors.DuplicateTaskError("t", "a.py", "b.py"),
        ValueError,
        "USER:DuplicateTaskError",
        "USER",
        False,
    ),
    "CallError": (errors.CallError("t", "missing", "a"), TypeError, "USER:CallError", "USER", False),
    "TypeConversionError": (
        errors.TypeConversionError("inputs.a", int, "x", "why"),
        TypeError,
        "USER:TypeConversionError",
        "USER",
        False,
    ),
    "OutputError": (errors.OutputError("t", "m"), TypeError, "USER:OutputError", "USER", False),
    "RecoverableError": (errors.RecoverableError("m"), Exception, "USER:RecoverableError", "USER", True),
    "NonRecoverableError": (errors.NonRecoverableError("m"), Exception, "USER:NonRecoverableError", "USER", False),
    "TaskTimeoutError": (errors.TaskTimeoutError("t", 1.5), TimeoutError, "USER:TaskTimeoutError", "USER", False),
    "TaskLoadError": (errors.TaskLoadError("m", ["a"]), ImportError, "USER:TaskLoadError", "USER", False),
    "StorageError": (errors.StorageError("s3://b", "gone"), OSError, "SYSTEM", "SYSTEM", True),
    "LiveValueError": (errors.LiveValueError("u", "ended"), Exception, "SYSTEM", "SYSTEM", False),
    "SerializationError": (errors.SerializationError("m"), Exception, "USER:SerializationError", "USER", False),
    "ContributionConflictError": (
        errors.ContributionConflictError("custom", "k", "a", "b", (1, 2)),
        Exception,
        "USER:ContributionConflictError",
        "USER",
        False,
    ),
    "TargetConflictError": (
        errors.TargetConflictError("t", {"sql": "a"}),
        Exception,
        "USER:TargetConflictError",
        "USER",
        False,
    ),
    "PluginError": (errors.PluginError("p", "m"), Exception, "SYSTEM", "SYSTEM", False),
    "PluginLoadError": (errors.PluginLoadError("p", "m"), Exception, "SYSTEM", "SYSTEM", False),
    "HookApiError": (errors.HookApiError("p", "m"), Exception, "SYSTEM", "SYSTEM", False),
    "HookCallError": (errors.HookCallError("p", "get_custom", "t", "m"), Exception, "SYSTEM", "SYSTEM", False),
}


def test_every_error_is_in_the_table() -> None:
    classes = {
        name
        for name in errors.__all__
        if isinstance(getattr(errors, name), type) and name not in ("FledgeError", "IgnoreOutputs")
    }
    assert set(EXAMPLES) == classes


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_error_says_what_the_platform_and_users_need(name: str) -> None:
    error, builtin, code, origin, recoverable = EXAMPLES[name]
    assert isinstance(error, builtin)
    assert (error.code, error.origin, error.recoverable) == (code, origin, recoverable)
    assert origin_of(error) == origin
    assert str(error)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_error_survives_pickle_with_its_fields_and_notes(name: str) -> None:
    error = EXAMPLES[name][0]
    add_note(error, "a note")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (back.args, str(back), vars(back)) == (error.args, str(error), vars(error))
    assert back.__notes__ == ["a note"]


class Mine(errors.RecoverableError):
    def __init__(self, first: int, second: str) -> None:
        super().__init__(f"{first} {second}")
        self.first = first


def test_a_users_own_error_has_its_name_for_a_code_and_survives_pickle() -> None:
    error = Mine(1, "x")
    assert error.code == "USER:Mine"
    assert pickle.loads(pickle.dumps(error)).first == 1


# -- helpers -----------------------------------------------------------------------------------------------------------


def test_a_note_is_attached_once_and_shown_by_python() -> None:
    error = ValueError("x")
    add_note(error, "here")
    add_note(error, "here")
    add_note(error, "there")
    assert error.__notes__ == ["here", "there"]
    assert error.args == ("x",)


def test_the_origin_of_a_foreign_error_is_the_system_until_it_is_marked() -> None:
    error = ValueError()
    assert origin_of(error) == "SYSTEM"
    mark_user_error(error)
    assert origin_of(error) == "USER"
    ours = FledgeError("x")
    mark_user_error(ours)
    assert origin_of(ours) == "SYSTEM"


def test_ignored_outputs_are_found_behind_any_number_of_wrappers() -> None:
    error: BaseException = errors.IgnoreOutputs()
    for _ in range(5):
        wrapper = RuntimeError()
        wrapper.__cause__, error = error, wrapper
    assert ignores_outputs(error)
    assert not ignores_outputs(RuntimeError())
    assert not ignores_outputs(None)


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, "3"), ("x" * 200, f"'{'x' * 76}..."), (Hostile(), "<unprintable Hostile: RuntimeError>")],
)
def test_a_value_is_shown_short_and_always(value: Any, expected: str) -> None:
    assert short_repr(value) == expected


def test_a_name_that_is_close_is_suggested() -> None:
    assert nearest("retires", ["retries", "timeout"]) == "; did you mean 'retries'?"
    assert nearest("zzz", ["retries"]) == ""
