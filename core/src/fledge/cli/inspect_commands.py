"""`fledge template`, `fledge explain` and `fledge plugins`: what Flyte would see, who set it, what is installed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fledge import idl
from fledge.cli.doctor_command import loaded_plugins, problem_of
from fledge.cli.targets import TargetType, load_target
from fledge.context import FlyteContextManager
from fledge.flow import PythonFunctionWorkflow
from fledge.serialize import Explanation, explain, task_spec, task_template
from fledge.serialize_flow import tasks_of, workflow_spec, workflow_template
from fledge.settings import Image, ImageConfig, SerializationSettings
from fledge.tracking import place_of_file

if TYPE_CHECKING:
    from fledge.cli.targets import Target

__all__ = ["canonical_json", "explain_command", "plugins_command", "template_command"]


def _settings_options(command: Any) -> Any:  # Any: click's decorators take and give commands or functions
    for option in (
        click.option("--project", default="flytesnacks", show_default=True),
        click.option("--domain", default="development", show_default=True),
        click.option("--version", default="local", show_default=True),
        click.option("--image", default="", help="Default container image."),
    ):
        command = option(command)
    return command


def _settings(project: str, domain: str, version: str, image: str) -> SerializationSettings:
    images = ImageConfig(Image.look_up("default", image)) if image else ImageConfig()
    return SerializationSettings(images, project=project, domain=domain, version=version)


def canonical_json(message: Any) -> str:  # Any: some protobuf message
    """Protobuf's JSON form: camelCase, sorted keys, two spaces. Equal messages give equal text."""
    return json.dumps(idl.json_format.MessageToDict(message), sort_keys=True, indent=2, ensure_ascii=False)


@click.command("template")
@click.argument("target", metavar="MODULE_OR_FILE:TASK", type=TargetType())
@click.option("--format", "form", type=click.Choice(["json", "text", "binpb"]), default="json", show_default=True)
@click.option("--spec", is_flag=True, help="The whole spec, with the description.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@_settings_options
def template_command(target: str, form: str, spec: bool, out: Path | None, **settings: str) -> None:
    """Show the TaskTemplate (of a workflow: the WorkflowTemplate) that Flyte would see."""
    path = {os.path.abspath(folder) for folder in sys.path}
    message = _message(load_target(target), _settings(**settings), spec=spec)
    _warn_if_not_found_from_here(target, path)
    if form == "binpb":
        data = idl.deterministic_bytes(message)
    else:
        data = (idl.text_format.MessageToString(message) if form == "text" else canonical_json(message) + "\n").encode()
    if out is not None:
        FlyteContextManager.current_context().storage.write(str(out), data)
    else:
        sys.stdout.buffer.write(data)


def _warn_if_not_found_from_here(target: str, path: Collection[str]) -> None:
    """Its module lies in a subfolder that was not on the path: a container that starts here has no such module.

    Args:
        target: As on the command line.
        path: Python's, as it was before the target was imported.
    """
    place, _, name = target.rpartition(":")
    if not place.endswith(".py"):
        return
    folder, module = place_of_file(str(Path(place).resolve()))
    if folder in path or Path.cwd() not in Path(folder).parents:
        return
    below = Path(folder).relative_to(Path.cwd())
    dotted = ".".join([*below.parts, module])
    ways = [f"add {below / '__init__.py'}", f"write {dotted}:{name}"] if all(map(str.isidentifier, below.parts)) else []
    ways.append(f"put {below} on the image's PYTHONPATH")
    click.echo(
        f"warning: the template names module {module}, which a container finds in the folder {below} only: "
        f"{', or '.join(ways)}",
        err=True,
    )


def _message(target: Target, settings: SerializationSettings, *, spec: bool) -> Any:  # Any: some protobuf message
    if isinstance(target, PythonFunctionWorkflow):
        return workflow_spec(target, settings) if spec else workflow_template(target, settings)
    return task_spec(target, settings) if spec else task_template(target, settings)


@click.command("explain")
@click.argument("target", metavar="MODULE_OR_FILE:TASK", type=TargetType())
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_settings_options
def explain_command(target: str, as_json: bool, **settings: str) -> None:
    """Show for every field of the template who set it: the task or a plugin. Of a workflow: for each of its tasks."""
    found, chosen = load_target(target), _settings(**settings)
    if isinstance(found, PythonFunctionWorkflow):
        explanations = [explain(task, chosen) for task in tasks_of(found)]
        told: dict[str, Any] = {"workflow": found.name, "tasks": [_told(one) for one in explanations]}  # Any: JSON
    else:
        explanations = [explain(found, chosen)]
        told = _told(explanations[0])
    if as_json:
        click.echo(json.dumps(told, sort_keys=True, indent=2))
        return
    for one in explanations:
        click.echo(one.task_name)
        width = max(map(len, one.origins))
        for field, who in sorted(one.origins.items()):
            click.echo(f"  {field:<{width}}  {who}")


def _told(explanation: Explanation) -> dict[str, Any]:  # Any: JSON
    return {"task": explanation.task_name, "origins": dict(explanation.origins)}


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def plugins_command(as_json: bool) -> None:
    """List the installed plugins, their hooks and their state."""
    manager = loaded_plugins()
    rows: list[dict[str, Any]] = [  # Any: JSON
        {
            "name": state.plugin.name,
            "distribution": state.plugin.distribution,
            "version": state.plugin.version,
            "module": state.plugin.module,
            "state": state.state,
            "hooks": state.hooks,
            "error": problem_of(state) or None,
        }
        for state in manager.states
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("no plugins are installed; try: pip install fledge-sql fledge-distributed")
    for row in rows:
        click.echo(
            f"{row['name']:<14} {row['distribution']} {row['version']}  {row['state']}  {', '.join(row['hooks'])}"
        )
        if row["error"]:
            click.echo(f"{'':<14} {row['error']}")
    if any(row["error"] for row in rows):
        click.echo("`fledge doctor` says what to do")
