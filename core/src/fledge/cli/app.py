"""The command group, its exit codes and how errors are shown.

Exit codes: 0 ok, 1 the user's error, 2 usage, 3 system, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

import click

from fledge._version import __version__
from fledge.context import FlyteContextManager
from fledge.errors import IgnoreOutputs, origin_of
from fledge.lazy import lazy
from fledge.local_config import start_logging
from fledge.signals import Interruptions
from fledge.tracebacks import format_error, format_in_short

if TYPE_CHECKING:
    from fledge.cli import completion
else:
    completion = lazy("fledge.cli.completion")

__all__ = ["COMMANDS", "main"]


class _Place(NamedTuple):
    """Where a command is, and its help in one sentence: a command is imported when it runs."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "cache": _Place(
        "cache_command",
        "cache_command",
        "Look into the local result cache (FLEDGE_CACHE_DIR, else XDG_CACHE_HOME, else ~/.cache).",
    ),
    "doctor": _Place(
        "doctor_command",
        "doctor_command",
        "Check the installation: prices, conflicts, broken plugins, versions.",
    ),
    "explain": _Place(
        "inspect_commands",
        "explain_command",
        "Show for every field of the template who set it: the task or a plugin.",
    ),
    "new-plugin": _Place(
        "new_plugin_command",
        "new_plugin_command",
        "Make the folder fledge-NAME: a plugin that builds, with its contract suite.",
    ),
    "plugins": _Place(
        "inspect_commands",
        "plugins_command",
        "List the installed plugins, their hooks and their state.",
    ),
    "run": _Place(
        "run_command",
        "run_command",
        "Run a task or workflow on this machine.",
    ),
    "template": _Place(
        "inspect_commands",
        "template_command",
        "Show the TaskTemplate (of a workflow: the WorkflowTemplate) that Flyte would see.",
    ),
}


class _Commands(click.Group):
    """A group whose commands are in files of their own; to list them loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        return cast("click.Command", getattr(import_module(f"fledge.cli.{place.module}"), place.attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        room = formatter.width - 6 - max(map(len, COMMANDS))
        told = [(name, click.Command(name, help=COMMANDS[name].help)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(room)) for name, command in told])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fledge")
def app() -> None:
    """Write a task, run it for real on your own machine, ship the identical thing to Flyte."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    start_logging()
    if "_FLEDGE_COMPLETE" in os.environ:
        completion.install()
    raising = {signal.SIGTERM: _Stopped, signal.SIGINT: KeyboardInterrupt}
    try:
        with Interruptions(FlyteContextManager.current_context().cancellation, raising):
            app.main(args=list(argv) if argv is not None else None, prog_name="fledge", standalone_mode=False)
    except _Stopped:
        sys.exit(143)
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except IgnoreOutputs as exc:
        click.echo(f"the task ignored its outputs: {exc}", err=True)
        sys.exit(0)
    except SystemExit as exc:
        if origin_of(exc) != "USER":  # one of our own commands has its exit code
            raise
        _show(exc)
        sys.exit(1)
    except Exception as exc:  # noqa: BLE001 - the end of every error: it becomes an exit code
        _show(exc)
        sys.exit(1 if origin_of(exc) == "USER" else 3)
    sys.exit(0)


class _Stopped(BaseException):
    """SIGTERM came."""


def _show(error: BaseException) -> None:
    """What happened, where, and what to do: in short for an error that fledge found, else the user's traceback."""
    if logging.getLogger("fledge").isEnabledFor(logging.DEBUG):
        traceback.print_exception(type(error), error, error.__traceback__)
        return
    short = format_in_short(error)
    name, colon, rest = short.partition(": ")
    click.echo(
        (click.style(name + colon, fg="red", bold=True) + rest if short else format_error(error)).rstrip(), err=True
    )
