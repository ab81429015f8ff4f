"""Progress as a person sees it: words, lines for a log, and bars on a real terminal that are in nobody's way."""

from __future__ import annotations

import fcntl
import importlib.util
import io
import json
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import progress_display, task, workflow
from fledge.errors import DefinitionError
from fledge.progress import ProgressReport, is_wanted, report, shown_to, tracked
from fledge.progress_display import progress_shown

HAS_RICH = importlib.util.find_spec("rich") is not None
needs_rich = pytest.mark.skipif(not HAS_RICH, reason="rich is not installed: pip install 'fledge[rich]'")


# -- lines -------------------------------------------------------------------------------------------------------------


def lines_of(*reports: ProgressReport) -> list[str]:
    """The plain lines that these reports give, without seconds."""
    stream = io.StringIO()
    with progress_shown("plain", stream):
        for one in reports:
            report(one)
    return [re.sub(r"after [\d.]+ s$", "after s", line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("done", "total", "unit", "running", "finished"),
    [
        (3, 16, "nodes", "3 of 16 nodes", "3 nodes, "),
        (12e6, 256e6, "bytes", "12.0 of 256.0 MB", "12.0 MB, "),
        (999, None, "bytes", "999 B", "999 B, "),
        (1000, None, "bytes", "1.0 kB", "1.0 kB, "),
        (2e18, None, "bytes", "2,000.0 PB", "2,000.0 PB, "),
        (43.4, 100, "%", "43 %", ""),
        (0, 100, "%", "running", ""),
        (1234, None, "rows", "1,234 rows", "1,234 rows, "),
        (3, 4, "", "3 of 4", "3, "),
        (0, None, "", "running", ""),
    ],
)
def test_how_much_is_said_in_words(
    done: float, total: float | None, unit: str, running: str, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_display, "_LINE_EVERY_S", 0.0)
    on_the_way = ProgressReport(1, "work", done, total, unit)
    failed = ProgressReport(1, "work", done, total, unit, "failed")
    assert lines_of(on_the_way) == [f"work: {running}"]
    assert lines_of(failed) == [f"work: {running + ', ' if running != 'running' else ''}failed after s"]
    assert lines_of(ProgressReport(1, "work", done, total, unit, "finished")) == [f"work: {finished}finished after s"]


@given(st.text(st.characters()), st.sampled_from(["running", "failed", "finished"]))
def test_a_report_is_one_line_whatever_its_name(name: str, state: str) -> None:
    stream = io.StringIO()
    with progress_shown("plain", stream):
        report(ProgressReport(1, name, 1, 2, "rows", state))  # type: ignore[arg-type] # one of the three
    written = stream.getvalue()
    assert written.count("\n") == (state != "running")
    assert written.rstrip("\n").isprintable()
    assert len(written) < 120


def test_work_that_goes_on_has_a_line_from_time_to_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_display, "_LINE_EVERY_S", float("inf"))
    running = [ProgressReport(1, "work", done, 9, "rows") for done in range(9)]
    assert lines_of(*running, ProgressReport(1, "work", 9, 9, "rows", "finished")) == ["work: 9 rows, finished after s"]


# -- which one ---------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("style", ["auto", "off"])
def test_nothing_is_counted_where_nobody_looks(style: progress_display.Style) -> None:
    stream = io.StringIO()
    with progress_shown(style, stream), tracked("work"):
        assert not is_wanted()
    assert stream.getvalue() == ""


def test_without_rich_a_terminal_stays_quiet_and_asking_for_bars_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with progress_shown("auto", Terminal()):
        assert not is_wanted()
    with pytest.raises(DefinitionError, match=r"pip install 'fledge\[rich\]'"), progress_shown("rich"):
        pass


def test_a_style_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DefinitionError, match="auto, rich, plain, off"), progress_shown("loud"):  # type: ignore[arg-type] # on purpose
        pass


