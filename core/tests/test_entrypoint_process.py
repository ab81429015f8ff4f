"""The container's command as a process: signals, its command line, code that is fetched first."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from core.tests.support import Container, Done, fresh_process, literal_map
from fledge import idl
from fledge.signals import Interruptions

KIND = idl.errors.ContainerError.Kind
ORIGIN = idl.execution.ExecutionError.ErrorKind


def told(done: Done) -> tuple[str, str, str]:
    """(code, kind, origin) of the one error file."""
    assert done.names == ["error.pb"], done.stderr
    error = done.error
    return error.code, KIND.Name(error.kind), ORIGIN.Name(error.origin)


# -- signals -----------------------------------------------------------------------------------------------------------

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@posix
def test_sigterm_ends_a_task_that_survives_every_exception(container: Container) -> None:
    done = container.fresh("terminated", {"a": 1})
    assert told(done) == ("SYSTEM", "RECOVERABLE", "SYSTEM")
    assert "the container was told to stop (SIGTERM)" in done.error.message
    assert done.exit_code == 0


@posix
def test_sigterm_calls_whoever_asked_to_be_told(container: Container, tmp_path: Path) -> None:
    done = container.here("told_before_stop", {"path": str(tmp_path / "note")})
    assert told(done) == ("SYSTEM", "RECOVERABLE", "SYSTEM")
    assert (tmp_path / "note").read_text() == "called"


@posix
def test_sigterm_reaches_native_code_through_its_callback(container: Container) -> None:
    done = container.here("told_in_native_code", {"a": 1})
    assert told(done) == ("SYSTEM", "RECOVERABLE", "SYSTEM")
    assert done.error.message.rstrip().endswith("the container was told to stop (SIGTERM)")


@posix
def test_a_killed_container_that_ignores_its_outputs_has_failed(container: Container) -> None:
    assert told(container.here("ignores_when_told", {"a": 1})) == ("SYSTEM", "RECOVERABLE", "SYSTEM")


@posix
def test_the_previous_handler_is_back_after_a_run(container: Container) -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM)
    container.here("add", {"a": 1})
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_run_outside_the_main_thread_sets_no_handler(container: Container) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(container.here, "add", {"a": 1}).result().names == ["outputs.pb"]


# -- the command line --------------------------------------------------------------------------------------------------


def test_test_loads_nothing_and_exits_with_0(container: Container) -> None:
    arguments = container.arguments("no_such_module:t", b"", "no.such.resolver", None)
    done = fresh_process("-m", "fledge.entrypoint", "--test", *arguments, cwd=container.folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not container.out.exists()


def test_resolver_arguments_are_required(container: Container, capsys: pytest.CaptureFixture[str]) -> None:
    from fledge import entrypoint

    with pytest.raises(SystemExit) as caught:
        entrypoint.main(["--inputs", "i", "--output-prefix", "o", "--resolver", "r"])
    assert caught.value.code == 2
    assert "loader_args" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["{{.rawOutputDataPrefix}}", '""', ""])
def test_a_template_that_was_not_filled_in_means_not_given(given: str) -> None:
    from fledge import entrypoint

    invocation, _ = entrypoint._parse(
        ["--inputs", "i", "--output-prefix", "o", "--raw-output-data-prefix", given, "--resolver", "r", "--", "x"]
    )
    assert invocation.raw_output_data_prefix is None


def test_the_working_directory_counts_as_a_place_for_modules(container: Container) -> None:
    container.folder.mkdir(parents=True)
    (container.folder / "beside.py").write_text("from fledge import task\n@task\ndef t() -> int:\n    return 7\n")
    done = container.fresh("beside:t", env={"PYTHONPATH": "", "PYTHONSAFEPATH": "1"})
    assert done.outputs == literal_map(o0=7)


def test_the_command_does_not_load_click(container: Container) -> None:
    done = fresh_process("-c", "import fledge.entrypoint, sys; print('click' in sys.modules)", cwd=Path.cwd())
    assert done.stdout == "False\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the stacks that Linux prints")
def test_sigusr1_prints_the_stacks(container: Container) -> None:
    source = (
        "import os, signal, sys\n"
        "from fledge import entrypoint\n"
        "entrypoint.run = lambda invocation: os.kill(os.getpid(), signal.SIGUSR1)\n"
        "entrypoint.main(sys.argv[1:])\n"
    )
    arguments = container.arguments("add", {}, "fledge.resolver.default_task_resolver", None)
    done = fresh_process("-c", source, *arguments, cwd=container.folder)
    assert done.returncode == 0, done.stderr
    assert "Current thread" in done.stderr


class Late(Interruptions):
    """A SIGTERM comes when the task has ended and signals still raise."""

    def disarm(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        super().disarm()


@posix
@pytest.mark.parametrize(("target", "file"), [("add", "outputs.pb"), ("foreign", "error.pb")])
def test_a_signal_between_the_tasks_end_and_the_report_loses_neither(
    container: Container, monkeypatch: pytest.MonkeyPatch, target: str, file: str
) -> None:
    monkeypatch.setattr("fledge.entrypoint.Interruptions", Late)
    assert container.here(target, {"a": 1}).names == [file]


# -- fast registration -------------------------------------------------------------------------------------------------


def archive(folder: Path, **files: str) -> Path:
    import tarfile

    for name, text in files.items():
        (folder / name.replace("_py", ".py")).write_text(text)
    path = folder / "code.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in files:
            tar.add(folder / name.replace("_py", ".py"), name.replace("_py", ".py"))
    return path


def test_fast_execute_fetches_the_code_and_passes_the_exit_code_on(container: Container, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    code = archive(source, shipped_py="from fledge import task\n@task\ndef t() -> int:\n    return 8\n")
    arguments = container.arguments("shipped:t", {}, "fledge.resolver.default_task_resolver", None)
    done = fresh_process(
        "-c",
        "from fledge.entrypoint import fast_main; fast_main()",
        *("--additional-distribution", str(code), "--dest-dir", str(tmp_path / "code"), "--"),
        *(sys.executable, "-m", "fledge.entrypoint", *arguments),
        cwd=container.folder,
    )
    assert done.returncode == 0, done.stderr
    outputs = idl.literals.LiteralMap.FromString((container.out / "outputs.pb").read_bytes())
    assert outputs == literal_map(o0=8)
    assert (tmp_path / "code" / "shipped.py").exists()


def test_fast_execute_tells_the_command_where_the_code_came_from(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    code = archive(tmp_path / "source", x_py="")
    done = fresh_process(
        "-c",
        "from fledge.entrypoint import fast_main; fast_main()",
        *("--additional-distribution", str(code), "--dest-dir", str(tmp_path / "code"), "--"),
        *(sys.executable, "-c", "import sys; print(sys.argv[1:]); sys.exit(5)", "--resolver", "r"),
        cwd=tmp_path,
    )
    where = os.path.realpath(tmp_path / "code")
    assert done.returncode == 5, done.stderr
    assert done.stdout == f"['--dynamic-addl-distro', '{code}', '--dynamic-dest-dir', '{where}', '--resolver', 'r']\n"


def test_fast_execute_names_an_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "code.tar.gz").write_bytes(b"no archive")
    done = fresh_process(
        "-c",
        "from fledge.entrypoint import fast_main; fast_main()",
        *(
            "--additional-distribution",
            str(tmp_path / "code.tar.gz"),
            "--dest-dir",
            str(tmp_path / "code"),
            "--",
            "true",
        ),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"fledge-fast-execute: {tmp_path}/code.tar.gz is not a whole tar archive of code")
    assert "Traceback" not in done.stderr


def test_a_truncated_or_damaged_archive_is_named(tmp_path: Path) -> None:
    from fledge.entrypoint import _unpack
    from fledge.errors import NonRecoverableError

    (tmp_path / "source").mkdir()
    files = {"a.py": "".join(map(chr, range(33, 126))) * 50, "b.py": "x = 1\n" * 300}
    code = archive(tmp_path / "source", **{name.replace(".", "_"): text for name, text in files.items()})
    whole = code.read_bytes()
    damaged = [whole[:end] for end in range(0, len(whole), 5)]
    # Not the header of gzip: it holds a time and a name, which nobody needs.
    damaged += [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(30, len(whole), 7)]
    for data in damaged:
        code.write_bytes(data)
        with pytest.raises(NonRecoverableError, match=r"code\.tar\.gz is not a whole tar archive of code"):
            _unpack(str(code), str(tmp_path / "code"))


def test_fast_execute_passes_sigterm_on(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    code = archive(tmp_path / "source", x_py="")
    stop_parent = "import os, signal, sys; os.kill(os.getppid(), signal.SIGTERM); sys.stdin.read()"
    handler = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); "
    done = fresh_process(
        "-c",
        "from fledge.entrypoint import fast_main; fast_main()",
        *("--additional-distribution", str(code), "--dest-dir", str(tmp_path / "code"), "--"),
        *(sys.executable, "-c", handler + stop_parent + "; signal.pause()"),
        cwd=tmp_path,
    )
    assert done.returncode == 9, done.stderr


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    import tarfile
    from io import BytesIO

    from fledge.entrypoint import _unpack
    from fledge.errors import NonRecoverableError

    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python's tarfile has no filters")
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../escaped.py"), BytesIO(b""))
    with pytest.raises(NonRecoverableError):
        _unpack(str(tmp_path / "code.tar.gz"), str(tmp_path / "code"))
    assert not (tmp_path / "escaped.py").exists()
