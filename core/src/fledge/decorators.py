"""`@task`: a function becomes a task; its `task_config` picks the task class that a plugin registered for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from fledge.context import FlyteContextManager
from fledge.decks import ALL_DECK_FIELDS
from fledge.errors import DefinitionError, MetadataError, UnknownConfigError
from fledge.function import PythonFunctionTask, plain_function
from fledge.lazy import lazy
from fledge.metadata import TaskMetadata, checked_flag
from fledge.tracking import full_name

if TYPE_CHECKING:
    from fledge import code_version as code_versions
    from fledge import providers
    from fledge.abstract_task import TaskResolverMixin
    from fledge.decks import DeckField
    from fledge.hooks.manager import PluginManager
    from fledge.idl import tasks
    from fledge.settings import Documentation, Image, PodTemplate, Resources, Secret
else:
    code_versions = lazy("fledge.code_version")
    providers = lazy("fledge.providers")

__all__ = ["task"]

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:

    class FunctionTask(PythonFunctionTask[Any], Generic[P, R]):  # Any: the config's type is no part of a call
        """What a type checker sees: a task that is called as its function is."""

        task_function: Callable[P, R]  # a property at run time

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


@overload
def task(_task_function: Callable[P, R]) -> FunctionTask[P, R]: ...


@overload
def task(
    _task_function: None = None,
    task_config: object = None,
    *,
    cache: bool = False,
    cache_version: str = "",
    cache_serialize: bool = False,
    cache_ignore_input_vars: tuple[str, ...] = (),
    cache_helpers: Iterable[Callable[..., Any]] = (),  # Any: any functions
    retries: int = 0,
    interruptible: bool | None = None,
    deprecated: str = "",
    timeout: timedelta | int | None = None,
    container_image: str | Image | None = None,
    environment: Mapping[str, str] | None = None,
    requests: Resources | None = None,
    limits: Resources | None = None,
    resources: Resources | None = None,
    secret_requests: Iterable[Secret] | None = None,
    task_resolver: TaskResolverMixin | None = None,
    docs: Documentation | None = None,
    enable_deck: bool | None = None,
    deck_fields: tuple[DeckField, ...] | None = ALL_DECK_FIELDS,
    pod_template: PodTemplate | None = None,
    pod_template_name: str | None = None,
    accelerator: str | tasks.GPUAccelerator | None = None,
    shared_memory: bool | str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, R]], FunctionTask[P, R]]: ...


def task(
    _task_function: Callable[..., Any] | None = None,  # Any: any function
    task_config: object = None,
    **options: Any,  # Any: typed in the overload above
) -> Any:  # Any: typed in the overloads above
    """Make a task of a function.

    Used bare (`@task`) or with options (`@task(retries=2)`). Options of `TaskMetadata` (retries, timeout, cache,
    cache_version, ...), of the container (container_image, requests, limits, resources, environment, secret_requests,
    pod_template, accelerator, shared_memory, ...) and of the report (enable_deck, deck_fields).

    `cache=True` alone derives the version from the function's code, from what that names of your own (functions,
    constants, tasks) and from `cache_helpers`, functions that it uses without naming them.

    Args:
        task_config: Picks the task class: the one that a plugin registered for its type.
        **options: As above.

    Raises:
        DefinitionError: An annotation is missing, an option is unknown or does not fit.
        UnsupportedTypeError: No transformer knows an annotation.
        UnknownConfigError: No installed plugin handles the config's type.
    """

    def wrap(function: Callable[..., Any]) -> PythonFunctionTask[Any]:  # Any: any function, any config
        if hasattr(type(function), "python_interface"):
            raise DefinitionError(f"{function!r} is a task already, or a workflow. Decorate the plain function, once")
        function = plain_function(function)
        if "metadata" in options:
            raise DefinitionError(
                f"task {full_name(function)}: @task takes the fields of TaskMetadata: @task(retries=2)"
            )
        fields = {key: options[key] for key in _METADATA & options.keys()}
        rest = {key: value for key, value in options.items() if key not in fields}
        helpers = rest.pop("cache_helpers", ())
        try:
            fields["generates_deck"] = checked_flag("enable_deck", options.get("enable_deck"))
            rest["metadata"] = _metadata(function, fields, helpers)
        except MetadataError as exc:
            raise MetadataError(exc.field, exc.value, exc.reason, full_name(function)) from None
        return _task_class(task_config, function)(task_config, function, **rest)

    return wrap if _task_function is None else wrap(_task_function)


_METADATA = {
    "cache",
    "cache_ignore_input_vars",
    "cache_serialize",
    "cache_version",
    "deprecated",
    "interruptible",
    "retries",
    "tags",
    "timeout",
}


def _metadata(
    function: Callable[..., Any],  # Any: any function
    fields: dict[str, Any],  # Any: a type per field
    helpers: Iterable[Callable[..., Any]],  # Any: any functions
) -> TaskMetadata:
    """`cache=True` without a version: the version follows the code, worked out when it is first asked for."""
    version = fields.get("cache_version")
    if version and "cache" not in fields:
        raise MetadataError("cache_version", version, "has no meaning without cache=True")
    derives = checked_flag("cache", fields.get("cache")) and not version
    if helpers and not derives:
        raise MetadataError("cache_helpers", helpers, "has no meaning without cache=True, nor beside a cache_version")
    if not derives:
        return TaskMetadata(**fields)
    if isinstance(helpers, str) or not (callable(helpers) or isinstance(helpers, Iterable)):
        raise MetadataError("cache_helpers", helpers, "give functions in a tuple")
    derive = code_versions.CodeVersion(function, (helpers,) if callable(helpers) else tuple(helpers))
    return TaskMetadata(**{**fields, "cache_version": "derived"}).with_derived_version(derive)


def _task_class(
    config: object, function: Callable[..., Any]
) -> type[PythonFunctionTask[Any]]:  # Any: any function, any config
    if config is None:
        return _async_task_class() if inspect.iscoroutinefunction(function) else PythonFunctionTask
    plugins: PluginManager = FlyteContextManager.current_context().plugins  # type: ignore[assignment] # it is the manager
    found = plugins.task_class(type(config))
    if found is None and isinstance(config, type):
        name = config.__name__
        raise DefinitionError(f"task {full_name(function)}: task_config={name} is the class itself. Write {name}(...)")
    if found is None:
        raise UnknownConfigError(full_name(function), type(config), _way_out(config, plugins))
    return cast("type[PythonFunctionTask[Any]]", found)


def _way_out(config: object, plugins: PluginManager) -> str:
    package = type(config).__module__.partition(".")[0]
    reason = plugins.why_missing(package)
    if reason:
        return f"{reason[0].upper()}{reason[1:]}"
    known = providers.FOR_CONFIGS.get(package)
    return f"pip install {known}" if known else "Install the plugin it belongs to; `fledge plugins` lists what is there"


def _async_task_class() -> type[PythonFunctionTask[Any]]:  # Any: of any config
    from fledge.async_function import AsyncPythonFunctionTask  # noqa: PLC0415 - asyncio costs programs without it a lot

    return AsyncPythonFunctionTask