def test_a_display_within_a_display_is_none() -> None:
    outer, inner = io.StringIO(), io.StringIO()
    with progress_shown("plain", outer), progress_shown("plain", inner), tracked("work"):
        pass
    assert inner.getvalue() == ""
    assert outer.getvalue().startswith("work: finished")
    with progress_shown("plain", inner), tracked("later"):
        pass
    assert inner.getvalue().startswith("later: ")


def test_a_process_without_standard_error_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress_shown("plain"), tracked("work"):
        assert not is_wanted()


def test_a_dumb_terminal_has_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with progress_shown("auto", Terminal()):
        assert not is_wanted()


# -- nodes of a workflow -----------------------------------------------------------------------------------------------


@task
def double(a: int) -> int:
    if a > 100:
        raise ValueError("too large")
    return 2 * a


@workflow
def thrice(a: int) -> int:
    return double(a=double(a=double(a=a)))


def test_the_nodes_of_a_workflow_are_counted_and_named() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append):
        assert thrice(a=1) == 8
    ended = [(one.name, one.done, one.total, one.state) for one in heard if one.state != "running"]
    assert ended == [
        ("node n0: double", 0, None, "finished"),
        ("node n1: double", 0, None, "finished"),
        ("node n2: double", 0, None, "finished"),
        (f"workflow {thrice.name}", 3, 3, "finished"),
    ]


def test_a_node_that_fails_is_named_and_those_before_it_count() -> None:
    heard: list[ProgressReport] = []
    with shown_to(heard.append), pytest.raises(ValueError, match="too large"):
        thrice(a=60)
    ended = [(one.name, one.done, one.state) for one in heard if one.state == "failed"]
    assert ended == [("node n1: double", 0, "failed"), (f"workflow {thrice.name}", 1, "failed")]


# -- a real terminal ---------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 80, 24


