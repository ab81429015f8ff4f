"""The container's command, by the files it leaves: the whole table of the contract, as bytes."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from core.tests.support import Container, Done, literal_map
from fledge import __version__, idl
from fledge.entrypoint import error_document
from fledge.errors import FledgeError, StorageError

KIND = idl.errors.ContainerError.Kind
ORIGIN = idl.execution.ExecutionError.ErrorKind


def told(done: Done) -> tuple[str, str, str]:
    """(code, kind, origin) of the one error file."""
    assert done.names == ["error.pb"], done.stderr
    error = done.error
    return error.code, KIND.Name(error.kind), ORIGIN.Name(error.origin)


# -- outputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ["here", "fresh"])
def test_outputs_pb_holds_the_outputs_and_nothing_else_is_written(container: Container, process: str) -> None:
    done: Done = getattr(container, process)("add", {"a": 2, "b": 3})
    assert (done.exit_code, done.names) == (0, ["outputs.pb"])
    assert done.files["outputs.pb"] == idl.deterministic_bytes(literal_map(o0=5))


def test_a_missing_input_with_a_default_is_the_default(container: Container) -> None:
    assert container.here("add", {"a": 2}).outputs == literal_map(o0=3)


def test_a_task_without_outputs_leaves_an_empty_outputs_pb(container: Container) -> None:
    assert container.here("nothing", {"a": 2}).files == {"outputs.pb": b""}


def test_a_named_tuple_names_the_outputs(container: Container) -> None:
    outputs = container.here("pair", {"a": 2}).outputs
    assert sorted(outputs.literals) == ["first", "second"]
    assert outputs.literals["first"].scalar.primitive.string_value == "xx"
    assert [one.scalar.primitive.integer for one in outputs.literals["second"].collection.literals] == [0, 1]


def test_an_output_of_100_mb_arrives_whole(container: Container) -> None:
    size = 100 * 1024 * 1024
    value = container.fresh("big", {"size": size}).outputs.literals["o0"].scalar.primitive.string_value
    assert len(value) == size


def test_a_dynamic_job_is_written_to_futures_pb(container: Container) -> None:
    done = container.here("dynamic")
    assert done.names == ["futures.pb"]
    assert idl.dynamic_job.DynamicJobSpec.FromString(done.files["futures.pb"]).min_successes == 3


def test_a_result_of_an_unknown_kind_is_an_error_of_the_system(container: Container) -> None:
    done = container.here("unknown_output")
    assert told(done) == ("UNKNOWN_OUTPUT", "RECOVERABLE", "SYSTEM")
    assert "gave a list" in done.error.message


def test_the_task_sees_who_it_is(container: Container) -> None:
    env = {"_F_PRJ": "p", "_F_DM": "d", "FLYTE_INTERNAL_EXECUTION_ID": "e1", "_F_NM": "short", "_F_TK_NM": "my.task"}
    done = container.here("identity", env=env)
    values = [one.scalar.primitive.string_value for one in done.outputs.literals["o0"].collection.literals]
    assert values[:2] == ["p:d:e1", "my.task"]
    assert values[2:4] == [str(container.folder / "raw"), str(container.out)]
    assert values[4] == "Mode.TASK_EXECUTION"


def test_what_one_attempt_saves_the_next_one_finds(container: Container, tmp_path: Path) -> None:
    from fledge import entrypoint

    arguments = container.arguments("checkpoints", {"a": 5}, "fledge.resolver.default_task_resolver", None)
    for attempt, expected in enumerate([5, 10]):
        arguments[arguments.index("--checkpoint-path") + 1] = str(tmp_path / f"attempt{attempt}")
        if attempt:
            arguments[arguments.index("--prev-checkpoint") + 1] = str(tmp_path / f"attempt{attempt - 1}")
        container.here("add", {"a": 1})  # makes the module of tasks importable
        (container.folder / "inputs.pb").write_bytes(idl.deterministic_bytes(literal_map(a=5)))
        assert not entrypoint.run(entrypoint._parse(arguments)[0])
        outputs = idl.literals.LiteralMap.FromString((container.out / "outputs.pb").read_bytes())
        assert outputs == literal_map(o0=expected)


def test_a_container_without_a_place_for_checkpoints_says_so(container: Container) -> None:
    done = container.here("checkpoints", {"a": 5})
    assert "NotImplementedError: no checkpoint path was given" in done.error.message


# -- offloaded outputs -------------------------------------------------------------------------------------------------


def test_a_large_output_is_a_file_of_its_own_and_a_reference(container: Container) -> None:
    size = 1024 * 1024
    done = container.here("big", {"size": size}, env={"_F_L_MIN_SIZE_MB": "1"})
    assert done.names == ["o0_offloaded_metadata.pb", "outputs.pb"]
    literal = done.outputs.literals["o0"]
    assert literal.offloaded_metadata.uri == str(container.out / "o0_offloaded_metadata.pb")
    assert literal.offloaded_metadata.size_bytes == len(done.files["o0_offloaded_metadata.pb"])
    assert literal.offloaded_metadata.inferred_type.simple == idl.types.SimpleType.STRING
    # flytekit 1.16: base64 of the SHA-256 of the literal's JSON with sorted keys and no spaces
    assert literal.hash == "V3VUs55N0d5xtGH0aPxSbP2GK1NbND5VYBgQjvOfJyo="
    value = idl.literals.Literal.FromString(done.files["o0_offloaded_metadata.pb"])
    assert value.scalar.primitive.string_value == "x" * size


def test_a_small_output_stays_inline(container: Container) -> None:
    assert container.here("add", {"a": 1}, env={"_F_L_MIN_SIZE_MB": "1"}).files == {
        "outputs.pb": idl.deterministic_bytes(literal_map(o0=2))
    }


def test_an_output_larger_than_the_platform_takes_is_the_users_error(container: Container) -> None:
    env = {"_F_L_MIN_SIZE_MB": "1", "_F_L_MAX_SIZE_MB": "2"}
    done = container.here("big", {"size": 2 * 1024 * 1024}, env=env)
    assert told(done) == ("USER:OutputError", "NON_RECOVERABLE", "USER")
    assert "2097167 bytes" in done.error.message


def test_a_size_that_is_no_number_names_the_variable(container: Container) -> None:
    done = container.here("add", {"a": 1}, env={"_F_L_MIN_SIZE_MB": "ten"})
    assert told(done) == ("SYSTEM", "NON_RECOVERABLE", "SYSTEM")
    assert "_F_L_MIN_SIZE_MB='ten'" in done.error.message


def test_an_offloaded_input_is_read_at_any_depth(container: Container, tmp_path: Path) -> None:
    file = tmp_path / "a_offloaded_metadata.pb"
    file.write_bytes(idl.deterministic_bytes(literal_map(x=41).literals["x"]))
    inputs = idl.literals.LiteralMap()
    inputs.literals["a"].offloaded_metadata.uri = str(file)
    assert container.here("add", inputs.SerializeToString()).outputs == literal_map(o0=42)


def test_an_offloaded_input_that_is_no_literal_names_the_file(container: Container, tmp_path: Path) -> None:
    (tmp_path / "bad.pb").write_bytes(b"\xff\xff")
    inputs = idl.literals.LiteralMap()
    inputs.literals["a"].offloaded_metadata.uri = str(tmp_path / "bad.pb")
    done = container.here("add", inputs.SerializeToString())
    assert told(done) == ("SYSTEM", "NON_RECOVERABLE", "SYSTEM")
    assert "bad.pb: 2 bytes that are not a Literal" in done.error.message


# -- IgnoreOutputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["ignore", "ignore_as_cause", "ignore_nested", "ignore_in_pre", "ignore_in_post", "ignore_with_deck"],
)
def test_a_task_that_ignores_its_outputs_leaves_nothing(container: Container, target: str) -> None:
    done = container.here(target, {"a": 1})
    assert (done.exit_code, done.files) == (0, {})


def test_ignored_outputs_are_a_clean_exit(container: Container) -> None:
    done = container.fresh("ignore", {"a": 1}, env={"FLYTE_FAIL_ON_ERROR": "true"})
    assert (done.exit_code, done.files, done.stderr) == (0, {}, "")


def test_an_error_while_the_signal_is_handled_is_an_error(container: Container) -> None:
    assert told(container.here("ignore_as_context_only", {"a": 1})) == ("USER:RuntimeError", "NON_RECOVERABLE", "USER")


def test_a_module_that_raises_the_signal_is_not_a_task_that_does(container: Container, tmp_path: Path) -> None:
    (tmp_path / "raises_ignore.py").write_text("from fledge import IgnoreOutputs\nraise IgnoreOutputs('at import')\n")
    done = container.fresh("raises_ignore:t", env={"PYTHONPATH": str(tmp_path)})
    assert told(done) == ("USER:TaskLoadError", "NON_RECOVERABLE", "USER")


# -- errors ------------------------------------------------------------------------------------------------------------


ERRORS = {
    "foreign": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "KeyError: ('lost', 1)"),
    "recoverable": ("USER:FlakyError", "RECOVERABLE", "USER", "FlakyError: the service did not answer"),
    "non_recoverable": ("USER:NonRecoverableError", "NON_RECOVERABLE", "USER", "NonRecoverableError: give up"),
    "exits": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "SystemExit: 1"),
    "wrong_type": ("USER:TypeConversionError", "NON_RECOVERABLE", "USER", "outputs.o0: expected int, got str '1'"),
    "needs_arguments": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "NeedsArgumentsError: code 1"),
    "unprintable": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "UnprintableError: <its text cannot be made"),
    "frozen": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "FrozenError"),
    "not_text": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "ValueError: caf\\udce9"),
    "chained": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "ValueError: the outer one"),
    "circular_cause": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "ValueError: first"),
    "fails_in_pre": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "OSError: no session"),
    "fails_in_post": ("USER:RuntimeError", "NON_RECOVERABLE", "USER", "OSError: no session"),
}


@pytest.mark.parametrize("target", ERRORS)
def test_an_exception_becomes_error_pb(container: Container, target: str) -> None:
    done = container.here(target, {"a": 1})
    files = [name for name in done.names if name != "deck.html"]
    assert files == ["error.pb"]
    code, kind, origin, last_line = ERRORS[target]
    error = done.error
    assert (error.code, KIND.Name(error.kind), ORIGIN.Name(error.origin)) == (code, kind, origin)
    assert last_line in error.message.splitlines()[-1]


def test_the_message_shows_the_users_lines_and_none_of_ours(container: Container) -> None:
    message = container.here("nested", {"a": 1}).error.message
    files = re.findall(r'File "([^"]+)"', message)
    assert {Path(file).name for file in files} == {"container_tasks.py"}
    assert "in task container_tasks.foreign\nin task container_tasks.nested\n" in message


def test_the_message_shows_the_cause_first(container: Container) -> None:
    message = container.here("chained", {"a": 1}).error.message
    assert message.index("ZeroDivisionError") < message.index("the direct cause") < message.index("the outer one")


def test_the_error_is_told_on_stderr_as_well(container: Container) -> None:
    done = container.here("foreign", {"a": 1})
    assert done.stderr.rstrip() in done.error.message


def test_the_timestamp_is_now_unless_the_exception_has_one(container: Container) -> None:
    before = datetime.now(timezone.utc)
    moment = container.here("foreign", {"a": 1}).error.timestamp.ToDatetime(tzinfo=timezone.utc)
    assert before <= moment <= datetime.now(timezone.utc)
    dated = container.here("dated", {"a": 1}).error.timestamp.ToDatetime(tzinfo=timezone.utc)
    assert dated == datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("env", "exit_code"),
    [
        ({}, 0),
        ({"FLYTE_FAIL_ON_ERROR": "true"}, 1),
        ({"FLYTE_FAIL_ON_ERROR": "T"}, 1),
        ({"FLYTE_FAIL_ON_ERROR": "1"}, 1),
        ({"FLYTE_FAIL_ON_ERROR": "false"}, 0),
    ],
    ids=["nothing set", "true", "T", "1", "false"],
)
def test_the_exit_code_after_an_error_is_0_unless_asked_otherwise(
    container: Container, env: dict[str, str], exit_code: int
) -> None:
    done = container.fresh("foreign", {"a": 1}, env=env)
    assert (done.exit_code, done.names) == (exit_code, ["error.pb"])


@pytest.mark.parametrize(
    ("strategy", "worker"),
    [("FLYTE_INTERNAL_DIST_ERROR_STRATEGY", "FLYTE_INTERNAL_WORKER_NAME"), ("_F_DES", "_F_WN")],
)
def test_each_of_several_workers_has_an_error_file_of_its_own(container: Container, strategy: str, worker: str) -> None:
    env = {strategy: "Earliest", worker: "worker-3"}
    names = {container.here("foreign", {"a": 1}, env=env).names[-1] for _ in range(2)}
    names |= set(os.listdir(container.out))
    assert len(names) == 2
    assert all(re.fullmatch(r"error-[0-9a-f]{32}\.pb", name) for name in names)
    for name in names:
        document = idl.errors.ErrorDocument.FromString((container.out / name).read_bytes())
        assert document.error.worker == "worker-3"


def test_one_of_several_workers_that_fails_exits_with_1(container: Container) -> None:
    done = container.fresh("foreign", {"a": 1}, env={"_F_DES": "Earliest"})
    assert (done.exit_code, len(done.names)) == (1, 1)


def test_a_code_of_any_kind_of_object_is_written_as_text() -> None:
    class OddError(FledgeError):
        code = 42  # type: ignore[assignment] # a user's mistake

    assert error_document(OddError("x"), {}).error.code == "42"


# -- decks -------------------------------------------------------------------------------------------------------------


def test_a_deck_is_written_with_the_outputs(container: Container) -> None:
    done = container.here("with_deck", {"a": 7})
    assert done.names == ["deck.html", "outputs.pb"]
    html = done.files["deck.html"].decode()
    titles = re.findall(r"<h2>([^<]+)</h2>", html)
    assert titles == ["Source Code", "Timeline", "Input", "Mine", "Output"]
    assert "<pre>7</pre>" in html
    assert "&lt;b&gt;7&lt;/b&gt;" in html
    assert "<b>7</b>" not in html


def test_a_deck_is_written_after_a_failure_too(container: Container) -> None:
    done = container.here("deck_then_fails", {"a": 7})
    assert done.names == ["deck.html", "error.pb"]
    assert "<p>so far</p>" in done.files["deck.html"].decode()


def test_no_deck_is_written_when_decks_are_off(container: Container) -> None:
    assert container.here("deck_switched_off", {"a": 7}).names == ["outputs.pb"]


def test_parameters_that_a_hook_makes_anew_count_with_their_decks(container: Container) -> None:
    done = container.here("new_parameters", {"a": 7})
    assert done.outputs == literal_map(o0="open")
    html = done.files["deck.html"].decode()
    assert "from the hook" in html
    assert "from the task" in html


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "told_in_message"),
    [
        (b"\xff" * 40, "40 bytes that are not a LiteralMap"),
        (literal_map(a=1, b=2).SerializeToString()[:-3], "that are not a LiteralMap"),
    ],
    ids=["noise", "truncated"],
)
def test_inputs_that_cannot_be_parsed_are_an_error_of_the_system(
    container: Container, data: bytes, told_in_message: str
) -> None:
    done = container.here("add", data)
    assert told(done) == ("SYSTEM", "NON_RECOVERABLE", "SYSTEM")
    assert told_in_message in done.error.message
    assert str(container.folder / "inputs.pb") in done.error.message


def test_inputs_that_are_not_there_may_be_there_at_the_next_attempt(container: Container) -> None:
    arguments = container.arguments("add", None, "fledge.resolver.default_task_resolver", None)
    (container.folder / "inputs.pb").unlink()
    from fledge import entrypoint

    invocation, _ = entrypoint._parse(arguments)
    assert entrypoint.run(invocation)
    document = idl.errors.ErrorDocument.FromString((container.out / "error.pb").read_bytes())
    assert (document.error.code, document.error.kind) == ("SYSTEM", KIND.RECOVERABLE)
    assert "No such file" in document.error.message


@pytest.mark.parametrize(
    ("inputs", "code", "told_in_message"),
    [
        ({"a": 1, "c": 1}, "USER:CallError", "inputs ['c'] are not declared; it takes ['a', 'b']"),
        ({"b": 1}, "USER:CallError", "missing input 'a'"),
        ({"a": "one"}, "USER:TypeConversionError", "add.inputs.a: expected int"),
    ],
    ids=["extra", "missing", "wrong variant"],
)
def test_inputs_that_do_not_fit_the_task_are_the_users_error(
    container: Container, inputs: dict[str, object], code: str, told_in_message: str
) -> None:
    done = container.here("add", inputs)
    assert told(done) == (code, "NON_RECOVERABLE", "USER")
    assert told_in_message in done.error.message


def test_a_task_without_inputs_takes_no_notice_of_any(container: Container) -> None:
    assert container.here("dynamic", {"a": 1}).names == ["futures.pb"]


LOAD = {
    "no such module": (
        ["task-module", "no_such_module", "task-name", "t"],
        "module 'no_such_module' cannot be imported",
    ),
    "no such task": (["task-module", "container_tasks", "task-name", "ad"], "did you mean 'add'?"),
    "not a task": (["task-module", "container_tasks", "task-name", "os"], "container_tasks.os is a module, not a task"),
    "too few": (["container_tasks", "add"], "not of the form: task-module MODULE task-name NAME"),
    "other words": (["a", "container_tasks", "b", "add"], "not of the form: task-module MODULE task-name NAME"),
}


@pytest.mark.parametrize("case", LOAD)
def test_a_task_that_cannot_be_loaded_is_the_users_error(container: Container, case: str) -> None:
    loader_args, told_in_message = LOAD[case]
    done = container.here("", loader_args=loader_args)
    assert told(done) == ("USER:TaskLoadError", "NON_RECOVERABLE", "USER")
    assert told_in_message in done.error.message


@pytest.mark.parametrize(
    ("source", "told_in_message"),
    [
        ("import does_not_exist\n", "No module named 'does_not_exist'"),
        ("1 / 0\n", "failed while it was imported: ZeroDivisionError"),
        ("def broken(:\n", "failed while it was imported: SyntaxError"),
        ("import sys\nsys.exit('no')\n", "failed while it was imported: SystemExit: no"),
    ],
    ids=["import error", "exception", "syntax error", "exit"],
)
def test_a_module_that_fails_to_import_is_the_users_error(
    container: Container, tmp_path: Path, source: str, told_in_message: str
) -> None:
    (tmp_path / "fails_at_import.py").write_text(source)
    done = container.fresh("fails_at_import:t", env={"PYTHONPATH": str(tmp_path)})
    assert told(done) == ("USER:TaskLoadError", "NON_RECOVERABLE", "USER")
    assert told_in_message in done.error.message
    assert "fails_at_import.py" in done.error.message


RESOLVERS = {
    "container_tasks.broken_resolver": "failed to load ['x']: LookupError: no entry for ['x']",
    "container_tasks.not_a_resolver": "is a str, not a task resolver",
    "container_tasks.no_resolver": "has no 'no_resolver'",
    "nowhere": "failed while it was imported: ValueError",
}


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_resolver_that_does_not_work_is_the_users_error(container: Container, resolver: str) -> None:
    done = container.here("", resolver=resolver, loader_args=["x"])
    assert told(done) == ("USER:TaskLoadError", "NON_RECOVERABLE", "USER")
    assert RESOLVERS[resolver] in done.error.message


def test_another_resolver_finds_its_task(container: Container) -> None:
    done = container.here("", {"a": 1}, resolver="container_tasks.by_position", loader_args=["0"])
    assert done.outputs == literal_map(o0=2)


# -- where nothing can be written --------------------------------------------------------------------------------------


def test_a_full_disk_leaves_no_half_of_a_file(container: Container) -> None:
    done = container.fresh("limited_files", {"size": 200_000})
    assert told(done) == ("SYSTEM", "RECOVERABLE", "SYSTEM")
    assert "cannot be written" in done.error.message
    assert done.exit_code == 0


def test_a_folder_that_takes_nothing_is_a_failing_exit(container: Container) -> None:
    """Exit code 0 without a file would read as ignored outputs."""
    container.out.mkdir(parents=True)
    done = container.fresh("read_only", {"folder": str(container.out)})
    assert done.exit_code == 1
    assert "neither outputs nor error could be written" in done.stderr


def test_a_scheme_without_its_plugin_names_the_package(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    from fledge import entrypoint

    arguments = container.arguments("add", {"a": 1}, "fledge.resolver.default_task_resolver", None)
    arguments[arguments.index("--inputs") + 1] = "s3://bucket/inputs.pb"
    invocation, _ = entrypoint._parse(arguments)
    assert entrypoint.run(invocation)
    document = idl.errors.ErrorDocument.FromString((container.out / "error.pb").read_bytes())
    assert (document.error.code, document.error.kind) == ("SYSTEM", KIND.NON_RECOVERABLE)
    assert "pip install fledge-storage" in document.error.message

    arguments[arguments.index("--output-prefix") + 1] = "s3://bucket/out"
    with pytest.raises(StorageError, match="pip install fledge-storage"):
        entrypoint.run(entrypoint._parse(arguments)[0])


# -- versions ----------------------------------------------------------------------------------------------------------


def test_a_version_that_differs_from_the_one_that_serialized_is_named(
    container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    mismatch = f"the task was serialized with fledge 0.0.1 and runs with fledge {__version__}"
    done = container.here("add", {"a": 1}, env={"FLEDGE_SERIALIZED_WITH": "0.0.1"})
    assert done.names == ["outputs.pb"]
    assert mismatch in caplog.text
    failed = container.here("foreign", {"a": 1}, env={"FLEDGE_SERIALIZED_WITH": "0.0.1"})
    assert mismatch in failed.error.message


def test_the_same_version_is_not_mentioned(container: Container, caplog: pytest.LogCaptureFixture) -> None:
    failed = container.here("foreign", {"a": 1}, env={"FLEDGE_SERIALIZED_WITH": __version__})
    assert "serialized with" not in failed.error.message + caplog.text
