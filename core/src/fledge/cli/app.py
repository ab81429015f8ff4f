"""The command group, its exit codes and how errors are shown.

Exit codes: 0 ok, 1 the user's error, 2 usage, 3 system, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from fledge._version import __version__
from fledge.cli.cache_command import cache_command
from fledge.cli.doctor_command import doctor_command
from fledge.cli.inspect_commands import explain_command, plugins_command, template_command
from fledge.cli.new_plugin_command import new_plugin_command
from fledge.cli.run_command import run_command
from fledge.context import FlyteContextManager
from fledge.errors import FledgeError, IgnoreOutputs, origin_of
from fledge.local_config import start_logging
from fledge.signals import Interruptions
from fledge.tracebacks import format_error, was_raised_by_fledge

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fledge")
def app() -> None:
    """Write a task, run it for real on your own machine, ship the identical thing to Flyte."""


for command in (
    run_command,
    template_command,
    explain_command,
    plugins_command,
    doctor_command,
    new_plugin_command,
    cache_command,
):
    app.add_command(command)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    start_logging()
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
    """What happened, where, and what to do: one line for an error fledge found, else the user's traceback."""
    if isinstance(error, FledgeError) and error.__cause__ is None and was_raised_by_fledge(error):
        click.echo(click.style(f"{type(error).__name__}: ", fg="red", bold=True) + str(error), err=True)
        for note in getattr(error, "__notes__", ()):
            click.echo(note, err=True)
    else:
        click.echo(format_error(error).rstrip(), err=True)