def screen(data: str) -> list[str]:
    """What a terminal shows after this was written to it; enough of one for lines, erasing and going up."""
    rows, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[?0-9;]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", data):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif piece.startswith("\x1b["):
            count, command = piece[2:-1], piece[-1]
            if command == "A":
                row = max(row - int(count or 1), 0)
            elif command == "K":
                rows[row] = "" if count == "2" else rows[row][:column]
            else:
                assert command in "mhl", f"{piece!r} is not known to this terminal"
        else:
            rows[row] = rows[row][:column].ljust(column) + piece + rows[row][column + len(piece) :]
            column += len(piece)
    return [line.rstrip() for line in rows if line.strip()]


def on_terminal(folder: Path, *arguments: str, stdout_too: bool = True) -> tuple[int, str, str]:
    """Run Python with a terminal as standard error; the exit code, standard output if it is a pipe, the terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave if stdout_too else subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    seen = bytearray()
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the last one has closed the terminal
            break
        if not data:
            break
        seen += data
    os.close(master)
    told = process.communicate()[0]
    return process.returncode, (told or b"").decode(), seen.decode()


PROGRAM = """
    from __future__ import annotations
    import logging, sys
    from fledge import task
    from fledge.progress import tracked
    from fledge.progress_display import progress_shown

    @task
    def work(n: int) -> int:
        with tracked("upload [red]x", 4, "bytes") as tracker:
            tracker.advance()
            logging.getLogger("mine").warning("a line that is longer than the terminal is wide: %s", "x" * 40)
            print("printed", n)
            sys.stderr.write("\\x1b[31mred\\x1b[0m on stderr\\n")
            print("half a ", end="")
            print("line")
            print("over\\rwritten")
            try:
                with tracked("broken"):
                    raise ValueError("no")
            except ValueError:
                pass
        return n

    if __name__ == "__main__":
        before = sys.stdout, sys.stderr
        with progress_shown():
            work(n=1)
            kept = sys.stdout
            print("no end", end="")
        assert (sys.stdout, sys.stderr) == before
        print(" of it", file=kept)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    return tmp_path


EXPECTED = [
    f"WARNING mine: a line that is longer than the terminal is wide: {'x' * 40}",
    "printed 1",
    "red on stderr",
    "half a line",
    "written",
]


@needs_rich
def test_on_a_terminal_there_are_bars_and_everything_else_stands_above_them(folder: Path) -> None:
    code, _, seen = on_terminal(folder, "-m", "fledge.cli", "run", "program.py:work", "--n", "1")
    assert code == 0
    assert "━" in seen
    assert "0 of 4 B" in re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert "upload [red]x" in seen, "a name is no markup"
    shown = [re.sub(r"after [\d.]+ s", "after s", line) for line in screen(seen)]
    assert shown == [*EXPECTED, "broken: failed after s", "o0: 1"]


@needs_rich
def test_results_go_to_standard_output_and_progress_never_does(folder: Path) -> None:
    code, told, seen = on_terminal(
        folder, "-m", "fledge.cli", "run", "--json", "program.py:work", "--n", "1", stdout_too=False
    )
    assert code == 0
    assert json.loads(told) == {"o0": 1}
    assert "━" in seen
    assert screen(seen)[:-1] == EXPECTED, "what the task prints stands above the bars"


@needs_rich
def test_a_program_of_its_own_shows_bars_with_one_line(folder: Path) -> None:
    code, _, seen = on_terminal(folder, "program.py")
    assert code == 0
    shown = screen(seen)
    assert shown[-1] == "no end of it"
    assert "printed 1" in shown
    assert "━" in seen
    assert "━" not in "".join(shown), "no bar stays"


@needs_rich
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_neither_waits_for_the_bars_nor_draws_them(folder: Path) -> None:
    (folder / "forks.py").write_text(
        textwrap.dedent(
            """
            import os, warnings
            from fledge.progress import tracked
            from fledge.progress_display import progress_shown

            warnings.simplefilter("ignore")  # Python 3.12 warns of every fork while there are threads
            with progress_shown(), tracked("parent"):
                for number in range(20):
                    child = os.fork()
                    if not child:
                        with tracked("of the child"):
                            print("child", number, flush=True)
                        os._exit(0)
                    assert os.waitpid(child, 0)[1] == 0
            """
        )
    )
    code, _, seen = on_terminal(folder, "forks.py")
    assert code == 0
    assert "of the child" not in seen
    assert "child" in seen, "the parent saw each of them end well"


@needs_rich
def test_an_interrupt_leaves_the_terminal_as_it_was(folder: Path) -> None:
    (folder / "stops.py").write_text(
        textwrap.dedent(
            """
            from fledge.progress import tracked
            from fledge.progress_display import progress_shown

            with progress_shown(), tracked("work"):
                raise KeyboardInterrupt
            """
        )
    )
    code, _, seen = on_terminal(folder, "stops.py")
    assert code != 0
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l"), "the cursor is back"
    assert screen(seen)[-1] == "KeyboardInterrupt"


def test_plain_lines_come_where_they_are_asked_for(folder: Path) -> None:
    command = [sys.executable, "-m", "fledge.cli", "run", "--progress", "plain", "program.py:work", "--n", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = [re.sub(r"after [\d.]+ s", "after s", line) for line in done.stderr.splitlines()]
    assert lines[-2:] == ["broken: failed after s", "upload [red]x: 1 B, finished after s"]
    assert done.stdout.endswith("o0: 1\n")


@pytest.mark.parametrize("style", ["auto", "off"])
def test_a_pipe_gets_no_progress(folder: Path, style: str) -> None:
    command = [sys.executable, "-m", "fledge.cli", "run", "program.py:work", "--n", "1", "--progress", style]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "upload" not in done.stderr


@needs_rich
def test_log_handlers_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    handler = logging.StreamHandler(terminal)
    logger = logging.getLogger("fledge.tests.shown")
    logger.addHandler(handler)
    monkeypatch.setattr(sys, "stderr", terminal)
    try:
        with progress_shown("rich", terminal):
            logger.warning("above")
            assert handler.stream is not terminal
        assert handler.stream is terminal
        assert sys.stderr is terminal
    finally:
        logger.removeHandler(handler)
    assert "above\n" in terminal.getvalue()
