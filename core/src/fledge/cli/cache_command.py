"""`fledge cache list|prune|explain`: what the local result cache holds, and what makes up a call's key."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from fledge.base_task import PythonTask
from fledge.cache import ResultCache, Uncacheable, cache_key, types_digest
from fledge.cli.options import TargetCommand, given_inputs, input_options
from fledge.cli.targets import TargetType, load_target
from fledge.context import FlyteContextManager
from fledge.errors import nearest
from fledge.local_config import LocalConfig
from fledge.storage import LiveStore

if TYPE_CHECKING:
    from fledge.cli.targets import Target

__all__ = ["cache_command"]

_DAY_S = 86_400


def _cache() -> ResultCache:
    return ResultCache(LocalConfig.from_env().cache_dir)


@click.group("cache")
def cache_command() -> None:
    """Look into the local result cache (FLEDGE_CACHE_DIR, else XDG_CACHE_HOME, else ~/.cache)."""


@cache_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_command(as_json: bool) -> None:
    """List the entries, newest first: key, size with data, time of writing, task."""
    cache = _cache()
    entries = cache.entries()
    if as_json:
        told = [
            {"key": digest, "task": cache.task_of(digest), "size_bytes": size, "written": written}
            for digest, size, written in entries
        ]
        click.echo(json.dumps({"folder": str(cache.folder), "entries": told}, indent=2))
        return
    for digest, size, written in entries:
        moment = datetime.fromtimestamp(written, timezone.utc).isoformat(timespec="seconds")
        click.echo(f"{digest[:16]}  {size:>12,} bytes  {moment}  {cache.task_of(digest) or '?'}")
    click.echo(f"{_counted(len(entries))}, {sum(size for _, size, _ in entries):,} bytes in {cache.folder}")


@cache_command.command("prune")
@click.option(
    *("--older-than-days", "days"),
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Age of the last write; 0 is everything.",
)
@click.option("--task", "task_name", help="Only entries of the task with this name, as `fledge cache list` shows it.")
def prune_command(days: float, task_name: str | None) -> None:
    """Remove old entries with their data."""
    cache = _cache()
    unknown = (
        "" if task_name is None else _unknown(task_name, {cache.task_of(digest) for digest, _, _ in cache.entries()})
    )
    click.echo(f"{_counted(cache.prune(days * _DAY_S, time.time(), task_name))} removed{unknown}")


def _counted(entries: int) -> str:
    return f"{entries} {'entry' if entries == 1 else 'entries'}"


def _unknown(task_name: str, known: Collection[str]) -> str:
    """What to add when no entry is of the task: a name that ends so, or one like it, may be meant."""
    if task_name in known:
        return ""
    longer = sorted(name for name in known if name.endswith(f".{task_name}"))
    hint = f"; did you mean {longer[0]!r}?" if longer else nearest(task_name, known)
    return f": none is of a task {task_name!r}{hint}"


@cache_command.command(
    "explain",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument("target", metavar="MODULE_OR_FILE:TASK", type=TargetType())
@click.pass_context
def explain_command(ctx: click.Context, target: str, as_json: bool) -> None:
    """Say what makes up the key of a call, and whether it would be a hit: fledge cache explain hello.py:add --a 1."""
    found = load_target(target)
    context = FlyteContextManager.current_context()
    context.plugins.load()
    inputs = input_options(found, context)
    behind = click.Option(["--json", "as_json_behind"], is_flag=True, help="For programs.")
    is_free = not any("--json" in option.opts for option in inputs)
    command = TargetCommand(
        found.name,
        params=[*inputs, behind] if is_free else list(inputs),
        callback=lambda as_json_behind=False, **v: _explain(found, v, as_json=as_json or as_json_behind),
    )
    command.main(args=ctx.args, prog_name=f"fledge cache explain {target}", standalone_mode=False)


def _explain(target: Target, inputs: dict[str, Any], *, as_json: bool) -> None:  # Any: as the task declares
    if not isinstance(target, PythonTask):
        raise click.UsageError(f"{target.name} is a workflow; its tasks are cached one by one")
    metadata = target.metadata
    if not metadata.cache:
        _tell_uncached(f"{target.name} is not cached: write @task(cache=True)", as_json=as_json)
        return
    context = FlyteContextManager.current_context()
    bound = target.python_interface.bind(target.name, (), given_inputs(inputs))
    run = context.with_(storage=context.storage.with_(live=LiveStore()))
    try:
        types, literals = types_digest(target.interface), target.input_literals(run, bound)
        key = cache_key(target.name, metadata, types, literals, run.storage)
    except Uncacheable as exc:
        _tell_uncached(f"{target.name} would run without the cache: {exc}", as_json=as_json)
        return
    is_hit, ignored = _cache().read(key) is not None, list(metadata.cache_ignore_input_vars)
    if as_json:
        told = {"cached": True, "parts": dict(key.parts), "ignored": ignored, "key": key.digest, "hit": is_hit}
        click.echo(json.dumps(told, indent=2))
        return
    for part, text in key.parts.items():
        click.echo(f"{part:<20} {text}")
    for name in ignored:
        click.echo(f"{f'input {name}':<20} ignored")
    click.echo(f"{'key':<20} {key.digest}\n{'hit':<20} {'yes' if is_hit else 'no'}")


def _tell_uncached(reason: str, *, as_json: bool) -> None:
    click.echo(json.dumps({"cached": False, "reason": reason}, indent=2) if as_json else reason)
